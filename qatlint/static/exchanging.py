"""A model in which code has put modules of other classes in the place of some (`m.head = B()`), or has given
them another class: what their forwards run may be any line of these and of the others, and no test of their
class decides."""

from __future__ import annotations

import ast

from qatlint.condition import Condition, literal
from qatlint.static.any_named import AnyNamed
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project
from qatlint.static.replaced import Replaced
from qatlint.static.unfollowed import instances_in
from qatlint.static.values import Args, External, Function, Instance, Method, Symbol, Value
from qatlint.trace import Loose


class Exchanging(AnyNamed):
    """The same as `AnyNamed`, with these modules."""

    def __init__(
        self, project: Project, cls: ClassDef, assumed: bool, replaced: Replaced, floats: frozenset[str]
    ) -> None:
        super().__init__(project, cls, assumed, replaced, floats)
        self._exchanged: dict[int, set[ClassDef | str]] = {}
        """Modules that are held where code puts others: the classes of these."""
        self._is_exchanged = False
        """Whether what is followed runs in the forward of such a module."""

    def note_exchanged(self, holder: Instance, name: str, found: Instance) -> None:
        """Note which modules may be of another class that an object holds under a name."""
        if holder.cls is None:
            return
        for one in instances_in(found):
            one.settle()
            own = one.cls or one.dotted
            others = self._replaced_methods.instead_of_child(holder.cls, name, own, is_entry=one is not found)
            if others:
                self._exchanged[one.number] = others

    def _others_of(self, value: Instance) -> set[ClassDef | str]:
        """The other classes of which a module may be; "" is any."""
        if value.number in self._exchanged:
            return self._exchanged[value.number]
        if value.cls is None:
            return set()
        return self._replaced_methods.instead_of_any(value.cls, is_same=value is self.root)

    def _is_of_source(self, value: Instance) -> bool:
        """Whether one of them may be a class of the project: what modules of torch run has other names."""
        return any(not other or isinstance(other, ClassDef) for other in self._others_of(value))

    def run_as_forward(self, root: Instance, function: Function, guard: Condition) -> None:
        if self._is_of_source(root):
            self.order.loosen(Loose.EXCHANGED)
        super().run_as_forward(root, function, guard)

    def run_forward_of(
        self, target: Instance, function: Function, args: Args, node: ast.Call, frame: Frame, receiver: Value
    ) -> Value:
        outer = self._is_exchanged
        self._is_exchanged = outer or self._is_of_source(target)
        if self._is_exchanged and not self.supposing:
            self.order.loosen(Loose.EXCHANGED)
        try:
            return super().run_forward_of(target, function, args, node, frame, receiver)
        finally:
            self._is_exchanged = outer

    def _instead_of(
        self, value: Instance, name: str, own: tuple[ClassDef, ast.AST]
    ) -> list[tuple[Condition, Value]]:
        found = super()._instead_of(value, name, own)
        others = [cls for cls in self._others_of(value) if isinstance(cls, ClassDef)]
        for cls in sorted(others, key=lambda cls: cls.full_name) if name == "forward" else ():
            other = self.lookup(cls, name, None)
            if other is None or other[1] is own[1] or not isinstance(other[1], ast.FunctionDef):
                continue
            key = self.intern(("exchanged", value.number, cls.full_name))
            test = Symbol(key, origin="config", text=f"it is a {cls.name}", loops=value.loops)
            when = literal(self.atom(("truth", key), None, config=True, of=(test,)))
            found.append((when, Method(Function(other[1], other[0].file, None, other[0]), value)))
        return found

    def lacks_attribute(self, target: Instance, name: str) -> bool:
        is_other = self.phase == "forward" and bool(self._others_of(target))
        return not is_other and super().lacks_attribute(target, name)

    def _is_a(self, value: Value, cls: Value) -> bool | None:
        known = super()._is_a(value, cls)
        if self.phase != "forward" or not isinstance(value, Instance) or not value.is_module:
            return known
        is_any = isinstance(cls, External) and cls.dotted.endswith(".Module")
        return known if is_any or not self._others_of(value) else None
