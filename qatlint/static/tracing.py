"""From an interpreted class to its Trace: names, modules, calls, in source positions."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Hashable, Iterator

from qatlint.condition import FALSE, TRAINING, TRUE, Atom, Condition, atoms_of, both, either, excludes
from qatlint.horizon.modules import UNKNOWN, ModuleFacts, facts_of
from qatlint.static.calls import NOT_FORWARD
from qatlint.static.interpreter import Interpreter
from qatlint.static.iteration import product
from qatlint.static.machine import NOWHERE, OutOfSteps, Position, RawCall
from qatlint.static.project import ClassDef, Linear, ModuleFile, Project, Unknown
from qatlint.static.repeatable import changing_call, children_of, kept_state
from qatlint.static.source import nodes
from qatlint.static.usedness import how_used
from qatlint.static.values import (
    At,
    Choice,
    Instance,
    Item,
    LoopFrame,
    Mapping,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Call, Kind, Loop, Module, Name, Span, Times, Trace
from qatlint.usage import Counted, count

Target = Instance | Symbol
_DEPTH = 6


def trace_class(project: Project, cls: ClassDef) -> Trace:
    """What one forward of `cls` does. Never raises for anything the user may have written."""
    interpreter = Interpreter(project, cls)
    interpreter.interpret()
    opened = interpreter.opened_by()
    if opened:
        interpreter = Interpreter(project, cls, opened)
        interpreter.interpret()
    return _Tracer(project, interpreter).trace()


class _Named:
    """A module and the names under which its owner reaches it."""

    __slots__ = ("conditions", "names", "paths", "target", "when")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.names: list[Name] = []
        self.conditions: list[Condition] = []
        """When each of the names holds."""
        self.paths: list[str] = []
        self.when: Condition = FALSE


class _Tracer:
    def __init__(self, project: Project, interpreter: Interpreter) -> None:
        self.project = project
        self.run = interpreter
        self.root = interpreter.root
        self.named: dict[Hashable, _Named] = {}
        self.by_key: dict[int, Hashable] = {n: k for k, n in interpreter.interned.items()}
        self.weighted: dict[ClassDef, tuple[ModuleFacts, str, set[Kind]]] = {}
        """Classes known to hold parameters."""
        self.registered = True
        """False while walking a plain list or dict."""
        self.atoms: dict[int, Atom] = {}
        """Atoms without their text, as counting needs them."""

    def trace(self) -> Trace:
        """The Trace of the interpreted class."""
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
                if not isinstance(named.target.hint, Instance):
                    continue  # a number, a flag, a name: nothing says it is a module
            own = list(self._calls(number, named, raw))
            matters = self._matters(named, own)
            if isinstance(named.target, Instance) and (matters or not raw):
                named.target.settle()
                if not named.target.is_module:
                    continue
            if matters:
                explained |= atoms_of([c.when for c in own])
            modules.append(self._module(number, named, raw, matters))
            trace_calls.extend(own)
        bases = tuple(e.full_name if isinstance(e, ClassDef) else e.dotted for e in self.project.mro(cls)[1:])
        used = atoms_of([c.when for c in trace_calls])
        used |= atoms_of([m.when for m in modules]) | atoms_of(run.facts)
        return Trace(
            owner=cls.full_name,
            span=cls.file.source.span(cls.node),
            bases=bases,
            modules=tuple(modules),
            calls=tuple(trace_calls),
            has_forward=run.has_forward,
            complete=not run.incomplete,
            atoms={n: self._atom(n, n in explained) for n in sorted(used)},
            facts=tuple(f for f in run.facts if f and f != TRUE),
            notes=tuple(sorted(run.notes)),
        )

    def _atom(self, number: int, explained: bool = False) -> Atom:
        """An atom; with its text only where a message may quote it."""
        if not explained and number in self.atoms:
            return self.atoms[number]
        raw = self.run.atoms[number]
        if number == TRAINING:
            atom = Atom(number, "self.training")
        else:
            text = _text(raw.node) if explained and raw.node is not None else ""
            atom = Atom(number, text, raw.group, raw.config)
        if not explained:
            self.atoms[number] = atom
        return atom

    # -- names -----------------------------------------------------------------------------

    def _walk_attributes(self, holder: Instance, prefix: str, when: Condition, depth: int) -> None:
        """Name every module reached from the attributes of `holder`."""
        for name, item in list(holder.attrs.items()):
            if name.startswith("<"):
                name = "*"
            self._walk(item.value, f"{prefix}{name}", item, both(when, item.when), depth, holder)
        if holder.items is not None or holder.children is not None:
            self._walk_entries(holder, prefix, when, depth)

    def _walk_class_level(self, cls: ClassDef) -> None:
        """Modules made in the body of a class."""
        assert self.root is not None
        for entry in self.project.mro(cls):
            if not isinstance(entry, ClassDef):
                continue
            for name, node in entry.constants.items():
                if isinstance(node, ast.Call) and name not in self.root.attrs:
                    value = self.run.class_constant(entry, name)
                    if isinstance(value, Instance) and value.is_module:
                        self._walk(
                            value, name, Item(value, TRUE, node=node, file=entry.file), TRUE, 0, self.root
                        )

    def _add_grafts(self) -> None:
        for number, attribute, node, file in self.run.grafts:
            known = self.named.get(number)
            if known is not None and known.names:
                path = re.sub(r"[^.]+$", attribute, known.names[0].path)
                known.names.append(Name(path, file.source.span(node), None, owner_at(file, node)))
                known.conditions.append(TRUE)

    def _walk(
        self, value: Value, path: str, item: Item, when: Condition, depth: int, holder: Instance
    ) -> None:
        if not when or depth > _DEPTH:
            return
        if isinstance(value, Choice):
            for inner, option in self.run.options(value, when):
                self._walk(option, path, item, inner, depth, holder)
        elif isinstance(value, Pick):
            for _, option in value.options:
                self._walk(option, path, item, when, depth + 1, holder)
        elif isinstance(value, Instance):
            self._walk_instance(value, path, item, when, depth)
        elif isinstance(value, Symbol):
            if value.origin == "config" and value.callable_hint != "member":
                self._name(value, ("symbol", value.key), path, item, when, None)
        elif isinstance(value, (Seq, Mapping)):
            # A plain list or dict registers nothing: what it holds is reached, but has no name by it.
            registered, self.registered = self.registered, False
            if isinstance(value, Mapping):
                self._walk_mapping(value, path, when, depth, holder)
            else:
                for entry in value.items[:40]:
                    self._walk(entry.value, f"{path}.*", entry, both(when, entry.when), depth + 1, holder)
            self.registered = registered

    def _walk_instance(self, value: Instance, path: str, item: Item, when: Condition, depth: int) -> None:
        if value.is_module:
            if not self._name(value, value.number, path, item, when, _repeats(value, item)):
                return
        elif not value.foreign:
            return
        if not value.built and value.foreign:
            try:
                self.run.build(value)
            except (OutOfSteps, RecursionError):
                self.run.incomplete = True
        self._walk_attributes(value, f"{path}.", when, depth + 1)

    def _walk_entries(self, holder: Instance, prefix: str, when: Condition, depth: int) -> None:
        named = {id(item.node) for item in holder.attrs.values()}
        named |= {id(value) for item in holder.attrs.values() for value in _alternatives(item.value)}
        if holder.items is not None:
            for i, entry in enumerate(holder.items.items[:60]):
                if id(entry.node) in named or id(entry.value) in named:
                    continue  # `add_module` gave it a name in the container itself
                name = "*" if prefix else str(i)
                self._walk(entry.value, f"{prefix}{name}", entry, both(when, entry.when), depth + 1, holder)
        elif holder.children is not None:
            self._walk_mapping(holder.children, prefix.rstrip("."), when, depth, holder)

    def _walk_mapping(
        self, mapping: Mapping, path: str, when: Condition, depth: int, holder: Instance
    ) -> None:
        for key, entry in list(mapping.entries.items())[:60]:
            place = "*" if str(key).isdigit() and path else str(key)
            full = f"{path}.{place}" if path else place
            self._walk(entry.value, full, entry, both(when, entry.when), depth + 1, holder)
        for _, entry in mapping.rest:
            self._walk(entry.value, f"{path}.*", entry, both(when, entry.when), depth + 1, holder)

    def _name(
        self,
        target: Target,
        identity: Hashable,
        path: str,
        item: Item,
        when: Condition,
        repeated: int | None,
    ) -> bool:
        """Add a name; False when the module was met before."""
        known = self.named.get(identity)
        fresh = known is None
        if known is None:
            known = self.named[identity] = _Named(target)
        node, file = item.node, item.file
        if node is None or file is None or not hasattr(node, "lineno"):
            node, file = target.node or self.run.cls.node, target.file or self.run.cls.file
        span = file.source.span(node)
        repeated = 1 if isinstance(target, Symbol) else repeated
        name = Name(
            path,
            span,
            repeated,
            owner_at(file, node),
            when,
            self.registered,
        )
        self._add_name(known, name, when)
        known.when = when if known.when == FALSE else either(known.when, when)
        return fresh

    def _add_name(self, known: _Named, name: Name, when: Condition) -> None:
        if known.names and all(excludes(when, other) for other in known.conditions):
            return  # another path of the constructor gives it that name instead
        if name.registered and known.names and not known.names[0].registered:
            known.names.insert(0, name)
            known.conditions.insert(0, when)
            known.paths.insert(0, name.path)
            return
        for i, other in enumerate(known.names):
            if other.path == name.path and other.span == name.span:
                if name.path.endswith("*") and not known.target.loops and other.repeated is not None:
                    # The same entry met again under the same list: it stands there more than once.
                    known.names[i] = other._replace(repeated=other.repeated + 1)
                return
        known.names.append(name)
        known.conditions.append(when)
        known.paths.append(name.path)

    def _with_names(self) -> dict[Hashable, list[RawCall]]:
        """Calls by module; modules that are called but have no name yet get one from their origin."""
        result: dict[Hashable, list[RawCall]] = {}
        for raw in self.run.calls:
            target = raw.target
            identity: Hashable = target.number if isinstance(target, Instance) else ("symbol", target.key)
            if identity not in self.named:
                if isinstance(target, Instance) and target.creator is not None:
                    self._name_through(target)
                if identity not in self.named:
                    path = self._symbol_path(target) if isinstance(target, Symbol) else ""
                    if not path:
                        continue
                    named = self.named[identity] = _Named(target)
                    named.paths.append(path)
                    named.when = TRUE
            result.setdefault(identity, []).append(raw)
        return result

    def _name_through(self, target: Instance) -> None:
        """Name the insides of the child that made `target`, which was reached by attribute."""
        chain: list[Instance] = []
        maker = target.creator
        while maker is not None and maker is not self.root and len(chain) < _DEPTH:
            chain.append(maker)
            maker = maker.creator
        for holder in reversed(chain):
            named = self.named.get(holder.number)
            if named is not None and named.paths and holder.built:
                self._walk_attributes(holder, f"{named.paths[0]}.", named.when, 2)

    def _symbol_path(self, symbol: Symbol, depth: int = 0) -> str:
        """The attribute path of something unknown, from how it was reached."""
        named = self.named.get(("symbol", symbol.key))
        if named is not None and named.paths:
            return named.paths[0]
        return self._key_path(symbol.key, depth)

    def _key_path(self, key: Hashable, depth: int) -> str:
        if depth > 8:
            return ""
        named = self.named.get(("symbol", key))
        if named is not None and named.paths:
            return named.paths[0]
        parts = self.by_key.get(key) if isinstance(key, int) else key
        if not isinstance(parts, tuple) or len(parts) < 2:
            return ""
        if parts[0] == "self":
            holder = self.named.get(parts[1])
            assert self.root is not None
            if parts[1] == self.root.number:
                return str(parts[2])
            return f"{holder.paths[0]}.{parts[2]}" if holder is not None and holder.paths else ""
        if parts[0] in ("element", "slice", "item"):
            base = self._key_path(parts[1], depth + 1)
            return f"{base}.*" if base and parts[0] == "element" else base
        if parts[0] == "attribute":
            base = self._key_path(parts[1], depth + 1)
            return f"{base}.{parts[2]}" if base else ""
        return ""

    # -- modules ---------------------------------------------------------------------------

    def _matters(self, named: _Named, calls: list[Call]) -> bool:
        """Whether a rule may ask what is inside: looking means building the child."""
        if len(named.names) > 1 or any(n.repeated != 1 for n in named.names):
            return True
        here = [c for c in calls if not c.other_element]
        if not here or all(c.implied for c in here):
            return False
        counted = [Counted(c.when, c.times, True) for c in here]
        atoms = {n: self._atom(n) for n in atoms_of([c.when for c in here])}
        return count(counted, TRUE, (), atoms).shared

    def _module(self, key: int, named: _Named, raw: list[RawCall], matters: bool) -> Module:
        target = named.target
        known: Target = target
        if isinstance(target, Symbol) and isinstance(target.hint, Instance):
            known = target.hint
        facts, class_name, internals = self._facts(known, 0 if matters else _DEPTH)
        path = named.paths[0] if named.paths else ""
        last = re.sub(r"[.*\d]+$", "", path).rpartition(".")[2]
        if (facts.kind is Kind.UNKNOWN and NOT_FORWARD.search(last)) or (
            facts.kind is Kind.PROJECT and class_name.endswith(("Loss", "Criterion"))
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
            if not used and path and "." not in path and "*" not in path:
                used = how_used(self.project, self.run, path)
        made_at = None
        if isinstance(known, Instance) and hasattr(known.node, "lineno"):
            made_at = known.file.source.span(known.node)
        replaced = written = read_by = ""
        if matters and raw:
            replaced, written = self._writers(path, definition)
            read_by = self._reader(path)
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
            made_at=made_at if made_at != definition else None,
            replaced=replaced,
            written_elsewhere=written,
            read_by=read_by,
            modified=self._modified(known, path) if matters else "",
            keeps_state=kept_state(self.project, known) if matters else "",
            internals=tuple(sorted(internals, key=lambda k: k.value)),
        )

    def _writers(self, attribute: str, definition: Span) -> tuple[str, str]:
        """Who else gives `self.<attribute>` a value: (a subclass, code outside), in words."""
        if not attribute.isidentifier():
            return "", ""
        for subclass in self.project.subclasses(self.run.cls):
            if subclass.writers_of(attribute):
                return f"the subclass `{subclass.name}` replaces `{attribute}`", ""
        for path, line in self.project.outside_writes(attribute):
            if (path, line) != (definition.path, definition.line):
                return "", f"`{posixpath.basename(path)}` line {line} assigns an attribute `{attribute}`"
        return "", ""

    def _modified(self, target: Target, attribute: str) -> str:
        """How a module is changed after it was made: where the constructor was followed, or by any
        method of the class (`train` that calls `self.bn.eval()`)."""
        if isinstance(target, Instance) and target.number in self.run.modified:
            return self.run.modified[target.number]
        for entry in self.project.mro(self.run.cls):
            if isinstance(entry, ClassDef):
                for name, method in entry.methods.items():
                    changed = changing_call(method, attribute)
                    if changed:
                        return f"`{changed}()` is called on it in `{name}`"
        return ""

    def _reader(self, attribute: str) -> str:
        """A subclass that uses `self.<attribute>` as it is, by name."""
        for subclass in self.project.subclasses(self.run.cls):
            if any(attribute in subclass.read_in(name) for name in subclass.methods):
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
            return UNKNOWN, "", set()
        if target.pending is not None and depth >= _DEPTH:
            return ModuleFacts(Kind.PROJECT, None, None), target.dotted, set()
        if target.cls is None and target.items is None and target.children is None:
            facts = facts_of(target.dotted)
            return facts, target.dotted, {facts.kind}
        inside: list[ModuleFacts] = []
        kinds: set[Kind] = set()
        if depth >= _DEPTH:
            if target.cls is None:
                return ModuleFacts(Kind.CONTAINER, None, None), target.dotted, set()
            return ModuleFacts(Kind.PROJECT, None, None), target.cls.full_name, set()
        if target.cls is not None and target.cls in self.weighted:
            return self.weighted[target.cls]
        if target.cls is not None and not target.built and depth < 3:
            try:
                self.run.build(target)
            except (OutOfSteps, RecursionError):
                return ModuleFacts(Kind.PROJECT, None, None), target.cls.full_name, set()
        known = not target.open
        children = [c for c in children_of(target) if not isinstance(c, Instance) or c.is_module]
        # Library classes first: one with weights settles the matter without building the others.
        children.sort(key=lambda c: isinstance(c, Instance) and c.cls is not None)
        for child in children:
            if any(f.parameters for f in inside):
                known = False
                break
            if isinstance(child, Instance):
                if depth >= 4:
                    known = False
                    continue
                facts, _, inner = self._facts(child, depth + 1)
                inside.append(facts)
                kinds |= inner
            elif isinstance(child, Symbol) and child.made:
                known = False
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
            return ModuleFacts(Kind.CONTAINER, parameters, buffers), target.dotted, kinds
        for base in self.project.mro(target.cls):
            if isinstance(base, Unknown) and facts_of(base.dotted) is not UNKNOWN and not inside:
                facts = facts_of(base.dotted)
                if facts.kind is not Kind.CONTAINER:
                    return facts, target.cls.full_name, {facts.kind}
        result = ModuleFacts(Kind.PROJECT, parameters, buffers), target.cls.full_name, kinds
        if parameters:
            # It cannot get worse: other instances of the class need no look.
            self.weighted[target.cls] = result
        return result

    # -- calls -----------------------------------------------------------------------------

    def _plain(self, raw: RawCall) -> Condition:
        """The condition of a call, without tests of counters of loops that repeat it.

        Where each turn runs another element, a test of the counter tells elements apart and stays, and
        so does a test of a counter by which the constructor chose what to make.
        """
        positions, condition = self.run.positions, raw.guard
        if not positions or not any(abs(x) in positions for t in condition for x in t):
            return condition
        repeating = {loop.number for loop in raw.loops if not loop.turns}
        for at in raw.at:
            repeating -= at.deps
        return frozenset(
            frozenset(x for x in t if abs(x) not in positions or positions[abs(x)].loop not in repeating)
            for t in condition
        )

    def _calls(self, key: int, named: _Named, raw: list[RawCall]) -> Iterator[Call]:
        chosen = self._same_element(raw)
        anchor = self._anchor(raw)
        for one in raw:
            position = self._seen_from(one, anchor)
            place, last = one.chain[position], one.chain[-1]
            callee = one.callee if place is last else getattr(place.node, "func", place.node)
            repeating = self._repeating(one)
            times, some_turns = self._times(one, repeating)
            yield Call(
                module=key,
                span=place.file.source.span(place.node),
                callee=place.file.source.span(callee),
                owner=place.cls.full_name if place.cls is not None else "",
                function=place.function,
                times=times,
                when=self._plain(one),
                loops=tuple(_loop(loop) for loop in self._shown_loops(one)),
                method=one.method,
                via=tuple(p.file.source.span(p.node) for p in one.chain[:position] if p.node is not NOWHERE),
                repeats=not some_turns and not any(loop.leaves for loop in repeating),
                some_turns=some_turns,
                inside=None if place is last else last.file.source.span(last.node),
                implied=one.implied,
                own=last.owner is not self.root and last.owner is one.target.creator,
                other_element=one not in chosen,
            )

    def _anchor(self, raw: list[RawCall]) -> Linear | None:
        """The class in whose body the calls are reported: the most derived one that makes any."""
        assert self.root is not None and self.root.cls is not None
        mro = self.project.mro(self.root.cls)
        best = len(mro)
        for one in raw:
            for place in reversed(one.chain):
                if place.owner is self.root and place.cls in mro:
                    best = min(best, mro.index(place.cls))
                    break
        return mro[best] if best < len(mro) else None

    def _seen_from(self, raw: RawCall, anchor: Linear | None) -> int:
        """Position in the chain of the innermost call in the body of `anchor`."""
        for i in range(len(raw.chain) - 1, -1, -1):
            place = raw.chain[i]
            if place.owner is self.root and place.cls is anchor and place.node is not NOWHERE:
                return i
        return len(raw.chain) - 1

    def _repeating(self, raw: RawCall) -> list[LoopFrame]:
        """Loops that repeat this call on the same instance."""
        varied: frozenset[int] = frozenset()
        for at in self._selected(raw):
            varied |= at.deps
        return [
            loop
            for loop in raw.loops
            if not loop.turns and loop.number not in varied and not self._once(raw.guard, loop.number)
        ]

    def _times(self, raw: RawCall, repeating: list[LoopFrame]) -> tuple[Times, bool]:
        """How often one instance runs here, and whether a test of a counter leaves out some turns."""
        result, some_turns = Times(1, 1), False
        for loop in repeating:
            times = loop.times
            left_out = self._left_out(raw.guard, loop.number)
            if left_out:
                some_turns = True
                # Of all turns but one it is known that they run when one is left out by `!=`.
                least = max(times.least - 1, 0) if left_out == "one" else 0
                times = Times(least, None if times.most is None else max(times.most - 1, 0))
            result = product(result, times) or result
        return result, some_turns

    def _left_out(self, guard: Condition, loop: int) -> str:
        """`one` turn or `some` that a test of the loop's counter leaves out; "" when none is."""
        answers = set()
        for term in guard:
            answer = ""
            for x in term:
                position = self.run.positions.get(abs(x))
                if position is not None and position.loop == loop:
                    answer = "one" if position.once and x < 0 and not answer else "some"
            answers.add(answer)
        if not answers or "" in answers:
            return ""
        return answers.pop() if len(answers) == 1 else "some"

    def _selected(self, raw: RawCall) -> tuple[At, ...]:
        """Which element runs, with tests such as `if i == index` taken into account."""
        if not raw.at or not self.run.positions:
            return raw.at
        result = []
        for at in raw.at:
            other = self._equal_to(raw.guard, at.deps) if at.running else None
            result.append(self.run.selector(other) if other is not None else at)
        return tuple(result)

    def _equal_to(self, guard: Condition, loops: frozenset[int]) -> Value | None:
        """What the counter of one of the loops equals under the condition, when it is known."""
        for term in guard:
            for x in term:
                position = self.run.positions.get(x)
                if position is not None and position.once and position.loop in loops:
                    return position.other
        return None

    def _shown_loops(self, raw: RawCall) -> list[LoopFrame]:
        repeating = self._repeating(raw)
        return [loop for loop in raw.loops if loop.turns > 1 or loop in repeating]

    def _once(self, guard: Condition, loop: int) -> bool:
        """Whether the condition holds in one turn of the loop only: `if i == 0`."""
        positions = self.run.positions
        return bool(guard) and all(any(_holds_once(positions.get(x), loop) for x in term) for term in guard)

    def _same_element(self, raw: list[RawCall]) -> list[RawCall]:
        """Of the calls of a family, those that hit the element that runs most often."""
        if len(raw) < 2 or not any(r.at for r in raw):
            return raw
        best: list[RawCall] = []
        best_score: tuple[float, int] = (-1.0, 0)
        seen: set[tuple[Hashable, ...]] = set()
        for one in raw:
            at = self._selected(one)
            identity = tuple(a.key for a in at)
            if identity in seen:
                continue
            seen.add(identity)
            group = [r for r in raw if _overlap(at, self._selected(r))]
            counted = []
            for r in group:
                times, _ = self._times(r, self._repeating(r))
                repeats = times.most is None or times.most > 1
                counted.append(Counted(self._plain(r), times, repeats))
            used = count(counted, TRUE, (), {n: self._atom(n) for c in counted for n in atoms_of([c.when])})
            most = float("inf") if used.times.most is None else float(used.times.most)
            if (most, len(group)) > best_score:
                best, best_score = group, (most, len(group))
        return best


def _holds_once(position: Position | None, loop: int) -> bool:
    return position is not None and position.once and position.loop == loop


def _overlap(a: tuple[At, ...], b: tuple[At, ...]) -> bool:
    """Whether two selections can mean the same element."""
    return all(_meet(x, y) for x, y in zip(a, b, strict=False))


def _meet(a: At, b: At) -> bool:
    if a.key == b.key:
        return True
    if a.exact is not None and b.exact is not None:
        return a.exact == b.exact
    if a.running and b.running:
        return True
    for one, other in ((a, b), (b, a)):
        if one.running and one.sure is not None and not _surely_visited(one.sure, other.exact):
            continue
        if one.running and isinstance(other.exact, int):
            if other.exact >= 0:
                return other.exact >= one.low
            return -other.exact > one.high
    return False


def _surely_visited(sure: int, exact: int | str | None) -> bool:
    return isinstance(exact, int) and 0 <= exact < sure


def _loop(loop: LoopFrame) -> Loop:
    source = loop.file.source
    node = loop.node
    span = source.span(node)
    header = span
    if isinstance(node, (ast.For, ast.AsyncFor)):
        end = source.span(node.iter)
        header = Span(span.path, span.line, span.column, end.end_line, end.end_column)
    elif isinstance(node, ast.While):
        end = source.span(node.test)
        header = Span(span.path, span.line, span.column, end.end_line, end.end_column)
    statement = "call"
    if isinstance(node, (ast.For, ast.AsyncFor)):
        statement = "for"
    elif isinstance(node, ast.While):
        statement = "while"
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
        statement = "comprehension"
    return Loop(span, header, loop.times, loop.known, _text(loop.over), statement)


def _text(node: ast.AST) -> str:
    """Source of an expression on one line, shortened for a message."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
        if node.func.id in ("enumerate", "reversed", "list", "tuple"):
            return _text(node.args[0])
    try:
        text = " ".join(ast.unparse(node).split())
    except (RecursionError, ValueError, AttributeError):
        return ""
    return text if len(text) <= 60 else text[:57] + "..."


def _repeats(value: Instance, item: Item) -> int | None:
    """How many positions of a container hold this one instance."""
    if item.times is None or item.loops & value.loops:
        return 1
    return item.times.most if item.times.most is not None else None


def _alternatives(value: Value) -> Iterator[Value]:
    if isinstance(value, (Choice, Pick)):
        for _, option in value.options:
            yield from _alternatives(option)
    else:
        yield value


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


def _any(values: Iterator[bool | None]) -> bool | None:
    result: bool | None = False
    for value in values:
        if value:
            return True
        if value is None:
            result = None
    return result


def owner_at(file: ModuleFile, node: ast.AST) -> str:
    """`package.module:Class` of the innermost class around a node; "" outside classes."""
    line = getattr(node, "lineno", 0)
    best: ClassDef | None = None
    for cls in file.classes:
        if cls.node.lineno <= line <= (cls.node.end_lineno or 0):
            if best is None or cls.node.lineno >= best.node.lineno:
                best = cls
    return best.full_name if best is not None else ""
