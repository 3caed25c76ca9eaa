"""The quant states that are read from source are those of the executed model, op by op.

For every fixture of the rules of the quantised region: what each op is given and what it gives. "Unknown" is
an answer of the static side, and counted; anything else must be what was executed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from qatlint.engine import open_project
from qatlint.files import DiskLoader
from qatlint.horizon.ops import Boundary
from qatlint.runtime.flow import Flow as Executed
from qatlint.runtime.recording import from_json
from qatlint.static.tracing import trace_class
from qatlint.trace import Flow, Quant, QuantOp
from tests.execution.parent import VARIABLE, torch_python
from tests.fixture_units import Unit, units

pytestmark = pytest.mark.skipif(
    torch_python() is None or sys.version_info < (3, 11),
    reason=f"needs torch and the columns of Python 3.11; point {VARIABLE} at a Python that has torch",
)

ROOT = Path(__file__).resolve().parents[2]
UNITS = [unit for unit in units() if unit.name.startswith(("qat30", "qat40"))]
LEAST = 0.95
"""The share of executed ops whose states must be known statically."""

Where = tuple[str, int, int, int, int, str, str]
"""The place of an op, its name, and the class whose forward runs it."""


class States(NamedTuple):
    """What one run of an op was given, and what it gave."""

    given: tuple[str, ...]
    result: str


@cache
def executed() -> dict[Path, Executed]:
    """All fixtures of these rules, recorded in one process."""
    done = subprocess.run(
        [torch_python() or sys.executable, "-m", "tests.runtime.child.record_files"],
        input=json.dumps([str(unit.entry) for unit in UNITS]),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {Path(file): Executed(from_json(text)) for file, text in json.loads(done.stdout).items()}


def executed_states(flow: Executed, roots: set[str]) -> dict[Where, set[States]]:
    """By place: what the ops below one of these classes were given and gave."""
    found: dict[Where, set[States]] = {}
    for op, meaning in zip(flow.ops, flow.meanings, strict=True):
        place = op.place
        if op.kind not in ("module", "method", "function") or place is None or meaning is None:
            continue
        classes = list(_classes_around(flow, op.execution))
        if roots.isdisjoint(classes):
            continue
        given = tuple(state.value for state in flow.given(op.number))
        if meaning.boundary is Boundary.NONE and not op.output_facts:
            continue  # a question, not an op
        span = (place.path, place.line, place.column, place.end_line, place.end_column)
        where = (*span, meaning.name, classes[0])
        found.setdefault(where, set()).add(States(given, flow.states[op.number].value))
    return found


def _classes_around(flow: Executed, number: int) -> Iterator[str]:
    """Names of the classes whose forward runs, the innermost first; containers only run their entries."""
    while number >= 0:
        execution = flow.recording.executions[number]
        if not execution.class_name.startswith("torch."):
            yield execution.class_name.rpartition(":")[2]
        number = execution.parent


def static_flows(unit: Unit) -> list[Flow]:
    """The flows of all roots of a unit whose inputs are known to be float."""
    paths = [str(file) for file in unit.files]
    project = open_project(paths, DiskLoader())
    found: dict[str, Flow] = {}
    for path in paths:
        for cls in project.file(path).classes:
            if project.is_module(cls):
                for flow in trace_class(project, cls).flows:
                    if not flow.assumed:
                        found[flow.root] = flow
    return list(found.values())


def static_states(flows: list[Flow]) -> dict[Where, set[States]]:
    """The same as `executed_states`, as the source tells it."""
    found: dict[Where, set[States]] = {}
    for flow in flows:
        for op in flow.ops:
            given = tuple(state.quant.value for state in op.operands)
            found.setdefault(_where(op), set()).add(States(given, op.result.quant.value))
    return found


def _where(op: QuantOp) -> Where:
    span = op.span
    runner = op.runner.rpartition(":")[2]
    return span.path, span.line, span.column, span.end_line, span.end_column, op.name, runner


def differences(unit: Unit) -> tuple[list[str], int, int]:
    """(what differs, in words; ops whose states are known; all executed ops)."""
    flows = static_flows(unit)
    real = executed_states(executed()[unit.entry], {flow.root.rpartition(":")[2] for flow in flows})
    read = static_states(flows)
    found, known = [], 0
    for where, states in real.items():
        label = f"{Path(where[0]).name}:{where[1]}:{where[2]} {where[5]} in {where[6]}"
        mine = read.get(where, set())
        found += [
            f"{label}: executed {one}, read {sorted(mine)}"
            for one in states
            if not any(_agrees(other, one) for other in mine)
        ]
        known += bool(mine) and not any(_is_unknown(other) for other in mine)
        found += [
            f"{label}: read {other}, executed {sorted(states)}"
            for other in mine
            if not any(_agrees(other, one) for one in states)
        ]
    return found, known, len(real)


def _agrees(read: States, real: States) -> bool:
    if len(read.given) != len(real.given):
        # A list that a loop fills: its entries are one in source.
        return read.result == real.result and set(read.given) == set(real.given)
    pairs = zip((*read.given, read.result), (*real.given, real.result), strict=True)
    return all(one in (other, Quant.UNKNOWN.value) for one, other in pairs)


def _is_unknown(states: States) -> bool:
    return Quant.UNKNOWN.value in (*states.given, states.result)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_states_are_those_of_the_executed_model(unit: Unit) -> None:
    found, _, count = differences(unit)
    assert count or not static_flows(unit), "no op of a root was executed"
    assert not found, "\n".join(found)


def test_nearly_all_states_are_known() -> None:
    """A boundary that depends on the mode is not, and must not be."""
    results = [differences(unit) for unit in UNITS]
    known, count = sum(known for _, known, _ in results), sum(count for _, _, count in results)
    assert known >= LEAST * count, f"the states of {known} of {count} ops are known"


def test_states_are_spelt_alike() -> None:
    assert {state.value for state in Quant} == {state.value for state in Quant}
