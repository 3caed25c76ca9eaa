"""Integer formats as the toolchain uses them: scales, what they cover, and how good the numbers stay.

All formats are symmetric with zero point 0: a number x becomes `clamp(round(x / scale), low, high) * scale`.
Two rules make a scale from how far a tensor reaches. They differ by less than half a percent:

* measured (by an observer): `reach / ((high - low) / 2)`, so 127.5 steps in int8. The printed scales of the
  manual's tuning example follow it to six digits (99.0 -> 0.7764707, 8659.6436 -> 0.2642754 in int16).
* fixed (written by hand): `reach / -low`, so 128 steps in int8; the manual writes 100 / 32768 for a range of
  -100 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Format(NamedTuple):
    """An integer format."""

    name: str
    low: int
    high: int


INT8 = Format("int8", -128, 127)
INT16 = Format("int16", -32768, 32767)
FORMATS = (INT8, INT16)

EXACT = 150.0
"""What stands for an SQNR without any noise, in dB: sums of doubles cannot tell more apart."""

SPLIT_FROM = 6.0
"""dB that the worst call loses from which a module is to be split: one bit of the format, as if the scale
were twice as wide as it has to be (20 log10 2 = 6.02)."""
STAY_BELOW = 1.0
"""dB below which it may stay as it is: a sixth of a bit, and no more than the scale of one batch costs
another of the same distribution (0.9 dB in the middle, of 2,000 normal numbers each)."""
ENOUGH = 60.0
"""SQNR in dB that is good enough, whatever was lost: two bits more than int8 reaches when its range is filled
evenly (20 log10 256 = 48), and errors of a thousandth of the numbers."""

AVERAGE, MINMAX = "average", "minmax"
OBSERVERS = (AVERAGE, MINMAX)
"""How an observer makes one range of what it saw. A moving average settles at the mean of the lows and the
mean of the highs; `minmax` keeps the widest."""


class Extent(NamedTuple):
    """How far the numbers of one tensor reach in one forward."""

    numbers: int
    """Finite numbers; NaN and infinities are left out of everything."""
    low: float
    high: float
    odd: int = 0
    """How many were left out."""


class Seen:
    """The extents of any number of forwards, added up."""

    __slots__ = ("forwards", "numbers", "odd", "low", "high", "lows", "highs")

    def __init__(self, *extents: Extent) -> None:
        self.forwards = 0
        """Forwards in which there were numbers."""
        self.numbers = 0
        self.odd = 0
        self.low = math.inf
        self.high = -math.inf
        self.lows = 0.0
        """Sum of the lows, each no higher than 0: a range that is quantised symmetrically holds 0."""
        self.highs = 0.0
        for extent in extents:
            self.add(extent)

    def add(self, extent: Extent) -> None:
        """Take in one more forward."""
        self.odd += extent.odd
        if extent.numbers:
            self.forwards += 1
            self.numbers += extent.numbers
            self.low, self.high = min(self.low, extent.low), max(self.high, extent.high)
            self.lows += min(extent.low, 0.0)
            self.highs += max(extent.high, 0.0)

    @property
    def furthest(self) -> float:
        """The largest magnitude; 0 when there were no numbers."""
        return max(0.0, -self.low, self.high)

    def is_like(self, other: Seen) -> bool:
        """Whether both saw the same, but for differences that no scale would show."""
        if (self.forwards, self.numbers, self.odd) != (other.forwards, other.numbers, other.odd):
            return False
        room = _SAME * (self.furthest + other.furthest)
        pairs = ((self.low, other.low), (self.high, other.high))
        sums = ((self.lows, other.lows), (self.highs, other.highs))
        return not self.numbers or (
            all(abs(a - b) <= room for a, b in pairs)
            and all(abs(a - b) <= room * self.forwards for a, b in sums)
        )


_SAME = 1e-4


def reach(seen: Iterable[Seen], observer: str) -> float:
    """The largest magnitude of the range that an observer makes of these; 0 when there were no numbers."""
    all_of_them = [one for one in seen if one.numbers]
    if observer == MINMAX or not all_of_them:
        return max((one.furthest for one in all_of_them), default=0.0)
    forwards = sum(one.forwards for one in all_of_them)
    low = math.fsum(one.lows for one in all_of_them) / forwards
    high = math.fsum(one.highs for one in all_of_them) / forwards
    return max(-low, high)


def measured_scale(reach: float, form: Format) -> float:
    """The scale that an observer sets for a range."""
    return reach / ((form.high - form.low) / 2)


def reach_of(scale: float, form: str) -> float:
    """The range for which an observer sets this scale, in the format of this name."""
    return next(scale * (f.high - f.low) / 2 for f in FORMATS if f.name == form)


def fixed_scale(reach: float, form: Format) -> float:
    """The scale to write by hand for a range."""
    return reach / -form.low


def sqnr(signal: float, noise: float) -> float | None:
    """Signal to quantisation noise in dB, of two sums of squares; None when there is no signal, or more than
    a double can hold."""
    if signal <= 0 or not math.isfinite(signal) or not math.isfinite(noise):
        return None
    return EXACT if noise <= 0 else min(EXACT, 10 * math.log10(signal / noise))


def limit_of(reach: float) -> float:
    """The number that is likely meant as the limit of a range that was seen to go this far.

    Extremes are rarely met by samples: a number with one digit that is at most 2 % further is taken instead.
    """
    if reach <= 0 or not math.isfinite(reach):
        return reach
    power = 10.0 ** math.floor(math.log10(reach))
    # The number itself may be one already, up to rounding of the division.
    digit = math.ceil(reach / power - 1e-9)
    limit = digit * power if power >= 1 else digit / round(1 / power)
    return limit if reach <= limit <= reach * 1.02 else reach


class Parts(NamedTuple):
    """A constant divisor in two parts along one dimension, each with a scale of its own."""

    dim: int
    at: int
    """First position of the second part."""
    size: int
    """Positions in this dimension."""
    whole: float
    """SQNR of the quotient with one scale, in dB, when every rounding is the worst possible."""
    parts: float
    """The same with two."""
    zeros: tuple[int, int]
    """Divisors that may become 0, with one scale and with two: their quotients are lost."""
    near: tuple[int, int]
    """The positions that are at most two bits worse, from and to, around `at`."""

    @property
    def helps(self) -> bool:
        """Whether two scales are worth it."""
        return self.zeros[1] < self.zeros[0] or (
            self.whole < ENOUGH and self.parts - self.whole >= SPLIT_FROM
        )
