"""Quantise one tensor: a QuantStub in the constructor, and one use of it."""

from __future__ import annotations

import re

import libcst as cst

from qatlint.codemods.edits import Edits, Rewrite
from qatlint.codemods.locate import Tree, method_of, own_class, self_attribute, self_name, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.finding import AddQuantStub

_PREFIX = "quant_"
_HOMES = ("self", "torch", "F")
"""What stands before a name and says nothing of what it is."""
_WORD = re.compile(r"[A-Za-z_]\w*")


def plan_stub(file: OpenedFile, intent: AddQuantStub) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    node = _parameter(tree, intent) if intent.parameter else tree.expression(intent.target)
    cls = own_class(tree, node)
    method = method_of(tree, cls, node)
    receiver = self_name(method) if method is not None else None
    if method is None or receiver is None:
        raise Refused("`self` is not available where the tensor is used")
    for around in tree.ancestors(node):
        if around is method:
            break
        if isinstance(around, cst.Lambda | cst.FunctionDef | cst.CompFor):
            raise Refused("the tensor is used in a function inside the method, or in a comprehension")
    maker = next((s for s in cls.body.body if _is_constructor(s)), None)
    if not isinstance(maker, cst.FunctionDef) or maker is method:
        raise Refused(f"`{cls.name.value}` has no `__init__` of its own to make the QuantStub in")
    owner = self_name(maker)
    line = _place(tree, maker, owner)
    name = file.names_for(cls).take(_PREFIX + _name(tree, node, intent.hint))
    spelled = file.imports.quant_stub(maker, edits)
    edits.insert_after(line, file.statement(f"{owner}.{name} = {spelled}()"))
    stub = file.expression(f"{receiver}.{name}")
    if intent.parameter:
        text = f"{intent.parameter} = {receiver}.{name}({intent.parameter})"
        edits.replace[method.body] = _first(file.statement(text))
    else:
        edits.replace[node] = _wrapped(stub)
    return edits, cls


def _is_constructor(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.FunctionDef) and statement.name.value == "__init__"


def _wrapped(stub: cst.BaseExpression) -> Rewrite:
    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(node, cst.BaseExpression)
        inner = node.with_changes(lpar=[], rpar=[]) if len(node.lpar) == 1 else node
        return cst.Call(stub, [cst.Arg(inner)])

    return rewrite


def _first(new: cst.BaseStatement) -> Rewrite:
    """A statement put before all others of a body, behind the docstring."""

    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        if not isinstance(node, cst.IndentedBlock):
            raise Refused("the method is written on one line")
        at = 1 if _is_docstring(node.body[0]) else 0
        return node.with_changes(body=[*node.body[:at], new, *node.body[at:]])

    return rewrite


def _is_docstring(statement: cst.CSTNode) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    first = statement.body[0]
    return isinstance(first, cst.Expr) and isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)


def _place(tree: Tree, maker: cst.FunctionDef, owner: str | None) -> cst.SimpleStatementLine:
    """The line of the constructor behind which the stub is made: the last that makes a QuantStub, else the
    one that runs the base's."""
    stubs = base = None
    for line in maker.body.body:
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        for small in line.body:
            if isinstance(small, cst.Assign) and self_attribute(small.targets[0].target, owner) is not None:
                if "QuantStub(" in tree.code(small) and "DeQuantStub(" not in tree.code(small):
                    stubs = line
            elif isinstance(small, cst.Expr) and "__init__(" in tree.code(small):
                base = line
    found = stubs or base
    if found is None or owner is None:
        raise Refused("no line of the constructor runs that of the base class")
    return found


def _parameter(tree: Tree, intent: AddQuantStub) -> cst.Param:
    for node in walk(tree.module):
        if isinstance(node, cst.Param) and tree.begins_at(node, intent.target):
            return node
    raise Refused(f"no parameter was found at line {intent.target.line}")


def _name(tree: Tree, node: cst.CSTNode, hint: str) -> str:
    """What to call the tensor: by its own name, or by that of the variable it is assigned to."""
    if isinstance(node, cst.Param):
        return node.name.value
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return node.attr.value
    parent = tree.parent(node)
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        target = parent.targets[0].target
        if isinstance(target, cst.Name):
            return target.value
    if "(" in hint or hint.startswith("self."):
        # Not what an expression happens to mention: what is called, or whose method is.
        peeled = _peeled(node)
        if peeled and len(peeled) < 30:
            return peeled
    inside = [n for n in walk(node) if isinstance(n, cst.SimpleString)]
    words = _WORD.findall(inside[0].value) if isinstance(node, cst.Subscript) and inside else []
    words = words or [w for w in _WORD.findall(hint) if w not in ("self", "torch")]
    return words[-1] if words and len(words[-1]) < 30 else "constant"


def _peeled(node: cst.CSTNode) -> str:
    """`table` of `self.table(4)`, `q` of `q.permute(0, 2, 1) * 2`, `zeros` of `torch.zeros(n)`; "" where
    there is no name."""
    while True:
        if isinstance(node, cst.BinaryOperation):
            node = node.left
        elif isinstance(node, cst.UnaryOperation):
            node = node.expression
        elif isinstance(node, cst.Call):
            node = node.func
        elif isinstance(node, cst.Subscript):
            node = node.value
        elif isinstance(node, cst.Attribute):
            if isinstance(node.value, cst.Name) and node.value.value in _HOMES:
                return node.attr.value
            node = node.value
        else:
            return node.value if isinstance(node, cst.Name) else ""
