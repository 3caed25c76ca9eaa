"""Observers: names only."""

from __future__ import annotations

from .._absent import Absent, missing

FixedScaleObserver = Absent("FixedScaleObserver")
HistogramObserver = Absent("HistogramObserver")
KLObserver = Absent("KLObserver")
MSEObserver = Absent("MSEObserver")
MinMaxObserver = Absent("MinMaxObserver")
MixObserver = Absent("MixObserver")
PercentileObserver = Absent("PercentileObserver")
__getattr__ = missing(__name__)
