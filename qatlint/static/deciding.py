"""Tests: under which condition an expression is true."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Hashable
from typing import Any

from qatlint.condition import FALSE, TRUE, Condition, both, either, excludes, implies, literal, negate
from qatlint.static.machine import Comparison, Frame, Machine, Position, deps_of, frozen, key_of, origin_of
from qatlint.static.values import (
    SOMEWHERE,
    Choice,
    Const,
    Index,
    Instance,
    Item,
    Mapping,
    Pattern,
    Pick,
    Seq,
    Slice,
    Symbol,
    Value,
)

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_OPPOSITES: dict[type[ast.cmpop], ast.cmpop] = {
    ast.IsNot: ast.Is(),
    ast.NotEq: ast.Eq(),
    ast.NotIn: ast.In(),
}


class Deciding(Machine):
    """`test` and `truth`."""

    def test(self, node: ast.expr, frame: Frame) -> Condition:
        """The condition under which `node` is true; calls in it are recorded."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return negate(self.test(node.operand, frame))
        if isinstance(node, ast.BoolOp):
            return self._test_bool_op(node, frame)
        if isinstance(node, ast.Compare):
            return self._test_compare(node, frame)
        return self.truth(self.eval(node, frame), node, frame)

    def _test_bool_op(self, node: ast.BoolOp, frame: Frame) -> Condition:
        outer = frame.guard
        conjunction = isinstance(node.op, ast.And)
        result = TRUE if conjunction else FALSE
        for operand in node.values:
            one = self.test(operand, frame)
            result = both(result, one) if conjunction else either(result, one)
            if result == (FALSE if conjunction else TRUE):
                break
            frame.guard = both(outer, result if conjunction else negate(result))
            if not frame.guard:
                break
        frame.guard = outer
        return result

    def _test_compare(self, node: ast.Compare, frame: Frame) -> Condition:
        left = self.eval(node.left, frame)
        result = TRUE
        for op, comparator in zip(node.ops, node.comparators, strict=True):
            right = self.eval(comparator, frame)
            result = both(result, self._compare_two(left, op, right, node))
            left = right
        return result

    def _compare_two(self, left: Value, op: ast.cmpop, right: Value, node: ast.Compare) -> Condition:
        if isinstance(left, Choice):
            return self.over_options(left, lambda v: self._compare_two(v, op, right, node))
        if isinstance(right, Choice):
            return self.over_options(right, lambda v: self._compare_two(left, op, v, node))
        opposite = _OPPOSITES.get(type(op))
        if opposite is not None:
            return negate(self._compare_two(left, opposite, right, _positive(node, opposite)))
        for value, other in ((left, right), (right, left)):
            if isinstance(other, Const) and other.value is None and isinstance(op, (ast.Is, ast.Eq)):
                return self._is_none(value, node)
        if isinstance(left, Const) and isinstance(right, Const):
            return self._compare_constants(left.value, op, right.value, node)
        if isinstance(op, ast.In):
            return self._contains(left, right, node)
        if isinstance(op, (ast.Eq, ast.Is)):
            return self._equal(left, right, node)
        return self._ordered(left, op, right, node)

    def over_options(self, value: Choice, ask: Callable[[Value], Condition]) -> Condition:
        """The condition under which the answer is yes for what the value is then."""
        rest = TRUE
        found: list[tuple[Condition, Condition]] = []
        answers: set[Condition] = set()
        for when, option in value.options:
            here = both(rest, when)
            if here:
                answer = ask(option)
                found.append((here, answer))
                if answer and answer != TRUE:
                    answer = TRUE if implies(here, answer) else FALSE if excludes(here, answer) else answer
                answers.add(answer)
            if when == TRUE:
                break
            rest = both(rest, negate(when))
            if not rest:
                break
        if len(answers) == 1:
            return answers.pop()
        result = FALSE
        for here, answer in found:
            if answer:
                result = either(result, both(here, answer))
        return result

    def _compare_constants(self, left: Any, op: ast.cmpop, right: Any, node: ast.Compare) -> Condition:
        try:
            if isinstance(op, ast.Is):
                return TRUE if left is right or (left == right and type(left) is type(right)) else FALSE
            if isinstance(op, ast.In):
                return TRUE if left in right else FALSE
            return TRUE if _COMPARISONS[type(op)](left, right) else FALSE
        except (TypeError, KeyError):
            return self.fresh(node)

    def _is_none(self, value: Value, node: ast.expr) -> Condition:
        if isinstance(value, Const):
            return TRUE if value.value is None else FALSE
        if isinstance(value, Symbol) and value.first is not None and value.first.value is None:
            return self._first_turn(value.first.loop, node)
        if isinstance(value, Symbol) and not value.made:
            # What is None equals no other constant.
            group = ("equal", value.key)
            config = value.origin == "config"
            number = self.atom(("none", value.key), node, group=group, config=config, of=(value,))
            return literal(number)
        if isinstance(value, Pick):
            answers = {self._is_none(v, node) for _, v in value.options}
            if len(answers) == 1:
                return answers.pop()
            return self._at_one_position(value, node) or self._atom_for("none", value, node)
        return FALSE

    def _at_one_position(self, value: Pick, node: ast.expr) -> Condition | None:
        """When an element is None that is the only one of its list: in one turn of the loop that picks it."""
        at = value.at[-1]
        if len(value.at) != 1 or len(at.deps) != 1 or not at.running or len(value.options) < 2:
            return None
        alone = [isinstance(v, Const) and v.value is None for _, v in value.options]
        if sum(alone) != 1 or value.options[alone.index(True)][0] != SOMEWHERE:
            return None
        if not all(
            gone or self._is_none(v, node) == FALSE for (_, v), gone in zip(value.options, alone, strict=True)
        ):
            return None
        (loop,) = at.deps
        where = Symbol(self.intern(("where", at.key)), deps=at.deps)
        return self._position(("none at", at.key), Index(loop), node, where)

    def _atom_for(self, what: str, value: Value, node: ast.expr) -> Condition:
        key = key_of(value)
        config = origin_of(value) == "config"
        if key is None:
            return self.fresh(node, config)
        return literal(self.atom((what, key), node, config=config, of=(value,)))

    def _equal(self, left: Value, right: Value, node: ast.expr) -> Condition:
        if isinstance(right, Const) or not isinstance(left, Const):
            value, other = left, right
        else:
            value, other = right, left
        if isinstance(other, Const) and isinstance(other.value, bool):
            holds = self.truth(value, node, None)
            return holds if other.value else negate(holds)
        if isinstance(value, Index):
            return self._position(("equal", value.loop, value.offset, key_of(other)), value, node, other)
        key, same = key_of(value), key_of(other)
        if key is None or same is None:
            return self.fresh(node, origin_of(value) == "config")
        if key == same:
            return TRUE
        if isinstance(value, Instance) and isinstance(other, Instance):
            return FALSE
        config = origin_of(value) == "config" and origin_of(other) == "config"
        group = ("equal", key) if isinstance(other, Const) else None
        number = self.atom(("equal", key, same), node, group=group, config=config, of=(value, other))
        varying = deps_of(value)
        if varying and isinstance(other, Const):
            self.chosen[number] = Comparison(varying, repr(other.value))
        return literal(number)

    def _ordered(self, left: Value, op: ast.cmpop, right: Value, node: ast.expr) -> Condition:
        if isinstance(left, Index) or isinstance(right, Index):
            in_first = self._first_or_later(left, op, right, node)
            if in_first is not None:
                return in_first
            index = left if isinstance(left, Index) else right
            assert isinstance(index, Index)
            return self._position(("fresh", next(self.numbers)), index, node)
        if isinstance(op, ast.Lt) and {key_of(left), key_of(right)} <= self.lengths.keys():
            return self._ordered(right, ast.Gt(), left, node)
        if isinstance(op, (ast.LtE, ast.Lt)):
            flipped = ast.Gt() if isinstance(op, ast.LtE) else ast.GtE()
            return negate(self._ordered(left, flipped, right, node))
        a, b = key_of(left), key_of(right)
        config = origin_of(left) == "config" and origin_of(right) == "config"
        if a is None or b is None:
            return self.fresh(node, config)
        answer = literal(self.atom((type(op).__name__, a, b), node, config=config, of=(left, right)))
        if isinstance(op, ast.Gt) and a in self.lengths and b in self.lengths:
            extra = self.longer_by(self.lengths[a], self.lengths[b])
            answer = both(answer, functools.reduce(either, extra, FALSE)) if extra else answer
        return answer

    def longer_by(self, entries: Seq, others: Seq) -> list[Condition]:
        """When a list has an entry more than one that was filled beside it; empty where this is not known."""
        raise NotImplementedError

    def _first_or_later(self, left: Value, op: ast.cmpop, right: Value, node: ast.expr) -> Condition | None:
        """`i > 0` and the like of a counter that starts at 0: what tells the first turn from all others."""
        if not isinstance(left, Index) or not isinstance(right, Const) or type(right.value) is not int:
            return None
        beyond = {ast.Gt: 1, ast.GtE: 0, ast.Lt: 0, ast.LtE: 1}[type(op)]
        if right.value + beyond != left.offset + 1:
            return None
        first = self._equal(left, Const(left.offset), _equals(node, left.offset))
        return negate(first) if isinstance(op, (ast.Gt, ast.GtE)) else first

    def _first_turn(self, loop: int, node: ast.expr) -> Condition:
        """The same test as `i == 0` of the loop's counter."""
        first = Const(0)
        return self._position(("equal", loop, 0, key_of(first)), Index(loop), node, first)

    def _position(self, key: Hashable, index: Index, node: ast.expr, other: Value | None = None) -> Condition:
        """A test on a loop counter: equal to `other`, so it holds in one turn, or in most of them."""
        number = self.atom(key, node)
        first = isinstance(other, Const) and other.value == index.offset
        self.positions[number] = Position(index.loop, other is not None, other, first)
        return literal(number)

    def _contains(self, left: Value, right: Value, node: ast.Compare) -> Condition:
        entries = self.entries(right)
        if entries is not None and not entries.open and all(i.times is None for i in entries.items):
            if isinstance(left, (Const, Symbol, Pick)) and len(entries.items) <= 8:
                result = FALSE
                for item in entries.items:
                    result = either(
                        result, self._compare_two(left, ast.Eq(), item.value, _equality(node, item))
                    )
                return result
        if isinstance(right, Instance) and right.children is not None and right.items is None:
            right = right.children  # a ModuleDict
        left = frozen(left) if isinstance(right, Mapping) else left
        if isinstance(right, Mapping) and isinstance(left, Const) and not right.open and not right.rest:
            try:
                item_ = right.entries.get(left.value)
            except TypeError:
                item_ = None
            return item_.when if item_ is not None else FALSE
        a, b = key_of(left), key_of(right)
        if isinstance(left, Index):
            return self._position(("fresh", next(self.numbers)), left, node)
        if a is None or b is None:
            return self.fresh(node)
        return literal(self.atom(("in", a, b), node))

    def truth(self, value: Value, node: ast.expr, frame: Frame | None) -> Condition:
        """The condition under which a value counts as true."""
        if isinstance(value, Const):
            return TRUE if value.value else FALSE
        if isinstance(value, Choice):
            return self.over_options(value, lambda v: self.truth(v, node, frame))
        if isinstance(value, Symbol):
            if value.made:
                return TRUE
            if value.first is not None:
                first = self._first_turn(value.first.loop, node)
                return first if value.first.value else negate(first)
            config = value.origin == "config"
            if value.optional:
                group = ("equal", value.key)
                return negate(
                    literal(
                        self.atom(
                            ("none", value.key), _is_none(node), group=group, config=config, of=(value,)
                        )
                    )
                )
            return literal(self.atom(("truth", value.key), node, config=config, of=(value,)))
        entries = value if isinstance(value, Seq) else value.items if isinstance(value, Instance) else None
        if entries is not None:
            if not entries.items and not entries.open:
                return FALSE
            if any(i.when == TRUE and i.times is None for i in entries.items):
                return TRUE
            return self.fresh(node, config=True)
        if isinstance(value, Mapping):
            if value.entries:
                return TRUE
            return self.fresh(node) if value.open or value.rest else FALSE
        if isinstance(value, Index):
            if value.offset == 0:
                return negate(self._first_turn(value.loop, _equals(node, 0)))
            return self._position(("truth", value.loop, value.offset), value, node)
        if isinstance(value, Pick):
            answers = {self.truth(v, node, frame) for _, v in value.options}
            if len(answers) == 1 and answers <= {TRUE, FALSE}:
                return answers.pop()
            return self._atom_for("truth", value, node)
        if isinstance(value, (Slice, Pattern)):
            return self.fresh(node)
        return TRUE


def _positive(node: ast.Compare, op: ast.cmpop) -> ast.Compare:
    """`x is None` for `x is not None`: an atom is quoted as what it says, and not as its opposite."""
    return ast.Compare(node.left, [op], node.comparators) if len(node.ops) == 1 else node


def _is_none(node: ast.expr) -> ast.Compare:
    return ast.Compare(node, [ast.Is()], [ast.Constant(None)])


def _equals(node: ast.expr, number: int) -> ast.Compare:
    """`i == 0`, as what tells the first turn in `i > 0` or in `i`."""
    counter = node.left if isinstance(node, ast.Compare) else node
    return ast.Compare(counter, [ast.Eq()], [ast.Constant(number)])


def _equality(node: ast.Compare, item: Item) -> ast.Compare:
    """`x == "a"`, as one alternative of `x in ("a", "b")` would be written."""
    if not isinstance(item.value, Const):
        return node
    return ast.Compare(node.left, [ast.Eq()], [ast.Constant(item.value.value)])
