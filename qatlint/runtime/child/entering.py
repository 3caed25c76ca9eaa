"""Measures what enters the quantised region: the tensors that QuantStubs are given, and constant divisors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from qatlint.runtime.child.numbers import Error, Spread, add, best_parts
from qatlint.runtime.quantities import Found, Origin, Quantity
from qatlint.runtime.scales import FORMATS, Extent, Seen, fixed_scale, limit_of

_LARGEST_TABLE = 1 << 20
"""Divisors with more numbers than this are not cut: they are no tables."""


class Entering:
    """A quantity with the errors of the scales that are suggested for it."""

    def __init__(self, quantity: Quantity) -> None:
        self.quantity = quantity
        self.seen = Seen()
        self.calls = 0
        self._divides = False
        self._first: Extent | None = None
        self._changes = False
        self._errors: dict[str, Error] = {}
        self._spread: Spread | None = None
        self._parts: dict[str, dict[str, Any]] = {}

    @property
    def limit(self) -> float:
        """The limit of its range."""
        constant = self.quantity.origin is Origin.CONSTANT
        return self.seen.furthest if constant else limit_of(self.seen.furthest)

    def learn(self, found: Found, extent: Extent) -> None:
        """In the first pass: one more call."""
        self.calls += 1
        self.seen.add(extent)
        self._divides = self._divides or found.divides
        self._first = self._first or extent
        self._changes = self._changes or extent != self._first
        if found.quantity.origin is not self.quantity.origin:
            self.quantity = self.quantity._replace(origin=Origin.COMPUTED)

    def prepare(self) -> None:
        """After the first pass: what the second is to add up."""
        if self.quantity.origin is Origin.CONSTANT and self._changes:
            # No input has a part in it, and it changes: the model keeps it from one forward to the next.
            self.quantity = self.quantity._replace(origin=Origin.COMPUTED)
        self._errors = {form.name: Error(form, fixed_scale(self.limit, form)) for form in FORMATS}
        if self.seen.numbers:
            self._spread = Spread(self.seen.low, self.seen.high)

    def add(self, tensors: Sequence[Tensor]) -> None:
        """In the second pass: one more call."""
        add(self._errors.values(), tensors)
        if self._spread is not None:
            self._spread.add(tensors)
        if (
            self._divides
            and self.quantity.origin is Origin.CONSTANT
            and not self._parts
            and len(tensors) == 1
        ):
            self._cut(tensors[0])

    def _cut(self, divisor: Tensor) -> None:
        for form in FORMATS if divisor.numel() <= _LARGEST_TABLE else ():
            found = best_parts(divisor, form)
            if found is not None:
                self._parts[form.name] = found._asdict()

    def answer(self) -> dict[str, Any]:
        """What it comes to, as plain values."""
        quantity = self.quantity
        return {
            "name": quantity.name,
            "stub": quantity.stub,
            "calls": self.calls,
            "place": quantity.place,
            "origin": quantity.origin.value,
            "numbers": self.seen.numbers,
            "odd": self.seen.odd,
            "low": self.seen.low,
            "high": self.seen.high,
            "limit": self.limit,
            "uniformity": None if self._spread is None else self._spread.uniformity,
            "errors": {name: _figures(error) for name, error in self._errors.items()},
            "parts": self._parts,
        }


def _figures(error: Error) -> dict[str, Any]:
    return {
        "scale": error.scale,
        "clipped": error.clipped,
        "signal": error.signal,
        "noise": error.noise,
        "furthest": error.furthest,
        "relative": error.relative,
        "vanished": error.vanished,
    }
