"""What is said of modules that run more than once: which can be fixed, and by which finding."""

from __future__ import annotations

import os
from pathlib import Path

from qatlint.finding import Finding, Fix, Safety, SeparateInstances, Severity
from qatlint.runtime.judgement import Judge, Known, sources
from qatlint.runtime.point import Point
from qatlint.runtime.recording import ModuleFacts, Recording
from qatlint.trace import Span
from tests.runtime.forward import Forward

PROJECT = "/project"
LIBRARY = "/env/lib/python3/site-packages/nets/blocks.py"


def running_twice(**facts: object) -> Recording:
    """A block that runs one activation twice, in the file that the last of its classes has; `facts` are what
    else is known of the block."""
    forward = Forward()
    x = forward.input()
    with forward.run("block", "nets.blocks:Block"):
        y = forward.module("ReLU", "relu", forward.module("ReLU", "relu", x, line=7), line=8)
    forward.output(y)
    recording = forward.flow.recording

    def changed(module: ModuleFacts) -> ModuleFacts:
        if module.path == "block":
            return module._replace(**facts)  # type: ignore[arg-type]
        return module if module.leaf else module._replace(source=f"{PROJECT}/net.py")

    modules = {module.path: module for module in map(changed, recording.modules)}
    file = [modules["block"].source, *modules["block"].mro_sources][-1]
    executions = [e._replace(place=e.place and e.place._replace(path=file)) for e in recording.executions]
    return recording._replace(modules=tuple(modules.values()), executions=tuple(executions))


def finding(path: str, owner: str, subject: str = "relu") -> Known:
    span = Span(path, 8, 1, 8, 5)
    fix = Fix("", Safety.SAFE, "", SeparateInstances(path, owner, span, (), tied=False))
    return Known(Finding("QAT101", "", Severity.WARNING, "", span, owner, subject, fix=fix), False)


def calls(recording: Recording, *known: Known) -> Point:
    return Judge(recording, recording, known, unsafe=False, folder=PROJECT).points()[0]


def test_a_finding_is_about_the_class_of_its_own_file() -> None:
    """Two files may have classes of one name, and source and execution other names for one module."""
    recording = running_twice(source=f"{PROJECT}/blocks.py")
    other = calls(recording, finding(f"{PROJECT}/heads.py", "nets.blocks:Block"))
    assert "which no finding names" in other.details[0]
    same = calls(recording, finding(f"{PROJECT}/blocks.py", "src.nets.blocks:Block"))
    assert f"{PROJECT}/blocks.py:8 has a safe fix" in same.details[0]
    inner = calls(recording, finding(f"{PROJECT}/blocks.py", "nets.blocks:Net.Block"))
    assert "which no finding names" in inner.details[0]


def test_a_finding_in_a_base_is_about_the_class_too() -> None:
    recording = running_twice(
        source=f"{PROJECT}/blocks.py", mro=("base:Base",), mro_sources=(f"{PROJECT}/base.py",)
    )
    assert "has a safe fix" in calls(recording, finding(f"{PROJECT}/base.py", "base:Base")).details[0]


def test_what_a_library_runs_again_is_said_and_fails_nothing() -> None:
    recording = running_twice(source=LIBRARY)
    point = calls(recording, finding(LIBRARY, "nets.blocks:Block"))
    assert point.holds
    assert point.summary.endswith("1 in libraries, where qatlint fixes nothing")
    assert point.details == (
        f"block.relu runs 2 times: `Block` does that at {os.path.join('nets', 'blocks.py')}:7, outside the "
        "project: qatlint cannot fix it there, only in a copy",
    )
    assert sources(recording, PROJECT) == [f"{PROJECT}/net.py"]


def test_what_a_class_inherits_from_a_library_is_the_library_s() -> None:
    inherits = {"source": f"{PROJECT}/blocks.py", "mro": ("nets.blocks:Block",), "mro_sources": (LIBRARY,)}
    point = calls(running_twice(**inherits))
    assert point.holds
    assert f"does that at {os.path.join('nets', 'blocks.py')}:7, outside the project" in point.details[0]


def test_a_project_that_lies_among_libraries_is_a_project() -> None:
    recording = running_twice(source=LIBRARY)
    folder = str(Path(LIBRARY).parent)
    assert not Judge(recording, recording, (), unsafe=False, folder=folder).points()[0].holds
