"""A comprehension, or a call of `map`, as a loop in front of its statement, with a dynamic block in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import libcst as cst

from qatlint.codemods.dynamic_block import block_name, entering
from qatlint.codemods.edits import Edits, always
from qatlint.codemods.locate import method_of, own_class, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.finding import LoopWithBlock


class _Each(NamedTuple):
    """A loop to be: what it runs over, the tests of each turn, and what a turn gives."""

    loops: Sequence[tuple[cst.BaseAssignTargetExpression, cst.BaseExpression, Sequence[cst.BaseExpression]]]
    element: cst.BaseExpression
    replaced: cst.BaseExpression
    """The expression that the list takes the place of."""
    rows: bool = False
    """Whether the place wants a list for each of the results: what `multi_apply` gives."""
    empty: str = "[]"
    """What the loop begins with."""
    key: cst.BaseExpression | None = None
    """For a dict, under what a turn gives it."""


def plan_loop(file: OpenedFile, intent: LoopWithBlock) -> tuple[Edits, cst.ClassDef]:
    """The edits that make a loop of `ys = [f(x) for x in xs]`, and its class. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    node = tree.expression(intent.comprehension)
    cls = own_class(tree, node)
    method = method_of(tree, cls, node)
    line = tree.around(node, cst.SimpleStatementLine)
    if method is None or line is None or len(line.body) > 1:
        raise Refused("the comprehension does not stand on a line of its own")
    each = _each(file, method, node)
    spelled = file.imports.dynamic_block(method, intent.tracer, edits)
    head = entering(spelled, intent.receiver, block_name(file, cls, method, intent.prefix))
    target = _target(line.body[0], each, node)
    made = target or cst.Name(_free(file, method, "outs"))
    body: cst.BaseStatement = cst.With(
        [cst.WithItem(file.expression(head))],
        cst.IndentedBlock([cst.SimpleStatementLine([_adding(made, each)])]),
    )
    for over, iterated, tests in reversed(each.loops):
        for test in reversed(tests):
            body = cst.If(test, cst.IndentedBlock([body]))
        body = cst.For(over, iterated, cst.IndentedBlock([body]))
    if target is not None:
        edits.replace[each.replaced] = always(file.expression(each.empty))
        edits.insert_after(line, body)
        return edits, cls
    empty = cst.Assign([cst.AssignTarget(made)], file.expression(each.empty))
    edits.insert_before(line, cst.SimpleStatementLine([empty]))
    edits.insert_before(line, body)
    result = f"tuple(map(list, zip(*{made.value})))" if each.rows else made.value
    edits.replace[each.replaced] = always(file.expression(result))
    return edits, cls


def _each(file: OpenedFile, method: cst.FunctionDef, node: cst.BaseExpression) -> _Each:
    if isinstance(node, cst.ListComp | cst.SetComp | cst.DictComp | cst.GeneratorExp):
        loops = []
        part: cst.CompFor | None = node.for_in
        while part is not None:
            loops.append((part.target, part.iter, [test.test for test in part.ifs]))
            part = part.inner_for_in
        if isinstance(node, cst.DictComp):
            return _Each(loops, node.value, node, empty="{}", key=node.key)
        whole = _taker(file, node, "list") if isinstance(node, cst.GeneratorExp) else None
        return _Each(loops, node.elt, whole or node, empty="set()" if isinstance(node, cst.SetComp) else "[]")
    if not isinstance(node, cst.Call) or len(node.args) < 2:
        raise Refused("it is written in a way that cannot become a loop")
    called, *rest = [a for a in node.args if a.keyword is None]
    named = [a for a in node.args if a.keyword is not None]
    is_map = isinstance(node.func, cst.Name) and node.func.value == "map"
    replaced = (_taker(file, node, "list") if is_map else None) or node
    if isinstance(called.value, cst.Lambda):
        names = [param.name for param in called.value.params.params]
        element: cst.BaseExpression = called.value.body
    else:
        base = "item" if len(rest) == 1 else ""
        names = [cst.Name(_free(file, method, base or f"item_{n}")) for n in range(1, len(rest) + 1)]
        element = cst.Call(called.value, [*(cst.Arg(name) for name in names), *_last(named)])
    over: cst.BaseAssignTargetExpression = names[0]
    iterated = rest[0].value
    if len(rest) > 1:
        over = cst.Tuple([cst.Element(name) for name in names], lpar=[], rpar=[])
        iterated = cst.Call(cst.Name("zip"), [cst.Arg(a.value) for a in rest])
    return _Each([(over, iterated, ())], element, replaced, not is_map)


def _taker(file: OpenedFile, node: cst.BaseExpression, name: str) -> cst.Call | None:
    """The call of a function of this name that has `node` for its only argument."""
    around = file.tree.parent(node)
    call = file.tree.parent(around) if isinstance(around, cst.Arg) else None
    if isinstance(call, cst.Call) and isinstance(call.func, cst.Name) and call.func.value == name:
        return call if len(call.args) == 1 else None
    return None


def _adding(made: cst.Name, each: _Each) -> cst.BaseSmallStatement:
    """What a turn of the loop does with its result."""
    if each.key is not None:
        place = cst.Subscript(made, [cst.SubscriptElement(cst.Index(each.key))])
        return cst.Assign([cst.AssignTarget(place)], each.element)
    add = "add" if each.empty == "set()" else "append"
    element = each.element
    if isinstance(element, cst.BinaryOperation):
        element = element.with_changes(lpar=(), rpar=())  # those of the call do
    return cst.Expr(cst.Call(cst.Attribute(made, cst.Name(add)), [cst.Arg(element)]))


def _last(arguments: Sequence[cst.Arg]) -> list[cst.Arg]:
    """Keyword arguments on one line."""
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return [cst.Arg(a.value, keyword=a.keyword, equal=equal) for a in arguments]


def _target(statement: cst.BaseSmallStatement, each: _Each, node: cst.BaseExpression) -> cst.Name | None:
    """The variable that the list is all there is for, where the loop does not ask for it."""
    if not isinstance(statement, cst.Assign) or statement.value is not each.replaced or each.rows:
        return None
    target = statement.targets[0].target
    if len(statement.targets) > 1 or not isinstance(target, cst.Name):
        return None
    mentioned = {n.value for n in walk(node) if isinstance(n, cst.Name)}
    return None if target.value in mentioned else target


def _free(file: OpenedFile, method: cst.FunctionDef, name: str) -> str:
    """`name`, or `name_2` and so on: what the function does not mention, nor another loop in it."""
    taken = file.locals_in(method)
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
