"""Attributes of objects: `self.x`, `getattr(self, f"x{i}")`, and writing them."""

from __future__ import annotations

import ast

from qatlint.condition import TRAINING, TRUE, both, either, literal, negate
from qatlint.static.computed_names import name_key
from qatlint.static.decorated import repeating_decorator
from qatlint.static.machine import NOWHERE, Frame, deps_of
from qatlint.static.modulefile import ClassDef, ExpressionFound
from qatlint.static.statements import Statements
from qatlint.static.values import (
    FALSE_VALUE,
    TRUE_VALUE,
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
    Mapping,
    Method,
    ModuleValue,
    Partial,
    Pattern,
    Pick,
    Range,
    Rewritten,
    Seq,
    Slice,
    Super,
    Symbol,
    Value,
    Wrapped,
)

SEQUENCES = frozenset(
    {
        "torch.nn.Sequential",
        "torch.nn.ModuleList",
        "torch.nn.modules.container.Sequential",
        "torch.nn.modules.container.ModuleList",
        "torch.nn.modules.Sequential",
        "torch.nn.modules.ModuleList",
        "mmengine.model.Sequential",
        "mmengine.model.ModuleList",
        "mmcv.runner.Sequential",
        "mmcv.runner.ModuleList",
        "mmengine.model.base_module.ModuleList",
        "mmcv.runner.base_module.ModuleList",
    }
)
MAPPINGS = frozenset(
    {
        "torch.nn.ModuleDict",
        "torch.nn.modules.container.ModuleDict",
        "torch.nn.modules.ModuleDict",
        "mmengine.model.ModuleDict",
        "mmcv.runner.ModuleDict",
    }
)
CONTAINER_METHODS = frozenset("append extend insert children named_children modules pop".split())
NO_MODULE = ("function", "member")
"""What is known of something callable that is no module of its own."""
MAPPING_METHODS = frozenset("items keys values get update pop setdefault copy".split())


class Attributes(Statements):
    """`attribute`, `set_attribute`, `subscript`."""

    def attribute(self, value: Value, name: str, node: ast.expr, frame: Frame) -> Value:
        """`value.name`."""
        if isinstance(value, Instance):
            return self.instance_attribute(value, name, frame)
        if isinstance(value, Symbol):
            return self._symbol_attribute(value, name)
        if isinstance(value, External):
            return External(f"{value.dotted}.{name}")
        if isinstance(value, Choice):
            options = self.options(value, TRUE)
            kept = [(w, v) for w, v in options if not (isinstance(v, Const) and v.value is None)]
            return self.choose([(w, self.attribute(v, name, node, frame)) for w, v in kept or options])
        if isinstance(value, Pick):
            return self._pick_attribute(value, name, node, frame)
        if isinstance(value, Super):
            return self._super_attribute(value, name, frame)
        if isinstance(value, ModuleValue):
            found = self.project.resolve(value.file, name)
            if found is None:
                found = self.project.imported(value.file, value.file.name, name)
            return self.found(value.file, found, name)
        if isinstance(value, ClassValue):
            return self.class_attribute(value.cls, name, value)
        if isinstance(value, (Seq, Mapping, Range, Slice, Wrapped, Const, Pattern)):
            return Builtin(name, value)
        if isinstance(value, Partial) and name == "func":
            return value.function
        if isinstance(value, Imported):
            return self.attribute(self.settled(value), name, node, frame)
        return self.unknown(value)

    def _symbol_attribute(self, value: Symbol, name: str) -> Value:
        if name == "training" and value.origin == "config":
            return self.training()
        if name == "forward" and value.origin == "config" and value.callable_hint not in NO_MODULE:
            return value  # calling it runs the same
        return Symbol(
            self.intern(("attribute", value.key, name)),
            deps=value.deps,
            origin=value.origin,
            loops=value.loops,
            text=f"{value.text}.{name}" if value.text else name,
            callable_hint="member",
        )

    def training(self) -> Value:
        """`self.training`."""
        return Choice(((literal(TRAINING), TRUE_VALUE), (TRUE, FALSE_VALUE)))

    def _pick_attribute(self, value: Pick, name: str, node: ast.expr, frame: Frame) -> Value:
        options: list[tuple[int | str | None, Value]] = []
        for position, option in value.options:
            found = self.attribute(option, name, node, frame)
            options.append((position, found))
        if len(options) == 1:
            return self.nest(options[0][1], value.at)
        return Pick(tuple(options), value.at)

    def instance_attribute(self, value: Instance, name: str, frame: Frame) -> Value:
        """`instance.name`: own attributes, then the class, then what other methods would set."""
        if not value.built:
            self.build(value)
        item = value.attrs.get(name)
        if item is not None:
            held = item.value
            if type(held) is Const:
                if held.value is None and value is self.root:
                    return self._none_or_set_later(held, name)
                if type(held.value) is int and self.phase == "forward":
                    return self._moving(value, name, held)
            return self.narrow(held, frame.guard)
        if name == "training" and value.is_module:
            return self.training()
        if name == "_modules":
            return self.modules_of(value)
        if value.items is not None and name in CONTAINER_METHODS:
            return Builtin(name, value)
        if value.children is not None:
            entry = value.children.entries.get(name)
            if entry is not None:
                return self.narrow(entry.value, frame.guard)
            if name in MAPPING_METHODS:
                return Builtin(name, value)
        if name.rstrip("0123456789") != name:
            numbered = self._numbered(value, name)
            if numbered is not None:
                return numbered
        if self.spelt_names:
            computed = self._one_of_list(value, name)
            if computed is not None:
                return computed
        if value.cls is None:
            return Builtin(name, value)
        found = self.lookup(value.cls, name, None)
        if found is not None:
            return self.bind(found, value, name, frame)
        if not value.building:
            self._run_writers(value, name, frame)
            item = value.attrs.get(name)
            if item is not None:
                return self.narrow(item.value, frame.guard)
        if name[0].isupper():
            for base in self.project.mro(value.cls):
                inner = base.inner(name) if isinstance(base, ClassDef) else None
                if inner is not None:
                    return ClassValue(inner)
        if value.is_module and name in _MODULE_API:
            return Builtin(name, value)
        return Symbol(
            self.intern(("self", value.number, name)),
            origin="config" if self.phase == "init" or value.is_module else "unknown",
            loops=value.loops,
            text=name,
            callable_hint="member" if not self._assigned(value, name) else "",
            creator=value,
        )

    def _moving(self, value: Instance, name: str, held: Const) -> Value:
        """A number kept in an attribute (`self.i += 1`): in the loops that are read once for all their
        turns it is another one at each turn, where they change it."""
        cls = value.cls
        moved = self.project.moved_in(cls, name) if cls is not None and self.loop_numbers() else ()
        if not moved:
            return held
        deps = frozenset(
            loop.number
            for loop in self.loops
            if not loop.turns and any(write.happens_in(loop.file.path, loop.node) for write in moved)
        )
        if not deps:
            return held
        return Symbol(self.intern(("moved", value.number, name, deps)), deps=deps, text=name)

    def _none_or_set_later(self, none: Const, name: str) -> Value:
        """An attribute that the constructor leaves at None: another object may set it afterwards
        (`self.decoder.bbox_embed = self.bbox_embed`)."""
        assert self.root is not None
        if self.phase != "forward" or not self.project.outside_writes(name):
            return none
        return Symbol(
            self.intern(("self", self.root.number, name)),
            origin="config",
            text=name,
            optional=True,
            creator=self.root,
        )

    def _assigned(self, value: Instance, name: str) -> bool:
        return (
            any(isinstance(c, ClassDef) and c.writers_of(name) for c in self.project.mro(value.cls))
            if value.cls is not None
            else False
        )

    def _numbered(self, value: Instance, name: str) -> Value | None:
        """`self.layer1` where `layer*` was set in a loop."""
        stem = name.rstrip("0123456789")
        item = value.attrs.get(f"{stem}*")
        if item is None:
            return None
        number = int(name[len(stem) :])
        return self.pick([(None, item.value)], At(("exact", number), exact=number), Seq([item]))

    def _one_of_list(self, value: Instance, name: str) -> Value | None:
        """`self.head_seg` where `head_*` was set in a loop over names, of which the default has this one."""
        for key, made in self.spelt_names.items():
            item = value.attrs.get(f"<{key}>") if made.is_meant_by(name) else None
            if item is not None:
                return self.pick([(None, item.value)], At(("exact", name), exact=name), Seq([item]))
        return None

    def _run_writers(self, value: Instance, name: str, frame: Frame) -> None:
        """Run the methods that set `self.<name>` and that nothing has run yet: initialisers called
        by a base class that is not part of the project."""
        if value.cls is None or not value.open:
            return
        for entry in self.project.mro(value.cls):
            if isinstance(entry, ClassDef):
                for method in entry.writers_of(name):
                    key = f"{entry.full_name}.{method}"
                    if key in value.written or method in ("forward", "__init__"):
                        continue
                    value.written |= {key}
                    self.initialise(value, entry, method)
                    if name in value.attrs:
                        return

    def initialise(self, value: Instance, cls: ClassDef, method: str) -> None:
        raise NotImplementedError

    def lookup(self, cls: ClassDef, name: str, after: ClassDef | None) -> tuple[ClassDef, ast.AST] | None:
        """The class in the linearisation (after `after`) that defines `name`, and the definition."""
        started = after is None
        for entry in self.project.mro(cls):
            if not started:
                started = entry is after
                continue
            if isinstance(entry, ClassDef):
                method = entry.methods.get(name)
                if method is not None:
                    return entry, method
                constant = entry.constants.get(name)
                if constant is not None:
                    return entry, constant
        return None

    def bind(self, found: tuple[ClassDef, ast.AST], receiver: Value, name: str, frame: Frame) -> Value:
        """What reading a class attribute through an instance gives."""
        cls, node = found
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self.class_constant(cls, name)
        function = Function(node, cls.file, None, cls)
        for decorator in node.decorator_list:
            text = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
            if text == "staticmethod":
                return function
            if text == "classmethod":
                return Method(function, ClassValue(cls))
            if text in ("property", "cached_property"):
                return self.call(Method(function, receiver), Args([], {}, False), NOWHERE, frame)
        return Method(self.decorated(function) if node.decorator_list else function, receiver)

    def decorated(self, function: Function) -> Function:
        """What stands under the name of a method: its wrapper, where one of the project runs it several
        times. (What any other decorator does changes no count.)"""
        assert not isinstance(function.node, ast.Lambda)
        found = repeating_decorator(self.project, function.file, function.node)
        if found is None:
            return function
        phase, self.phase = self.phase, "init"
        frame = Frame(found.file, name="<decorator>", cls=None, me=None, owner=None, guard=TRUE)
        method = Function(function.node, function.file, {}, function.cls)
        try:
            wrapper = self.enter(
                Function(found.node, found.file), Args([Item(method)], {}, False), NOWHERE, frame, None
            )
        finally:
            self.phase = phase
        return wrapper if isinstance(wrapper, Function) else function

    def class_constant(self, cls: ClassDef, name: str) -> Value:
        """The value of a class-level assignment, made once."""
        key = (cls.file.path, f"{cls.qualname}.{name}")
        known = self.globals.get(key)
        if known is None:
            known = self.module_level(ExpressionFound(cls.constants[name], cls.file))
            if isinstance(known, Instance):
                known.origin = "class-level"
            self.globals[key] = known
        return known

    def class_attribute(self, cls: ClassDef, name: str, receiver: Value) -> Value:
        """`Class.name`."""
        found = self.lookup(cls, name, None)
        if found is None:
            inner = cls.inner(name)
            if inner is not None:
                return ClassValue(inner)
            if name == "__name__":
                return Const(cls.name)
            return self.unknown(key=self.intern(("class", cls.full_name, name)))
        owner, node = found
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            function = Function(node, owner.file, None, owner)
            if any(getattr(d, "id", "") == "classmethod" for d in node.decorator_list):
                return Method(function, receiver)
            return function
        return self.class_constant(owner, name)

    def _super_attribute(self, value: Super, name: str, frame: Frame) -> Value:
        receiver = value.receiver
        target = receiver.options[0][1] if isinstance(receiver, Pick) else receiver
        if isinstance(target, Instance) and target.cls is not None:
            found = self.lookup(target.cls, name, value.after)
            if found is not None:
                return self.bind(found, receiver, name, frame)
            if name == "__init__":
                return Builtin("super.__init__", target)
            if name in CONTAINER_METHODS and target.items is not None:
                return Builtin(name, target)
            if name == "forward":
                return Builtin("super.forward", target)
            return Builtin(f"super.{name}", target)
        return self.unknown()

    def modules_of(self, value: Instance) -> Mapping:
        """`module._modules`: its module attributes by name."""
        result = Mapping(value)
        for name, item in value.attrs.items():
            if is_module_like(item.value):
                if "*" in name:
                    result.rest.append((Const(name), item))
                else:
                    result.entries[name] = item
        if value.items is not None:
            for i, item in enumerate(value.items.items):
                if item.times is None:
                    result.entries[str(i)] = item
                else:
                    result.rest.append((Const("*"), item))
        result.open = value.open
        return result

    # -- writing ---------------------------------------------------------------------------

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        """`value.name = new` at this point of the program."""
        if isinstance(value, (Choice, Pick)):
            for _, option in value.options:
                if not (isinstance(value, Pick) and self._are_grafts(option, name, new, frame, node)):
                    self.set_attribute(option, name, new, frame, node)
            return
        if not isinstance(value, Instance):
            return
        if not value.built and not value.building:
            self.build(value)
        if isinstance(name, Choice):
            for when, option in name.options:
                outer = frame.guard
                frame.guard = both(outer, when)
                if frame.guard:
                    self.set_attribute(value, option, new, frame, node)
                frame.guard = outer
            return
        if value.is_module and not value.building and value is not self.root and isinstance(name, Const):
            self.modified.setdefault(value.number, f"`{name.value}` of it is set")
        if isinstance(new, Symbol) and new.text == "parameter":
            self.with_parameters.add(value.number)
        loops: frozenset[int] = frozenset()
        times = None
        if isinstance(name, Const) and isinstance(name.value, str):
            key = name.value
        else:
            key = f"{name.head}*{name.tail}" if isinstance(name, Pattern) else f"<{name_key(name)}>"
            probe = Seq([], loops=value.loops)
            self.add(probe, new, frame, node)
            loops, times = probe.items[0].loops, probe.items[0].times
        when = frame.guard
        old = value.attrs.get(key)
        if old is None or when == TRUE:
            value.attrs[key] = Item(new, when, times, loops, node, frame.file)
        elif "*" in key:
            merged = self.choose([(when, new), (TRUE, old.value)])
            value.attrs[key] = Item(merged, either(when, old.when), times, loops, node, frame.file)
        else:
            # What it was before is meant elsewhere only: a wrapper of the old value does not run beside it.
            merged = self.choose([(when, new), (both(old.when, negate(when)), old.value)])
            rewritten = Rewritten(merged, either(when, old.when), times, loops, node, frame.file)
            rewritten.before = old
            value.attrs[key] = rewritten
        if value.items is not None and isinstance(new, Instance) and new.is_module:
            if value.cls is not None and value.building and old is None:
                value.items.items.append(Item(new, when, times, loops, node, frame.file))

    def _are_grafts(self, element: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> bool:
        """Whether a part is put into other elements of a family, of whichever classes these are."""
        elements = [v for _, v in element.options] if isinstance(element, Choice) else [element]
        values = [v for _, v in new.options] if isinstance(new, Choice) else [new]
        # One after the other, not until the first that is one: each has a part of its own.
        found = [self._is_graft(e, name, v, frame, node) for e in elements for v in values]
        return any(found)

    def _is_graft(self, element: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> bool:
        """`xs[i].conv = xs[0].conv`: a part of one element of a family is put into the others."""
        if isinstance(element, Instance) and isinstance(name, Const) and isinstance(new, Builtin):
            return self._is_graft_by_name(element, str(name.value), new, frame, node)
        if not (isinstance(element, Instance) and isinstance(name, Const) and isinstance(new, Pick)):
            return False
        if not element.built:
            self.build(element)
        old = element.attrs.get(str(name.value))
        for _, option in new.options:
            if old is not None and option is old.value and isinstance(option, Instance):
                self.grafts.append((option.number, str(name.value), node, frame.file))
                return True
        return False

    def _is_graft_by_name(
        self, element: Instance, name: str, new: Builtin, frame: Frame, node: ast.AST
    ) -> bool:
        """The same where the class is known by its name only: that it has such a part, the program says."""
        holder = new.receiver
        holders = [option for _, option in holder.options] if isinstance(holder, Pick) else [holder]
        if new.name != name or element.cls is not None or not any(held is element for held in holders):
            return False
        part = self.make(None, "torch.nn.Module", True, None, node, frame)
        part.loops, part.creator = element.loops, element.creator
        element.attrs[name] = Item(part, node=node, file=frame.file)
        self.grafts.append((part.number, name, node, frame.file))
        return True

    def make(
        self,
        cls: ClassDef | None,
        dotted: str,
        is_module: bool,
        args: Args | None,
        node: ast.AST,
        frame: Frame,
    ) -> Instance:
        raise NotImplementedError

    def delete_attribute(self, value: Value, name: str, frame: Frame) -> None:
        """`del value.name`."""
        if isinstance(value, Instance):
            if not value.built and not value.building:
                self.build(value)
            item = value.attrs.get(name)
            if item is not None and frame.guard == TRUE:
                del value.attrs[name]

    # -- reading by position -----------------------------------------------------------------

    def get_attribute(self, value: Value, name: Value, default: Value | None, frame: Frame) -> Value:
        """`getattr(value, name[, default])`."""
        node = ast.Constant(None)
        if isinstance(value, (Choice, Pick)) and not isinstance(name, Const):
            first = value.options[0][1]
            return self.get_attribute(first, name, default, frame)
        if isinstance(name, Const) and isinstance(name.value, str):
            if isinstance(value, Instance) and default is not None:
                if not self.has_attribute(value, name.value):
                    return (
                        default
                        if not value.open
                        else self.unknown(key=self.intern(("self", value.number, name.value)))
                    )
            return self.attribute(value, name.value, node, frame)
        if isinstance(name, Choice):
            return self.choose([(w, self.get_attribute(value, v, default, frame)) for w, v in name.options])
        if isinstance(value, Instance):
            if not value.built:
                self.build(value)
            if isinstance(name, Pick):
                name = self._picked_name(name)
            if isinstance(name, Pattern):
                return self._pattern_attribute(value, name)
            item = value.attrs.get(f"<{name_key(name)}>")
            if item is not None:
                if item.loops and deps_of(name):
                    return self.pick([(None, item.value)], self.selector(name), Seq([item]))
                return item.value
            if value is self.root:
                # Any attribute may be meant: nothing can be said to be unused.
                self.incomplete = True
            given = [item for key, item in value.attrs.items() if key.startswith("<") and item.loops]
            if given and not self.loop_numbers().isdisjoint(deps_of(name)):
                # In a loop over names, of what was given names in a loop: one after the other.
                return self.pick([(None, item.value) for item in given], self.selector(name), Seq(given))
        return self.unknown(value, name)

    def _picked_name(self, name: Pick) -> Value:
        """A name out of a list of names: `for n in self.names: getattr(self, n)`."""
        if len(name.options) == 1 and isinstance(name.options[0][1], Pattern):
            pattern = name.options[0][1]
            return Pattern(pattern.head, name.at[-1], pattern.tail)
        return name

    def _pattern_attribute(self, value: Instance, name: Pattern) -> Value:
        options: list[tuple[int | str | None, Value]] = []
        entries = Seq([])
        item = value.attrs.get(f"{name.head}*{name.tail}")
        if item is not None:
            options.append((None, item.value))
            entries.items.append(item)
        for key, other in value.attrs.items():
            middle = key[len(name.head) : len(key) - len(name.tail)]
            if key.startswith(name.head) and key.endswith(name.tail) and middle.isdigit():
                options.append((int(middle), other.value))
                entries.items.append(other)
        if not options:
            if value.open or not value.is_module:
                return self.unknown(text=name.head)
            return Symbol(
                self.intern(("getattr", value.number, name.head, name.at.key, name.tail)),
                deps=name.at.deps,
                origin="unknown",
                callable_hint="member",
            )
        if len(options) == 1 and options[0][0] is None:
            return self.pick(options, name.at, entries)
        at = name.at
        lowest = min((p for p, _ in options if isinstance(p, int)), default=0)
        if at.running and lowest:
            kept = [(p, v) for p, v in options if not isinstance(p, int) or p >= at.low]
            return Pick(tuple(kept or options), (At(at.key, at.deps, running=True),))
        return Pick(tuple(options), (at,))

    def has_attribute(self, value: Instance, name: str) -> bool:
        """Whether an instance certainly has an attribute."""
        if not value.built:
            self.build(value)
        if name in value.attrs:
            return True
        return value.cls is not None and self.lookup(value.cls, name, None) is not None


_MODULE_API = frozenset(
    "children named_children modules named_modules parameters named_parameters buffers named_buffers "
    "register_buffer register_parameter add_module register_module to cuda cpu eval train half float double "
    "bfloat16 apply requires_grad_ zero_grad state_dict load_state_dict share_memory type "
    "register_forward_hook register_forward_pre_hook register_load_state_dict_post_hook "
    "_register_load_state_dict_pre_hook get_submodule __call__ __getattr__ __setattr__".split()
)


def is_module_like(value: Value) -> bool:
    """Whether a value may be a module held by an attribute."""
    if isinstance(value, Instance):
        return value.is_module
    if isinstance(value, Symbol):
        return value.made
    if isinstance(value, (Choice, Pick)):
        return any(is_module_like(v) for _, v in value.options)
    return False
