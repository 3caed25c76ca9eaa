"""What an earlier forward has left in the attributes of a module, which the next one begins with.

Before forward is followed, such attributes hold symbols in place of what the constructor gave them. From
there on they are what forward makes of them, on each path by itself, like any other attribute.
"""

from __future__ import annotations

from collections.abc import Hashable

from qatlint.horizon.modules import facts_of
from qatlint.static.kept import Kept, kept_by_forward
from qatlint.static.known import Known
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import Cause, Nature, What
from qatlint.static.project import Project
from qatlint.static.values import Choice, Const, Instance, Item, Mapping, Pick, Seq, Symbol, Value
from qatlint.trace import Kind, Varies


class LeftBehind(Known):
    """Lets each forward begin with what an earlier one may have left."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        super().__init__(project, cls, opened)
        self._built: dict[str, Item] | None = None
        """Attributes as the constructor left them."""
        self._left_of: dict[str, Item | None] | None = None
        """Those of them that forward changes; None for one that the constructor does not make."""
        self._changed_by_forward = Kept()

    def run_forward(self, root: Instance) -> None:
        if self._built is None:
            # Counting modules runs forward, too, and fills lists and dicts where they are.
            self._built = {name: _instead(item, _copied(item.value)) for name, item in root.attrs.items()}
        if self.watching:
            self._begin_with_what_is_left(root)
        super().run_forward(root)

    def _begin_with_what_is_left(self, root: Instance) -> None:
        if self._left_of is None:
            classes = [c for c in self.project.mro(self.cls) if isinstance(c, ClassDef)]
            self._changed_by_forward = kept_by_forward(classes)
            names = sorted(set().union(*self._changed_by_forward[:3]) - {""})
            built = self._built or {}
            self._left_of = {name: built.get(name) for name in names}
        for name, item in self._left_of.items():
            left = self._left_in(root, name, item)
            if left is not None:
                root.attrs[name] = left
            elif item is not None:
                root.attrs[name] = item
            else:
                root.attrs.pop(name, None)

    def _left_in(self, root: Instance, name: str, item: Item | None) -> Item | None:
        """An attribute as an earlier forward left it; None for a module, for a method, and for what stays as
        it was made."""
        changed = self._changed_by_forward
        if item is None:
            if root.cls is not None and self.lookup(root.cls, name, None) is not None:
                return None
            symbol = self._left(f"self.{name}", What.MAYBE, name)
            there = self.fresh(root.node)
            self._tested(there, True, (symbol,))
            return Item(symbol, there)
        given = item.value
        grows = name in changed.filled or (isinstance(given, Mapping) and name in changed.keyed)
        if isinstance(given, (Seq, Mapping)) and not grows:
            return self._left_in_entries(name, item)
        if name in changed.filled and not isinstance(given, (Seq, Mapping)):
            return None  # a method of its own that is called like one of a list
        if holds(given, None) or (isinstance(given, Symbol) and given.made):
            return None
        return _instead(item, self._left(f"self.{name}", self._kind_of(given), name))

    def _kind_of(self, given: Value) -> What:
        """What an earlier forward may have put in the place of something."""
        what = self.nature(given).what
        return What.MAYBE if what in (What.TENSOR, What.OTHER, What.UNKNOWN) else what

    def _left_in_entries(self, name: str, item: Item) -> Item | None:
        """A list or dict that stays as long as it was, as far as anybody knows: its entries may be others."""
        given = item.value
        if isinstance(given, Mapping):
            keys = [key for key in given.entries if (name, key) in self._changed_by_forward.entries]
            copy = _copied(given)
            assert isinstance(copy, Mapping)
            for key in keys:
                entry = given.entries[key]
                if not holds(entry.value, None):
                    left = self._left(f"self.{name}[{key!r}]", self._kind_of(entry.value), name, key)
                    copy.entries[key] = _instead(entry, left)
            return _instead(item, copy) if keys else None
        if not isinstance(given, Seq) or name not in self._changed_by_forward.assigned:
            return None
        if not any(_is_none(entry.value) for entry in given.items):
            return None
        left = self._left(f"self.{name}[...]", What.MAYBE, name, "*")
        items = [_instead(entry, left) if _is_none(entry.value) else entry for entry in given.items]
        return _instead(item, Seq(items, given.kind, given.open, given.loops))

    def _left(self, text: str, what: What, *key: Hashable) -> Symbol:
        """What an earlier forward may have left under a name, or in an entry."""
        symbol = Symbol(("state", *key), origin="unknown", text=text)
        cause = self.left[symbol.key] = Cause(Varies.STATE, text)
        self.natures.setdefault(symbol.key, Nature(what, frozenset({cause})))
        return symbol


def _instead(item: Item, value: Value) -> Item:
    """The same entry with another value."""
    if value is item.value:
        return item
    instead = Item(value, item.when, item.times, item.loops, item.node, item.file, item.given)
    instead.once = item.once
    return instead


def _copied(value: Value) -> Value:
    """A list or dict of its own with the same entries."""
    if isinstance(value, Mapping):
        copy = Mapping(value.of)
        copy.entries, copy.rest, copy.open = dict(value.entries), list(value.rest), value.open
        return copy
    if isinstance(value, Seq):
        return Seq(list(value.items), value.kind, value.open, value.loops)
    return value


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
