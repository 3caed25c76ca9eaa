"""Measures what enters the quantised region: the tensors that QuantStubs are given, and constant divisors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from qatlint.runtime.child.numbers import Error, Spread, best_parts
from qatlint.runtime.quantities import Found, Origin, Quantity
from qatlint.runtime.scales import FORMATS, Extent, fixed_scale, limit_of

_LARGEST_TABLE = 1 << 20
"""Divisors with more numbers than this are not cut: they are no tables."""


class Entering:
    """A quantity with the errors of the scales that are suggested for it."""

    def __init__(self, quantity: Quantity) -> None:
        self.quantity = quantity
        self.extents: list[Extent] = []
        self.divides = False
        self.errors: dict[str, Error] = {}
        self.spread: Spread | None = None
        self.parts: dict[str, dict[str, Any]] = {}

    @property
    def limit(self) -> float:
        """The limit of its range."""
        furthest = max((max(-e.low, e.high) for e in self.extents if e.numbers), default=0.0)
        return furthest if self.quantity.origin is Origin.CONSTANT else limit_of(furthest)

    def learn(self, found: Found, extent: Extent) -> None:
        """In the first pass: one more call."""
        self.extents.append(extent)
        self.divides = self.divides or found.divides
        if found.quantity.origin is not self.quantity.origin:
            self.quantity = self.quantity._replace(origin=Origin.COMPUTED)

    def prepare(self) -> None:
        """After the first pass: what the second is to add up."""
        if self.quantity.origin is Origin.CONSTANT and len({e._replace(odd=0) for e in self.extents}) > 1:
            # No input has a part in it, and it changes: the model keeps it from one forward to the next.
            self.quantity = self.quantity._replace(origin=Origin.COMPUTED)
        self.errors = {form.name: Error(form, fixed_scale(self.limit, form)) for form in FORMATS}
        seen = [e for e in self.extents if e.numbers]
        if seen:
            self.spread = Spread(min(e.low for e in seen), max(e.high for e in seen))

    def add(self, tensors: Sequence[Tensor]) -> None:
        """In the second pass: one more call."""
        for error in self.errors.values():
            error.add(tensors)
        if self.spread is not None:
            self.spread.add(tensors)
        if self.divides and self.quantity.origin is Origin.CONSTANT and not self.parts and len(tensors) == 1:
            self._cut(tensors[0])

    def _cut(self, divisor: Tensor) -> None:
        for form in FORMATS if divisor.numel() <= _LARGEST_TABLE else ():
            found = best_parts(divisor, form)
            if found is not None:
                self.parts[form.name] = found._asdict()

    def answer(self) -> dict[str, Any]:
        """What it comes to, as plain values."""
        quantity = self.quantity
        return {
            "name": quantity.name,
            "stub": quantity.stub,
            "calls": len(self.extents),
            "place": quantity.place,
            "origin": quantity.origin.value,
            "numbers": sum(e.numbers for e in self.extents),
            "odd": sum(e.odd for e in self.extents),
            "low": min((e.low for e in self.extents if e.numbers), default=0.0),
            "high": max((e.high for e in self.extents if e.numbers), default=0.0),
            "limit": self.limit,
            "uniformity": None if self.spread is None else self.spread.uniformity,
            "errors": {name: _figures(error) for name, error in self.errors.items()},
            "parts": self.parts,
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
