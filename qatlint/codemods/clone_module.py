"""Give every call of `self.<attribute>` its own instance.

The first call keeps the name, so that a checkpoint still loads. Further instances are made right behind
the first one, in the same branch and the same style. In a loop over a known number of turns the instances
are a ModuleList where the class already uses those, else numbered attributes.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

import libcst as cst

from qatlint.codemods.bindings import Binding, bindings_of, definition_binding, local_name
from qatlint.codemods.constructor import may_be_none, written_again
from qatlint.codemods.edits import Edits
from qatlint.codemods.locate import method_of, own_class, self_attribute, self_name, walk
from qatlint.codemods.loops import Loop, LoopCounter, Turns, enclosing_loops
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.place import Placement, changes_below
from qatlint.codemods.references import other_references
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_in, parameters
from qatlint.codemods.tied import tied_copy
from qatlint.finding import CallSite, CloneModule


@dataclass(frozen=True, slots=True, eq=False)
class _Site:
    """A call, found in the tree."""

    callee: cst.BaseExpression
    """`self.relu`, or a local alias of it."""
    receiver: str
    method: cst.FunctionDef
    slot: int
    loops: tuple[Loop, ...]


@dataclass(slots=True, eq=False)
class _Group:
    """Calls that go on sharing: exclusive ones with the same number of turns."""

    turns: tuple[Turns, ...]
    """Of the first call; the counters of the others may have other names."""
    sites: list[tuple[_Site, tuple[Turns, ...]]] = field(default_factory=list)


def plan_clone(file: OpenedFile, intent: CloneModule) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    plan = _Plan(file, intent)
    plan.make()
    return plan.edits, plan.cls


class _Plan:
    def __init__(self, file: OpenedFile, intent: CloneModule) -> None:
        self.edits = Edits()
        self._file = file
        self._tree = file.tree
        self._name = intent.attribute
        self._tied = intent.tied
        if not self._name.isidentifier():
            raise Refused(f"`{self._name}` is not an attribute of the class that calls it")
        nodes = [self._tree.expression(site.callee) for site in intent.sites]
        if not nodes:
            raise Refused(f"no call of `{self._name}` was found")
        self.cls = own_class(self._tree, nodes[0])
        if any(own_class(self._tree, node) is not self.cls for node in nodes):
            raise Refused(f"`{self._name}` is called from several classes")
        self._definition = self._find_definition(intent)
        found = bindings_of(self._tree, self.cls, self._name)
        if not found:
            raise Refused(f"`{self._name}` is not made in class `{self.cls.name.value}`, which calls it")
        self._first = definition_binding(self._tree, self.cls, self._name, self._definition, found)
        self._maker = self._first.method
        self._bindings = [b for b in found if not b.is_none]
        self._check_bindings(found)
        self._sites = [self._site(site, node) for site, node in zip(intent.sites, nodes, strict=True)]
        if len({id(site.callee) for site in self._sites}) != len(self._sites):
            raise Refused(f"the call of `{self._name}` stands in a helper that runs several times")
        self._counter = LoopCounter(file, self.edits, self.cls, self._maker)

    # What the intent means in this tree.

    def _find_definition(self, intent: CloneModule) -> cst.BaseExpression | None:
        if intent.definition.path == intent.path:
            definition = self._tree.expression(intent.definition)
            if self._tree.around(definition, cst.ClassDef) is self.cls:
                return definition
        if self._tied:
            return None  # a copy needs only the statement that binds the attribute
        where = posixpath.basename(intent.definition.path.replace("\\", "/"))
        raise Refused(f"`{self._name}` is made outside of class `{self.cls.name.value}`, in {where}")

    def _check_bindings(self, found: list[Binding]) -> None:
        for binding in found:
            if binding.method is not self._maker:
                raise Refused(f"`{self._name}` is assigned again in `{binding.method.name.value}`")
        for node in walk(self.cls):
            if not isinstance(node, cst.Attribute) or node.attr.value != self._name:
                continue
            method = method_of(self._tree, self.cls, node)
            if method is None or self_attribute(node, self_name(method)) is None:
                continue
            if changes_below(self._tree, node) and not (self._tied and method is self._maker):
                text = self._tree.short(self._tree.parent(node))
                raise Refused(f"`{text}` is set after `{self._name}` is made, and a clone would miss it")

    def _site(self, site: CallSite, node: cst.BaseExpression) -> _Site:
        method = method_of(self._tree, self.cls, node)
        receiver = self_name(method) if method is not None else None
        if method is None or receiver is None:
            raise Refused(f"`self` is not available where `{self._name}` is called")
        if method is self._maker:
            raise Refused(f"`{self._name}` is made in `{method.name.value}`, which also calls it")
        for around in self._tree.ancestors(node):
            if around is method:
                break
            if isinstance(around, cst.FunctionDef | cst.Lambda) and receiver in parameters(around):
                raise Refused(f"`self` is not available where `{self._name}` is called")
        callee = self._callee(node, receiver, method)
        return _Site(
            callee, receiver, method, site.slot, tuple(enclosing_loops(self._tree, method, callee, site.loops))
        )

    def _callee(
        self, node: cst.BaseExpression, receiver: str, method: cst.FunctionDef
    ) -> cst.BaseExpression:
        """The part of the callee that means the module: `self.relu`, or an alias assigned once."""
        inner = node
        while isinstance(inner, cst.Attribute) and self_attribute(inner, receiver) is None:
            inner = inner.value
        if self_attribute(inner, receiver) == self._name:
            return inner
        if isinstance(node, cst.Name) and bound_in(method)[node.value] == 1:
            for assign in walk(method):
                if isinstance(assign, cst.Assign) and self_attribute(assign.value, receiver) == self._name:
                    targets = [t.target for t in assign.targets]
                    if any(isinstance(t, cst.Name) and t.value == node.value for t in targets):
                        return node
        raise Refused(f"`{self._tree.short(node)}` may be something else than `{self._name}`")

    # The instances.

    def make(self) -> None:
        """Fill `edits`. Raises `Refused`."""
        groups = self._groups()
        if not groups[0].turns:
            self._keep_first(groups)
            return
        self._check_none_in_list()
        stays = self._tied or self._is_needed()
        first, *others = groups
        prefix = self._file.names.take_numbered(self._name) if others else self._name
        if stays:
            self._first_turn(first, prefix)
        elif self._lists():
            self._replace_by_list(first)
        else:
            self._replace_by_numbers(first, prefix)
        for group in others:
            self._further(group)

    def _keep_first(self, groups: list[_Group]) -> None:
        for group in groups[1:]:
            self._further(group)

    def _groups(self) -> list[_Group]:
        """Groups, the one that keeps the name first: straight calls before calls in loops."""
        groups: dict[tuple[int, tuple[tuple[int, str], ...]], _Group] = {}
        for site in sorted(self._sites, key=lambda s: s.slot):
            turns = tuple(self._counter.turns(loop, site.method, self._name) for loop in site.loops)
            key = (site.slot, tuple((t.start, t.stop) for t in turns))
            group = groups.setdefault(key, _Group(turns))
            group.sites.append((site, turns))
        ordered = sorted(groups.values(), key=lambda g: bool(g.turns))
        if len(ordered) == 1 and not ordered[0].turns:
            raise Refused(f"the calls of `{self._name}` exclude each other")
        return ordered
