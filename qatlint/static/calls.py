"""Calls: what is called, functions that are entered, methods of library objects."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from qatlint.condition import TRUE, Condition, both, implies, literal, negate
from qatlint.horizon.modules import FLOAT_FUNCTIONAL_METHODS, facts_of
from qatlint.static.attributes import MAPPINGS, SEQUENCES
from qatlint.static.execution import Execution
from qatlint.static.families import loops_of
from qatlint.static.machine import DEPTH_LIMIT, NOWHERE, Frame, Place
from qatlint.static.values import (
    NO_LOOPS,
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

# Training code, and evaluation that runs the model again on changed copies of its input (test-time
# augmentation): not part of the forward that is deployed (idioms.md: 14.6 % of naive hits).
NOT_FORWARD = re.compile(
    r"(^|_)(loss|losses|criterion|criterions|targets?|assign|assigner|metrics?|accuracy|sampler|matcher|aug|tta)(_|$)|"
    r"^loss|_loss$|^(get_bboxes|init_weights|_init_weights|reset_parameters)$"
)


class Calls(Execution):
    """`call` and what it needs."""

    def evaluate_call(self, node: ast.Call, frame: Frame) -> Value:
        """The value of a call expression; executions of modules in it are recorded."""
        self.step()
        written = node.func
        if type(written) is ast.Name and written.id == "super" and "super" not in frame.env:
            return self._super(node, frame)
        callee = self.eval(written, frame)
        return self.call(callee, self.arguments(node, frame), node, frame)

    def arguments(self, node: ast.Call, frame: Frame) -> Args:
        """The arguments of a call, stars spread where they are known."""
        positional: list[Item] = []
        keywords: dict[str, Value] = {}
        open_ = False
        file = frame.file
        for argument in node.args:
            if type(argument) is ast.Starred:
                value = self.eval(argument.value, frame)
                entries = self.spread(value)
                if entries is None:
                    open_ = True
                    positional.append(Item(value, TRUE, None, frozenset({-1}), argument, file))
                else:
                    positional.extend(entries.items)
                    open_ = open_ or entries.open
            else:
                positional.append(Item(self.eval(argument, frame), TRUE, None, NO_LOOPS, argument, file))
        for keyword in node.keywords:
            value = self.eval(keyword.value, frame)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            elif isinstance(value, Mapping):
                open_ = open_ or value.open
                for name, item in value.entries.items():
                    # What may have been overwritten is not certain, but a module that stands there is given.
                    if not value.open or self.may_run(item.value):
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
        instance.foreign = self._has_foreign(args)

        def find(target: Instance) -> None:
            value = self.settled(callee)
            if isinstance(value, ClassValue):
                target.become(value.cls, self.project.stub_base(value.cls), self.project.is_module(value.cls))
            elif isinstance(value, External):
                target.become(None, value.dotted, True)
                if value.dotted in SEQUENCES:
                    target.items = self.sequential_entries(args, target, frame)
                elif value.dotted in MAPPINGS:
                    target.children = self._mapping_entries(args, frame)
            else:
                target.become(None, "", True)
                if isinstance(value, Function):
                    self._made_by_function(target, value, args, node, frame)

        instance.pending = find
        if instance.foreign:
            instance.settle()
        return instance

    def _made_by_function(
        self, target: Instance, function: Function, args: Args, node: ast.Call, frame: Frame
    ) -> None:
        """A function with the name of a class: the object is what it gives back, as of the call."""
        phase, self.phase = self.phase, "init"
        loops, self.loops = self.loops, []
        base, self.loop_base = self.loop_base, target.loops
        guard, frame.guard = frame.guard, target.when
        try:
            made = self.call(function, args, node, frame)
        finally:
            self.phase, self.loops, self.loop_base, frame.guard = phase, loops, base, guard
        if isinstance(made, Instance):
            made.settle()
            target.become(made.cls, made.dotted, made.is_module)
            target.args, target.built = made.args, made.built
            target.attrs, target.items, target.children = dict(made.attrs), made.items, made.children

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
                self._note_existence(option, when, outer)
                results.append((when, self.call(option, args, node, frame)))
        frame.guard = outer
        return self.choose(results) if results else self.result(args, frame)

    def _note_existence(self, option: Value, when: Condition, around: Condition) -> None:
        """Before one of several values is called. Where it is made under the condition that chooses it, its
        call needs no condition but that of the call: calls are counted only where the module exists, and
        short conditions stay exact."""
        made = isinstance(option, Instance) and implies(option.when, when)
        self.chosen_by_existence = (option, around) if made else None

    def _call_pick(self, callee: Pick, args: Args, node: ast.Call, frame: Frame) -> Value:
        outer = frame.guard
        last = callee.at[-1] if callee.at else None
        value: Value | None = None
        made: list[tuple[int | str | None, Value]] = []
        several = len(callee.options) > 1
        around = self.loops
        for position, option in callee.options:
            frame.guard = outer
            at = callee.at
            if several and last is not None:
                if last.running and isinstance(position, int):
                    self.loops = self._loops_at(last, position)
                    if last.turns is not None:
                        deps = last.deps - {last.turns.loop}
                        at = (*callee.at[:-1], At(last.key, deps, position, running=True))
                if self._perhaps_left_out(last, position, option is callee.options[-1][1], option):
                    number = self.atom(("reached", last.key, position), None)
                    frame.guard = both(outer, literal(number))
                if not last.running and not last.deps and position is not None:
                    frame.guard = both(outer, self._when_picked(last, position))
            if not frame.guard:
                continue
            value = self.call_at(option, at, args, node, frame)
            if isinstance(value, Instance) and not isinstance(option, Instance):
                made.append((position, value))
            self.loops = around
        frame.guard = outer
        if last is not None and len(made) == len(callee.options) > 1 and self.phase == "init":
            return self._one_of(made, callee.at)
        return value if value is not None else self.result(args, frame)

    def _when_picked(self, at: At, position: int | str | None) -> Condition:
        """The condition that a selector picks this entry and no other."""
        key = ("picked", at.key)
        picked = Pick(((None, NONE),), (at,))
        return literal(self.atom((*key, position), None, group=key, config=True, of=(picked,)))

    def _one_of(self, made: list[tuple[int | str | None, Value]], at: tuple[At, ...]) -> Value:
        """What a table of classes makes: `{"conv": Conv, "cat": Cat}[kind]()`. Where turns decide, another
        one in each; else the same wherever it is used."""
        last = at[-1]
        if last.running or last.deps or any(position is None for position, _ in made):
            return Pick(tuple(made), at)
        options: list[tuple[Condition, Value]] = []
        rest = TRUE
        for position, value in made[:-1]:
            when = self._when_picked(last, position)
            options.append((both(rest, when), value))
            rest = both(rest, negate(when))
        return self.choose([*options, (rest, made[-1][1])])

    def _perhaps_left_out(self, at: At, position: int | str | None, last: bool, option: Value) -> bool:
        """Whether a `zip` may end before it comes to this entry."""
        if at.sure is None or at.turns is not None:
            return False
        if isinstance(position, int):
            return position >= at.low + at.sure
        # At the end of a list of which nobody knows how many entries stand before.
        return position is None and last and not loops_of(option)

    def _loops_at(self, at: At, position: int) -> list[LoopFrame]:
        """The loops as the entry at a position sees them: it is picked in one turn, or in some."""
        if at.turns is None:
            return [loop for loop in self.loops if loop.number not in at.deps]
        picked = at.turns._replace(position=position)
        return [
            loop.part(picked.of(loop.times)) if loop.number == at.turns.loop else loop for loop in self.loops
        ]

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
                    self._note_existence(inner, when, outer)
                    value = self.call_at(inner, at, args, node, frame)
            frame.guard = outer
            return value
        return self.call(self.nest(option, at), args, node, frame)

    # -- functions -------------------------------------------------------------------------

    def _call_function(self, callee: Function, args: Args, node: ast.Call, frame: Frame) -> Value:
        """A plain function: entered while building; in forward only when it is given something that
        can run a module, or can see one."""
        if self.phase == "forward" and callee.closure is None and not self.probing:
            if not self.any_may_run(args):
                return self.result(args, frame)
        return self.enter(callee, args, node, frame, None)

    def any_may_run(self, args: Args) -> bool:
        """Whether code that gets these arguments could execute a module of ours."""
        for item in args.positional:
            if type(item.value) is not Const and self.may_run(item.value):
                return True
        return any(type(value) is not Const and self.may_run(value) for value in args.keywords.values())

    def may_run(self, value: Value, depth: int = 0) -> bool:
        """Whether code that gets this value could execute a module of ours."""
        kind = type(value)
        if kind is Const:
            return False
        if kind is Symbol:
            return value.made or (value.origin == "config" and value.callable_hint == "module")  # type: ignore[attr-defined, no-any-return]
        if isinstance(value, Instance):
            return value.is_module or (value.cls is not None and value.foreign) or value is self.root
        if isinstance(value, (Method, Builtin)):
            return depth < 3 and self.may_run(value.receiver, depth + 1)
        if isinstance(value, Function):
            return value.closure is not None
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
        # A forward that calls itself (`self(x, flip=True)`) is followed once more; deeper calls are cut.
        depth = 2 if self.phase == "forward" else 1
        if self.active.count(key) >= depth or len(self.active) >= DEPTH_LIMIT:
            self._not_entered(receiver, args)
            return self.result(args, frame)
        if self.steps > self.soft_limit and len(self.active) > 3:
            self._not_entered(receiver, args)
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

    def _not_entered(self, receiver: Value | None, args: Args) -> None:
        """Note that a function was skipped that may give these objects more than is seen of them."""
        if self.phase != "forward":
            for value in (receiver, *(item.value for item in args.positional)):
                if isinstance(value, Instance):
                    self.unfinished.add(value.number)

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
                env[name] = self._not_given(name)
            elif i >= first_default:
                env[name] = self.default_of(callee, spec.defaults[i - first_default])
            else:
                env[name] = self._not_given(name)
        for argument, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True):
            name = argument.arg
            if name in args.keywords:
                env[name] = args.keywords[name]
            elif default is not None and not args.open:
                env[name] = self.default_of(callee, default)
            else:
                env[name] = self._not_given(name)
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

    def _not_given(self, name: str) -> Symbol:
        """A parameter that is not known to get anything: `super().__init__(**kwargs)`. While the model is
        built, whatever it gets is of the configuration."""
        known = self.unknown(text=name)
        if self.phase == "init":
            known.origin = "config"
        return known

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
                    self._run_entry(item, at, node, frame, target.transient)
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
