"""A model whose constructor gives attributes names that nobody knows: `setattr(self, k, v)` for what is in a
dict, `self.__dict__.update(cfg)`."""

from __future__ import annotations

import ast

from qatlint.static.defaults import as_default, is_plain
from qatlint.static.machine import Frame
from qatlint.static.merging import Merging
from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project
from qatlint.static.replaced import Replaced, namespace_of
from qatlint.static.values import Choice, Const, Instance, Item, Pattern, Pick, Value


class AnyNamed(Merging):
    """The same as `Merging`, but that what was set before is a default."""

    def __init__(
        self, project: Project, cls: ClassDef, assumed: bool, replaced: Replaced, floats: frozenset[str]
    ) -> None:
        super().__init__(project, cls, assumed, replaced, floats)
        self._any_named: set[int] = set()
        """Objects that may have any attribute."""

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        super().set_attribute(value, name, new, frame, node)
        is_known = isinstance(name, (Const, Choice, Pattern)) or (
            isinstance(name, Pick) and all(isinstance(o, (Const, Pattern)) for _, o in name.options)
        )
        if isinstance(value, Instance) and not is_known:
            self._name_any(value)

    def evaluate_call(self, node: ast.Call, frame: Frame) -> Value:
        made = super().evaluate_call(node, frame)
        called = node.func
        if self.phase == "init" and isinstance(called, ast.Attribute) and called.attr == "update":
            holder = namespace_of(called.value)
            target = self.eval(holder, frame) if holder is not None else None
            if isinstance(target, Instance):
                self._name_any(target)
        return made

    def _name_any(self, value: Instance) -> None:
        """Something was set that may be any of the attributes."""
        if self.phase == "forward":
            return
        self._any_named.add(value.number)
        for name, item in value.attrs.items():
            if is_plain(item.value):
                made = as_default(
                    item.value, self.intern(("set again", value.number, name)), name, value.loops
                )
                value.attrs[name] = Item(
                    made, item.when, item.times, item.loops, item.node, item.file, item.given
                )

    def may_have(self, value: Instance, name: str) -> bool:
        """Whether what is not known as an attribute of an object may be one all the same."""
        return value.number in self._any_named and name not in value.attrs
