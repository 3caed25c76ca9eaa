"""Quantised dtypes: names only."""

from __future__ import annotations

from ._absent import missing

__all__ = ["QuantDType", "qint8", "qint16"]


class QuantDType(str):
    """A dtype that tensors of the stand-in never have."""


qint8 = QuantDType("qint8")
qint16 = QuantDType("qint16")
__getattr__ = missing(__name__)
