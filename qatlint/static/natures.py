"""What a value is when the model runs (a tensor, a number, a shape), and what it depends on.

The interpreter's values say which module or constant something is. For dynamic code another question
matters: whether a number that a loop or a test uses is fixed when the model is built. The answers are kept
beside the values, by the key of a symbol.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from qatlint.static.held import NOT_KNOWN, Held, joined_held
from qatlint.trace import Varies


class What(Enum):
    """What a value is at run time."""

    TENSOR = "tensor"
    MAYBE = "maybe"
    """A tensor, unless it turns out to be something else: an argument, the result of a module."""
    NUMBER = "number"
    SHAPE = "shape"
    MANY = "many"
    """A list, tuple or dict."""
    OTHER = "other"
    UNKNOWN = "unknown"


class Cause(NamedTuple):
    """Something that may be another at the next forward."""

    varies: Varies
    why: str = ""
    """What it is, as written."""


Causes = frozenset[Cause]
FIXED: Causes = frozenset()
BY_DATA: Causes = frozenset({Cause(Varies.DATA)})
BY_SHAPE: Causes = frozenset({Cause(Varies.SHAPE)})
BY_CHANCE: Causes = frozenset({Cause(Varies.RANDOM)})
UNPROVEN: Causes = frozenset({Cause(Varies.UNPROVEN)})
_ORDER = {varies: n for n, varies in enumerate(Varies)}
_MOST = 6
"""Causes that are kept of one value."""


class Nature(NamedTuple):
    """What is known about one value."""

    what: What
    causes: Causes = FIXED
    """What its value depends on; for a tensor, what its shape depends on besides that of the input."""
    producers: frozenset[int] = frozenset()
    """Numbers of the ops that may have made it."""
    constant: bool = False
    """The same in every forward: a parameter, a buffer, what is computed from these only."""
    outside: bool = False
    """Outside of the quantised region: before a QuantStub, behind a DeQuantStub."""
    random: bool = False
    derived: bool = False
    """Made by a module that is not followed: its shape may be fixed, whatever that of the input is."""
    plain: bool = False
    """A tensor of truths, indices or counts: nothing that is quantised."""
    held: Held = NOT_KNOWN
    """Its quant state, which `Quantised` alone follows."""

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor, or taken for one."""
        return self.what is What.TENSOR or self.what is What.MAYBE

    @property
    def sizes(self) -> Causes:
        """What its shape depends on, for a tensor."""
        if self.constant:
            return self.causes
        # How many tensors a module gives says nothing about the shape of one.
        causes = frozenset(c for c in self.causes if c.varies is not Varies.GIVEN)
        if not self.is_tensor:
            return self.causes or UNPROVEN
        return causes or UNPROVEN if self.derived else united(BY_SHAPE, causes)

    @property
    def content(self) -> Causes:
        """What a test of its value depends on."""
        if self.what is What.TENSOR:
            return BY_CHANCE if self.random else FIXED if self.constant else BY_DATA
        return self.causes


UNKNOWN = Nature(What.UNKNOWN)
OTHER = Nature(What.OTHER)
NUMBER = Nature(What.NUMBER)
CONSTANT_TENSOR = Nature(What.TENSOR, constant=True)


def united(*parts: Causes) -> Causes:
    """All causes, the heaviest where there are very many."""
    found = frozenset().union(*parts)
    return found if len(found) <= _MOST else frozenset(sorted(found, key=_weight)[:_MOST])


def of_a_kind(sizes: Causes) -> Causes:
    """What decides about sizes that say which kind of input it is, not how much of it there is: they are the
    same for all inputs, as far as anybody knows."""
    unknown = (Varies.SHAPE, Varies.UNPROVEN, Varies.GIVEN)
    rest = frozenset(cause for cause in sizes if cause.varies not in unknown)
    return rest if rest == sizes else rest | UNPROVEN


def heaviest(causes: Causes) -> Cause:
    """The cause that says most; `STATIC` when there is none."""
    return min(causes, key=_weight, default=Cause(Varies.STATIC))


def _weight(cause: Cause) -> tuple[int, str]:
    return _ORDER[cause.varies], cause.why


def joined(one: Nature, other: Nature) -> Nature:
    """What is true of a value that is one or the other."""
    if one is other:
        return one
    what = one.what if one.what is other.what else What.UNKNOWN
    if one.is_tensor and other.is_tensor:
        what = What.MAYBE if What.MAYBE in (one.what, other.what) else What.TENSOR
    same = what is not What.UNKNOWN
    return Nature(
        what,
        united(one.causes, other.causes) if same else united(one.content, other.content),
        one.producers | other.producers,
        one.constant and other.constant,
        one.outside and other.outside,
        one.random or other.random,
        one.derived and other.derived,
        # Indices begin as a table, and are picked from.
        (one.plain or one.constant) and (other.plain or other.constant) and (one.plain or other.plain),
        one.held if one.held is other.held else joined_held(one.held, other.held),
    )
