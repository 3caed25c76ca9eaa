"""What a `for` runs over: known values one by one, or one element that stands for every turn."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from qatlint.condition import TRUE, Condition, both, excludes, implies
from qatlint.static.expressions import Expressions
from qatlint.static.machine import UNROLL_LIMIT, Frame, deps_of, key_of, origin_of
from qatlint.static.spelt import Spelt
from qatlint.static.values import (
    SOMEWHERE,
    At,
    Builtin,
    Choice,
    Const,
    Index,
    Instance,
    Item,
    LoopFrame,
    Mapping,
    Method,
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
Comprehension = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp


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


class Iteration(Expressions):
    """`iterate`, `entries` and comprehensions."""

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

    def comprehend(self, node: Comprehension, frame: Frame) -> Value:
        """The list (or dict) a comprehension makes."""
        env = frame.env
        frame.env = dict(env)
        made: Seq | Mapping
        if isinstance(node, ast.DictComp):
            made = Mapping()
        else:
            made = Seq([], "list", loops=self.loop_base | self.loop_numbers())
        outer = frame.guard
        self._level(node, 0, made, frame)
        frame.env = env
        frame.guard = outer
        return made

    def _level(self, node: Comprehension, level: int, made: Seq | Mapping, frame: Frame) -> None:
        """Go through the loops of a comprehension from this one on, the outermost being 0."""
        # No closures that call each other: each would be a cycle that holds all it refers to, and nobody
        # looks for such garbage before trees are let go of.
        if level == len(node.generators):
            self._collect(node, made, frame)
            return
        generator = node.generators[level]
        turns = self.iterate(self.eval(generator.iter, frame), generator.iter, frame)
        start = frame.guard
        if turns.values is not None and self.may_unroll(len(turns.values), node):
            loop = LoopFrame(
                next(self.numbers),
                node,
                frame.file,
                Times(len(turns.values), len(turns.values)),
                True,
                turns.over,
                turns.given,
            )
            loop.turns = len(turns.values)
            self.loops.append(loop)
            self.unrolled *= max(len(turns.values), 1)
            for loop.turn, (when, value) in enumerate(turns.values):
                frame.guard = both(start, when)
                self._comprehend_turn(node, level, value, made, frame)
            self.unrolled //= max(len(turns.values), 1)
        else:
            loop = self.loop_at_once(node, turns, frame)
            self.loops.append(loop)
            self._comprehend_turn(node, level, turns.element(loop), made, frame)
        self.loops.pop()
        frame.guard = start

    def _comprehend_turn(
        self, node: Comprehension, level: int, value: Value, made: Seq | Mapping, frame: Frame
    ) -> None:
        if not frame.guard:
            return
        self.step()
        generator = node.generators[level]
        self.assign(generator.target, value, frame, generator.iter)
        for test in generator.ifs:
            frame.guard = both(frame.guard, self.test(test, frame))
            if not frame.guard:
                return
        self._level(node, level + 1, made, frame)

    def _collect(self, node: Comprehension, made: Seq | Mapping, frame: Frame) -> None:
        if isinstance(node, ast.DictComp):
            key = self.eval(node.key, frame)
            item = Item(self.eval(node.value, frame), frame.guard, node=node.value, file=frame.file)
            assert isinstance(made, Mapping)
            self.put(made, key, item)
            return
        assert isinstance(made, Seq)
        self.add(made, self.eval(node.elt, frame), frame, node.elt)

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


def product(a: Times | None, b: Times | None) -> Times | None:
    """Turns of two nested repetitions."""
    if a is None or b is None:
        return a or b
    most = None if a.most is None or b.most is None else a.most * b.most
    return Times(a.least * b.least, most)


def loops_of(value: Value) -> frozenset[int]:
    """Loops of construction that make a new one of it at each turn."""
    if isinstance(value, (Instance, Symbol, Seq)):
        return value.loops
    if isinstance(value, Pick):
        return frozenset().union(*(loops_of(v) for _, v in value.options))
    if isinstance(value, Choice):
        return frozenset().union(*(loops_of(v) for _, v in value.options))
    if isinstance(value, Mapping):
        return frozenset().union(*(loops_of(item.value) for item in value.entries.values()))
    return frozenset()


def varies(value: Value, entries: Seq | None) -> bool:
    """Whether the entries of a family are different objects."""
    if entries is None:
        return bool(loops_of(value))
    loops: frozenset[int] = frozenset()
    for item in entries.items:
        if item.value is value:
            loops |= item.loops
    if isinstance(value, (Instance, Symbol, Pick, Choice, Seq, Mapping)):
        return bool(loops & loops_of(value)) or (
            not isinstance(value, (Instance, Seq, Mapping)) and bool(loops & deps_of(value))
        )
    return bool(deps_of(value))


def are_single(entries: Seq) -> bool:
    """Whether each entry of a list is known to be there, at its position."""
    return not entries.open and all(item.times is None and item.when == TRUE for item in entries.items)


def beyond(entries: Seq, others: Seq) -> list[Item]:
    """Single entries at the end of a list, which another one that was filled beside it does not have: those
    that stand after as many entries as the other has. Empty where this is not known."""
    repeated = [item for item in entries.items if item.times is not None]
    if not repeated or entries.open or others.open or len(repeated) != len(others.items):
        return []
    beside = all(
        other.times is not None and other.loops == item.loops and implies(item.when, other.when)
        for item, other in zip(repeated, others.items, strict=True)
    )
    after = entries.items[len(repeated) :]
    return after if beside and entries.items[: len(repeated)] == repeated else []


def _exclusive(items: list[Item]) -> bool:
    return all(
        i.times is not None and all(excludes(i.when, other.when) for other in items[:n])
        for n, i in enumerate(items)
    )


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
