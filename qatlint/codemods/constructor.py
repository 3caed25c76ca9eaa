"""Writing a constructor expression a second time."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from qatlint.codemods.locate import Tree
from qatlint.codemods.opened import OpenedFile, without_comments
from qatlint.codemods.purity import Purity
from qatlint.codemods.refused import Refused
from qatlint.horizon.modules import facts_of


def written_again(
    file: OpenedFile,
    cls: cst.ClassDef,
    method: cst.FunctionDef,
    value: cst.BaseExpression,
    definition: cst.BaseExpression,
    what: str,
) -> str:
    """Source that makes one more module like `value`, which stands in `method`.

    `definition` is the expression that the rule knows to make a module without weights. Comments inside
    the expression stay with the first copy. Raises `Refused` where a second evaluation could differ.
    """
    reason = Purity(file.tree, cls, method).why_not_again(value)
    if reason:
        raise Refused(f"`{what}` cannot be made a second time: {reason}")
    for call in _alternatives(value):
        if not _is_known(file.tree, call, definition):
            raise Refused(f"`{what}` may also be `{file.tree.short(call)}`, which may hold weights")
    return file.tree.code(without_comments(value))


def may_be_none(value: cst.BaseExpression) -> bool:
    """Whether `value` is `None` in some branch of a conditional expression."""
    if isinstance(value, cst.IfExp):
        return may_be_none(value.body) or may_be_none(value.orelse)
    return isinstance(value, cst.Name) and value.value == "None"


def _alternatives(value: cst.BaseExpression) -> Iterator[cst.Call]:
    if isinstance(value, cst.IfExp):
        yield from _alternatives(value.body)
        yield from _alternatives(value.orelse)
    elif isinstance(value, cst.Call):
        yield value


def _is_known(tree: Tree, call: cst.Call, definition: cst.BaseExpression) -> bool:
    """Whether `call` makes a module without weights: the definition, the same class, or one of the table."""
    if tree.contains(definition, call):
        return True
    if isinstance(definition, cst.Call) and definition.func.deep_equals(call.func):
        return True
    facts = facts_of(tree.code(call.func))
    return facts.parameters is False and facts.buffers is False
