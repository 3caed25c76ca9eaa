"""Findings as plain lists and back, for a file that keeps them.

Each value becomes `[name of its class, field, field, ...]`; numbers, texts and None stay what they are. The
classes are those of `finding.py` and `trace.py`, whatever a rule puts into a fix.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from qatlint import finding, trace
from qatlint.examined import Judged

_HOMES = (finding, trace)
_PLAIN = (str, int, float, type(None))
_TUPLE, _SET = "()", "{}"


class Garbled(Exception):
    """These lists were not made by `to_lists`, or by another version of it."""


def to_lists(judged: Judged) -> list[Any]:
    """What `from_lists` makes `judged` of: only lists, texts, numbers, booleans and None."""
    return [_plain(judged.finding), judged.own]


def from_lists(stored: Any) -> Judged:
    """The finding that `to_lists` was given. Raises `Garbled`."""
    try:
        found, own = stored
        value = _value(found, _makers())
    except (TypeError, ValueError, KeyError, IndexError, RecursionError) as error:
        raise Garbled(str(error)) from None
    if not isinstance(value, finding.Finding) or not isinstance(own, bool):
        raise Garbled("not a finding")
    return Judged(value, own)


def _plain(value: Any) -> Any:
    # Enums first: a severity is a number as well.
    if isinstance(value, Enum):
        return [type(value).__name__, value.value]
    if isinstance(value, _PLAIN):
        return value
    if is_dataclass(value):
        return [type(value).__name__, *(_plain(getattr(value, f.name)) for f in fields(value))]
    if isinstance(value, frozenset):
        return [_SET, *(_plain(item) for item in sorted(value))]
    assert isinstance(value, tuple), type(value)
    name = type(value).__name__ if hasattr(value, "_fields") else _TUPLE
    return [name, *map(_plain, value)]


def _value(stored: list[Any], makers: dict[str, Any]) -> Any:
    # A run that finds all in its cache spends a good part of its time here.
    return makers[stored[0]]([_value(item, makers) if type(item) is list else item for item in stored[1:]])


def _makers() -> dict[str, Any]:
    """By name of a class: what makes a value of it from the list of its fields."""
    if not _known:
        _known[_TUPLE], _known[_SET] = tuple, frozenset
        for home in _HOMES:
            for name, cls in vars(home).items():
                if isinstance(cls, type) and cls.__module__ == home.__name__:
                    _known[name] = cls._make if hasattr(cls, "_make") else _by_position(cls)
    return _known


def _by_position(cls: type) -> Any:
    return lambda items: cls(*items)


_known: dict[str, Any] = {}
