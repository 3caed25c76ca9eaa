"""What functions of Python, torch and their neighbours do, as far as modules are concerned."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from functools import cache

from qatlint.condition import FALSE, TRUE, Condition, literal
from qatlint.horizon.modules import UNKNOWN, facts_of
from qatlint.static.execution import PLAIN
from qatlint.static.families import are_single
from qatlint.static.kinds import is_of_class
from qatlint.static.machine import Frame, deps_of, key_of, origin_of
from qatlint.static.methods import SAME, Methods
from qatlint.static.modulefile import Unknown
from qatlint.static.values import (
    FALSE_VALUE,
    NONE,
    TRUE_VALUE,
    Args,
    Block,
    Choice,
    ClassValue,
    Const,
    External,
    Function,
    Index,
    Instance,
    Item,
    Mapping,
    Method,
    Partial,
    Pattern,
    Range,
    Seq,
    Slice,
    Symbol,
    Value,
    Wrapped,
)
from qatlint.trace import Times

_NOT_MODULES = (
    "torch.nn.functional.",
    "torch.nn.init.",
    "torch.nn.parameter.",
    "torch.nn.utils.",
    "torch.nn.Parameter",
    "torch.nn.Buffer",
    "torch.nn.UninitializedParameter",
)
_NEVER_TRUE = frozenset(
    "torch.jit.is_scripting torch.jit.is_tracing torch.onnx.is_in_onnx_export torch.compiler.is_compiling "
    "torch._dynamo.is_compiling torch.compiler.is_dynamo_compiling torchvision._is_tracing "
    "torch.utils.data.get_worker_info torch.overrides.has_torch_function_unary "
    "torch.overrides.has_torch_function".split()
)
# Calls whose result is the same whenever their arguments are (safe to test twice).
_PURE = frozenset("len isinstance issubclass callable type abs min max sum int bool float str round".split())

_A_CLASS = Const(object)
"""Stands for any class in tests of what it is."""

_Model = Callable[["Library", Args, ast.Call, Frame], Value]


class Library(Methods):
    """Models of library functions."""

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        """Call something of a library by its dotted name."""
        last = dotted.rpartition(".")[2]
        model = _MODELS.get(dotted)
        if model is not None:
            return model(self, args, node, frame)
        if last == "dynamic_block":
            return Block(self.block_name(args))
        if dotted in _NEVER_TRUE:
            return FALSE_VALUE
        if last in SAME and args.positional and not dotted.startswith("builtins."):
            same = args.positional[0].value
            if last.endswith("_norm") and isinstance(same, Instance):
                self.modified.setdefault(same.number, f"`{last}` is applied to it")
            return same
        if is_library_module(dotted):
            return self.instantiate(None, dotted, args, node, frame)
        return self._unmodelled(dotted, args, node, frame)

    def _unmodelled(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        """A function of which nothing is known but its name."""
        last = dotted.rpartition(".")[2]
        if self.phase == "forward":
            self.callbacks(dotted, args, node, frame)
            return self.result(args, frame)
        first = dotted.partition(".")[0]
        if first in PLAIN or dotted.startswith("torch."):
            values = [i.value for i in args.positional]
            keys = [key_of(v) for v in values]
            if last in _PURE and all(k is not None for k in keys) and not args.keywords:
                return self.unknown(*values, key=self.intern((dotted, *keys)), text=last)
            return self.unknown(*values, text=last)
        for value in [i.value for i in args.positional] + list(args.keywords.values()):
            self.escape(value, last)
        return self.made(dotted, node, frame)

    def block_name(self, args: Args) -> str:
        """The name given to a dynamic block; `*` for what is not known of it."""
        named = len(args.positional) > 1
        name = args.positional[1].value if named else args.keywords.get("name")
        if name is None:
            return "*" if args.open else ""
        if isinstance(name, Pattern):
            return f"{name.head}*{name.tail}"
        return str(name.value) if isinstance(name, Const) else "*"

    def context(self, node: ast.expr, frame: Frame) -> Value:
        """What `with node:` enters. A `dynamic_block` is one, wherever it comes from: projects that must run
        without the plugin have a `Tracer` of their own."""
        value = super().context(node, frame)
        if isinstance(node, ast.Call) and not any(isinstance(v, Block) for _, v in self.options(value, TRUE)):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "dynamic_block":
                return Block(self.block_name(self.arguments(node, frame)))
        return value

    # -- methods -----------------------------------------------------------------------------

    # -- models of functions -------------------------------------------------------------------

    def length(self, value: Value) -> Value:
        """`len(value)`."""
        if isinstance(value, Choice):
            return self.choose([(w, self.length(v)) for w, v in value.options])
        if isinstance(value, Const):
            try:
                return Const(len(value.value))
            except TypeError:
                return self.unknown()
        if isinstance(value, Slice):
            inner = self.length(value.base)
            return self.binary(ast.Sub(), inner, Const(value.low + value.high))
        if isinstance(value, Wrapped):
            return self.length(value.parts[0])
        if isinstance(value, Range):
            if value.start == 0 and value.step == 1:
                return value.stop
            return self.unknown(value.stop)
        mapping = value.children if isinstance(value, Instance) and value.items is None else value
        if isinstance(mapping, Mapping) and not mapping.open and not mapping.rest:
            return Const(len(mapping.entries))
        entries = self.entries(value)
        if entries is not None:
            plain = all(i.times is None and i.when == TRUE for i in entries.items)
            if plain and not entries.open:
                return Const(len(entries.items))
            hint = None
            if not entries.open:
                counts = [i.times.most if i.times is not None else 1 for i in entries.items]
                if all(c is not None for c in counts):
                    hint = sum(c for c in counts if c is not None)
            given = next((i.given for i in entries.items if i.given), "")
            number = self.intern(("len", id(entries)))
            self.lengths[number] = entries
            return Symbol(number, origin="config", hint=hint, text="len", given=given)
        key = key_of(value)
        result = self.unknown(value, key=None if key is None else self.intern(("len", key)), text="len")
        if isinstance(value, Symbol) and isinstance(value.hint, (tuple, list)) and value.hint:
            result.hint, result.given = len(value.hint), value.given
        return result

    def _len(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self.length(args.positional[0].value) if args.positional else self.unknown()

    def _range(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        values = [i.value for i in args.positional]
        if args.open:
            # `range(*spans[i])`: which numbers these are varies with what the arguments vary with.
            return Range(None, self.unknown(*values), None, "range", frozenset().union(*map(deps_of, values)))
        if not 1 <= len(values) <= 3:
            return self.unknown(*values)
        start: Value = Const(0) if len(values) == 1 else values[0]
        stop = values[0] if len(values) == 1 else values[1]
        step: Value = values[2] if len(values) == 3 else Const(1)
        return Range(_int(start), stop, _int(step), "range", deps_of(start))

    def _enumerate(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        values = [i.value for i in args.positional]
        if not values:
            return self.unknown()
        start = values[1] if len(values) > 1 else args.keywords.get("start", Const(0))
        return Wrapped("enumerate", (values[0],), _int(start))

    def _zip(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        rows = args.positional
        if not args.open and all(i.times is None and i.when == TRUE for i in rows):
            return Wrapped("zip", tuple(i.value for i in rows))
        columns = None if args.open else _columns(rows)
        return self.unknown(*(i.value for i in rows)) if columns is None else columns

    def _reverse(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        value = args.positional[0].value if args.positional else self.unknown()
        entries = self.entries(value)
        if entries is not None and all(i.times is None for i in entries.items) and not entries.open:
            return Seq(entries.items[::-1], "list", loops=entries.loops)
        return Wrapped("reversed", (value,))

    def _list(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        if not args.positional:
            return Seq([], "list", loops=self.loop_base | self.loop_numbers())
        value = args.positional[0].value
        return self.listed(value, node, frame) or value

    def _new_dict(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = Mapping()
        result.open = args.open
        for item in args.positional[:1]:
            value = item.value
            if isinstance(value, Mapping):
                result.entries.update(value.entries)
                result.rest.extend(value.rest)
                result.open = result.open or value.open
            elif isinstance(value, Seq) and not value.open:
                for pair in value.items:
                    inner = pair.value
                    if isinstance(inner, Seq) and len(inner.items) == 2 and pair.times is None:
                        entry = inner.items[1]
                        self.put(
                            result,
                            inner.items[0].value,
                            Item(entry.value, pair.when, None, entry.loops, entry.node, entry.file),
                        )
                    elif isinstance(inner, Seq) and len(inner.items) == 2:
                        entry = inner.items[1]
                        result.rest.append(
                            (
                                inner.items[0].value,
                                Item(entry.value, pair.when, pair.times, pair.loops, entry.node, entry.file),
                            )
                        )
                    else:
                        result.open = True
            else:
                result.open = True
        if args.open:  # `dict(defaults, **given)`
            self.merge_unknown(result, self.unknown())
        for name, value in args.keywords.items():
            result.entries[name] = Item(value, node=node, file=frame.file)
        return result

    def _isinstance(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        if len(args.positional) != 2:
            return self.unknown()
        value, classes = (i.value for i in args.positional)
        options = [i.value for i in classes.items] if isinstance(classes, Seq) else [classes]
        if isinstance(value, Choice):
            return self.boolean(self.over_options(value, lambda v: self._is_one_of(v, options, node)))
        return self.boolean(self._is_one_of(value, options, node))

    def _is_one_of(self, value: Value, classes: list[Value], node: ast.AST) -> Condition:
        result = FALSE
        classes = [self.settled(cls) for cls in classes]
        for cls in classes:
            answer = self._is_a(value, cls)
            if answer is None:
                keys = (key_of(value), *(_class_key(c) for c in classes))
                if any(k is None for k in keys):
                    return self.fresh(node, origin_of(value) == "config")
                return literal(self.atom(("isinstance", *keys), node, config=origin_of(value) == "config"))
            if answer:
                result = TRUE
        return result

    def _is_a(self, value: Value, cls: Value) -> bool | None:
        """True or False when known."""
        name = cls.dotted if isinstance(cls, External) else ""
        if isinstance(value, Instance):
            if isinstance(cls, ClassValue):
                if value.cls is None:
                    return False
                mro = self.project.mro(value.cls)
                if cls.cls in mro:
                    return True
                return None if any(isinstance(e, Unknown) and _opaque(e.dotted) for e in mro) else False
            if not name:
                return None
            if name.rpartition(".")[2] == "Module" and value.is_module:
                return True
            if value.cls is not None:
                dotted = [e.dotted for e in self.project.mro(value.cls) if isinstance(e, Unknown)]
                if name in dotted:
                    return True
                return None if any(_opaque(d) for d in dotted) else False
            return value.dotted == name or (name.startswith("torch.nn.modules.") and None) or False
        if isinstance(cls, ClassValue):
            return False if isinstance(value, (Const, Seq, Mapping, Function)) else None
        if isinstance(value, External):
            return is_of_class(_A_CLASS, name) if is_library_module(value.dotted) else None
        return is_of_class(value, name) if name else None

    def _hasattr(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        values = [i.value for i in args.positional]
        if len(values) != 2:
            return self.unknown()
        target, name = values
        if isinstance(target, Instance) and isinstance(name, Const) and isinstance(name.value, str):
            known = self.knows_to_have(target, name.value)
            if known is not None:
                return known
        return self.unknown(*values, key=self.intern(("hasattr", key_of(target), key_of(name))))

    def knows_to_have(self, target: Instance, name: str) -> Value | None:
        """Whether an instance has an attribute; None where nobody knows."""
        item = target.attrs.get(name)
        if item is not None:
            return self.boolean(item.when)
        if self.has_attribute(target, name):
            return TRUE_VALUE
        return FALSE_VALUE if self.lacks_attribute(target, name) else None

    def lacks_attribute(self, target: Instance, name: str) -> bool:
        """Whether an instance that has no such attribute gets none later."""
        return not target.open and target.cls is not None and not target.cls.writers_of(name)

    def _getattr(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        values = [i.value for i in args.positional]
        if len(values) < 2:
            return self.unknown()
        return self.get_attribute(values[0], values[1], values[2] if len(values) > 2 else None, frame)

    def _setattr(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        values = [i.value for i in args.positional]
        if len(values) == 3:
            self.set_attribute(values[0], values[1], values[2], frame, args.positional[2].node or node)
        return NONE

    def _partial(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        if not args.positional:
            return self.unknown()
        rest = [i.value for i in args.positional[1:]]
        return Partial(args.positional[0].value, rest, dict(args.keywords))

    def _deepcopy(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        if not args.positional:
            return self.unknown()
        value = args.positional[0].value
        copied = self.clone(value, frame)
        if isinstance(copied, Instance):
            copied.node, copied.file = node, frame.file
        return copied

    def _map(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        if not args.positional:
            return self.unknown()
        if self.phase == "forward":
            return self._many(args.positional[0].value, args, node, frame)
        values = [i.value for i in args.positional]
        return self.unknown(*values)

    def _reduce(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`functools.reduce(f, xs, first)`: one call per element; without a first value, one less."""
        values = args.positional
        if self.phase != "forward" or len(values) < 2:
            return self._unmodelled("functools.reduce", args, node, frame)
        function, over = values[0].value, values[1]
        turns = self.iterate(over.value, over.node if isinstance(over.node, ast.expr) else node, frame)
        if len(values) < 3:
            least, most = turns.times
            turns.times = Times(max(least - 1, 0), None if most is None else max(most - 1, 0))
        loop = self.loop_at_once(node, turns, frame)
        self.loops.append(loop)
        given = [Item(self.unknown()), Item(turns.element(loop))]
        self.call(function, Args(given, {}, False), node, frame)
        self.loops.pop()
        return self.result(args, frame)

    def _next(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        if not args.positional:
            return self.unknown()
        value = args.positional[0].value
        if isinstance(value, Seq) and value.kind == "iterator" and value.items:
            first = value.items[0]
            if first.times is None and first.when == TRUE == frame.guard and not self.loop_numbers():
                return value.items.pop(0).value
            value.open = True
        return self.unknown(value)

    def _iter(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        value = args.positional[0].value if args.positional else self.unknown()
        entries = self.entries(value) if self.phase == "forward" else None
        if entries is None or entries.open:
            return value
        return Seq(list(entries.items), "iterator", loops=entries.loops)

    def _filter(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self.unknown(*(item.value for item in args.positional))

    def _chain(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = Seq([], "list")
        for item in args.positional:
            entries = self.entries(item.value)
            if entries is None:
                return self.unknown(*(i.value for i in args.positional))
            result.items.extend(entries.items)
        return result

    def _convert(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`int(x)`, `bool(x)`, `float(x)`: constants are converted, anything else keeps its identity."""
        if len(args.positional) != 1:
            return self.unknown()
        value = args.positional[0].value
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if isinstance(value, Const) and name in ("int", "float", "bool", "str"):
            try:
                return Const({"int": int, "float": float, "bool": bool, "str": str}[name](value.value))
            except (TypeError, ValueError):
                return self.unknown()
        if name in ("int", "bool") and isinstance(value, (Symbol, Index, Choice)):
            return value
        if name == "str" and isinstance(value, (Index, Symbol)):
            return self._pattern(["", value, ""])
        key = key_of(value)
        return self.unknown(value, key=None if key is None else self.intern((name, key)))

    def _extreme(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        values = [i.value for i in args.positional]
        if values and all(isinstance(v, Const) for v in values) and len(values) > 1 and not args.keywords:
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            try:
                pick = max if name == "max" else min
                return Const(pick(v.value for v in values if isinstance(v, Const)))
            except TypeError:
                return self.unknown()
        return self.unknown(*values)

    def _any(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self._any_is(True, "builtins.any", args, node, frame)

    def _all(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        return self._any_is(False, "builtins.all", args, node, frame)

    def _any_is(self, wanted: bool, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`any(...)` (whether one entry is true) and `all(...)` (whether none is false), over constants."""
        entries = self.entries(args.positional[0].value) if len(args.positional) == 1 else None
        if entries is not None and not entries.open:
            known = [(i, i.value) for i in entries.items if isinstance(i.value, Const)]
            found = [i for i, v in known if bool(v.value) is wanted]
            if any(i.when == TRUE and i.times is None for i in found):
                return TRUE_VALUE if wanted else FALSE_VALUE
            if not found and len(known) == len(entries.items):
                return FALSE_VALUE if wanted else TRUE_VALUE
        return self._unmodelled(name, args, node, frame)

    def _callable(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        value = args.positional[0].value if args.positional else None
        if isinstance(value, (Function, Method, ClassValue, Partial, Instance)):
            return TRUE_VALUE
        if isinstance(value, (Const, Seq, Mapping)):
            return FALSE_VALUE
        return self.unknown(value)

    def _ignored(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        return NONE

    def _same(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        return args.positional[-1].value if args.positional else self.unknown()

    def _type(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        value = args.positional[0].value if args.positional else None
        if isinstance(value, Instance):
            return ClassValue(value.cls) if value.cls is not None else External(value.dotted)
        return self.unknown(value)

    def _tensors(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`torch.nn.ParameterList(...)`: tensors."""
        return self.unknown(*(item.value for item in args.positional), text="parameter")

    def _execution(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`torch.nn.Module.__call__(self.block, x)`: as `self.block(x)` is."""
        if not args.positional:
            return self.unknown()
        rest = Args(args.positional[1:], args.keywords, args.open)
        return self.call(args.positional[0].value, rest, node, frame)

    def _swap(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`torch.nn.Parameter(...)`: a tensor."""
        return self.unknown(text="parameter")


@cache
def is_library_module(dotted: str) -> bool:
    """Whether calling this library name makes a module."""
    last = dotted.rpartition(".")[2]
    if not last[:1].isupper():
        return False
    if dotted.startswith(_NOT_MODULES):
        return False
    if dotted.startswith(("torch.nn.", "torch.ao.nn.", "horizon_plugin_pytorch.nn")):
        return True
    return facts_of(dotted) is not UNKNOWN


def _columns(rows: Sequence[Item]) -> Seq | None:
    """What `zip(*rows)` gives: a column for each place in a row, with an entry for each row, which may stand
    for many. None where a row may have another length than the others."""
    found: list[list[Value]] = []
    for row in rows:
        if not isinstance(row.value, Seq) or not are_single(row.value):
            return None
        found.append([item.value for item in row.value.items])
    if len({len(values) for values in found}) != 1:
        return None
    columns = [
        Seq(
            [
                Item(value, row.when, row.times, row.loops, row.node, row.file, row.given)
                for row, value in zip(rows, column, strict=True)
            ],
            "tuple",
        )
        for column in zip(*found, strict=True)
    ]
    return Seq([Item(column) for column in columns], "tuple")


def _int(value: Value) -> int | None:
    return value.value if isinstance(value, Const) and type(value.value) is int else None


def _class_key(value: Value) -> str | None:
    if isinstance(value, External):
        return value.dotted
    if isinstance(value, ClassValue):
        return value.cls.full_name
    return None


def _opaque(dotted: str) -> bool:
    return not dotted.startswith(("torch.nn.", "abc.", "typing.", "object"))


_MODELS: dict[str, _Model] = {
    "builtins.len": Library._len,
    "builtins.range": Library._range,
    "builtins.enumerate": Library._enumerate,
    "builtins.zip": Library._zip,
    "builtins.reversed": Library._reverse,
    "builtins.list": Library._list,
    "collections.deque": Library._list,
    "builtins.tuple": Library._list,
    "builtins.sorted": Library._list,
    "builtins.dict": Library._new_dict,
    "collections.OrderedDict": Library._new_dict,
    "typing.OrderedDict": Library._new_dict,
    "builtins.isinstance": Library._isinstance,
    "builtins.hasattr": Library._hasattr,
    "builtins.getattr": Library._getattr,
    "builtins.setattr": Library._setattr,
    "builtins.any": Library._any,
    "builtins.all": Library._all,
    "builtins.callable": Library._callable,
    "builtins.print": Library._ignored,
    "builtins.next": Library._next,
    "builtins.iter": Library._iter,
    "builtins.map": Library._map,
    "builtins.filter": Library._filter,
    "builtins.int": Library._convert,
    "builtins.bool": Library._convert,
    "builtins.float": Library._convert,
    "builtins.str": Library._convert,
    "builtins.max": Library._extreme,
    "builtins.min": Library._extreme,
    "builtins.type": Library._type,
    "functools.partial": Library._partial,
    "functools.reduce": Library._reduce,
    "itertools.chain": Library._chain,
    "copy.deepcopy": Library._deepcopy,
    "copy.copy": Library._deepcopy,
    "typing.cast": Library._same,
    "torch.jit.annotate": Library._same,
    "torch.nn.Module.__call__": Library._execution,
    "torch.nn.Parameter": Library._swap,
    "torch.nn.parameter.Parameter": Library._swap,
    "torch.nn.ParameterList": Library._tensors,
    "torch.nn.ParameterDict": Library._tensors,
    "torch.nn.Buffer": Library._swap,
}
