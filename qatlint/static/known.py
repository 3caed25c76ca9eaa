"""What is known of values while a forward is watched: what each is, and what lengths and tests depend on."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Sequence

from qatlint.condition import FALSE, TRAINING, TRUE, Condition, atoms_of, is_name, parts_of
from qatlint.horizon.ops import Meaning, Role
from qatlint.static.interpreter import Interpreter
from qatlint.static.machine import Frame, OutOfSteps, deps_of, origin_of
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import (
    CONSTANT_TENSOR,
    FIXED,
    NUMBER,
    OTHER,
    UNKNOWN,
    UNPROVEN,
    Cause,
    Causes,
    Nature,
    What,
    joined,
    united,
)
from qatlint.static.project import Project
from qatlint.static.values import (
    Args,
    Builtin,
    Choice,
    Const,
    External,
    Function,
    Index,
    Instance,
    Mapping,
    Pattern,
    Pick,
    Range,
    Seq,
    Slice,
    Symbol,
    Value,
    Wrapped,
)
from qatlint.trace import Varies

_PARAMETERS = frozenset("weight bias running_mean running_var in_proj_weight in_proj_bias".split())
_LISTS = frozenset(f"builtins.{name}" for name in ("list", "tuple", "dict", "set"))
_OF_SIZES = (Varies.SHAPE, Varies.UNPROVEN, Varies.GIVEN)


class Known(Interpreter):
    """`nature`, and the questions to it; `Natured` keeps it true."""

    calls_limit = 6
    """Functions entered inside each other, before a plain one is not."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        super().__init__(project, cls, opened)
        self.watching = False
        """Off while modules are counted: until then, nothing here changes anything."""
        self.natures: dict[Hashable, Nature] = {}
        self.members: dict[Hashable, tuple[Symbol, str]] = {}
        """Key of `x.name` -> x and the name."""
        self.spans: dict[int, tuple[Range, tuple[Value, ...]]] = {}
        """What ranges were made of, by id of the range (which is kept, so that the id stays its own)."""
        self.repeated: dict[int, tuple[Seq, Value]] = {}
        """`[x] * n`, by its id -> itself (so that the id stays its own), and n."""
        self.tested: dict[int, tuple[bool, tuple[Value, ...]]] = {}
        """Atom -> whether it asks for presence (`is None`), and the values it compares."""
        self.given_length: set[Hashable] = set()
        """Keys of values that are as long as something that is fixed, by an assertion."""
        self.carried: dict[int, list[tuple[Hashable, str, Frame]]] = {}
        """Loop -> variables it carries: key of the widened value, name, and the frame."""
        self.began: dict[Hashable, Value] = {}
        """Key of what a loop carries -> what it was before the loop."""
        self.asserting = False
        self.counting = False
        """In the test of a loop."""
        self.measured: set[Hashable] = set()
        """Keys of values whose length was asked for, or that were cut."""
        self.found_tensors: set[Hashable] = set()
        """Keys of arguments that are used as only a tensor can be."""
        self.spatial: set[Hashable] = set()
        """Keys of sizes of pictures: `x.shape[-2]`."""
        self.ranked: set[Hashable] = set()
        """Keys of pairs of values and of their places: what `topk` gives."""
        self.truths: set[Hashable] = set()
        """Keys of tensors of truths: `x > 0`."""
        self.handed_parts: set[Hashable] = set()
        """Keys of attributes and entries of arguments and of results, and of what is computed of them: nobody
        knows what these are, but what only a tensor answers is read from values."""
        self.blank: set[Hashable] = set()
        """Keys of tensors that hold one number everywhere, in the shape of another: `x.new_ones(2, 3)`."""
        self.left: dict[Hashable, Cause] = {}
        """Keys of what an earlier forward may have left, or not: that decides whether it is there, also where
        it turns out to be a tensor."""
        self.needs_truth = False
        """Whether every forward needs the ground truth: such a class is a part of training."""
        self._beside_a_list = False
        """While it is asked of which class something is that is a list on another path."""
        self._functions: list[ast.AST] = []

    def watch(self) -> None:
        """Follow forward again, on the model that was built."""
        assert self.root is not None
        self.watching = True
        self.steps = 0
        self.phase = "forward"
        del self.calls[:]
        try:
            self.run_forward(self.root)
        except (OutOfSteps, RecursionError):
            self.notes.add("too large: only the first part was followed")

    # -- asked for by subclasses -------------------------------------------------------------

    def note(
        self,
        meaning: Meaning | None,
        role: Role | None,
        operands: Sequence[Nature],
        node: ast.AST,
        frame: Frame,
        written: str,
        is_module: bool,
    ) -> int | None:
        """An op runs; its number, None where it is nobody's business."""
        raise NotImplementedError

    def use(self, *operands: Nature) -> None:
        """Something takes these that is no op by itself: it gives no number."""

    def loop_causes(self, loop: int) -> Causes:
        """What the number of turns of a loop depends on."""
        raise NotImplementedError

    def tensor_length(self, value: Symbol) -> Causes:
        """What the number of entries of a tensor depends on."""
        raise NotImplementedError

    def is_followed(self, frame: Frame) -> bool:
        """Whether a function is one of those whose ops matter: by default, what the root runs itself."""
        return frame.owner is self.root

    # -- what is known of values -----------------------------------------------------------------

    def nature(self, value: Value) -> Nature:
        """What a value is when forward runs."""
        if isinstance(value, Symbol):
            known = self.natures.get(value.key)
            if known is not None:
                return known
            return CONSTANT_TENSOR if value.text == "parameter" else UNKNOWN
        if isinstance(value, Const):
            return NUMBER if isinstance(value.value, (bool, int, float, complex)) else OTHER
        if isinstance(value, Index):
            return NUMBER
        if isinstance(value, (Choice, Pick)):
            options = [self.nature(v) for _, v in value.options if not _is_none(v)]
            result = options[0] if options else OTHER
            for other in options[1:]:
                result = joined(result, other)
            return result
        if isinstance(value, (Seq, Mapping, Range, Wrapped, Slice)):
            return Nature(What.MANY)
        if isinstance(value, Builtin):
            fixed = isinstance(value.receiver, Instance) and value.name in _PARAMETERS
            return CONSTANT_TENSOR if fixed else UNKNOWN
        return OTHER if isinstance(value, (Instance, Function, Pattern)) else UNKNOWN

    def _learn(self, value: Value, nature: Nature) -> None:
        if isinstance(value, Symbol):
            self.natures[value.key] = nature

    def _is_a_tensor(self, value: Value) -> None:
        """It is used as only a tensor can be; in the first turn of a loop, so is what it was before."""
        if isinstance(value, Symbol):
            if value.key in self.began:
                self._is_a_tensor(self.began.pop(value.key))
            known = self.natures.get(value.key)
            if known is not None and known.what is What.MAYBE:
                self.natures[value.key] = known._replace(what=What.TENSOR, causes=FIXED)
                self.found_tensors.add(value.key)

    def length(self, value: Value) -> Value:
        """`len(value)`."""
        result = super().length(value)
        if self.watching and isinstance(result, Symbol) and result.key not in self.natures:
            self.natures[result.key] = Nature(What.NUMBER, self.length_causes(value))
            self.measured.add(value.key if isinstance(value, Symbol) else None)
        return result

    def length_causes(self, value: Value, depth: int = 0) -> Causes:
        """What the number of elements of a value depends on."""
        if depth > 6 or isinstance(value, (Const, Instance)):
            return FIXED
        if isinstance(value, Range):
            known = self.spans.get(id(value))
            parts = known[1] if known is not None else (value.stop,)
            return united(*(self.count_causes(v) for v in parts))
        if isinstance(value, Wrapped):
            lengths = [self.length_causes(p, depth + 1) for p in value.parts]
            return FIXED if FIXED in lengths and value.kind == "zip" else united(*lengths)
        if isinstance(value, Slice):
            return self.length_causes(value.base, depth + 1)
        if isinstance(value, Seq):
            loops = {n for item in value.items for n in item.loops if item.times is not None}
            found = [self.loop_causes(n) for n in sorted(loops)]
            _, times = self.repeated.get(id(value), (value, None))
            found.append(self.count_causes(times) if times is not None else FIXED)
            return united(*found, UNPROVEN if value.open else FIXED)
        if isinstance(value, Mapping):
            # An entry for each turn of the loops that a key varies with.
            turned = frozenset().union(*(deps_of(key) for key, _ in value.rest))
            return united(*map(self.loop_causes, sorted(turned)), UNPROVEN if value.open else FIXED)
        if isinstance(value, (Choice, Pick)):
            return united(*(self.length_causes(v, depth + 1) for _, v in value.options))
        if not isinstance(value, Symbol) or value.key in self.given_length or value.origin == "config":
            return FIXED
        nature = self.nature(value)
        if nature.what is What.TENSOR:
            return self.tensor_length(value)
        if nature.what is What.SHAPE or (nature.what is What.NUMBER and not nature.causes):
            return FIXED  # numbers that a tensor held, if they are any
        return nature.causes or frozenset({Cause(Varies.UNPROVEN, value.text)})

    def as_now(self, value: Value) -> Value:
        """What a loop runs over: where it is in no other loop, lists and dicts are as long as they are here,
        whatever is put into them, or taken out, further down."""
        if self.loops:
            return value
        if isinstance(value, Wrapped):
            return Wrapped(value.kind, tuple(map(self.as_now, value.parts)), value.start)
        if isinstance(value, Slice):
            return Slice(self.as_now(value.base), value.low, value.high, value.vague)
        copy = copied(value)
        if isinstance(copy, Seq) and id(value) in self.repeated:
            self.repeated[id(copy)] = (copy, self.repeated[id(value)][1])
        return copy

    def count_causes(self, value: Value) -> Causes:
        """What a number of turns depends on."""
        return self.number_causes(value)

    def number_causes(self, value: Value) -> Causes:
        """What a number depends on."""
        nature = self.nature(value)
        if nature.what is What.TENSOR or nature.causes:
            return nature.content
        if nature.what is not What.UNKNOWN or origin_of(value) == "config":
            return FIXED
        return UNPROVEN

    def test_causes(self, atom: int) -> Causes:
        """What the outcome of a test depends on."""
        if is_name(atom):
            return united(*map(self.test_causes, sorted(parts_of(atom))))
        known = self.tested.get(atom)
        if known is None:
            return FIXED
        presence, values = known
        found: list[Causes] = []
        for value in values:
            nature = self.nature(value)
            if presence:
                left = self.left.get(value.key) if isinstance(value, Symbol) else None
                states = frozenset(c for c in nature.causes if c.varies is Varies.STATE)
                found.append(states if left is None else frozenset({left}))
            elif nature.what is What.MANY:
                found.append(united(nature.causes, self.length_causes(value)))
            else:
                found.append(nature.content)
        return united(*found)

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        if dotted == "builtins.isinstance":
            choices = [i.value for i in args.positional[:1] if isinstance(i.value, Choice)]
            self._beside_a_list = any(isinstance(v, (Seq, Mapping)) for c in choices for _, v in c.options)
        result = super().call_library(dotted, args, node, frame)
        self._beside_a_list = False
        return result

    def _is_a(self, value: Value, cls: Value) -> bool | None:
        answer = super()._is_a(value, cls)
        if answer is None and self.watching and isinstance(cls, External) and isinstance(value, Symbol):
            what = self.nature(value).what
            # Where one path gives a list, and another what a module gives, the test tells one from the other.
            if what is What.TENSOR or (what is What.MAYBE and self._beside_a_list):
                return True if cls.dotted == "torch.Tensor" else False if cls.dotted in _LISTS else None
        return answer

    # -- tests ---------------------------------------------------------------------------------

    def truth(self, value: Value, node: ast.expr, frame: Frame | None) -> Condition:
        condition = super().truth(value, node, frame)
        if not isinstance(value, Choice):
            # `if xs`: whether a list holds anything at all, which matters where an earlier forward filled it.
            many = self.watching and self.nature(value).what is What.MANY
            self._tested(condition, many and not self.counting, (value,))
        return condition

    def _compare_two(self, left: Value, op: ast.cmpop, right: Value, node: ast.Compare) -> Condition:
        if self.watching and _is_none(right) and isinstance(op, (ast.Is, ast.IsNot)):
            nature = self.nature(left)
            if nature.what is What.TENSOR and nature.producers and not isinstance(left, (Choice, Pick)):
                return FALSE if isinstance(op, ast.Is) else TRUE  # an op has made it
        if self.watching and isinstance(left, Choice):
            if not any(isinstance(option, Const) for _, option in left.options):
                # Whichever it is, the way it was chosen decides nothing.
                condition = self.fresh(node)
                if not _is_none(right) and not self._asks_nothing(left, op, right):
                    self._tested(condition, False, (left, right))
                return condition
        condition = super()._compare_two(left, op, right, node)
        if self.asserting and isinstance(op, ast.Eq):
            self._fixed_by_assertion(left, right)
        if isinstance(op, (ast.In, ast.NotIn)):
            self._tested(condition, True, (left, right))
        elif not self._asks_nothing(left, op, right):
            self._tested(condition, _is_none(left) or _is_none(right), (left, right))
        return condition

    def _asks_nothing(self, left: Value, op: ast.cmpop, right: Value) -> bool:
        """Whether a comparison of sizes has the same answer in every forward on the chip."""
        return (
            (isinstance(op, (ast.Eq, ast.NotEq)) and self._asks_for_kind(left, right))
            or self._asks_for_any(left, op, right)
            or self._asks_for_room(left, right)
        )

    def _asks_for_kind(self, left: Value, right: Value) -> bool:
        """`x.shape[-1] == 4`: which kind of input it is, not how much of it there is."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Const) and isinstance(one.value, int) and one.value not in (0, 1):
                return self._is_size(other)
        return False

    def _asks_for_room(self, left: Value, right: Value) -> bool:
        """`x.shape[-1] < self.kernel_size`: whether a picture is large enough: it does not change."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Symbol) and one.key in self.spatial and not self.number_causes(other):
                return True
        return False

    def _asks_for_any(self, left: Value, op: ast.cmpop, right: Value) -> bool:
        """`x.shape[0] == 0`, `padding > 0`: whether there is anything at all. On the chip, where shapes are
        fixed, the answer is."""
        if self.counting:
            return False
        zero = [isinstance(v, Const) and type(v.value) is int and v.value == 0 for v in (left, right)]
        ordered = isinstance(op, (ast.Eq, ast.NotEq, ast.Gt, ast.Lt, ast.LtE, ast.GtE))
        return ordered and zero[0] != zero[1] and self._is_size(right if zero[0] else left)

    def _is_size(self, value: Value) -> bool:
        nature = self.nature(value)
        varies = [cause.varies for cause in nature.causes]
        return not nature.is_tensor and bool(varies) and all(v in _OF_SIZES for v in varies)

    def _tested(self, condition: Condition, presence: bool, values: tuple[Value, ...]) -> None:
        if self.watching and self.phase == "forward":
            # How a value was chosen has been tested by itself, and so has each part of what has a name.
            ways = atoms_of(when for v in values if isinstance(v, Choice) for when, _ in v.options)
            chosen = {TRAINING}.union(*map(parts_of, ways))
            for atom in atoms_of([condition]) - chosen:
                if not is_name(atom):
                    self.tested.setdefault(atom, (presence, values))

    def _fixed_by_assertion(self, left: Value, right: Value) -> None:
        """`assert len(xs) == self.num_levels`."""
        for one, other in ((left, right), (right, left)):
            if isinstance(one, Symbol) and one.key in self.natures and not self.number_causes(other):
                known = self.natures[one.key]
                if known.what is What.NUMBER:
                    self.natures[one.key] = known._replace(causes=FIXED)
                    self.given_length.update(
                        key[1]
                        for key, number in self.interned.items()
                        if number == one.key and isinstance(key, tuple) and key[0] == "len"
                    )


def copied(value: Value) -> Value:
    """A list or dict of its own with the same entries."""
    if isinstance(value, Mapping):
        copy = Mapping(value.of)
        copy.entries, copy.rest, copy.open = dict(value.entries), list(value.rest), value.open
        return copy
    if isinstance(value, Seq):
        return Seq(list(value.items), value.kind, value.open, value.loops)
    return value


def _is_none(value: Value) -> bool:
    return isinstance(value, Const) and value.value is None
