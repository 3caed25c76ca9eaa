"""A model that is followed for a report of it, which may be of one that was built in another way.

What other code sets again after construction decides no test here and no number of turns: both sides of the
test are followed, and the loop is said to turn as often as its default says (`Around.given`).
"""

from __future__ import annotations

import ast

from qatlint.condition import negate
from qatlint.static.defaults import as_default, is_plain
from qatlint.static.exchanging import Exchanging
from qatlint.static.iteration import Turns
from qatlint.static.machine import NOWHERE, Frame, key_of
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.natures import What
from qatlint.static.project import Project
from qatlint.static.reassigned import Reassigned
from qatlint.static.values import (
    Args,
    At,
    Const,
    Function,
    Instance,
    Mapping,
    ModuleValue,
    Seq,
    Slice,
    Symbol,
    Value,
    Wrapped,
)
from qatlint.trace import Loose

_VIEWS = ("items", "keys", "values")
"""What a loop over them runs over is a dictionary, or a `ModuleDict`."""


class Unsettled(Exchanging):
    """The same as `Quantised`, but that nothing is taken for sure which may have been set again."""

    may_export = False

    def __init__(
        self,
        project: Project,
        cls: ClassDef,
        assumed: bool,
        reassigned: Reassigned,
        floats: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(project, cls, assumed, reassigned.methods, floats)
        self._reassigned = reassigned
        self._of_forward: set[tuple[int, str]] = set()
        """Attributes that this forward has set."""
        self._replaced: set[int] = set()
        """Modules in whose place others may stand by now, and what is in them."""
        self._refilled: dict[int, tuple[Value, str]] = {}
        """By id: lists that may have other entries by now, and what they are called."""

    def watch(self) -> None:
        self._of_forward.clear()
        super().watch()

    def instance_attribute(self, value: Instance, name: str, frame: Frame) -> Value:
        found = super().instance_attribute(value, name, frame)
        if self.phase != "forward":
            # What an object has of its class may have been set there before.
            is_set = self._is_constant_set(found, name) or (is_plain(found) and self.may_have(value, name))
            if name in value.attrs or not is_set:
                return found
            return as_default(found, self.intern(("set again", value.number, name)), name, value.loops)
        if (value.number, name) in self._of_forward:
            return found
        is_module = isinstance(found, Instance) and found.is_module
        if not (is_module or is_plain(found)) or not self._is_set_again(value, name, found):
            return found
        if isinstance(found, Instance):
            self._replaced.add(found.number)
            self._refilled[id(found)] = found, name
            self.note_exchanged(value, name, found)
            return found
        return as_default(found, self.intern(("set again", value.number, name)), name, value.loops)

    def _is_set_again(self, value: Instance, name: str, found: Value | None) -> bool:
        return (
            value.number in self._replaced
            or self.may_have(value, name)
            or self._reassigned.attribute(
                value.cls,
                name,
                holds_entries=found is not None and _has_entries(found),
                in_subclasses=value is self.root,
            )
        )

    def get_attribute(self, value: Value, name: Value, default: Value | None, frame: Frame) -> Value:
        found = super().get_attribute(value, name, default, frame)
        if self.phase != "forward" or not isinstance(value, Instance) or not isinstance(name, Const):
            return found
        text = str(name.value)
        if found is default and self._is_set_again(value, text, found):
            return as_default(found, self.intern(("set again", value.number, text)), text, value.loops)
        if found is not default and default is not None and self._may_be_deleted(value, text):
            key = self.intern(("hasattr", key_of(value), key_of(name)))
            has = self.truth(self.unknown(value, name, key=key), NOWHERE, frame)
            return self.choose([(has, found), (negate(has), default)])
        return found

    def knows_to_have(self, target: Instance, name: str) -> Value | None:
        return None if self._may_be_deleted(target, name) else super().knows_to_have(target, name)

    def _may_be_deleted(self, value: Instance, name: str) -> bool:
        """Whether an attribute that an object was given may be gone by now."""
        is_late = self.phase == "forward" and (value.number, name) not in self._of_forward
        return is_late and self._reassigned.is_deleted(name)

    def lacks_attribute(self, target: Instance, name: str) -> bool:
        is_later = self.phase == "forward" and self._is_set_again(target, name, None)
        return not is_later and super().lacks_attribute(target, name)

    def _is_constant_set(self, found: Value, name: str) -> bool:
        """Whether what stands under a name of a class or a module may be something else by now."""
        return is_plain(found) and self._reassigned.constant(name, holds_entries=_has_entries(found))

    def attribute(self, value: Value, name: str, node: ast.expr, frame: Frame) -> Value:
        found = super().attribute(value, name, node, frame)
        if not isinstance(value, ModuleValue) or not self._is_constant_set(found, name):
            return found
        return as_default(found, self.intern(("set again", value.file.path, name)), name)

    def class_attribute(self, cls: ClassDef, name: str, receiver: Value) -> Value:
        found = super().class_attribute(cls, name, receiver)
        if not self._is_constant_set(found, name):
            return found
        return as_default(found, self.intern(("set again", cls.full_name, name)), name)

    def global_value(self, file: ModuleFile, name: str) -> Value:
        found = super().global_value(file, name)
        if not self._is_constant_set(found, name):
            return found
        return as_default(found, self.intern(("set again", file.path, name)), name)

    def enter(
        self,
        callee: Function,
        args: Args,
        node: ast.Call,
        frame: Frame,
        receiver: Value | None,
        owner: Instance | None = None,
    ) -> Value:
        result = super().enter(callee, args, node, frame, receiver, owner)
        name = getattr(callee.node, "name", "forward")
        if self.phase == "forward" and receiver is self.root and not self.supposing and name != "forward":
            if self._reassigned.is_overridden(self.cls, name):
                self.order.loosen(Loose.OVERRIDDEN)
        return result

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """What something unknown makes of tensors may be one: what is computed of it counts."""
        result = super()._call_symbol(callee, at, args, node, frame)
        if self.phase == "forward" and isinstance(result, Symbol) and callee.key not in self.members:
            operands = self._operands(args)
            if self.nature(result).what is What.UNKNOWN and any(n.is_tensor for n in operands):
                self._learn(result, self._derived(operands, frame.guard))
        return result

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        if self.phase == "forward" and isinstance(value, Instance) and isinstance(name, Const):
            self._of_forward.add((value.number, str(name.value)))
        super().set_attribute(value, name, new, frame, node)

    def iterate(self, value: Value, node: ast.expr, frame: Frame) -> Turns:
        turns = super().iterate(value, node, frame)
        held = value.parts[0] if isinstance(value, Wrapped) and value.kind in _VIEWS else value
        known = self._refilled.get(id(held))
        if known is not None and not turns.given:
            turns.given = known[1]
        elif isinstance(value, Slice) and value.vague and not turns.given:
            turns.given = "a slice"  # of which nobody knows how long it is
        return turns

    def _over_zip(self, parts: list[Turns]) -> Turns:
        """It stops at the shortest, which any part may be whose length is a default, or not known."""
        turns = super()._over_zip(parts)
        is_open = any(part.times.most is None for part in parts)
        turns.given = next((part.given for part in parts if part.given), "zip" if is_open else "")
        return turns


def _has_entries(value: Value) -> bool:
    if isinstance(value, Instance):
        return value.items is not None or value.children is not None
    return isinstance(value, (Seq, Mapping))
