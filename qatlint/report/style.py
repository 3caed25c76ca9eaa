"""Colours of a terminal, or none. Plain escape codes: a colour library would cost more than the linting."""

from __future__ import annotations

from typing import NamedTuple

from qatlint.finding import Severity

_CODES = {
    "bold": "1",
    "red": "1;31",
    "yellow": "1;33",
    "cyan": "1;36",
    "blue": "1;34",
    "green": "1;32",
    "dim": "2",
}

SEVERITY_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


class Style(NamedTuple):
    """Paints text when `colour` is on. `width` is how many columns there are."""

    colour: bool = False
    width: int = 80

    def paint(self, text: str, colour: str) -> str:
        """`text` in a colour of the table above."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self.colour and text else text
