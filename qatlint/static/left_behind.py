"""What an earlier forward has left in the attributes of a module, which the next one begins with.

Before forward is followed, such attributes hold symbols in place of what the constructor gave them. From
there on they are what forward makes of them, on each path by itself, like any other attribute.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator
from typing import NamedTuple

from qatlint.horizon.modules import facts_of
from qatlint.static.kept import Kept, called_on_attributes, kept_by_forward
from qatlint.static.kept_numbers import kept_numbers
from qatlint.static.known import Known, copied
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import Cause, Nature, What
from qatlint.static.project import Project
from qatlint.static.values import Args, At, Choice, Const, Instance, Item, Mapping, Pick, Seq, Symbol, Value
from qatlint.trace import Kind, Varies


class _Changed(NamedTuple):
    """A module that forward changes."""

    module: Instance
    written: str
    """How forward has it."""
    by_forward: Kept
    built: dict[str, Item]
    """Its attributes as the constructor left them."""
    numbers: frozenset[str]
    """Those that begin as nothing, and are numbers whenever they are something."""


class LeftBehind(Known):
    """Lets each forward begin with what an earlier one may have left."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        super().__init__(project, cls, opened)
        self._built: dict[str, Item] | None = None
        """Attributes of the root as the constructor left them."""
        self._changing: list[_Changed] | None = None

    def run_forward(self, root: Instance) -> None:
        if self._built is None:
            # Counting modules runs forward, too, and fills lists and dicts where they are.
            self._built = _copied_attributes(root)
        if self.watching:
            if self._changing is None:
                self._changing = [*self._changed_modules(root, self._built)]
            for one in self._changing:
                self._begin(one)
        super().run_forward(root)

    def _changed_modules(self, root: Instance, built: dict[str, Item]) -> Iterator[_Changed]:
        """The root, and its children of which forward calls other methods than their forward."""
        classes = self._classes_of(root)
        yield self._changed_module(root, "self", kept_by_forward(classes), built)
        for name, methods in called_on_attributes(classes).items():
            item = root.attrs.get(name)
            child = item.value if item is not None else None
            if isinstance(child, Instance) and child.is_module and (own := self._classes_of(child)):
                if any(method in cls.methods for cls in own for method in methods):
                    if not child.built:
                        self.build(child)
                    kept = kept_by_forward(own, methods)
                    yield self._changed_module(child, f"self.{name}", kept, _copied_attributes(child))

    def _changed_module(self, module: Instance, written: str, kept: Kept, built: dict[str, Item]) -> _Changed:
        empty = {n for n in kept.assigned if n and (n not in built or _is_none(built[n].value))}
        numbers = kept_numbers(self._classes_of(module), empty) if empty else frozenset()
        return _Changed(module, written, kept, built, numbers)

    def _classes_of(self, module: Instance) -> list[ClassDef]:
        line = self.project.mro(module.cls) if module.cls is not None else ()
        return [cls for cls in line if isinstance(cls, ClassDef)]

    def _begin(self, one: _Changed) -> None:
        """Give a module what an earlier forward has left in it."""
        names = set().union(*one.by_forward[:3], (attribute for attribute, _ in one.by_forward.entries))
        for name in sorted(names - {""}):
            item = one.built.get(name)
            left = self._left_in(one, name, item)
            if left is not None:
                one.module.attrs[name] = left
            elif item is not None:
                one.module.attrs[name] = item
            else:
                one.module.attrs.pop(name, None)

    def _left_in(self, one: _Changed, name: str, item: Item | None) -> Item | None:
        """An attribute as an earlier forward left it; None for a module, for a method, and for what stays as
        it was made."""
        text, key = f"{one.written}.{name}", (one.module.number, name)
        if item is None:
            if one.module.cls is not None and self.lookup(one.module.cls, name, None) is not None:
                return None
            symbol = self._left(text, What.NUMBER if name in one.numbers else What.MAYBE, *key)
            there = self.fresh(one.module.node)
            self._tested(there, True, (symbol,))
            return Item(symbol, there)
        given, changed = item.value, one.by_forward
        grows = name in changed.filled or (isinstance(given, Mapping) and name in changed.keyed)
        if isinstance(given, Seq) and not given.items and name in changed.assigned:
            grows = True  # a list that begins empty, and does not stay so
        if isinstance(given, (Seq, Mapping)) and not grows:
            return self._left_in_entries(one, name, item)
        if name in changed.filled and not isinstance(given, (Seq, Mapping)):
            return None  # a method of its own that is called like one of a list
        if holds(given, None) or (isinstance(given, Symbol) and given.made):
            return None
        what = What.NUMBER if name in one.numbers else self._kind_of(given)
        return _instead(item, self._left(text, what, *key))

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        receiver, name = self.members.get(callee.key, (None, ""))
        if name == "clear" and receiver is not None and receiver.key in self.left:
            self._clear(receiver, frame, node)
        return super()._call_symbol(callee, at, args, node, frame)

    def _clear(self, left: Symbol, frame: Frame, node: ast.Call) -> None:
        """Nothing is left of a list or dict: from here on it is what forward fills in."""
        for one in self._changing or ():
            for name, item in one.built.items():
                if left.key == ("state", one.module.number, name):
                    loops = self.loop_numbers()
                    empty = Mapping() if isinstance(item.value, Mapping) else Seq([], loops=loops)
                    self.set_attribute(one.module, Const(name), empty, frame, node)

    def _kind_of(self, given: Value) -> What:
        """What an earlier forward may have put in the place of something."""
        what = self.nature(given).what
        if isinstance(given, Symbol) and given.origin == "config" and not given.optional:
            return what  # a setting: forward puts another one there, not a tensor
        return What.MAYBE if what in (What.TENSOR, What.OTHER, What.UNKNOWN) else what

    def _left_in_entries(self, one: _Changed, name: str, item: Item) -> Item | None:
        """A list or dict that stays as long as it was, as far as anybody knows: its entries may be others."""
        given, text, place = item.value, f"{one.written}.{name}", (one.module.number, name)
        if isinstance(given, Mapping):
            keys = [key for key in given.entries if (name, key) in one.by_forward.entries]
            copy = copied(given)
            assert isinstance(copy, Mapping)
            for key in keys:
                entry = given.entries[key]
                if not holds(entry.value, None):
                    left = self._left(f"{text}[{key!r}]", self._kind_of(entry.value), *place, key)
                    copy.entries[key] = _instead(entry, left)
            return _instead(item, copy) if keys else None
        if not isinstance(given, Seq) or name not in one.by_forward.assigned:
            return None
        if not any(_is_none(entry.value) for entry in given.items):
            return None
        left = self._left(f"{text}[...]", What.MAYBE, *place, "*")
        items = [_instead(entry, left) if _is_none(entry.value) else entry for entry in given.items]
        return _instead(item, Seq(items, given.kind, given.open, given.loops))

    def _left(self, text: str, what: What, *key: Hashable) -> Symbol:
        """What an earlier forward may have left under a name, or in an entry."""
        symbol = Symbol(("state", *key), origin="unknown", text=text)
        cause = self.left[symbol.key] = Cause(Varies.STATE, text)
        self.natures.setdefault(symbol.key, Nature(what, frozenset({cause})))
        return symbol


def _copied_attributes(module: Instance) -> dict[str, Item]:
    return {name: _instead(item, copied(item.value)) for name, item in module.attrs.items()}


def _instead(item: Item, value: Value) -> Item:
    """The same entry with another value."""
    if value is item.value:
        return item
    instead = Item(value, item.when, item.times, item.loops, item.node, item.file, item.given)
    instead.once = item.once
    return instead


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None


def holds(value: Value, kind: Kind | None, depth: int = 0) -> bool:
    """Whether a value is, or contains, a module (of a kind)."""
    if isinstance(value, Instance):
        if value.is_module and (kind is None or facts_of(value.dotted).kind is kind):
            return True
        parts = [i.value for i in value.items.items] if value.items is not None else []
        parts += [i.value for i in value.children.entries.values()] if value.children is not None else []
    elif isinstance(value, Seq):
        parts = [i.value for i in value.items]
    elif isinstance(value, Mapping):
        parts = [i.value for i in value.entries.values()]
    else:
        parts = [v for _, v in value.options] if isinstance(value, (Pick, Choice)) else []
    return depth < 3 and any(holds(v, kind, depth + 1) for v in parts[:20])
