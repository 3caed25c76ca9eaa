"""The state of an interpretation, and the frame of one function being interpreted.

The interpreter is written as several classes with one job each (expressions, statements, calls,
attributes, iteration); this base holds what they share and declares what they ask of each other.
"""

from __future__ import annotations

import ast
from collections.abc import Hashable, Sequence
from itertools import count
from typing import NamedTuple

from qatlint.condition import FALSE, TRAINING, TRUE, Condition, both, either, excludes, literal, negate
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.project import Project
from qatlint.static.spelt import Spelt
from qatlint.static.values import (
    NO_LOOPS,
    Args,
    At,
    Choice,
    Const,
    External,
    Function,
    Imported,
    Index,
    Instance,
    LoopFrame,
    Pattern,
    Pick,
    Seq,
    Symbol,
    Value,
)

STEP_LIMIT = 40_000
"""Expressions evaluated per class; past it the trace is reported as incomplete."""
SOFT_LIMIT = 3_000
"""Past it, functions called from functions are not entered any more and loops are not unrolled."""
DEPTH_LIMIT = 24
"""Functions entered inside each other."""
UNROLL_LIMIT = 12
"""Loops over at most this many known values are interpreted turn by turn."""
CHOICE_LIMIT = 10
"""Alternatives a value may have; past it the value is unknown."""


NOWHERE = ast.Call(ast.Name("", ast.Load()), [], [])
"""Stands for a call that is not written anywhere: a constructor or a property being run."""


class OutOfSteps(Exception):
    """The work limit of one class is used up."""


class Frame:
    """One function being interpreted."""

    __slots__ = (
        "cls",
        "closure",
        "env",
        "file",
        "guard",
        "me",
        "name",
        "owner",
        "loop_exits",
        "raised",
        "returns",
    )

    def __init__(
        self,
        file: ModuleFile,
        *,
        name: str,
        cls: ClassDef | None,
        me: Value | None,
        owner: Instance | None,
        guard: Condition,
        closure: dict[str, Value] | None = None,
    ) -> None:
        self.file = file
        self.name = name
        self.cls = cls
        """The class whose body holds the function."""
        self.me = me
        self.owner = owner
        """The module whose forward is running."""
        self.guard = guard
        self.closure = closure
        self.env: dict[str, Value] = {}
        self.returns: list[tuple[Condition, Value]] = []
        self.loop_exits: list[LoopExits] = []
        self.raised: Condition = FALSE


class LoopExits:
    """Conditions under which the running turn of a loop was left early."""

    __slots__ = ("broke", "continued")

    def __init__(self) -> None:
        self.continued: Condition = FALSE
        self.broke: Condition = FALSE


class Place(NamedTuple):
    """A call expression in a function that is running."""

    file: ModuleFile
    node: ast.AST
    cls: ClassDef | None
    """The class whose body holds it."""
    function: str
    owner: Instance | None
    """The module whose forward is running there."""


class EnteredBlock(NamedTuple):
    """A dynamic block that is being run."""

    name: str
    file: ModuleFile
    node: ast.AST
    """The expression that the `with` enters."""


class RawCall:
    """One execution of a module as it was met: resolved to a Trace call at the end."""

    __slots__ = (
        "at",
        "callee",
        "chain",
        "guard",
        "implied",
        "loops",
        "method",
        "scope",
        "target",
    )

    def __init__(
        self,
        target: Instance | Symbol,
        at: tuple[At, ...],
        node: ast.AST,
        callee: ast.AST,
        frame: Frame,
        guard: Condition,
        loops: tuple[LoopFrame, ...],
        method: str,
        implied: bool,
        via: tuple[Place, ...],
        scope: EnteredBlock | None,
    ) -> None:
        self.target = target
        self.at = at
        self.callee = callee
        self.guard = guard
        self.chain = (*via, Place(frame.file, node, frame.cls, frame.name, frame.owner))
        """The calls that led here, outermost first; the last is the execution itself."""
        self.loops = loops
        self.method = method
        self.implied = implied
        self.scope = scope


class Position(NamedTuple):
    """A test of a loop counter."""

    loop: int
    once: bool
    """Holds in one turn only."""
    other: Value | None
    """What the counter is compared with, when it is a test for equality."""
    first: bool
    """Holds in the first turn, and in no other."""


class Comparison(NamedTuple):
    """A test that holds in turns of loops that nobody knows: `if name == "ffn"` over unknown names."""

    loops: frozenset[int]
    constant: str
    """What the element is compared with, as written."""


class RawAtom:
    """An undecided test as it was met; its text is made only when somebody asks for it."""

    __slots__ = ("config", "group", "node", "of")

    def __init__(
        self, node: ast.AST | None, group: Hashable, config: bool, of: Sequence[Value] | None
    ) -> None:
        self.node = node
        self.group = group
        self.config = config
        self.of = of
        """The values that are asked about, where it is a question of nothing else."""


class Machine:
    """Shared state. `root` is the object whose forward is interpreted."""

    step_limit = STEP_LIMIT
    soft_limit = SOFT_LIMIT

    def __init__(self, project: Project) -> None:
        self.project = project
        self.steps = 0
        self.root: Instance | None = None
        self.phase = "init"
        """`init` while the model is built, `forward` while it runs."""
        self.loops: list[LoopFrame] = []
        self.building: list[Instance] = []
        self.calls: list[RawCall] = []
        self.atoms: dict[int, RawAtom] = {TRAINING: RawAtom(None, None, False, None)}
        self.atom_keys: dict[Hashable, int] = {("training",): TRAINING}
        self.facts: list[Condition] = []
        self.notes: set[str] = set()
        self.incomplete = False
        self.active: list[object] = []
        self.via: list[Place] = []
        self.numbers = count(1)
        self.touched: dict[int, str] = {}
        """Instances used without being executed: number -> how."""
        self.handed_on: dict[int, str] = {}
        """Instances that forward hands to code that is not read and may run them: number -> its name."""
        self.globals: dict[tuple[str, str], Value] = {}
        self.interned: dict[Hashable, int] = {}
        self.spelt_names: dict[Hashable, Spelt] = {}
        """By key of a name that is one of a list, or made from one: how it is spelt (`Spelt`)."""
        self.positions: dict[int, Position] = {}
        """Atoms that test a loop counter."""
        self.lengths: dict[Hashable, Seq] = {}
        """Keys of numbers that are the length of a list: that list."""
        self.counted: dict[int, Seq] = {}
        """Loops that go round once per entry of a list: that list."""
        self.stops: dict[int, Hashable] = {}
        """By the number of a loop over `range(n)`: the key of `n`."""
        self.chosen: dict[int, Comparison] = {}
        """Atoms that compare what a loop runs over with a constant."""
        self.supposing = 0
        """Above 0 while turns are followed that a default does not have: they reach modules, but are not
        counted."""
        self.chosen_by_existence: tuple[Value, Condition] | None = None
        """A module that is about to be called, and the condition of the call without that of its choice."""
        self.probing = False
        """While it is asked what a forward gives back: plain functions are entered too."""
        self.opened: frozenset[int] = frozenset()
        """Children whose forward is followed, since a part of them is executed from outside."""
        self.grafts: list[tuple[int, str, ast.AST, ModuleFile]] = []
        """(instance, attribute, node, file): an element's part put into other elements."""
        self.reached: set[int] = set()
        """Functions entered while forward runs, by id of their node."""
        self.initialisers: set[str] = set()
        """Names of the methods that ran while the model was built."""
        self.modified: dict[int, str] = {}
        """Modules that are changed after they were made: number -> how."""
        self.with_parameters: set[int] = set()
        self.with_buffers: set[int] = set()
        self.unfinished: set[int] = set()
        """Objects whose construction was not followed to its end."""
        self.blocks: list[EnteredBlock] = []
        """Dynamic blocks around the statement that runs, outermost first: of the root's forward, where only
        that is counted."""
        self.loop_base: frozenset[int] = frozenset()
        """Loops of construction around the object being built."""
        self.instances: list[Instance] = []
        """Every object that was made."""

    def close(self) -> None:
        """Let go of everything, after the last question.

        What was interpreted is a web of objects that refer to each other: cut here, it is gone at once, and
        the garbage collector is spared a walk through all of it.
        """
        for instance in self.instances:
            instance.release()
        vars(self).clear()

    # -- what the parts ask of each other ------------------------------------------------------

    def eval(self, node: ast.expr, frame: Frame) -> Value:
        raise NotImplementedError

    def test(self, node: ast.expr, frame: Frame) -> Condition:
        raise NotImplementedError

    def truth(self, value: Value, node: ast.expr, frame: Frame) -> Condition:
        raise NotImplementedError

    def run(self, body: list[ast.stmt], frame: Frame) -> None:
        raise NotImplementedError

    def assign(self, target: ast.expr, value: Value, frame: Frame, node: ast.AST) -> None:
        raise NotImplementedError

    def call(self, callee: Value, args: Args, node: ast.Call, frame: Frame) -> Value:
        raise NotImplementedError

    def attribute(self, value: Value, name: str, node: ast.expr, frame: Frame) -> Value:
        raise NotImplementedError

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        raise NotImplementedError

    def subscript(self, value: Value, index: Value, node: ast.expr, frame: Frame) -> Value:
        raise NotImplementedError

    def build(self, instance: Instance) -> None:
        raise NotImplementedError

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

    def enter(
        self,
        callee: Function,
        args: Args,
        node: ast.Call,
        frame: Frame,
        receiver: Value | None,
        owner: Instance | None = None,
    ) -> Value:
        raise NotImplementedError

    def may_run(self, value: Value, depth: int = 0) -> bool:
        raise NotImplementedError

    def any_may_run(self, args: Args) -> bool:
        raise NotImplementedError

    def result(self, args: Args, frame: Frame) -> Value:
        raise NotImplementedError

    def evaluate_call(self, node: ast.Call, frame: Frame) -> Value:
        raise NotImplementedError

    def comprehend(
        self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp, frame: Frame
    ) -> Value:
        raise NotImplementedError

    def entries(self, value: Value) -> Seq | None:
        raise NotImplementedError

    def spread(self, value: Value) -> Seq | None:
        raise NotImplementedError

    def element_of(self, value: Value, at: At) -> Value:
        raise NotImplementedError

    def set_item(self, value: Value, target: ast.Subscript, new: Value, frame: Frame, node: ast.AST) -> None:
        raise NotImplementedError

    def delete_item(self, value: Value, index: ast.expr, frame: Frame) -> None:
        raise NotImplementedError

    def container_of(self, first: Instance, more: Seq | None, node: ast.expr, frame: Frame) -> Value:
        raise NotImplementedError

    def delete_attribute(self, value: Value, name: str, frame: Frame) -> None:
        raise NotImplementedError

    # -- small tools ------------------------------------------------------------------------

    def step(self) -> None:
        self.steps += 1
        if self.steps > self.step_limit:
            raise OutOfSteps

    def atom(
        self,
        key: Hashable,
        node: ast.AST | None,
        *,
        group: Hashable = None,
        config: bool = False,
        of: Sequence[Value] | None = None,
    ) -> int:
        """Number of the atom for an undecided test; the same key gives the same atom."""
        number = self.atom_keys.get(key)
        if number is None:
            number = len(self.atoms) + 1
            self.atom_keys[key] = number
            self.atoms[number] = RawAtom(node, group, config, of)
        return number

    def intern(self, key: Hashable) -> int:
        """A small number for a structured key: keys of nested expressions stay flat."""
        number = self.interned.get(key)
        if number is None:
            number = -len(self.interned) - 1
            self.interned[key] = number
        return number

    def fresh(self, node: ast.AST | None, config: bool = False) -> Condition:
        """The condition of a test that nothing else shares."""
        return literal(self.atom(("fresh", next(self.numbers)), node, config=config))

    def unknown(self, *parts: Value | None, text: str = "", key: Hashable = None) -> Symbol:
        """A value derived from others: it varies with the loops they vary with."""
        if key is None:
            key = ("fresh", next(self.numbers))
        if not parts:
            return Symbol(key, text=text)
        deps = NO_LOOPS
        origin = "config"
        for part in parts:
            if part is None or type(part) is Const:
                continue
            deps |= deps_of(part)
            origin = worst(origin, origin_of(part))
        return Symbol(key, deps=deps, origin=origin, text=text)

    def choose(self, options: list[tuple[Condition, Value]]) -> Value:
        """One value out of guarded ones; flattened, bounded."""
        if len(options) == 1 and options[0][0] and type(options[0][1]) is not Choice:
            return options[0][1]
        flat: list[tuple[Condition, Value]] = []
        for when, value in options:
            if not when:
                continue
            if isinstance(value, Choice):
                for inner, deeper in value.options:
                    joined = both(when, inner)
                    if joined:
                        flat.append((joined, deeper))
            else:
                flat.append((when, value))
        merged: list[tuple[Condition, Value]] = []
        places: dict[Hashable, int] = {}
        for when, value in flat:
            same = _identity(value)
            i = places.get(same)
            if i is None:
                places[same] = len(merged)
                merged.append((when, value))
            else:
                for other, _ in merged[i + 1 :]:  # those go before it where both hold
                    when = when if excludes(when, other) else both(when, negate(other))
                merged[i] = (either(merged[i][0], when), merged[i][1])
        if not merged:
            return self.unknown()
        if len(merged) == 1:
            return merged[0][1]
        if len(merged) > CHOICE_LIMIT:
            return self.unknown(*(v for _, v in merged[:3]))
        return Choice(tuple(merged))

    def options(self, value: Value, guard: Condition) -> list[tuple[Condition, Value]]:
        """The alternatives of a value that are possible under `guard`, each with its condition."""
        if not isinstance(value, Choice):
            return [(guard, value)]
        result: list[tuple[Condition, Value]] = []
        rest = guard
        for when, option in value.options:
            joined = both(rest, when)
            if not joined:
                continue
            result.append((joined, option))
            if when == TRUE:
                break
        return result

    def narrow(self, value: Value, guard: Condition) -> Value:
        """A choice without the alternatives that `guard` rules out."""
        if type(value) is not Choice or guard == TRUE:
            return value
        kept = tuple([option for option in value.options if not excludes(guard, option[0])])
        if len(kept) == len(value.options):
            return value
        if len(kept) == 1:
            return kept[0][1]
        return Choice(kept) if kept else value

    def loop_numbers(self) -> frozenset[int]:
        if not self.loops:
            return NO_LOOPS
        return frozenset([loop.number for loop in self.loops if not loop.turns])


def deps_of(value: Value) -> frozenset[int]:
    """Loops whose turns change the value."""
    kind = type(value)
    if kind is Symbol:
        return value.deps  # type: ignore[attr-defined, no-any-return]
    if kind is Const or kind is Instance or kind is External:
        return NO_LOOPS
    if isinstance(value, Index):
        return frozenset({value.loop})
    if isinstance(value, Pick):
        return NO_LOOPS.union(*[a.deps for a in value.at])
    if isinstance(value, Pattern):
        return value.at.deps
    if isinstance(value, Choice):
        return NO_LOOPS.union(*[deps_of(v) for _, v in value.options])
    if isinstance(value, Seq) and len(value.items) < 8:
        return NO_LOOPS.union(*[deps_of(i.value) for i in value.items])
    return NO_LOOPS


_ORDER = {"config": 0, "unknown": 1, "input": 2}


def worst(a: str, b: str) -> str:
    """The less fixed of two origins."""
    return a if _ORDER[a] >= _ORDER[b] else b


def origin_of(value: Value) -> str:
    """`config`, `unknown` or `input` (see `Symbol.origin`)."""
    kind = type(value)
    if kind is Symbol:
        return value.origin  # type: ignore[attr-defined, no-any-return]
    if kind is Const or kind is Instance:
        return "config"
    if isinstance(value, Choice):
        inner = [option for _, option in value.options]
    elif isinstance(value, Pick):
        inner = [option for _, option in value.options[:4]]
    elif isinstance(value, Seq):
        inner = [item.value for item in value.items[:6]]
    else:
        return "config"
    result = "config"
    for part in inner:
        result = worst(result, origin_of(part))
    return result


def is_result(value: Value) -> bool:
    """Whether it is a value that forward computed, of which nothing is known."""
    if isinstance(value, (Choice, Pick)):
        return all(is_result(option) for _, option in value.options)
    if type(value) is not Symbol or value.origin == "config" or value.made:
        return False
    return not isinstance(value.key, tuple) or value.key[0] not in ("param", "probe")


def key_of(value: Value) -> Hashable:
    """A key that is equal for values that are certainly the same; None when there is none."""
    kind = type(value)
    if kind is Symbol:
        return value.key  # type: ignore[attr-defined, no-any-return]
    if kind is Const:
        constant = value.value  # type: ignore[attr-defined]
        return ("const", type(constant).__name__, constant)
    if isinstance(value, Instance):
        return ("instance", value.number)
    if isinstance(value, Index):
        return ("index", value.loop, value.offset)
    if isinstance(value, External):
        return ("external", value.dotted)
    if isinstance(value, Imported):
        return ("imported", value.file.path, value.name)
    if isinstance(value, Pattern):
        return ("pattern", value.head, value.at.key, value.tail)
    if isinstance(value, Seq) and value.kind == "tuple" and not value.open:
        keys = tuple([key_of(item.value) for item in value.items])
        return None if None in keys else ("tuple", keys)
    if isinstance(value, Pick) and len(value.options) == 1:
        inner = key_of(value.options[0][1])
        return None if inner is None else ("pick", inner, tuple(a.key for a in value.at))
    return None


def frozen(value: Value) -> Value:
    """A tuple of constants as a constant, which may be a key of a dict; anything else as it is."""
    if not isinstance(value, Seq) or value.kind != "tuple" or value.open:
        return value
    parts = [frozen(item.value) for item in value.items if item.times is None]
    constants = [part.value for part in parts if isinstance(part, Const)]
    return Const(tuple(constants)) if len(constants) == len(value.items) else value


def parts_of(key: object) -> list[Value] | None:
    """The parts of a key that is a tuple, constant or not; None for another key."""
    if isinstance(key, Const):
        key = key.value
    if isinstance(key, tuple):
        return [Const(part) for part in key]
    if isinstance(key, Seq) and key.kind == "tuple" and not key.open:
        return [item.value for item in key.items]
    return None


def _identity(value: Value) -> Hashable:
    """Equal for one object, and for constants of one type that are equal."""
    if type(value) is Const:
        return (type(value.value), value.value)
    return id(value)
