"""Local variables that a function uses as numbers: `range(n)`, `x.view(b, -1)`, `x[:n]`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

from qatlint.static.source import nodes

_FUNCTIONS = frozenset("range int float zeros ones empty full arange linspace eye".split())
_METHODS = frozenset(
    "view reshape expand repeat new_zeros new_ones new_full new_empty unflatten split chunk narrow tile "
    "permute transpose unsqueeze squeeze flatten roll zeros ones empty full arange linspace eye".split()
)


@lru_cache(maxsize=256)
def number_names(function: ast.AST) -> frozenset[str]:
    """Names that stand where only a number can: sizes, bounds of slices, arguments of `range`."""
    found: set[str] = set()
    for node in nodes(function):
        if isinstance(node, ast.Call):
            found.update(_of_call(node))
        elif isinstance(node, ast.Slice):
            for bound in (node.lower, node.upper, node.step):
                if bound is not None:
                    found.update(_names(bound))
    return frozenset(found)


def _of_call(node: ast.Call) -> Iterator[str]:
    callee = node.func
    for keyword in node.keywords:
        if keyword.arg in ("size", "shape", "output_size"):
            yield from _names(keyword.value)
    if isinstance(callee, ast.Name):
        sizes = node.args if callee.id in _FUNCTIONS else []
    elif isinstance(callee, ast.Attribute) and callee.attr in _METHODS:
        of_torch = isinstance(callee.value, ast.Name) and callee.value.id == "torch"
        # `torch.split(x, n)`: what is cut stands in front of the numbers.
        sizes = node.args[1:] if of_torch and callee.attr not in _FUNCTIONS else node.args
    else:
        sizes = []
    for size in sizes:
        yield from _names(size)


def _names(node: ast.expr) -> Iterator[str]:
    """Names in an expression of numbers only."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.BinOp):
        yield from _names(node.left)
        yield from _names(node.right)
    elif isinstance(node, (ast.Tuple, ast.List)):
        for element in node.elts:
            yield from _names(element)
    elif isinstance(node, ast.UnaryOp):
        yield from _names(node.operand)
