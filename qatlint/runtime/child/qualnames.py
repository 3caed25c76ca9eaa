"""Qualified names of functions, for Pythons whose code objects do not know them (before 3.11)."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType

_COMPREHENSIONS: dict[type[ast.AST], str] = {
    ast.Lambda: "<lambda>",
    ast.ListComp: "<listcomp>",
    ast.SetComp: "<setcomp>",
    ast.DictComp: "<dictcomp>",
    ast.GeneratorExp: "<genexpr>",
}


def qualified_name(code: CodeType) -> str:
    """`Outer.forward`, `Outer.forward.<locals>.<listcomp>`; of two in one line, that of the first. The plain
    name where the text of the file cannot be had."""
    known: str | None = getattr(code, "co_qualname", None)
    if known is not None:
        return known
    return _names(code.co_filename).get((code.co_firstlineno, code.co_name), code.co_name)


@lru_cache(maxsize=256)
def _names(filename: str) -> dict[tuple[int, str], str]:
    """(first line, name) -> qualified name of all functions in a file."""
    try:
        tree = ast.parse("".join(linecache.getlines(filename)))
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[tuple[int, str], str] = {}
    for line, name, qualified in _walk(tree, ""):
        found.setdefault((line, name), qualified)
    return found


def _walk(node: ast.AST, prefix: str) -> Iterator[tuple[int, str, str]]:
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, ast.ClassDef):
            inner = f"{prefix}{child.name}."
        elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
            yield first, child.name, prefix + child.name
            inner = f"{prefix}{child.name}.<locals>."
        elif type(child) in _COMPREHENSIONS:
            name = _COMPREHENSIONS[type(child)]
            yield child.lineno, name, prefix + name  # type: ignore[attr-defined]
            inner = f"{prefix}{name}.<locals>."
        yield from _walk(child, inner)
