"""Dynamic blocks that are moved into their loop, renamed, or given their import."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import libcst as cst
from libcst.helpers import get_full_name_for_node

from qatlint.codemods.dynamic_block import block_name
from qatlint.codemods.edits import Edits, always
from qatlint.codemods.imports import JIT
from qatlint.codemods.locate import Tree, method_of, own_class, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.finding import ImportTracer, MoveBlock, RenameBlock
from qatlint.trace import Span

_Loop = cst.For | cst.While


def plan_move(file: OpenedFile, intent: MoveBlock) -> tuple[Edits, cst.ClassDef]:
    """The edits that put a block into a loop in it, and the class they are in. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    node = _with(tree, intent.statement)
    loop, depth = _only_loop(node.body), 0
    while loop is not None and not tree.begins_at(loop, intent.into):
        loop, depth = _only_loop(loop.body), depth + 1
    if len(node.items) != 1 or loop is None:
        raise Refused("the block holds more than a loop")
    edits.replace[node] = partial(_moved, depth=depth)
    return edits, own_class(tree, node)


def plan_rename(file: OpenedFile, intent: RenameBlock) -> tuple[Edits, cst.ClassDef]:
    """The edits that rename a block, and the class they are in. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    call = tree.expression(intent.call)
    cls = own_class(tree, call)
    method = method_of(tree, cls, call)
    if method is None or not isinstance(call, cst.Call):
        raise Refused("the block is not written as one call")
    named = [
        a for k, a in enumerate(call.args) if (a.keyword is not None and a.keyword.value == "name") or k == 1
    ]
    if not named:
        raise Refused("the block has no name of its own")
    edits.replace[named[-1].value] = always(file.expression(block_name(file, cls, method)))
    return edits, cls


def plan_import(file: OpenedFile, intent: ImportTracer) -> tuple[Edits, cst.ClassDef]:
    """The edits that import what a block is spelled with, and the class it is in. Raises `Refused`."""
    edits = Edits()
    node = _with(file.tree, intent.statement)
    called = [i.item.func for i in node.items if isinstance(i.item, cst.Call)]
    names = {get_full_name_for_node(callee) for callee in called}
    if "Tracer.dynamic_block" in names:
        file.imports.add_tracer(intent.tracer, "Tracer", edits)
    elif "dynamic_block" in names:
        file.imports.add_tracer(f"{JIT}.dynamic_block", "dynamic_block", edits)
    else:
        raise Refused("the block is spelled in another way")
    return edits, own_class(file.tree, node)


def _with(tree: Tree, span: Span) -> cst.With:
    for node in walk(tree.module):
        if isinstance(node, cst.With) and tree.begins_at(node, span):
            return node
    raise Refused(f"no `with` was found at line {span.line}")


def _only_loop(body: cst.BaseSuite) -> _Loop | None:
    """The loop that is all there is in a body."""
    if isinstance(body, cst.IndentedBlock) and len(body.body) == 1:
        only = body.body[0]
        if isinstance(only, _Loop) and only.orelse is None:
            return only
    return None


def _moved(node: cst.CSTNode, depth: int) -> cst.CSTNode:
    """The loop with the block in it, or in the loop that stands so many loops deeper."""
    block = cst.ensure_type(node, cst.With)
    loop = _only_loop(block.body)
    if loop is None:
        raise Refused("another fix has changed the same statements")
    above = [*block.leading_lines, *loop.leading_lines]
    footer = cst.ensure_type(block.body, cst.IndentedBlock).footer
    return _with_inside(loop, block, depth, footer).with_changes(leading_lines=above)


def _with_inside(loop: _Loop, block: cst.With, depth: int, footer: Sequence[cst.EmptyLine]) -> _Loop:
    """`footer`: the comments behind the loop, which stay behind what is in it."""
    if depth:
        body = cst.ensure_type(loop.body, cst.IndentedBlock)
        inner = _only_loop(body)
        if inner is None:
            raise Refused("another fix has changed the same statements")
        moved: cst.BaseStatement = _with_inside(inner, block, depth - 1, ())
        return loop.with_changes(body=body.with_changes(body=[moved], footer=[*body.footer, *footer]))
    head = cst.ensure_type(block.body, cst.IndentedBlock).header
    if isinstance(loop.body, cst.SimpleStatementSuite):
        line = cst.SimpleStatementLine(loop.body.body, trailing_whitespace=loop.body.trailing_whitespace)
        body, outer = cst.IndentedBlock([line], header=head), cst.IndentedBlock([])
    else:
        body = cst.ensure_type(loop.body, cst.IndentedBlock)
        outer = cst.IndentedBlock([], header=body.header)
        body = body.with_changes(header=head)
    moved = block.with_changes(body=body, leading_lines=[])
    return loop.with_changes(body=outer.with_changes(body=[moved], footer=footer))
