"""Which fusable sequences become one module in prepare, and why others do not.

Modules are fused by swapping them in place, so how often each member runs decides [V]. Let `c` be how
often the root runs in one forward:

* a ReLU that runs more often than `c` is left alone, the rest is fused without it; otherwise it becomes an
  Identity, and several ReLUs may join one root [V];
* batch norm and add must run equally often, or nothing is fused [V];
* if they run less often than `c`, it must be a multiple of theirs; the fused module takes their place, and
  the root is taken away with the last of them [V]. So a shared convolution folds a batch norm of its own at
  each call; a call without one leaves the root where it is, to be computed twice [D];
* a batch norm or add that would be part of two different sequences stops prepare with an error [V];
* what is fused away is gone for its other calls too: they silently compute something else [V: the one
  version of the source that was read has no check for it; D: that nothing else catches it].

Inside a dynamic_block each entry is counted by itself, and all entries must do the same [D: the manual's
fix of its own example is that of several convolutions with one add per entry]. A line that runs several
times in one run of its scope is a loop whose functions are not fused [D: the same example before the fix].
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from enum import Enum
from typing import NamedTuple

from qatlint.horizon.ops import Confidence, Role, op_name
from qatlint.runtime.changes import Changes, changes, pairs
from qatlint.runtime.flow import Entry, Flow, Unit
from qatlint.runtime.recording import Op
from qatlint.runtime.sequences import Chain, chains

_RELU = "relu"
"""One name for all ReLUs of a root: they become one."""


class Reason(Enum):
    """Why a sequence is not fused, or not as a whole."""

    SHARED = "shared member"
    USERS = "other consumer"
    SCOPES = "different scopes"
    LOOP = "loop without dynamic_block"
    ORDER = "order"


class Trouble(Enum):
    """What is worse than not being fused."""

    NONE = ""
    STOPS = "prepare stops with an error"
    CHANGES = "results may change"


class Fusion(NamedTuple):
    """One execution of a fusable sequence."""

    members: tuple[int, ...]
    """Numbers of its ops, in order."""
    fused: int
    """How many of the first members become one module: 0, or 2 and more."""
    reason: Reason | None = None
    """None when all of them do."""
    why: str = ""
    """The reason in a sentence, with the names of the user's modules."""
    trouble: Trouble = Trouble.NONE
    confidence: Confidence = Confidence.READ
    class_name: str = ""
    """Class of the fused module in the plugin: `ConvAddReLU2d`."""
    path: str = ""
    """Where the fused module stands after prepare."""

    @property
    def whole(self) -> bool:
        """Whether it is fused as a whole, and nothing else suffers."""
        return self.fused == len(self.members) and self.trouble is Trouble.NONE


def fusions(flow: Flow) -> tuple[Fusion, ...]:
    """Every fusable sequence of a recording, in order of execution."""
    found = chains(flow)
    judged = iter(_Judge(flow, [chain for chain in found if chain.misplaced is None]).judged())
    return tuple(next(judged) if chain.misplaced is None else _misplaced(flow, chain) for chain in found)


def compare(
    before: Flow, old: Sequence[Fusion], after: Flow, new: Sequence[Fusion]
) -> Changes[tuple[Flow, Fusion]]:
    """The sequences of two versions of a model, those with the same root and shape side by side."""
    return changes(
        pairs([(before, f) for f in old], [(after, f) for f in new], _key), lambda f: _badness(f[1])
    )


def _key(pair: tuple[Flow, Fusion]) -> Hashable:
    flow, fusion = pair
    first = flow.ops[fusion.members[0]]
    owner = flow.recording.executions[first.execution].class_name
    return owner.rpartition(":")[2], first.target, first.output_facts, fusion.reason is Reason.ORDER


def _badness(fusion: Fusion) -> int:
    if fusion.trouble is not Trouble.NONE:
        return 3
    return 0 if fusion.whole else 1 if fusion.fused else 2


def _misplaced(flow: Flow, chain: Chain) -> Fusion:
    assert chain.misplaced is not None
    label = flow.labels
    at = chain.members.index(chain.misplaced)
    other, side = (chain.members[at - 1], "after") if at else (chain.members[1], "before")
    return Fusion(
        chain.members,
        0,
        Reason.ORDER,
        f"`{label[chain.misplaced]}` comes {side} `{label[other]}`; what fuses is a convolution or linear "
        "layer, then batch norm, add, ReLU",
    )


class _Attempt:
    """One sequence while it is judged."""

    def __init__(self, flow: Flow, chain: Chain) -> None:
        self.chain = chain
        self.members = chain.wanted
        self.taken = len(chain.members)
        self.reason: Reason | None = None
        self.why = ""
        self.trouble = Trouble.NONE
        self.confidence = Confidence.READ
        self.roles = []
        self.names: list[Hashable] = []
        self.units: list[Unit] = []
        entries = [flow.entries(m) for m in self.members]
        self.entry: Entry | None = entries[0][-1] if entries[0] else None
        for number, inside in zip(self.members, entries, strict=True):
            unit, meaning = flow.units[number], flow.meanings[number]
            # A function that prepare leaves alone has no role; `sequences` gives none to it.
            assert unit is not None and meaning is not None and meaning.fuses is not None
            self.units.append(unit)
            self.roles.append(meaning.fuses)
            self.names.append(_scoped(unit, inside))

    def cut(self, taken: int, reason: Reason, why: str) -> None:
        """Only the first `taken` members are fused."""
        self.taken = taken if taken > 1 else 0
        self.reason, self.why = reason, why

    @property
    def relu(self) -> Hashable | None:
        """The ReLU that is fused."""
        return self.names[self.taken - 1] if self.taken and self.roles[self.taken - 1] is Role.RELU else None

    @property
    def middle(self) -> list[Hashable]:
        """Batch norm and add that are fused."""
        return self.names[1 : self.taken - (self.relu is not None)]

    @property
    def pattern(self) -> tuple[Hashable, ...]:
        """Its members as prepare names them."""
        return (self.names[0], *self.middle, *([_RELU] if self.relu is not None else []))


class _Judge:
    def __init__(self, flow: Flow, found: Sequence[Chain]) -> None:
        self._flow = flow
        self._attempts = [_Attempt(flow, chain) for chain in found]
        self._counts: Counter[Hashable] = Counter()
        self._line_runs: Counter[Hashable] = Counter()
        for op in flow.ops:
            unit = flow.units[op.number]
            if unit is not None and op.number in flow.inside:
                self._counts[_scoped(unit, flow.entries(op.number))] += 1
                self._line_runs[_line(op)] += 1

    def judged(self) -> list[Fusion]:
        for attempt in self._attempts:
            self._by_users(attempt)
            self._by_scopes(attempt)
            self._by_lines(attempt)
            self._by_counts(attempt)
        self._by_entries()
        self._by_patterns()
        self._by_other_calls()
        return [self._fusion(attempt) for attempt in self._attempts]

    def _label(self, number: int) -> str:
        return f"`{self._flow.labels[number]}`"

    def _module(self, attempt: _Attempt, position: int) -> str:
        return f"`{attempt.units[position].path}`"

    def _by_users(self, attempt: _Attempt) -> None:
        """Only the last member may have several users [V: the checker; D: the matcher]."""
        barred = attempt.chain.barred
        if barred is not None:
            last = attempt.chain.members[-1]
            others = [self._label(user) for user in self._flow.users[last] if user != barred]
            why = f"the result of {self._label(last)} is also used by {_listed(others)}"
            attempt.cut(attempt.taken, Reason.USERS, why)

    def _by_scopes(self, attempt: _Attempt) -> None:
        """Members stand in the same entry of a dynamic_block, or all outside of any.

        With a block that ran once while tracing, prepare fuses across, and the model fails as soon as the
        block runs another number of times [V].
        """
        entries = [self._flow.entries(number) for number in attempt.members]
        for position in range(1, attempt.taken):
            if entries[position] != entries[0]:
                attempt.cut(
                    position,
                    Reason.SCOPES,
                    f"{self._label(attempt.members[0])} runs {_where(entries[0])} and "
                    f"{self._label(attempt.members[position])} {_where(entries[position])}",
                )
                attempt.confidence = Confidence.DEDUCED
                return

    def _by_lines(self, attempt: _Attempt) -> None:
        for position in range(1, attempt.taken):
            op = self._flow.ops[attempt.members[position]]
            runs = self._line_runs[_line(op)] if attempt.units[position].generated and op.place else 1
            if runs > 1 and op.place:
                scope = "one entry of its dynamic_block" if op.scope is not None else "one forward"
                attempt.cut(
                    position,
                    Reason.LOOP,
                    f"`{op_name(op.target)}` in line {op.place.line} runs {runs} times in {scope}, each time "
                    "as a module of its own",
                )
                attempt.confidence = Confidence.DEDUCED
                return

    def _by_counts(self, attempt: _Attempt) -> None:
        if attempt.entry is not None:
            attempt.confidence = Confidence.DEDUCED
        count = self._counts
        root = attempt.names[0]
        if attempt.relu is not None and count[attempt.relu] > count[root]:
            at = attempt.taken - 1
            attempt.cut(
                at,
                Reason.SHARED,
                f"{self._runs(attempt, at)} and {self._runs(attempt, 0)}: a ReLU that runs more often than "
                "the layer before it is left alone",
            )
        if not attempt.middle:
            return
        if len({count[name] for name in attempt.middle}) > 1:
            attempt.cut(
                0,
                Reason.SHARED,
                f"{self._runs(attempt, 1)} and {self._runs(attempt, 2)}: nothing is fused",
            )
        elif count[root] > count[attempt.middle[0]] and count[root] % count[attempt.middle[0]]:
            attempt.cut(
                0,
                Reason.SHARED,
                f"{self._runs(attempt, 0)} and {self._runs(attempt, 1)}: one must divide the other, or "
                "nothing is fused",
            )

    def _runs(self, attempt: _Attempt, position: int) -> str:
        times = self._counts[attempt.names[position]]
        return f"{self._module(attempt, position)} runs {times} {'time' if times == 1 else 'times'}"

    def _by_entries(self) -> None:
        """What prepare makes of a function in a dynamic_block serves all its entries: they must agree [D]."""
        runs = Counter(u.path for n, u in enumerate(self._flow.units) if u and n in self._flow.inside)
        alike: Counter[Hashable] = Counter()
        for attempt in self._attempts:
            for path in _served(attempt):
                alike[path, _shape(self._flow, attempt)] += 1
        for attempt in self._attempts:
            for path in _served(attempt):
                if alike[path, _shape(self._flow, attempt)] != runs[path]:
                    assert attempt.entry is not None
                    why = f"the entries of the dynamic_block `{attempt.entry.name}` do not do the same"
                    attempt.cut(0, Reason.SCOPES, why)
                    break

    def _by_patterns(self) -> None:
        """A module in two different patterns stops prepare. Of a root that runs more often than the others,
        only the others are looked at."""
        patterns: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        for attempt in self._attempts:
            if attempt.taken:
                for name in (attempt.names[0], *attempt.middle):
                    patterns[name].add(attempt.pattern)
        stopped = []
        for attempt in self._attempts:
            if not attempt.taken:
                continue
            looked_at = [*attempt.middle, *([] if self._runs_on(attempt) else [attempt.names[0]])]
            for position, name in enumerate(attempt.names):
                if name in looked_at and len(patterns[name]) > 1:
                    stopped.append((attempt, position))
                    break
        for attempt, position in stopped:
            why = (
                f"{self._module(attempt, position)} is part of different sequences, which prepare refuses "
                "with an error"
            )
            attempt.cut(0, Reason.SHARED, why)
            attempt.trouble = Trouble.STOPS

    def _runs_on(self, attempt: _Attempt) -> bool:
        """Whether the fused module takes the place of another member, and the root stays until the last."""
        middle = attempt.middle
        return bool(middle) and self._counts[attempt.names[0]] > self._counts[middle[0]]

    def _by_other_calls(self) -> None:
        """What a fused module replaces must run nowhere else, and every call must want the same of it."""
        uses: Counter[Hashable] = Counter()
        wishes: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        for attempt in self._attempts:
            if attempt.taken:
                uses.update(attempt.names[: attempt.taken])
                wishes[attempt.names[0]].add(self._turns(attempt))
                wishes[attempt.pattern].add(self._operand(attempt))
        for attempt in self._attempts:
            why = self._lost(attempt, uses, wishes)
            if why:
                attempt.reason, attempt.trouble, attempt.why = Reason.SHARED, Trouble.CHANGES, why
                attempt.confidence = Confidence.DEDUCED

    def _lost(
        self, attempt: _Attempt, uses: Counter[Hashable], wishes: defaultdict[Hashable, set[Hashable]]
    ) -> str:
        if not attempt.taken:
            return ""
        for position, name in enumerate(attempt.names[: attempt.taken]):
            if self._counts[name] == uses[name]:
                continue
            who = f"{self._module(attempt, position)} also runs outside of this sequence: prepare "
            if position == 0 and self._runs_on(attempt):
                return f"{who}leaves it where it is, and the fused module computes it a second time"
            return f"{who}fuses it, and its other calls compute something else from then on"
        if len(wishes[attempt.names[0]]) > 1 and self._runs_on(attempt):
            return (
                f"{self._module(attempt, 0)} is fused with modules that do not run equally often: it is "
                "taken away too early, or not at all"
            )
        if len(wishes[attempt.pattern]) > 1:
            return (
                f"{self._module(attempt, 0)} is the first operand of the add at one call and the second at "
                "another: the fused module knows one order"
            )
        return ""

    def _turns(self, attempt: _Attempt) -> int:
        return self._counts[attempt.middle[0]] if attempt.middle else 0

    def _operand(self, attempt: _Attempt) -> int:
        """Which operand of the add is absorbed."""
        for position in range(1, attempt.taken):
            if attempt.roles[position] is Role.ADD:
                add = self._flow.ops[attempt.members[position]]
                return add.inputs.index(attempt.members[position - 1])
        return 0

    def _fusion(self, attempt: _Attempt) -> Fusion:
        fusion = Fusion(
            attempt.members,
            attempt.taken,
            attempt.reason,
            attempt.why,
            attempt.trouble,
            attempt.confidence,
        )
        if not attempt.taken:
            return fusion
        taken = range(attempt.taken)
        home = next((p for p in taken if attempt.roles[p] is Role.ADD), 0)
        if not home and self._runs_on(attempt):
            home = 1
        classes = [self._flow.ops[number].target.rpartition(".")[2] for number in attempt.members]
        return fusion._replace(
            path=attempt.units[home].path,
            class_name=_fused_class(classes[0], [(attempt.roles[p], classes[p]) for p in taken]),
        )


def _scoped(unit: Unit, entries: tuple[Entry, ...]) -> Hashable:
    """Identity of a module; in a dynamic_block each entry is a world of its own."""
    return (unit.path, entries) if entries else unit.path


def _line(op: Op) -> Hashable:
    """The call in the source, in one run of its scope. A helper that is called from two places is no loop."""
    place = op.place
    if place is None:
        return (op.number,)
    spot = (place.column, place.end_column) if place.column else (place.instruction,)
    return op.execution, op.scope, op.scope_run, place.path, place.line, *spot, op.target, op.route


def _served(attempt: _Attempt) -> list[str]:
    """Generated modules of a fused sequence in a dynamic_block."""
    if attempt.entry is None:
        return []
    return [unit.path for unit in attempt.units[: attempt.taken] if unit.generated]


def _shape(flow: Flow, attempt: _Attempt) -> Hashable:
    """What a sequence is, whichever instances it has."""
    return tuple(flow.ops[n].target for n in attempt.members[: attempt.taken])


def _where(entries: tuple[Entry, ...]) -> str:
    if not entries:
        return "outside any dynamic_block"
    return f"in entry {entries[-1].run + 1} of the dynamic_block `{entries[-1].name}`"


def _listed(words: Sequence[str]) -> str:
    """`a`, `b` and 3 more."""
    shown = list(words[:3])
    if len(words) > len(shown):
        shown.append(f"{len(words) - len(shown)} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _fused_class(root: str, members: Sequence[tuple[Role, str]]) -> str:
    """`ConvAddReLU2d`: batch norm leaves no trace in the name."""
    base, dims = re.fullmatch(r"(.*?)(\dd)?", root).groups(default="")  # type: ignore[union-attr]
    for role, name in members:
        if role is Role.ADD:
            base += "Add"
        elif role is Role.RELU:
            base += "ReLU6" if "6" in name else "ReLU"
    return f"{base}{dims}"
