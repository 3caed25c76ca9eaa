"""Names that code puts together: `f"_forward_{mode}"`, and what they may be."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from qatlint.static.source import nodes


def matching(name: ast.expr, methods: Iterable[str]) -> list[str]:
    """Methods that a name may mean that is put together: `f"_forward_{mode}"`."""
    if isinstance(name, ast.Constant):
        return [str(name.value)]
    if not isinstance(name, ast.JoinedStr):
        return []
    pattern = "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in name.values)
    return [method for method in methods if re.fullmatch(pattern, method)]


def may_spell(name: ast.expr, attribute: str) -> bool:
    """Whether a name that is put together may be that of a module made beside `attribute`: the same with
    something more at its end."""
    if isinstance(name, ast.Constant):
        return False
    if isinstance(name, ast.JoinedStr):
        return bool(matching(name, (f"{attribute}_1", f"{attribute}1", f"{attribute}s")))
    texts = [n.value for n in nodes(name) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    starts = [re.split(r"[%{]", text)[0] for text in texts if text]
    return any(f"{attribute}{end}".startswith(start) for start in starts for end in ("_1", "1", "s"))
