"""Writing a constructor expression a second time."""

from __future__ import annotations

import libcst as cst

from qatlint.codemods.opened import OpenedFile, without_comments
from qatlint.codemods.refused import Refused


def written_again(
    file: OpenedFile, cls: cst.ClassDef, method: cst.FunctionDef, value: cst.BaseExpression, what: str
) -> str:
    """Source that makes one more module like `value`, which stands in `method`.

    Comments inside the expression stay with the first copy. Raises `Refused` where a second evaluation
    could differ from the first or have an effect.
    """
    reason = file.purity_in(cls, method).why_not_again(value)
    if reason:
        raise Refused(f"`{what}` cannot be made a second time: {reason}")
    return file.tree.code(without_comments(value))


def may_be_none(value: cst.BaseExpression) -> bool:
    """Whether `value` is `None` in some branch of a conditional expression."""
    if isinstance(value, cst.IfExp):
        return may_be_none(value.body) or may_be_none(value.orelse)
    return isinstance(value, cst.Name) and value.value == "None"
