"""An interpreter that knows of every value in forward what it is at run time, and what it depends on.

It follows forward a second time, after modules have been counted: plain functions are entered, and
attributes that forward changes are not taken for what the constructor gave them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Sequence

from qatlint.condition import TRAINING, TRUE, Condition, excludes, literal
from qatlint.horizon.ops import of_function
from qatlint.static.axes import Axes
from qatlint.static.computed import FIXED_FACTS, Computed
from qatlint.static.left_behind import holds
from qatlint.static.machine import NOWHERE, Frame
from qatlint.static.natures import (
    BY_DATA,
    CONSTANT_TENSOR,
    FIXED,
    OTHER,
    UNPROVEN,
    Cause,
    Causes,
    Nature,
    What,
    joined,
    united,
)
from qatlint.static.number_names import number_names
from qatlint.static.results import NOT_QUANTISED
from qatlint.static.values import (
    FALSE_VALUE,
    NONE,
    Args,
    At,
    Choice,
    Const,
    Function,
    Index,
    Instance,
    LoopFrame,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Kind, Varies

_ANSWERS = re.compile(r"^(labels?|targets?|gt_\w+|ground_truths?\w*)$")
"""Arguments of forward that only training gives."""
_TRUTH = re.compile(r"^gt(_\w+)?$|_gt$|^ground_truths?(_\w+)?$")
"""What nobody has who deploys a model. `labels` and `targets` may be anything."""
_ASKING = re.compile(r"^_?is_\w*(tracing|compiling|exporting|scripting)$")
"""Functions that ask who runs the model."""
_HIDING = frozenset(("fx_wrap", "wrap", "ignore", "unused"))
"""Decorators of a function whose body the toolchain does not see."""
_SAME_TENSOR = frozenset("T mT H mH data real imag grad".split())
_SPATIAL = (-1, -2, -3, 3, 4)
"""Dimensions of a picture or of channels: batches, sequences and points stand further in front."""
_PLACES = re.compile(
    r"(^|_)(index|indexes|indices|idxs?|inds?|ids|cnts?|counts?|shapes?|sizes?|lengths?|lens)(_|$)"
)
"""Names of whole numbers that say which, or how many."""
_TRUTHS = re.compile(r"^(?!pred|.*(logit|soft))(\w*_)?mask$|(attention|attn|padding)_masks$")
"""Names of truths: which to take. `masks` may be those of objects, which a model computes."""
WRITES_ITEM = "torch.Tensor.__setitem__"
WRITTEN_ITEM = "x[...] ="
_SEVERAL = frozenset("List list Tuple tuple Sequence Iterable Dict dict Mapping".split())


class Natured(Computed):
    """`nature`, kept true by everything that makes a value."""

    # -- where values come from ------------------------------------------------------------------

    def _parameter(
        self,
        argument: ast.arg,
        default: ast.expr | None,
        function: Function,
        origin: str,
    ) -> Value:
        if self.watching and origin == "input" and _ANSWERS.search(argument.arg):
            if isinstance(default, ast.Constant) and default.value is None:
                return NONE  # a deployed model is not told the answer, and computes no loss of it
        if self.watching and origin == "input" and default is None and _TRUTH.search(argument.arg):
            self.needs_truth = True
        value = super()._parameter(argument, default, function, origin)
        if self.watching and origin == "input":
            nature = _of_parameter(argument, default, self._has_stub())
            if isinstance(value, Symbol) and value.key in self.found_tensors and nature.what is What.MAYBE:
                nature = nature._replace(what=What.TENSOR, causes=FIXED)
            self._learn(value, nature)
            if isinstance(value, Symbol):
                self.named_inputs[value.key] = argument.arg
                if _TRUTHS.search(argument.arg):
                    self.truths.add(value.key)
        return value

    def _handed_in(self, name: str) -> Symbol:
        """`*xs` of forward: as many as whoever calls it likes, in a tuple."""
        symbol = Symbol(self.intern(("handed in", name)), origin="input", text=name)
        unproven = frozenset({Cause(Varies.UNPROVEN, name)})
        self._learn(symbol, Nature(What.MANY, unproven, outside=self._has_stub()))
        self.named_inputs[symbol.key] = name
        return symbol

    def _has_stub(self) -> bool:
        """Whether the owner holds a QuantStub: what has not passed one is not quantised."""
        assert self.root is not None
        return any(holds(item.value, Kind.QUANT_STUB) for item in self.root.attrs.values())

    def bind_parameters(self, callee: Function, args: Args, receiver: Value | None, inner: Frame) -> None:
        super().bind_parameters(callee, args, receiver, inner)
        if self.watching and self.phase == "forward":
            extra = callee.node.args.vararg
            handed = inner.env.get(extra.arg) if extra is not None else None
            if extra is not None and isinstance(handed, Seq) and handed.open and not handed.items:
                inner.env[extra.arg] = self._handed_in(extra.arg)
            for name in number_names(callee.node):
                self._used_as_number(inner.env.get(name))
            for argument in (*callee.node.args.args, *callee.node.args.kwonlyargs):
                what = _numbers_said(argument.annotation)
                value = inner.env.get(argument.arg)
                if what is not None and isinstance(value, Symbol) and value.key in self.natures:
                    self.natures[value.key] = self.natures[value.key]._replace(what=what)
                elif what is not None and isinstance(value, Seq):
                    for item in value.items:
                        self._used_as_number(item.value)

    def assign(self, target: ast.expr, value: Value, frame: Frame, node: ast.AST) -> None:
        if self.watching and isinstance(target, ast.Name) and _is_handed_through(target.id, frame, node):
            value = NONE
        super().assign(target, value, frame, node)
        if self._functions and isinstance(target, ast.Name) and self.watching:
            if target.id in number_names(self._functions[-1]):
                self._used_as_number(value)

    def _used_as_number(self, value: Value | None) -> None:
        if isinstance(value, Symbol):
            known = self.natures.get(value.key)
            if known is not None and known.is_tensor and not known.producers:
                self.natures[value.key] = known._replace(what=What.NUMBER, causes=known.content)

    def call_member(self, target: Instance, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = super().call_member(target, name, args, node, frame)
        if name in ("register_buffer", "register_parameter") and args.positional:
            first = args.positional[0].value
            item = target.attrs.get(str(first.value)) if isinstance(first, Const) else None
            if item is not None:
                self._learn(item.value, CONSTANT_TENSOR)
        if name in ("parameters", "buffers") and isinstance(result, Symbol):
            self.given_length.add(result.key)
            self.pieces[result.key] = (CONSTANT_TENSOR, None)
        return result

    def _symbol_attribute(self, value: Symbol, name: str) -> Value:
        result = super()._symbol_attribute(value, name)
        if (
            not self.watching
            or self.phase != "forward"
            or not isinstance(result, Symbol)
            or value.origin == "config"
        ):
            return result
        nature = self.nature(value)
        if name == "shape":
            self._is_a_tensor(value)
            self._learn(result, Nature(What.SHAPE, self.nature(value).sizes))
            self.shapes[result.key] = value
        elif name in FIXED_FACTS:
            self._learn(result, OTHER)
        elif name in _SAME_TENSOR and nature.is_tensor:
            self._learn(result, nature._replace(producers=frozenset()))
        elif name == "indices" and value.key in self.ranked:
            self._learn(result, nature._replace(what=What.TENSOR, plain=True))
        elif result.key not in self.natures and _PLACES.search(name):
            self._learn(result, Nature(What.MAYBE, nature.causes or UNPROVEN, derived=True, plain=True))
        elif result.key not in self.natures:
            self._learn(result, Nature(What.UNKNOWN, nature.causes if nature.what is What.UNKNOWN else FIXED))
            if nature.is_tensor or value.key in self.handed_parts:
                self.handed_parts.add(result.key)
        self.members[result.key] = (value, name)
        return result

    def subscript(self, value: Value, index: Value, node: ast.expr, frame: Frame) -> Value:
        result = super().subscript(value, index, node, frame)
        if self.watching and isinstance(value, Symbol) and isinstance(result, Symbol):
            self.use(self.nature(value))
            self.natures.setdefault(result.key, self._part(value, index))
            self._hand_on(result, value)
            place = index.value if isinstance(index, Const) and type(index.value) is int else None
            self._note_entry(result, value, place, place is not None or isinstance(index, Index))
            if isinstance(index, Const) and index.value in _SPATIAL and self.nature(value).what is What.SHAPE:
                self.spatial.add(result.key)
            if isinstance(index, Const) and isinstance(index.value, str) and frame.guard == TRUE:
                self.needs_truth = self.needs_truth or _TRUTH.search(index.value) is not None
        return result

    def _cut(self, base: Value, bounds: list[Value]) -> Value:
        result = super()._cut(base, bounds)
        if self.watching and isinstance(base, Symbol) and isinstance(result, Symbol):
            self.use(self.nature(base))
            self.natures.setdefault(result.key, self.nature(base)._replace(producers=frozenset()))
            self._hand_on(result, base)
            self.measured.add(base.key)
            self._note_cut(result, base, bounds)
        return result

    def set_item(self, value: Value, target: ast.Subscript, new: Value, frame: Frame, node: ast.AST) -> None:
        super().set_item(value, target, new, frame, node)
        natures = (self.nature(value), self.nature(new))
        if natures[0].plain:
            return
        # A number is written by the same function; into what holds but one, it makes a mask.
        number = natures[1].what is What.NUMBER and _key(value) not in self.blank
        if self.watching and natures[0].what is What.TENSOR and (natures[1].is_tensor or number):
            result = self._ran(of_function(WRITES_ITEM), natures, target, frame, WRITTEN_ITEM)
            self._learn(value, natures[0]._replace(producers=result.producers))

    def element_of(self, value: Value, at: At) -> Value:
        result = super().element_of(value, at)
        if not self.watching:
            return result
        part = self._part(value, None)
        for symbol in [result] if isinstance(result, Symbol) else _options(result):
            if isinstance(symbol, Symbol):
                self.natures.setdefault(symbol.key, part)
                self._hand_on(symbol, value)
                self._note_entry(symbol, value, at.exact if isinstance(at.exact, int) else None, True)
        return result

    def _part(self, value: Value, index: Value | None) -> Nature:
        """What an element of a value is."""
        nature = self.nature(value)
        if nature.what is What.SHAPE:
            return nature._replace(what=What.NUMBER)
        if isinstance(value, Symbol) and value.key in self.pieces:
            return self.pieces[value.key][0]
        if isinstance(index, Const) and index.value == 1 and _key(value) in self.ranked:
            return nature._replace(what=What.TENSOR, plain=True)
        if isinstance(index, Const) and isinstance(index.value, str):
            return Nature(What.UNKNOWN, frozenset(c for c in nature.causes if c.varies is Varies.STATE))
        if nature.what is What.MANY:
            return nature._replace(what=What.MAYBE, producers=frozenset())
        if index is not None and nature.what is What.UNKNOWN:
            return nature._replace(causes=united(nature.causes, self._mask_causes(index)))
        if index is not None and nature.is_tensor:
            if self._is_index_tensor(index):
                self._is_a_tensor(value)
                nature = self.nature(value)
            return nature._replace(
                producers=frozenset(), causes=united(nature.causes, self._mask_causes(index))
            )
        return nature._replace(producers=frozenset())

    def _hand_on(self, part: Symbol, whole: Value) -> None:
        """`part` has been taken out of `whole`: nobody knows what it is, where that is an entry by name, or
        where nobody knows what `whole` is."""
        if self.nature(part).what is What.UNKNOWN and isinstance(whole, Symbol):
            if whole.key in self.handed_parts or self.nature(whole).what in (What.MAYBE, What.MANY):
                self.handed_parts.add(part.key)

    def _note_cut(self, result: Symbol, base: Symbol, bounds: list[Value]) -> None:
        """`base[low:high]` is as long as `base` and its bounds say."""
        causes = united(self.length_causes(base), *(self.number_causes(b) for b in bounds if b is not NONE))
        if self.nature(base).what is What.MANY:
            self.natures[result.key] = self.nature(base)._replace(causes=causes)
            if not causes:
                self.given_length.add(result.key)
            if base.key in self.pieces:
                self.pieces[result.key] = self.pieces[base.key]
        elif (known := self.axes_of(base)) is not None and known.sizes:
            self.axes[result.key] = Axes((causes, *known.sizes[1:]), known.whole)

    def _note_entry(self, entry: Symbol, value: Value, place: int | None, is_one: bool) -> None:
        """What is known of the axes of an entry of a list of pieces or of a tensor, or by one of a shape, the
        entry at `place`; `is_one` where it is no part with several."""
        axes = None
        if not isinstance(value, Symbol):
            return
        if value.key in self.truths:
            self.truths.add(entry.key)
        if value.key in self.shapes:
            if place is not None:
                self.note_size(entry, self.shapes[value.key], place)
        elif value.key in self.pieces:
            piece, axes = self.pieces[value.key]
            if piece.what is What.MANY and not piece.causes:
                self.given_length.add(entry.key)
        elif is_one and (known := self.axes_of(value)) is not None:
            axes = Axes(known.sizes[1:], known.whole)
        if axes is not None:
            self.axes[entry.key] = axes

    def _mask_causes(self, index: Value) -> Causes:
        """`x[x > 0]` is as long as the values say, and so is `x[torch.nonzero(x)]`."""
        if isinstance(index, Seq):
            return united(*(self._mask_causes(item.value) for item in index.items))
        if _key(index) in self.truths:
            return BY_DATA
        nature = self.nature(index)
        return nature.causes if nature.what is What.TENSOR else FIXED

    def _is_index_tensor(self, index: Value) -> bool:
        """Whether it is an index that no list has."""
        if isinstance(index, Seq):
            return any(self._is_index_tensor(item.value) for item in index.items)
        key = _key(index)
        return key in self.truths or (self.nature(index).what is What.TENSOR and key not in self.named_inputs)

    def _merged(
        self,
        then: dict[str, Value],
        then_end: Condition,
        condition: Condition,
        contrary: Condition,
        other: dict[str, Value],
        other_end: Condition,
    ) -> dict[str, Value]:
        result = super()._merged(then, then_end, condition, contrary, other, other_end)
        if not self.watching:
            return result
        for name, value in result.items():
            if isinstance(value, Symbol) and value.key not in self.natures:
                one, two = then.get(name), other.get(name)
                if one is not None and two is not None and value is not one and value is not two:
                    self.natures[value.key] = joined(self.nature(one), self.nature(two))
        return result

    def _widen(self, body: list[ast.stmt], loop: LoopFrame, frame: Frame) -> None:
        before = dict(frame.env)
        super()._widen(body, loop, frame)
        if not self.watching:
            return
        for name, value in frame.env.items():
            old = before.get(name)
            if old is not None and value is not old and isinstance(value, Symbol):
                self.natures[value.key] = self.nature(old)._replace(producers=frozenset())
                self.began[value.key] = old
                if _key(old) in self.handed_parts:
                    self.handed_parts.add(value.key)
                self.carried.setdefault(loop.number, []).append((value.key, name, frame))

    def carry(self, loop: int) -> None:
        """A loop has been followed: what it carries is what it began with, or what its body made."""
        for key, name, frame in self.carried.pop(loop, ()):
            value = frame.env.get(name)
            if value is not None and not (isinstance(value, Symbol) and value.key == key):
                after = self.nature(value)._replace(producers=frozenset())
                self.natures[key] = joined(self.natures[key], after)

    # -- functions that are entered ----------------------------------------------------------------

    def call(self, callee: Value, args: Args, node: ast.Call, frame: Frame) -> Value:
        if (
            self.watching
            and self.phase == "forward"
            and isinstance(callee, Function)
            and self.is_followed(frame)
        ):
            if getattr(callee.node, "name", "") == "multi_apply" and args.positional:
                # The project's own: what it maps is what matters, and where it is called.
                self._many(args.positional[0].value, args, node, frame)
                return self._unseen(args, frame)
            if callee.closure is None and len(self._functions) > self.calls_limit:
                return self._unseen(args, frame)
            return self.enter(callee, args, node, frame, None)
        return super().call(callee, args, node, frame)

    def enter(
        self,
        callee: Function,
        args: Args,
        node: ast.Call,
        frame: Frame,
        receiver: Value | None,
        owner: Instance | None = None,
    ) -> Value:
        if self.watching and self.phase == "forward":
            name = getattr(callee.node, "name", "")
            if _ASKING.search(name):
                return FALSE_VALUE
            if self.is_left_out(callee.node, args, frame):
                return self._left_out(args, node, frame)
        else:
            return super().enter(callee, args, node, frame, receiver, owner)
        self._functions.append(callee.node)
        try:
            result = super().enter(callee, args, node, frame, receiver, owner)
        finally:
            self._functions.pop()
        if isinstance(result, Symbol) and result.key not in self.natures:
            operands = self._operands(args)
            if any(n.is_tensor for n in operands) and node is not NOWHERE:
                self._learn(result, self._derived(operands, frame.guard))
        return result

    def is_left_out(self, function: ast.AST, args: Args, frame: Frame) -> bool:
        """Whether what a function does is none of the quantised model's business, or hidden from it."""
        if NOT_QUANTISED.search(getattr(function, "name", "")) or is_hidden(function):
            return True
        return isinstance(function, ast.FunctionDef) and any(map(_TRUTH.search, _needed(function)))

    def _unseen(self, args: Args, frame: Frame) -> Value:
        """The result of a function that is not followed."""
        result = self.result(args, frame)
        self._learn(result, self._derived(self._operands(args), frame.guard))
        return result

    def _left_out(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """The result of a function that is left out."""
        return self._unseen(args, frame)

    def _derived(self, operands: Sequence[Nature], when: Condition) -> Nature:
        """What code that is not followed makes of these, under a condition."""
        self.use(*operands)
        made = self._operated(operands)
        return made._replace(what=What.MAYBE, causes=UNPROVEN, derived=True, constant=False)

    def trains_only(self, guard: Condition) -> bool:
        """Whether a condition holds in training only."""
        return excludes(guard, literal(TRAINING, False))


def _needed(function: ast.FunctionDef) -> list[str]:
    """Names of the parameters that a function cannot do without: what needs the ground truth is a loss or an
    evaluation."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return names[: len(names) - len(function.args.defaults)]


def _is_handed_through(name: str, frame: Frame, node: ast.AST) -> bool:
    """`x, targets = self.transform(x, targets)`: where no answers were given, none come back."""
    if not isinstance(node, ast.Call) or not _ANSWERS.search(name) or frame.env.get(name) is not NONE:
        return False
    return any(isinstance(argument, ast.Name) and argument.id == name for argument in node.args)


def _key(value: Value) -> Hashable:
    return value.key if isinstance(value, Symbol) else None


def _options(value: Value) -> list[Value]:
    return [v for _, v in value.options] if isinstance(value, (Pick, Choice)) else []


def _of_parameter(argument: ast.arg, default: ast.expr | None, outside: bool) -> Nature:
    """What an argument of forward is."""
    unproven = frozenset({Cause(Varies.UNPROVEN, argument.arg)})
    written = ast.unparse(argument.annotation) if argument.annotation is not None else ""
    words = set(re.findall(r"\w+", written))
    places = bool(_PLACES.search(argument.arg) or _TRUTHS.search(argument.arg))
    said = _numbers_said(argument.annotation)
    if said is not None:
        return Nature(said, unproven)
    if words & _SEVERAL:
        return Nature(What.MANY, unproven, outside=outside, plain=places)
    if "Tensor" in words:
        return Nature(What.TENSOR, outside=outside, plain=places)
    if words & {"bool", "str", "Callable", "device", "dtype", "ndarray"}:
        return OTHER
    if isinstance(default, ast.Constant) and default.value is not None:
        is_number = type(default.value) in (int, float)
        return Nature(What.NUMBER, unproven) if is_number else OTHER
    if isinstance(default, ast.UnaryOp):
        return Nature(What.NUMBER, unproven)
    return Nature(What.MAYBE, unproven, outside=outside, plain=places)


def _numbers_said(annotation: ast.expr | None) -> What | None:
    """What an annotation says of numbers: `int` is one, `List[int]` and `Tuple[int, int]` are sizes."""
    if annotation is None:
        return None
    words = set(re.findall(r"\w+", ast.unparse(annotation)))
    if not words & {"int", "float"} or "Tensor" in words:
        return None
    return What.SHAPE if words & _SEVERAL else What.NUMBER


def is_hidden(node: ast.AST) -> bool:
    """Whether a decorator keeps the body of a function from the toolchain: `@fx_wrap()`."""
    for decorator in getattr(node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in _HIDING:
            return True
    return False
