"""Whether an expression may be written a second time, right behind the first, and mean the same."""

from __future__ import annotations

import libcst as cst

from qatlint.codemods.locate import Tree, children, self_attribute, self_name, walk
from qatlint.codemods.scope import bound_in

PURE_BUILTINS = frozenset(
    "abs bool bytes dict divmod float frozenset getattr hasattr int isinstance issubclass len list max min "
    "range reversed round set slice sorted str sum tuple type zip enumerate partial".split()
)
_PURE_METHODS = frozenset(
    "copy count endswith format get index items join keys lower replace split startswith strip title upper "
    "values deepcopy partial".split()
)
_LEAVES = (
    cst.Name,
    cst.Integer,
    cst.Float,
    cst.Imaginary,
    cst.SimpleString,
    cst.ConcatenatedString,
    cst.Ellipsis,
    cst.Lambda,
)
_COMPOUND = (
    cst.Attribute,
    cst.Subscript,
    cst.BinaryOperation,
    cst.BooleanOperation,
    cst.UnaryOperation,
    cst.Comparison,
    cst.IfExp,
    cst.Tuple,
    cst.List,
    cst.Set,
    cst.Dict,
    cst.FormattedString,
    cst.ListComp,
    cst.SetComp,
    cst.DictComp,
)


class Purity:
    """Judges expressions of one method: which of its names are modules is looked up once."""

    def __init__(self, tree: Tree, cls: cst.ClassDef, method: cst.FunctionDef) -> None:
        self._tree = tree
        self._modules = _names_of_modules(cls, method)
        self._self = self_name(method)
        self._local = set(bound_in(method)) - {self._self}

    def why_not_again(self, expression: cst.BaseExpression) -> str:
        """Empty when `expression` makes a new, equal module each time; else why not, as a clause."""
        if isinstance(expression, cst.IfExp):
            return (
                self.why_impure(expression.test)
                or self.why_not_again(expression.body)
                or self.why_not_again(expression.orelse)
            )
        if isinstance(expression, cst.Name) and expression.value == "None":
            return ""
        if not isinstance(expression, cst.Call):
            return f"`{self._tree.short(expression)}` is not a call that makes a module"
        if self._takes_from_local(expression.func):
            return f"`{self._tree.short(expression)}` may do or give something else the second time"
        return self.why_impure(expression.func) or self._why_arguments(expression)

    def _takes_from_local(self, callee: cst.BaseExpression) -> bool:
        """`layers.pop`, `next`: the second call of these gives another object."""
        if isinstance(callee, cst.Name):
            return callee.value in ("next", "eval", "exec", "input")
        if not isinstance(callee, cst.Attribute) or is_class_name(callee):
            return False
        return isinstance(callee.value, cst.Name) and callee.value.value in self._local

    def _why_arguments(self, call: cst.Call) -> str:
        for arg in call.args:
            module = self._module_in(arg.value) if arg.star != "**" else ""
            if module:
                return f"its argument `{module}` is a module, which both would share"
            reason = self.why_impure(arg.value)
            if reason:
                return reason
        return ""

    def why_impure(self, node: cst.BaseExpression) -> str:
        """Empty when evaluating `node` twice gives the same and changes nothing; else why not."""
        if isinstance(node, cst.Call):
            if not _is_harmless(node.func):
                return f"`{self._tree.short(node)}` may do or give something else the second time"
            if is_class_name(node.func):
                return self.why_impure(node.func) or self._why_arguments(node)
            return next(
                (why for part in _parts(node) if (why := self.why_impure(part))),
                "",
            )
        if isinstance(node, _LEAVES):
            return ""
        if not isinstance(node, _COMPOUND):
            return f"`{self._tree.short(node)}` may do or give something else the second time"
        return next((why for part in _parts(node) if (why := self.why_impure(part))), "")

    def _module_in(self, value: cst.BaseExpression) -> str:
        """Text of a module that `value` hands on, as it is or inside a display."""
        if isinstance(value, cst.Name):
            return value.value if value.value in self._modules else ""
        attribute = self_attribute(value, self._self)
        if attribute is not None:
            return self._tree.short(value) if f"self.{attribute}" in self._modules else ""
        if isinstance(value, cst.Subscript):
            return self._module_in(value.value)
        if isinstance(value, cst.Call) and _is_builtin(value.func, "list", "tuple", "reversed", "dict"):
            return next((found for arg in value.args if (found := self._module_in(arg.value))), "")
        if isinstance(value, cst.Tuple | cst.List | cst.Set | cst.Dict | cst.IfExp | cst.BinaryOperation):
            return next((found for part in _parts(value) if (found := self._module_in(part))), "")
        return ""


def is_class_name(callee: cst.BaseExpression) -> bool:
    """Whether a called expression looks like a class: its last name is in CamelCase."""
    last = callee.attr.value if isinstance(callee, cst.Attribute) else None
    if isinstance(callee, cst.Name):
        last = callee.value
    return last is not None and last.lstrip("_")[:1].isupper()


def _is_harmless(callee: cst.BaseExpression) -> bool:
    if is_class_name(callee):
        return True
    if isinstance(callee, cst.Name):
        return callee.value in PURE_BUILTINS
    return isinstance(callee, cst.Attribute) and callee.attr.value in _PURE_METHODS


def _is_builtin(callee: cst.BaseExpression, *names: str) -> bool:
    return isinstance(callee, cst.Name) and callee.value in names


def _parts(node: cst.CSTNode) -> list[cst.BaseExpression]:
    """Expressions directly below `node`, through elements, indices, comparisons and f-string parts."""
    found: list[cst.BaseExpression] = []
    for child in children(node):
        if isinstance(node, cst.Attribute) and child is node.attr:
            continue
        if isinstance(child, cst.BaseExpression):
            found.append(child)
        else:
            found.extend(_parts(child))
    return found


def _names_of_modules(cls: cst.ClassDef, method: cst.FunctionDef) -> set[str]:
    """Local names and attributes (`self.x`) that hold a module, or a list with one, as far as one sees."""
    found: set[str] = set()
    methods = [s for s in cls.body.body if isinstance(s, cst.FunctionDef)]
    for function in methods:
        receiver = self_name(function)
        for node in walk(function):
            if not isinstance(node, cst.Assign) or not _makes_module(node.value):
                continue
            for target in node.targets:
                attribute = self_attribute(target.target, receiver)
                if attribute is not None:
                    found.add(f"self.{attribute}")
                elif isinstance(target.target, cst.Name) and function is method:
                    found.add(target.target.value)
    return found


def _makes_module(value: cst.BaseExpression) -> bool:
    return any(isinstance(node, cst.Call) and is_class_name(node.func) for node in walk(value))
