"""Working-tree bridge: the built-in rules live in `<checkout>/rules`.

A wheel replaces this file by `rules/__init__.py`.
"""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[2] / "rules")]
