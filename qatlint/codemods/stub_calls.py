"""Calls of stubs, as they stand in a file, and what is left when one of them goes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from qatlint.codemods.edits import Edits
from qatlint.codemods.locate import Tree, method_of, own_class, self_attribute, self_name, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_in, parameters
from qatlint.trace import Span

_LOOSE = (
    cst.BinaryOperation,
    cst.BooleanOperation,
    cst.Comparison,
    cst.UnaryOperation,
    cst.IfExp,
    cst.Lambda,
    cst.NamedExpr,
    cst.Await,
)
"""Expressions that need parentheses inside of others."""
_ROOMY = (
    cst.Return,
    cst.Assign,
    cst.AnnAssign,
    cst.AugAssign,
    cst.Arg,
    cst.Element,
    cst.DictElement,
    cst.Expr,
)
"""Where an expression needs none."""


@dataclass(frozen=True, slots=True, eq=False)
class StubCall:
    """`self.dequant(x)`, found in a tree."""

    node: cst.Call
    attribute: str
    receiver: str
    method: cst.FunctionDef
    cls: cst.ClassDef

    @property
    def argument(self) -> cst.BaseExpression:
        """What the stub is given."""
        return self.node.args[0].value

    @property
    def is_element(self) -> bool:
        """Whether it is one of several: `self.stubs[i](x)`, `getattr(self, f"stub_{name}")(x)`."""
        return isinstance(self.node.func, cst.Subscript | cst.Call)


def stub_call(tree: Tree, span: Span) -> StubCall:
    """The call of a stub of the class at `span`. Raises `Refused`."""
    node = tree.expression(span)
    cls = own_class(tree, node)
    method = method_of(tree, cls, node)
    receiver = self_name(method) if method is not None else None
    callee = node.func if isinstance(node, cst.Call) else None
    if isinstance(callee, cst.Subscript | cst.Call) and method is not None:
        attribute = _fixed_element(tree, callee, receiver, method)
    else:
        attribute = self_attribute(callee, receiver) if callee is not None else None
    if method is None or receiver is None or attribute is None or not isinstance(node, cst.Call):
        raise Refused("the stub is not called as an attribute of the class")
    if len(node.args) != 1 or node.args[0].star or node.args[0].keyword:
        raise Refused(f"`{attribute}` is not given one tensor")
    inside = {id(n) for n in walk(node.args[0].value)}
    if any(isinstance(n, cst.Comment) and id(n) not in inside for n in walk(node)):
        raise Refused(f"a comment stands between the parentheses of the call of `{attribute}`")
    return StubCall(node, attribute, receiver, method, cls)


def _fixed_element(
    tree: Tree, callee: cst.Subscript | cst.Call, receiver: str | None, method: cst.FunctionDef
) -> str | None:
    """`stubs` of `self.stubs[i]`, `getattr(self, name)` of itself, where `i` and `name` mean the same
    anywhere in the loops around; else None."""
    if isinstance(callee, cst.Subscript):
        attribute = self_attribute(callee.value, receiver)
        chosen: list[cst.CSTNode] = list(callee.slice)
    else:
        attribute = tree.code(callee)
        given = [arg.value for arg in callee.args]
        asked = self_attribute(callee.func, receiver)
        if isinstance(callee.func, cst.Name) and callee.func.value == "getattr" and len(given) == 2:
            asked = "__getattr__" if isinstance(given[0], cst.Name) and given[0].value == receiver else None
            given = given[1:]
        if asked != "__getattr__" or len(given) != 1:
            return None
        chosen = [*given]
    bound, fixed = bound_in(method), {"str", *_turned_by_loops(tree, callee, method), *parameters(method)}
    for node in (node for part in chosen for node in walk(part)):
        if isinstance(node, cst.NamedExpr | cst.Lambda | cst.Await | cst.Yield | cst.CompFor):
            return None
        if isinstance(node, cst.Call) and not (isinstance(node.func, cst.Name) and node.func.value == "str"):
            return None
        if isinstance(node, cst.Name) and bound[node.value] > (node.value in fixed):
            return None
    return attribute


def _turned_by_loops(tree: Tree, node: cst.CSTNode, method: cst.FunctionDef) -> Iterator[str]:
    """The variables of the `for` loops around."""
    for around in tree.ancestors(node):
        if around is method:
            return
        if isinstance(around, cst.For):
            yield from (part.value for part in walk(around.target) if isinstance(part, cst.Name))


def unwrap(file: OpenedFile, call: StubCall, edits: Edits) -> None:
    """Put the argument of the call in its place; a line that does nothing then (`x = x`) goes."""
    tree = file.tree
    # What another fix makes of the callee would be lost with it: they overlap, and that fix comes later.
    for node in walk(call.node.func):
        edits.replace[node] = _unchanged
    line = _useless(tree, call)
    if line is not None:
        edits.remove.add(line)
        _keep_comments(tree, line, edits)
        return
    parent = tree.parent(call.node)
    bare = isinstance(parent, _ROOMY)

    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        inner = cst.ensure_type(node, cst.Call).args[0].value
        if inner.lpar:
            return inner
        loose = isinstance(inner, _LOOSE) and not bare
        if loose or isinstance(inner, cst.NamedExpr) or _is_broken(tree.module.code_for_node(inner)):
            return inner.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return inner

    edits.replace[call.node] = rewrite


def _unchanged(node: cst.CSTNode) -> cst.CSTNode:
    return node


def _keep_comments(tree: Tree, line: cst.SimpleStatementLine, edits: Edits) -> None:
    """Put the comments of a line that goes above the next one. Raises `Refused` where there is none."""
    last = line.trailing_whitespace.comment
    kept = [*line.leading_lines, *([cst.EmptyLine(comment=last)] if last is not None else [])]
    if not any(empty.comment is not None for empty in kept):
        return
    block = cst.ensure_type(tree.parent(line), cst.IndentedBlock)
    position = next(k for k, statement in enumerate(block.body) if statement is line)
    following = block.body[position + 1 :][:1]
    if not following or not isinstance(following[0], cst.SimpleStatementLine):
        raise Refused("a comment stands at a line that would go")

    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        below = cst.ensure_type(node, cst.SimpleStatementLine)
        return below.with_changes(leading_lines=[*kept, *below.leading_lines])

    edits.replace[following[0]] = rewrite


def _is_broken(text: str) -> bool:
    """Whether an expression goes over several lines only as long as there are parentheses around it."""
    if "\n" not in text:
        return False
    try:
        ast.parse(text)
    except SyntaxError:
        return True
    return False


def _useless(tree: Tree, call: StubCall) -> cst.SimpleStatementLine | None:
    """The line of `x = self.stub(x)`, when other lines stand beside it."""
    assign = tree.parent(call.node)
    line = tree.parent(assign)
    if (
        not isinstance(assign, cst.Assign)
        or len(assign.targets) != 1
        or not isinstance(call.argument, cst.Name)
    ):
        return None
    target = assign.targets[0].target
    if not isinstance(target, cst.Name) or target.value != call.argument.value:
        return None
    if not isinstance(line, cst.SimpleStatementLine) or len(line.body) != 1:
        return None
    block = tree.parent(line)
    return line if isinstance(block, cst.IndentedBlock) and len(block.body) > 1 else None
