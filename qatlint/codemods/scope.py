"""Which names a function or a module binds: as little of scoping as the codemods need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import libcst as cst

from qatlint.codemods.locate import COMPREHENSIONS, children

_INNER = (cst.FunctionDef, cst.ClassDef, cst.Lambda)


def bound_by(node: cst.CSTNode) -> Iterator[str]:
    """Names that running `node` binds in its own scope, one per binding.

    The target of a comprehension is not among them: it lives in the comprehension.
    """
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        yield node.name.value
        return
    if isinstance(node, cst.Lambda):
        return
    if isinstance(node, cst.AssignTarget | cst.For | cst.AugAssign | cst.AnnAssign | cst.NamedExpr):
        yield from _targets(node.target)
    elif isinstance(node, cst.AsName):
        yield from _targets(node.name)
        return
    elif isinstance(node, cst.ImportAlias):
        if node.asname is None:
            yield _first_part(node.name)
    elif isinstance(node, cst.MatchAs | cst.MatchStar) and node.name is not None:
        yield node.name.value
    for child in children(node):
        yield from bound_by(child)


def bound_in(function: cst.FunctionDef) -> Counter[str]:
    """How often each name is bound in `function`; parameters count once."""
    counts = Counter(parameters(function))
    counts.update(name for child in children(function.body) for name in bound_by(child))
    return counts


def parameters(function: cst.FunctionDef | cst.Lambda) -> list[str]:
    """Names of all parameters."""
    params = function.params
    found = [p.name.value for p in (*params.posonly_params, *params.params, *params.kwonly_params)]
    stars = [star for star in (params.star_arg, params.star_kwarg) if isinstance(star, cst.Param)]
    return [*found, *(star.name.value for star in stars)]


def bound_in_module(module: cst.Module) -> Counter[str]:
    """How often each name is bound at module level (inside `if` and `try` too)."""
    return Counter(name for child in module.body for name in bound_by(child))


def rebinds(node: cst.CSTNode, name: str) -> bool:
    """Whether anything below `node`, in whatever scope, binds `name`."""
    if name in bound_by(node):
        return True
    if isinstance(node, cst.FunctionDef | cst.Lambda) and name in parameters(node):
        return True
    if isinstance(node, COMPREHENSIONS) and name in _targets(node.for_in.target):
        return True
    if isinstance(node, cst.CompFor) and name in _targets(node.target):
        return True
    return any(rebinds(child, name) for child in children(node))


def _targets(target: cst.CSTNode) -> Iterator[str]:
    if isinstance(target, cst.Name):
        yield target.value
    elif isinstance(target, cst.Tuple | cst.List):
        for element in target.elements:
            yield from _targets(element.value)


def _first_part(name: cst.BaseExpression) -> str:
    while isinstance(name, cst.Attribute):
        name = name.value
    return name.value if isinstance(name, cst.Name) else ""
