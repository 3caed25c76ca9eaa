"""Stubs as identities; everything that quantises is named and cannot be used."""

from __future__ import annotations

from enum import Enum

from .._absent import Absent, missing
from ..dtype import qint8, qint16
from .prepare import PrepareMethod, prepare
from .stubs import DeQuantStub, QuantStub

__all__ = ["DeQuantStub", "FakeQuantState", "PrepareMethod", "QuantStub", "prepare", "qint8", "qint16"]


class FakeQuantState(Enum):
    """Phases, for code that names them."""

    QAT = "qat"
    CALIBRATION = "calibration"
    VALIDATION = "validation"
    _FLOAT = "_float"


QATMode = Absent("QATMode")
QconfigSetter = Absent("QconfigSetter")
convert = Absent("convert")
get_qconfig = Absent("get_qconfig")
hbdk4 = Absent("hbdk4")
set_fake_quantize = Absent("set_fake_quantize")
set_qat_mode = Absent("set_qat_mode")
__getattr__ = missing(__name__)
