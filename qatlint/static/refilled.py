"""Lists and dicts that a loop reads and fills: what one turn puts there, a later one may take."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from qatlint.static.iteration import Turns
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.operating import Operating
from qatlint.static.project import Project
from qatlint.static.values import Args, Choice, Item, Mapping, Seq, Value

_FILLS = frozenset("append extend insert setdefault update".split())


class Refilled(Operating):
    """Marks the ops whose results are put where the loop around has read (`RawQuant.refilled`)."""

    def __init__(
        self, project: Project, cls: ClassDef, assumed: bool, floats: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(project, cls, assumed, floats)
        self._read: dict[int, tuple[Value, set[int]]] = {}
        """By list or dict: the loops that have read it; it is held, so that no other gets its number."""

    def subscript(self, value: Value, index: Value, node: ast.expr, frame: Frame) -> Value:
        self._note_read(value)
        return super().subscript(value, index, node, frame)

    def iterate(self, value: Value, node: ast.expr, frame: Frame) -> Turns:
        self._note_read(value)
        return super().iterate(value, node, frame)

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        for item in args.positional:
            self._note_read(item.value)
        return super().call_library(dotted, args, node, frame)

    def call_method_of_value(
        self, receiver: Value, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        if name not in _FILLS:
            self._note_read(receiver)
        return super().call_method_of_value(receiver, name, args, node, frame)

    def set_item(self, value: Value, target: ast.Subscript, new: Value, frame: Frame, node: ast.AST) -> None:
        self._note_put(value, new)
        super().set_item(value, target, new, frame, node)

    def add(self, sequence: Seq, value: Value, frame: Frame, node: ast.AST) -> None:
        self._note_put(sequence, value)
        super().add(sequence, value, frame, node)

    def put(self, mapping: Mapping, key: Value, item: Item) -> None:
        self._note_put(mapping, item.value)
        super().put(mapping, key, item)

    def _note_read(self, value: Value) -> None:
        loops = self.loop_numbers() if self.phase == "forward" else frozenset()
        for held in _containers(value) if loops else ():
            self._read.setdefault(id(held), (held, set()))[1].update(loops)

    def _note_put(self, value: Value, new: Value) -> None:
        if self.phase != "forward" or not self._read:
            return
        for held in _containers(value):
            if not self.loop_numbers().isdisjoint(self._read.get(id(held), (held, set()))[1]):
                for number in self.nature(new).held.made:
                    self.met[number].refilled = True


def _containers(value: Value) -> Iterator[Value]:
    if isinstance(value, (Seq, Mapping)):
        yield value
    elif isinstance(value, Choice):
        yield from (option for _, option in value.options if isinstance(option, (Seq, Mapping)))
