"""Interpret statements: assignments, branches, loops, early exits.

A branch that cannot be decided is interpreted on both sides, each under its condition; afterwards a
variable that differs is a `Choice`. A loop over few known values is interpreted turn by turn, any
other loop once for all its turns.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from qatlint.condition import FALSE, TRUE, Condition, both, branches, either, implies, negate
from qatlint.static.carried import carried
from qatlint.static.comprehensions import Comprehensions
from qatlint.static.iteration import Turns
from qatlint.static.machine import EnteredBlock, Frame, LoopExits, deps_of, is_result, origin_of, worst
from qatlint.static.modulefile import ClassDef
from qatlint.static.turns import FirstTurn
from qatlint.static.values import (
    NONE,
    Block,
    Choice,
    ClassValue,
    Const,
    External,
    Function,
    Index,
    Instance,
    LoopFrame,
    ModuleValue,
    Seq,
    Symbol,
    Value,
    Wrapped,
)
from qatlint.trace import Times


class Statements(Comprehensions):
    """`run` and `assign`."""

    def run(self, body: list[ast.stmt], frame: Frame) -> None:
        """Interpret statements in order until no path goes on."""
        for node in body:
            if not frame.guard:
                return
            self.step()
            handler = _HANDLERS.get(type(node))
            if handler is not None:
                handler(self, node, frame)

    def _expr(self, node: ast.Expr, frame: Frame) -> None:
        if not isinstance(node.value, ast.Constant):
            self.eval(node.value, frame)

    def _assign(self, node: ast.Assign, frame: Frame) -> None:
        value = self.eval(node.value, frame)
        for target in node.targets:
            self.assign(target, value, frame, node.value)

    def _ann_assign(self, node: ast.AnnAssign, frame: Frame) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value, frame), frame, node.value)

    def _aug_assign(self, node: ast.AugAssign, frame: Frame) -> None:
        load = _loaded(node.target)
        left = self.eval(load, frame)
        right = self.eval(node.value, frame)
        entries = left.items if isinstance(left, Instance) else left
        if isinstance(entries, Seq) and isinstance(node.op, ast.Add):
            added = self.entries(right)
            if added is None:
                entries.open = True
            else:
                self.extend(entries, added, frame)
            return
        self.assign(node.target, self.augmented(node, left, right, frame), frame, node.value)

    def augmented(self, node: ast.AugAssign, left: Value, right: Value, frame: Frame) -> Value:
        """What `left op= right` leaves in the variable."""
        return self.binary(node.op, left, right)

    def assign(self, target: ast.expr, value: Value, frame: Frame, node: ast.AST) -> None:
        """Bind `target` to `value`; `node` is the expression the value came from."""
        if isinstance(target, ast.Name):
            frame.env[target.id] = value
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.eval(target.value, frame), Const(target.attr), value, frame, node)
        elif isinstance(target, ast.Subscript):
            self.set_item(self.eval(target.value, frame), target, value, frame, node)
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, value, frame, node)

    def _unpack(self, targets: list[ast.expr], value: Value, frame: Frame, node: ast.AST) -> None:
        if isinstance(value, Choice) and not any(isinstance(t, ast.Starred) for t in targets):
            # An alternative of another length would raise here, so it is not meant.
            kept = [(w, v) for w, v in value.options if self._fits(v, len(targets))]
            value = self.choose(kept) if kept else value
        # A view such as `d.values()` is taken apart as the list of it would be.
        entries = self.listed(value, node, frame) if isinstance(value, Wrapped) else self.entries(value)
        plain = (
            entries is not None
            and not entries.open
            and len(entries.items) == len(targets)
            and all(i.times is None for i in entries.items)
            and not any(isinstance(t, ast.Starred) for t in targets)
        )
        for i, target in enumerate(targets):
            if plain and entries is not None:
                item = entries.items[i]
                self.assign(target, item.value, frame, item.node or node)
            elif isinstance(target, ast.Starred):
                self.assign(target.value, self._rest_of(value, i, len(targets) - i - 1), frame, node)
            else:
                inner = node if isinstance(node, ast.expr) else ast.Constant(None)
                self.assign(target, self.subscript(value, Const(i), inner, frame), frame, node)

    def _rest_of(self, value: Value, before: int, behind: int) -> Value:
        """What `*rest` gets, between so many others: a list."""
        if not isinstance(value, (Seq, Symbol)):
            return self.unknown(value)
        rest = self._cut(value, [Const(before), Const(-behind or None), NONE])
        return Seq(rest.items, "list", rest.open, rest.loops) if isinstance(rest, Seq) else rest

    def _fits(self, value: Value, count: int) -> bool:
        if not isinstance(value, Seq) or value.open or any(i.times is not None for i in value.items):
            return True
        return len(value.items) == count

    def _return(self, node: ast.Return, frame: Frame) -> None:
        value = self.eval(node.value, frame) if node.value is not None else NONE
        frame.returns.append((frame.guard, value))
        frame.guard = FALSE

    def _raise(self, node: ast.Raise, frame: Frame) -> None:
        if len(frame.guard) <= 2 and not self.supposing:
            self.facts.append(negate(frame.guard))
        frame.raised = either(frame.raised, frame.guard)
        frame.guard = FALSE

    def _assert(self, node: ast.Assert, frame: Frame) -> None:
        condition = self.test(node.test, frame)
        if condition and condition != TRUE and frame.guard == TRUE and not self.supposing:
            self.facts.append(condition)

    def _if(self, node: ast.If, frame: Frame) -> None:
        before = frame.guard
        then, other, condition, contrary = branches(before, self.test(node.test, frame))
        if not other or not then:
            frame.guard = before
            self.run(node.body if then else node.orelse, frame)
            return
        raised, frame.raised = frame.raised, FALSE
        env = frame.env
        frame.env = dict(env)
        frame.guard = then
        self.run(node.body, frame)
        then_env, then_end = frame.env, frame.guard
        frame.env = dict(env)
        frame.guard = other
        self.run(node.orelse, frame)
        other_env, other_end = frame.env, frame.guard
        # The dict object stays the same: nested functions close over it.
        env.clear()
        env.update(self._merged(then_env, then_end, condition, contrary, other_env, other_end))
        frame.env = env
        if _goes_on(then, then_end, frame.raised) and _goes_on(other, other_end, frame.raised):
            frame.guard = before if then_end or other_end else FALSE
        else:
            frame.guard = _without(frame.raised, either(then_end, other_end))
        frame.raised = either(raised, frame.raised)

    def _merged(
        self,
        then: dict[str, Value],
        then_end: Condition,
        condition: Condition,
        contrary: Condition,
        other: dict[str, Value],
        other_end: Condition,
    ) -> dict[str, Value]:
        if not then_end:
            return other
        if not other_end:
            return then
        result = dict(other)
        for name, value in then.items():
            previous = other.get(name)
            if previous is value:
                continue
            if previous is None:
                result[name] = value
            elif self.phase == "forward" and is_result(value) and is_result(previous):
                # Two results of which nothing is known: which of the two it is matters to no test.
                deps = deps_of(value) | deps_of(previous)
                result[name] = Symbol(("fresh", next(self.numbers)), deps=deps, origin="input")
            else:
                result[name] = self.choose([(condition, value), (contrary, previous)])
        return result

    def _for(self, node: ast.For | ast.AsyncFor, frame: Frame) -> None:
        turns = self.iterate(self.eval(node.iter, frame), node.iter, frame)
        before = frame.guard
        exits = LoopExits()
        frame.loop_exits.append(exits)
        if turns.values is not None and self.may_unroll(len(turns.values), node):
            ended = self._unrolled(node, turns.values, turns.over, frame, exits, turns.given)
        elif (
            turns.assumed is not None
            and self.phase == "forward"
            and self.may_unroll(len(turns.assumed), node)
        ):
            self._suppose(node, turns, frame)
            ended = self._unrolled(node, turns.assumed, turns.over, frame, exits, turns.given)
        else:
            ended = self._at_once(node, turns, frame, exits)
        frame.loop_exits.pop()
        frame.guard = either(ended, exits.broke)
        if node.orelse and not exits.broke:
            self.run(node.orelse, frame)
        elif node.orelse and ended:
            after = frame.guard
            frame.guard = both(before, self.fresh(node.iter))
            self.run(node.orelse, frame)
            frame.guard = after if frame.guard else either(exits.broke, FALSE)

    def _unrolled(
        self,
        node: ast.For | ast.AsyncFor,
        values: Sequence[tuple[Condition, Value]],
        over: ast.AST,
        frame: Frame,
        exits: LoopExits,
        given: str = "",
    ) -> Condition:
        """Interpret the body once per known value; the condition under which the loop ends itself."""
        times = Times(len(values), len(values))
        loop = LoopFrame(next(self.numbers), node, frame.file, times, True, over, given)
        loop.turns = len(values)
        self.loops.append(loop)
        self.unrolled *= max(len(values), 1)
        try:
            for loop.turn, (when, value) in enumerate(values):
                start = frame.guard
                frame.guard = both(start, when)
                skipped = both(start, negate(when)) if when != TRUE else FALSE
                if frame.guard:
                    self.assign(node.target, value, frame, node.iter)
                    exits.continued = FALSE
                    self.run(node.body, frame)
                    frame.guard = either(frame.guard, exits.continued)
                frame.guard = either(frame.guard, skipped)
                if not frame.guard:
                    break
        finally:
            self.loops.pop()
            self.unrolled //= max(len(values), 1)
        return frame.guard

    def _suppose(self, node: ast.For | ast.AsyncFor, turns: Turns, frame: Frame) -> None:
        """Follow the turns that a default does not have, without counting: the values of a default decide
        how often something runs, but not what is never used."""
        env, guard, raised, returns = dict(frame.env), frame.guard, frame.raised, len(frame.returns)
        frame.loop_exits.append(LoopExits())
        self.supposing += 1
        try:
            self._at_once(node, turns, frame, frame.loop_exits[-1])
        finally:
            self.supposing -= 1
            frame.loop_exits.pop()
        frame.env.clear()
        frame.env.update(env)
        frame.guard, frame.raised = guard, raised
        del frame.returns[returns:]

    def _at_once(
        self, node: ast.For | ast.AsyncFor, turns: Turns, frame: Frame, exits: LoopExits
    ) -> Condition:
        """Interpret the body once, for all turns."""
        loop = self.loop_at_once(node, turns, frame)
        before = frame.guard
        self._widen(node.body, loop, frame)
        self.loops.append(loop)
        try:
            self.assign(node.target, turns.element(loop), frame, node.iter)
            self.run(node.body, frame)
        finally:
            self.loops.pop()
        ended = either(frame.guard, exits.continued)
        if not ended:
            # Every path leaves the loop in its first turn.
            loop.once()
            return before
        if ended != before:
            loop.cut_short()
        return ended

    def _while(self, node: ast.While, frame: Frame) -> None:
        loop = LoopFrame(next(self.numbers), node, frame.file, Times(0, None), False, node.test)
        self._widen(node.body, loop, frame)
        exits = LoopExits()
        frame.loop_exits.append(exits)
        before = frame.guard
        self.loops.append(loop)
        condition = self.test(node.test, frame)
        frame.guard = both(before, condition)
        self.run(node.body, frame)
        self.loops.pop()
        frame.loop_exits.pop()
        after = either(
            frame.guard,
            exits.continued,
        )
        frame.guard = either(either(after, exits.broke), both(before, negate(condition)))
        if condition == TRUE and not exits.broke:
            frame.guard = before if after else frame.guard
        if node.orelse and frame.guard:
            self.run(node.orelse, frame)

    def _widen(self, body: list[ast.stmt], loop: LoopFrame, frame: Frame) -> None:
        """Before a loop is interpreted once for all turns: what its body changes is not constant.

        A counter that is incremented by one becomes the loop's index.
        """
        known = self.project.loop_names.get(id(body))
        if known is None or known[0] is not body:
            known = self.project.loop_names[id(body)] = (body, carried(body))
        for name, change in known[1].items():
            value = frame.env.get(name)
            if value is None:
                continue
            if change.counter and isinstance(value, Const) and type(value.value) is int:
                frame.env[name] = Index(loop.number, value.value)
            elif isinstance(value, Const) and change.differs_from(value.value):
                key = ("loop", loop.number, name)
                first = FirstTurn(loop.number, value.value)
                frame.env[name] = Symbol(key, deps=frozenset({loop.number}), text=name, first=first)
            elif isinstance(value, (Const, Index)) or (isinstance(value, Symbol) and not value.made):
                frame.env[name] = Symbol(
                    ("loop", loop.number, name),
                    deps=frozenset({loop.number}) | deps_of(value),
                    origin=worst(origin_of(value), "unknown"),
                    text=name,
                    start=_start(value) if change.moved else None,
                )

    def _with(self, node: ast.With | ast.AsyncWith, frame: Frame) -> None:
        around = len(self.blocks)
        for item in node.items:
            value = self.context(item.context_expr, frame)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value, frame, item.context_expr)
            if self._minds_blocks(frame):
                self._enter_block(value, item.context_expr, frame)
        self.run(node.body, frame)
        del self.blocks[around:]

    def _minds_blocks(self, frame: Frame) -> bool:
        """Whether dynamic blocks are noted in a function: in those of the root, which is counted."""
        return frame.owner is self.root

    def context(self, node: ast.expr, frame: Frame) -> Value:
        """What `with node:` enters."""
        return self.eval(node, frame)

    def _enter_block(self, value: Value, node: ast.expr, frame: Frame) -> None:
        """Note that `with node:` enters a dynamic block, if it does (on some path at least)."""
        for _, option in self.options(value, TRUE):
            if isinstance(option, Block):
                self.blocks.append(EnteredBlock(option.name, frame.file, node))
                return

    def _try(self, node: ast.Try, frame: Frame) -> None:
        before = frame.guard
        if node.handlers:
            failed = self.fresh(node)
            env = dict(frame.env)
            frame.guard = both(before, negate(failed))
            self.run(node.body, frame)
            self.run(node.orelse, frame)
            ends = [(frame.env, frame.guard)]
            for handler in node.handlers:
                frame.env = dict(env)
                here = failed
                if handler is not node.handlers[-1]:
                    caught = self.fresh(handler)
                    here, failed = both(failed, caught), both(failed, negate(caught))
                frame.guard = both(before, here)
                if handler.name:
                    frame.env[handler.name] = self.unknown()
                self.run(handler.body, frame)
                ends.append((frame.env, frame.guard))
            merged, end = ends[0]
            for other, other_end in ends[1:]:
                caught = self.fresh(node)
                merged = self._merged(merged, end, negate(caught), caught, other, other_end)
                end = either(end, other_end)
            frame.env.clear()
            frame.env.update(merged)
            frame.guard = before if all(g for _, g in ends) else end
        else:
            self.run(node.body, frame)
        if node.finalbody:
            after = frame.guard  # `finally` runs on every path, those that returned too
            frame.guard = before
            self.run(node.finalbody, frame)
            frame.guard = after if frame.guard else FALSE

    def _continue(self, node: ast.Continue, frame: Frame) -> None:
        if frame.loop_exits:
            frame.loop_exits[-1].continued = either(frame.loop_exits[-1].continued, frame.guard)
        frame.guard = FALSE

    def _break(self, node: ast.Break, frame: Frame) -> None:
        if frame.loop_exits:
            frame.loop_exits[-1].broke = either(frame.loop_exits[-1].broke, frame.guard)
        frame.guard = FALSE

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, frame: Frame) -> None:
        function = Function(node, frame.file, self.visible(frame), frame.cls)
        frame.env[node.name] = function

    def _class(self, node: ast.ClassDef, frame: Frame) -> None:
        for cls in frame.file.classes:
            if cls.node is node:
                frame.env[node.name] = ClassValue(cls)
                return
        frame.env[node.name] = ClassValue(ClassDef(node, frame.file, f"<locals>.{node.name}"))

    def _import(self, node: ast.Import, frame: Frame) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            module = self.project.module(alias.name if alias.asname else name, frame.file)
            dotted = alias.name if alias.asname else name
            frame.env[name] = ModuleValue(module) if module is not None else External(dotted)

    def _import_from(self, node: ast.ImportFrom, frame: Frame) -> None:
        module = frame.file.absolute(node)
        for alias in node.names:
            if alias.name != "*":
                found = self.project.imported(frame.file, module, alias.name)
                frame.env[alias.asname or alias.name] = self.found(frame.file, found, alias.name)

    def _delete(self, node: ast.Delete, frame: Frame) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                frame.env.pop(target.id, None)
            elif isinstance(target, ast.Attribute):
                self.delete_attribute(self.eval(target.value, frame), target.attr, frame)
            elif isinstance(target, ast.Subscript):
                self.delete_item(self.eval(target.value, frame), target.slice, frame)

    def _match(self, node: ast.Match, frame: Frame) -> None:
        subject = self.eval(node.subject, frame)
        before = frame.guard
        env = dict(frame.env)
        rest, merged, end = TRUE, None, FALSE
        for case in node.cases:
            frame.env = dict(env)
            for name in _captures(case.pattern):
                frame.env[name] = self.unknown()
            if isinstance(case.pattern, ast.MatchAs) and case.pattern.name is not None:
                frame.env[case.pattern.name] = subject
            here = both(rest, self._matches(case.pattern, subject, node, frame))
            frame.guard = both(before, here)
            if case.guard is not None:
                here = both(here, self.test(case.guard, frame))
                frame.guard = both(before, here)
            self.entering_case(node, case, here, before, frame)
            if frame.guard:
                self.run(case.body, frame)
            if merged is None:
                merged, end = frame.env, frame.guard
            else:
                merged = self._merged(merged, end, negate(here), here, frame.env, frame.guard)
                end = either(end, frame.guard)
            rest = both(rest, negate(here))
        frame.env = self._merged(merged, end, negate(rest), rest, env, both(before, rest)) if merged else env
        frame.guard = either(end, both(before, rest))

    def entering_case(
        self, node: ast.Match, case: ast.match_case, here: Condition, guard: Condition, frame: Frame
    ) -> None:
        """A `case` is about to run under the condition `here`; `guard` is that of the `match`."""

    def _matches(self, pattern: ast.pattern, subject: Value, node: ast.Match, frame: Frame) -> Condition:
        """When a pattern matches: as the comparison that it stands for, where it does for one."""
        if isinstance(pattern, ast.MatchAs):
            return TRUE if pattern.pattern is None else self._matches(pattern.pattern, subject, node, frame)
        if isinstance(pattern, ast.MatchOr):
            found = FALSE
            for part in pattern.patterns:
                found = either(found, self._matches(part, subject, node, frame))
            return found
        if isinstance(pattern, ast.MatchValue):
            return self._case_is(ast.Eq(), pattern.value, subject, node, frame)
        if isinstance(pattern, ast.MatchSingleton):
            value = ast.copy_location(ast.Constant(pattern.value), pattern)
            return self._case_is(ast.Is(), value, subject, node, frame)
        return self.fresh(node.subject)

    def _case_is(
        self, op: ast.cmpop, value: ast.expr, subject: Value, node: ast.Match, frame: Frame
    ) -> Condition:
        compared = ast.copy_location(ast.Compare(node.subject, [op], [value]), node.subject)
        return self._compare_two(subject, op, self.eval(value, frame), compared)


def _goes_on(start: Condition, end: Condition, raised: Condition) -> bool:
    """Whether every path of a branch comes to its end, or every path raises."""
    return end == start or (not end and implies(start, raised))


def _without(raised: Condition, alive: Condition) -> Condition:
    """When a path goes on. A path that raises is no path of a forward that gives a result: whether it is
    counted in does not matter, so it is where that makes the condition simpler."""
    if not raised or not alive:
        return alive
    either_way = either(alive, raised)
    return either_way if _size(either_way) <= _size(alive) else alive


def _size(condition: Condition) -> tuple[int, int]:
    return len(condition), sum(map(len, condition))


def _start(value: Value) -> int | None:
    """The number from which a counter goes on."""
    if isinstance(value, Const) and type(value.value) is int:
        return value.value
    return value.start if isinstance(value, Symbol) else None


def _captures(pattern: ast.AST) -> list[str]:
    return [n.name for n in ast.walk(pattern) if isinstance(n, (ast.MatchAs, ast.MatchStar)) and n.name]


def _loaded(target: ast.expr) -> ast.expr:
    """The target of an augmented assignment, as an expression to read."""
    if isinstance(target, ast.Name):
        return ast.copy_location(ast.Name(target.id, ast.Load()), target)
    if isinstance(target, ast.Attribute):
        return ast.copy_location(ast.Attribute(target.value, target.attr, ast.Load()), target)
    assert isinstance(target, ast.Subscript)
    return ast.copy_location(ast.Subscript(target.value, target.slice, ast.Load()), target)


_Handler = Callable[[Statements, Any, Frame], None]
_HANDLERS: dict[type[ast.stmt], _Handler] = {
    ast.Expr: Statements._expr,
    ast.Assign: Statements._assign,
    ast.AnnAssign: Statements._ann_assign,
    ast.AugAssign: Statements._aug_assign,
    ast.Return: Statements._return,
    ast.Raise: Statements._raise,
    ast.Assert: Statements._assert,
    ast.If: Statements._if,
    ast.For: Statements._for,
    ast.AsyncFor: Statements._for,
    ast.While: Statements._while,
    ast.With: Statements._with,
    ast.AsyncWith: Statements._with,
    ast.Try: Statements._try,
    ast.Continue: Statements._continue,
    ast.Break: Statements._break,
    ast.FunctionDef: Statements._function,
    ast.AsyncFunctionDef: Statements._function,
    ast.ClassDef: Statements._class,
    ast.Import: Statements._import,
    ast.ImportFrom: Statements._import_from,
    ast.Delete: Statements._delete,
    ast.Match: Statements._match,
}
