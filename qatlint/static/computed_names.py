"""Names of attributes that are made from the names of a list: `f"head_{task}"`, `task + "_dequant"`.

Two loops over all of one list meet the same names, so what one of them gives a module, the other finds it
by. Where the list is the default of a parameter, the names themselves are known too.
"""

from __future__ import annotations

from collections.abc import Hashable

from qatlint.static.machine import key_of
from qatlint.static.values import Const, Pick, Value


def met_in_every_loop(index: Value) -> Hashable:
    """A key for a name out of a list of names, the same in each loop over all of the list; else None."""
    if not isinstance(index, Pick) or len(index.options) != 1 or len(index.at) != 1:
        return None
    at, names = index.at[0], key_of(index.options[0][1])
    if names is None or not at.running or at.low or at.high or at.sure is not None or at.turns is not None:
        return None
    return ("all of", names)


def name_key(name: Value) -> Hashable:
    """`key_of` for the name of an attribute, the same in each loop over all of a list."""
    return met_in_every_loop(name) or key_of(name)


def spelt(parts: list[Value]) -> tuple[str, Value, str] | None:
    """(head, name, tail) of a string with one name of a list in it; None for another."""
    texts: list[str] = ["", ""]
    name: Value | None = None
    for part in parts:
        if isinstance(part, Const):
            texts[name is not None] += str(part.value)
        elif name is None and met_in_every_loop(part) is not None:
            name = part
        else:
            return None
    return None if name is None else (texts[0], name, texts[1])
