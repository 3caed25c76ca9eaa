"""Abstract values: what the interpreter knows about an object of the user's program.

Identity matters for anything that may be a module: two names of one `Instance` are one module.
Plain classes with slots, since a run makes many of them.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

from qatlint.condition import TRUE, Condition
from qatlint.static.turns import FirstTurn, PickedTurns
from qatlint.trace import Times

if TYPE_CHECKING:
    from qatlint.static.modulefile import ClassDef, ModuleFile


NO_LOOPS: frozenset[int] = frozenset()


class Value:
    """Base of all abstract values."""

    __slots__ = ()


class Const(Value):
    """A known number, string, bool or None."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


NONE = Const(None)
TRUE_VALUE = Const(True)
FALSE_VALUE = Const(False)


class LoopFrame:
    """A loop being interpreted once for all its turns, or one turn of an unrolled loop."""

    __slots__ = (
        "file",
        "given",
        "known",
        "leaves",
        "node",
        "number",
        "over",
        "parts",
        "times",
        "turn",
        "turns",
    )

    def __init__(
        self,
        number: int,
        node: ast.AST,
        file: ModuleFile,
        times: Times,
        known: bool,
        over: ast.AST,
        given: str = "",
    ) -> None:
        self.number = number
        self.node = node
        self.file = file
        self.times = times
        self.known = known
        self.over = over
        self.given = given
        """The default that the number of turns was taken from."""
        self.leaves = False
        """Some path leaves it before its last turn."""
        self.turns = 0
        """Turns when unrolled; 0 when one pass stands for all turns."""
        self.turn = 0
        """The turn that is being interpreted, of those."""
        self.parts: list[LoopFrame] = []

    def part(self, times: Times) -> LoopFrame:
        """The same loop, of which only so many turns matter to what is run."""
        made = LoopFrame(self.number, self.node, self.file, times, self.known, self.over, self.given)
        self.parts.append(made)
        return made

    def once(self) -> None:
        """Every path leaves it in its first turn."""
        self.times = Times(min(self.times.least, 1), 1)
        for part in self.parts:
            part.times = Times(0, 1)

    def cut_short(self) -> None:
        """Some path leaves it before its last turn."""
        for loop in (self, *self.parts):
            loop.times = Times(min(loop.times.least, 1), loop.times.most)
            loop.leaves = True


class At:
    """Which element of a family is meant: an exact position, a running loop counter, or a symbol."""

    __slots__ = ("bound", "deps", "exact", "high", "key", "less", "low", "running", "sure", "turns")

    def __init__(
        self,
        key: Hashable,
        deps: frozenset[int] = frozenset(),
        exact: int | str | None = None,
        running: bool = False,
        low: int = 0,
        high: int = 0,
        sure: int | None = None,
        turns: PickedTurns | None = None,
        bound: Hashable = None,
        less: int = 0,
    ) -> None:
        self.key = key
        self.bound = bound
        """The number, by its key, up to which a running one counts; for `n - 1` that of `n`."""
        self.less = less
        """For `n - 1`: how much less than `n`."""
        self.turns = turns
        """In how many turns of a loop each element is picked, when in more than one."""
        self.sure = sure
        """How many positions are surely visited, where `zip` may end early; None: all."""
        self.deps = deps
        """Loops whose turns pick different elements."""
        self.exact = exact
        self.running = running
        """Visits a range of positions, once each, while its loop runs."""
        self.low = low
        """First position visited."""
        self.high = high
        """How many positions at the end are left out."""


class Symbol(Value):
    """Something unknown that nevertheless has an identity.

    Two evaluations of one unknown (the same constructor parameter, the same expression over the
    same unknowns) have equal keys.
    """

    __slots__ = (
        "base",
        "callable_hint",
        "creator",
        "deps",
        "file",
        "first",
        "given",
        "hint",
        "key",
        "less",
        "loops",
        "made",
        "node",
        "optional",
        "origin",
        "start",
        "text",
        "turns",
    )

    def __init__(
        self,
        key: Hashable,
        *,
        deps: frozenset[int] = frozenset(),
        origin: str = "unknown",
        hint: Any = None,
        text: str = "",
        made: bool = False,
        loops: frozenset[int] = frozenset(),
        node: ast.AST | None = None,
        file: ModuleFile | None = None,
        callable_hint: str = "",
        optional: bool = False,
        less: int = 0,
        creator: Instance | None = None,
        given: str = "",
        first: FirstTurn | None = None,
        start: int | None = None,
    ) -> None:
        self.key = key
        self.start = start
        """For a counter that nested loops move: its lowest value."""
        self.first = first
        """What it is in the first turn of the loop that carries it, and never again."""
        self.given = given
        """The default that `hint` comes from, as written: `num_layers=6`."""
        self.creator = creator
        """The object whose construction made it."""
        self.less = less
        """For `n - 1`: how much less than `n`."""
        self.base: Hashable = None
        """For `n - 1`: the key of `n`."""
        self.optional = optional
        """A parameter whose default is None: true exactly when it is not None."""
        self.deps = deps
        """Loops whose turns change it."""
        self.origin = origin
        """`config`: fixed when the model is built. `input`: comes from forward's arguments."""
        self.turns: PickedTurns | None = None
        """For `i // 2` and `i % 2` of a loop counter: how many turns have the same value."""
        self.hint = hint
        """The default of the parameter it stands for, when that is a number."""
        self.text = text
        self.made = made
        """The result of calling something unknown while the model is built: likely a module."""
        self.loops = loops
        """Loops of construction that make a new one at each turn."""
        self.node = node
        self.file = file
        self.callable_hint = callable_hint
        """`module`, `function` or "" : what an annotation or a default says of a callable."""

    def is_registered(self) -> None:
        """A container of modules takes it, and would take no function."""
        self.callable_hint = self.callable_hint or "module"


class Index(Value):
    """Turn number of a loop plus a constant; the last `high` positions are not reached."""

    __slots__ = ("bound", "high", "loop", "offset")

    def __init__(self, loop: int, offset: int = 0, high: int = 0, bound: Hashable = None) -> None:
        self.loop = loop
        self.offset = offset
        self.high = high
        self.bound = bound
        """The number, by its key, up to which is counted."""

    def moved(self, by: int) -> Index:
        """`i + by`: it reaches as much farther."""
        return Index(self.loop, self.offset + by, self.high - by, self.bound)


class Pattern(Value):
    """A string with one unknown number in it, made from a loop counter: `f"layer{i}"`."""

    __slots__ = ("at", "head", "tail")

    def __init__(self, head: str, at: At, tail: str) -> None:
        self.head = head
        self.at = at
        self.tail = tail


SOMEWHERE = "\0once"
"""The position of an entry of which there is one, nobody knows where."""


class Item:
    """An entry of a sequence. With `times` it stands for that many entries."""

    __slots__ = ("file", "given", "loops", "node", "once", "times", "value", "when")

    def __init__(
        self,
        value: Value,
        when: Condition = TRUE,
        times: Times | None = None,
        loops: frozenset[int] = NO_LOOPS,
        node: ast.AST | None = None,
        file: ModuleFile | None = None,
        given: str = "",
    ) -> None:
        self.value = value
        self.given = given
        """The default that `times` was taken from."""
        self.when = when
        self.times = times
        self.once = False
        """Put there in one turn of the loop only: `if i == 0`."""
        self.loops = loops
        """The loops that put it there again and again."""
        self.node = node
        self.file = file

    def written(self) -> list[Item]:
        """All assignments that gave it what it may hold, the last first."""
        return [self]

    def of(self, value: Value) -> Item:
        """The assignment that gave it one of its values."""
        first = self
        for item in self.written():
            if not holds(item.value, value):
                break
            first = item
        return first


class Rewritten(Item):
    """What an attribute holds after it was given another value on some path."""

    __slots__ = ("before",)

    before: Item
    """What it held until then."""

    def written(self) -> list[Item]:
        """See `Item.written`."""
        return [self, *self.before.written()]


class Seq(Value):
    """A list, tuple or set."""

    __slots__ = ("items", "kind", "loops", "open")

    def __init__(
        self, items: list[Item], kind: str = "list", open_: bool = False, loops: frozenset[int] = NO_LOOPS
    ) -> None:
        self.items = items
        self.loops = loops
        """Loops in which it was made: entries added in these are not repeated."""
        self.kind = kind
        self.open = open_
        """Holds more entries that are not known."""


class Mapping(Value):
    """A dict. Keys are constants; entries under unknown keys are in `rest`."""

    __slots__ = ("entries", "of", "open", "rest")

    def __init__(self, of: Instance | None = None) -> None:
        self.of = of
        """The module whose `_modules` it is."""
        self.entries: dict[Hashable, Item] = {}
        self.rest: list[tuple[Value, Item]] = []
        self.open = False


class Range(Value):
    """`range(start, stop)` with unknown ends; `start` is None when unknown."""

    __slots__ = ("deps", "start", "step", "stop", "text")

    def __init__(
        self,
        start: int | None,
        stop: Value,
        step: int | None,
        text: str,
        deps: frozenset[int] = frozenset(),
    ) -> None:
        self.deps = deps
        """Loops whose turns change where it starts."""
        self.start = start
        self.stop = stop
        self.step = step
        self.text = text


class Wrapped(Value):
    """`enumerate`, `zip`, `reversed`, `.items()`... over other values, iterated lazily."""

    __slots__ = ("kind", "parts", "start")

    def __init__(self, kind: str, parts: tuple[Value, ...], start: int | None = 0) -> None:
        self.kind = kind
        self.parts = parts
        self.start = start


class Slice(Value):
    """A part of a sequence that is not known entry by entry: `xs[1:]`, `xs[:-1]`."""

    __slots__ = ("base", "high", "low", "vague")

    def __init__(self, base: Value, low: int, high: int, vague: bool = False) -> None:
        self.vague = vague
        """Which part is not known: `xs[:n]`, `xs[::2]`."""
        self.base = base
        self.low = low
        self.high = high


class Choice(Value):
    """One of several values. The first whose condition holds is meant."""

    __slots__ = ("options",)

    def __init__(self, options: tuple[tuple[Condition, Value], ...]) -> None:
        self.options = options


class Pick(Value):
    """An element of a family, or one of several known elements, picked by position."""

    __slots__ = ("at", "options")

    def __init__(self, options: tuple[tuple[int | str | None, Value], ...], at: tuple[At, ...]) -> None:
        self.options = options
        """(position if known, value)"""
        self.at = at
        """One selector per nested family, outermost first."""


def holds(value: Value, one: Value) -> bool:
    """Whether a value is another one, or may be."""
    return value is one or (
        isinstance(value, (Choice, Pick)) and any(holds(option, one) for _, option in value.options)
    )


class External(Value):
    """Something of a library that is not read: `torch.nn.ReLU`, `torch.cat`, a Python module."""

    __slots__ = ("dotted",)

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


class ModuleValue(Value):
    """An imported Python module of the project."""

    __slots__ = ("file",)

    def __init__(self, file: ModuleFile) -> None:
        self.file = file


class Imported(Value):
    """A name imported from another file of the project, by its spelling a class; not looked up yet.

    Most models only make and call what they import: that needs no look into the other file.
    """

    __slots__ = ("file", "name")

    def __init__(self, file: ModuleFile, name: str) -> None:
        self.file = file
        """The file that imports it."""
        self.name = name


class ClassValue(Value):
    """A class of the project."""

    __slots__ = ("cls",)

    def __init__(self, cls: ClassDef) -> None:
        self.cls = cls


class Function(Value):
    """A function or lambda of the project, with the variables it closes over."""

    __slots__ = ("closure", "cls", "file", "node", "self_name")

    def __init__(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda,
        file: ModuleFile,
        closure: dict[str, Value] | None = None,
        cls: ClassDef | None = None,
    ) -> None:
        self.node = node
        self.file = file
        self.closure = closure
        self.cls = cls


class Method(Value):
    """A function bound to an object."""

    __slots__ = ("function", "receiver")

    def __init__(self, function: Function, receiver: Value) -> None:
        self.function = function
        self.receiver = receiver


class Builtin(Value):
    """A method of a modelled value (`list.append`, `ModuleList.insert`)."""

    __slots__ = ("name", "receiver")

    def __init__(self, name: str, receiver: Value) -> None:
        self.name = name
        self.receiver = receiver


class Partial(Value):
    """`functools.partial(function, *args, **kwargs)`."""

    __slots__ = ("args", "function", "kwargs")

    def __init__(self, function: Value, args: list[Value], kwargs: dict[str, Value]) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs


class Block(Value):
    """What `Tracer.dynamic_block(self, "name")` gives: entered by `with`."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Super(Value):
    """`super()`: looks names up after `after` in the receiver's linearisation."""

    __slots__ = ("after", "receiver")

    def __init__(self, receiver: Value, after: ClassDef) -> None:
        self.receiver = receiver
        self.after = after


class Args:
    """Arguments of a call. `open` when a `*x` or `**x` could not be spread."""

    __slots__ = ("keywords", "open", "positional")

    def __init__(self, positional: list[Item], keywords: dict[str, Value], open_: bool) -> None:
        self.positional = positional
        self.keywords = keywords
        self.open = open_


class Instance(Value):
    """An object of a class: a module, a container of modules, or any other object of the project."""

    __slots__ = (
        "args",
        "attrs",
        "_cls",
        "building",
        "built",
        "children",
        "creator",
        "dotted",
        "file",
        "foreign",
        "is_module",
        "items",
        "loops",
        "node",
        "number",
        "open",
        "origin",
        "pending",
        "transient",
        "when",
        "written",
    )

    def __init__(
        self,
        number: int,
        cls: ClassDef | None,
        dotted: str,
        is_module: bool,
        args: Args | None,
        node: ast.AST,
        file: ModuleFile,
        creator: Instance | None,
        loops: frozenset[int],
        when: Condition,
    ) -> None:
        self.number = number
        self._cls = cls
        self.pending: Callable[[Instance], None] | None = None
        """Finds out what class it is of, when somebody asks; until then it is taken for a module."""
        self.dotted = dotted
        """Dotted name of a library class, "" for a class of the project; for a stub that the project makes a
        class of its own of, that of the stub. It is one op, whatever its forward does."""
        self.is_module = is_module
        self.args = args
        self.node = node
        self.file = file
        self.creator = creator
        """The object whose construction made it."""
        self.loops = loops
        """Loops of construction that make a new one at each turn."""
        self.when = when
        self.attrs: dict[str, Item] = {}
        self.items: Seq | None = None
        """Entries of a Sequential or ModuleList."""
        self.children: Mapping | None = None
        """Entries of a ModuleDict."""
        self.built = cls is None
        self.building = False
        self.open = False
        """May have attributes that are not known."""
        self.origin = "attribute"
        self.foreign = False
        """Was given modules or bound methods by its maker: its forward may run them."""
        self.transient = False
        """Made while forward runs."""
        self.written: frozenset[str] = frozenset()
        """Methods that have run to set attributes."""

    @property
    def cls(self) -> ClassDef | None:
        """Its class, when that is one of the project."""
        self.settle()
        return self._cls

    def settle(self) -> None:
        """Look the class up, if that was put off."""
        if self.pending is not None:
            find, self.pending = self.pending, None
            find(self)

    def release(self) -> None:
        """Let go of everything it refers to, once nobody needs it (see `Machine.close`)."""
        self.pending = self.items = self.children = self.args = self.creator = None
        self.attrs.clear()

    def become(self, cls: ClassDef | None, dotted: str, is_module: bool) -> None:
        """What the look-up found."""
        self._cls = cls
        self.dotted = dotted
        self.is_module = is_module
        self.built = cls is None
