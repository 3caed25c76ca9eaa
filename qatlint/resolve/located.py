"""Where in the source a row of the toolchain's report comes from, as plain values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from qatlint.trace import Span


class Role(Enum):
    """What stands at a place."""

    RUNS = "runs here"
    """The module, or the function that prepare made a module of."""
    THROUGH = "reached through"
    """A call that leads there from the forward of the model."""


class Place(NamedTuple):
    """One place in the source."""

    span: Span
    owner: str
    """`package.module:Class` whose body holds it; `package.module:function` outside of classes."""
    role: Role
    name: str
    """The member of the row that it belongs to."""


class Located(NamedTuple):
    """What the source says of one row."""

    places: tuple[Place, ...] = ()
    """Several where the source leaves several possible."""
    why: str = ""
    """Why there is no place, or why there are several ("" where nothing is to be said)."""
