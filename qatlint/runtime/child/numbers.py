"""What a format does to the numbers of a tensor: computed in double precision, piece by piece."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from qatlint.runtime.scales import EXACT, Extent, Format, Parts, sqnr

_PIECE = 1 << 20
_BINS = 1024
_ROUNDING = 1 + 1e-9
"""Room for the rounding of a division of doubles, where a number lies at the very limit."""


def floating(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Those that hold quantities: real numbers in ordinary memory."""
    return [t for t in tensors if t.is_floating_point() and t.layout is torch.strided and not t.is_nested]


def extent(tensors: Iterable[Tensor]) -> Extent:
    """How far the finite numbers of some tensors reach."""
    count, odd, low, high = 0, 0, math.inf, -math.inf
    for piece, left_out in _pieces(tensors):
        odd += left_out
        if piece.numel():
            least, most = torch.aminmax(piece)
            low, high = min(low, least.item()), max(high, most.item())
            count += piece.numel()
    return Extent(count, low, high, odd) if count else Extent(0, 0.0, 0.0, odd)


class _Piece(NamedTuple):
    """Some finite numbers, with what every scale asks of them."""

    numbers: Tensor
    low: float
    high: float
    signal: float


class Noise:
    """The error of one format and scale over any number of tensors, as sums."""

    def __init__(self, form: Format, scale: float) -> None:
        self.form = form
        self.scale = scale
        self.signal = 0.0
        """Sum of the squares of the numbers."""
        self.noise = 0.0
        """Sum of the squares of the errors."""
        self.clipped = 0
        """Numbers further out than half a step from what the format can hold: their error is not one of
        rounding."""

    def take(self, piece: _Piece) -> None:
        """Take in some numbers."""
        self.signal += piece.signal
        error = self._quantised(piece).sub_(piece.numbers)
        self.noise += torch.dot(error, error).item()

    def _quantised(self, piece: _Piece) -> Tensor:
        if self.scale <= 0:
            return torch.zeros_like(piece.numbers)  # the scale of an observer that saw nothing but 0
        low, high = self.form.low, self.form.high
        least, most = (low - 0.5) * _ROUNDING * self.scale, (high + 0.5) * _ROUNDING * self.scale
        if piece.low < least or piece.high > most:
            self.clipped += int(((piece.numbers < least) | (piece.numbers > most)).sum())
        return (piece.numbers / self.scale).round_().clamp_(low, high).mul_(self.scale)


class Error(Noise):
    """The same with the errors of single numbers."""

    def __init__(self, form: Format, scale: float) -> None:
        super().__init__(form, scale)
        self.furthest = 0.0
        """Largest error."""
        self.relative = 0.0
        """Largest error of a number relative to it."""
        self.vanished = 0
        """Numbers other than 0 that become 0."""

    def _quantised(self, piece: _Piece) -> Tensor:
        quantised = super()._quantised(piece)
        error = (piece.numbers - quantised).abs_()
        self.furthest = max(self.furthest, error.max().item())
        some = piece.numbers != 0
        if bool(some.any()):
            self.relative = max(self.relative, (error[some] / piece.numbers[some].abs()).max().item())
            self.vanished += int((quantised[some] == 0).sum())
        return quantised


def add(noises: Iterable[Noise], tensors: Iterable[Tensor]) -> None:
    """Let all of these take in the finite numbers of some tensors."""
    all_of_them = list(noises)
    for numbers, _ in _pieces(tensors):
        if numbers.numel():
            low, high = torch.aminmax(numbers)
            piece = _Piece(numbers, low.item(), high.item(), torch.dot(numbers, numbers).item())
            for noise in all_of_them:
                noise.take(piece)


class Spread:
    """How evenly numbers fill the range from `low` to `high`."""

    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high
        self._bins = torch.zeros(_BINS, dtype=torch.float64)

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Take in the finite numbers of some tensors."""
        if self._low < self._high:
            for piece, _ in _pieces(tensors):
                self._bins += torch.histc(piece, _BINS, self._low, self._high).cpu()

    @property
    def uniformity(self) -> float | None:
        """1 less the Kolmogorov-Smirnov distance to a uniform distribution over the range, good to one of the
        bins; 1 is even, near 0 almost all numbers lie together. None when there is only one number."""
        total = self._bins.sum().item()
        if not total:
            return None
        even = torch.arange(1, _BINS + 1, dtype=torch.float64) / _BINS
        return 1 - (self._bins.cumsum(0) / total - even).abs().max().item()


_CANDIDATES = 256
_NEAR = 12.0


def best_parts(divisor: Tensor, form: Format) -> Parts | None:
    """The cut that lowers the error of a quotient most; None when there is nothing to cut.

    For a divisor d that is off by at most half a step s / 2, the quotient of 1 is off by at most
    1 / (|d| - s / 2) - 1 / |d|. The squares of these are added up over all divisors. Where |d| is no more
    than half a step the divisor may become 0: a cut with fewer of those is always better.
    """
    numbers = divisor.detach().cpu().double().abs()
    if not bool(torch.isfinite(numbers).all()) or not bool(numbers.any()):
        return None
    whole = _quotient(numbers, numbers.max(), form)
    best: tuple[int, float, int, int] | None = None
    tried: dict[int, dict[int, tuple[int, float]]] = {}
    for dim, size in enumerate(numbers.shape):
        found = tried[dim] = {}
        step = max(1, math.ceil((size - 1) / _CANDIDATES))
        for at in range(1, size, step):
            first, second = numbers.narrow(dim, 0, at), numbers.narrow(dim, at, size - at)
            left, right = (_quotient(part, part.max(), form) for part in (first, second))
            found[at] = (left[0] + right[0], left[1] + right[1])
            if best is None or (*found[at], dim, at) < best:
                best = (*found[at], dim, at)
    if best is None:
        return None
    zeros, noise, dim, at = best
    signal = numbers[numbers > 0].pow(-2).sum().item()
    return Parts(
        dim,
        at,
        numbers.shape[dim],
        _db(signal, whole[1]),
        _db(signal, noise),
        (whole[0], zeros),
        _near(tried[dim], at),
    )


def _quotient(numbers: Tensor, reach: Tensor, form: Format) -> tuple[int, float]:
    """Divisors that may vanish, and the sum of squared worst errors of the quotients of all others."""
    half = reach.item() / (form.high - form.low)
    kept = numbers[numbers > half * _ROUNDING]
    noise = (1 / (kept - half) - 1 / kept).square().sum().item()
    return numbers.numel() - kept.numel(), noise


def _near(found: dict[int, tuple[int, float]], at: int) -> tuple[int, int]:
    zeros, noise = found[at]
    positions = sorted(found)
    index = positions.index(at)
    good = [z == zeros and n <= noise * 10 ** (_NEAR / 10) for z, n in (found[p] for p in positions)]
    first = last = index
    while first > 0 and good[first - 1]:
        first -= 1
    while last + 1 < len(good) and good[last + 1]:
        last += 1
    return positions[first], positions[last]


def _db(signal: float, noise: float) -> float:
    return sqnr(signal, noise) or (0.0 if noise else EXACT)


def _pieces(tensors: Iterable[Tensor]) -> Iterator[tuple[Tensor, int]]:
    """The numbers as flat doubles without NaN and infinities, and how many of those there were."""
    for tensor in tensors:
        for piece in torch.split(tensor.detach().reshape(-1), _PIECE):
            numbers = piece.double()
            finite = torch.isfinite(numbers)
            if bool(finite.all()):
                yield numbers, 0
            else:
                kept = numbers[finite]
                yield kept, numbers.numel() - kept.numel()
