"""Where a class gives an attribute its value: every statement that binds `self.<attribute>`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst

from qatlint.codemods.locate import Tree, method_of, self_attribute, self_name, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused

_REGISTERS = ("add_module", "register_module")
Small = cst.Assign | cst.AnnAssign | cst.Expr


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One statement that binds the attribute, such as `self.relu = nn.ReLU()`."""

    small: Small
    holder: cst.SimpleStatementLine | cst.SimpleStatementSuite
    """The line, or the one-line suite (`if use: self.relu = nn.ReLU()`), that holds it."""
    method: cst.FunctionDef
    receiver: str
    value: cst.BaseExpression
    """What is bound: for `self.a, self.b = A(), B()` the element."""
    target: cst.BaseExpression
    """`self.relu`, or for `self.add_module("relu", m)` the string."""
    sole: bool
    """Whether the statement binds nothing else, so that the value may be replaced."""

    @property
    def is_none(self) -> bool:
        return isinstance(self.value, cst.Name) and self.value.value == "None"

    def written(self, name: str, value: str, tree: Tree) -> str:
        """A statement of the same style that binds `name` to `value`."""
        if isinstance(self.small, cst.AnnAssign):
            annotation = tree.code(self.small.annotation.annotation)
            return f"{self.receiver}.{name}: {annotation} = {value}"
        if isinstance(self.small, cst.Expr) and isinstance(self.target, cst.SimpleString):
            quote = self.target.quote
            call = cst.ensure_type(self.small.value, cst.Call)
            if isinstance(call.func, cst.Name):
                return f"setattr({self.receiver}, {quote}{name}{quote}, {value})"
            return f"{tree.code(call.func)}({quote}{name}{quote}, {value})"
        return f"{self.receiver}.{name} = {value}"


def bindings_of(tree: Tree, cls: cst.ClassDef, attribute: str) -> list[Binding]:
    """Every binding of `self.<attribute>` in `cls`, in source order.

    Raises `Refused` where the attribute is bound in a way that cannot be written a second time.
    """
    found: list[Binding] = []
    for statement in cls.body.body:
        if isinstance(statement, cst.FunctionDef):
            receiver = self_name(statement)
            if receiver is not None:
                found.extend(_in_method(tree, cls, statement, receiver, attribute))
            continue
        if isinstance(statement, cst.ClassDef):
            continue
        if any(_binds_name(node, attribute) for node in walk(statement)):
            raise Refused(f"`{attribute}` is made in the class body, for all instances of the class")
    return found


def _in_method(
    tree: Tree, cls: cst.ClassDef, method: cst.FunctionDef, receiver: str, attribute: str
) -> Iterator[Binding]:
    for node in walk(method):
        if isinstance(node, cst.Expr):
            registered = _registered(node.value, receiver, attribute)
            if registered is not None:
                name, value = registered
                yield Binding(node, _holder(tree, node), method, receiver, value, name, True)
        elif self_attribute(node, receiver) == attribute and isinstance(node, cst.Attribute):
            parent = tree.parent(node)
            if isinstance(parent, cst.AssignTarget):
                assign = cst.ensure_type(tree.parent(parent), cst.Assign)
                holder = _holder(tree, assign)
                yield Binding(assign, holder, method, receiver, assign.value, node, len(assign.targets) == 1)
            elif isinstance(parent, cst.AnnAssign) and parent.target is node:
                if parent.value is not None:
                    yield Binding(parent, _holder(tree, parent), method, receiver, parent.value, node, True)
            elif isinstance(parent, cst.Element):
                yield from _in_tuple(tree, method, receiver, attribute, node, parent)
            elif isinstance(parent, cst.AugAssign | cst.For | cst.CompFor | cst.AsName | cst.StarredElement):
                if getattr(parent, "target", None) is node or isinstance(parent, cst.AsName):
                    raise Refused(f"`{attribute}` is bound by `{tree.short(parent)}`")
            elif isinstance(parent, cst.Del):
                raise Refused(f"`{attribute}` is deleted in `{method.name.value}`")


def _in_tuple(
    tree: Tree,
    method: cst.FunctionDef,
    receiver: str,
    attribute: str,
    node: cst.Attribute,
    element: cst.Element,
) -> Iterator[Binding]:
    """`self.a, self.b = A(), B()`: the binding of one of them. A tuple that is read binds nothing."""
    targets = tree.parent(element)
    above = tree.parent(targets)
    if not isinstance(above, cst.AssignTarget) or not isinstance(targets, cst.Tuple | cst.List):
        return
    assign = cst.ensure_type(tree.parent(above), cst.Assign)
    values = assign.value
    if (
        len(assign.targets) != 1
        or not isinstance(values, cst.Tuple | cst.List)
        or len(values.elements) != len(targets.elements)
        or any(isinstance(e, cst.StarredElement) for e in (*values.elements, *targets.elements))
    ):
        raise Refused(f"`{attribute}` is unpacked from `{tree.short(values)}`")
    position = next(k for k, e in enumerate(targets.elements) if e is element)
    value = values.elements[position].value
    yield Binding(assign, _holder(tree, assign), method, receiver, value, node, False)


def _registered(
    expression: cst.BaseExpression, receiver: str, attribute: str
) -> tuple[cst.SimpleString, cst.BaseExpression] | None:
    """Name and value of `self.add_module("x", m)` or `setattr(self, "x", m)`."""
    if not isinstance(expression, cst.Call) or any(arg.keyword or arg.star for arg in expression.args):
        return None
    args = [arg.value for arg in expression.args]
    if self_attribute(expression.func, receiver) not in _REGISTERS:
        is_setattr = isinstance(expression.func, cst.Name) and expression.func.value == "setattr"
        if not is_setattr or len(args) != 3 or not isinstance(args[0], cst.Name) or args[0].value != receiver:
            return None
        args = args[1:]
    if len(args) != 2 or not isinstance(args[0], cst.SimpleString):
        return None
    return (args[0], args[1]) if args[0].evaluated_value == attribute else None


def _holder(tree: Tree, small: cst.CSTNode) -> cst.SimpleStatementLine | cst.SimpleStatementSuite:
    parent = tree.parent(small)
    if not isinstance(parent, cst.SimpleStatementLine | cst.SimpleStatementSuite):
        raise Refused("the definition does not stand on a line of its own")
    return parent


def _binds_name(node: cst.CSTNode, name: str) -> bool:
    """Whether `node` is `name = ...` or `name: T = ...` with something else than None."""
    if not isinstance(node, cst.Assign | cst.AnnAssign) or node.value is None:
        return False
    if isinstance(node.value, cst.Name) and node.value.value == "None":
        return False
    targets = [t.target for t in node.targets] if isinstance(node, cst.Assign) else [node.target]
    return any(isinstance(target, cst.Name) and target.value == name for target in targets)


def refuse_removal(file: OpenedFile, cls: cst.ClassDef, attribute: str) -> None:
    """Refuse when the attribute is taken away by its name: `delattr(self, "x")`, `_modules.pop("x")`."""
    tree = file.tree
    kin = file.mentions.kin(cls)
    for node in file.mentions.strings(attribute):
        parent = tree.parent(node)
        around: cst.CSTNode = parent
        if isinstance(parent, cst.Arg):
            call = cst.ensure_type(tree.parent(parent), cst.Call)
            removes = tree.code(call.func).endswith(("delattr", "__delattr__", "._modules.pop"))
            around = call
        else:
            entry = next((a for a in tree.ancestors(node) if isinstance(a, cst.Subscript)), None)
            removes = entry is not None and tree.code(entry.value).endswith("._modules")
            around = entry or parent
        if removes and file.mentions.class_around(node) in (None, *kin):
            raise Refused(f"`{tree.short(around)}` takes `{attribute}` away or replaces it")


def refuse_emptied(tree: Tree, attribute: str, found: Sequence[Binding]) -> None:
    """Refuse when the attribute may be set to None after it got its instance: a clone would stay."""
    for none in (b for b in found if b.is_none):
        for made in (b for b in found if not b.is_none):
            if tree.before(made.small, none.small) and not _exclusive(tree, made.small, none.small):
                raise Refused(f"`{attribute}` is set to None after it is made, and a clone would stay")


def _exclusive(tree: Tree, one: cst.CSTNode, other: cst.CSTNode) -> bool:
    """Whether the two stand in different branches of one `if`."""
    branches: dict[cst.CSTNode, cst.CSTNode] = {}
    inner = one
    for around in tree.ancestors(one):
        branches[around] = inner
        inner = around
    inner = other
    for around in tree.ancestors(other):
        if around in branches:
            return isinstance(around, cst.If) and branches[around] is not inner
        inner = around
    return False


def definition_binding(
    tree: Tree,
    cls: cst.ClassDef,
    attribute: str,
    definition: cst.BaseExpression | None,
    found: list[Binding],
) -> Binding:
    """The binding that the intent means: the one that holds `definition`. Raises `Refused`.

    The instance may first be given to a local name (`act = nn.ReLU(); self.act = act`), or be made
    outside of the class (`definition` is None then).
    """
    for binding in found:
        if definition is not None and tree.contains(binding.value, definition):
            return binding
    method = method_of(tree, cls, definition) if definition is not None else None
    local = local_name(tree, definition) if definition is not None else None
    for binding in found:
        is_local = isinstance(binding.value, cst.Name) and binding.value.value == local
        if is_local and binding.method is method:
            return binding
    named = [b for b in found if not b.is_none]
    if len(named) == 1:
        return named[0]
    raise Refused(f"it is not clear which statement gives `{attribute}` its instance")


def local_name(tree: Tree, definition: cst.BaseExpression) -> str | None:
    """`act` in `act = nn.ReLU()`."""
    parent = tree.parent(definition)
    if isinstance(parent, cst.Assign):
        for target in parent.targets:
            if isinstance(target.target, cst.Name):
                return target.target.value
    return None
