"""`wrap`: a function that the tracer does not look into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .._absent import missing

__all__ = ["wrap"]

_F = TypeVar("_F", bound=Callable[..., Any])


def wrap(*_: Any, **__: Any) -> Callable[[_F], _F]:
    """`@wrap()` leaves the function as it is."""
    return lambda function: function


__getattr__ = missing(__name__)
