"""Setters of qconfigs: names only."""

from __future__ import annotations

from .._absent import Absent, missing

ConvDtypeTemplate = Absent("ConvDtypeTemplate")
MatmulDtypeTemplate = Absent("MatmulDtypeTemplate")
ModuleNameTemplate = Absent("ModuleNameTemplate")
QconfigSetter = Absent("QconfigSetter")
SetDynamicQuantTemplate = Absent("SetDynamicQuantTemplate")
__getattr__ = missing(__name__)
