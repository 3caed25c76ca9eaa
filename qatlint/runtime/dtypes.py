"""What every op of the quantised region is given: quantised tensors, or float ones that nobody quantised.

A float tensor inside sends the op to the CPU and cuts the compiled model in two [V]. Which integer type a
quantised tensor has is decided by the qconfig and not known here, so it is written `quantized`.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from qatlint.horizon.ops import Boundary, Gemm
from qatlint.runtime.changes import Changes, changes, pairs
from qatlint.runtime.flow import BEHIND_STUB, Flow
from qatlint.runtime.recording import TensorFacts
from qatlint.trace import Quant


class Row(NamedTuple):
    """One op of the region, as the toolchain's table of layers has it."""

    op: int
    label: str
    class_name: str
    """Dotted class of the module, or name of the function."""
    inputs: tuple[str, ...]
    """`quantized`, `unknown` or the dtype as torch writes it, one per tensor."""
    outputs: tuple[str, ...]


class Kind(Enum):
    """Where a float tensor comes from."""

    INPUT = "input of the model"
    CONSTANT = "constant"
    """A parameter, a buffer, a literal, an embedding, a tensor that forward makes."""
    DEQUANTIZED = "result of a DeQuantStub"
    CAST = "mask or index made a number"
    """Of quantised tensors, by a comparison or the like: it has to be quantised again [V]."""


class Origin(NamedTuple):
    """The op that a float tensor begins with."""

    op: int
    kind: Kind


class FloatInput(NamedTuple):
    """A float tensor that meets a quantised one."""

    op: int
    """Who is given both."""
    position: int
    """Among its tensor inputs."""
    origins: tuple[Origin, ...]

    @property
    def is_input(self) -> bool:
        """Whether it holds more than constants, without a QuantStub: always a mistake. Newer versions of the
        toolchain quantise constants by themselves."""
        return any(origin.kind is not Kind.CONSTANT for origin in self.origins)


def rows(flow: Flow) -> tuple[Row, ...]:
    """Every op that is given a quantised tensor, and every stub, in order of execution."""
    found = []
    for op in flow.ops:
        meaning = flow.meanings[op.number]
        stub = meaning is not None and meaning.boundary is not Boundary.NONE
        if not stub and (op.kind == "output" or Quant.QUANTIZED not in flow.given(op.number)):
            continue
        inputs = tuple(map(_cell, flow.given(op.number), op.input_facts))
        outputs = tuple(_cell(flow.states[op.number], facts) for facts in op.output_facts)
        found.append(Row(op.number, flow.labels[op.number], op.target, inputs, outputs))
    return tuple(found)


def _cell(state: Quant, facts: TensorFacts) -> str:
    if state in (Quant.QUANTIZED, Quant.UNKNOWN):
        return str(state.value)
    return f"torch.{facts.dtype}"


def float_inputs(flow: Flow) -> tuple[FloatInput, ...]:
    """Every float tensor that meets a quantised one, with where it comes from."""
    found = []
    for op in flow.ops:
        given = flow.given(op.number)
        meaning = flow.meanings[op.number]
        if op.kind == "output" or Quant.QUANTIZED not in given:
            continue
        if meaning is not None and meaning.boundary is not Boundary.NONE:
            continue
        for position, state in enumerate(given):
            if state is Quant.FLOAT:
                origins = tuple(_origins(flow, op.inputs[position]))
                found.append(FloatInput(op.number, position, origins))
    return tuple(found)


def _origins(flow: Flow, number: int) -> Iterator[Origin]:
    """The ends of the float part of the graph above a tensor, in order of execution."""
    for found in sorted(_above(flow, [number], {Quant.FLOAT})):
        kind = _kind(flow, found)
        if kind is Kind.CONSTANT and flow.ops[found].kind == "function":
            yield from _cast(flow, found)
        elif kind is not None:
            yield Origin(found, kind)


def _above(flow: Flow, numbers: Iterable[int], states: Collection[Quant]) -> set[int]:
    """These ops, and what made those tensors for them that are in one of these states, and so on up."""
    seen, open_ = set(numbers), list(numbers)
    while open_:
        for producer, state in zip(flow.ops[open_[-1]].inputs, flow.given(open_.pop()), strict=True):
            if state in states and producer not in seen:
                seen.add(producer)
                open_.append(producer)
    return seen


def _kind(flow: Flow, number: int) -> Kind | None:
    """What begins at an op; None where it only hands on."""
    op, meaning = flow.ops[number], flow.meanings[number]
    if meaning is not None and meaning.boundary is Boundary.DEQUANT:
        return Kind.DEQUANTIZED
    if op.kind == "input":
        return Kind.INPUT
    return None if Quant.FLOAT in flow.given(number) else Kind.CONSTANT


def _cast(flow: Flow, number: int) -> Iterator[Origin]:
    """Where the masks and indices come from that a function made floating numbers of."""
    above = _above(flow, [number], {Quant.FLOAT, Quant.PLAIN})
    inputs = [n for n in sorted(above) if flow.ops[n].kind == "input"]
    for found in inputs:
        yield Origin(found, Kind.INPUT)
    if not inputs:
        measured = any(not BEHIND_STUB.isdisjoint(flow.given(n)) for n in above)
        yield Origin(number, Kind.CAST if measured else Kind.CONSTANT)


def outside(flow: Flow) -> tuple[int, ...]:
    """The GEMM operations that compute in float: no tensor that they are given is quantised."""
    return tuple(
        op.number
        for op, meaning in zip(flow.ops, flow.meanings, strict=True)
        if meaning is not None
        and meaning.gemm is not Gemm.NO
        and Quant.FLOAT in flow.given(op.number)
        and BEHIND_STUB.isdisjoint(flow.given(op.number))
    )


def compare_outside(before: Flow, after: Flow) -> Changes[tuple[Flow, int]]:
    """The GEMM operations outside of the region of two versions side by side. Other operations may well be
    moved out; these are what the chip is for."""
    return changes(
        pairs([(before, n) for n in outside(before)], [(after, n) for n in outside(after)], _op_key),
        lambda pair: 1,
    )


def _op_key(pair: tuple[Flow, int]) -> Hashable:
    flow, number = pair
    op = flow.ops[number]
    owner = flow.recording.executions[op.execution].class_name.rpartition(":")[2]
    return owner, op.target, op.method, op.output_facts


def compare(
    before: Flow, old: Sequence[FloatInput], after: Flow, new: Sequence[FloatInput]
) -> Changes[tuple[Flow, FloatInput]]:
    """The float tensors inside the region of two versions side by side."""
    return changes(
        pairs([(before, f) for f in old], [(after, f) for f in new], _key),
        lambda pair: 2 if pair[1].is_input else 1,
    )


def _key(pair: tuple[Flow, FloatInput]) -> Hashable:
    """What was asked to compute, by whom, and from what: numbers and names of modules may change."""
    flow, found = pair
    sources = tuple((flow.ops[o.op].kind, flow.ops[o.op].target) for o in found.origins)
    return _op_key((flow, found.op)), found.position, sources
