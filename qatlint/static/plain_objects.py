"""Objects that are no modules, where all that a forward computes counts: what their constructors and their
operators compute runs in it, too."""

from __future__ import annotations

import ast

from qatlint.static.computed import OPERATORS
from qatlint.static.machine import NOWHERE, Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.quantised import Quantised
from qatlint.static.values import Args, Function, Instance, Item, Value


class PlainObjects(Quantised):
    """The same as `Quantised`, with these followed."""

    def instantiate(
        self, cls: ClassDef | None, dotted: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        made = super().instantiate(cls, dotted, args, node, frame)
        if self.phase == "forward" and isinstance(made, Instance) and cls is not None and not made.is_module:
            found = self.lookup(cls, "__init__", None)
            if found is not None and isinstance(found[1], ast.FunctionDef) and not made.built:
                made.built = True
                self.enter(Function(found[1], found[0].file, None, found[0]), args, node, frame, made)
        return made

    def operation(self, op: ast.operator, left: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        name, _ = OPERATORS.get(type(op), ("", ""))
        if self.phase == "forward" and name:
            for value, other, method in ((left, right, f"__{name}__"), (right, left, f"__r{name}__")):
                if isinstance(value, Instance) and value.cls is not None:
                    found = self.lookup(value.cls, method, None)
                    if found is not None and isinstance(found[1], ast.FunctionDef):
                        bound = self.bind(found, value, method, frame)
                        return self.call(bound, Args([Item(other)], {}, False), NOWHERE, frame)
        return super().operation(op, left, right, node, frame)
