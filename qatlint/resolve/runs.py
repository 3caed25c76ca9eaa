"""The ops of a model by the dotted names of a report; time goes with the length of a name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from qatlint.condition import TRAINING
from qatlint.horizon.judging.facts import kind_of
from qatlint.trace import Flow, Kind, QuantOp, Ran


class SureCalls(NamedTuple):
    """The runs of a module of which it is known how many there are."""

    times: int
    kind: Kind


class Runs:
    """What a model runs, for lookups by name."""

    def __init__(self, flow: Flow, below: str = "") -> None:
        """`below`: only what runs in the part of the model at this path, with names as they are in there."""
        self.flow, self.below = flow, below
        self._ops, self._order = flow.ops, flow.order
        self._has_stubs = any(op.stub is not None and op.stub.quantizes for op in flow.ops)
        self._ran: dict[int, list[int]] = {}
        for number, ran in enumerate(flow.order):
            self._ran.setdefault(ran.op, []).append(number)
        self.root = (
            next((op.runner for op in flow.ops if op.path == below), flow.root) if below else flow.root
        )
        """The class that was followed, or that of the part."""
        self._is_complete = flow.complete
        self._modules, self._owners, self._holders, self._open = _Node(), _Node(), _Node(), _Node()
        for number, op in enumerate(flow.ops):
            path = inside(op.path, below)
            if path is None:
                continue
            self._holders.add(path, number)
            if not op.name:
                self._open.add(path, number)
            if op.module:
                self._modules.add(inside(op.module, below) or "", number)
                continue
            self._owners.add(path, number)
            attribute = op.written.removeprefix("self.")
            if attribute != op.written and attribute.isidentifier():
                # A module of an unknown class, or of the class itself, by the attribute that holds it.
                self._modules.add(f"{path}.{attribute}" if path else attribute, number)

    @property
    def firsts(self) -> set[str]:
        """The modules that it holds itself, by the beginnings of all names."""
        return {*self._modules.below, *self._owners.below}

    def of_module(self, name: str) -> list[QuantOp]:
        """The runs of the module of this name, in their order."""
        return self._at(self._modules.find(name))

    def of_functions(self, owner: str) -> list[QuantOp]:
        """What the forward of the module of this name computes without a module, in its order."""
        return self._at(self._owners.find(owner))

    def classes_at(self, path: str) -> set[str]:
        """The class of the module of this name and those that it inherits the text of its forward from, as
        far as it runs anything itself."""
        found = {name for op in self.held_at(path) for name in (op.runner, op.owner)}
        return found if path else found | {self.root}

    def held_at(self, path: str) -> list[QuantOp]:
        """What the forward of the module of this name runs itself, in its order."""
        return self._at(self._holders.find(path))

    def patterns_at(self, path: str) -> set[str]:
        """The paths in the model that the module of this name may stand at, of those that run anything."""
        return {inside(op.path, self.below) or "" for op in self.held_at(path)}

    def surely_runs(self, name: str) -> bool:
        """Whether the module of this name runs in each forward of the deployed model."""
        return any(
            _always(self._order[n]) for op in self.of_module(name) for n in self._ran.get(op.number, ())
        )

    def sure_calls(self) -> dict[str, SureCalls]:
        """Module -> how often it runs, of those of which that is known."""
        found: dict[str, SureCalls] = {}
        open_ones = set()
        for op in self.flow.ops:
            path = inside(op.module, self.below) if op.module else None
            if path is None or "*" in path or not op.name:
                continue
            runs = [self._order[n] for n in self._ran.get(op.number, ())]
            if not all(map(_always, runs)):
                open_ones.add(path)
            before = found[path].times if path in found else 0
            found[path] = SureCalls(before + len(runs), kind_of(op.class_name))
        return {path: calls for path, calls in found.items() if path not in open_ones}

    def may_hold(self, name: str) -> bool:
        """Whether a name may be of something in a part of the model that source does not tell, though what
        that part is called."""
        first = name.partition(".")[0]
        is_held = any(_may_be(part, first, is_known=False) for part in self.firsts)
        return is_held and self.is_open(name.rpartition(".")[0])

    @cached_property
    def has_nameless(self) -> bool:
        """Whether its own forward runs something of which source does not tell what it is called: what
        `getattr` gives, an entry of a list."""
        return any(not op.written.startswith("self.") for op in self._at(self._open.find("")))

    def sure_functions(self) -> list[QuantOp]:
        """What each forward of the deployed model computes between the stubs without a module."""
        ops = [op for op in self.flow.ops if op.name and not op.module and "*" not in op.path]
        return [op for op in ops if any(map(_is_inside, self.between_stubs([op])))]

    def is_open(self, path: str) -> bool:
        """Whether the module of this name, or one around it, runs something that was not followed: what that
        is and has in it source does not tell."""
        parts = path.split(".")
        around = ("", *(".".join(parts[:cut]) for cut in range(1, len(parts) + 1)))
        return not self._is_complete or any(self._open.find(name) for name in around)

    def order_of(self, ops: Iterable[QuantOp]) -> list[Ran]:
        """The runs of these, in their order."""
        numbers = sorted(number for op in ops for number in self._ran.get(op.number, ()))
        return [self._order[number] for number in numbers]

    def between_stubs(self, ops: Iterable[QuantOp]) -> list[Ran]:
        """Those of the runs that are or may be between the stubs; prepare drops the others before it makes
        modules of functions. What has no QuantStub is taken for a part of what has one."""
        runs = self.order_of(ops)
        if not self._has_stubs:
            return [run._replace(inside=True) for run in runs]
        return [run for run in runs if run.inside is not False]

    def _at(self, numbers: Iterable[int]) -> list[QuantOp]:
        return [self._ops[number] for number in sorted(numbers)]


def parts_of(flows: Iterable[Flow]) -> list[tuple[Flow, str]]:
    """Where the classes run that some models have: of one that is only a part of them, in the first that has
    it."""
    found: dict[str, tuple[Flow, str]] = {}
    for flow in flows:
        found.setdefault(flow.root, (flow, ""))
    for flow, _ in list(found.values()):
        for path, runner in dict.fromkeys((op.path, op.runner) for op in flow.ops):
            if path and runner:
                found.setdefault(runner, (flow, path))
    return list(found.values())


def _always(run: Ran) -> bool:
    """Whether something runs exactly once in each forward of the deployed model."""
    return not run.loops and any(term <= {-TRAINING} for term in run.when)


def _is_inside(run: Ran) -> bool:
    return bool(run.inside) and _always(run)


def inside(path: str, below: str) -> str | None:
    """A path as it is seen from one around it; None where it is not in there."""
    if not below or path == below:
        return path.removeprefix(below)
    return path.removeprefix(f"{below}.") if path.startswith(f"{below}.") else None


class _Node:
    """A tree of dotted patterns: `layers.*.norm*` stands for `layers.3.norm1`."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._children: dict[str, _Node] = {}
        self._loose: dict[str, _Node] = {}
        """Those of the children that stand for several names."""

    @property
    def below(self) -> Iterable[str]:
        """The first parts of all patterns."""
        return self._children

    def add(self, pattern: str, number: int) -> None:
        """Put a number at a pattern."""
        node = self
        for part in pattern.split("."):
            child = node._children.get(part)
            if child is None:
                child = node._children[part] = _Node()
                if "*" in part:
                    node._loose[part] = child
            node = child
        node._numbers.append(number)

    def find(self, name: str) -> set[int]:
        """The numbers at all patterns that a name matches."""
        nodes = [self]
        for part in name.split("."):
            nodes = [child for node in nodes for child in node._matching(part)]
            if not nodes:
                break
        return {number for node in nodes for number in node._numbers}

    def _matching(self, name: str) -> list[_Node]:
        exact = self._children.get(name)
        loose = [
            child
            for part, child in self._loose.items()
            if part != name and _may_be(part, name, is_known=exact is not None)
        ]
        return loose if exact is None else [exact, *loose]


def _may_be(part: str, name: str, *, is_known: bool) -> bool:
    """Whether a pattern may stand for a name. Of one that stands elsewhere as it is (`is_known`) a part may
    be another number, and not other letters: `d{i}` is no `dequant`."""
    if part == "*":
        return True
    some = r"\d*" if is_known else ".*"
    return re.fullmatch(re.escape(part).replace(r"\*", some), name) is not None
