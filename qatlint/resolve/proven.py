"""What a report proves of the choices that source leaves open: how often loops turn, which way tests go.

Source may say both by a default, or by a constant that other code sets again; the model may have been built
in another way. What the report counts of the modules that run in a loop or behind a test tells it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from qatlint.condition import OF_MANY, TRAINING, TRUE, Atom, Condition
from qatlint.resolve.executions import Executions, Times
from qatlint.resolve.runs import Runs, inside
from qatlint.trace import QuantOp, Ran

_PASSES = 3
"""What is known of one test or loop may prove another."""


class Proof(NamedTuple):
    """What is proven of the loops and tests around some calls."""

    turns: Mapping[int, Times] = MappingProxyType({})
    """How often loops turn, by their numbers."""
    known: frozenset[int] = frozenset()
    """Literals that hold."""
    groups: Mapping[int, Hashable] = MappingProxyType({})
    """Atoms of which one of each group holds at most, in all turns."""

    def simplified(self, runs: Iterable[Ran]) -> list[Ran]:
        """Without the runs that are ruled out, and without tests whose outcome is known."""
        if not self.known:
            return list(runs)
        found = ((run, _rest(run.when, self.known)) for run in runs)
        return [run._replace(when=when) for run, when in found if when]


NOTHING_PROVEN = Proof()


class Proofs:
    """What one report proves of one model."""

    def __init__(self, runs: Runs, executions: Executions, part: str = "") -> None:
        """`part`: what the names of the report have in front of those in the model."""
        self._runs, self._executions = runs, executions
        self._before = f"{part}." if part else ""
        self._found: dict[str, Proof] = {}
        fixed = {n: atom for n, atom in runs.flow.atoms.items() if atom.varies == frozenset()}
        self._groups = {n: atom.group for n, atom in fixed.items() if atom.group is not None}
        self._sites: dict[str, list[QuantOp]] = {}
        """Module -> the ops that run it."""
        for op in runs.flow.ops:
            module = inside(op.module, runs.below) if op.module else None
            if module:
                self._sites.setdefault(module, []).append(op)

    def of(self, owner: str) -> Proof:
        """That of the forward of a module, by its name, and of all forwards around it."""
        if owner not in self._found:
            outer = self.of(owner.rpartition(".")[0]) if owner else NOTHING_PROVEN
            patterns = self._runs.patterns_at(owner)
            # Of several that it may be nobody knows which one that is.
            found = self._of_one(patterns.pop(), owner, outer) if len(patterns) == 1 else outer
            self._found[owner] = found._replace(groups=self._groups)
        return self._found[owner]

    def _of_one(self, pattern: str, owner: str, outer: Proof) -> Proof:
        runs = self._runs.order_of(self._runs.held_at(owner))
        around = min(run.outside for run in runs)
        loops = {loop.number for run in runs for loop in run.loops[around:] if loop.given}
        tests = {abs(x) for run in runs for term in run.when for x in term}
        outside = {loop.number for run in runs for loop in run.loops[:around]}
        usable = {
            n: atom
            for n, atom in self._runs.flow.atoms.items()
            if n in tests and atom.varies is not None and atom.varies <= outside | {OF_MANY}
        }
        if not loops and not usable:
            return outer
        modules = list(self._modules_in(pattern, owner, around))
        known = _outcomes(modules, usable, outer.known) if usable else outer.known
        turns = dict(outer.turns)
        if loops and len({run.entry for run in runs}) == 1:
            self._count_turns(modules, owner, loops, turns, known)
        return Proof(turns, known)

    def _modules_in(self, pattern: str, owner: str, around: int) -> Iterator[_Module]:
        """The modules that a forward runs, directly or in other forwards, of which the report says how
        often they ran."""
        before = f"{pattern}." if pattern else ""
        for path, sites in self._sites.items():
            if not path.startswith(before):
                continue
            own = f"{owner}.{path[len(before) :]}" if owner else path
            times = self._executions.of(self._before + own)
            if times is None:
                continue
            holders = [inside(op.path, self._runs.below) for op in sites]
            if all(h is not None and f"{h}.".startswith(before) for h in holders):
                yield _Module(own, times, self._runs.order_of(sites), around, len(sites))

    def _count_turns(
        self,
        modules: Sequence[_Module],
        owner: str,
        loops: set[int],
        turns: dict[int, Times],
        known: frozenset[int],
    ) -> None:
        runs_of_owner = 1 if not owner else _runs_of_owner(modules, known)
        for _ in range(_PASSES):
            for module in modules:
                found = module.turns(loops, turns, known, runs_of_owner)
                if found is not None:
                    loop, times = found
                    before = turns.get(loop, Times(0))
                    if not before.is_exact and (times.is_exact or times.least > before.least):
                        turns[loop] = times
        for loop in loops - turns.keys():
            if least := _named_turns(modules, loop):
                turns[loop] = Times(least)


class _Module(NamedTuple):
    """A module that runs in a forward."""

    name: str
    """Its name in the report, or with `*` the names of several."""
    times: Times
    runs: list[Ran]
    around: int
    """The loops around that forward."""
    sites: int
    """The places that run it."""

    def is_sure(self, known: frozenset[int]) -> bool:
        """Whether it runs wherever that forward does, but for the turns of loops."""
        return all(_rest(run.when, known | {-TRAINING}) == TRUE for run in self.runs)

    def turns(
        self, loops: set[int], turns: Mapping[int, Times], known: frozenset[int], runs_of_owner: int
    ) -> tuple[int, Times] | None:
        """The loop whose turns follow from how often it ran, and these turns."""
        wanted, in_loop, beside = None, 0, 0
        for run in self.runs:
            factor, open_loop = 1, None
            for loop in run.loops[self.around :]:
                counted = turns.get(loop.number)
                if counted is not None and counted.is_exact:
                    factor *= counted.least
                elif loop.turn < 0 and loop.number in loops and open_loop is None:
                    open_loop = loop.number
                elif loop.turn < 0 and loop.times and not loop.given:
                    factor *= loop.times
                else:
                    return None
            if open_loop is None:
                beside += factor
            elif wanted in (None, open_loop):
                wanted, in_loop = open_loop, in_loop + factor
            else:
                return None
        if wanted is None or not in_loop:
            return None
        if not runs_of_owner or len(self.runs) > self.sites:  # in an entry of a Sequential that has many
            return (wanted, Times(1)) if self.times.least and not beside else None
        times, rest = divmod(self.times.least, runs_of_owner)
        is_exact = self.times.is_exact and not rest and self.is_sure(known)
        left = max(times - beside, 0)
        is_exact = is_exact and times >= beside and left % in_loop == 0
        return wanted, Times(-(-left // in_loop), is_exact)


def _runs_of_owner(modules: Iterable[_Module], known: frozenset[int]) -> int:
    """How often a forward ran, by a module that runs once in it; 0 where nothing tells it."""
    for module in modules:
        is_single = len(module.runs) == module.sites == 1 and len(module.runs[0].loops) <= module.around
        if is_single and "*" not in module.name and module.times.is_exact and module.is_sure(known):
            return module.times.least
    return 0


def _named_turns(modules: Iterable[_Module], loop: int) -> int:
    """The turns of a loop over names, where each has a module of its own that ran; 0 where one has none."""
    turns, proven = set(), set()
    for module in modules:
        own = {one.turn for run in module.runs for one in run.loops if one.number == loop and one.turn >= 0}
        turns |= own
        if len(own) == 1 and module.times.least and "*" not in module.name:
            if all(any(one.number == loop for one in run.loops) for run in module.runs):
                proven |= own
    return len(turns) if turns == proven else 0


def _outcomes(
    modules: Sequence[_Module], usable: Mapping[int, Atom], known: frozenset[int]
) -> frozenset[int]:
    """The literals that hold, since what is behind a test ran, or did not."""
    given = known
    for _ in range(_PASSES):
        before = known
        for module in modules:
            single = "*" not in module.name
            atoms = {n for n, atom in usable.items() if single or OF_MANY not in (atom.varies or ())}
            rests = [_rest(run.when, known) for run in module.runs]
            if module.times.least:
                terms = [term for rest in rests for term in rest]
                shared = frozenset.intersection(*terms) if terms else frozenset()
                known |= {x for x in shared if abs(x) in atoms}
            elif module.times.is_exact:
                for run, rest in zip(module.runs, rests, strict=True):
                    if len(run.loops) <= module.around:
                        (known,) = [known | {-x for t in rest if len(t) == 1 for x in t if abs(x) in atoms}]
        known |= _excluded(known, usable)
        if known == before:
            break
    # A report that says both is about other source.
    return known if all(-x not in known for x in known) else given


def _excluded(known: frozenset[int], usable: Mapping[int, Atom]) -> set[int]:
    """What does not hold, since something else of the same group does."""
    groups = {usable[x].group: x for x in known if x in usable and usable[x].group is not None}
    return {-n for n, atom in usable.items() if atom.group in groups and groups[atom.group] != n}


def _rest(when: Condition, known: frozenset[int]) -> Condition:
    """What is left of a condition where some literals hold."""
    if when == TRUE or not known:
        return when
    return frozenset(term - known for term in when if not any(-x in known for x in term))
