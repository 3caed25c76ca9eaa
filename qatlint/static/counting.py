"""How often what was executed runs, seen from the owner: recorded executions -> calls of a Trace."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterator

from qatlint.condition import TRAINING, TRUE, Atom, Condition, atoms_of, implies, is_name
from qatlint.static.families import product
from qatlint.static.interpreter import Interpreter
from qatlint.static.machine import NOWHERE, EnteredBlock, Place, Position, RawCall
from qatlint.static.modulefile import Linear, ModuleFile
from qatlint.static.naming import Named, Naming
from qatlint.static.project import Project
from qatlint.static.resized import is_resized_by
from qatlint.static.values import (
    At,
    Choice,
    Const,
    LoopFrame,
    Value,
)
from qatlint.static.written import Method, Written, site_of
from qatlint.trace import Call, Chosen, Loop, Scope, Span, Times
from qatlint.usage import Counted, count, none_repeats

_ONCE = Times(1, 1)


class Counting(Naming):
    """Turns recorded executions into calls with times, conditions and loops."""

    def __init__(self, project: Project, interpreter: Interpreter) -> None:
        super().__init__(project, interpreter)
        self.atoms: dict[int, Atom] = {}
        """Atoms without their text, as counting needs them."""
        self._methods: dict[Method, Written] = {}

    def _atom(self, number: int, explained: bool = False) -> Atom:
        """An atom; with its text only where a message may quote it."""
        if not explained and number in self.atoms:
            return self.atoms[number]
        if is_name(number):
            return Atom(number, "")
        raw = self.run.atoms[number]
        if number == TRAINING:
            atom = Atom(number, "self.training")
        else:
            text = _text(raw.node) if explained and raw.node is not None else ""
            atom = Atom(number, text, raw.group, raw.config)
        if not explained:
            self.atoms[number] = atom
        return atom

    def _plain(self, raw: RawCall) -> Condition:
        """The condition of a call, without tests of counters of loops that repeat it.

        Where each turn runs another element, a test of the counter tells elements apart and stays, and
        so does a test of a counter by which the constructor chose what to make.
        """
        positions, condition = self.run.positions, raw.guard
        if not positions or not any(abs(x) in positions for t in condition for x in t):
            return condition
        repeating = {loop.number for loop in raw.loops if not loop.turns}
        for at in raw.at:
            repeating -= at.deps
        return frozenset(
            frozenset(x for x in t if abs(x) not in positions or positions[abs(x)].loop not in repeating)
            for t in condition
        )

    def _calls(self, key: int, named: Named, raw: list[RawCall], spelt: bool) -> Iterator[Call]:
        """The calls of a module; with `spelt` also what only a fix asks about: how they are written."""
        chosen = self._same_element(raw)
        anchor = self._anchor(raw)
        for one in raw:
            position = self._seen_from(one, anchor)
            place, last = one.chain[position], one.chain[-1]
            callee = one.callee if place is last else getattr(place.node, "func", place.node)
            repeating = self._repeating(one) if one.loops else []
            times, some_turns = self._times(one, repeating) if repeating else (_ONCE, False)
            turns = self._chosen_turns(one, repeating) if repeating else None
            shown = [loop for loop in one.loops if loop.turns > 1 or loop in repeating]
            yield Call(
                module=key,
                span=place.file.source.span(place.node),
                callee=place.file.source.span(callee),
                owner=place.cls.full_name if place.cls is not None else "",
                function=place.function,
                times=times,
                when=self._plain(one),
                loops=tuple([_loop(loop, not spelt or self._countable(loop, named)) for loop in shown]),
                method=one.method,
                via=tuple(
                    [p.file.source.span(p.node) for p in one.chain[:position] if p.node is not NOWHERE]
                ),
                repeats=not some_turns and turns is None and not any(loop.leaves for loop in repeating),
                some_turns=some_turns or turns is not None,
                chosen=turns,
                inside=None if place is last else last.file.source.span(last.node),
                implied=one.implied,
                own=last.owner is not self.root and last.owner is one.target.creator,
                alias=self._alias(place, callee, named) if spelt else "",
                other_element=one not in chosen,
                scope=_scope(one.scope),
            )

    def _alias(self, place: Place, callee: ast.AST, named: Named) -> str:
        """What is called as it is written, unless it can only mean the module."""
        path = named.paths[0] if named.paths else ""
        if not path.isidentifier() or not hasattr(callee, "lineno"):
            return ""
        written = self._written(place.file, callee.lineno)
        if written is None or written.means(callee, path):
            return ""
        if isinstance(place.node, ast.Call) and place.node.func is callee:
            # A function that runs the module: `checkpoint(self.block, x)`.
            if any(written.is_attribute(value, path) for value in place.node.args):
                return ""
        return _text(callee)

    def _countable(self, loop: LoopFrame, named: Named) -> bool:
        """Whether the constructor can write down how often the loop goes round, where it makes the module."""
        node: ast.AST = loop.node
        if not loop.known or not hasattr(node, "lineno"):
            return True
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
            node = node.generators[0]
        if not isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            return True
        written = self._written(loop.file, node.iter.lineno)
        if written is None:
            return True
        if not written.countable(node.iter):
            return False
        assert self.root is not None
        # Forward may return before the loop where there is nothing to go over; the constructor would not.
        made = self.root.attrs.get(named.paths[0].partition(".")[0]) if named.paths else None
        exists = TRUE if made is None else made.when
        attributes = set(written.attributes(node.iter))
        if not all(self._is_there(attribute, exists) for attribute in attributes):
            return False
        # The constructor would count for a class that inherits it before that class has changed the number.
        below = self.project.subclasses(self.run.cls)
        return not any(is_resized_by(cls, attribute) for cls in below for attribute in attributes)

    def _is_there(self, attribute: str, exists: Condition) -> bool:
        """Whether an attribute of the owner is made wherever `exists` holds, and is never None.

        One that the constructor does not make is taken to be there: a property, or something of a base.
        """
        assert self.root is not None
        item = self.root.attrs.get(attribute)
        if item is None:
            return True
        options = item.value.options if isinstance(item.value, Choice) else ((TRUE, item.value),)
        if any(isinstance(value, Const) and value.value is None for _, value in options):
            return False
        return implies(exists, item.when)

    def _written(self, file: ModuleFile, line: int) -> Written | None:
        method = site_of(file, line).method
        if method is None:
            return None
        known = self._methods.get(method)
        if known is None:
            known = self._methods[method] = Written(method)
        return known

    def _anchor(self, raw: list[RawCall]) -> Linear | None:
        """The class in whose body the calls are reported: the most derived one that makes any."""
        assert self.root is not None and self.root.cls is not None
        mro = self.project.mro(self.root.cls)
        best = len(mro)
        for one in raw:
            for place in reversed(one.chain):
                if place.owner is self.root and place.cls in mro:
                    best = min(best, mro.index(place.cls))
                    break
        return mro[best] if best < len(mro) else None

    def _seen_from(self, raw: RawCall, anchor: Linear | None) -> int:
        """Position in the chain of the innermost call in the body of `anchor`."""
        for i in range(len(raw.chain) - 1, -1, -1):
            place = raw.chain[i]
            if place.owner is self.root and place.cls is anchor and place.node is not NOWHERE:
                return i
        return len(raw.chain) - 1

    def _repeating(self, raw: RawCall) -> list[LoopFrame]:
        """Loops that repeat this call on the same instance."""
        varied: frozenset[int] = frozenset()
        for at in self._selected(raw):
            varied |= at.deps if at.turns is None else at.deps - {at.turns.loop}
        return [
            loop
            for loop in raw.loops
            if not loop.turns and loop.number not in varied and not self._once(raw.guard, loop.number)
        ]

    def _times(self, raw: RawCall, repeating: list[LoopFrame]) -> tuple[Times, bool]:
        """How often one instance runs here, and whether a test of a counter leaves out some turns."""
        result, some_turns = Times(1, 1), False
        picked = {at.turns.loop: at.turns for at in self._selected(raw) if at.turns is not None}
        for loop in repeating:
            times = loop.times
            if loop.number in picked:
                times = picked[loop.number].of(times)
            left_out = self._left_out(raw.guard, loop.number)
            if left_out - {""}:
                some_turns = True
                # Of all turns but one it is known that they run when one is left out by `!=`.
                least = 0 if "some" in left_out else max(times.least - 1, 0)
                most = times.most
                if most is not None and "" not in left_out:
                    most = max(most - 1, 0)
                times = Times(least, most)
            elif self._turn_constants(raw.guard, loop.number):
                times = Times(0, times.most)
            result = product(result, times) or result
        return result, some_turns

    def _left_out(self, guard: Condition, loop: int) -> set[str]:
        """What a test of the loop's counter leaves out on the paths that the guard allows: `one` turn,
        `some`, or "" where it does not matter."""
        answers = set()
        for term in guard:
            answer = ""
            for x in term:
                position = self.run.positions.get(abs(x))
                if position is not None and position.loop == loop:
                    answer = "one" if position.once and x < 0 and not answer else "some"
            answers.add(answer)
        return answers

    def _turn_constants(self, guard: Condition, loop: int) -> list[str]:
        """The constants of which one must come up in a turn of the loop for the condition to hold."""
        constants: list[str] = []
        for term in guard:
            found = [self.run.chosen[x] for x in sorted(term) if x in self.run.chosen]
            equal = [chosen.constant for chosen in found if loop in chosen.loops]
            if not equal:
                return []
            constants += equal
        return list(dict.fromkeys(constants))

    def _chosen_turns(self, raw: RawCall, repeating: list[LoopFrame]) -> Chosen | None:
        """In which turns it runs, where tests of what the innermost loop runs over choose them."""
        for loop in reversed(repeating):
            constants = self._turn_constants(raw.guard, loop.number)
            if constants:
                return Chosen(_text(loop.over), tuple(constants))
        return None

    def _selected(self, raw: RawCall) -> tuple[At, ...]:
        """Which element runs, with tests such as `if i == index` taken into account."""
        if not raw.at or not self.run.positions:
            return raw.at
        result = []
        for at in raw.at:
            other = self._equal_to(raw.guard, at.deps) if at.running else None
            if other is not None:
                result.append(self.run.selector(other))
            else:
                result.append(self._after_first(raw.guard, at))
        return tuple(result)

    def _after_first(self, guard: Condition, at: At) -> At:
        """The selection without its first position, where a test of the counter leaves that out."""
        if not at.running or not isinstance(at.key, tuple) or at.key[0] != "loop" or at.turns is not None:
            return at
        later = [any(self._tells_first(-x, at) for x in term if x < 0) for term in guard]
        if not later or not all(later):
            return at
        key = (*at.key, "after first")
        return At(key, at.deps, running=True, low=at.low + 1, high=at.high, sure=at.sure, bound=at.bound)

    def _tells_first(self, atom: int, at: At) -> bool:
        position = self.run.positions.get(atom)
        return position is not None and position.first and position.loop in at.deps

    def _equal_to(self, guard: Condition, loops: frozenset[int]) -> Value | None:
        """What the counter of one of the loops equals under the condition, when it is known."""
        for term in guard:
            for x in term:
                position = self.run.positions.get(x)
                if position is not None and position.once and position.loop in loops:
                    return position.other
        return None

    def _once(self, guard: Condition, loop: int) -> bool:
        """Whether the condition holds in one turn of the loop only: `if i == 0`."""
        positions = self.run.positions
        return bool(guard) and all(any(_holds_once(positions.get(x), loop) for x in term) for term in guard)

    def _apart(self, group: list[RawCall]) -> bool:
        """Whether some of the calls pick elements at different known positions."""
        exact = [at for at in map(self._selected, group) if any(a.exact is not None for a in at)]
        return any(not _overlap(a, b) for i, a in enumerate(exact) for b in exact[:i])

    def _same_element(self, raw: list[RawCall]) -> list[RawCall]:
        """Of the calls of a family, those that hit the element that runs most often."""
        if len(raw) < 2 or not any(r.at for r in raw):
            return raw
        best: list[RawCall] = []
        best_score: tuple[float, int] = (-1.0, 0)
        seen: set[tuple[Hashable, ...]] = set()
        for one in raw:
            at = self._selected(one)
            identity = tuple(a.key for a in at)
            if identity in seen:
                continue
            seen.add(identity)
            group = [r for r in raw if _overlap(at, self._selected(r))]
            if not all(a.exact is not None for a in at) and self._apart(group):
                # One element cannot be at several positions: each of these is tried on its own.
                group = [r for r in group if not any(a.exact is not None for a in self._selected(r))]
            counted = []
            for r in group:
                times, _ = self._times(r, self._repeating(r))
                repeats = times.most is None or times.most > 1
                counted.append(Counted(self._plain(r), times, repeats))
            most = self._most(counted)
            if (most, len(group)) > best_score:
                best, best_score = group, (most, len(group))
        return best

    def _most(self, calls: list[Counted]) -> float:
        """How often they run together on some path."""
        atoms = {n: self._atom(n) for c in calls for n in atoms_of([c.when])}
        if none_repeats(calls, atoms):
            return 1.0
        most = count(calls, TRUE, (), atoms).times.most
        return float("inf") if most is None else float(most)


def _holds_once(position: Position | None, loop: int) -> bool:
    return position is not None and position.once and position.loop == loop


def _overlap(a: tuple[At, ...], b: tuple[At, ...]) -> bool:
    """Whether two selections can mean the same element."""
    return all(_meet(x, y) for x, y in zip(a, b, strict=False))


def _meet(a: At, b: At) -> bool:
    if a.key == b.key:
        return True
    if a.exact is not None and b.exact is not None:
        return a.exact == b.exact
    if a.running and b.running:
        return True
    for one, other in ((a, b), (b, a)):
        if one.running and one.sure is not None and not _surely_visited(one.sure, other.exact):
            continue
        if one.running and isinstance(other.exact, int):
            if other.exact >= 0:
                return other.exact >= one.low
            return -other.exact > one.high
        if one.running and other.bound is not None and other.bound == one.bound:
            return other.less > one.high
    return False


def _surely_visited(sure: int, exact: int | str | None) -> bool:
    return isinstance(exact, int) and 0 <= exact < sure


def _scope(block: EnteredBlock | None) -> Scope | None:
    return None if block is None else Scope(block.name, block.file.source.span(block.node))


def _loop(loop: LoopFrame, countable: bool) -> Loop:
    source = loop.file.source
    node = loop.node
    span = source.span(node)
    header = span
    if isinstance(node, (ast.For, ast.AsyncFor)):
        end = source.span(node.iter)
        header = Span(span.path, span.line, span.column, end.end_line, end.end_column)
    elif isinstance(node, ast.While):
        end = source.span(node.test)
        header = Span(span.path, span.line, span.column, end.end_line, end.end_column)
    statement = "call"
    if isinstance(node, (ast.For, ast.AsyncFor)):
        statement = "for"
    elif isinstance(node, ast.While):
        statement = "while"
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        statement = "comprehension"
    return Loop(span, header, loop.times, loop.known, _text(loop.over), statement, loop.given, countable)


def _text(node: ast.AST) -> str:
    """Source of an expression on one line, shortened for a message."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
        if node.func.id in ("enumerate", "reversed", "list", "tuple"):
            return _text(node.args[0])
    try:
        text = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError, AttributeError):
        return ""
    return text if len(text) <= 60 else text[:57] + "..."
