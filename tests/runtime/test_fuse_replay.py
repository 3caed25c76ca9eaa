"""Fused modules are put where the rules say and the forward is run again on symbols.

What `fuse` calls fused without trouble must compute what the model computed, in whichever order sequences
are met. Where it sees trouble something is wrong, but for chance: two calls may make good what each loses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qatlint.horizon.ops import Role
from qatlint.runtime.flow import Flow
from qatlint.runtime.fuse import Trouble, fusions
from qatlint.runtime.sequences import Chain, chains
from tests.runtime.forward import Forward

Symbol = Any


class Stops(Exception):
    """prepare ends with an error."""


class Fused(NamedTuple):
    """A fused module: what it computes of its input and, with an add, of the other operand."""

    root: str
    norm: str | None
    operand: int | None
    """Which operand of the add comes from the root."""
    relu: bool

    def compute(self, inputs: Sequence[Symbol]) -> Symbol:
        own, others = inputs[self.operand or 0], [x for i, x in enumerate(inputs) if i != (self.operand or 0)]
        value: Symbol = (self.root, own)
        if self.norm is not None:
            value = (self.norm, value)
        if self.operand is not None:
            value = plain_add([value, *others])
        return ("relu", value) if self.relu else value


def plain_add(inputs: Iterable[Symbol]) -> Symbol:
    return ("add", tuple(sorted(map(repr, inputs))))


def identity(inputs: Sequence[Symbol]) -> Symbol:
    return inputs[0]


class Prepared:
    """Modules by path, as prepare leaves them."""

    def __init__(self, flow: Flow, found: Sequence[Chain]) -> None:
        self.flow = flow
        self.slots: dict[str, Callable[[Sequence[Symbol]], Symbol]] = {}
        self.taken: dict[tuple[int, ...], int] = {}
        self._runs = Counter(unit.path for unit in flow.units if unit is not None)
        self._made: dict[tuple[str, ...], Fused] = {}
        self._times_fused: Counter[str] = Counter()
        for chain in found:
            self._fuse(chain)

    def _fuse(self, chain: Chain) -> None:
        by_role = {}
        for number in chain.members:
            meaning, unit = self.flow.meanings[number], self.flow.units[number]
            assert meaning is not None and meaning.fuses is not None and unit is not None
            by_role[meaning.fuses] = (number, unit.path)
        root = by_role[Role.ROOT][1]
        middle = [by_role[role][1] for role in (Role.BATCH_NORM, Role.ADD) if role in by_role]
        relu = by_role[Role.RELU][1] if Role.RELU in by_role else None
        if relu is not None and self._runs[relu] > self._runs[root]:
            relu = None
        if relu is None and not middle:
            return
        pattern = (root, *middle, *(["relu"] if relu is not None else []))
        taken = len(pattern)
        if pattern not in self._made:
            runs = [self._runs[path] for path in middle]
            if len(set(runs)) > 1:
                return
            often = bool(runs) and self._runs[root] > runs[0]
            if any(path in other for path in (middle if often else [root, *middle]) for other in self._made):
                raise Stops
            if often and self._runs[root] % runs[0]:
                return
            self._place(pattern, by_role, middle, relu, often, runs)
        if relu is not None:
            self.slots[relu] = identity
        self.taken[chain.members] = taken

    def _place(
        self,
        pattern: tuple[str, ...],
        by_role: dict[Role, tuple[int, str]],
        middle: list[str],
        relu: str | None,
        often: bool,
        runs: list[int],
    ) -> None:
        root = pattern[0]
        operand = None
        if Role.ADD in by_role:
            before = by_role[Role.BATCH_NORM if Role.BATCH_NORM in by_role else Role.ROOT][0]
            operand = self.flow.ops[by_role[Role.ADD][0]].inputs.index(before)
        norm = by_role[Role.BATCH_NORM][1] if Role.BATCH_NORM in by_role else None
        fused = self._made[pattern] = Fused(root, norm, operand, relu is not None)
        for path in middle if often else [root, *middle]:
            self.slots[path] = identity
        home = by_role[Role.ADD][1] if operand is not None else middle[-1] if often else root
        self.slots[home] = fused.compute
        self._times_fused[root] += 1
        if often and self._times_fused[root] >= self._runs[root] // runs[0]:
            self.slots[root] = identity

    def outputs(self) -> list[Symbol]:
        """What the model gives."""
        values: list[Symbol] = []
        for op in self.flow.ops:
            inputs = [values[i] for i in op.inputs]
            unit, meaning = self.flow.units[op.number], self.flow.meanings[op.number]
            if op.kind in ("input", "output"):
                values.append(op.target if op.kind == "input" else inputs)
            elif unit is not None and unit.path in self.slots:
                values.append(self.slots[unit.path](inputs))
            elif meaning is not None and meaning.fuses is Role.ADD:
                values.append(plain_add(inputs))
            elif meaning is not None and meaning.fuses is Role.RELU:
                values.append(("relu", inputs[0]))
            else:
                assert unit is not None
                values.append((unit.path, *inputs))
        (result,) = (value for op, value in zip(self.flow.ops, values, strict=True) if op.kind == "output")
        assert isinstance(result, list)
        return result


STEPS = ["conv0", "conv1", "bn0", "bn1", "ff0", "ff1", "relu0", "relu1", "f.relu", "f.add", "f.sigmoid"]
steps = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2), st.integers(0, 4)), max_size=9)


def build(program: Sequence[tuple[str, int, int]]) -> Flow:
    """A model without stubs: every step works on one of the latest results; what nobody uses is given back."""
    f = Forward()
    made = [f.input("x"), f.input("y")]
    for name, back, other in program:
        x, y = made[-1 - back % len(made)], made[-1 - other % len(made)]
        if name.startswith("conv"):
            made.append(f.module("Conv2d", name, x))
        elif name.startswith("bn"):
            made.append(f.module("BatchNorm2d", name, x))
        elif name.startswith("relu"):
            made.append(f.module("ReLU", name, x))
        elif name.startswith("ff"):
            made.append(f.method("add", name, x, y))
        else:
            made.append(f.function(name.removeprefix("f."), *([x, y] if name == "f.add" else [x])))
    used = {i for op in f.recording.ops for i in op.inputs}
    f.output(*(number for number in made if number not in used))
    return f.flow


def right(flow: Flow, found: Sequence[Chain]) -> bool:
    try:
        return Prepared(flow, found).outputs() == Prepared(flow, ()).outputs()
    except Stops:
        return False


def rows(flow: Flow) -> list[Chain]:
    """What prepare matches."""
    return [chain for chain in chains(flow) if chain.misplaced is None and len(chain.members) > 1]


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(steps)
@example([("conv0", 0, 0), ("bn0", 0, 0), ("conv0", 0, 0), ("bn1", 0, 0)])
@example([("conv0", 0, 0), ("relu0", 0, 0), ("conv0", 0, 0), ("relu1", 0, 0)])
@example([("conv0", 0, 0), ("bn0", 0, 0), ("f.add", 0, 2), ("relu0", 0, 0)] * 2)
def test_what_is_fused_without_trouble_computes_the_same(program: list[tuple[str, int, int]]) -> None:
    flow = build(program)
    found = fusions(flow)
    if all(f.trouble is Trouble.NONE for f in found):
        assert right(flow, rows(flow))
        assert right(flow, rows(flow)[::-1])
        taken = Prepared(flow, rows(flow)).taken
        assert {f.members[: f.fused] for f in found if f.fused} == {m[:n] for m, n in taken.items()}


@pytest.mark.parametrize(
    "program",
    [
        pytest.param([("conv0", 0, 0), ("relu0", 0, 0), ("conv0", 0, 0)], id="relu after one of two calls"),
        pytest.param(
            [("conv0", 0, 0), ("bn0", 0, 0), ("conv0", 0, 0), ("f.sigmoid", 0, 0)],
            id="batch norm after one of two calls",
        ),
        pytest.param(
            [("conv0", 0, 0), ("bn0", 0, 0), ("f.sigmoid", 0, 0), ("bn0", 0, 0)], id="norm elsewhere"
        ),
        pytest.param(
            [("conv0", 0, 0), ("ff0", 0, 2), ("f.sigmoid", 0, 0), ("ff0", 0, 3)], id="add elsewhere"
        ),
        pytest.param(
            [("conv0", 0, 0), ("bn0", 0, 0), ("conv1", 0, 0), ("bn0", 0, 0)], id="norm of two layers"
        ),
        pytest.param(
            [("conv0", 0, 0), ("ff0", 0, 2), ("conv1", 0, 0), ("ff0", 0, 4)], id="add of two layers"
        ),
        pytest.param(
            [("conv0", 0, 0), ("relu0", 0, 0), ("f.sigmoid", 0, 0), ("conv0", 0, 0), ("bn0", 0, 0)],
            id="two kinds of sequences",
        ),
        pytest.param(
            [("conv0", 0, 0), ("ff0", 0, 2), ("conv0", 0, 0), ("ff0", 4, 0)],
            id="other operand at the second call",
        ),
        pytest.param(
            [
                *[("conv0", 0, 0), ("bn0", 0, 0)] * 2,
                ("conv0", 0, 0),
                ("bn1", 0, 0),
                ("conv0", 0, 0),
                ("ff0", 0, 6),
            ],
            id="unequal turns",
        ),
    ],
)
def test_where_trouble_is_seen_something_is_wrong(program: list[tuple[str, int, int]]) -> None:
    flow = build(program)
    assert {f.trouble for f in fusions(flow)} != {Trouble.NONE}
    assert not (right(flow, rows(flow)) and right(flow, rows(flow)[::-1]))
