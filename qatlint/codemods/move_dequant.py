"""`self.dequant(self.head(x).sigmoid())` -> `self.dequant(self.head(x)).sigmoid()`, also over lines."""

from __future__ import annotations

import libcst as cst

from qatlint.codemods.bindings import Binding, bindings_of
from qatlint.codemods.edits import Edits, Rewrite
from qatlint.codemods.locate import COMPREHENSIONS, Tree, method_of, walk
from qatlint.codemods.opened import OpenedFile, without_comments
from qatlint.codemods.refused import Refused
from qatlint.codemods.remove_stub import remove_maker
from qatlint.codemods.stub_calls import StubCall, stub_call, unwrap
from qatlint.finding import MoveDequant

_LOOPS = (cst.For, cst.While, *COMPREHENSIONS)


def plan_dequant(file: OpenedFile, intent: MoveDequant) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    call = stub_call(tree, intent.call)
    calls = [call, *(stub_call(tree, span) for span in intent.others)]
    operands = [tree.expression(span) for span in intent.operands]
    for operand in operands:
        for one in calls:
            _check(tree, one, operand)
    if any(tree.contains(one, other) for one in operands for other in operands if one is not other):
        raise Refused("one of the ops takes the result of another")
    first, *others = sorted(operands, key=lambda node: (tree.lines(node)[0], tree.column(node)))
    if call.is_element and others:
        raise Refused("each op needs a stub of its own, and the stub is one of a list")
    further = _further_stubs(file, call, len(others), edits)
    callees = [tree.code(call.node.func), *(f"{call.receiver}.{name}" for name in further)]
    for one in calls:
        unwrap(file, one, edits)
    for attribute in {one.attribute: None for one in calls if one.attribute != call.attribute}:
        remove_maker(file, [one for one in calls if one.attribute == attribute], edits)
    for operand, callee in zip([first, *others], callees, strict=True):
        edits.replace[operand] = _into_call(file, callee)
    return edits, call.cls


def _check(tree: Tree, call: StubCall, operand: cst.BaseExpression) -> None:
    """Refuse where the stub cannot run wherever the op does. In a loop, it runs in each turn."""
    if method_of(tree, call.cls, operand) is not call.method:
        raise Refused("the op runs in another method than the stub")
    if operand is call.argument:
        raise Refused("the stub is given the result of the op already")
    around = _loops(tree, call.method, call.node)
    if around != _loops(tree, call.method, operand)[-len(around) :] and around:
        raise Refused("the stub runs in a loop, and the op does not run in it")
    if any(isinstance(a, cst.FunctionDef | cst.Lambda) for a in _between(tree, call.method, operand)):
        raise Refused("the op stands in a function of its own")


def _loops(tree: Tree, method: cst.FunctionDef, node: cst.CSTNode) -> list[cst.CSTNode]:
    return [around for around in _between(tree, method, node) if isinstance(around, _LOOPS)]


def _between(tree: Tree, method: cst.FunctionDef, node: cst.CSTNode) -> list[cst.CSTNode]:
    """What is around a node inside of the method."""
    found = []
    for around in tree.ancestors(node):
        if around is method:
            break
        found.append(around)
    return found


def _into_call(file: OpenedFile, callee: str) -> Rewrite:
    """The rewrite that puts an expression into a call."""

    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(node, cst.BaseExpression)
        if any(isinstance(n, cst.Comment) for part in (*node.lpar, *node.rpar) for n in walk(part)):
            raise Refused("a comment stands between the parentheses of the op")
        return cst.Call(file.expression(callee), [cst.Arg(node.with_changes(lpar=[], rpar=[]))])

    return rewrite


def _further_stubs(file: OpenedFile, call: StubCall, count: int, edits: Edits) -> list[str]:
    """Names of so many new stubs, which are made like the one that is there; its own name, where a base class
    makes that: one stub may serve several outputs."""
    if not count:
        return []
    if not bindings_of(file.tree, call.cls, call.attribute):
        return [call.attribute] * count
    binding = _made(file, call)
    value = file.tree.module.code_for_node(without_comments(binding.value))
    names = file.names_for(call.cls)
    found = []
    for _ in range(count):
        name = names.take_numbered(call.attribute)
        edits.insert_after(binding.holder, file.statement(binding.written(name, value, file.tree)))
        found.append(name)
    return found


def _made(file: OpenedFile, call: StubCall) -> Binding:
    """The one statement that makes the stub, on a line of its own. Raises `Refused`."""
    found = bindings_of(file.tree, call.cls, call.attribute)
    if len(found) != 1 or not isinstance(found[0].value, cst.Call):
        raise Refused(f"it is not clear which statement makes `{call.attribute}`")
    if not isinstance(found[0].holder, cst.SimpleStatementLine) or not found[0].sole:
        raise Refused(f"`{call.attribute}` is not made on a line of its own")
    return found[0]
