"""Commands that run in turns and are timed as whole processes, and what memory one of them takes."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import helpers

_PARSE = """
import ast, sys
with open(sys.argv[1]) as names:
    paths = names.read().split("\\0")
for path in paths:
    with open(path, "rb") as file:
        text = file.read()
    try:
        ast.parse(text, path)
    except (SyntaxError, ValueError):
        pass
"""
_LOOK_EACH = 0.02


@dataclass(slots=True)
class Contestant:
    """One command line, and what its runs took. Every `each`-th round it runs, after `prepare`."""

    name: str
    command: list[str]
    each: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] = lambda: None
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    """Seconds of all processors together."""
    exit_codes: set[int] = field(default_factory=set)
    said: str = ""

    def run(self) -> None:
        """One timed run, its output into a pipe that is read to the end."""
        self.prepare()
        used = _children_used()
        began = time.perf_counter()
        done = subprocess.run(
            self.command,
            capture_output=True,
            text=True,
            cwd=helpers.ROOT,
            env=_environment(self.environment),
            check=False,
        )
        self.seconds.append(time.perf_counter() - began)
        self.processor.append(_children_used() - used)
        self.exit_codes.add(done.returncode)
        self.said = done.stderr[-500:]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def parsing(files: Sequence[Path]) -> Contestant:
    """The baseline: one process that reads every file and gives it to `ast.parse`."""
    with tempfile.NamedTemporaryFile("w", suffix=".names", delete=False) as names:
        names.write("\0".join(map(str, files)))
    _TEMPORARY.append(names.name)
    return Contestant("read and ast.parse", [sys.executable, "-c", _PARSE, names.name])


def linting(qatlint: Sequence[str], targets: Sequence[Path], name: str, *, warm: bool) -> Contestant:
    """qatlint with a cache that is empty at each run, or one that an untimed run has filled."""
    folder = tempfile.mkdtemp(prefix="qatlint-speed-")
    _TEMPORARY.append(folder)
    command = [*qatlint, "check", *map(str, targets), "--isolated", "--exit-zero", "--output-format", "json"]

    def empty() -> None:
        shutil.rmtree(folder, ignore_errors=True)

    return Contestant(
        name,
        command,
        environment={"QATLINT_CACHE_DIR": folder},
        prepare=(lambda: None) if warm else empty,
    )


def contest(runners: Sequence[Contestant], runs: int) -> None:
    """Run everyone once untimed, then in turns, and print the table; ratios are to the first."""
    for runner in runners:
        if runner.each == 1:
            runner.run()  # bytecode, the disk's cache, and ours
            runner.seconds.clear()
            runner.processor.clear()
    for turn in range(runs):
        for runner in runners:
            if turn % runner.each == 0:
                runner.run()
    base = runners[0].median
    rows = [
        (
            r.name,
            f"{r.median:.3f}",
            f"{min(r.seconds):.3f}",
            f"{max(r.seconds):.3f}",
            f"{statistics.median(r.processor):.3f}",
            len(r.seconds),
            f"{r.median / base:.2f}",
            f"{(r.median - base) * 1000:+.0f}",
            "/".join(map(str, sorted(r.exit_codes))),
        )
        for r in runners
    ]
    head = ("", "median s", "min", "max", "processors s", "runs", "ratio", "ms more", "exit")
    print(helpers.table(head, rows), flush=True)
    for runner in runners:
        if runner.name.startswith("qatlint") and runner.exit_codes != {0}:
            raise helpers.BenchmarkError(f"{runner.name} did not end well: {runner.said}")


def peak_memory(runner: Contestant) -> float:
    """Megabytes that a run and its workers hold at the most, shared pages counted once. Needs /proc."""
    runner.prepare()
    process = subprocess.Popen(
        runner.command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=helpers.ROOT,
        env=_environment(runner.environment),
    )
    most = 0
    while process.poll() is None:
        most = max(most, sum(map(_held, _with_children(process.pid))))
        time.sleep(_LOOK_EACH)
    return most / 1024


def clean_up() -> None:
    """Remove what contestants needed."""
    for path in _TEMPORARY:
        if os.path.isdir(path):
            shutil.rmtree(path, ignore_errors=True)
        elif os.path.exists(path):
            os.unlink(path)


_TEMPORARY: list[str] = []


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Bytecode is kept, as for any installed program: a machine may be set up not to write it."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **more}


def _children_used() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _with_children(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        try:
            text = Path(f"/proc/{one}/task/{one}/children").read_text()
        except OSError:
            continue
        found += map(int, text.split())
    return found


def _held(pid: int) -> int:
    """Kilobytes of a process, its share of what it has in common with others; 0 once it has gone."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
