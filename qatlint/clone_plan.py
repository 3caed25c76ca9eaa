"""Decide whether a shared module can be split in the source, and how; a rule's helper.

The plan is an intent for `qatlint.codemods`, with its safety and the reason, or one sentence that says
why there is none. It never looks at syntax: everything it needs is in the Trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qatlint.condition import FALSE, Condition, either
from qatlint.exclusive import Groups
from qatlint.finding import CallSite, CloneInherited, CloneModule, Fix, LoopSite, Safety
from qatlint.trace import Call, Loop, Module, Span, Trace, Usage
from qatlint.usage import usage_of_calls
from qatlint.words import path_words


class Plan(NamedTuple):
    """A fix, or the sentence that says why there is none."""

    fix: Fix | None
    no_fix: str


def plan_clone(
    trace: Trace, module: Module, alternatives: Sequence[Module], places: Sequence[Call], used: Usage
) -> Plan:
    """Plan one instance per call for `module`, which is called at `places` (in order of execution).

    `alternatives` are the modules of the same name, of which the configuration picks one.
    """
    reason = _obstacle(trace, module, alternatives, places)
    if reason:
        return Plan(None, reason)
    sites = _sites(trace, module, alternatives, places)
    if isinstance(sites, str):
        return Plan(None, sites)
    if len({s.slot for s in sites}) == 1 and not any(s.loops for s in sites):
        return Plan(None, "its calls stand on paths that could not be told apart")
    if module.read_by and any(site.loops for site in sites):
        return Plan(None, f"the subclass `{module.read_by}` uses `{module.path}`, which a list would replace")
    tied = any(m.parameters is not False or m.buffers is not False or m.made_anew for m in alternatives)
    uncopied = next((m.uncopied for m in alternatives if m.uncopied), "")
    if tied and uncopied:
        return Plan(None, uncopied)
    safety, why = _safety(module, alternatives, tied)
    if safety is Safety.SAFE and module.scripted and any(site.loops for site in sites):
        safety = Safety.UNSAFE
        why = f"{module.scripted} what may hold it, and TorchScript picks no module by a counter"
    owner = places[0].owner.partition(":")[2]
    title = f"give each call of `{module.path}` its own instance"
    if module.definition_owner != trace.owner and places[0].owner == trace.owner:
        if any(site.loops for site in sites):
            made = module.definition_owner.rpartition(":")[2]
            return Plan(
                None, f"`{module.path}` is made in `{made}` and called in a loop here: split it by hand"
            )
        if not trace.has_room:
            made = module.definition_owner.rpartition(":")[2]
            cls = trace.owner.rpartition(":")[2]
            return Plan(None, f"`{module.path}` is made in `{made}`, and `{cls}` has no place to copy it")
        taken = frozenset(m.path for m in trace.modules if "." not in m.path)
        inherited = CloneInherited(places[0].span.path, owner, module.path, tuple(sites), tied, taken)
        return Plan(Fix(title, safety, why, inherited), "")
    intent = CloneModule(
        path=places[0].span.path,
        owner=owner,
        attribute=module.path,
        definition=module.definition,
        sites=tuple(sites),
        tied=tied,
    )
    return Plan(Fix(title, safety, why, intent), "")


def _obstacle(trace: Trace, module: Module, alternatives: Sequence[Module], places: Sequence[Call]) -> str:
    path = module.path
    if "*" in path or "." in path:
        holder = path.rpartition(".")[0] or path
        if "*" in path:
            return f"`{path}` is an entry of `{holder.removesuffix('.*')}`, which other code may index"
        return f"`{path}` belongs to `{holder}`: split it in the class of that"
    if path.isdigit():
        return f"`{path_words(path)}` is called by its position: split it by hand"
    if any(len(m.names) > 1 or any(n.repeated != 1 for n in m.names) for m in alternatives):
        return f"`{path}` is held under more than one name: separate the instances first (QAT102)"
    if not module.certain:
        return f"`{path}` is handed in and may be a plain function"
    if any(m.origin in ("class-level", "default-argument") for m in alternatives):
        return f"`{path}` is one object for all instances of the class: make it in `__init__` first (QAT102)"
    if any(m.origin == "module-level" for m in alternatives):
        return f"`{path}` is one object that its module keeps for all: make it in `__init__` first"
    if not module.names:
        return f"the place where `{path}` is made was not found"
    if any(c.implied for m in alternatives for c in trace.calls_of(m)):
        return f"`{path}` is also run by a container that holds it"
    if any(c.inside is not None for c in places):
        return f"`{path}` is handed to other code and called there: split it by hand"
    alias = next((c.alias for c in places if c.alias), "")
    if alias:
        return f"`{alias}` may be something else than `{path}`: split it by hand"
    owners = {c.owner for c in places}
    inherited = owners == {trace.owner} and module.definition_owner in trace.bases
    if owners != {module.definition_owner} and not inherited:
        made = module.definition_owner.rpartition(":")[2] or "another class"
        called = ", ".join(sorted(o.rpartition(":")[2] or "a function" for o in owners))
        return f"`{path}` is made in `{made}` and called in `{called}`: split it by hand"
    changed = next((m.modified for m in alternatives if m.modified), "")
    if changed:
        return f"{changed} after it is made, which another instance would not follow"
    if module.replaced:
        return f"{module.replaced}, which a copy would not follow"
    return ""


def _sites(
    trace: Trace, module: Module, alternatives: Sequence[Module], places: Sequence[Call]
) -> list[CallSite] | str:
    """The call sites with their slots; or why one of them cannot be told from the others."""
    sites: list[CallSite] = []
    slots = Groups()
    """Calls that exclude each other may go on sharing an instance; those of a loop have some of their own."""
    at: dict[Span, list[Call]] = {}
    for alternative in alternatives:
        for call in trace.calls_of(alternative):
            at.setdefault(call.span, []).append(call)
    for place in places:
        same = at.get(place.span, [])
        loops = _merge_loops(same)
        own = [loop for loop in loops if _inside(place.span, loop.span)]
        outer = [loop for loop in loops if loop not in own]
        if outer:
            return _outer_loop(outer[0], place)
        if (
            len({c.via for c in same}) > 1
            and usage_of_calls(_one_per_path(same), module.when, trace.facts, trace.atoms).shared
        ):
            return (
                f"`{place.function}` is entered more than once: give it the module as an argument, "
                "or split by hand"
            )
        if own and any(c.some_turns for c in same):
            return "a test of the loop's counter lets it run in some turns only, and which is not known here"
        for loop in own:
            if loop.statement not in ("for", "comprehension"):
                what = "a `while` loop" if loop.statement == "while" else "another function"
                return f"it is repeated by {what}, so the number of calls is not fixed"
            if not loop.known:
                over = f" over `{loop.over}`" if loop.over else ""
                return (
                    f"the number of turns of the loop{over} is not known when the model is built, "
                    "so neither is the number of instances"
                )
            if not loop.countable:
                over = f" over `{loop.over}`" if loop.over else ""
                return f"the number of turns of the loop{over} cannot be told where `{module.path}` is made"
        when: Condition = FALSE
        for call in same:
            when = either(when, call.when)
        slot = slots.add_alone() if own else slots.add(when)
        sites.append(
            CallSite(
                place.callee,
                slot,
                tuple(LoopSite(loop.span, loop.known, loop.over) for loop in own),
            )
        )
    return sites


def _merge_loops(calls: Sequence[Call]) -> list[Loop]:
    """The loops around a place, outermost first, over all its recorded calls."""
    result: list[Loop] = []
    for call in calls:
        for loop in call.loops:
            if not any(loop.span == other.span for other in result):
                result.append(loop)
    return result


def _one_per_path(calls: Sequence[Call]) -> list[Call]:
    """One call per way of reaching the place."""
    seen: dict[tuple[Span, ...], Call] = {}
    for call in calls:
        seen.setdefault(call.via, call)
    return list(seen.values())


def _outer_loop(loop: Loop, place: Call) -> str:
    over = f" over `{loop.over}`" if loop.over else ""
    if loop.statement == "call":
        return f"`{place.function}` is called once per element{over}: the number of calls is not fixed here"
    return f"the loop{over} is in another function than the call: split it by hand"


def _inside(inner: Span, outer: Span) -> bool:
    return (
        inner.path == outer.path
        and (outer.line, outer.column) <= (inner.line, inner.column)
        and (inner.end_line, inner.end_column) <= (outer.end_line, outer.end_column)
    )


def _safety(module: Module, alternatives: Sequence[Module], tied: bool) -> tuple[Safety, str]:
    kept = next((m.keeps_state for m in alternatives if m.keeps_state), "")
    if kept:
        return Safety.UNSAFE, kept
    if not tied:
        if module.written_elsewhere:
            return Safety.UNSAFE, f"{module.written_elsewhere}, which the new instances would not follow"
        if module.compared:
            return Safety.UNSAFE, f"{module.compared}, and would not know the new instances"
        if module.listed:
            return Safety.UNSAFE, f"{module.listed}, and would meet the new instances too"
        return Safety.SAFE, ""
    anew = next((m.made_anew for m in alternatives if m.made_anew), "")
    if anew and all(m.parameters is False and m.buffers is False for m in alternatives):
        return Safety.UNSAFE, f"{anew}: the copies hold what the first one holds"
    if any(m.parameters is None and m.class_name for m in alternatives):
        return Safety.UNSAFE, (
            "whether it holds weights cannot be told from here: the copies share whatever tensors it holds, "
            "and the state dict gains their keys"
        )
    if any(m.parameters is None for m in alternatives):
        return Safety.UNSAFE, (
            "its class is not known here: the copies share whatever tensors it holds, and the state dict "
            "gains their keys"
        )
    if any(m.buffers is not False for m in alternatives):
        certain = any(m.buffers for m in alternatives)
        held = "weights and buffers" if certain else "weights, and buffers if any"
        return Safety.UNSAFE, (
            f"the copies share {held}, and the state dict gains keys: a checkpoint that is loaded after the "
            "model was moved does not reach the copies' buffers unless its keys are duplicated"
        )
    return Safety.UNSAFE, "the copies share the weights, but the state dict gains keys for them"
