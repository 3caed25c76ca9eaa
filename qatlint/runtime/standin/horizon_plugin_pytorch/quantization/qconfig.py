"""Qconfigs: names only."""

from __future__ import annotations

from .._absent import Absent, missing

get_default_qat_qconfig = Absent("get_default_qat_qconfig")
get_default_qconfig = Absent("get_default_qconfig")
get_qconfig = Absent("get_qconfig")
__getattr__ = missing(__name__)
