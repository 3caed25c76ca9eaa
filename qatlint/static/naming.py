"""Under which names an owner reaches its modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable

from qatlint.condition import FALSE, TRUE, Condition, both, either, excludes, implies
from qatlint.static.interpreter import Interpreter
from qatlint.static.machine import OutOfSteps, RawCall, deps_of
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.project import Project
from qatlint.static.values import (
    Choice,
    Instance,
    Item,
    Mapping,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Name

Target = Instance | Symbol
DEPTH = 6
"""Children inside each other that are looked into."""


class Named:
    """A module and the names under which its owner reaches it."""

    __slots__ = ("conditions", "names", "paths", "target", "when")

    def __init__(self, target: Target) -> None:
        self.target = target
        self.names: list[Name] = []
        self.conditions: list[Condition] = []
        """When each of the names holds."""
        self.paths: list[str] = []
        self.when: Condition = FALSE


class Naming:
    """Walks what the owner holds; `named` is what it found."""

    def __init__(self, project: Project, interpreter: Interpreter) -> None:
        self.project = project
        self.run = interpreter
        self.root = interpreter.root
        self.named: dict[Hashable, Named] = {}
        self.by_key: dict[int, Hashable] = {n: k for k, n in interpreter.interned.items()}
        self.registered = True
        """False while walking a plain list or dict."""

    def _walk_attributes(self, holder: Instance, prefix: str, when: Condition, depth: int) -> None:
        """Name every module reached from the attributes of `holder`."""
        for name, item in list(holder.attrs.items()):
            if name.startswith("<"):
                name = "*"
            held = item
            if "*" in name and isinstance(item.value, Choice):
                # Given in different loops: what the last of them says of repetition is not true of all.
                held = Item(item.value, item.when, node=item.node, file=item.file)
            self._walk(item.value, f"{prefix}{name}", held, both(when, item.when), depth, holder)
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
        if not when or depth > DEPTH:
            return
        if isinstance(value, Choice):
            for inner, option in self.run.options(value, when):
                self._walk(option, path, item.of(option), inner, depth, holder)
        elif isinstance(value, Pick):
            if item.loops and item.loops <= deps_of(value):
                # Another element at each turn.
                item = Item(item.value, item.when, node=item.node, file=item.file)
            for _, option in value.options:
                self._walk(option, path, item, when, depth + 1, holder)
        elif isinstance(value, Instance):
            self._walk_instance(value, path, item, when, depth)
        elif isinstance(value, Symbol):
            is_function = value.callable_hint == "member" or self.run.is_function(value, when)
            if value.origin == "config" and not is_function:
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
        if holder.items is not None:
            named = {id(item.node) for held in holder.attrs.values() for item in held.written()}
            for i, entry in enumerate(holder.items.items[:60]):
                if id(entry.node) in named:
                    continue  # `add_module` gave it a name in the container itself
                name = "*" if prefix else str(i)
                self._walk(entry.value, f"{prefix}{name}", entry, both(when, entry.when), depth + 1, holder)
        elif holder.children is not None:
            self._walk_mapping(holder.children, prefix.rstrip("."), when, depth, holder)

    def _walk_mapping(
        self, mapping: Mapping, path: str, when: Condition, depth: int, holder: Instance
    ) -> None:
        for key, entry in list(mapping.entries.items())[:60]:
            place = "*" if (str(key).isdigit() or isinstance(key, tuple)) and path else str(key)
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
        """Add a name; False when the module was met before on these paths."""
        known = self.named.get(identity)
        fresh = known is None or not (known.when == TRUE or implies(when, known.when))
        if known is None:
            known = self.named[identity] = Named(target)
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

    def _add_name(self, known: Named, name: Name, when: Condition) -> None:
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
                    named = self.named[identity] = Named(target)
                    named.paths.append(path)
                    named.when = TRUE
            result.setdefault(identity, []).append(raw)
        return result

    def _name_through(self, target: Instance) -> None:
        """Name the insides of the child that made `target`, which was reached by attribute."""
        chain: list[Instance] = []
        maker = target.creator
        while maker is not None and maker is not self.root and len(chain) < DEPTH:
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


def _repeats(value: Instance, item: Item) -> int | None:
    """How many positions of a container hold this one instance."""
    if item.times is None or item.loops & value.loops:
        return 1
    return item.times.most if item.times.most is not None else None


def owner_at(file: ModuleFile, node: ast.AST) -> str:
    """`package.module:Class` of the innermost class around a node; "" outside classes."""
    cls = file.class_around(getattr(node, "lineno", 0))
    return cls.full_name if cls is not None else ""
