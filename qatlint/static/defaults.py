"""Values that are known, but that may be others in the model that was built."""

from __future__ import annotations

from collections.abc import Iterable

from qatlint.static.values import NO_LOOPS, Choice, Const, Item, Mapping, Seq, Symbol, Value


def as_default(value: Value, key: int, name: str, loops: frozenset[int] = NO_LOOPS) -> Symbol:
    """What is known of such a value, which is the same wherever it has this key. `name`: what it is called;
    `loops`: those of construction that may make another one at each turn."""
    known = _plain(value)
    return Symbol(
        key,
        origin="config",
        hint=known if isinstance(known, (int, str, tuple)) else None,
        text=name,
        loops=loops,
        optional=isinstance(value, Const) and known is None,
        given=f"{name}={known!r}",
    )


def is_plain(value: Value) -> bool:
    """Whether a value is none of modules and tensors: a number, a list of names, settings."""
    if isinstance(value, Choice):
        return all(is_plain(option) for _, option in value.options)
    entries: Iterable[Item] = ()
    if isinstance(value, Seq):
        entries = value.items
    elif isinstance(value, Mapping):
        entries = [*value.entries.values(), *(item for _, item in value.rest)]
    elif not isinstance(value, Const):
        return False
    return all(is_plain(item.value) for item in entries)


def _plain(value: Value) -> object:
    """A constant, or a tuple of such; None for anything else."""
    if isinstance(value, Const):
        return value.value
    if isinstance(value, Seq) and not value.open and all(isinstance(i.value, Const) for i in value.items):
        return tuple(_plain(item.value) for item in value.items)
    return None
