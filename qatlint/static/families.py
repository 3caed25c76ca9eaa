"""What is known of the entries of lists: whether they are there, how many, and whether they differ."""

from __future__ import annotations

from qatlint.condition import TRUE, implies
from qatlint.static.machine import deps_of
from qatlint.static.values import (
    Choice,
    Instance,
    Item,
    Mapping,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Times


def product(a: Times | None, b: Times | None) -> Times | None:
    """Turns of two nested repetitions."""
    if a is None or b is None:
        return a or b
    most = None if a.most is None or b.most is None else a.most * b.most
    return Times(a.least * b.least, most)


def loops_of(value: Value) -> frozenset[int]:
    """Loops of construction that make a new one of it at each turn."""
    if isinstance(value, (Instance, Symbol, Seq)):
        return value.loops
    if isinstance(value, Pick):
        return frozenset().union(*(loops_of(v) for _, v in value.options))
    if isinstance(value, Choice):
        return frozenset().union(*(loops_of(v) for _, v in value.options))
    if isinstance(value, Mapping):
        return frozenset().union(*(loops_of(item.value) for item in value.entries.values()))
    return frozenset()


def varies(value: Value, entries: Seq | None) -> bool:
    """Whether the entries of a family are different objects."""
    if entries is None:
        return bool(loops_of(value))
    loops: frozenset[int] = frozenset()
    for item in entries.items:
        if item.value is value:
            loops |= item.loops
    if isinstance(value, (Instance, Symbol, Pick, Choice, Seq, Mapping)):
        return bool(loops & loops_of(value)) or (
            not isinstance(value, (Instance, Seq, Mapping)) and bool(loops & deps_of(value))
        )
    return bool(deps_of(value))


def are_single(entries: Seq) -> bool:
    """Whether each entry of a list is known to be there, at its position."""
    return not entries.open and all(item.times is None and item.when == TRUE for item in entries.items)


def beyond(entries: Seq, others: Seq) -> list[Item]:
    """Single entries at the end of a list, which another one that was filled beside it does not have: those
    that stand after as many entries as the other has. Empty where this is not known."""
    repeated = [item for item in entries.items if item.times is not None]
    if not repeated or entries.open or others.open or len(repeated) != len(others.items):
        return []
    beside = all(
        other.times is not None and other.loops == item.loops and implies(item.when, other.when)
        for item, other in zip(repeated, others.items, strict=True)
    )
    after = entries.items[len(repeated) :]
    return after if beside and entries.items[: len(repeated)] == repeated else []
