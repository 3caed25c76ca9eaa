"""How the call of a stub is written: whether a fix can take it away, or write it at another place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from qatlint.static.source import nodes
from qatlint.static.written import Method

NO_ATTRIBUTE = "the stub is not called as an attribute of the class"
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NAMED = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.ExceptHandler,
    ast.MatchAs,
    ast.MatchStar,
)
_MOVING = (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.Lambda, *_COMPREHENSIONS)


def why_bound(call: ast.AST, method: Method | None) -> str:
    """Why the call of a stub stays where it is; "" where it can be written anywhere in its loops."""
    receiver = _receiver(method) if method is not None else ""
    if not isinstance(call, ast.Call) or method is None or not receiver:
        return NO_ATTRIBUTE
    chosen = _chosen_by(call.func, receiver)
    if chosen is None:
        return NO_ATTRIBUTE
    if not _means_the_same(chosen, call, method):
        return f"`{_short(call.func)}` may be another stub, or none, at another place"
    if len(call.args) != 1 or call.keywords or isinstance(call.args[0], ast.Starred):
        return f"`{_short(call.func)}` is not given one tensor"
    return ""


def is_picked(call: ast.AST) -> bool:
    """Whether the stub is one of several, picked by a name or a position that is computed."""
    return isinstance(call, ast.Call) and not isinstance(call.func, ast.Attribute)


def _receiver(method: Method) -> str:
    arguments = (*method.args.posonlyargs, *method.args.args)
    static = any(isinstance(d, ast.Name) and d.id in _NO_SELF for d in method.decorator_list)
    return arguments[0].arg if arguments and not static else ""


_NO_SELF = ("staticmethod", "classmethod")


def _chosen_by(callee: ast.expr, receiver: str) -> list[ast.expr] | None:
    """What says which stub is meant: nothing for `self.dequant`, `i` for `self.stubs[i]`, the name for
    `getattr(self, name)`. None for a callee of another kind."""

    def is_self(node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == receiver

    if isinstance(callee, ast.Attribute):
        return [] if is_self(callee.value) else None
    if isinstance(callee, ast.Subscript):
        held = callee.value
        return [callee.slice] if isinstance(held, ast.Attribute) and is_self(held.value) else None
    if not isinstance(callee, ast.Call) or callee.keywords:
        return None
    asked = callee.func
    if isinstance(asked, ast.Name) and asked.id == "getattr" and len(callee.args) == 2:
        return [callee.args[1]] if is_self(callee.args[0]) else None
    if isinstance(asked, ast.Attribute) and asked.attr == "__getattr__" and is_self(asked.value):
        return list(callee.args)
    return None


def _means_the_same(chosen: list[ast.expr], call: ast.Call, method: Method) -> bool:
    """Whether what is computed here is the same anywhere in the loops around the call."""
    parts = [node for expr in chosen for node in nodes(expr)]
    if any(isinstance(node, _MOVING) or (isinstance(node, ast.Call) and not _is_str(node)) for node in parts):
        return False
    names = {node.id for node in parts if isinstance(node, ast.Name)} - {"str"}
    if not names:
        return True
    turning = set(_turned_by_loops(call, method))
    bound = list(_bound(method))
    given = {argument.arg for argument in nodes(method.args) if isinstance(argument, ast.arg)}
    return all(bound.count(name) == (name in turning) + (name in given) for name in names)


def _is_str(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "str" and len(call.args) == 1


def _turned_by_loops(call: ast.Call, method: Method) -> Iterator[str]:
    """The variables of the `for` loops in whose bodies the call stands."""
    for node in nodes(method):
        if isinstance(node, (ast.For, ast.AsyncFor)):
            if any(inner is call for statement in node.body for inner in nodes(statement)):
                yield from _names(node.target)


def _bound(method: Method) -> Iterator[str]:
    """What the method binds, once for each time; the variables of a comprehension live in that."""
    yield from (argument.arg for argument in nodes(method.args) if isinstance(argument, ast.arg))
    pending: list[ast.AST] = list(method.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.comprehension):
            pending += [node.iter, *node.ifs]
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, _NAMED) and node.name:
            yield node.name
        pending += ast.iter_child_nodes(node)


def _names(target: ast.expr) -> Iterator[str]:
    return (node.id for node in nodes(target) if isinstance(node, ast.Name))


def _short(callee: ast.expr) -> str:
    return " ".join(ast.unparse(callee).split())
