"""Which toolchain user code finds in this process: the real one, or the stand-in for its names."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from qatlint.horizon.plugin import PLUGIN

STANDIN = Path(__file__).resolve().parents[1] / "standin"


def provide() -> str:
    """Make the plugin's names importable; `horizon` when the plugin itself is there, else `reference`."""
    if str(STANDIN) in sys.path:
        return "reference"
    if importlib.util.find_spec(PLUGIN) is not None:
        return "horizon"
    sys.path.append(str(STANDIN))
    return "reference"
