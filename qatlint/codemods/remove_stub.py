"""Take the call of a stub away, and the stub where nothing else uses it."""

from __future__ import annotations

import libcst as cst

from qatlint.codemods.bindings import Binding, bindings_of
from qatlint.codemods.edits import Edits
from qatlint.codemods.locate import walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.references import other_references
from qatlint.codemods.refused import Refused
from qatlint.codemods.stub_calls import StubCall, stub_call, unwrap
from qatlint.finding import RemoveStub


def plan_removal(file: OpenedFile, intent: RemoveStub) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    edits = Edits()
    call = stub_call(file.tree, intent.call)
    unwrap(file, call, edits)
    remove_maker(file, [call], edits)
    return edits, call.cls


def remove_maker(file: OpenedFile, calls: list[StubCall], edits: Edits) -> None:
    """Remove the line that makes a stub where nothing uses it but these calls, which go. Raises `Refused`."""
    call = calls[0]
    if call.is_element:
        return  # the others of the list keep their positions
    found = bindings_of(file.tree, call.cls, call.attribute)
    known = [*(one.node.func for one in calls), *(binding.target for binding in found)]
    if not other_references(file, call.cls, call.attribute, known):
        for binding in found:
            edits.remove.add(_line(file, call, binding))


def _line(file: OpenedFile, call: StubCall, binding: Binding) -> cst.SimpleStatementLine:
    """The line that makes the stub and does nothing else. Raises `Refused`."""
    line = binding.holder
    block = file.tree.parent(line)
    if (
        not isinstance(line, cst.SimpleStatementLine)
        or len(line.body) != 1
        or not binding.sole
        or not isinstance(block, cst.IndentedBlock)
        or len(block.body) < 2
    ):
        raise Refused(f"`{call.attribute}` is not made on a line of its own")
    if any(isinstance(node, cst.Comment) for node in walk(line)):
        raise Refused(f"a comment stands at the line that makes `{call.attribute}`, which would go")
    return line
