"""Give every call of `self.<attribute>` its own instance.

The first call keeps the name, so that a checkpoint still loads. Further instances are made right behind
the first one, in the same branch and the same style. In a loop over a known number of turns the instances
are a ModuleList where the class already uses those, else numbered attributes.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field

import libcst as cst

from qatlint.codemods.bindings import (
    Binding,
    bindings_of,
    definition_binding,
    local_name,
    refuse_emptied,
    refuse_removal,
)
from qatlint.codemods.constructor import may_be_none, written_again
from qatlint.codemods.edits import Edits, always
from qatlint.codemods.locate import Tree, method_of, own_class, self_attribute, self_name, walk
from qatlint.codemods.loops import Loop, LoopCounter, Turns, enclosing_loops
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.place import Placement, changes_below
from qatlint.codemods.references import other_references
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_in, parameters
from qatlint.codemods.tied import WIDTH, tied_copy
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
    calls: list[tuple[_Site, tuple[Turns, ...]]] = field(default_factory=list)


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
        self._names = file.names_for(self.cls)
        self._definition = self._find_definition(intent)
        found = bindings_of(self._tree, self.cls, self._name)
        if all(b.is_none for b in found):
            raise Refused(f"`{self._name}` is not made in class `{self.cls.name.value}`, which calls it")
        self._first = definition_binding(self._tree, self.cls, self._name, self._definition, found)
        self._maker = self._first.method
        self._bindings = [b for b in found if not b.is_none]
        self._may_be_none = len(self._bindings) < len(found)
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
        refuse_emptied(self._tree, self._name, found)
        refuse_removal(self._file, self.cls, self._name)
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
        loops = enclosing_loops(self._tree, method, callee, site.loops)
        return _Site(callee, receiver, method, site.slot, tuple(loops))

    def _callee(self, node: cst.BaseExpression, receiver: str, method: cst.FunctionDef) -> cst.BaseExpression:
        """The expression that means the module: `self.relu`, or an alias assigned once."""
        inner = node
        while isinstance(inner, cst.Attribute) and self_attribute(inner, receiver) is None:
            inner = inner.value
        if self_attribute(inner, receiver) == self._name:
            return inner
        call = self._tree.parent(node)
        if isinstance(call, cst.Call) and call.func is node:
            # A function that runs the module: `checkpoint(self.block, x)`.
            handed = [arg.value for arg in call.args if self_attribute(arg.value, receiver) == self._name]
            if len(handed) == 1:
                return handed[0]
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
        first, *others = self._groups()
        if first.turns:
            if self._tied or self._is_needed():
                self._first_turn(first, alone=not others)
            elif self._as_list():
                self._replace_by_list(first)
            else:
                self._replace_by_numbers(first, alone=not others)
        for group in others:
            if not group.turns:
                self._further_name(group)
            elif self._as_list():
                self._further_list(group)
            else:
                self._further_numbers(group)

    def _groups(self) -> list[_Group]:
        """The groups, the one that keeps the name first: straight calls come before calls in loops."""
        groups: dict[tuple[int, tuple[tuple[int, str], ...]], _Group] = {}
        for site in sorted(self._sites, key=lambda s: s.slot):
            turns = tuple(self._counter.turns(loop, site.method, self._name) for loop in site.loops)
            key = (site.slot, tuple((t.start, t.stop) for t in turns))
            group = groups.setdefault(key, _Group(turns))
            group.calls.append((site, turns))
        ordered = sorted(groups.values(), key=lambda g: bool(g.turns))
        if len(ordered) == 1 and not ordered[0].turns:
            raise Refused(f"the calls of `{self._name}` exclude each other")
        return ordered

    def _further_name(self, group: _Group) -> None:
        """`self.relu_1 = nn.ReLU()`, and `self.relu_1(x)` at the calls."""
        name = self._names.take_numbered(self._name)
        for binding in self._bindings:
            last = self._place(binding, group)
            value = self._value(binding, last, f"{binding.receiver}.{name} = ")
            self._insert(last, binding, binding.written(name, value, self._tree))
        for site, _ in group.calls:
            self._call(site, f"{site.receiver}.{name}")

    def _further_list(self, group: _Group) -> None:
        """`self.relu_1 = nn.ModuleList(...)`, and `self.relu_1[i](x)` at the calls."""
        name = self._names.take_numbered(self._name)
        for binding in self._bindings:
            last = self._place(binding, group)
            start = f"{binding.receiver}.{name} = "
            value = self._list_of(self._value(binding, last, start), group, self._column(binding, start))
            self._insert(last, binding, start + value)
        self._call_by_position(group, name)

    def _further_numbers(self, group: _Group) -> None:
        """A loop that makes `self.relu_1_0`, `self.relu_1_1`, ..., and `getattr` at the calls."""
        prefix = self._prefix(alone=False)
        for binding in self._bindings:
            last = self._place(binding, group)
            self._insert(last, binding, self._numbers(binding, last, group, prefix))
        for site, turns in group.calls:
            self._call(site, self._numbered(site, turns, prefix))

    def _first_turn(self, group: _Group, *, alone: bool) -> None:
        """The first turn keeps `self.conv`, the others get `self.conv_1`, ...

        A name that a checkpoint or other code knows must stay, and no instance may get two names.
        """
        if len(group.turns) > 1:
            raise Refused(f"`{self._name}` must stay for the first turn, and the calls stand in nested loops")
        prefix = self._prefix(alone)
        for binding in self._bindings:
            last = self._place(binding, group)
            self._insert(last, binding, self._numbers(binding, last, group, prefix, skip_first=True))
        for site, turns in group.calls:
            (turn,) = turns
            test = f"{turn.counter} == {turn.start}"
            other = self._numbered(site, turns, prefix)
            self._call(site, f"({site.receiver}.{self._name} if {test} else {other})")

    def _replace_by_list(self, group: _Group) -> None:
        """`self.relu = nn.ModuleList(...)` instead of `self.relu = nn.ReLU()`."""
        for binding in self._bindings:
            last = self._place(binding, group)
            self._value(binding, last, "")
            if any(isinstance(node, cst.Comment) for node in walk(binding.value)):
                raise Refused(f"comments stand inside the expression that makes `{self._name}`")
            column = self._tree.column(binding.value)
            value = self._file.expression(self._list_of(self._tree.code(binding.value), group, column))
            new_list = self._file.imports.torch_nn("ModuleList", self._maker, self.edits)
            annotation = self._file.expression(new_list)
            if last is None or last is binding.holder:
                self.edits.replace[binding.value] = always(value)
                if isinstance(binding.small, cst.AnnAssign):
                    self.edits.replace[binding.small.annotation.annotation] = always(annotation)
                continue
            line = self._own_line(binding)
            moved = line.deep_replace(binding.value, value)
            if isinstance(binding.small, cst.AnnAssign):
                moved = moved.deep_replace(binding.small.annotation.annotation, annotation)
            self.edits.remove.add(line)
            self.edits.insert_after(last, cst.ensure_type(moved, cst.SimpleStatementLine))
        self._call_by_position(group, self._name)

    def _replace_by_numbers(self, group: _Group, *, alone: bool) -> None:
        """A loop that makes `self.relu_0`, `self.relu_1`, ... instead of `self.relu = nn.ReLU()`."""
        prefix = self._prefix(alone)
        for binding in self._bindings:
            line = self._own_line(binding)
            last = self._place(binding, group)
            loop = self._file.statement(self._numbers(binding, last, group, prefix))
            self.edits.remove.add(line)
            self.edits.insert_after(last or line, _with_comments_of(line, loop))
        for site, turns in group.calls:
            self._call(site, self._numbered(site, turns, prefix))

    # Their text.

    def _prefix(self, alone: bool) -> str:
        """What numbered names begin with: `relu`, or `relu_1` when further instances have names, too."""
        return self._names.take_family(self._name if alone else self._names.take_numbered(self._name))

    def _as_list(self) -> bool:
        """Whether the class uses ModuleList and every instance surely is a module."""
        uses = any(isinstance(n, cst.Name) and n.value == "ModuleList" for n in walk(self.cls))
        return uses and all(
            self._is_certain(b) if self._tied else not may_be_none(b.value) for b in self._bindings
        )

    def _is_needed(self) -> bool:
        """Whether anything but the calls refers to the attribute, so that it must stay."""
        known = [*(s.callee for s in self._sites), *(b.target for b in self._bindings)]
        return not all(b.sole and isinstance(b.value, cst.Call | cst.IfExp) for b in self._bindings) or bool(
            other_references(self._file, self.cls, self._name, known)
        )

    def _is_certain(self, binding: Binding) -> bool:
        """Whether the binding surely gives a module: neither None nor a plain function."""
        source = self._source_of(binding)
        if not _gives_module(self._unpacked(source) or source):
            return False
        # A test is about a branch that sets None, where there is one; else about what is made here.
        return self._may_be_none or not any(
            self_attribute(node, binding.receiver) == self._name and _is_tested(self._tree, node)
            for node in walk(self.cls)
        )

    def _source_of(self, binding: Binding) -> cst.BaseExpression:
        """The bound expression; for `self.act = act` the one that the local name was made with."""
        definition = self._definition
        if binding is not self._first or definition is None or not isinstance(binding.value, cst.Name):
            return binding.value
        bound = bound_in(self._maker)
        names = [n.value for n in walk(definition) if isinstance(n, cst.Name)]
        if (
            local_name(self._tree, definition) == binding.value.value
            and bound[binding.value.value] == 1
            and method_of(self._tree, self.cls, definition) is self._maker
            and all(bound[name] <= 1 for name in names)
        ):
            return definition
        return binding.value

    def _unpacked(self, value: cst.BaseExpression) -> cst.BaseExpression | None:
        """The call whose result a local name is a part of: `_, norm = build_norm_layer(cfg)`."""
        if not isinstance(value, cst.Name) or bound_in(self._maker)[value.value] != 1:
            return None
        for node in walk(self._maker):
            if isinstance(node, cst.Assign) and isinstance(node.value, cst.Call):
                for target in node.targets:
                    if isinstance(target.target, cst.Tuple | cst.List):
                        parts = [e.value for e in target.target.elements]
                        if any(isinstance(p, cst.Name) and p.value == value.value for p in parts):
                            return node.value
        return None

    def _place(self, binding: Binding, group: _Group) -> cst.BaseStatement | None:
        needs = frozenset(need for _, turns in group.calls for turn in turns for need in turn.needs)
        return Placement(self._file, self.cls, self._name, binding).after(needs, tied=self._tied)

    def _value(self, binding: Binding, last: cst.BaseStatement | None, before: str) -> str:
        """Source of one more instance, behind `last`; `before` is what its line begins with."""
        if self._tied:
            original = f"{binding.receiver}.{self._name}"
            return tied_copy(
                self._file,
                self._maker,
                original,
                self.edits,
                certain=self._is_certain(binding),
                column=self._column(binding, before),
            )
        value = self._source_of(binding)
        placement = Placement(self._file, self.cls, self._name, binding)
        placement.refuse_rebinding(value, last)
        return written_again(self._file, self.cls, self._maker, value, self._name)

    def _list_of(self, value: str, group: _Group, column: int) -> str:
        """`nn.ModuleList([<value> for _ in range(n)])`, nested for nested loops.

        `column` is where it will stand: a line that gets too long is broken.
        """
        new_list = self._file.imports.torch_nn("ModuleList", self._maker, self.edits)
        for turn in reversed(group.turns):
            entries = f"[{value} for _ in {turn.domain()}]"
            value = f"{new_list}({entries})"
        if "\n" in value or column + len(value) <= WIDTH:
            return value
        return f"{new_list}(\n{self._tree.module.default_indent}{entries}\n)"

    def _column(self, binding: Binding, start: str) -> int:
        """Where a value stands that follows `start` on a line like that of `binding`."""
        return self._tree.column(binding.small) + len(start)

    def _numbers(
        self,
        binding: Binding,
        last: cst.BaseStatement | None,
        group: _Group,
        prefix: str,
        *,
        skip_first: bool = False,
    ) -> str:
        """The loop (or loops) of the maker that set the numbered attributes."""
        indent = self._tree.module.default_indent
        counters = self._names.counters(self._maker, len(group.turns))
        depth = len(counters)
        name = self._formatted(prefix, counters)
        start = f"setattr({binding.receiver}, {name}, "
        value = self._value(binding, last, indent * depth + start)
        if '"""' not in value and "'''" not in value:
            value = value.replace("\n", "\n" + indent * depth)
        lines = [
            f"{indent * level}for {counter} in {turn.domain(skip_first)}:"
            for level, (counter, turn) in enumerate(zip(counters, group.turns, strict=True))
        ]
        return "\n".join([*lines, f"{indent * depth}{start}{value})"])

    def _numbered(self, site: _Site, turns: tuple[Turns, ...], prefix: str) -> str:
        return f"getattr({site.receiver}, {self._formatted(prefix, [t.counter for t in turns])})"

    def _formatted(self, prefix: str, counters: list[str]) -> str:
        quote = self._file.quote
        return "".join([f"f{quote}{prefix}", *(f"_{{{counter}}}" for counter in counters), quote])

    # Putting them in.

    def _insert(self, last: cst.BaseStatement | None, binding: Binding, text: str) -> None:
        statement = self._file.statement(text)
        if last is not None:
            self.edits.insert_after(last, statement)
            return
        suite = cst.ensure_type(binding.holder, cst.SimpleStatementSuite)
        if not isinstance(statement, cst.SimpleStatementLine):
            raise Refused(f"`{self._name}` is made on the line of its `if`, which has no room for a loop")
        self.edits.append.setdefault(suite, []).extend(statement.body)

    def _own_line(self, binding: Binding) -> cst.SimpleStatementLine:
        """The line of the binding, when nothing else stands on it. Raises `Refused`."""
        holder = binding.holder
        if any(isinstance(node, cst.Comment) for node in walk(binding.value)):
            raise Refused(f"comments stand inside the expression that makes `{self._name}`")
        if not isinstance(holder, cst.SimpleStatementLine) or len(holder.body) != 1:
            raise Refused(f"`{self._name}` is not made on a line of its own")
        return holder

    def _call_by_position(self, group: _Group, name: str) -> None:
        for site, turns in group.calls:
            positions = "".join(f"[{turn.position}]" for turn in turns)
            self._call(site, f"{site.receiver}.{name}{positions}")

    def _call(self, site: _Site, text: str) -> None:
        """Call `text` at this site."""
        old = site.callee
        if any(isinstance(node, cst.Comment) for node in walk(old)):
            raise Refused(f"a comment stands inside the name `{self._name}` where it is called")
        if "(" in text and self._tree.around(old, cst.FormattedString) is not None:
            raise Refused(f"`{self._name}` is called inside an f-string")
        new = self._file.expression(text)
        self.edits.replace[old] = always(
            new.with_changes(lpar=[*old.lpar, *new.lpar], rpar=[*new.rpar, *old.rpar])
        )


def _with_comments_of(line: cst.SimpleStatementLine, loop: cst.BaseStatement) -> cst.BaseStatement:
    """Give the comments around `line` to the loop that replaces it: above it, and behind its last line."""
    inner: cst.CSTNode = loop
    while isinstance(inner, cst.For):
        inner = inner.body.body[0]
    return loop.with_deep_changes(inner, trailing_whitespace=line.trailing_whitespace).with_changes(
        leading_lines=line.leading_lines
    )


def _gives_module(value: cst.BaseExpression) -> bool:
    """Whether what is bound comes from a call: a constructor, `build(cfg)`, `build_norm(cfg)[1]`."""
    if isinstance(value, cst.IfExp):
        return _gives_module(value.body) and _gives_module(value.orelse)
    if isinstance(value, cst.Subscript):
        return isinstance(value.value, cst.Call)
    return isinstance(value, cst.Call)


def _is_tested(tree: Tree, node: cst.CSTNode) -> bool:
    """Whether `node` is compared or taken as true or false."""
    parent = tree.parent(node)
    if isinstance(parent, cst.Comparison | cst.ComparisonTarget | cst.BooleanOperation | cst.UnaryOperation):
        return True
    return isinstance(parent, cst.If | cst.IfExp) and parent.test is node
