"""Working-tree bridge: the built-in rules live in `<checkout>/rules`.

A wheel replaces this file by `rules/__init__.py`.
"""

import os

# Not pathlib: importing it takes longer than everything else this file does.
_CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

__path__ = [os.path.join(_CHECKOUT, "rules")]
