"""From the dotted names of a report to lines: each is looked for among the ops of a model that was read."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from qatlint.condition import either
from qatlint.horizon.judging.facts import Generated, InSource, generated_of, kind_of
from qatlint.horizon.judging.judgement import Judgement, Topic
from qatlint.resolve.executions import Executions
from qatlint.resolve.functions import is_constant, joins, makes_module, meant, spelt
from qatlint.resolve.located import Located, Place, Role
from qatlint.resolve.misfits import miscounted, without_place
from qatlint.resolve.positions import Total
from qatlint.resolve.proven import NOTHING_PROVEN, Proof, Proofs
from qatlint.resolve.rivals import MOST, in_any
from qatlint.resolve.runs import Runs, inside, parts_of
from qatlint.resolve.unrolled import DECORATED, EXCHANGED, OVERRIDDEN, REPLACED, UNFOLLOWED, Calls, Nth
from qatlint.trace import Flow, Kind, QuantOp, Ran, Span

_LABEL = re.compile(r"^(?P<name>.*?)(?:\(shared\))?(?:\[(?P<method>\w+)\])?(?:\((?P<call>\d+)\))?$")
NOBODY = "source does not tell"
_INSIDE = "what runs inside of it was not followed"
_NO_TOTAL = Total(0, False)
_MISSING = (EXCHANGED, REPLACED, DECORATED, UNFOLLOWED, OVERRIDDEN)
"""Why calls may be missing that nobody followed."""
_Key = TypeVar("_Key")
_INNER = 2
"""Modules inside of one that is a single op to the user: `div.reciprocal`, `norm.var.sum`."""
_WRAPPERS = 4
"""Wrappers around a model: `module.model.` has two."""
_TRIED = 1_000
"""Names that are looked for to find out which model a report is about."""
_COMPARED = 40
"""Names that tell of which class a part of the model is."""
_SHOWN = 3
"""Of such classes that are too many, those that are named."""
_CLASSES = 10
"""Classes that a part of the model may be of: where more of them have its names, these tell nothing."""
_ONE_PIECE = frozenset(
    {
        *(Kind.GEMM, Kind.BATCH_NORM, Kind.RELU, Kind.EMBEDDING, Kind.FLOAT_FUNCTIONAL),
        *(Kind.QUANT_STUB, Kind.DEQUANT_STUB, Kind.POOLING, Kind.DROPOUT, Kind.IDENTITY),
    }
)
"""Modules that have none inside; others are made of several (a table and a product, those of a norm)."""
OF_CALLS = frozenset(
    {
        Topic.QINT32,
        Topic.FLOAT_INPUT,
        Topic.MIXED,
        Topic.LOW_PRECISION,
        Topic.REDUNDANT_STUB,
        Topic.OTHER_DTYPE,
        Topic.NO_QCONFIG,
    }
)
"""What is said of one call of a module; the rest is said of the module, however often it is called."""


class Names:
    """The names of one report, looked up in one model and, for parts that source does not tell, in others."""

    def __init__(
        self,
        flow: Flow,
        names: Iterable[str],
        others: Sequence[Flow] = (),
        is_whole: bool = False,
        counted: Mapping[str, int] = MappingProxyType({}),
        below: str = "",
        ran: Executions | None = None,
    ) -> None:
        """`is_whole`: these are the names of all calls. `counted`: how often modules run, as far as the
        report says it of them. `below`: they are those of the part of the model at this path. `ran`: how
        often modules ran, what proves the choices that source leaves open; as far as the names tell it unless
        it is given."""
        self.flow = flow
        """The model."""
        self._runs, self._below = Runs(flow, below), below
        self.root = self._runs.root
        """`package.module:Class` of the model, or of its part."""
        self._is_whole, self._counted = is_whole, counted
        self._ran = ran
        self._proofs_of: dict[tuple[int, str], Proofs] = {}
        self._others = [other for other in others if other is not flow]
        self._found: dict[tuple[str, bool], tuple[list[QuantOp], str]] = {}
        self._written = list(dict.fromkeys(names))
        self._labels = list(dict.fromkeys(map(_plain, self._written)))
        self._wrapper = self._wrapper_of(self._labels)
        self._names = [self._unwrapped(name) for name in self._labels]
        self._likely: dict[tuple[str, ...], tuple[float, list[Runs]]] = {}
        self._calls_of_modules: dict[tuple[tuple[int, ...], Total, tuple[str, ...]], Calls] = {}
        """By the calls, how many there are, and the forwards that they are in."""
        self._calls_of_functions: dict[tuple[int, str, tuple[int, ...], Total], list[Calls]] = {}
        self._sorted = sorted(self._names)
        self._known: dict[tuple[str, str], bool] = {}
        self._never = [self._unwrapped(name) for name, times in counted.items() if not times]
        ran_too = set(self._names).difference(self._never)
        compared = [name for name in self._names if name in ran_too]
        self.compared = compared[:: len(compared) // _TRIED + 1]
        """Names of what ran, some where there are many: what did not run is no sign of a class that runs it.
        """
        has = sum(bool(self._ops(self._runs, name)) for name in self.compared)
        self.matched = has - sum(map(self._runs.surely_runs, self._never[:_TRIED]))
        """How many of these the model has, less those that it runs while they did not run."""
        self.rivals: tuple[Names, ...] = ()
        """Other models that have as many of them, at other lines."""

    def misfits(self) -> int:
        """Of how many modules and functions source tells that they run more or less often than the report
        says, or that they run at all where a whole report does not have them; and how many names are in no
        part of the model."""
        missing = [name for name in self.compared if not self._ops(self._runs, name)]
        found = miscounted(self._runs, self._executions, self._is_whole) + without_place(self._runs, missing)
        if not self._is_whole:
            return found
        firsts = {(made.owner, made.op): made for made in filter(None, map(generated_of, self._names))}
        for made in firsts.values():
            total = self._totals[made.owner, made.op]
            numbered = self._numbered(self._runs, self._calls_of(self._runs, made), made, total)
            found += not numbered or any(one.known or one.more for one in numbered)
        named = {(owner, meant(function)) for owner, function in firsts}
        running = {
            (inside(op.path, self._below), op.name)
            for op in self._runs.sure_functions()
            if makes_module(op) and not is_constant(op)
        }
        return found + len(running - named)

    def leads_where(self, other: Names) -> bool:
        """Whether the names lead to the same lines in another model, as in one that this one is a part of."""
        pairs = zip(self.compared, other.compared, strict=True)
        return all(
            _spans(self._ops(self._runs, own)) == _spans(other._ops(other._runs, its)) for own, its in pairs
        )

    def locate(self, judgement: Judgement) -> Located:
        """Where the modules of a row run, in any of the models that the report may be about."""
        places: dict[Place, None] = {}
        reasons: dict[str, None] = {}
        is_call = judgement.topic in OF_CALLS
        for label in judgement.names:
            ops, why = self.ops_of(label, is_call=is_call)
            tried = self.rivals[: MOST + 1]
            rivals = [(rival.root, rival.ops_of(label, is_call=is_call)[0]) for rival in tried]
            ops, why = in_any(ops, why, rivals)
            for op in ops:
                places[Place(op.span, op.owner, Role.RUNS, label)] = None
            if judgement.topic is Topic.SHARED:
                places.update(dict.fromkeys(_ways(ops, label)))
            if why:
                reasons[why] = None
        return Located(tuple(places), "; ".join(reasons))

    def reached(self, judgement: Judgement) -> list[QuantOp]:
        """All ops of a row: what findings are joined by."""
        is_call = judgement.topic in OF_CALLS
        return [op for label in judgement.names for op in self.ops_of(label, is_call=is_call)[0]]

    @cached_property
    def ways(self) -> frozenset[Span]:
        """All calls that lead from the forward of the model into another one."""
        return frozenset(span for op in self.flow.ops for span in op.via)

    @cached_property
    def gap(self) -> str:
        """In words, what the model's own forward calls that was not followed; "" where there is nothing."""
        return self._gap_in("")

    def _gap_in(self, path: str) -> str:
        """The same of the forward of a module."""
        what = f"the forward of `{path}`" if path else "it"
        for op in self._runs.held_at(path):
            if not (op.name or op.module):
                return f"at line {op.span.line} {what} calls what was not followed, `{op.written}`"
        return ""

    def owner_in(self, label: str, owner: str, path: str) -> str:
        """The module around that of a row, by its name in the report, that a class holds at a path; "" where
        there is none."""
        name = self._unwrapped(_plain(label))
        held = self._held_in(name, owner, path)
        return self._wrapper + held if held != name else ""

    def is_of(self, label: str, owner: str, path: str) -> bool:
        """Whether a label is of the module that a class holds at a path, or of one inside of it; also where
        the report has no such module, since it may have another name for it."""
        if self._held_in(self._unwrapped(_plain(label)), owner, path):
            return True
        key = owner, path
        if key not in self._known:
            self._known[key] = any(self._held_in(name, owner, path) for name in self._names)
        return not self._known[key]

    def _held_in(self, name: str, owner: str, path: str) -> str:
        """The module that a class holds at a path, where it is a part of a name, or all of it."""
        wanted, parts = path.split("."), name.split(".")
        for start in range(len(parts) - len(wanted) + 1):
            end = start + len(wanted)
            if all(map(_fits, wanted, parts[start:end])):
                if owner in self._runs.classes_at(".".join(parts[:start])):
                    return ".".join(parts[:end])
        return ""

    def is_member(self, judgement: Judgement, owner: str, path: str, *, any_entry: bool = False) -> bool:
        """Whether a row is about the module that a class holds at a path (`act`, `layers.*`). Which entry
        `*` is nobody knows, so none is unless `any_entry` will do; but where none is ever called every one
        is meant, and so is what is inside."""
        wanted = path.split(".")
        is_never = judgement.topic is Topic.NEVER
        if not path or ("*" in path and not (is_never or any_entry)):
            return False
        for label in judgement.names:
            parts = self._unwrapped(_plain(label)).split(".")
            for start in range(len(parts) - len(wanted) + 1):
                own = parts[start : start + len(wanted)] if is_never else parts[start:]
                if len(own) == len(wanted) and all(map(_fits, wanted, own)):
                    if owner in self._runs.classes_at(".".join(parts[:start])):
                        return True
        return False

    def told(self) -> InSource:
        """What the modules of the report are, and which of them quantise one constant, by name, as far as
        source tells."""
        found, constants = {}, {}
        for name in self._labels:
            ops = [op for op in self._ops(self._runs, self._unwrapped(name)) if op.module]
            kinds = {kind_of(op.class_name) for op in ops}
            if len(kinds) == 1:
                found[name] = kinds.pop()
            origins = {origin for op in ops if op.stub for state in op.operands for origin in state.origins}
            if len(origins) == 1 and all(map(is_constant, ops)):
                constants[name] = origins.pop().name
        return InSource(found, constants)

    def ops_of(self, label: str, *, is_call: bool = False) -> tuple[list[QuantOp], str]:
        """The ops that a label of the report may mean (`head.add[add](2)`), and in words why there are none
        or several ("" where there is nothing to say). `is_call`: it stands for one call, so a name without
        a number is the first one."""
        key = label, is_call
        if key not in self._found:
            self._found[key] = self._look_up(label, is_call)
        return self._found[key]

    @cached_property
    def _totals(self) -> dict[tuple[str, str], Total]:
        """(owner, function) -> how many modules prepare made of it, as far as the report names them."""
        made = filter(None, map(generated_of, self._names))
        sums = self._sums(((one.owner, one.op), one.number) for one in made)
        # What is fused into the layer before it has no row, and may have been the last.
        return {
            key: total._replace(is_sure=total.is_sure and not joins(key[1])) for key, total in sums.items()
        }

    @cached_property
    def _calls(self) -> dict[str, Total]:
        """Module -> how often it is called, by any method, as far as the report names the calls."""
        parsed = filter(None, map(_LABEL.match, self._written))
        named = self._sums((self._unwrapped(one["name"]), int(one["call"] or 0)) for one in parsed)
        counted = {self._unwrapped(name): Total(times, True) for name, times in self._counted.items()}
        return {
            name: counted[name] if name in counted and counted[name].calls >= total.calls else total
            for name, total in named.items()
        }

    @cached_property
    def _runs_of_others(self) -> list[Runs]:
        return [Runs(flow, path) for flow, path in parts_of(self._others)]

    def _look_up(self, label: str, is_call: bool) -> tuple[list[QuantOp], str]:
        parsed = _LABEL.match(label)
        assert parsed is not None  # every text matches
        name, method, call = self._unwrapped(parsed["name"]), parsed["method"], parsed["call"]
        ops, why = self._possible(self._ops(self._runs, name), name), ""
        if not ops:
            ops, why = self._elsewhere(name, parsed["name"])
        if not ops and (around := self._ops(self._runs, name, unknown=True)):
            ops, why = around, why if why.startswith(NOBODY) else _INSIDE
        made = generated_of(name)
        if made is not None and not ops and self._calls_of(self._runs, made):
            why = f"no call of `{made.op}` there is between the stubs, as it was read"
        if made is not None:  # its number says which call it is, however that is written
            return ops, why or self._undecided(name, ops)
        # Of several modules that may be meant nobody knows which one has its first call where.
        is_first = is_call and all(op.module and f"{name}.".startswith(f"{op.module}.") for op in ops)
        if (call or method or is_first) and ops and not why:
            return self._call(name, ops, int(call or 0), self._calls.get(name, _NO_TOTAL), method or "")
        if is_call and ops and not why:
            return self._first_of_family(ops)
        return ops, why

    def _possible(self, ops: list[QuantOp], name: str) -> list[QuantOp]:
        """The runs of a module that the report does not rule out."""
        if len({op.span for op in ops}) < 2 or generated_of(name) is not None:
            return ops
        possible = {
            run.op
            for op in ops
            for run in self._proof_of(self._owners_of([op], name)).simplified(self._runs.order_of([op]))
        }
        return [op for op in ops if op.number in possible] or ops

    def _owners_of(self, ops: Iterable[QuantOp], name: str) -> tuple[str, ...]:
        """The modules whose forwards run the one of a name."""
        return tuple(dict.fromkeys(_holder(inside(op.path, self._below) or "", name) for op in ops))

    def _first_of_family(self, ops: list[QuantOp]) -> tuple[list[QuantOp], str]:
        """The lines that run one of several modules for the first time. Which of them it is nobody knows, but
        each has its first call in a run of the forward that holds it under one name."""
        if all("*" not in op.module.removeprefix(op.path) for op in ops):
            entries: dict[int, list[Ran]] = {}
            for ran in self._runs.order_of(ops):
                entries.setdefault(ran.entry, []).append(ran._replace(outside=0, again=False, inside=True))
            found = {op for runs in entries.values() for op in Calls(runs, Total(1, False)).nth(0).ops}
            ops = [op for op in ops if op.number in found]
        lines = len({op.span for op in ops})
        return ops, f"{NOBODY} which of {lines} lines it is" if lines > 1 else ""

    def _call(
        self, name: str, ops: list[QuantOp], call: int, total: Total, method: str
    ) -> tuple[list[QuantOp], str]:
        """The lines that run a module for the so-manieth time, by a method of it or as a whole."""
        total = _reaching(total, call)
        owners = self._owners_of(ops, name)
        key = tuple(op.number for op in ops), total, owners
        if key not in self._calls_of_modules:
            runs = self._runs.order_of(ops)
            if any("*" in op.module for op in ops):  # one of several modules
                runs = _each_once(runs)
            # Modules keep their names wherever they run, and all their calls are counted.
            runs = [run._replace(outside=0, again=False, inside=True) for run in runs]
            self._calls_of_modules[key] = Calls(runs, total, self._proof_of(owners))
        found = self._calls_of_modules[key].nth(call)
        chosen = [op for op in ops if op.number in found.ops]
        if method:
            chosen = [op for op in chosen if op.written.endswith(f".{method}")] or chosen
        lines = len({op.span for op in chosen})
        if found.why in _MISSING:
            return chosen, self._missing(found.why, ops)
        if lines > 1:
            return chosen, f"{found.why or NOBODY} which of {lines} lines it is"
        return chosen, self._surplus(found.more, "", total)

    def _undecided(self, name: str, ops: list[QuantOp]) -> str:
        """In words, why a call of a function may stand at several lines; "" where it does not."""
        made = generated_of(name)
        assert made is not None
        lines = len({op.span for op in ops})
        total = self._totals.get((made.owner, made.op), _NO_TOTAL)
        found = self._numbered(self._runs, self._calls_of(self._runs, made), made, total)
        for why in _MISSING:
            if any(one.why == why for one in found):
                return self._missing(why, ops)
        if ops and found and all(one.known for one in found):
            known = max(one.known for one in found)
            calls = f"the report has {total.calls} calls of `{made.op}` there, and source tells of {known}"
            return f"{calls}: it may be none of these lines"
        if lines > 1:
            why = next((one.why for one in found if one.why), NOBODY)
            return f"{why} which of {lines} lines it is"
        more = min((one.more for one in found), default=0)
        return self._surplus(more, f" of `{made.op}`", total) if ops else ""

    def _missing(self, why: str, ops: Sequence[QuantOp]) -> str:
        """Why calls may be missing, with the call behind which that is so."""
        if why != UNFOLLOWED:
            return why
        paths = {op.path for op in ops}
        calls = [op for op in self.flow.ops if op.path in paths and not op.name and op.written.count(".") > 1]
        first = f"`{calls[0].written}` at line {calls[0].span.line}" if calls else "a call in that forward"
        return f"{first} {why}"

    def _surplus(self, more: int, what: str, total: Total) -> str:
        """In words, that source tells of more calls than the report has; "" where that says nothing."""
        if not more or not self._is_whole:
            return ""
        calls = "1 call" if total.calls == 1 else f"{total.calls} calls"
        return f"source tells of {more} calls{what} there, the report has {calls}: it may be another line"

    def _elsewhere(self, name: str, label: str) -> tuple[list[QuantOp], str]:
        """The ops of a part of the model that source does not tell: those of all classes that have such. Of
        several parts around it, one in the other, that one counts of whose names a class has most."""
        best: tuple[list[QuantOp], str] = ([], "")
        best_share, part, rest = 0.0, "", name
        while "." in rest:
            is_open = self._runs.is_open(part)
            first, _, rest = rest.partition(".")
            part = f"{part}.{first}" if part else first
            if not is_open:
                continue
            share, likely = self._likely_to_be(part)
            for unknown in (False, True):
                found = [ops for one in likely if (ops := self._ops(one, rest, part, unknown=unknown))]
                if found and share > best_share:
                    classes = "1 class has" if len(found) == 1 else f"{len(found)} classes have"
                    why = f"source does not tell what `{part}` is; {classes} such a part"
                    why += f", and {_INSIDE}" if unknown else ""
                    if len(found) > _CLASSES:
                        having = [one.root for one in likely if self._ops(one, rest, part, unknown=unknown)]
                        why += f": {', '.join(having[:_SHOWN])} and {len(having) - _SHOWN} more"
                    best = [op for ops in found for op in ops] if len(found) <= _CLASSES else [], why
                    best_share = share
        if best_share:
            return best
        owner = self.root.rpartition(":")[2]
        why = f"no module `{label}` is run in the forward of {owner}, as it was read"
        around = [part for cut in range(name.count("."), 0, -1) if (part := name.rsplit(".", cut)[0])]
        gap = next(filter(None, map(self._gap_in, (*reversed(around), ""))), "")
        return [], f"{why}: {gap}" if gap else why

    def _likely_to_be(self, part: str) -> tuple[float, list[Runs]]:
        """Those of the other classes that have most of the names below a part of the model, and their share
        of them: at least half, unless the class leaves open itself what some of its parts are."""
        begin = f"{part}."
        first = bisect_left(self._sorted, begin)
        some = self._sorted[first : first + _COMPARED]
        below = tuple(name.removeprefix(begin) for name in some if name.startswith(begin))
        if below not in self._likely:
            scores = [sum(bool(self._ops(other, name)) for name in below) for other in self._runs_of_others]
            most = max(scores, default=0)
            runs = zip(self._runs_of_others, scores, strict=True)
            likely = [
                other
                for other, score in runs
                if score == most and most and (2 * most >= len(below) or other.is_open(""))
            ]
            self._likely[below] = most / max(len(below), 1), likely
        return self._likely[below]

    def _ops(self, runs: Runs, name: str, part: str = "", *, unknown: bool = False) -> list[QuantOp]:
        """The ops of a module; with `unknown` also the run of a module around it that was not followed.
        `part` is where in the model the class of `runs` stands."""
        made = generated_of(name)
        if made is not None:
            return self._made(runs, made, part)
        for inner in range(_INNER + 1):
            ops = [op for op in runs.of_module(name) if not inner or _may_have(op, unknown)]
            if ops or "." not in name:
                return ops
            name = name.rpartition(".")[0]
        return []

    def _made(self, runs: Runs, made: Generated, part: str) -> list[QuantOp]:
        ops = self._calls_of(runs, made, part)
        owner = ".".join(filter(None, (part, made.owner)))
        found = self._numbered(runs, ops, made, self._totals.get((owner, made.op), _NO_TOTAL), part)
        chosen = {op for one in found for op in one.ops}
        return [op for op in ops if op.number in chosen]

    def _calls_of(self, runs: Runs, made: Generated, part: str = "") -> list[QuantOp]:
        """The calls of which prepare makes modules of this name. Those of a function with another name
        (`concat` beside `cat`) are among them only where nothing has this one, and no other has theirs."""
        wanted = meant(made.op)
        calls = [op for op in runs.of_functions(made.owner) if op.name == wanted and not is_constant(op)]
        has_name = any(spelt(op) == made.op for op in calls)
        others = self._functions.get(".".join(filter(None, (part, made.owner))), frozenset())
        return [
            op for op in calls if (name := spelt(op)) in ("", made.op) or not (has_name or name in others)
        ]

    @cached_property
    def _functions(self) -> dict[str, frozenset[str]]:
        """Owner -> the functions of which prepare made modules there, by their names in the report."""
        found: dict[str, frozenset[str]] = {}
        for owner, function in self._totals:
            found[owner] = found.get(owner, frozenset()) | {function}
        return found

    def _sums(self, numbered: Iterable[tuple[_Key, int]]) -> dict[_Key, Total]:
        """How many there are of each, by the highest of their numbers: sure where none is missing in a whole
        report. Of an excerpt nobody knows what stood behind its last row."""
        numbers: dict[_Key, set[int]] = {}
        for key, number in numbered:
            numbers.setdefault(key, set()).add(number)
        return {
            key: Total(max(found) + 1, self._is_whole and len(found) == max(found) + 1)
            for key, found in numbers.items()
        }

    def _numbered(
        self, runs: Runs, ops: list[QuantOp], made: Generated, total: Total, part: str = ""
    ) -> list[Nth]:
        """The calls that may have a number, by each run of the owner's forward: another one comes to the same
        lines again."""
        total = _reaching(total, made.number)
        key = (id(runs), f"{part}:{made.owner}", tuple(op.number for op in ops), total)
        if key not in self._calls_of_functions:
            entries: dict[int, list[Ran]] = {}
            for ran in runs.between_stubs(ops):
                entries.setdefault(ran.entry, []).append(ran)
            proof = self._proofs(runs, part).of(made.owner)
            self._calls_of_functions[key] = [Calls(entry, total, proof) for entry in entries.values()]
        return list(dict.fromkeys(calls.nth(made.number) for calls in self._calls_of_functions[key]))

    def _proofs(self, runs: Runs, part: str = "") -> Proofs:
        """What the report proves of a model, or of a class that one of its parts may be."""
        key = id(runs), part
        if key not in self._proofs_of:
            self._proofs_of[key] = Proofs(runs, self._executions, part)
        return self._proofs_of[key]

    def _proof_of(self, owners: Iterable[str]) -> Proof:
        """What it proves of the forwards of several modules of the model."""
        proofs = [self._proofs(self._runs).of(owner) for owner in owners]
        turns = {loop: times for proof in proofs for loop, times in proof.turns.items()}
        groups = proofs[0].groups if proofs else NOTHING_PROVEN.groups
        return Proof(turns, frozenset().union(*(proof.known for proof in proofs)), groups)

    @cached_property
    def _executions(self) -> Executions:
        if self._ran is not None:
            return self._ran.renamed(self._unwrapped)
        calls = {name: total.calls for name, total in self._calls.items()}
        exact = {name: total.calls for name, total in self._calls.items() if total.is_sure}
        return Executions({**exact, **self._counted}, calls, lambda name: False)

    def _unwrapped(self, name: str) -> str:
        return name.removeprefix(self._wrapper)

    def _wrapper_of(self, names: Sequence[str]) -> str:
        """What all names begin with and the model does not have: `module.`, the names in wrappers."""
        paths = self._runs.firsts
        wrapper = ""
        while names and "*" not in paths:
            firsts = {name.removeprefix(wrapper).partition(".")[0] for name in names}
            if len(firsts) != 1 or not firsts.isdisjoint(paths) or wrapper.count(".") == _WRAPPERS:
                break
            longer = f"{wrapper}{firsts.pop()}."
            if not all(name.startswith(longer) for name in names):
                break
            wrapper = longer
        return wrapper


def _reaching(total: Total, number: int) -> Total:
    """How many there are, where one of them has a number that is not among those of the report: it was asked
    for by a name that is written in another way there."""
    return total if number < total.calls else Total(number + 1, False)


def _spans(ops: Iterable[QuantOp]) -> set[Span]:
    return {op.span for op in ops}


def _may_have(op: QuantOp, unknown: bool) -> bool:
    """Whether there may be modules inside of one that runs; `unknown`: also in one that was not followed."""
    return kind_of(op.class_name) not in _ONE_PIECE if op.name else unknown


def _each_once(runs: Iterable[Ran]) -> list[Ran]:
    """One run of each op, under all the conditions of its runs."""
    found: dict[int, Ran] = {}
    for run in runs:
        before = found.get(run.op)
        found[run.op] = run if before is None else run._replace(when=either(before.when, run.when))
    return list(found.values())


def _holder(path: str, name: str) -> str:
    """The module at a path that runs the one of a name: as in that name, where it is around it."""
    parts, own = path.split(".") if path else [], name.split(".")
    is_around = len(parts) < len(own) and all(map(_fits, parts, own))
    return ".".join(own[: len(parts)]) if is_around else path


def _fits(wanted: str, part: str) -> bool:
    return wanted in (part, "*")


def _plain(label: str) -> str:
    parsed = _LABEL.match(label)
    assert parsed is not None
    return parsed["name"]


def _ways(ops: Iterable[QuantOp], label: str) -> Iterator[Place]:
    """The calls that lead to some ops from the forward of the model."""
    for op in ops:
        for span, owner in zip(op.via, op.via_owners, strict=True):
            yield Place(span, owner, Role.THROUGH, label)
