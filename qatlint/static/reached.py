"""Which models a class runs in, and the quant states of all that happens there.

A class is judged with what the roots that reach it give it; a class that none reaches, with inputs taken for
quantised. Nothing here runs in a project that has nothing to do with the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qatlint.static.flows import flow_of
from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project
from qatlint.static.quantised import Quantised
from qatlint.static.roots import Why, root_of
from qatlint.static.unsettled import Unsettled
from qatlint.trace import Comes, Flow, Origin, QuantOp

_MOST_MAKERS = 60
_MOST_ROOTS = 4


def flows_of(project: Project, cls: ClassDef) -> tuple[Flow, ...]:
    """One Flow per root in which the class runs, or that of the class alone; see `trace.Trace.flows`. Only to
    be asked for where `roots.uses_plugin` says so."""
    flows = [flow for root in _roots_above(project, cls) if (flow := _followed(project, root)) is not None]
    reached = [flow for flow in flows if cls.full_name in flow.ran]
    if any(flow.unfollowed for flow in flows):
        above = {
            maker.full_name
            for one in (cls, *project.subclasses(cls))
            for maker in _makers_above(project, one)
        }
        if any(not above.isdisjoint(flow.unfollowed) for flow in flows):
            reached = [flow._replace(runs_unseen=True) for flow in reached]
    return tuple(reached) or (_follow(project, cls, assumed=True),)


def _roots_above(project: Project, cls: ClassDef) -> list[ClassDef]:
    """The models that make the class, directly or through others, or the class itself: those that the
    settings or scripts name, else those that nothing makes."""
    above = _makers_above(project, cls)
    sure = [one for one in above if (root := root_of(project, one)) is not None and root.why is not Why.STUBS]
    made = {one for makes in above.values() for one in makes}
    return (sure or [one for one in above if one not in made])[:_MOST_ROOTS]


def _makers_above(project: Project, cls: ClassDef) -> dict[ClassDef, list[ClassDef]]:
    """The class and all that make it, directly or not -> the classes each of them makes."""
    makes: dict[ClassDef, list[ClassDef]] = {cls: []}
    pending = [cls]
    while pending and len(makes) < _MOST_MAKERS:
        made = pending.pop(0)
        for maker in project.makers(made):
            if maker not in makes:
                makes[maker] = []
                pending.append(maker)
            makes[maker].append(made)
    return makes


def _followed(project: Project, root: ClassDef) -> Flow | None:
    """The Flow of a root; None where nothing says that it is a model."""
    known = root_of(project, root)
    if known is not None and known.why is not Why.STUBS:
        return _follow(project, root, assumed=False)
    flow = _follow(project, root, assumed=False)
    if not root.node.decorator_list and any(map(_takes_input, flow.ops)):
        return flow
    if all(op.stub is None for op in flow.ops):
        return None
    # A part of a model that has stubs of its own: what it is given may well be quantised. A decorator
    # registers what a configuration puts together. What its own QuantStubs take is float all the same.
    stubbed = (origin.name for op in flow.ops for origin in _stubbed(op))
    return _follow(project, root, assumed=True, floats=frozenset(map(_argument, stubbed)))


def _takes_input(op: QuantOp) -> bool:
    """Whether a QuantStub takes what comes from an input."""
    return any(True for _ in _stubbed(op))


def _stubbed(op: QuantOp) -> Iterator[Origin]:
    """The inputs that what a QuantStub takes begins with; none for other ops."""
    if op.stub is not None and op.stub.quantizes:
        for state in op.operands:
            yield from (origin for origin in state.origins if origin.comes is Comes.INPUT)


def _argument(name: str) -> str:
    """`batch` of `batch["img"]` and of `batch.img`."""
    return re.split(r"[.\[]", name, maxsplit=1)[0]


def _follow(project: Project, cls: ClassDef, assumed: bool, floats: frozenset[str] = frozenset()) -> Flow:
    key = (cls.file.path, cls.qualname, assumed)
    known = project.flows.get(key)
    if known is None:
        asked, project.asked = project.asked, set()
        again = project.reassigned
        if again is None:
            run = Quantised(project, cls, assumed, floats)
        else:
            run = Unsettled(project, cls, assumed, again, floats)
        run.follow()
        known = project.flows[key] = (flow_of(run), frozenset(project.asked))
        run.close()
        project.asked = asked
    # Whoever is told the answer depends on what it depends on.
    project.asked |= known[1]
    return known[0]
