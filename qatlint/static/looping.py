"""Which comprehensions, and calls of `map`, could be a loop in front of their statement."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from qatlint.static.mutators import MUTATORS

_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)
_INNER = (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp, ast.Lambda, ast.IfExp, ast.BoolOp)
_COMPREHENSIONS = (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)
_WHOLE = ("list", "tuple")
"""Functions that take all elements at once, in order."""
_TAKING = frozenset(("list", "tuple", "set", "sum", "max", "min", "sorted", "dict", "OrderedDict"))
"""Those that take all elements of a generator, whatever these are."""


def becomes_loop(statement: ast.stmt | None, node: ast.AST, function: ast.AST, lines: Sequence[str]) -> bool:
    """Whether `node`, which is part of `statement`, runs exactly once each time the statement does, makes a
    list, set or dict or is taken whole, and binds no names besides its own. (Generators and `map` run when
    they are asked.) The statement must have its lines for itself, and what the loop binds must not be asked
    for elsewhere in the function."""
    if not isinstance(statement, _SIMPLE) or any(
        isinstance(n, (ast.NamedExpr, ast.Await)) for n in ast.walk(node)
    ):
        return False
    if not _is_alone(statement, lines) or _is_asked_for(function, node) or _is_made_ready(statement, node):
        return False
    around = _around(statement, node)
    if around is None or any(isinstance(outer, _INNER) for outer in around):
        return False
    holder = around[-1] if around else None
    taker = holder.func.id if isinstance(holder, ast.Call) and isinstance(holder.func, ast.Name) else ""
    if isinstance(node, _COMPREHENSIONS):
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


def _is_made_ready(statement: ast.stmt, node: ast.AST) -> bool:
    """Whether another part of a statement changes what `node` reads: `x, y = q.pop(), [f(z) for z in q]`."""
    inside = list(ast.walk(node))
    parts = {id(part) for part in inside}
    read = {ast.unparse(part) for part in inside if isinstance(part, (ast.Name, ast.Attribute))}
    for other in ast.walk(statement):
        if id(other) in parts:
            continue
        if isinstance(other, ast.NamedExpr) and other.target.id in read:
            return True
        if (
            isinstance(other, ast.Call)
            and isinstance(other.func, ast.Attribute)
            and other.func.attr in MUTATORS
        ):
            if ast.unparse(other.func.value) in read:
                return True
    return False


def _is_alone(statement: ast.stmt, lines: Sequence[str]) -> bool:
    """Whether nothing else stands on the lines of a statement."""
    end = (statement.end_lineno or statement.lineno, statement.end_col_offset or 0)
    before = lines[statement.lineno - 1].encode()[: statement.col_offset]
    after = lines[end[0] - 1].encode()[end[1] :].strip()
    return not before.strip() and (not after or after.startswith(b"#"))


def _is_asked_for(function: ast.AST, node: ast.AST) -> bool:
    """Whether the function asks for a variable of the loop outside of it, and may mean another one."""
    names: set[str] = set()
    if isinstance(node, _COMPREHENSIONS):
        names = {name for generator in node.generators for name in _bound(generator.target)}
    elif isinstance(node, ast.Call) and isinstance(node.args[0], ast.Lambda):
        names = {a.arg for a in node.args[0].args.args}
    return bool(names) and any(_loads(function, node, frozenset(names)))


def _loads(at: ast.AST, loop: ast.AST, names: frozenset[str]) -> Iterator[ast.AST]:
    """Where one of `names` is asked for that nothing inside of the function binds anew."""
    if not names:
        return
    if isinstance(at, ast.Name):
        if at.id in names and not isinstance(at.ctx, ast.Store):
            yield at
        return
    if isinstance(at, (ast.Global, ast.Nonlocal)) and not names.isdisjoint(at.names):
        yield at
    if isinstance(at, _COMPREHENSIONS):
        first, *others = at.generators
        yield from _loads(first.iter, loop, names)
        if at is loop:
            return
        inner = names.difference(*(_bound(g.target) for g in at.generators))
        parts = [*first.ifs, *others]
        parts += [at.key, at.value] if isinstance(at, ast.DictComp) else [at.elt]
        for part in parts:
            yield from _loads(part, loop, inner)
        return
    inner, rest = names, list(ast.iter_child_nodes(at))
    if isinstance(at, ast.Lambda):
        inner = names.difference(a.arg for a in ast.walk(at.args) if isinstance(a, ast.arg))
    elif isinstance(at, (ast.For, ast.AsyncFor)) and not any(n is loop for n in ast.walk(at)):
        for statement in at.body:
            yield from _loads(statement, loop, names.difference(_bound(at.target)))
        rest = [at.iter, *at.orelse]
    elif at is loop:
        rest = rest[2:]  # of a call of `map`, the function binds its own
    for part in rest:
        yield from _loads(part, loop, inner)


def _bound(target: ast.AST) -> set[str]:
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


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
