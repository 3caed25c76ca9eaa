"""What a `for` runs over: known values one by one, or one element that stands for every turn."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from qatlint.condition import TRUE, Condition, both
from qatlint.static.elements import Elements
from qatlint.static.machine import UNROLL_LIMIT, Frame, origin_of
from qatlint.static.values import (
    At,
    Choice,
    Const,
    Index,
    Instance,
    Item,
    LoopFrame,
    Mapping,
    Pick,
    Range,
    Seq,
    Slice,
    Symbol,
    Value,
    Wrapped,
)
from qatlint.trace import Times

MANY = Times(0, None)


class Turns:
    """The turns of a loop. `values` when they are known one by one, else `element` stands for all."""

    __slots__ = ("assumed", "element", "given", "known", "over", "times", "values")

    def __init__(
        self,
        values: Sequence[tuple[Condition, Value]] | None,
        element: Callable[[LoopFrame], Value],
        times: Times,
        known: bool,
        over: ast.AST,
        given: str = "",
        assumed: Sequence[tuple[Condition, Value]] | None = None,
    ) -> None:
        self.given = given
        """The default that `times` was taken from."""
        self.assumed = assumed
        """The values of that default, one by one."""
        self.values = values
        self.element = element
        self.times = times
        self.known = known
        self.over = over


class Iteration(Elements):
    """`iterate`, and lists of what it runs over."""

    unrolled = 1

    def may_unroll(self, turns: int, node: ast.AST) -> bool:
        """Whether a loop of so many turns is interpreted turn by turn."""
        if turns <= 1:
            return True  # one pass is enough
        return (
            turns <= UNROLL_LIMIT
            and self.unrolled * max(turns, 1) <= 4 * UNROLL_LIMIT
            and self.steps < self.soft_limit
        )

    def loop_at_once(self, node: ast.AST, turns: Turns, frame: Frame) -> LoopFrame:
        """A loop whose body is interpreted once for all its turns."""
        return LoopFrame(
            next(self.numbers), node, frame.file, turns.times, turns.known, turns.over, turns.given
        )

    def iterate(self, value: Value, node: ast.expr, frame: Frame) -> Turns:
        """How a loop over `value` goes."""
        value = self.narrow(value, frame.guard)
        text: ast.AST = node
        if isinstance(value, Choice):
            return self._over_choice(value, node, frame)
        if isinstance(value, Range):
            return self._over_range(value, text)
        if isinstance(value, Wrapped):
            return self._over_wrapped(value, node, frame)
        if isinstance(value, Const) and isinstance(value.value, str) and len(value.value) <= UNROLL_LIMIT:
            items = [(TRUE, Const(c)) for c in value.value]
            return Turns(items, lambda loop: self.unknown(), Times(len(items), len(items)), True, text)
        if isinstance(value, Slice):
            return self._over_slice(value, node, frame)
        if isinstance(value, Mapping):
            return self._over_keys(value, text)
        if isinstance(value, Instance) and value.children is not None and value.items is None:
            return self._over_keys(value.children, text)
        entries = self.entries(value)
        if entries is not None:
            return self._over_entries(entries, text, isinstance(value, Instance) or not entries.open)
        if isinstance(value, Pick):
            return self._over_pick(value, node, frame)
        return self._over_unknown(value, text)

    def _over_entries(self, entries: Seq, text: ast.AST, known: bool = True) -> Turns:
        least, most, exact = 0, 0, True
        unbounded = entries.open
        for item in entries.items:
            one = item.times or Times(1, 1)
            exact = exact and item.times is None
            least += one.least if item.when == TRUE else 0
            if one.most is None:
                unbounded = True
            else:
                most += one.most
        times = Times(least, None if unbounded else most)
        values = None
        if exact and not entries.open:
            values = [(i.when, i.value) for i in entries.items]

        def element(loop: LoopFrame) -> Value:
            at = At(("loop", loop.number, 0), frozenset({loop.number}), running=True)
            return self.picked(entries, at)

        given = next((item.given for item in entries.items if item.given), "")
        return Turns(values, element, times, known, text, given)

    def _over_range(self, value: Range, text: ast.AST) -> Turns:
        start, stop, step = value.start, value.stop, value.step
        known = origin_of(stop) == "config"
        if start is not None and step is not None and isinstance(stop, Const) and type(stop.value) is int:
            try:
                numbers = range(start, stop.value, step)
            except ValueError:
                numbers = range(0)
            times = Times(len(numbers), len(numbers))
            values = None
            if len(numbers) <= UNROLL_LIMIT:
                values = [(TRUE, Const(n)) for n in numbers]
            return Turns(values, lambda loop: self._counter(loop, value), times, True, text)
        times, given = MANY, ""
        if isinstance(stop, Symbol) and type(stop.hint) is int and start is not None and step == 1:
            length = stop.hint - start
            if length > 0:  # a default of 0 says that usually another number is given
                times, given = Times(length, length), stop.given
        return Turns(None, lambda loop: self._counter(loop, value), times, known, text, given)

    def _counter(self, loop: LoopFrame, numbers: Range) -> Value:
        if numbers.start is not None and numbers.step == 1 and not numbers.deps:
            stop = numbers.stop
            high = stop.less if isinstance(stop, Symbol) else 0
            if isinstance(stop, Symbol) and stop.key in self.lengths:
                self.counted[loop.number] = self.lengths[stop.key]
            bound = None if not isinstance(stop, Symbol) else stop.key if stop.base is None else stop.base
            if isinstance(stop, Symbol) and stop.base is None and numbers.start == 0:
                self.stops[loop.number] = stop.key
            return Index(loop.number, numbers.start, high, bound)
        # Which numbers these are is not known: nothing says that others are met among them.
        deps = numbers.deps | {loop.number}
        return Symbol(self.intern(("counter", loop.number)), deps=deps, origin="config")

    def _over_wrapped(self, value: Wrapped, node: ast.expr, frame: Frame) -> Turns:
        parts = [self.iterate(p, node, frame) for p in value.parts]
        if value.kind == "enumerate":
            inner, start = parts[0], value.start
            values = None
            if inner.values is not None and start is not None and all(w == TRUE for w, _ in inner.values):
                values = [(w, _pair(Const(i + start), v)) for i, (w, v) in enumerate(inner.values)]

            def numbered(loop: LoopFrame) -> Value:
                counter = Index(loop.number, start) if start is not None else self._any_counter(loop)
                return _pair(counter, inner.element(loop))

            assumed = None
            if inner.assumed is not None and start is not None:
                assumed = [(w, _pair(Const(i + start), v)) for i, (w, v) in enumerate(inner.assumed)]
            return Turns(values, numbered, inner.times, inner.known, inner.over, inner.given, assumed)
        if value.kind == "zip":
            return self._over_zip(parts)
        if value.kind == "reversed":
            inner = parts[0]
            back = None if inner.values is None else list(reversed(inner.values))

            def backwards(loop: LoopFrame) -> Value:
                return self._reversed(inner.element(loop), loop)

            return Turns(back, backwards, inner.times, inner.known, inner.over, inner.given)
        if value.kind in ("items", "values", "keys"):
            return self._over_items(value.parts[0], value.kind, node)
        return self._over_unknown(self.unknown(*value.parts), node)

    def _any_counter(self, loop: LoopFrame) -> Value:
        return Symbol(self.intern(("counter", loop.number)), deps=frozenset({loop.number}))

    def _reversed(self, value: Value, loop: LoopFrame) -> Value:
        """The element counted from the end: visits the same positions in another order."""
        deps = frozenset({loop.number})
        if isinstance(value, Pick):
            at = (*value.at[:-1], At(("reversed", loop.number), deps, running=True))
            return Pick(value.options, at)
        if isinstance(value, Index):
            return Symbol(self.intern(("reversed", loop.number, value.offset)), deps=deps)
        return value

    def _over_zip(self, parts: list[Turns]) -> Turns:
        values = None
        known_lengths = [len(p.values) for p in parts if p.values is not None]
        if parts and len(known_lengths) == len(parts):
            if all(w == TRUE for p in parts for w, _ in p.values or ()):
                columns = [[v for _, v in p.values or ()] for p in parts]
                values = [(TRUE, Seq([Item(v) for v in row], "tuple")) for row in zip(*columns, strict=False)]
        least = min((p.times.least for p in parts), default=0)
        mosts = [p.times.most for p in parts if p.times.most is not None]
        best = max(parts, key=lambda p: (p.known, p.times.most is not None), default=None)
        times = Times(least, min(mosts) if mosts else None)
        if best is not None and best.times.most is not None and best.known:
            # zip stops at the shortest; the others are meant to be as long as the one that is known.
            times = Times(min(best.times.least, best.times.most), times.most)
        if times.most is not None and times.least > times.most:
            times = Times(times.most, times.most)

        equal = len({p.times for p in parts}) == 1 and times.most is not None

        # Where a length is not known, the last entry of the others may be one for the end.
        sure = times.least if all(p.times.most is not None for p in parts) else max(times.least - 1, 0)

        def element(loop: LoopFrame) -> Value:
            found = [p.element(loop) for p in parts]
            return Seq([Item(v if equal else _partial(v, sure, times.most)) for v in found], "tuple")

        known = any(p.known for p in parts)
        over = best.over if best is not None else ast.Pass()
        return Turns(values, element, times, known, over, best.given if best is not None else "")

    def _over_items(self, base: Value, kind: str, node: ast.expr) -> Turns:
        mapping = base.children if isinstance(base, Instance) else base
        if not isinstance(mapping, Mapping):
            return self._over_unknown(base, node)
        return self._over_mapping(mapping, kind, node)

    def _over_keys(self, mapping: Mapping, text: ast.AST) -> Turns:
        return self._over_mapping(mapping, "keys", text)

    def _over_mapping(self, mapping: Mapping, kind: str, text: ast.AST) -> Turns:
        def shape(key: Value, value: Value) -> Value:
            return key if kind == "keys" else value if kind == "values" else _pair(key, value)

        exact = not mapping.rest and not mapping.open
        values = None
        if exact:
            values = [(i.when, shape(Const(k), i.value)) for k, i in mapping.entries.items()]
        count = len(mapping.entries)

        def element(loop: LoopFrame) -> Value:
            deps = frozenset({loop.number})
            key = Symbol(self.intern(("key", id(mapping), loop.number)), deps=deps)
            at = At(("symbol", key.key), deps, running=True)
            options: list[tuple[int | str | None, Value]] = [
                (str(k), i.value) for k, i in mapping.entries.items()
            ]
            options += [(None, i.value) for _, i in mapping.rest]
            value: Value = Pick(tuple(options), (at,)) if options else self.unknown(key)
            return shape(key, value)

        times = Times(count, count) if exact else MANY
        return Turns(values, element, times, True, text)

    def _over_slice(self, value: Slice, node: ast.expr, frame: Frame) -> Turns:
        inner = self.iterate(value.base, node, frame)
        values = inner.values
        if values is not None and value.vague:
            values = None
        if values is not None:
            values = values[value.low : len(values) - value.high]
        times = inner.times
        if times.most is not None:
            cut = value.low + value.high
            times = Times(max(times.least - cut, 0), max(times.most - cut, 0))

        def element(loop: LoopFrame) -> Value:
            found = inner.element(loop)
            if isinstance(found, Pick) and value.vague:
                # Which entries these are is not known: nothing says they are met elsewhere too.
                part = At(("part", id(value), loop.number), found.at[-1].deps)
                return Pick(found.options, (*found.at[:-1], part))
            if isinstance(found, Pick):
                last = found.at[-1]
                low = last.low + value.low
                moved = At(
                    ("loop", loop.number, low), last.deps, running=True, low=low, high=last.high + value.high
                )
                return Pick(found.options, (*found.at[:-1], moved))
            return found

        return Turns(values, element, times, inner.known, inner.over, inner.given)

    def _over_choice(self, value: Choice, node: ast.expr, frame: Frame) -> Turns:
        options = self.options(value, TRUE)
        turns = [(w, self.iterate(v, node, frame)) for w, v in options if not _is_none(v)]
        if len(turns) == 1:
            return turns[0][1]
        if not turns:
            return self._over_unknown(self.unknown(), node)
        values: list[tuple[Condition, Value]] | None = []
        for when, one in turns:
            if one.values is None:
                values = None
                break
            assert values is not None
            values += [(both(when, w), v) for w, v in one.values]
        least = min(t.times.least for _, t in turns)
        mosts = [t.times.most for _, t in turns]
        most = None if any(m is None for m in mosts) else max(m for m in mosts if m is not None)

        def element(loop: LoopFrame) -> Value:
            return self.choose([(w, t.element(loop)) for w, t in turns])

        given = next((t.given for _, t in turns if t.given), "")
        known = all(t.known for _, t in turns)
        return Turns(values, element, Times(least, most), known, turns[0][1].over, given)

    def _over_pick(self, value: Pick, node: ast.expr, frame: Frame) -> Turns:
        """A loop over a container that is itself an element of a family: `for m in self.stages[i]`."""
        inner = [self.iterate(v, node, frame) for _, v in value.options]
        first = inner[0]
        if len(inner) == 1:
            outer = value.at

            def element(loop: LoopFrame) -> Value:
                return self.nest(first.element(loop), outer)

            values = None
            if first.values is not None:
                values = [(w, self.nest(v, outer)) for w, v in first.values]
            return Turns(values, element, first.times, first.known, first.over, first.given)

        def any_element(loop: LoopFrame) -> Value:
            options: list[tuple[int | str | None, Value]] = []
            for (position, _), one in zip(value.options, inner, strict=True):
                options.append((position, one.element(loop)))
            return Pick(tuple(options), value.at)

        least = min(t.times.least for t in inner)
        mosts = [t.times.most for t in inner]
        most = None if any(m is None for m in mosts) else max(m for m in mosts if m is not None)
        known = all(t.known for t in inner)
        return Turns(None, any_element, Times(least, most), known, first.over, first.given)

    def _over_unknown(self, value: Value, text: ast.AST) -> Turns:
        known = origin_of(value) == "config"
        times, given, assumed = MANY, "", None
        if isinstance(value, Symbol) and isinstance(value.hint, (tuple, list)) and value.hint:
            times, given = Times(len(value.hint), len(value.hint)), value.given
            if not any(isinstance(v, (ast.AST, Value)) for v in value.hint):
                assumed = [(TRUE, _constant(v)) for v in value.hint]

        def element(loop: LoopFrame) -> Value:
            at = At(("loop", loop.number, 0), frozenset({loop.number}), running=True)
            return self.element_of(value, at)

        return Turns(None, element, times, known, text, given, assumed)

    def listed(self, value: Value, node: ast.AST, frame: Frame) -> Seq | None:
        """`list(value)`."""
        entries = self.entries(value)
        if entries is not None:
            return Seq(list(entries.items), "list", entries.open, entries.loops)
        if isinstance(value, (Wrapped, Slice, Range, Choice)):
            turns = self.iterate(value, node if isinstance(node, ast.expr) else ast.Constant(None), frame)
            loops = self.loop_base | self.loop_numbers()
            if turns.values is not None:
                return Seq([Item(v, w) for w, v in turns.values], "list", loops=loops)
            held = value.parts[0] if isinstance(value, Wrapped) and value.kind == "values" else None
            held = held.children if isinstance(held, Instance) else held
            if isinstance(held, Mapping) and all(item.times is None for _, item in held.rest):
                items = [*held.entries.values(), *(item for _, item in held.rest)]
                return Seq(items, "list", held.open, loops)
            # Not known one by one: iterating the copy is iterating the original.
        return None


def _partial(value: Value, sure: int, most: int | None) -> Value:
    """An element of a container of which the loop surely visits the first `sure`, and never more than
    `most`."""
    if not isinstance(value, Pick) or not value.at[-1].running:
        return value
    at = value.at[-1]
    first = At(at.key, at.deps, running=True, low=at.low, high=at.high, sure=sure, bound=at.bound)
    options = value.options
    if most is not None:
        end = at.low + most
        options = tuple((p, v) for p, v in options if not isinstance(p, int) or p < end)
    return Pick(options or value.options, (*value.at[:-1], first))


def _constant(value: object) -> Value:
    """A constant of the source as a value."""
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return Seq([Item(_constant(v)) for v in value], kind)
    return Const(value)


def _pair(first: Value, second: Value) -> Seq:
    return Seq([Item(first), Item(second)], "tuple")


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None
