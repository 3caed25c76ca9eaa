"""Making objects: instances, containers, constructors, copies."""

from __future__ import annotations

import ast

from qatlint.condition import TRUE, both, either
from qatlint.static.attributes import MAPPINGS, SEQUENCES
from qatlint.static.families import loops_of
from qatlint.static.items import Items
from qatlint.static.machine import NOWHERE, Frame, OutOfSteps
from qatlint.static.modulefile import ClassDef, Unknown
from qatlint.static.values import (
    NO_LOOPS,
    Args,
    At,
    Choice,
    Const,
    Function,
    Instance,
    Item,
    Mapping,
    Method,
    Pick,
    Seq,
    Symbol,
    Value,
    Wrapped,
)

_PLAIN_BASES = frozenset(
    "object ABC Generic Protocol Module Sequential ModuleList ModuleDict BaseModule LightningModule".split()
)
"""Bases that hold no modules and no forward of their own."""


class Objects(Items):
    """`instantiate`, `build` and `clone`."""

    def instantiate(
        self, cls: ClassDef | None, dotted: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """Make an object. The constructor of a project class runs when something asks for it."""
        is_module = True if cls is None else self.project.is_module(cls)
        if cls is not None:
            dotted = self.project.stub_base(cls)
        instance = self.make(cls, dotted, is_module, args, node, frame)
        if cls is None:
            if dotted in SEQUENCES:
                instance.items = self.sequential_entries(args, instance, frame)
            elif dotted in MAPPINGS:
                instance.children = self._mapping_entries(args, frame)
        else:
            instance.foreign = self._has_foreign(args)
        return instance

    def make(
        self,
        cls: ClassDef | None,
        dotted: str,
        is_module: bool,
        args: Args | None,
        node: ast.AST,
        frame: Frame,
    ) -> Instance:
        """A new instance, not yet built."""
        instance = Instance(
            next(self.numbers),
            cls,
            dotted,
            is_module,
            args,
            node,
            frame.file,
            self.building[-1] if self.building else None,
            self.loop_base | self.loop_numbers() if self.phase == "init" else NO_LOOPS,
            frame.guard,
        )
        instance.transient = self.phase == "forward"
        if self.phase == "global":
            instance.origin = "module-level"
        self.instances.append(instance)
        return instance

    def container_of(self, first: Instance, more: Seq | None, node: ast.expr, frame: Frame) -> Value:
        """`first + more`: another container of the same kind, with the same entries and then these."""
        assert first.items is not None
        made = Seq([*first.items.items, *(more.items if more is not None else ())], loops=first.items.loops)
        made.open = first.items.open or more is None or more.open
        if first.cls is not None or (self.phase != "init" and not first.dotted.endswith("Sequential")):
            return made
        container = self.make(None, first.dotted, True, None, node, frame)
        container.items = made
        return container

    def _has_foreign(self, args: Args) -> bool:
        """Whether what gets these arguments is given modules of its maker."""
        for item in args.positional:
            # Most arguments are numbers.
            if type(item.value) is not Const and self._is_foreign(item.value):
                return True
        return any(type(value) is not Const and self._is_foreign(value) for value in args.keywords.values())

    def _is_foreign(self, value: Value, depth: int = 0) -> bool:
        kind = type(value)
        if kind is Symbol:
            return value.made  # type: ignore[attr-defined, no-any-return]
        if kind is Const:
            return False
        if isinstance(value, Instance):
            return value.is_module
        if isinstance(value, Method):
            return isinstance(value.receiver, Instance) and value.receiver.is_module
        if isinstance(value, (Choice, Pick)):
            return depth < 3 and any(self._is_foreign(v, depth + 1) for _, v in value.options)
        if isinstance(value, Seq):
            return depth < 3 and any(self._is_foreign(i.value, depth + 1) for i in value.items[:12])
        return False

    def sequential_entries(self, args: Args, instance: Instance, frame: Frame) -> Seq:
        """Entries of `nn.Sequential(...)` or `nn.ModuleList(...)`."""
        result = Seq([], loops=instance.loops)
        if len(args.positional) == 1 and not args.open:
            only = args.positional[0].value
            if isinstance(only, Mapping):
                for item in only.entries.values():
                    result.items.append(item)
                for _, item in only.rest:
                    result.items.append(item)
                result.open = only.open
                instance.children = only
                return result
            entries = (
                self.entries(only)
                if not isinstance(only, Wrapped)
                else self.listed(only, instance.node, frame)
            )
            if entries is not None and not (
                isinstance(only, Instance) and instance.dotted.endswith("Sequential")
            ):
                self.copy_into(result, entries, instance)
                return result
            if isinstance(only, Choice):
                return self._choice_entries(result, only, instance)
            if instance.dotted.endswith("ModuleList"):
                if isinstance(only, Symbol):
                    at = At(("whole", only.key), running=True)
                    result.items.append(Item(self.element_of(only, at)))
                result.open = True
                return result
        self.copy_into(result, Seq(args.positional, "tuple", args.open), instance)
        return result

    def _choice_entries(self, result: Seq, value: Choice, instance: Instance) -> Seq:
        for when, option in self.options(value, TRUE):
            if isinstance(option, Mapping):
                items, open_ = [*option.entries.values(), *(i for _, i in option.rest)], option.open
            else:
                entries = self.entries(option)
                items, open_ = (entries.items, entries.open) if entries is not None else ([], True)
            result.items += [
                Item(i.value, both(when, i.when), i.times, i.loops, i.node, i.file, i.given) for i in items
            ]
            result.open = result.open or open_
        return result

    def copy_into(self, result: Seq, entries: Seq, instance: Instance) -> None:
        """Copy entries into a container; entries made in the loops around the container are single."""
        for item in entries.items:
            if -1 in item.loops and isinstance(item.value, Symbol):
                result.open = True
                continue
            if type(item.value) is Symbol and item.when == instance.when == TRUE:
                item.value.is_registered()
            result.items.append(item)
        result.open = result.open or entries.open

    def _one_of_several(self, result: Mapping, value: Choice) -> None:
        """Put the entries of one of several dicts, each under its condition."""
        for when, option in self.options(value, TRUE):
            if not isinstance(option, Mapping):
                result.open = True
                continue
            result.open = result.open or option.open
            result.rest += option.rest
            for key, item in option.entries.items():
                known, here = result.entries.get(key), both(when, item.when)
                value_ = item.value
                if known is not None:
                    value_ = self.choose([(known.when, known.value), (here, value_)])
                    here = either(known.when, here)
                result.entries[key] = Item(value_, here, node=item.node, file=item.file)

    def hold_entries(self, children: Mapping, args: Args, frame: Frame) -> None:
        """The constructor of a ModuleDict that a class of the project inherits from."""
        given = self._mapping_entries(args, frame)
        children.entries.update(given.entries)
        children.rest += given.rest
        children.open = children.open or given.open

    def _mapping_entries(self, args: Args, frame: Frame) -> Mapping:
        result = Mapping()
        result.open = args.open
        for item in args.positional[:1]:
            if isinstance(item.value, Mapping):
                result.entries.update(item.value.entries)
                result.rest.extend(item.value.rest)
                result.open = item.value.open
            elif isinstance(item.value, Choice):
                self._one_of_several(result, item.value)
            elif isinstance(item.value, Seq):
                for pair in item.value.items:
                    if isinstance(pair.value, Seq) and len(pair.value.items) == 2:
                        self.put(result, pair.value.items[0].value, pair.value.items[1])
            else:
                result.open = True
        return result

    def build(self, instance: Instance) -> None:
        """Run the constructor of an object of a project class."""
        instance.settle()
        instance.built = True
        cls = instance.cls
        if cls is None:
            return
        mro = self.project.mro(cls)
        self._mark_library_bases(instance, mro)
        if len(self.building) > 8:
            instance.open = True
            return
        phase, self.phase = self.phase, "init" if self.phase != "global" else "global"
        loops, self.loops = self.loops, []
        base, self.loop_base = self.loop_base, instance.loops
        via, self.via = self.via, []
        self.building.append(instance)
        instance.building = True
        frame = Frame(cls.file, name="__init__", cls=cls, me=instance, owner=None, guard=instance.when)
        try:
            self.construct(instance, frame)
        except (OutOfSteps, RecursionError):
            self.unfinished.add(instance.number)
            raise
        finally:
            instance.building = False
            self.building.pop()
            self.phase, self.loops, self.loop_base, self.via = phase, loops, base, via

    def construct(self, instance: Instance, frame: Frame) -> None:
        """Call `__init__` with the recorded arguments."""
        assert instance.cls is not None
        found = self.lookup(instance.cls, "__init__", None)
        args = instance.args or Args([], {}, True)
        if found is not None and isinstance(found[1], (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = Function(found[1], found[0].file, None, found[0])
            self.enter(function, args, NOWHERE, frame, instance)
        elif instance.items is not None:
            self.copy_into(instance.items, self.sequential_entries(args, instance, frame), instance)
        elif instance.children is not None:
            self.hold_entries(instance.children, args, frame)
        else:
            self._dataclass_fields(instance, args)

    def _dataclass_fields(self, instance: Instance, args: Args) -> None:
        for name, value in args.keywords.items():
            instance.attrs[name] = Item(value)

    def _mark_library_bases(self, instance: Instance, mro: tuple[ClassDef | Unknown, ...]) -> None:
        for entry in mro:
            if isinstance(entry, Unknown):
                if entry.dotted in SEQUENCES:
                    instance.items = Seq([], loops=instance.loops)
                    instance.dotted = entry.dotted
                elif entry.dotted in MAPPINGS:
                    instance.children = Mapping()
                    instance.dotted = entry.dotted
                elif not entry.dotted.startswith(("torch.nn.", "abc.", "typing.", "object")):
                    if entry.dotted.rpartition(".")[2] not in _PLAIN_BASES:
                        instance.open = True

    def initialise(self, value: Instance, cls: ClassDef, method: str) -> None:
        """Run a method that sets attributes, as the constructor of an unseen base class would."""
        phase, self.phase = self.phase, "init"
        loops, self.loops = self.loops, []
        base, self.loop_base = self.loop_base, value.loops
        via, self.via = self.via, []
        self.building.append(value)
        frame = Frame(cls.file, name="__init__", cls=cls, me=value, owner=None, guard=TRUE)
        try:
            function = Function(cls.methods[method], cls.file, None, cls)
            self.enter(function, Args([], {}, True), NOWHERE, frame, value)
        finally:
            self.building.pop()
            self.phase, self.loops, self.loop_base, self.via = phase, loops, base, via

    def clone(self, value: Value, frame: Frame, memo: dict[int, Instance] | None = None) -> Value:
        """`copy.deepcopy(value)`: new instances all the way down."""
        memo = {} if memo is None else memo
        if isinstance(value, Instance):
            if value.number in memo:
                return memo[value.number]
            if not value.built and value.foreign:
                self.build(value)
            copy = self.make(value.cls, value.dotted, value.is_module, value.args, value.node, frame)
            memo[value.number] = copy
            copy.loops |= value.loops  # a copy of a family is a family
            copy.built, copy.open, copy.foreign = value.built, value.open, value.foreign
            copy.attrs = {
                k: Item(self.clone(i.value, frame, memo), i.when, i.times, i.loops, i.node, i.file, i.given)
                for k, i in value.attrs.items()
            }
            if value.items is not None:
                cloned = self.clone(value.items, frame, memo)
                copy.items = cloned if isinstance(cloned, Seq) else None
            if value.children is not None:
                children = Mapping()
                children.entries = {
                    k: Item(self.clone(i.value, frame, memo), i.when)
                    for k, i in value.children.entries.items()
                }
                children.rest = [(k, Item(self.clone(i.value, frame, memo))) for k, i in value.children.rest]
                children.open = value.children.open
                copy.children = children
            return copy
        if isinstance(value, Seq):
            items = [
                Item(self.clone(i.value, frame, memo), i.when, i.times, i.loops, i.node, i.file, i.given)
                for i in value.items
            ]
            return Seq(items, value.kind, value.open, self.loop_base | self.loop_numbers() | value.loops)
        if isinstance(value, Choice):
            return Choice(tuple((w, self.clone(v, frame, memo)) for w, v in value.options))
        if isinstance(value, (Symbol, Pick)):
            made = self.made("copy", NOWHERE, frame)
            made.loops |= loops_of(value)
            return made
        return value

    def made(self, text: str, node: ast.AST, frame: Frame) -> Symbol:
        """An object that something unknown made while the model is built."""
        return Symbol(
            ("made", next(self.numbers)),
            origin="config",
            made=self.phase == "init",
            loops=self.loop_base | self.loop_numbers() if self.phase == "init" else frozenset(),
            node=node,
            file=frame.file,
            text=text,
            creator=self.building[-1] if self.building else None,
        )
