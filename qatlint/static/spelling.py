"""How code is quoted in messages."""

from __future__ import annotations

import ast

_LENGTH = 60
"""Characters of source that a message quotes."""


def short(text: str) -> str:
    """In one line, and cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."


def spelt_callee(node: ast.AST) -> str:
    """How a module that is called is written, without indices: `self.proj[...]`."""
    return short(_without_index(node.func)) if isinstance(node, ast.Call) else ""


def _without_index(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Subscript):
        return f"{_without_index(node.value)}[...]"
    if isinstance(node, ast.Attribute):
        return f"{_without_index(node.value)}.{node.attr}"
    return ast.unparse(node)
