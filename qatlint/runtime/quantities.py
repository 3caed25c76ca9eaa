"""What enters the quantised region: what QuantStubs are given, and constants that something is divided by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from math import prod
from typing import NamedTuple

from qatlint.horizon.ops import Boundary, op_name
from qatlint.runtime.flow import Flow
from qatlint.runtime.recording import Op, Place
from qatlint.runtime.shares import is_quantised


class Origin(Enum):
    """Where numbers come from."""

    INPUT = "input"
    """An input of the model, as it is or only moved."""
    COMPUTED = "computed"
    """Computed from inputs or random numbers, or kept from an earlier forward."""
    CONSTANT = "constant"
    """No input has a part in it, and no random number."""


class Quantity(NamedTuple):
    """One tensor that is to be quantised."""

    name: str
    """Path of the QuantStub; without one, the name of the parameter or buffer, or `divisor`."""
    stub: bool
    place: Place | None
    """The (first) call of the stub, or the division."""
    origin: Origin

    @property
    def key(self) -> tuple[object, ...]:
        """Two quantities with one key are quantised with one scale: all calls of a stub are."""
        return (self.name,) if self.stub else (self.name, self.place)


class Found(NamedTuple):
    """A quantity and where it is to be measured."""

    quantity: Quantity
    op: int
    """The stub, whose result it is, or the division that takes it."""
    divides: bool


def quantities(flow: Flow, divisors: Mapping[int, int]) -> Iterator[Found]:
    """The quantities of one sample. `divisors` gives the divisions, with the position of the divisor among
    the inputs of the op."""
    fed = _fed(flow)
    stubs = [op for op in flow.ops if _is_stub(flow, op)]
    roots = {
        division: _root(flow, flow.ops[division].inputs[position])
        for division, position in divisors.items()
        if is_quantised(flow, flow.ops[division])
    }
    constant = {division: root for division, root in roots.items() if root not in fed}
    dividing = set(constant.values())
    for op in stubs:
        origin = Origin.CONSTANT if op.number not in fed else _origin(flow, op.inputs[0])
        yield Found(Quantity(op.module, True, op.place, origin), op.number, op.number in dividing)
    seen: set[int] = {op.number for op in stubs}
    for division, root in constant.items():
        numbers = prod(flow.ops[division].input_facts[divisors[division]].shape)
        if root not in seen and numbers > 1:  # a single number needs no QuantStub
            seen.add(root)
            source = flow.ops[root]
            name = source.target if source.kind == "constant" and source.target else "divisor"
            place = flow.ops[division].place
            yield Found(Quantity(name, False, place, Origin.CONSTANT), division, True)


def _is_stub(flow: Flow, op: Op) -> bool:
    meaning = flow.meanings[op.number]
    return meaning is not None and meaning.boundary is Boundary.QUANT and bool(op.inputs)


_RANDOM = frozenset(
    "rand rand_like randn randn_like randint randint_like randperm normal bernoulli multinomial poisson "
    "uniform random exponential cauchy geometric log_normal".split()
)


_SHAPED = frozenset(
    "zeros_like ones_like empty_like full_like new_zeros new_ones new_empty new_full new_tensor".split()
)
"""Functions that take only the shape and the type of their first tensor."""
_SHAPED_BY_SECOND = frozenset("to type_as expand_as view_as reshape_as".split())
"""Those that take no more of their second one."""


def _fed(flow: Flow) -> set[int]:
    """Ops whose numbers an input, or a random number, has a part in."""
    fed: set[int] = set()
    for op in flow.ops:
        drawn = op.kind == "function" and op_name(op.target) in _RANDOM
        if op.kind == "input" or drawn or not fed.isdisjoint(_counting(op)):
            fed.add(op.number)
    return fed


def _counting(op: Op) -> tuple[int, ...]:
    """The inputs of an op that decide its numbers."""
    name = op_name(op.target) if op.kind == "function" else ""
    if name in _SHAPED:
        return op.inputs[1:]
    return op.inputs[:1] if name in _SHAPED_BY_SECOND else op.inputs


def _root(flow: Flow, number: int) -> int:
    """What made the numbers that were only moved since."""
    while True:
        meaning, inputs = flow.meanings[number], flow.ops[number].inputs
        if meaning is None or not meaning.layout or not inputs:
            return number
        number = inputs[0]


def _origin(flow: Flow, number: int) -> Origin:
    return Origin.INPUT if flow.ops[_root(flow, number)].kind == "input" else Origin.COMPUTED
