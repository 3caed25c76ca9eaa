"""Where older plugins have `wrap`."""

from __future__ import annotations

from .._absent import missing
from ..fx.fx_helper import wrap

__all__ = ["wrap"]
__getattr__ = missing(__name__)
