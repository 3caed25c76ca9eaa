"""Evaluate expressions to abstract values."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Hashable
from typing import Any

from qatlint.condition import TRUE, Condition, both, branches, negate
from qatlint.static.computed_names import met_in_every_loop, name_key, spelt
from qatlint.static.deciding import Deciding
from qatlint.static.machine import Frame, deps_of, frozen, key_of, origin_of
from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound, ModuleFile
from qatlint.static.spelt import Spelt
from qatlint.static.turns import PickedTurns
from qatlint.static.values import (
    FALSE_VALUE,
    NONE,
    TRUE_VALUE,
    At,
    Choice,
    ClassValue,
    Const,
    External,
    Function,
    Imported,
    Index,
    Instance,
    Item,
    Mapping,
    ModuleValue,
    Pattern,
    Pick,
    Seq,
    Slice,
    Symbol,
    Value,
)
from qatlint.trace import Times

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_NAME, _CONSTANT, _CALL = ast.Name, ast.Constant, ast.Call
_UNCHANGING = (Const, External, ClassValue, Function, ModuleValue, Imported)
"""Module-level values that mean the same to every class: found once for the project."""
_SIZE_LIMIT = 10_000
"""Numbers and strings larger than this are not computed."""


class Expressions(Deciding):
    """`eval`."""

    def eval(self, node: ast.expr, frame: Frame) -> Value:
        """The abstract value of an expression; calls in it are recorded."""
        self.steps += 1
        kind = type(node)
        if kind is _NAME:
            # Half of all expressions are names, most of them local variables.
            value = frame.env.get(node.id)  # type: ignore[attr-defined]
            if value is not None and type(value) is not Choice:
                return value
        elif kind is _CALL:
            return self.evaluate_call(node, frame)  # type: ignore[arg-type]
        elif kind is _CONSTANT:
            return Const(node.value)  # type: ignore[attr-defined]
        handler = _HANDLERS.get(kind)
        if handler is None:
            return self.unknown()
        return handler(self, node, frame)

    def _name(self, node: ast.Name, frame: Frame) -> Value:
        name = node.id
        value = frame.env.get(name)
        if value is None and frame.closure is not None:
            value = frame.closure.get(name)
        if value is not None:
            if type(value) is Choice:
                return self.narrow(value, frame.guard)
            return value
        return self.global_value(frame.file, name)

    def global_value(self, file: ModuleFile, name: str) -> Value:
        """What a name that is not local means in `file`."""
        key = (file.path, name)
        known = self.project.shared_values.get(key) or self.globals.get(key)
        if known is None:
            if self.project.is_imported_class(file, name):
                known = Imported(file, name)
            else:
                self.globals[key] = External(f"builtins.{name}")  # cuts cycles
                known = self.found(file, self.project.resolve(file, name), name)
            if isinstance(known, _UNCHANGING):
                self.project.shared_values[key] = known
            self.globals[key] = known
        return known

    def settled(self, value: Value) -> Value:
        """What an imported name means, looked up now."""
        if not isinstance(value, Imported):
            return value
        key = (value.file.path, f"import {value.name}")
        known = self.globals.get(key)
        if known is None:
            found = self.project.resolve(value.file, value.name)
            known = self.globals[key] = self.found(value.file, found, value.name)
        return known

    def found(self, file: ModuleFile, found: object, name: str) -> Value:
        """The value of what `Project.resolve` found for a name."""
        if found is None:
            return External(f"builtins.{name}")
        if isinstance(found, str):
            return External(found)
        if isinstance(found, ClassDef):
            return ClassValue(found)
        if isinstance(found, FunctionFound):
            return Function(found.node, found.file)
        if isinstance(found, ModuleFile):
            return ModuleValue(found)
        assert isinstance(found, ExpressionFound)
        return self.module_level(found)

    def module_level(self, found: ExpressionFound) -> Value:
        """The value of a module-level variable, evaluated on its own."""
        frame = Frame(found.file, name="<module>", cls=None, me=None, owner=None, guard=TRUE)
        loops, self.loops = self.loops, []
        phase, self.phase = self.phase, "global"
        try:
            return self.eval(found.node, frame)
        finally:
            self.loops = loops
            self.phase = phase

    def _attribute(self, node: ast.Attribute, frame: Frame) -> Value:
        return self.attribute(self.eval(node.value, frame), node.attr, node, frame)

    def _subscript(self, node: ast.Subscript, frame: Frame) -> Value:
        base = self.eval(node.value, frame)
        if isinstance(node.slice, ast.Slice):
            return self._sliced(base, node.slice, node, frame)
        return self.subscript(base, self.eval(node.slice, frame), node, frame)

    def _sliced(self, base: Value, part: ast.Slice, node: ast.Subscript, frame: Frame) -> Value:
        bounds = [self.eval(e, frame) if e is not None else NONE for e in (part.lower, part.upper, part.step)]
        if isinstance(base, Choice):
            return self.choose([(w, self._cut(v, bounds)) for w, v in base.options])
        cut = self._cut(base, bounds)
        if isinstance(base, Instance) and base.cls is None and isinstance(cut, Seq):
            # A part of a Sequential is one, with the same modules. Lists matter where they are held.
            if base.dotted.endswith("Sequential") or (
                base.dotted.endswith("ModuleList") and self.phase == "init"
            ):
                made = self.make(None, base.dotted, True, None, node, frame)
                made.items = cut
                return made
        return cut

    def _cut(self, base: Value, bounds: list[Value]) -> Value:
        if isinstance(base, Const) and isinstance(base.value, str):
            if all(isinstance(b, Const) for b in bounds):
                try:
                    low, high, step = (b.value for b in bounds if isinstance(b, Const))
                    return Const(base.value[low:high:step])
                except (TypeError, ValueError):
                    return self.unknown()
        low, high, step = bounds
        entries = base
        if isinstance(base, Instance) and base.items is not None:
            entries = base.items
        if isinstance(entries, Seq) and all(isinstance(b, Const) for b in bounds):
            plain = not entries.open and all(i.times is None for i in entries.items)
            if plain:
                try:
                    numbers = [b.value for b in bounds if isinstance(b, Const)]
                    cut = entries.items[slice(*numbers)]
                    return Seq(cut, entries.kind, loops=entries.loops)
                except (TypeError, ValueError):
                    return self.unknown(base)
        if isinstance(step, Const) and step.value in (None, 1):
            if isinstance(low, Const) and isinstance(low.value, (int, type(None))):
                first = low.value or 0
                last = high.value if isinstance(high, Const) else None
                if isinstance(high, Const) and last is None:
                    return Slice(base, first, 0) if first >= 0 else self.unknown(base)
                if isinstance(last, int) and last < 0 <= first:
                    return Slice(base, first, -last)
        if isinstance(base, (Seq, Instance, Pick, Slice)) or origin_of(base) == "config":
            return (
                Slice(base, 0, 0, True)
                if not isinstance(base, Symbol)
                else self._keyed("slice", base, *bounds)
            )
        return self._keyed("slice", base, *bounds)

    def _keyed(self, what: str, *parts: Value, text: str = "") -> Symbol:
        """An unknown value that is the same whenever its parts are the same."""
        keys: list[Hashable] = [what]
        for part in parts:
            key = key_of(part)
            if key is None:
                return self.unknown(*parts, text=text)
            keys.append(key)
        return self.unknown(*parts, text=text, key=self.intern(tuple(keys)))

    def _binary(self, node: ast.BinOp, frame: Frame) -> Value:
        left, right = self.eval(node.left, frame), self.eval(node.right, frame)
        if isinstance(left, Instance) and isinstance(node.op, ast.Add) and left.items is not None:
            return self.container_of(left, self.spread(right), node, frame)
        return self.binary(node.op, left, right)

    def binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        """`left op right`."""
        if isinstance(left, Const) and isinstance(right, Const):
            return self._compute(op, left.value, right.value)
        if isinstance(left, (Index, Symbol)) and isinstance(right, Const) and type(right.value) is int:
            shift = right.value if isinstance(op, ast.Add) else -right.value
            if isinstance(op, (ast.Add, ast.Sub)):
                if isinstance(left, Index):
                    return left.moved(shift)
                result = self._keyed(type(op).__name__, left, right, text=left.text)
                result.less = left.less - shift
                result.base = left.key if left.base is None else left.base
                result.start = left.start + shift if left.start is not None else None
                if isinstance(left.hint, int):
                    result.hint, result.given = left.hint + shift, left.given
                return result
        if isinstance(right, Index) and isinstance(left, Const) and type(left.value) is int:
            if isinstance(op, ast.Add):
                return right.moved(left.value)
        if isinstance(op, ast.Mod) and isinstance(left, Const) and isinstance(left.value, str):
            return self._percent(left.value, right)
        if isinstance(op, ast.Add):
            joined = self._join(left, right)
            if joined is not None:
                return joined
        if isinstance(op, ast.Mult):
            repeated = self._repeat(left, right) or self._repeat(right, left)
            if repeated is not None:
                return repeated
        result = self._keyed(type(op).__name__, left, right)
        if isinstance(left, Index) and isinstance(op, (ast.FloorDiv, ast.Div, ast.Mod)) and not left.offset:
            by = right.value if isinstance(right, Const) else None
            if (type(by) is int and by > 1) or (by is None and origin_of(right) == "config"):
                result.turns = PickedTurns(left.loop, by, isinstance(op, ast.Mod))
        self._hint_of_result(result, op, left, right)
        return result

    def _hint_of_result(self, result: Symbol, op: ast.operator, left: Value, right: Value) -> None:
        """`n * 2` has a default when `n` has one."""
        for symbol, other in ((left, right), (right, left)):
            if isinstance(symbol, Symbol) and type(symbol.hint) is int and isinstance(other, Const):
                given = Const(symbol.hint)
                hint = self.binary(op, given, other) if symbol is left else self.binary(op, other, given)
                if isinstance(hint, Const) and type(hint.value) is int:
                    result.hint, result.given = hint.value, symbol.given

    def _compute(self, op: ast.operator, left: Any, right: Any) -> Value:
        run = _OPERATORS.get(type(op))
        if run is None:
            return self._keyed(type(op).__name__, Const(left), Const(right))
        for value in (left, right):
            if isinstance(value, (int, float)) and abs(value) > _SIZE_LIMIT and isinstance(op, ast.Mult):
                return self.unknown()
        try:
            result = run(left, right)
        except Exception:  # the user's arithmetic: any error of it means an unknown value
            return self.unknown()
        if isinstance(result, (str, bytes)) and len(result) > _SIZE_LIMIT:
            return self.unknown()
        return Const(result)

    def _percent(self, template: str, argument: Value) -> Value:
        parts = argument.items if isinstance(argument, Seq) else [Item(argument)]
        values = [i.value for i in parts]
        if all(isinstance(v, Const) for v in values):
            try:
                return Const(template % tuple(v.value for v in values if isinstance(v, Const)))
            except (TypeError, ValueError):
                return self.unknown()
        if len(values) == 1 and template.count("%") == 1:
            for mark in ("%d", "%s", "%i"):
                head, found, tail = template.partition(mark)
                if found:
                    return self._pattern([head, values[0], tail])
        return self._keyed("percent", Const(template), *values)

    def _pattern(self, parts: list[str | Value]) -> Value:
        """A string made of known pieces and values."""
        head, tail, hole = "", "", None
        for part in parts:
            if isinstance(part, Const):
                part = str(part.value)
            if isinstance(part, str):
                if hole is None:
                    head += part
                else:
                    tail += part
            elif isinstance(part, Pattern) and hole is None:
                head, hole, tail = head + part.head, part.at, part.tail
            elif hole is None and isinstance(part, (Index, Symbol)):
                hole = self.selector(part)
            else:
                values = [p if isinstance(p, Value) else Const(p) for p in parts]
                return self._keyed("string", *values)
        if hole is None:
            return Const(head + tail)
        return Pattern(head, hole, tail)

    def _join(self, left: Value, right: Value) -> Value | None:
        if isinstance(left, Seq) and isinstance(right, Seq):
            return Seq(left.items + right.items, left.kind, left.open or right.open, left.loops)
        if isinstance(left, Seq) or isinstance(right, Seq):
            known = left if isinstance(left, Seq) else right
            assert isinstance(known, Seq)
            return Seq(list(known.items), known.kind, True, known.loops)
        if isinstance(left, Const) and isinstance(left.value, str):
            if isinstance(right, (Index, Symbol, Pattern)):
                return self._pattern([left.value, right])
        if isinstance(left, Pattern) and isinstance(right, Const) and isinstance(right.value, str):
            return Pattern(left.head, left.at, left.tail + right.value)
        if isinstance(left, Const) or isinstance(right, Const):
            return self._computed_name([left, right])
        return None

    def _computed_name(self, parts: list[Value]) -> Symbol | None:
        """`f"head_{name}"`, where the name is one of a list: the same however it is written."""
        found = spelt(parts)
        if found is None or not all(type(p.value) is str for p in parts if isinstance(p, Const)):
            return None
        head, name, tail = found
        within = self.spelt_names.get(met_in_every_loop(name))
        names = within.names if within is not None else ()
        key = self.intern(("name", head, met_in_every_loop(name), tail))
        self.spelt_names[key] = Spelt(head, tail, names)
        return self.unknown(name, key=key)

    def _repeat(self, sequence: Value, times: Value) -> Value | None:
        if not isinstance(sequence, Seq):
            return None
        given = ""
        if isinstance(times, Const) and type(times.value) is int:
            if 0 <= times.value * len(sequence.items) <= 16:
                return Seq(sequence.items * times.value, sequence.kind, sequence.open, sequence.loops)
            count = Times(times.value, times.value)
        elif isinstance(times, Symbol) and type(times.hint) is int and times.hint > 0:
            count, given = Times(times.hint, times.hint), times.given
        else:
            count = Times(0, None)
        number = next(self.numbers)
        items = [
            Item(i.value, i.when, count, i.loops | {-number}, i.node, i.file, given) for i in sequence.items
        ]
        return Seq(items, sequence.kind, sequence.open, sequence.loops)

    def _unary(self, node: ast.UnaryOp, frame: Frame) -> Value:
        if isinstance(node.op, ast.Not):
            return self.boolean(negate(self.test(node.operand, frame)))
        value = self.eval(node.operand, frame)
        if isinstance(value, Const) and isinstance(value.value, (int, float)):
            if isinstance(node.op, ast.USub):
                return Const(-value.value)
            if isinstance(node.op, ast.UAdd):
                return value
        return self._keyed(type(node.op).__name__, value)

    def boolean(self, condition: Condition) -> Value:
        """A condition as a value."""
        if condition == TRUE:
            return TRUE_VALUE
        if not condition:
            return FALSE_VALUE
        return Choice(((condition, TRUE_VALUE), (TRUE, FALSE_VALUE)))

    def _bool_op(self, node: ast.BoolOp, frame: Frame) -> Value:
        outer = frame.guard
        options: list[tuple[Condition, Value]] = []
        rest = TRUE
        try:
            for i, operand in enumerate(node.values):
                value = self.eval(operand, frame)
                if i == len(node.values) - 1:
                    options.append((rest, value))
                    break
                holds = self.truth(value, operand, frame)
                stop = negate(holds) if isinstance(node.op, ast.And) else holds
                options.append((both(rest, stop), value))
                rest = both(rest, negate(stop))
                if not rest:
                    break
                frame.guard = both(outer, rest)
                if not frame.guard:
                    break
        finally:
            frame.guard = outer
        return self.choose(options)

    def _compare(self, node: ast.Compare, frame: Frame) -> Value:
        return self.boolean(self.test(node, frame))

    def _if_exp(self, node: ast.IfExp, frame: Frame) -> Value:
        outer = frame.guard
        then, other, condition, contrary = branches(outer, self.test(node.test, frame))
        options: list[tuple[Condition, Value]] = []
        for inner, when, branch in ((then, condition, node.body), (other, contrary, node.orelse)):
            if inner:
                options.append((when, self.side(node, when, branch, inner, frame)))
        return self.choose(options)

    def side(
        self, node: ast.IfExp, when: Condition, branch: ast.expr, inner: Condition, frame: Frame
    ) -> Value:
        """One side of a conditional expression: where `when` holds, with `inner` for a guard."""
        outer, frame.guard = frame.guard, inner
        value = self.eval(branch, frame)
        frame.guard = outer
        return value

    def _lambda(self, node: ast.Lambda, frame: Frame) -> Value:
        return Function(node, frame.file, self.visible(frame), frame.cls)

    def visible(self, frame: Frame) -> dict[str, Value]:
        """Variables a nested function closes over (by reference, as Python does)."""
        if frame.closure is None:
            return frame.env
        return {**frame.closure, **frame.env}

    def _sequence(self, node: ast.Tuple | ast.List | ast.Set, frame: Frame) -> Value:
        kind = "tuple" if isinstance(node, ast.Tuple) else "list"
        items: list[Item] = []
        open_ = False
        for element in node.elts:
            if isinstance(element, ast.Starred):
                value = self.eval(element.value, frame)
                spread = self.spread(value)
                if spread is None and isinstance(value, Symbol) and value.made:
                    items.append(self._made_entries(value, element, frame))
                elif spread is None:
                    open_ = True
                    items.extend(self.handed_entries(value, element))
                else:
                    items.extend(spread.items)
                    open_ = open_ or spread.open
            else:
                items.append(Item(self.eval(element, frame), TRUE, node=element, file=frame.file))
        return Seq(items, kind, open_, self.loop_base | self.loop_numbers())

    def _made_entries(self, value: Symbol, node: ast.Starred, frame: Frame) -> Item:
        """`*helper(n)`: as many objects as code gave that is not read, a family of their own."""
        one = self.element_of(value, At(("whole", value.key), running=True))
        return Item(one, TRUE, Times(0, None), frozenset({0}), node, frame.file)

    def handed_entries(self, value: Value, node: ast.Starred) -> list[Item]:
        """What is known of the entries of something that was handed in: `(x, *rest)`."""
        return []

    def _dict(self, node: ast.Dict, frame: Frame) -> Value:
        result = Mapping()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                other = self.eval(value, frame)
                self.merge_unknown(result, other)
                if isinstance(other, Mapping):
                    result.entries.update(other.entries)
                    result.rest.extend(other.rest)
                    result.open = result.open or other.open
                else:
                    result.open = True
                continue
            known = self.eval(key, frame)
            item = Item(self.eval(value, frame), frame.guard, node=value, file=frame.file)
            self.put(result, known, item)
        return result

    def merge_unknown(self, mapping: Mapping, other: Value | None) -> None:
        """Before all entries of a value are put into a mapping: what nobody knows of them may take the place
        of what it has. None: a single entry, under a name that nobody knows."""

    def put(self, mapping: Mapping, key: Value, item: Item) -> None:
        """`mapping[key] = item`."""
        key = frozen(key)
        if isinstance(key, Const):
            try:
                mapping.entries[key.value] = item
                return
            except TypeError:
                pass
        mapping.rest.append((key, item))

    def _joined(self, node: ast.JoinedStr, frame: Frame) -> Value:
        parts: list[str | Value] = []
        for piece in node.values:
            if isinstance(piece, ast.Constant):
                parts.append(str(piece.value))
            elif isinstance(piece, ast.FormattedValue):
                value = self.eval(piece.value, frame)
                plain = piece.conversion == -1 and piece.format_spec is None
                parts.append(value if plain else self.unknown(value))
        if any(isinstance(p, (Choice, Pick)) for p in parts):
            values = [p if isinstance(p, Value) else Const(p) for p in parts]
            return self._spread_string(values)
        return self._pattern(parts)

    def _spread_string(self, values: list[Value]) -> Value:
        for i, value in enumerate(values):
            if isinstance(value, Choice):
                return self.choose(
                    [(w, self._spread_string([*values[:i], v, *values[i + 1 :]])) for w, v in value.options]
                )
        if any(isinstance(v, Pick) for v in values):
            return self._computed_name(values) or self._keyed("string", *values)
        return self._pattern(
            [v.value if isinstance(v, Const) and isinstance(v.value, str) else v for v in values]
        )

    def _named(self, node: ast.NamedExpr, frame: Frame) -> Value:
        value = self.eval(node.value, frame)
        frame.env[node.target.id] = value
        return value

    def _inner(self, node: ast.Await | ast.YieldFrom, frame: Frame) -> Value:
        return self.eval(node.value, frame)

    def _yield(self, node: ast.Yield, frame: Frame) -> Value:
        if node.value is not None:
            value = self.eval(node.value, frame)
            frame.returns.append((frame.guard, value))
            self.handed_out(value, frame)
        return self.unknown()

    def handed_out(self, value: Value, frame: Frame) -> None:
        """A generator gives this."""

    def _comprehension(
        self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp, frame: Frame
    ) -> Value:
        return self.comprehend(node, frame)

    def selector(self, index: Value) -> At:
        """Which element an index picks."""
        if isinstance(index, Const) and isinstance(index.value, (int, str)):
            return At(("exact", index.value), exact=index.value)
        if isinstance(index, Index):
            return At(
                ("loop", index.loop, index.offset),
                frozenset({index.loop}),
                running=True,
                low=max(index.offset, 0),
                high=index.high,
                bound=index.bound,
            )
        if isinstance(index, Pattern):
            return At(("pattern", index.head, index.at.key, index.tail), index.at.deps)
        key = name_key(index)
        selected = ("symbol", key if key is not None else next(self.numbers))
        if isinstance(index, Symbol) and index.turns is not None:
            turns = index.turns
            least = next((loop.times.least for loop in self.loops if loop.number == turns.loop), 0)
            return At(selected, index.deps, running=True, sure=turns.positions(least), turns=turns)
        if isinstance(index, Symbol) and index.start is not None:
            return At(selected, index.deps, running=True, low=max(index.start, 0))
        deps = deps_of(index)
        if isinstance(index, Symbol) and index.loops:
            deps |= index.loops & self.loop_numbers()  # made anew at each turn: `name, n = text.split(":")`
        if isinstance(index, Symbol) and index.less > 0:
            return At(selected, deps, bound=index.base, less=index.less)
        return At(selected, deps)


_Handler = Callable[[Expressions, Any, Frame], Value]
_HANDLERS: dict[type[ast.expr], _Handler] = {
    ast.Name: Expressions._name,
    ast.Attribute: Expressions._attribute,
    ast.Subscript: Expressions._subscript,
    ast.BinOp: Expressions._binary,
    ast.UnaryOp: Expressions._unary,
    ast.BoolOp: Expressions._bool_op,
    ast.Compare: Expressions._compare,
    ast.IfExp: Expressions._if_exp,
    ast.Lambda: Expressions._lambda,
    ast.Tuple: Expressions._sequence,
    ast.List: Expressions._sequence,
    ast.Set: Expressions._sequence,
    ast.Dict: Expressions._dict,
    ast.JoinedStr: Expressions._joined,
    ast.NamedExpr: Expressions._named,
    ast.Await: Expressions._inner,
    ast.YieldFrom: Expressions._inner,
    ast.Yield: Expressions._yield,
    ast.ListComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
}
