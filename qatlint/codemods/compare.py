"""Checks that a rewrite stayed inside the classes it was meant for."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Collection, Sequence

import libcst as cst

from qatlint.codemods.locate import Tree, walk
from qatlint.codemods.refused import Refused

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_IMPORT_REFUSAL = "the import could not be added without changing other lines"
_REFUSAL = "the rewrite would change something outside of the class"


def refuse_other_changes(tree: Tree, new: str, classes: Sequence[cst.ClassDef]) -> None:
    """Refuse when the text or the syntax tree differs outside of `classes`."""
    old = tree.text
    before, *between, after = _outside(tree, classes)
    if len(new) < len(before) + len(after) or not (new.startswith(before) and new.endswith(after)):
        raise Refused(_REFUSAL)
    position = len(before)
    for segment in between:
        position = new.find(segment, position, len(new) - len(after))
        if position < 0:
            raise Refused(_REFUSAL)
        position += len(segment)
    chosen = set(classes)
    every = [node for node in walk(tree.module) if isinstance(node, cst.ClassDef)]
    edited = {k for k, node in enumerate(every) if node in chosen}
    if _dump_without(old, edited) != _dump_without(new, edited):
        raise Refused(_REFUSAL)


def refuse_other_lines(old: str, new: str, imports: Collection[str]) -> None:
    """Refuse when `new` differs from `old` by more than the lines of `imports` and blank ones."""
    old_lines = iter(_LINE.findall(old))
    expected = next(old_lines, None)
    for line in _LINE.findall(new):
        if line == expected:
            expected = next(old_lines, None)
        elif line.strip() and line.strip() not in imports:
            raise Refused(_IMPORT_REFUSAL)
    if expected is not None:
        raise Refused(_IMPORT_REFUSAL)


def _outside(tree: Tree, classes: Sequence[cst.ClassDef]) -> list[str]:
    """The text before, between and after `classes`."""
    lines = _LINE.findall(tree.text)
    found = []
    position = 0
    for first, last in sorted({tree.lines(cls) for cls in classes}):
        if first > position:
            found.append("".join(lines[position : first - 1]))
        position = max(position, last)
    return [*found, "".join(lines[position:])]


def _dump_without(text: str, edited: Collection[int]) -> str:
    """The syntax tree with the bodies of the edited classes (counted in source order) left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in the user's strings
        tree = ast.parse(text)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    classes.sort(key=lambda node: (node.lineno, node.col_offset))
    for position in edited:
        classes[position].body = []
    return ast.dump(tree)
