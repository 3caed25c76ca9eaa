"""From an interpreted class to its Trace: what its modules are, put together with names and calls."""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator

from qatlint.condition import TRAINING, TRUE, atoms_of, forget, literal
from qatlint.horizon.modules import UNKNOWN, ModuleFacts, facts_of
from qatlint.static.attributes import NO_MODULE, is_module_like
from qatlint.static.calls import NOT_FORWARD
from qatlint.static.counting import Counting
from qatlint.static.handed import changed_by_function
from qatlint.static.interpreter import Interpreter
from qatlint.static.machine import OutOfSteps, RawCall
from qatlint.static.modulefile import ClassDef, Unknown
from qatlint.static.naming import DEPTH, Named, Target
from qatlint.static.observed import observe
from qatlint.static.plain import is_plain
from qatlint.static.project import TRAINING_HOME, Project, is_training_code
from qatlint.static.prospects import may_be_dynamic
from qatlint.static.repeatable import (
    State,
    changed_below,
    changing_call,
    children_of,
    held_in,
    in_plain_containers,
    listed_in_forward,
    made_anew,
    state_of,
)
from qatlint.static.roots import uses_plugin
from qatlint.static.scope import called_on_others
from qatlint.static.source import Unreadable, nodes
from qatlint.static.usedness import called_attributes, how_used
from qatlint.static.values import (
    Instance,
    Pick,
    Symbol,
    Value,
)
from qatlint.static.watching import Watching
from qatlint.static.written import has_room_after_super, has_room_for_stub, site_of
from qatlint.trace import Call, Kind, Module, Name, Span, Trace
from qatlint.usage import Counted, count, none_repeats


def trace_class(project: Project, cls: ClassDef, *, for_people: bool = False) -> Trace:
    """What one forward of `cls` does. Never raises for anything the user may have written.

    With `for_people` every condition can be quoted; rules quote those of shared modules only, and text
    of source is slow to make. Without it, a class in which rules can plainly find nothing is not interpreted:
    its Trace is empty.
    """
    is_dynamic = may_be_dynamic(project, cls)
    if not for_people and is_plain(project, cls):
        trace = _uninterpreted(project, cls)
        if is_dynamic:
            watching = Watching(project, cls)
            watching.only_build()
            trace = _watched(watching, trace)
            watching.close()
            forget()
        return _with_flows(project, cls, trace)
    kind = Watching if is_dynamic else Interpreter
    interpreter = kind(project, cls)
    interpreter.interpret()
    opened = interpreter.opened_by()
    if opened:
        interpreter.close()
        interpreter = kind(project, cls, opened)
        interpreter.interpret()
    trace = _Tracer(project, interpreter).trace(for_people)
    if isinstance(interpreter, Watching):
        trace = _watched(interpreter, trace)
    interpreter.close()
    trace = _with_flows(project, cls, trace)
    forget()
    return trace


def _watched(run: Watching, trace: Trace) -> Trace:
    """A Trace with the dynamic code of its forward, which is followed for this."""
    seen = observe(run)
    if not seen.regions and not seen.blocks:
        return trace
    return trace._replace(
        ops=seen.ops,
        regions=seen.regions,
        blocks=seen.blocks,
        tracer=run.project.aim.tracer,
        has_plugin=run.project.uses_plugin(run.cls.file.path),
    )


def _with_flows(project: Project, cls: ClassDef, trace: Trace) -> Trace:
    if trace.has_forward and uses_plugin(project, cls.file.path):
        from qatlint.static.reached import flows_of  # most projects have nothing to do with the plugin

        return trace._replace(flows=flows_of(project, cls))
    return trace


def _uninterpreted(project: Project, cls: ClassDef) -> Trace:
    """The Trace of a class that is plain (see `static.plain`): what its modules do is not asked."""
    return Trace(
        owner=cls.full_name,
        span=cls.file.source.span(cls.node),
        bases=_bases(project, cls),
        modules=(),
        calls=(),
        has_room=has_room_after_super(cls),
        has_stub_room=has_room_for_stub(cls),
        march=project.aim.march,
        toolchain=project.aim.toolchain,
    )


def _bases(project: Project, cls: ClassDef) -> tuple[str, ...]:
    return tuple(e.full_name if isinstance(e, ClassDef) else e.dotted for e in project.mro(cls)[1:])


_MEASURE = ModuleFacts(Kind.LOSS, None, None)
"""Something that a library of losses or metrics makes."""


class _Tracer(Counting):
    def __init__(self, project: Project, interpreter: Interpreter) -> None:
        super().__init__(project, interpreter)
        self.weighted: dict[ClassDef, tuple[ModuleFacts, str, set[Kind]]] = {}
        """Classes known to hold parameters."""

    def trace(self, for_people: bool) -> Trace:
        """The Trace of the interpreted class; `for_people` as for `trace_class`."""
        run, root = self.run, self.root
        assert root is not None and root.cls is not None
        cls = root.cls
        self._walk_attributes(root, "", TRUE, 0)
        self._walk_class_level(cls)
        self._add_grafts()
        calls = self._with_names()
        modules: list[Module] = []
        trace_calls: list[Call] = []
        explained: set[int] = set()
        for number, (identity, named) in enumerate(self.named.items(), 1):
            raw = calls.get(identity, [])
            if not raw and isinstance(named.target, Symbol) and not named.target.made:
                hint = named.target.hint
                if isinstance(hint, Instance):
                    hint.settle()
                if not isinstance(hint, Instance) or not hint.is_module:
                    continue  # a number, a flag, a name: nothing says it is a module
            own = list(self._calls(number, named, raw, for_people))
            matters = self._matters(named, own)
            if matters and not for_people:
                own = list(self._calls(number, named, raw, True))
            if isinstance(named.target, Instance) and (matters or not raw):
                named.target.settle()
                if not named.target.is_module:
                    continue
            if matters or for_people:
                explained |= atoms_of([c.when for c in own])
            modules.append(self._module(number, named, raw, matters))
            trace_calls.extend(own)
        used = atoms_of([c.when for c in trace_calls])
        used |= atoms_of([m.when for m in modules]) | atoms_of(run.facts)
        return Trace(
            owner=cls.full_name,
            span=cls.file.source.span(cls.node),
            bases=_bases(self.project, cls),
            modules=tuple(modules),
            calls=tuple(trace_calls),
            has_forward=run.has_forward,
            has_room=has_room_after_super(cls),
            has_stub_room=has_room_for_stub(cls),
            complete=not run.incomplete,
            atoms={n: self._atom(n, n in explained) for n in sorted(used)},
            facts=tuple(f for f in run.facts if f and f != TRUE),
            notes=tuple(sorted(run.notes)),
            march=self.project.aim.march,
            toolchain=self.project.aim.toolchain,
        )

    def _matters(self, named: Named, calls: list[Call]) -> bool:
        """Whether a rule may ask what is inside: looking means building the child."""
        if len(named.names) > 1 or any(n.repeated != 1 for n in named.names):
            return True
        here = [c for c in calls if not c.other_element]
        if not here or all(c.implied for c in here):
            return False
        if len(here) == 1 and here[0].times.most is not None and here[0].times.most < 2:
            return False
        counted = [Counted(c.when, c.times, True) for c in here]
        atoms = {n: self._atom(n) for n in atoms_of([c.when for c in here])}
        return not none_repeats(counted, atoms) and count(counted, TRUE, (), atoms).shared

    def _module(self, key: int, named: Named, raw: list[RawCall], matters: bool) -> Module:
        target = named.target
        known: Target = target
        if isinstance(target, Symbol) and isinstance(target.hint, Instance):
            known = target.hint
        facts, class_name, internals = self._facts(known, 0 if matters else DEPTH)
        path = named.paths[0] if named.paths else ""
        if (facts.kind is Kind.UNKNOWN and any(map(NOT_FORWARD.search, path.split(".")))) or (
            facts.kind is Kind.PROJECT and isinstance(known, Instance) and self._is_training_code(known)
        ):
            facts = ModuleFacts(Kind.LOSS, facts.parameters, facts.buffers)
        first = named.names[0] if named.names else None
        definition = first.span if first is not None else self._fallback_span(target)
        certain = True
        origin = "attribute"
        if isinstance(target, Symbol):
            certain = target.made or target.callable_hint == "module" or not self._is_parameter(target)
            if isinstance(target.hint, Instance) and target.hint.origin == "default-argument":
                origin = "default-argument"
            elif self._is_parameter(target):
                origin = "parameter"
        else:
            origin = target.origin
        used = ""
        if not raw:
            used = self.run.touched.get(target.number, "") if isinstance(target, Instance) else ""
            if not used and isinstance(target, Instance) and _holds_unseen(target):
                used = "for what it holds, if anything"
            if not used and path and "." not in path and "*" not in path:
                used = how_used(self.project, self.run, path)
        made_at = None
        if isinstance(known, Instance) and hasattr(known.node, "lineno"):
            made_at = known.file.source.span(known.node)
        # Of what is neither called nor of a known class, nothing says that it is a module.
        matters = matters and bool(raw or class_name)
        replaced = written = read_by = compared = listed = scripted = ""
        state = self._state(known, first) if matters else State()
        if matters and raw:
            replaced = self._replacer(path)
            read_by = self._reader(path)
        weightless = facts.parameters is False and facts.buffers is False
        if matters and weightless and not state.kept and not state.anew:
            # To separate the calls of any other module is unsafe anyway.
            written = self._writer(path, definition) if raw else ""
            compared = self._compared(named.paths)
            listed = self._listed(class_name, path)
            scripted = self._scripted() if any(c.loops for c in raw) else ""
        return Module(
            key=key,
            path=path,
            kind=facts.kind,
            class_name=class_name,
            parameters=facts.parameters,
            buffers=facts.buffers,
            definition=definition,
            definition_owner=first.owner if first is not None else "",
            names=tuple(named.names),
            when=named.when,
            origin=origin,
            certain=certain,
            family=bool(target.loops),
            switching=matters and isinstance(target, Instance) and _switches(target),
            used=used,
            handed=self.run.handed_on.get(target.number, "") if isinstance(target, Instance) else "",
            made_at=made_at if made_at != definition else None,
            replaced=replaced,
            written_elsewhere=written,
            read_by=read_by,
            modified=self._modified(known, path) if matters else "",
            compared=compared,
            listed=listed,
            scripted=scripted,
            scattered=self._scattered(known, named.names) if len(named.names) > 1 else "",
            keeps_state=state.kept,
            made_anew=state.anew,
            uncopied=state.uncopied,
            internals=tuple(sorted(internals, key=lambda k: k.value)),
        )

    def _state(self, target: Target, first: Name | None) -> State:
        """What makes other instances differ from this one."""
        bases = [entry for entry in self.project.mro(self.run.cls) if isinstance(entry, ClassDef)]
        called: frozenset[str] = frozenset()
        if isinstance(target, Instance) and (target.cls is not None or target.items or target.children):
            called = called.union(*(called_on_others(entry) for entry in bases))
        state = state_of(self.project, target, called)
        owner = next((entry for entry in bases if first is not None and entry.full_name == first.owner), None)
        if state.anew or owner is None or first is None:
            return state
        return state._replace(anew=made_anew(self.project, owner, first.span))

    def _is_training_code(self, target: Instance) -> bool:
        if target.pending is not None:
            return False  # nothing asks about it
        return target.cls is not None and is_training_code(self.project, target.cls)

    def _runs_what_it_is_given(self, target: Instance) -> bool:
        """Whether something unknown that an object was given is called by it: that may be a module."""
        if target.cls is None:
            return False
        given = [name for name, item in target.attrs.items() if any(map(_is_given, held_in(item.value)))]
        return bool(given) and not called_attributes(self.project, target.cls).isdisjoint(given)

    def _container_kind(self, target: Instance) -> Kind:
        held = list(children_of(target))
        return Kind.LOSS if held and all(map(self._measures, held)) else Kind.CONTAINER

    def _measures(self, value: Value) -> bool:
        """Whether it is a loss or a metric: of the project, of torch, or made by a library of such."""
        if isinstance(value, Symbol):
            return value.made and TRAINING_HOME.search(f"{value.text}.") is not None
        if not isinstance(value, Instance) or value.pending is not None:
            return False
        return facts_of(value.dotted).kind is Kind.LOSS or self._is_training_code(value)

    def _replacer(self, attribute: str) -> str:
        """The subclass that gives `self.<attribute>` another value, in words."""
        if attribute.isidentifier():
            for subclass in self.project.subclasses(self.run.cls):
                if subclass.writers_of(attribute):
                    return f"the subclass `{subclass.name}` replaces `{attribute}`"
        return ""

    def _writer(self, attribute: str, definition: Span) -> str:
        """The code outside that gives `self.<attribute>` another value or changes it, in words."""
        if not attribute.isidentifier():
            return ""
        others = [entry for entry in self.project.mro(self.run.cls)[1:] if isinstance(entry, ClassDef)]
        for entry in (*others, *self.project.subclasses(self.run.cls)):
            method = changed_below(entry, attribute)
            if method:
                return f"`{entry.name}.{method}` changes `{attribute}`"
        for path, line in self.project.outside_writes(attribute):
            if (path, line) != (definition.path, definition.line):
                return (
                    f"`{posixpath.basename(path)}` line {line} assigns or changes an attribute `{attribute}`"
                )
        for path, line in self.project.picked_by_name(attribute):
            return f"`{posixpath.basename(path)}` line {line} picks modules by the name `{attribute}`"
        classes = [self.run.cls, *(entry for entry in others), *self.project.subclasses(self.run.cls)]
        return changed_by_function(self.project, classes, attribute)

    def _compared(self, paths: list[str]) -> str:
        """Where the code asks which object one of the names means."""
        for attribute in dict.fromkeys(part for path in paths for part in path.split(".")):
            for file, line in self.project.identity_tests(attribute):
                return f"`{posixpath.basename(file)}` line {line} asks which object `{attribute}` is"
        return ""

    def _listed(self, class_name: str, attribute: str) -> str:
        """Where the modules of the class are counted, for which another one would be one more."""
        found = self.project.listing_of(self.run.cls, class_name.rpartition(".")[2].rpartition(":")[2])
        if found is not None:
            return f"`{posixpath.basename(found[0])}` line {found[1]} lists the children of modules"
        bases = [entry for entry in self.project.mro(self.run.cls) if isinstance(entry, ClassDef)]
        watched = next((entry for entry in bases if "__setattr__" in entry.methods), None)
        if watched is not None:
            return f"`{watched.name}.__setattr__` sees the modules that are made"
        return listed_in_forward(self.project, bases, attribute)

    def _scripted(self) -> str:
        """Where the class is handed to TorchScript, which picks no module by a counter."""
        found = self.project.scripted(self.run.cls)
        return f"`{posixpath.basename(found[0])}` line {found[1]} scripts" if found is not None else ""

    def _scattered(self, target: Target, names: list[Name]) -> str:
        """Whether another method names a module than makes it: one place cannot give each its own."""
        node, file = target.node, target.file
        if (isinstance(target, Symbol) and not target.made) or node is None or file is None:
            return ""
        made = site_of(file, getattr(node, "lineno", 0))
        if made.method is None:
            return ""
        for name in names:
            try:
                named = site_of(self.project.file(name.span.path), name.span.line)
            except (Unreadable, OSError):
                continue
            if (named.cls, named.method) != made:
                return f"it is made in `{made.name}` and named in `{named.name}`"
        return ""

    def _modified(self, target: Target, attribute: str) -> str:
        """How a module is changed after it was made: where the constructor was followed, or by any
        method of the class (`train` that calls `self.bn.eval()`)."""
        if isinstance(target, Instance) and target.number in self.run.modified:
            return self.run.modified[target.number]
        for entry in self.project.mro(self.run.cls):
            if isinstance(entry, ClassDef):
                changed = changing_call(entry, attribute)
                if changed is not None:
                    if changed[0].startswith("__"):
                        return f"`{changed[0]}` of it is used in `{changed[1]}`"
                    return f"`{changed[0]}()` is called on it in `{changed[1]}`"
        return ""

    def _reader(self, attribute: str) -> str:
        """A subclass that uses `self.<attribute>` as it is, by name."""
        for subclass in self.project.subclasses(self.run.cls):
            if any(subclass.reads(name, attribute) for name in subclass.methods):
                return subclass.name
        return ""

    def _is_parameter(self, symbol: Symbol) -> bool:
        return isinstance(symbol.key, tuple) and symbol.key[0] == "param"

    def _fallback_span(self, target: Target) -> Span:
        if target.node is not None and target.file is not None and hasattr(target.node, "lineno"):
            return target.file.source.span(target.node)
        return self.run.cls.file.source.span(self.run.cls.node)

    def _facts(self, target: Target, depth: int) -> tuple[ModuleFacts, str, set[Kind]]:
        """(facts, class name, kinds of the modules inside)."""
        if isinstance(target, Symbol):
            return _MEASURE if self._measures(target) else UNKNOWN, "", set()
        if target.pending is not None and depth >= DEPTH:
            return ModuleFacts(Kind.PROJECT, None, None), target.dotted, set()
        if target.cls is None and target.items is None and target.children is None:
            facts = facts_of(target.dotted)
            return facts, target.dotted, {facts.kind}
        inside: list[ModuleFacts] = []
        kinds: set[Kind] = set()
        if depth >= DEPTH:
            if target.cls is None:
                return ModuleFacts(self._container_kind(target), None, None), target.dotted, set()
            return ModuleFacts(Kind.PROJECT, None, None), target.cls.full_name, set()
        if target.cls is not None and target.cls in self.weighted:
            return self.weighted[target.cls]
        if target.cls is not None and not target.built and depth < 3:
            try:
                self.run.build(target)
            except (OutOfSteps, RecursionError):
                return ModuleFacts(Kind.PROJECT, None, None), target.cls.full_name, set()
        known = not target.open and target.built and target.number not in self.run.unfinished
        if any(held is not None and held.open for held in (target.items, target.children)):
            known = False  # it holds more than is seen
        children = [c for c in children_of(target) if not isinstance(c, Instance) or c.is_module]
        children += [c for c in in_plain_containers(target) if c.is_module]
        # Library classes first: one with weights settles the matter without building those of the project.
        children.sort(key=lambda c: isinstance(c, Instance) and c.cls is not None)
        for child in children:
            if isinstance(child, Instance) and child.cls is not None and any(f.parameters for f in inside):
                known = False
                break
            if isinstance(child, Instance):
                if depth >= 4:
                    known = False
                    continue
                facts, _, inner = self._facts(child, depth + 1)
                inside.append(facts)
                kinds |= inner
            elif isinstance(child, Symbol) and (child.made or child.callable_hint == "module"):
                known = False
        known = known and not self._runs_what_it_is_given(target)
        parameters = _any(f.parameters for f in inside)
        buffers = _any(f.buffers for f in inside)
        if target.number in self.run.with_parameters:
            parameters = True
        if target.number in self.run.with_buffers:
            buffers = True
        if not known:
            parameters = parameters or None
            buffers = buffers or None
        if target.cls is None:
            return ModuleFacts(self._container_kind(target), parameters, buffers), target.dotted, kinds
        for base in self.project.mro(target.cls):
            if isinstance(base, Unknown) and facts_of(base.dotted) is not UNKNOWN and not inside:
                facts = facts_of(base.dotted)
                if facts.kind is not Kind.CONTAINER:
                    return facts, target.cls.full_name, {facts.kind}
        if not kinds - {Kind.DROPOUT, Kind.IDENTITY} and not parameters and known:
            for kind, when in ((Kind.IDENTITY, TRUE), (Kind.DROPOUT, literal(TRAINING, False))):
                if self.run.gives_back(target, when):
                    return ModuleFacts(kind, parameters, buffers), target.cls.full_name, {kind}
        result = ModuleFacts(Kind.PROJECT, parameters, buffers), target.cls.full_name, kinds
        if parameters:
            # It cannot get worse: other instances of the class need no look.
            self.weighted[target.cls] = result
        return result


def _is_given(value: Value) -> bool:
    return isinstance(value, Symbol) and value.origin == "config" and value.callable_hint not in NO_MODULE


def _switches(target: Instance) -> bool:
    """Whether each call of an object runs another part of it: forward picks by a counter on self that
    it moves itself."""
    if target.cls is None or "forward" not in target.cls.methods:
        return False
    forward = target.cls.methods["forward"]
    moved = {
        n.attr
        for n in nodes(forward)
        if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) and isinstance(n.value, ast.Name)
    }
    return any(
        isinstance(n, ast.Subscript)
        and isinstance(n.ctx, ast.Load)
        and any(isinstance(i, ast.Attribute) and i.attr in moved for i in nodes(n.slice))
        for n in nodes(forward)
    )


def _holds_unseen(target: Instance) -> bool:
    """Whether nothing that a container holds is known to be a module: it is empty, or something unknown."""
    if target.cls is not None:
        return False
    if target.items is not None:
        # Of a list that something unknown made, nobody knows whether its entries are held elsewhere too.
        given = target.items.open
        return not any(
            is_module_like(item.value) and not (given and isinstance(item.value, Pick))
            for item in target.items.items
        )
    return target.children is not None and not target.children.entries and not target.children.rest


def _any(values: Iterator[bool | None]) -> bool | None:
    result: bool | None = False
    for value in values:
        if value:
            return True
        if value is None:
            result = None
    return result
