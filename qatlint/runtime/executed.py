"""From recordings to Traces: what the forwards of every class did, in the shape that source gives.

Source says what may happen, an executed model what happened in these forwards: the least and the most
executions of each module over all forwards of all instances of a class. A module belongs to the nearest
owner in whose forward it ran and that holds it, as in the Traces of source.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import NamedTuple

from qatlint.condition import FALSE, TRUE, Atom, Condition, either, literal
from qatlint.horizon.modules import UNKNOWN, facts_of
from qatlint.runtime.edges import pattern, relative_paths
from qatlint.runtime.recording import Execution, ModuleFacts, Place, Recording
from qatlint.trace import Call, Kind, Module, Name, Scope, Span, Times, Trace

_VARIANTS = 8
"""Different ways to run one module that are told apart; more are counted as one."""


class _Known(NamedTuple):
    """A module with what it is made of."""

    facts: ModuleFacts
    parameters: bool
    buffers: bool
    internals: frozenset[Kind]
    """Kinds of the leaves inside it."""


class _Run(NamedTuple):
    """One execution of a module as its owner sees it."""

    path: str
    """From the owner, positions as they are."""
    known: _Known
    called: Execution
    """What the owner's own body called: the module itself, or what led to it."""
    execution: Execution
    implied: bool


class _Forward(NamedTuple):
    """One forward of one owner."""

    holds: tuple[tuple[str, _Known], ...]
    runs: tuple[_Run, ...]


class _Owner(NamedTuple):
    """One class, with all that was seen of it."""

    facts: ModuleFacts
    forwards: list[_Forward]


def traces(recordings: Sequence[Recording]) -> list[Trace]:
    """One Trace per class of the project whose instances ran, the model's own class first."""
    owners: dict[str, _Owner] = {}
    for recording in recordings:
        _collect(recording, owners)
    notes = tuple(dict.fromkeys(note for recording in recordings for note in recording.notes))
    found = [_Tracer(owner).trace() for owner in owners.values()]
    if found:
        found[0] = found[0]._replace(notes=notes)
    return found


def is_owner(facts: ModuleFacts) -> bool:
    """Whether its class is the project's: neither a leaf nor a container of torch."""
    return not facts.leaf and not facts.class_name.startswith("torch.")


def _collect(recording: Recording, owners: dict[str, _Owner]) -> None:
    """Add what one recording shows."""
    modules = {known.facts.path: known for known in _known(recording.modules)}
    runs: dict[int, list[_Run]] = defaultdict(list)
    for execution in recording.executions:
        if execution.parent >= 0:
            _assign(execution, recording.executions, modules, runs)
    held: dict[str, tuple[tuple[str, _Known], ...]] = {}
    for execution in recording.executions:
        facts = modules[execution.module].facts
        if is_owner(facts):
            if facts.path not in held:
                held[facts.path] = tuple(_held(facts, modules.values()))
            forward = _Forward(held[facts.path], tuple(runs[execution.number]))
            owners.setdefault(facts.class_name, _Owner(facts, [])).forwards.append(forward)


def _assign(
    execution: Execution,
    executions: Sequence[Execution],
    modules: dict[str, _Known],
    runs: dict[int, list[_Run]],
) -> None:
    """Give an execution to the nearest owner above it that holds the module."""
    module = modules[execution.module]
    below = execution
    implied = False
    while below.parent >= 0:
        above = executions[below.parent]
        facts = modules[above.module].facts
        if is_owner(facts):
            paths = [path for path in relative_paths(facts, module.facts) if path]
            if paths:
                runs[above.number].append(_Run(paths[0], module, below, execution, implied))
                return
            implied = False  # handed to a child, which calls it by name
        elif below is execution:
            implied = True
        below = above


def _known(modules: Sequence[ModuleFacts]) -> Iterable[_Known]:
    """Every module with what is inside it."""
    by_name = {name: facts.path for facts in modules for name in facts.names}
    inside: dict[str, dict[str, ModuleFacts]] = {facts.path: {facts.path: facts} for facts in modules}
    for facts in modules:
        for name in facts.names:
            parts = name.split(".")
            for cut in range(len(parts)):
                above = by_name.get(".".join(parts[:cut]))
                if above is not None:
                    inside[above][facts.path] = facts
    for facts in modules:
        parts_of = inside[facts.path].values()
        yield _Known(
            facts,
            any(part.parameters for part in parts_of),
            any(part.buffers for part in parts_of),
            frozenset(_kind(part) for part in parts_of if part.leaf and part is not facts),
        )


def _held(owner: ModuleFacts, modules: Iterable[_Known]) -> Iterable[tuple[str, _Known]]:
    """(path, module) of what the owner holds itself, not inside a child that is an owner or a leaf."""
    inside: list[str] = []
    for known in modules:
        for path in relative_paths(owner, known.facts):
            if path and not any(path.startswith(f"{above}.") for above in inside):
                yield path, known
                if known.facts.leaf or is_owner(known.facts):
                    inside.append(path)


class _Tracer:
    """Makes the Trace of one class."""

    def __init__(self, owner: _Owner) -> None:
        self.owner = owner
        self.known: dict[str, _Known] = {}
        self.names: dict[str, dict[str, int]] = defaultdict(dict)
        """Subject -> its other paths, with how many positions of a container hold the one instance."""
        self.atoms: dict[int, Atom] = {}
        self.conditions: list[Condition] = []

    def trace(self) -> Trace:
        for forward in self.owner.forwards:
            self._learn(forward)
        modules, calls = [], []
        for key, subject in enumerate(self.known, 1):
            modules.append(self._module(key, subject))
            calls.extend(self._calls(key, subject))
        facts = self.owner.facts
        return Trace(
            owner=facts.class_name,
            span=_definition(facts),
            bases=facts.mro,
            modules=tuple(modules),
            calls=tuple(calls),
            atoms=self.atoms,
            facts=tuple(self.conditions),
        )

    def _learn(self, forward: _Forward) -> None:
        """Names and classes of what one owner holds and what it ran."""
        by_instance: dict[str, list[str]] = defaultdict(list)
        for path, known in forward.holds:
            by_instance[known.facts.path].append(path)
            self.known.setdefault(pattern(by_instance[known.facts.path][0]), known)
        for run in forward.runs:
            self.known.setdefault(pattern(run.path), run.known)
        for paths in by_instance.values():
            names = self.names[pattern(paths[0])]
            for name, positions in Counter(pattern(path) for path in paths).items():
                names[name] = max(names.get(name, 0), positions)

    def _module(self, key: int, subject: str) -> Module:
        known = self.known[subject]
        owner = self.owner.facts
        span = _definition(owner)
        names = self.names[subject] or {subject: 1}
        return Module(
            key=key,
            path=subject,
            kind=_kind(known.facts),
            class_name=known.facts.class_name.replace(":", "."),
            parameters=known.parameters,
            buffers=known.buffers,
            definition=span,
            definition_owner=owner.class_name,
            names=tuple(Name(name, span, positions, owner.class_name) for name, positions in names.items()),
            family="*" in subject,
            internals=tuple(sorted(known.internals, key=lambda kind: kind.name)),
        )

    def _calls(self, key: int, subject: str) -> list[Call]:
        """One call per place, with its least and most executions of one instance in one forward.

        When places add up to more than ever ran, the forwards took different paths: then each way to
        run the module is a path of its own.
        """
        seen: dict[tuple[Place, str, bool], _Run] = {}
        ways: Counter[tuple[tuple[tuple[Place, str, bool], int], ...]] = Counter()
        for forward in self.owner.forwards:
            counts: dict[str, Counter[tuple[Place, str, bool]]] = {
                known.facts.path: Counter() for path, known in forward.holds if pattern(path) == subject
            }
            for run in forward.runs:
                if pattern(run.path) == subject and run.called.place is not None:
                    where = (run.called.place, run.execution.method, run.implied)
                    seen.setdefault(where, run)
                    counts.setdefault(run.execution.module, Counter())[where] += 1
            if counts:
                ways.update(tuple(sorted(each.items())) for each in counts.values())
            else:
                ways[()] += 1
        exact = [dict(way) for way in ways]
        places = {where: _times([way.get(where, 0) for way in exact]) for where in seen}
        total = _times([sum(way.values()) for way in exact])
        sums = Times(sum(t.least for t in places.values()), sum(t.most or 0 for t in places.values()))
        if sums == total or not 1 < len(exact) <= _VARIANTS:
            return [self._call(key, seen[where], times, TRUE) for where, times in places.items()]
        conditions = [self._variant(subject, number, len(exact)) for number in range(1, len(exact) + 1)]
        self.conditions.append(reduce(either, conditions, FALSE))
        return [
            self._call(key, seen[where], Times(way[where], way[where]), when)
            for way, when in zip(exact, conditions, strict=True)
            for where in seen
            if where in way
        ]

    def _variant(self, subject: str, number: int, of: int) -> Condition:
        """The condition of one way to run a module; ways exclude each other."""
        atom = len(self.atoms) + 2  # atom 1 is `self.training`
        self.atoms[atom] = Atom(atom, f"<way {number} of {of}>", group=("ways", subject))
        return literal(atom)

    def _call(self, key: int, run: _Run, times: Times, when: Condition) -> Call:
        place = run.called.place
        assert place is not None, "only the model itself runs without a place"
        span = _span(place)
        inner = run.execution.place
        scope = run.called.scope
        return Call(
            module=key,
            span=span,
            callee=span,
            owner=self._class_of(place),
            function=place.function.rpartition(".")[2],
            times=times,
            when=when,
            method=run.execution.method or "forward",
            inside=None if inner is None or inner == place else _span(inner),
            implied=run.implied,
            scope=None if scope is None else Scope(scope, span),
        )

    def _class_of(self, place: Place) -> str:
        """The class whose body holds a call, of those the owner is made of."""
        qualname = place.function.rpartition(".")[0]
        facts = self.owner.facts
        for name in (facts.class_name, *facts.mro):
            if name.rpartition(":")[2] == qualname:
                return name
        return "" if qualname else facts.class_name


def _kind(facts: ModuleFacts) -> Kind:
    dotted = facts.class_name.replace(":", ".")
    known = facts_of(dotted)
    if known is not UNKNOWN and (facts.leaf or facts.class_name.startswith("torch.")):
        return known.kind
    return Kind.OTHER if facts.leaf else Kind.PROJECT


def _times(counts: Sequence[int]) -> Times:
    return Times(min(counts), max(counts))


def _definition(facts: ModuleFacts) -> Span:
    return Span(facts.source, facts.line, 1, facts.line, 1)


def _span(place: Place) -> Span:
    return Span(place.path, place.line, max(place.column, 1), place.end_line, max(place.end_column, 1))
