"""`prepare` itself, which only the toolchain can do."""

from __future__ import annotations

from enum import Enum

from .._absent import Absent, missing

__all__ = ["PrepareMethod"]


class PrepareMethod(Enum):
    """The ways to prepare, for code that names them."""

    EAGER = "eager"
    SYMBOLIC = "symbolic"
    JIT = "jit"
    JIT_STRIP = "jit-strip"


prepare = Absent("prepare")
__getattr__ = missing(__name__)
