"""qatlint's stand-in for the names of the toolchain. In a child process only, where the real one is missing.

Stubs are identities and operators compute, so a model gives its float results. Nothing is quantised:
what only the toolchain can do raises when it is called, and a name that is not here says so.
"""

from __future__ import annotations

if __name__ != "horizon_plugin_pytorch":
    raise ImportError("the stand-in is no part of qatlint: it is put on the path of a child process")

from ._absent import Finder, missing
from .march import March, get_march, set_march

__all__ = ["March", "get_march", "set_march"]

Finder.install(__name__)
__getattr__ = missing(__name__)
