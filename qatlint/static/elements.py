"""Elements of containers: what is put into a list, and which entries of it a position or a loop picks."""

from __future__ import annotations

import ast

from qatlint.condition import TRUE, Condition, both, excludes
from qatlint.static.expressions import Expressions
from qatlint.static.families import beyond, loops_of, product, varies
from qatlint.static.machine import Frame, deps_of, key_of, origin_of
from qatlint.static.spelt import Spelt
from qatlint.static.values import (
    SOMEWHERE,
    At,
    Builtin,
    Choice,
    Const,
    Instance,
    Item,
    Mapping,
    Method,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Times


class Elements(Expressions):
    """`entries`, `picked` and `add`."""

    def entries(self, value: Value) -> Seq | None:
        """The entries of a list-like value; None when they are not known."""
        if isinstance(value, Seq):
            return value
        if isinstance(value, Instance):
            if not value.built and value.cls is not None:
                self.build(value)
            return value.items
        if isinstance(value, Mapping):
            if value.rest or value.open:
                return None
            return Seq([Item(Const(k), i.when) for k, i in value.entries.items()])
        return None

    def spread(self, value: Value) -> Seq | None:
        """The entries of `*value`: of one of several lists those of each, under its condition."""
        if not isinstance(value, Choice):
            return self.entries(value)
        result = Seq([])
        for when, option in self.options(value, TRUE):
            entries = self.entries(option)
            if entries is None:
                return None
            result.items += [
                Item(i.value, both(when, i.when), i.times, i.loops, i.node, i.file, i.given)
                for i in entries.items
            ]
            result.open = result.open or entries.open
        return result

    def picked(self, entries: Seq, at: At) -> Value:
        """The element of a sequence that `at` selects."""
        alone = any(item.once for item in entries.items)
        if len(entries.items) > 1 and not entries.open and not alone and _exclusive(entries.items):
            # Added on paths that exclude each other: at each position stands what its path put there.
            return self.choose(
                [
                    (i.when, self.picked(Seq([i], entries.kind, loops=entries.loops), at))
                    for i in entries.items
                ]
            )
        options: list[tuple[int | str | None, Value]] = []
        position: int | None = 0
        for item in entries.items:
            if item.times is not None:
                options.append((SOMEWHERE if item.once else None, item.value))
                position = None
            else:
                options.append((position, item.value))
                position = position + 1 if position is not None else None
        if entries.open or not options:
            options.append((None, self.unknown(text="element")))
        return self.pick(options, at, entries)

    def pick(self, options: list[tuple[int | str | None, Value]], at: At, entries: Seq | None) -> Value:
        """A `Pick`, simplified: a single element that is the same at every turn is itself."""
        if at.exact is None and at.running and len(options) > 1:
            count = len(options)
            known = all(isinstance(p, int) for p, _ in options)
            if known and isinstance(at.low, int):
                options = [
                    (p, v) for p, v in options if isinstance(p, int) and at.low <= p < count - at.high
                ] or options
        # One value added on exclusive paths of a loop is one entry.
        distinct: dict[object, tuple[int | str | None, Value]] = {}
        for place, value in options:
            distinct.setdefault(id(value) if place is None else (place, id(value)), (place, value))
        options = list(distinct.values())
        first = options[0][1]
        if all(v is first for _, v in options):
            repeated = entries is None or any(i.times is not None for i in entries.items) or len(options) > 1
            if repeated and not varies(first, entries):
                return first
        if all(isinstance(v, Const) for _, v in options) and len(options) > 1:
            key = ("pick", tuple(repr(v.value) for _, v in options if isinstance(v, Const)), at.key)
            return Symbol(self.intern(key), deps=at.deps, origin="config")
        return Pick(tuple(options), (at,))

    def nest(self, value: Value, outer: tuple[At, ...]) -> Value:
        """`value`, found inside an element that `outer` selects."""
        if isinstance(value, Pick):
            return Pick(value.options, outer + value.at)
        if isinstance(value, Choice):
            return Choice(tuple((w, self.nest(v, outer)) for w, v in value.options))
        if isinstance(value, Method):
            return Method(value.function, self.nest(value.receiver, outer))
        if isinstance(value, Builtin):
            return Builtin(value.name, self.nest(value.receiver, outer))
        if isinstance(value, Seq) and value.kind == "tuple":
            return Seq([Item(self.nest(i.value, outer), i.when) for i in value.items], "tuple")
        if isinstance(value, Mapping):
            inside = Mapping()
            inside.open = value.open
            inside.entries = {k: self._nested_item(i, outer) for k, i in value.entries.items()}
            inside.rest = [(k, self._nested_item(i, outer)) for k, i in value.rest]
            return inside
        if loops_of(value):
            return Pick(((None, value),), outer)
        return value

    def _nested_item(self, item: Item, outer: tuple[At, ...]) -> Item:
        value = self.nest(item.value, outer)
        return Item(value, item.when, item.times, item.loops, item.node, item.file, item.given)

    def element_of(self, value: Value, at: At) -> Value:
        """The element of an unknown container. Elements of one container are one family."""
        key = key_of(value)
        origin = origin_of(value)
        if key is None:
            return Symbol(("fresh", next(self.numbers)), deps=at.deps | deps_of(value), origin=origin)
        if origin == "input":
            return Symbol(self.intern(("element", key, at.key)), deps=at.deps | deps_of(value), origin=origin)
        made = isinstance(value, Symbol) and value.made
        family = Symbol(
            self.intern(("element", key)),
            deps=deps_of(value),
            origin=origin,
            made=made,
            loops=frozenset({0}),
            text=value.text if isinstance(value, Symbol) else "",
        )
        if isinstance(value, Symbol) and isinstance(value.hint, (tuple, list)):
            names = tuple(name for name in value.hint if isinstance(name, str))
            if names:
                self.spelt_names[("all of", family.key)] = Spelt("", "", names)
        return Pick(((None, family),), (at,))

    def add(self, sequence: Seq, value: Value, frame: Frame, node: ast.AST) -> None:
        """`sequence.append(value)` at this point of the program."""
        loops = self.loop_numbers() - sequence.loops
        times: Times | None = None
        given = ""
        if loops:
            least, most = 1, 1
            unbounded = False
            for loop in self.loops:
                if loop.number in loops:
                    given = given or loop.given
                    least *= loop.times.least
                    if loop.times.most is None:
                        unbounded = True
                    else:
                        most *= loop.times.most
            times = Times(least, None if unbounded else most)
        if len(sequence.items) < 200:
            item = Item(value, frame.guard, times, loops, node, frame.file, given)
            item.once = len(loops) == 1 and self._in_one_turn(frame.guard, loops)
            sequence.items.append(item)
        else:
            sequence.open = True

    def _in_one_turn(self, guard: Condition, loops: frozenset[int]) -> bool:
        """Whether a condition holds in one turn of one of the loops only."""
        positions = self.positions
        return bool(positions) and all(
            any(x in positions and positions[x].once and positions[x].loop in loops for x in term)
            for term in guard
        )

    def extend(self, sequence: Seq, added: Seq, frame: Frame) -> None:
        """`sequence.extend(added)`."""
        for item in list(added.items):
            loops = self.loop_numbers() - sequence.loops
            if loops or item.times is not None:
                before = len(sequence.items)
                self.add(sequence, item.value, frame, item.node or ast.Pass())
                for new in sequence.items[before:]:
                    new.file = item.file or frame.file
                    new.loops |= item.loops
                    new.times = product(new.times, item.times)
                    new.given = new.given or item.given
            else:
                sequence.items.append(
                    Item(item.value, both(item.when, frame.guard), None, item.loops, item.node, item.file)
                )
        sequence.open = sequence.open or added.open

    def longer_by(self, entries: Seq, others: Seq) -> list[Condition]:
        """When a list has an entry more than one that was filled beside it; empty where this is not known."""
        return [item.when for item in beyond(entries, others)]


def _exclusive(items: list[Item]) -> bool:
    return all(
        i.times is not None and all(excludes(i.when, other.when) for other in items[:n])
        for n, i in enumerate(items)
    )
