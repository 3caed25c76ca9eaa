"""Calls: entering functions, making objects, executing modules."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from qatlint.condition import TRUE, Condition, both, literal
from qatlint.horizon.modules import FLOAT_FUNCTIONAL_METHODS, facts_of
from qatlint.static.attributes import MAPPINGS, SEQUENCES, Attributes
from qatlint.static.iteration import loops_of, varies
from qatlint.static.machine import DEPTH_LIMIT, NOWHERE, SOFT_LIMIT, Frame, Place, RawCall, deps_of
from qatlint.static.project import ClassDef, Unknown
from qatlint.static.values import (
    NONE,
    Args,
    At,
    Builtin,
    Choice,
    ClassValue,
    Const,
    External,
    Function,
    Imported,
    Instance,
    Item,
    LoopFrame,
    Mapping,
    Method,
    Partial,
    Pick,
    Seq,
    Slice,
    Super,
    Symbol,
    Value,
    Wrapped,
)
from qatlint.trace import Kind

# Training code: not part of the forward that is deployed (idioms.md: 14.6 % of naive hits).
NOT_FORWARD = re.compile(
    r"(^|_)(loss|losses|criterion|criterions|targets?|assign|assigner|metrics?|accuracy|sampler|matcher)(_|$)|"
    r"^loss|_loss$|^(get_bboxes|init_weights|_init_weights|reset_parameters)$"
)


class Calls(Attributes):
    """`call` and what it needs."""

    def evaluate_call(self, node: ast.Call, frame: Frame) -> Value:
        """The value of a call expression; executions of modules in it are recorded."""
        self.step()
        if isinstance(node.func, ast.Name) and node.func.id == "super" and "super" not in frame.env:
            return self._super(node, frame)
        callee = self.eval(node.func, frame)
        args = self.arguments(node, frame)
        return self.call(callee, args, node, frame)

    def arguments(self, node: ast.Call, frame: Frame) -> Args:
        """The arguments of a call, stars spread where they are known."""
        positional: list[Item] = []
        keywords: dict[str, Value] = {}
        open_ = False
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                value = self.eval(argument.value, frame)
                entries = self.entries(value)
                if entries is None:
                    open_ = True
                    positional.append(Item(value, TRUE, None, frozenset({-1}), argument, frame.file))
                else:
                    positional.extend(entries.items)
                    open_ = open_ or entries.open or any(i.times is not None for i in entries.items)
            else:
                positional.append(Item(self.eval(argument, frame), TRUE, node=argument, file=frame.file))
        for keyword in node.keywords:
            value = self.eval(keyword.value, frame)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, Mapping) and not value.open:
                for name, item in value.entries.items():
                    keywords[str(name)] = item.value
            else:
                open_ = True
        return Args(positional, keywords, open_)

    def _super(self, node: ast.Call, frame: Frame) -> Value:
        receiver, cls = frame.me, frame.cls
        if len(node.args) == 2:
            named = self.eval(node.args[0], frame)
            receiver = self.eval(node.args[1], frame)
            named = self.settled(named)
            if isinstance(named, ClassValue):
                cls = named.cls
        if receiver is None or cls is None:
            return self.unknown()
        return Super(receiver, cls)

    def call(self, callee: Value, args: Args, node: ast.Call, frame: Frame) -> Value:
        """Call an abstract value."""
        run = _CALLERS.get(type(callee))
        if run is None:
            return self.result(args, frame)
        return run(self, callee, args, node, frame)

    def _call_choice(self, callee: Choice, args: Args, node: ast.Call, frame: Frame) -> Value:
        narrowed = self.narrow(callee, frame.guard)
        if not isinstance(narrowed, Choice):
            return self.call(narrowed, args, node, frame)
        return self._call_options(narrowed, args, node, frame)

    def _call_method(self, callee: Method, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self.enter(callee.function, args, node, frame, callee.receiver)

    def _call_external(self, callee: External, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self.call_library(callee.dotted, args, node, frame)

    def _call_class(self, callee: ClassValue, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self.instantiate(callee.cls, "", args, node, frame)

    def _call_imported(self, callee: Imported, args: Args, node: ast.Call, frame: Frame) -> Value:
        """Make an object of an imported class, without looking at the class."""
        instance = self.make(None, callee.name, True, args, node, frame)
        instance.built = False
        instance.foreign = any(
            self._is_foreign(v) for v in [i.value for i in args.positional] + list(args.keywords.values())
        )

        def find(target: Instance) -> None:
            value = self.settled(callee)
            if isinstance(value, ClassValue):
                target.become(value.cls, "", self.project.is_module(value.cls))
            elif isinstance(value, External):
                target.become(None, value.dotted, True)
                if value.dotted in SEQUENCES:
                    target.items = self.sequential_entries(args, target, frame)
                elif value.dotted in MAPPINGS:
                    target.children = self._mapping_entries(args, frame)
            else:
                target.become(None, "", True)  # a function with the name of a class

        instance.pending = find
        if instance.foreign:
            instance.settle()
        return instance

    def _call_instance(self, callee: Instance, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self.execute(callee, (), args, node, frame)

    def _call_plain_symbol(self, callee: Symbol, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self._call_symbol(callee, (), args, node, frame)

    def _call_partial(self, callee: Partial, args: Args, node: ast.Call, frame: Frame) -> Value:
        merged = Args(
            [Item(a) for a in callee.args] + args.positional, {**callee.kwargs, **args.keywords}, args.open
        )
        return self.call(callee.function, merged, node, frame)

    def result(self, args: Args, frame: Frame) -> Value:
        """The unknown result of a call."""
        if self.phase == "forward":
            return Symbol(("fresh", next(self.numbers)), deps=self.loop_numbers(), origin="input")
        return self.unknown(*(i.value for i in args.positional[:3]), text="result")

    def _call_options(self, callee: Choice, args: Args, node: ast.Call, frame: Frame) -> Value:
        outer = frame.guard
        results: list[tuple[Condition, Value]] = []
        for when, option in self.options(callee, TRUE):
            if isinstance(option, Const) and option.value is None:
                continue
            frame.guard = both(outer, when)
            if frame.guard:
                results.append((when, self.call(option, args, node, frame)))
        frame.guard = outer
        return self.choose(results) if results else self.result(args, frame)

    def _call_pick(self, callee: Pick, args: Args, node: ast.Call, frame: Frame) -> Value:
        outer = frame.guard
        last = callee.at[-1] if callee.at else None
        value: Value | None = None
        several = len(callee.options) > 1
        for position, option in callee.options:
            frame.guard = outer
            at = callee.at
            if several and last is not None:
                if not last.running and not last.deps and position is not None:
                    number = self.atom(
                        ("picked", last.key, position), None, group=("picked", last.key), config=True
                    )
                    frame.guard = both(outer, literal(number))
            if not frame.guard:
                continue
            value = self.call_at(option, at, args, node, frame)
        frame.guard = outer
        return value if value is not None else self.result(args, frame)

    def call_at(self, option: Value, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame) -> Value:
        """Call the element of a family."""
        if isinstance(option, Instance):
            return self.execute(option, at, args, node, frame)
        if isinstance(option, Symbol):
            return self._call_symbol(option, at, args, node, frame)
        if isinstance(option, Pick):
            return self._call_pick(Pick(option.options, at + option.at), args, node, frame)
        if isinstance(option, Choice):
            outer = frame.guard
            value: Value = NONE
            for when, inner in self.options(option, TRUE):
                frame.guard = both(outer, when)
                if frame.guard and not (isinstance(inner, Const) and inner.value is None):
                    value = self.call_at(inner, at, args, node, frame)
            frame.guard = outer
            return value
        return self.call(option, args, node, frame)

    # -- functions -------------------------------------------------------------------------

    def _call_function(self, callee: Function, args: Args, node: ast.Call, frame: Frame) -> Value:
        """A plain function: entered while building; in forward only when it is given something that
        can run a module, or can see one."""
        if self.phase == "forward" and callee.closure is None:
            values = [i.value for i in args.positional] + list(args.keywords.values())
            if not any(self.may_run(v) for v in values):
                return self.result(args, frame)
        return self.enter(callee, args, node, frame, None)

    def may_run(self, value: Value, depth: int = 0) -> bool:
        """Whether code that gets this value could execute a module of ours."""
        if type(value) is Const:
            return False
        if isinstance(value, Instance):
            return value.is_module or (value.cls is not None and value.foreign) or value is self.root
        if isinstance(value, (Method, Builtin)):
            return depth < 3 and self.may_run(value.receiver, depth + 1)
        if isinstance(value, Function):
            return value.closure is not None
        if isinstance(value, Symbol):
            return value.made or (value.origin == "config" and value.callable_hint == "module")
        if isinstance(value, (Choice, Pick)):
            return depth < 3 and any(self.may_run(v, depth + 1) for _, v in value.options)
        if isinstance(value, (Seq, Slice, Wrapped)):
            inner = value.items if isinstance(value, Seq) else ()
            parts = [i.value for i in inner[:12]]
            if isinstance(value, Slice):
                parts = [value.base]
            if isinstance(value, Wrapped):
                parts = list(value.parts)
            return depth < 3 and any(self.may_run(v, depth + 1) for v in parts)
        if isinstance(value, Partial):
            return depth < 3 and any(self.may_run(v, depth + 1) for v in [value.function, *value.args])
        return False

    def enter(
        self,
        callee: Function,
        args: Args,
        node: ast.Call,
        frame: Frame,
        receiver: Value | None,
        owner: Instance | None = None,
    ) -> Value:
        """Interpret the body of a function with these arguments; `owner` is the module whose forward
        it is, when it is one."""
        body = callee.node
        name = getattr(body, "name", "<lambda>")
        if self.phase == "forward" and NOT_FORWARD.search(name):
            return self.result(args, frame)
        key = (id(body), id(receiver) if receiver is not None else 0)
        if key in self.active or len(self.active) >= DEPTH_LIMIT:
            return self.result(args, frame)
        if self.steps > SOFT_LIMIT and len(self.active) > 3:
            if self.phase == "init":
                return self.made(name, node, frame)
            return self.result(args, frame)
        self.active.append(key)
        if self.phase == "forward":
            self.reached.add(id(body))
        elif receiver is self.root:
            self.initialisers.add(name)
        inner = Frame(
            callee.file,
            name=name,
            cls=callee.cls if callee.cls is not None else None,
            me=receiver if receiver is not None else frame.me if callee.closure is not None else None,
            owner=owner or frame.owner,
            guard=frame.guard,
            closure=callee.closure,
        )
        entered = node is not NOWHERE
        if entered:
            self.via.append(Place(frame.file, node, frame.cls, frame.name, frame.owner))
        try:
            self.bind_parameters(callee, args, receiver, inner)
            if isinstance(body, ast.Lambda):
                return self.eval(body.body, inner)
            self.run(body.body, inner)
            if inner.guard:
                inner.returns.append((inner.guard, NONE))
            return self._returned(inner, frame)
        finally:
            if entered:
                self.via.pop()
            self.active.pop()

    def _returned(self, inner: Frame, frame: Frame) -> Value:
        if len(inner.returns) == 1:
            return inner.returns[0][1]
        # Conditions already true where the function was called say nothing about its result.
        known: frozenset[int] = frozenset.intersection(*frame.guard) if frame.guard else frozenset()
        options = [(frozenset(frozenset(t - known) for t in when), value) for when, value in inner.returns]
        return self.choose(options)

    def bind_parameters(self, callee: Function, args: Args, receiver: Value | None, inner: Frame) -> None:
        """Bind arguments to parameters; what is missing gets its default, or is unknown."""
        spec = callee.node.args
        parameters = spec.posonlyargs + spec.args if spec.posonlyargs else spec.args
        names = [a.arg for a in parameters]
        env = inner.env
        values = args.positional if receiver is None else [Item(receiver), *args.positional]
        first_default = len(names) - len(spec.defaults)
        exhausted = False
        for i, name in enumerate(names):
            if i < len(values) and not exhausted:
                item = values[i]
                if item.times is not None or -1 in item.loops:
                    exhausted = True
                    env[name] = self.unknown(item.value)
                else:
                    env[name] = item.value
            elif name in args.keywords:
                env[name] = args.keywords[name]
            elif args.open or exhausted:
                env[name] = self.unknown(text=name)
            elif i >= first_default:
                env[name] = self.default_of(callee, spec.defaults[i - first_default])
            else:
                env[name] = self.unknown(text=name)
        for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            name = argument.arg
            if name in args.keywords:
                env[name] = args.keywords[name]
            elif default is not None and not args.open:
                env[name] = self.default_of(callee, default)
            else:
                env[name] = self.unknown(text=name)
        if spec.vararg is not None:
            env[spec.vararg.arg] = Seq(values[len(names) :], "tuple", args.open or exhausted)
        if spec.kwarg is not None:
            rest = Mapping()
            taken = set(names) | {a.arg for a in spec.kwonlyargs}
            for name, value in args.keywords.items():
                if name not in taken:
                    rest.entries[name] = Item(value)
            rest.open = args.open
            env[spec.kwarg.arg] = rest

    def default_of(self, callee: Function, node: ast.expr) -> Value:
        """The value of a default argument: evaluated once, so an instance in it is one for all."""
        if isinstance(node, ast.Constant):
            return Const(node.value)
        key = (callee.file.path, f"default:{id(node)}")
        known = self.globals.get(key)
        if known is None:
            frame = Frame(callee.file, name="<default>", cls=None, me=None, owner=None, guard=TRUE)
            frame.closure = callee.closure
            phase, self.phase = self.phase, "global"
            loops, self.loops = self.loops, []
            known = self.eval(node, frame)
            self.phase, self.loops = phase, loops
            if isinstance(known, Instance):
                known.origin = "default-argument"
            self.globals[key] = known
        return known

    # -- objects ---------------------------------------------------------------------------

    def instantiate(
        self, cls: ClassDef | None, dotted: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """Make an object. The constructor of a project class runs when something asks for it."""
        is_module = True if cls is None else self.project.is_module(cls)
        instance = self.make(cls, dotted, is_module, args, node, frame)
        if cls is None:
            if dotted in SEQUENCES:
                instance.items = self.sequential_entries(args, instance, frame)
            elif dotted in MAPPINGS:
                instance.children = self._mapping_entries(args, frame)
        else:
            instance.foreign = any(self._is_foreign(i.value) for i in args.positional) or any(
                self._is_foreign(v) for v in args.keywords.values()
            )
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
            cls=cls,
            dotted=dotted,
            is_module=is_module,
            args=args,
            node=node,
            file=frame.file,
            creator=self.building[-1] if self.building else None,
            loops=self.loop_base | self.loop_numbers() if self.phase == "init" else frozenset(),
            when=frame.guard,
        )
        instance.transient = self.phase == "forward"
        return instance

    def _is_foreign(self, value: Value, depth: int = 0) -> bool:
        if type(value) is Const:
            return False  # most arguments are numbers
        if isinstance(value, Instance):
            return value.is_module
        if isinstance(value, Method):
            return isinstance(value.receiver, Instance) and value.receiver.is_module
        if isinstance(value, Symbol):
            return value.made
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
            entries = self.entries(only)
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
            entries = self.entries(option)
            if entries is None:
                result.open = True
                continue
            for item in entries.items:
                result.items.append(
                    Item(item.value, both(when, item.when), item.times, item.loops, item.node, item.file)
                )
        return result

    def copy_into(self, result: Seq, entries: Seq, instance: Instance) -> None:
        """Copy entries into a container; entries made in the loops around the container are single."""
        for item in entries.items:
            if -1 in item.loops and isinstance(item.value, Symbol):
                result.open = True
                continue
            result.items.append(item)
        result.open = result.open or entries.open

    def _mapping_entries(self, args: Args, frame: Frame) -> Mapping:
        result = Mapping()
        result.open = args.open
        for item in args.positional[:1]:
            if isinstance(item.value, Mapping):
                result.entries.update(item.value.entries)
                result.rest.extend(item.value.rest)
                result.open = item.value.open
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
                k: Item(self.clone(i.value, frame, memo), i.when, i.times, i.loops, i.node, i.file)
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
                Item(self.clone(i.value, frame, memo), i.when, i.times, i.loops, i.node, i.file)
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

    # -- executing modules -------------------------------------------------------------------

    def execute(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """`module(...)`."""
        if not target.is_module:
            return self._call_object(target, args, node, frame)
        if self.phase != "forward":
            return self.result(args, frame)
        self.record(target, at, node, node.func, frame, "forward")
        self._run_inside(target, at, args, node, frame)
        return self.result(args, frame)

    def _call_object(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Value:
        if target.cls is not None:
            found = self.lookup(target.cls, "__call__", None)
            if found is not None and isinstance(found[1], (ast.FunctionDef, ast.AsyncFunctionDef)):
                values = [i.value for i in args.positional] + list(args.keywords.values())
                if self.phase == "init" or target.foreign or any(self.may_run(v) for v in values):
                    return self.enter(
                        Function(found[1], found[0].file, None, found[0]), args, node, frame, target
                    )
        if self.phase == "init":
            return self.made("object", node, frame)
        return self.result(args, frame)

    def _run_inside(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> None:
        """What a call of a module executes besides the module itself, as far as it is ours."""
        opened = target.number in self.opened
        values = [i.value for i in args.positional] + list(args.keywords.values())
        if target.pending is not None and not opened and not any(self.may_run(v) for v in values):
            return
        if target.cls is not None and not target.built and (target.foreign or opened):
            self.build(target)
        own_forward = None
        if target.cls is not None:
            own_forward = self.lookup(target.cls, "forward", None)
        if own_forward is None:
            if target.items is not None and target.dotted.endswith("Sequential"):
                for item in target.items.items:
                    self._run_entry(item, at, node, frame)
            return
        if not target.foreign and not opened and not any(self.may_run(v) for v in values):
            return
        if not isinstance(own_forward[1], (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        function = Function(own_forward[1], own_forward[0].file, None, own_forward[0])
        receiver: Value = target if not at else Pick(((None, target),), at)
        self.enter(function, args, node, frame, receiver, target)

    def _run_entry(self, item: Item, at: tuple[At, ...], node: ast.Call, frame: Frame) -> None:
        """An entry of a Sequential that is called."""
        outer = frame.guard
        frame.guard = both(outer, item.when)
        if frame.guard:
            for when, value in self.options(item.value, TRUE):
                inner = frame.guard
                frame.guard = both(inner, when)
                if frame.guard and isinstance(value, Instance) and value.is_module:
                    inside = at
                    if item.times is not None and varies(value, Seq([item])):
                        inside = (*at, At(("whole", value.number), running=True))
                    self.record(value, inside, node, node.func, frame, "forward", implied=True)
                    self._run_inside(value, inside, Args([], {}, True), node, frame)
                frame.guard = inner
        frame.guard = outer

    def record(
        self,
        target: Instance | Symbol,
        at: tuple[At, ...],
        node: ast.AST,
        callee: ast.AST,
        frame: Frame,
        method: str,
        implied: bool = False,
    ) -> None:
        """Note one execution of a module, if it is the root's business."""
        if self.phase != "forward" or (isinstance(target, Instance) and target.transient):
            return
        if frame.owner is not None and frame.owner is not self.root:
            creator = target.creator
            if creator is not self.root and (creator is None or creator.number not in self.opened):
                return
        deps: frozenset[int] = deps_of(target) if isinstance(target, Symbol) else frozenset()
        for one in at:
            deps |= one.deps
        loops = tuple(loop for loop in self.loops if loop.turns or loop.number not in deps)
        self.calls.append(RawCall(target, at, node, callee, frame, loops, method, implied, tuple(self.via)))

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """Call something unknown."""
        if self.phase == "init":
            for value in [i.value for i in args.positional] + list(args.keywords.values()):
                self.escape(value, callee.text)
            made = self.made(callee.text, node, frame)
            if callee.callable_hint == "function":
                made.made = False
            return made
        if self.phase == "forward":
            if callee.origin == "config" and callee.callable_hint not in ("function", "member"):
                self.record(callee, at, node, node.func, frame, "forward")
            self.callbacks(callee.text or "", args, node, frame)
            return self.result(args, frame)
        return self.unknown(key=None)

    def callbacks(self, name: str, args: Args, node: ast.Call, frame: Frame) -> None:
        """Code that is not read was given functions of ours: it is assumed to call them.

        `checkpoint(self.block, x)` calls once, `multi_apply(self.forward_single, xs)` and `map` once
        per element, anything else perhaps.
        """
        last = name.rpartition(".")[2]
        values = [i.value for i in args.positional] + list(args.keywords.values())
        rest = Args([], {}, True)
        for i, value in enumerate(values):
            if not isinstance(value, (Method, Function, Instance, Partial, Pick, Choice, Symbol, Seq, Slice)):
                continue
            if isinstance(value, (Seq, Slice)):
                if "checkpoint_seq" in last and i == 0:
                    self._each(value, rest, node, frame)
                else:
                    self.escape(value, last)
                continue
            if isinstance(value, Symbol) and not value.made:
                continue
            if "checkpoint_seq" in last and i == 0:
                self._each(value, rest, node, frame)
            elif "checkpoint" in last or last in ("cp", "ckpt", "save_memory"):
                if i == 0:
                    self.call(value, Args(args.positional[1:], {}, True), node, frame)
            elif last in ("multi_apply", "map", "tree_map", "parallel_apply", "vmap", "apply_to_each"):
                if i == 0:
                    self._many(value, args, node, frame)
            elif isinstance(value, (Method, Function, Partial)):
                outer = frame.guard
                frame.guard = both(outer, self.fresh(node))
                self.call(value, rest, node, frame)
                frame.guard = outer
            else:
                self.escape(value, last)

    def _each(self, value: Value, args: Args, node: ast.Call, frame: Frame) -> None:
        """Every element of `value` is called once."""
        turns = self.iterate(value, node.args[0] if node.args else node, frame)
        if turns.values is not None:
            for when, one in turns.values:
                outer = frame.guard
                frame.guard = both(outer, when)
                if frame.guard:
                    self.call(one, args, node, frame)
                frame.guard = outer
            return
        loop = LoopFrame(next(self.numbers), node, frame.file, turns.times, turns.known, turns.over)
        self.loops.append(loop)
        self.call(turns.element(loop), args, node, frame)
        self.loops.pop()

    def _many(self, value: Value, args: Args, node: ast.Call, frame: Frame) -> None:
        """`value` is called once per element of the other arguments."""
        rest = args.positional[1:]
        turns = [self.iterate(i.value, i.node if isinstance(i.node, ast.expr) else node, frame) for i in rest]
        if not turns:
            self.call(value, Args([], {}, True), node, frame)
            return
        joined = self._over_zip(turns)
        if joined.values is not None and self.may_unroll(len(joined.values), node):
            loop = LoopFrame(next(self.numbers), node, frame.file, joined.times, True, joined.over)
            loop.turns = len(joined.values)
            self.loops.append(loop)
            for _, row in joined.values:
                assert isinstance(row, Seq)
                self.call(value, Args(list(row.items), {}, False), node, frame)
            self.loops.pop()
            return
        loop = LoopFrame(next(self.numbers), node, frame.file, joined.times, joined.known, joined.over)
        self.loops.append(loop)
        row = joined.element(loop)
        assert isinstance(row, Seq)
        self.call(value, Args(list(row.items), {}, False), node, frame)
        self.loops.pop()

    def escape(self, value: Value, where: str) -> None:
        """A module was handed to code that is not read."""
        for module in self.modules_in(value):
            self.touched.setdefault(module, f"handed to `{where}`")

    def modules_in(self, value: Value, depth: int = 0) -> list[int]:
        """Numbers of the module instances in a value."""
        if isinstance(value, Instance):
            inner = [value.number] if value.is_module else []
            if value.items is not None and depth < 3:
                for item in value.items.items[:20]:
                    inner += self.modules_in(item.value, depth + 1)
            return inner
        if isinstance(value, (Choice, Pick)):
            return [n for _, v in value.options for n in self.modules_in(v, depth + 1)] if depth < 4 else []
        if isinstance(value, Seq):
            return (
                [n for i in value.items[:20] for n in self.modules_in(i.value, depth + 1)]
                if depth < 4
                else []
            )
        if isinstance(value, Slice):
            return self.modules_in(value.base, depth + 1)
        return []

    # -- methods of library objects -----------------------------------------------------------

    def call_builtin(self, callee: Builtin, args: Args, node: ast.Call, frame: Frame) -> Value:
        """A method of a modelled value: list, dict, string, library module."""
        receiver, name = callee.receiver, callee.name
        if isinstance(receiver, Pick) and len(receiver.options) == 1:
            return self._member_of_element(receiver, name, args, node, frame)
        if isinstance(receiver, Instance):
            return self._member(receiver, (), name, args, node, frame)
        return self.call_method_of_value(receiver, name, args, node, frame)

    def _member_of_element(
        self, receiver: Pick, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        option = receiver.options[0][1]
        if isinstance(option, Instance):
            return self._member(option, receiver.at, name, args, node, frame)
        return self.result(args, frame)

    def _member(
        self, target: Instance, at: tuple[At, ...], name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """`module.name(...)` where the class does not define `name` in the project."""
        callee = node.func.value if isinstance(node.func, ast.Attribute) else node.func
        if name in ("forward", "__call__"):
            if self.phase == "forward":
                self.record(target, at, node, callee, frame, "forward")
                self._run_inside(target, at, args, node, frame)
            return self.result(args, frame)
        if name == "super.forward":
            if target.items is not None and target.dotted.endswith("Sequential"):
                for item in target.items.items:
                    self._run_entry(item, at, node, frame)
            return self.result(args, frame)
        if name == "super.__init__":
            if target.items is not None and not target.items.items:
                self.copy_into(target.items, self.sequential_entries(args, target, frame), target)
            if target.children is not None and args.positional:
                target.children = self._mapping_entries(args, frame)
            return NONE
        if facts_of(target.dotted).kind is Kind.FLOAT_FUNCTIONAL and name in FLOAT_FUNCTIONAL_METHODS:
            if self.phase == "forward":
                self.record(target, at, node, callee, frame, name)
            return self.result(args, frame)
        return self.call_member(target, name.removeprefix("super."), args, node, frame)

    def call_member(self, target: Instance, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        raise NotImplementedError

    def call_method_of_value(
        self, receiver: Value, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        raise NotImplementedError

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        raise NotImplementedError


_PLAIN_BASES = frozenset("object ABC Generic Protocol Module Sequential ModuleList ModuleDict".split())
_Caller = Callable[[Calls, Any, Args, ast.Call, Frame], Value]
_CALLERS: dict[type[Value], _Caller] = {
    Choice: Calls._call_choice,
    Method: Calls._call_method,
    Function: Calls._call_function,
    External: Calls._call_external,
    ClassValue: Calls._call_class,
    Imported: Calls._call_imported,
    Instance: Calls._call_instance,
    Pick: Calls._call_pick,
    Symbol: Calls._call_plain_symbol,
    Partial: Calls._call_partial,
    Builtin: lambda self, callee, args, node, frame: self.call_builtin(callee, args, node, frame),
}
