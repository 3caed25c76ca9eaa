"""Entries of objects: `xs[i]`, `m["key"]`, and writing and deleting them."""

from __future__ import annotations

import ast
from collections.abc import Hashable

from qatlint.condition import FALSE, TRUE, Condition, both, either, implies, negate
from qatlint.static.attributes import Attributes
from qatlint.static.families import are_single, beyond
from qatlint.static.machine import NOWHERE, Frame, frozen, key_of, parts_of
from qatlint.static.values import (
    Args,
    Choice,
    Const,
    Index,
    Instance,
    Item,
    Mapping,
    Pattern,
    Pick,
    Range,
    Seq,
    Slice,
    Symbol,
    Value,
)


class Items(Attributes):
    """`subscript`, `set_item` and `delete_item`."""

    def set_item(self, value: Value, target: ast.Subscript, new: Value, frame: Frame, node: ast.AST) -> None:
        """`value[...] = new`, where `target` is what stands before the `=`."""
        index = target.slice
        if isinstance(index, ast.Slice):
            if isinstance(value, Seq):
                value.open = True
            return
        if isinstance(value, Choice):
            for _, option in value.options:
                self.set_item(option, target, new, frame, node)
            return
        position = self.eval(index, frame)
        mapping = value if isinstance(value, Mapping) else getattr(value, "children", None)
        if isinstance(mapping, Mapping):
            if mapping.of is not None:
                self.set_attribute(mapping.of, position, new, frame, node)
            item = Item(new, frame.guard, node=node, file=frame.file)
            if not isinstance(frozen(position), Const):
                self.merge_unknown(mapping, None)
            self.put(mapping, position, self._beside_old(mapping, position, item))
            return
        entries = self.entries(value)
        if entries is not None and isinstance(position, Const) and type(position.value) is int:
            try:
                old = entries.items[position.value]
            except IndexError:
                entries.open = True
                return
            if old.times is None:
                merged = self.choose([(frame.guard, new), (TRUE, old.value)])
                entries.items[position.value] = Item(merged, old.when, None, old.loops, node, frame.file)
        elif entries is not None:
            entries.open = True

    def _beside_old(self, mapping: Mapping, key: Value, item: Item) -> Item:
        """What an entry holds after it was given another value on some path."""
        if not isinstance(key, Const) or item.when == TRUE or mapping.of is not None:
            return item
        try:
            old = mapping.entries.get(key.value)
        except TypeError:
            return item
        if old is None or old.times is not None or implies(old.when, item.when):
            return item
        options = [(item.when, item.value)]
        rest = negate(item.when)
        for when, value in old.value.options if isinstance(old.value, Choice) else ((TRUE, old.value),):
            if both(rest, when):
                options.append((when, value))
            rest = both(rest, negate(when))
        return Item(self.choose(options), either(item.when, old.when), node=item.node, file=item.file)

    def delete_item(self, value: Value, index: ast.expr, frame: Frame) -> None:
        """`del value[index]`."""
        if isinstance(value, Choice):
            for _, option in value.options:
                self.delete_item(option, index, frame)
            return
        position = None if isinstance(index, ast.Slice) else self.eval(index, frame)
        surely = isinstance(position, Const) and frame.guard == TRUE and not self.loop_numbers()
        mapping = value if isinstance(value, Mapping) else getattr(value, "children", None)
        if isinstance(mapping, Mapping):
            key = position.value if isinstance(position, Const) else None
            if not surely or mapping.entries.pop(key, None) is None:
                mapping.open = True
            return
        entries = self.entries(value)
        if entries is None:
            return
        at = position.value if isinstance(position, Const) else None
        if (
            surely
            and type(at) is int
            and are_single(entries)
            and -len(entries.items) <= at < len(entries.items)
        ):
            del entries.items[at]
        else:
            entries.open = True

    def subscript(self, value: Value, index: Value, node: ast.expr, frame: Frame) -> Value:
        """`value[index]`."""
        if isinstance(value, Choice):
            kept = [(w, v) for w, v in value.options if not (isinstance(v, Const) and v.value is None)]
            return self.choose([(w, self.subscript(v, index, node, frame)) for w, v in kept])
        if isinstance(index, Choice):
            return self.choose([(w, self.subscript(value, v, node, frame)) for w, v in index.options])
        if isinstance(value, Pick):
            options: list[tuple[int | str | None, Value]] = [
                (p, self.subscript(v, index, node, frame)) for p, v in value.options
            ]
            if len(options) == 1:
                return self.nest(options[0][1], value.at)
            return Pick(tuple(options), value.at)
        if isinstance(value, Slice):
            return self._slice_element(value, index, node, frame)
        mapping = value if isinstance(value, Mapping) else None
        if isinstance(value, Instance):
            if not value.built:
                self.build(value)
            mapping = value.children if value.items is None else None
            if mapping is None and value.items is None:
                return self._item_of_object(value, index, node, frame)
        if mapping is not None:
            return self._mapping_element(mapping, value, index)
        entries = self.entries(value)
        if entries is not None:
            return self._entry(entries, index)
        if isinstance(value, Symbol):
            return self._symbol_element(value, index)
        if isinstance(value, Const) and isinstance(index, Const):
            try:
                return Const(value.value[index.value])
            except Exception:  # the user's subscript: any error of it means an unknown value
                return self.unknown()
        if isinstance(value, Range) and isinstance(index, Const):
            return self.unknown(value.stop)
        return self.unknown(value, index)

    def _item_of_object(self, value: Instance, index: Value, node: ast.expr, frame: Frame) -> Value:
        if value.cls is not None:
            found = self.lookup(value.cls, "__getitem__", None)
            if found is not None:
                method = self.bind(found, value, "__getitem__", frame)
                return self.call(method, Args([Item(index)], {}, False), NOWHERE, frame)
        return self.unknown(index)

    def _entry(self, entries: Seq, index: Value) -> Value:
        if isinstance(index, Symbol) and index.less > 0:
            leading = self._counted_entries(entries, index.base)
            if leading is not None:
                entries, index = leading, Const(-index.less)
        elif isinstance(index, Index) and index.high >= 0:
            entries = self._counted_entries(entries, index.bound) or entries
        at = self.selector(index)
        exact = at.exact if isinstance(at.exact, int) else None
        if isinstance(at.exact, str) and at.exact.isdigit():
            exact = int(at.exact)
        if exact is not None and not isinstance(index, (Index, Pattern)):
            ahead = entries.items if exact >= 0 else entries.items[::-1]
            steps = exact if exact >= 0 else -exact - 1
            certain = not (entries.open and exact < 0)
            for i, item in enumerate(ahead):
                if item.times is not None or item.when != TRUE:
                    certain = False
                    break
                if i == steps and certain:
                    return item.value
            if certain and not entries.open:
                return self.unknown()  # out of range: never reached in a run that works
            if not entries.open and all(i.times is None for i in ahead):
                counted = self._entry_counted(ahead, steps)
                if counted is not None:
                    return counted
            if exact == -1 and ahead and ahead[0].times is None and not entries.open:
                # The last one of all, where it is there, or the last of the others.
                last, others = ahead[0], Seq(entries.items[:-1], entries.kind, loops=entries.loops)
                rest = self._entry(others, index) if others.items else self.unknown()
                return self.choose([(last.when, last.value), (negate(last.when), rest)])
            if exact in (0, -1) and ahead and ahead[0].when == TRUE and not (entries.open and exact):
                # Repeated: who asks for the first or the last one knows that there is one.
                entries = Seq([ahead[0]], entries.kind, loops=entries.loops)
        elif isinstance(index, Index) and index.loop in self.counted:
            extra = beyond(entries, self.counted[index.loop])
            if extra and not index.offset:
                entries = Seq(entries.items[: -len(extra)], entries.kind, loops=entries.loops)
        return self.picked(entries, at)

    def _counted_entries(self, entries: Seq, number: Hashable) -> Seq | None:
        """The entries in front of which there are surely as many as a number says that is not known."""
        if self.lengths.get(number) is entries:
            return entries
        first, *others = entries.items or (None,)
        if first is None or entries.open or first.when != TRUE or len(first.loops) != 1:
            return None
        loop = min(first.loops)
        if self.stops.get(loop) != number or any(loop in other.loops for other in others):
            return None
        return Seq([first], entries.kind, loops=entries.loops) if others else entries

    def _entry_counted(self, items: list[Item], steps: int) -> Value | None:
        """The entry at a position of a list in which some entries stand on some paths only."""
        options: list[tuple[Condition, Value]] = []
        before: dict[int, Condition] = {0: TRUE}
        for item in items:
            after: dict[int, Condition] = {}
            for count, when in before.items():
                here = both(when, item.when)
                if here and count == steps:
                    options.append((here, item.value))
                elif here:
                    after[count + 1] = either(after.get(count + 1, FALSE), here)
                absent = both(when, negate(item.when))
                if absent:
                    after[count] = either(after.get(count, FALSE), absent)
            before = after
        return self.choose(options) if options else None

    def _mapping_element(self, mapping: Mapping, value: Value, index: Value) -> Value:
        index = frozen(index)
        if isinstance(index, Const):
            try:
                item = mapping.entries.get(index.value)
            except TypeError:
                item = None
            if item is not None:
                return item.value
            if not mapping.rest:
                return self.unknown(key=self.intern(("item", id(mapping), str(index.value))))
        for key, item in mapping.rest:
            if key is index or (key_of(key) is not None and key_of(key) == key_of(index)):
                return item.value
        parts = parts_of(index)
        if parts is not None:
            return self._element_by_parts(mapping, parts, value, index)
        at = self.selector(index)
        options: list[tuple[int | str | None, Value]] = [
            (k if isinstance(k, (int, str)) else None, i.value) for k, i in mapping.entries.items()
        ]
        options += [(None, item.value) for _, item in mapping.rest]
        if not options:
            return self.unknown(value, index)
        if len(options) == 1 and not mapping.rest and not at.deps:
            return options[0][1]
        return Pick(tuple(options), (at,))

    def _element_by_parts(self, mapping: Mapping, wanted: list[Value], value: Value, index: Value) -> Value:
        """`mapping["conv", i]`: the entries whose keys have the same constants; the other parts pick."""
        keys = [*((key, item.value) for key, item in mapping.entries.items())]
        keys += [(key, item.value) for key, item in mapping.rest]
        found: list[tuple[list[Value], Value]] = []
        for key, element in keys:
            parts = parts_of(key)
            if parts is not None and len(parts) == len(wanted) and all(map(_may_equal, parts, wanted)):
                found.append((parts, element))
        open_parts = [
            place
            for place, part in enumerate(wanted)
            if any(not isinstance(p, Const) for p in (part, *(parts[place] for parts, _ in found)))
        ]
        if not found or not open_parts:
            return self.unknown(value, index, key=self.intern(("item", id(mapping), key_of(index))))
        at = tuple(self.selector(wanted[place]) for place in open_parts)
        options = tuple((_position(parts[open_parts[0]]), element) for parts, element in found)
        return Pick(options if len(at) == 1 else tuple((None, element) for _, element in options), at)

    def _slice_element(self, value: Slice, index: Value, node: ast.expr, frame: Frame) -> Value:
        if isinstance(index, Const) and type(index.value) is int and index.value >= 0:
            return self.subscript(value.base, Const(index.value + value.low), node, frame)
        if isinstance(index, Index):
            moved = Index(index.loop, index.offset + value.low, index.high + value.high, index.bound)
            return self.subscript(value.base, moved, node, frame)
        return self.subscript(value.base, index, node, frame)

    def _symbol_element(self, value: Symbol, index: Value) -> Value:
        if value.origin == "config" and not (isinstance(index, Seq)):
            at = self.selector(index)
            if value.made and at.exact is not None:
                # `build_norm_layer(cfg, n)[1]`: one object at a known place of a made tuple.
                return Symbol(
                    self.intern(("element", value.key, at.key)),
                    deps=value.deps,
                    origin="config",
                    made=True,
                    loops=value.loops,
                    node=value.node,
                    file=value.file,
                    text=value.text,
                    creator=value.creator,
                )
            return self.element_of(value, at)
        return self.unknown(value, index, key=self._item_key(value, index))

    def _item_key(self, value: Symbol, index: Value) -> int | None:
        key = key_of(index)
        return None if key is None else self.intern(("item", value.key, key))


def _may_equal(a: Value, b: Value) -> bool:
    return not (isinstance(a, Const) and isinstance(b, Const)) or a.value == b.value


def _position(key: Value) -> int | str | None:
    return key.value if isinstance(key, Const) and isinstance(key.value, (int, str)) else None
