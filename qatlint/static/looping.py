"""Which comprehensions, and calls of `map`, could be a loop in front of their statement."""

from __future__ import annotations

import ast

_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)
_INNER = (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.Lambda, ast.IfExp, ast.BoolOp)
_WHOLE = ("list", "tuple")
"""Functions that take all elements at once, in order."""
_TAKING = frozenset(("list", "tuple", "set", "sum", "max", "min", "sorted", "dict", "OrderedDict"))
"""Those that take all elements of a generator, whatever these are."""


def becomes_loop(statement: ast.stmt | None, node: ast.AST) -> bool:
    """Whether `node`, which is part of `statement`, runs exactly once each time the statement does, makes a
    list, set or dict or is taken whole, and binds no names besides its own. (Generators and `map` run when
    they are asked.)"""
    if not isinstance(statement, _SIMPLE) or any(
        isinstance(n, (ast.NamedExpr, ast.Await)) for n in ast.walk(node)
    ):
        return False
    around = _around(statement, node)
    if around is None or any(isinstance(outer, _INNER) for outer in around):
        return False
    holder = around[-1] if around else None
    taker = holder.func.id if isinstance(holder, ast.Call) and isinstance(holder.func, ast.Name) else ""
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        asked = isinstance(node, ast.GeneratorExp) and taker not in _TAKING
        return not asked and not any(g.is_async for g in node.generators)
    taken = taker in _WHOLE
    return isinstance(node, ast.Call) and _is_plain(node) and (taken or _name(node.func) == "multi_apply")


def _around(statement: ast.stmt, node: ast.AST) -> list[ast.AST] | None:
    """What stands between a statement and a part of it, from the outside in."""
    waiting: list[tuple[ast.AST, list[ast.AST]]] = [(statement, [])]
    while waiting:
        current, way = waiting.pop()
        for child in ast.iter_child_nodes(current):
            if child is node:
                return way
            waiting.append((child, [*way, child]))
    return None


def _is_plain(call: ast.Call) -> bool:
    """`map(f, xs, ys)` with `f` a name, an attribute, or a lambda with an argument for each."""
    if len(call.args) < 2 or any(isinstance(a, ast.Starred) for a in call.args):
        return False
    if any(k.arg is None for k in call.keywords):
        return False
    called = call.args[0]
    if isinstance(called, ast.Lambda):
        spec = called.args
        others = (*spec.posonlyargs, *spec.kwonlyargs, *spec.defaults, spec.vararg, spec.kwarg)
        return not any(others) and len(spec.args) == len(call.args) - 1 and not call.keywords
    while isinstance(called, ast.Attribute):
        called = called.value
    return isinstance(called, ast.Name)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
