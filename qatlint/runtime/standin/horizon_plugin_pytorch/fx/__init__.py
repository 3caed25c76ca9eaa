"""Names of the graph tracer."""

from __future__ import annotations

from .._absent import missing

__getattr__ = missing(__name__)
