"""Where in the source a row of the toolchain's report comes from, as plain values."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from qatlint.trace import Kind, Span


class Role(Enum):
    """What stands at a place."""

    CALL = "runs here"
    OP = "is this operation"
    REPEATS = "runs again here"
    MADE = "is made here"


class Place(NamedTuple):
    """One place in the source."""

    span: Span
    owner: str
    """`package.module:Class` whose body holds it; "" outside of classes."""
    role: Role
    name: str = ""
    """The member of the row that it belongs to."""


class Edge(NamedTuple):
    """A child on the way from the model to a row: what findings speak of."""

    path: str
    """File of the owner's class."""
    owner: str
    """`package.module:Class`."""
    subject: str
    """Attribute path from the owner, list positions as `*`."""
    base: str = ""
    """The class that made it, where that is a base of the owner."""


class Located(NamedTuple):
    """What the source says of one row."""

    places: tuple[Place, ...] = ()
    """Several where the source leaves several possible."""
    why: str = ""
    """Why there is no place, or why there are several ("" where nothing is to be said)."""
    edges: tuple[Edge, ...] = ()
    """From the model down."""
    kind: Kind = Kind.UNKNOWN
    """What the module is."""
