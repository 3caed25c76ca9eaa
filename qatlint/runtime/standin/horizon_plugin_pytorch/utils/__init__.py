"""Helpers of the plugin that models import."""

from __future__ import annotations

from .._absent import missing

__getattr__ = missing(__name__)
