"""The chips. Setting one changes nothing here."""

from __future__ import annotations

from enum import Enum

from ._absent import missing

__all__ = ["March", "get_march", "set_march"]


class March(str, Enum):
    """Architectures by the names that `set_march` takes."""

    BERNOULLI2 = "bernoulli2"
    BAYES = "bayes"
    BAYES_E = "bayes-e"
    NASH_B = "nash-b"
    NASH_E = "nash-e"
    NASH_H = "nash-h"
    NASH_M = "nash-m"
    NASH_P = "nash-p"


_set: list[March] = []


def set_march(march: March | str) -> None:
    """Remember the chip. Raises `ValueError` for one that is not known."""
    _set[:] = [March(march)]


def get_march() -> March | None:
    """The chip that was set last."""
    return _set[0] if _set else None


__getattr__ = missing(__name__)
