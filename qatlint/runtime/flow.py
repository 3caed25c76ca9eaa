"""A recording with what its ops mean: users, quantisation, and the modules that prepare makes of functions.

The later analyses (fusion, dtypes, dequantised outputs) ask here. What is said of the toolchain is marked
[V] when it stands in a source or manual that was read, [D] when it was deduced.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from qatlint.horizon import ops as table
from qatlint.horizon.ops import Boundary, Meaning, Result
from qatlint.runtime.recording import Op, Recording, TensorFacts
from qatlint.trace import Quant

_FLOATING = ("float", "bfloat", "complex")


BEHIND_STUB = frozenset({Quant.QUANTIZED, Quant.UNKNOWN})
"""What a tensor may be between a QuantStub and a DeQuantStub."""


class Entry(NamedTuple):
    """One run of a dynamic_block."""

    owner: str
    name: str
    run: int


class Unit(NamedTuple):
    """What keeps one set of quantisation parameters: a leaf module, or one that prepare makes of a call."""

    path: str
    generated: bool = False


class Flow:
    """One recording, read. All indices are numbers of ops."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.ops = recording.ops

    @cached_property
    def meanings(self) -> tuple[Meaning | None, ...]:
        """What each op is by the op table; None for inputs, constants, the output, and unknown ops."""
        return tuple(meaning(op) for op in self.ops)

    @cached_property
    def users(self) -> tuple[tuple[int, ...], ...]:
        """Who takes the result of each op, each user once, in order of execution."""
        users: list[dict[int, None]] = [{} for _ in self.ops]
        for op in self.ops:
            for producer in op.inputs:
                users[producer][op.number] = None
        return tuple(tuple(numbers) for numbers in users)

    @cached_property
    def states(self) -> tuple[Quant, ...]:
        """What the result of each op is."""
        states: list[Quant] = []
        for op in self.ops:
            states.append(_state(op, self.meanings[op.number], _given(op, states)))
        return tuple(states)

    def given(self, number: int) -> tuple[Quant, ...]:
        """What the tensors are that an op is given."""
        return _given(self.ops[number], self.states)

    @cached_property
    def has_stubs(self) -> bool:
        """Whether any QuantStub ran."""
        return any(m is not None and m.boundary is Boundary.QUANT for m in self.meanings)

    @cached_property
    def inside(self) -> frozenset[int]:
        """Ops of the quantised region: those that are given a quantised tensor, or what an operation that the
        table does not have made of one.

        prepare drops what stands outside of the stubs [V], whatever the dtypes are. A model without any stub
        is taken as a part of one and lies inside as a whole [D].
        """
        if not self.has_stubs:
            return frozenset(op.number for op in self.ops if op.kind in ("module", "method", "function"))
        return frozenset(
            op.number
            for op in self.ops
            if op.kind != "output" and not BEHIND_STUB.isdisjoint(self.given(op.number))
        )

    @cached_property
    def units(self) -> tuple[Unit | None, ...]:
        """The module that computes each op after prepare; None for what stays a function.

        In one run of a scope (a forward, or an entry of a dynamic_block) every execution of a replaced
        function is a module `_generated_<op>_<n>` of the module whose forward calls it; a scope that runs
        again uses the same ones again [V]. n counts per op name and owner [D].
        """
        units: list[Unit | None] = []
        positions: dict[tuple[object, ...], int] = {}
        names: dict[tuple[object, ...], str] = {}
        counts: dict[tuple[str, str], int] = {}
        for op in self.ops:
            if op.kind != "function" or not self._is_replaced(op):
                units.append(Unit(op.module) if op.kind in ("module", "method") else None)
                continue
            name = table.op_name(op.target)
            run = (op.execution, op.scope, op.scope_run, name)
            position = positions[run] = positions.get(run, -1) + 1
            key = (op.owner, op.scope, name, position)
            if key not in names:
                number = counts[op.owner, name] = counts.get((op.owner, name), -1) + 1
                names[key] = join(op.owner, f"_generated_{name}_{number}")
            units.append(Unit(names[key], generated=True))
        return tuple(units)

    def _is_replaced(self, op: Op) -> bool:
        """Whether prepare makes a module of it: inside the region, and not on constants alone [V]."""
        found = self.meanings[op.number]
        return found is not None and found.replaced and op.number in self.inside

    def entries(self, number: int) -> tuple[Entry, ...]:
        """The entries of dynamic_blocks that an op runs in, the outermost first."""
        return tuple(self._entries(self.ops[number]))[::-1]

    def _entries(self, op: Op) -> Iterator[Entry]:
        executions = self.recording.executions
        if op.scope is not None:
            yield Entry(op.owner, op.scope, op.scope_run)
        execution = executions[op.execution]
        while execution.parent >= 0:
            parent = executions[execution.parent]
            if execution.scope is not None:
                yield Entry(parent.module, execution.scope, execution.scope_run)
            execution = parent

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Every op as the toolchain's tables write it: `head.add[add]`, `dequant(1)` for the second call.

        Functions that stay functions are written by their name, inputs and constants by theirs.
        """
        calls: dict[str, int] = {}
        labels = []
        for op in self.ops:
            unit = self.units[op.number]
            if unit is None:
                labels.append(table.op_name(op.target) if op.kind == "function" else op.target or op.kind)
                continue
            method = table.op_name(op.target) if unit.generated else op.method
            call = calls[unit.path] = calls.get(unit.path, -1) + 1
            labels.append(unit.path + (f"[{method}]" if method else "") + (f"({call})" if call else ""))
        return tuple(labels)


def meaning(op: Op) -> Meaning | None:
    """What an op is by the op table."""
    if op.kind == "function":
        return table.of_function(op.target)
    if op.kind == "method":
        return table.of_method(op.target, op.method)
    if op.kind == "module":
        return table.of_class(op.target)
    return None


def is_floating(facts: TensorFacts) -> bool:
    """Whether a tensor holds quantities that can be quantised."""
    return facts.dtype.startswith(_FLOATING)


def join(owner: str, name: str) -> str:
    """The path of something in a module; the model itself has the path ""."""
    return f"{owner}.{name}" if owner else name


def _given(op: Op, states: list[Quant] | tuple[Quant, ...]) -> tuple[Quant, ...]:
    given = []
    for producer, facts in zip(op.inputs, op.input_facts, strict=True):
        if not is_floating(facts):
            given.append(Quant.PLAIN)
        else:
            # A floating result of something plain is a number from now on: `mask.float()`.
            state = states[producer]
            given.append(Quant.FLOAT if state is Quant.PLAIN else state)
    return tuple(given)


def _state(op: Op, found: Meaning | None, given: tuple[Quant, ...]) -> Quant:
    if op.output_facts and not any(is_floating(facts) for facts in op.output_facts):
        return Quant.PLAIN
    if op.kind in ("input", "constant"):
        return Quant.FLOAT
    if found is None:
        return Quant.FLOAT if BEHIND_STUB.isdisjoint(given) else Quant.UNKNOWN
    if found.boundary is not Boundary.NONE:
        return Quant.QUANTIZED if found.boundary is Boundary.QUANT else Quant.FLOAT
    if found.result is Result.PLAIN:
        return Quant.PLAIN
    if found.result is Result.FLOAT:
        return Quant.FLOAT
    if found.result is Result.PASSES:
        # The scale is that of the tensor it works on; masks, indices and shapes follow after it.
        return next((state for state in given if state is not Quant.PLAIN), Quant.FLOAT)
    # What refuses quantised tensors is followed as if it took them: one complaint is enough.
    for state in (Quant.QUANTIZED, Quant.UNKNOWN):
        if state in given:
            return state
    return Quant.FLOAT
