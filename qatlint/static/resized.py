"""How often a loop of a class goes round, where a class that inherits it changes what the loop goes over."""

from __future__ import annotations

import ast

from qatlint.static.modulefile import ClassDef
from qatlint.static.mutators import MUTATORS
from qatlint.static.scope import receiver
from qatlint.static.source import nodes


def is_resized_by(cls: ClassDef, attribute: str) -> bool:
    """Whether a method of the class gives `self.<attribute>` another value, more entries or fewer."""
    if attribute not in cls.text_of(cls.node):
        return False
    if cls.writers_of(attribute):
        return True
    for method in cls.methods.values():
        me = receiver(method)
        for node in nodes(method):
            held = _resized(node)
            if isinstance(held, ast.Attribute) and held.attr == attribute:
                if isinstance(held.value, ast.Name) and held.value.id in me:
                    return True
    return False


def _resized(node: ast.AST) -> ast.expr | None:
    """`xs` of `xs.append` and `del xs[0]`."""
    if isinstance(node, ast.Attribute) and node.attr in MUTATORS:
        return node.value
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Del):
        return node.value
    return None
