"""Carry intents out on the bytes of one file, and check that nothing else changed."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst

from qatlint.codemods.clone_inherited import plan_inherited
from qatlint.codemods.clone_module import plan_clone
from qatlint.codemods.compare import refuse_other_changes, refuse_other_lines
from qatlint.codemods.dynamic_block import plan_blocks
from qatlint.codemods.edits import Edits, Rewriter
from qatlint.codemods.encoded import decode
from qatlint.codemods.imports import insert_import
from qatlint.codemods.looped_block import plan_loop
from qatlint.codemods.misplaced_block import plan_import, plan_move, plan_rename
from qatlint.codemods.move_dequant import plan_dequant
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.quant_stub import plan_stub
from qatlint.codemods.refused import Refused
from qatlint.codemods.remove_stub import plan_removal
from qatlint.codemods.separate_instances import plan_separation
from qatlint.finding import (
    AddQuantStub,
    CloneInherited,
    CloneModule,
    ImportTracer,
    Intent,
    LoopWithBlock,
    MoveBlock,
    MoveDequant,
    RemoveStub,
    RenameBlock,
    WrapInBlock,
)

__all__ = ["Applied", "Refused", "apply", "apply_all"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of several intents: the new source, and for each intent in turn its fate."""

    source: bytes
    outcome: tuple[str | None, ...]
    """None: carried out. "": left for another pass, since it touches what an earlier one changed.
    Else the reason of the refusal."""


def apply(source: bytes, intent: Intent) -> bytes:
    """The source of `intent.path` with the intent carried out. Raises `Refused`.

    Encoding, line endings and every line outside the edited class and the imports are kept.
    """
    applied = apply_all(source, [intent])
    (reason,) = applied.outcome
    if reason is not None:
        raise Refused(reason)
    return applied.source


def apply_all(source: bytes, intents: Sequence[Intent]) -> Applied:
    """Carry out the intents that do not touch the same places. Raises `Refused` for the file as a whole."""
    encoded = decode(source)
    file = OpenedFile(encoded.text)
    edits = Edits()
    classes: list[cst.ClassDef] = []
    outcome: list[str | None] = []
    for intent in intents:
        try:
            planned, cls = _plan(file, intent)
        except (Refused, cst.CSTValidationError, cst.ParserSyntaxError) as refusal:
            outcome.append(str(refusal) if isinstance(refusal, Refused) else "the new text does not parse")
            continue
        if edits.overlaps(planned):
            outcome.append("")
            continue
        edits.add(planned)
        classes.append(cls)
        outcome.append(None)
    if not classes:
        return Applied(source, tuple(outcome))
    result = encoded.encode(_carry_out(file, edits, classes))
    _check_parses(result)
    return Applied(result, tuple(outcome))


def _plan(file: OpenedFile, intent: Intent) -> tuple[Edits, cst.ClassDef]:
    if isinstance(intent, CloneModule):
        return plan_clone(file, intent)
    if isinstance(intent, CloneInherited):
        return plan_inherited(file, intent)
    if isinstance(intent, WrapInBlock):
        return plan_blocks(file, intent)
    if isinstance(intent, LoopWithBlock):
        return plan_loop(file, intent)
    if isinstance(intent, ImportTracer):
        return plan_import(file, intent)
    if isinstance(intent, MoveBlock):
        return plan_move(file, intent)
    if isinstance(intent, RenameBlock):
        return plan_rename(file, intent)
    if isinstance(intent, MoveDequant):
        return plan_dequant(file, intent)
    if isinstance(intent, RemoveStub):
        return plan_removal(file, intent)
    if isinstance(intent, AddQuantStub):
        return plan_stub(file, intent)
    return plan_separation(file, intent)


def _carry_out(file: OpenedFile, edits: Edits, classes: list[cst.ClassDef]) -> str:
    """The new text, checked against the old one. Raises `Refused`."""
    tree = file.tree
    try:
        changed = cst.ensure_type(tree.module.visit(Rewriter(edits, tree.module.default_indent)), cst.Module)
    except cst.CSTValidationError:
        raise Refused("the new text would not be valid") from None
    text = file.numbering.written(changed.code)
    refuse_other_changes(tree, text, classes)
    if not edits.imports:
        return text
    for line in sorted(edits.imports):
        changed = insert_import(changed, line)
    with_imports = file.numbering.written(changed.code)
    refuse_other_lines(text, with_imports, edits.imports)
    return with_imports


def _check_parses(source: bytes) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes in the user's strings
            ast.parse(source)
    except (SyntaxError, ValueError):
        raise Refused("the new text does not parse") from None
