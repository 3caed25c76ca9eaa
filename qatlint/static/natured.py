"""An interpreter that knows of every value in forward what it is at run time, and what it depends on.

It follows forward a second time, after modules have been counted: plain functions are entered, and
attributes that forward changes are not taken for what the constructor gave them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Iterable, Sequence

from qatlint.condition import TRAINING, TRUE, Condition, atoms_of, both, excludes, literal
from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import Meaning, Result, Role, of_class, of_function, of_method
from qatlint.static.kept import kept_by_forward
from qatlint.static.known import Known
from qatlint.static.machine import NOWHERE, Frame
from qatlint.static.modulefile import ClassDef
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
from qatlint.static.quantities import STAYS_WHOLE
from qatlint.static.results import NOT_QUANTISED
from qatlint.static.spelling import spelt_callee
from qatlint.static.values import (
    FALSE_VALUE,
    NONE,
    Args,
    At,
    Choice,
    Const,
    External,
    Function,
    Index,
    Instance,
    LoopFrame,
    Mapping,
    Pick,
    Range,
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
_NUMBERS = frozenset("int float bool abs round min max sum divmod pow complex".split())
_OF_SHAPE = frozenset("shape size".split())
_FIXED_FACTS = frozenset(
    "device dtype ndim requires_grad is_cuda layout dim is_floating_point ndimension is_contiguous "
    "is_complex get_device".split()
)
_SAME_TENSOR = frozenset("T mT H mH data real imag grad".split())
_BY_VALUES = frozenset(
    "nonzero argwhere unique unique_consecutive masked_select nms batched_nms bincount".split()
)
"""Functions whose result is as long as the values of their arguments say."""
_BY_FIRST = frozenset("to type_as expand_as view_as reshape_as".split())
"""Functions whose further arguments say what to make of the first, not with which values."""
_WHOLE = re.compile(r"^torch\.(u?int\d*|long|short|bool)$")
_SPATIAL = (-1, -2, -3, 3, 4)
"""Dimensions of a picture or of channels: batches, sequences and points stand further in front."""
_PLACES = re.compile(
    r"(^|_)(index|indexes|indices|idxs?|inds?|ids|cnts?|counts?|shapes?|sizes?|lengths?|lens)(_|$)"
)
"""Names of whole numbers that say which, or how many."""
_RANKING = frozenset("topk sort kthvalue mode".split())
"""Functions that give values and their places."""
_SPLITTING = frozenset("split chunk unbind tensor_split split_with_sizes".split())
"""Functions that give several tensors."""
_READS = frozenset("item tolist numpy __bool__ __float__ __int__ __index__".split())
_CHANCE = frozenset("rand randn randint randperm rand_like randn_like normal bernoulli multinomial".split())
OPERATORS: dict[type[ast.operator], tuple[str, str]] = {
    ast.Add: ("add", "+"),
    ast.Sub: ("sub", "-"),
    ast.Mult: ("mul", "*"),
    ast.Div: ("truediv", "/"),
    ast.FloorDiv: ("floordiv", "//"),
    ast.Mod: ("mod", "%"),
    ast.Pow: ("pow", "**"),
    ast.MatMult: ("matmul", "@"),
    ast.BitAnd: ("and", "&"),
    ast.BitOr: ("or", "|"),
    ast.BitXor: ("xor", "^"),
}
WRITES_ITEM = "torch.Tensor.__setitem__"
WRITTEN_ITEM = "x[...] ="
_COMPUTING = frozenset((ast.BinOp, ast.Compare, ast.UnaryOp))


class Natured(Known):
    """`nature`, kept true by everything that makes a value."""

    # -- where values come from ------------------------------------------------------------------

    def _parameter(
        self,
        argument: ast.arg,
        default: ast.expr | None,
        cls: ClassDef,
        method: ast.FunctionDef | ast.AsyncFunctionDef,
        origin: str,
    ) -> Value:
        if self.watching and origin == "input" and _ANSWERS.search(argument.arg):
            if isinstance(default, ast.Constant) and default.value is None:
                return NONE  # a deployed model is not told the answer, and computes no loss of it
        if self.watching and origin == "input" and default is None and _TRUTH.search(argument.arg):
            self.needs_truth = True
        value = super()._parameter(argument, default, cls, method, origin)
        if self.watching and origin == "input":
            self._learn(value, _of_parameter(argument, default, self._has_stub()))
        return value

    def _has_stub(self) -> bool:
        """Whether the owner holds a QuantStub: what has not passed one is not quantised."""
        assert self.root is not None
        return any(_holds(item.value, Kind.QUANT_STUB) for item in self.root.attrs.values())

    def bind_parameters(self, callee: Function, args: Args, receiver: Value | None, inner: Frame) -> None:
        super().bind_parameters(callee, args, receiver, inner)
        if self.watching and self.phase == "forward":
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
                self.natures[value.key] = known._replace(what=What.NUMBER)

    def instance_attribute(self, value: Instance, name: str, frame: Frame) -> Value:
        if self.watching and value is self.root and name not in self._set_now:
            if self._kept is None:
                classes = [c for c in self.project.mro(self.cls) if isinstance(c, ClassDef)]
                self._kept, self._filled = kept_by_forward(classes)
            if name in self._kept or name in self._filled:
                kept = self._kept_attribute(value, name)
                if kept is not None:
                    return kept
        return super().instance_attribute(value, name, frame)

    def _kept_attribute(self, root: Instance, name: str) -> Value | None:
        """An attribute as an earlier forward left it; None for a module and for a method."""
        item = root.attrs.get(name)
        if item is None and (root.cls is None or self.lookup(root.cls, name, None) is not None):
            return None
        given = item.value if item is not None else None
        if isinstance(given, (Seq, Mapping)) and name not in self._filled:
            return None  # another list of the same length, as far as anybody knows
        if given is not None and name in self._filled and not isinstance(given, (Seq, Mapping)):
            return None  # a method of its own that is called like one of a list
        if given is not None and (_holds(given, None) or (isinstance(given, Symbol) and given.made)):
            return None
        what = self.nature(given).what if given is not None else What.MAYBE
        if what in (What.TENSOR, What.OTHER, What.UNKNOWN):
            what = What.MAYBE
        symbol = Symbol(("state", name), origin="unknown", text=f"self.{name}")
        self.natures.setdefault(symbol.key, Nature(what, frozenset({Cause(Varies.STATE, f"self.{name}")})))
        return symbol

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        super().set_attribute(value, name, new, frame, node)
        if self.watching and value is self.root and isinstance(name, Const):
            self._set_now.add(str(name.value))

    def call_member(self, target: Instance, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = super().call_member(target, name, args, node, frame)
        if name in ("register_buffer", "register_parameter") and args.positional:
            first = args.positional[0].value
            item = target.attrs.get(str(first.value)) if isinstance(first, Const) else None
            if item is not None:
                self._learn(item.value, CONSTANT_TENSOR)
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
        elif name in _FIXED_FACTS:
            self._learn(result, OTHER)
        elif name in _SAME_TENSOR and nature.is_tensor:
            self._learn(result, nature._replace(producers=frozenset()))
        elif name == "indices" and value.key in self.ranked:
            self._learn(result, nature._replace(what=What.TENSOR, plain=True))
        elif result.key not in self.natures and _PLACES.search(name):
            self._learn(result, Nature(What.MAYBE, nature.causes or UNPROVEN, derived=True, plain=True))
        elif result.key not in self.natures:
            self._learn(result, Nature(What.UNKNOWN, nature.causes if nature.what is What.UNKNOWN else FIXED))
        self.members[result.key] = (value, name)
        return result

    def subscript(self, value: Value, index: Value, node: ast.expr, frame: Frame) -> Value:
        result = super().subscript(value, index, node, frame)
        if self.watching and isinstance(value, Symbol) and isinstance(result, Symbol):
            self.natures.setdefault(result.key, self._part(value, index))
            if isinstance(index, Const) and index.value in _SPATIAL and self.nature(value).what is What.SHAPE:
                self.spatial.add(result.key)
            if isinstance(index, Const) and isinstance(index.value, str) and frame.guard == TRUE:
                self.needs_truth = self.needs_truth or _TRUTH.search(index.value) is not None
        return result

    def _cut(self, base: Value, bounds: list[Value]) -> Value:
        result = super()._cut(base, bounds)
        if self.watching and isinstance(base, Symbol) and isinstance(result, Symbol):
            self.natures.setdefault(result.key, self.nature(base)._replace(producers=frozenset()))
        return result

    def set_item(self, value: Value, target: ast.Subscript, new: Value, frame: Frame, node: ast.AST) -> None:
        super().set_item(value, target, new, frame, node)
        natures = (self.nature(value), self.nature(new))
        if natures[0].plain:
            return
        if self.watching and natures[0].what is What.TENSOR and natures[1].is_tensor:
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
        return result

    def _part(self, value: Value, index: Value | None) -> Nature:
        """What an element of a value is."""
        nature = self.nature(value)
        if nature.what is What.SHAPE:
            return nature._replace(what=What.NUMBER)
        if isinstance(index, Const) and index.value == 1 and _key(value) in self.ranked:
            return nature._replace(what=What.TENSOR, plain=True)
        if isinstance(index, Const) and isinstance(index.value, str):
            return Nature(What.UNKNOWN, frozenset(c for c in nature.causes if c.varies is Varies.STATE))
        if nature.what is What.MANY:
            return nature._replace(what=What.MAYBE, producers=frozenset())
        if index is not None and nature.is_tensor:
            return nature._replace(
                producers=frozenset(), causes=united(nature.causes, self._mask_causes(index))
            )
        return nature._replace(producers=frozenset())

    def _mask_causes(self, index: Value) -> Causes:
        """`x[x > 0]` is as long as the values say."""
        nature = self.nature(index)
        return nature.causes if nature.what is What.TENSOR else FIXED

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
                self.carried.setdefault(loop.number, []).append((value.key, name, frame))

    def carry(self, loop: int) -> None:
        """A loop has been followed: what it carries is what it began with, or what its body made."""
        for key, name, frame in self.carried.pop(loop, ()):
            value = frame.env.get(name)
            if value is not None and not (isinstance(value, Symbol) and value.key == key):
                after = self.nature(value)._replace(producers=frozenset())
                self.natures[key] = joined(self.natures[key], after)

    # -- operators ------------------------------------------------------------------------------

    def eval(self, node: ast.expr, frame: Frame) -> Value:
        kind = type(node)
        if kind in _COMPUTING and self.watching and self.phase == "forward":
            if kind is ast.BinOp:
                self.steps += 1
                left, right = self.eval(node.left, frame), self.eval(node.right, frame)  # type: ignore[attr-defined]
                return self.operation(node.op, left, right, node, frame)  # type: ignore[attr-defined]
            if kind is ast.Compare:
                return self._comparison(node, frame)  # type: ignore[arg-type]
            if kind is ast.UnaryOp and not isinstance(node.op, ast.Not):  # type: ignore[attr-defined]
                value = super().eval(node, frame)
                if isinstance(value, Symbol) and value.key not in self.natures:
                    operand = self.read_again(node.operand, frame)  # type: ignore[attr-defined]
                    self._learn(value, self.nature(operand)._replace(producers=frozenset()))
                return value
        return super().eval(node, frame)

    def read_again(self, node: ast.expr, frame: Frame) -> Value:
        """The value of an expression that was evaluated before: it runs no other time."""
        return self.eval(node, frame)

    def _comparison(self, node: ast.Compare, frame: Frame) -> Value:
        """`x > 0`: a tensor of truths where `x` is a tensor."""
        values = [self.eval(node.left, frame), *(self.eval(c, frame) for c in node.comparators)]
        natures = [self.nature(v) for v in values]
        plain = any(isinstance(op, (ast.Is, ast.IsNot, ast.In, ast.NotIn)) for op in node.ops)
        if not plain and any(n.is_tensor for n in natures):
            result = self.result(Args([], {}, True), frame)
            mask = self._operated(natures)
            self._learn(result, mask._replace(plain=True))
            return result
        condition = self._compare_two(values[0], node.ops[0], values[1], node)
        for left, op, right in zip(values[1:], node.ops[1:], values[2:], strict=False):
            condition = both(condition, self._compare_two(left, op, right, node))
        return self.boolean(condition)

    def augmented(self, node: ast.AugAssign, left: Value, right: Value, frame: Frame) -> Value:
        if not self.watching or self.phase != "forward" or not self.is_followed(frame):
            return super().augmented(node, left, right, frame)
        return self.operation(node.op, left, right, node, frame)

    def operation(self, op: ast.operator, left: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        """`left op right`, written at `node`."""
        result = super().binary(op, left, right)
        if not isinstance(result, Symbol):
            return result
        natures = (self.nature(left), self.nature(right))
        kinds = {n.what for n in natures}
        if What.OTHER in kinds and kinds <= {What.OTHER, What.MAYBE} and isinstance(op, (ast.Add, ast.Mod)):
            self._learn(result, OTHER)  # text that is put together
        elif kinds & {What.TENSOR, What.MAYBE} and not kinds & {What.MANY, What.SHAPE}:
            name, sign = OPERATORS.get(type(op), ("", ""))
            meaning = of_function(f"operator.{name}") if name else None
            self._learn(result, self._ran(meaning, natures, node, frame, sign))
        else:
            causes = united(*(n.content for n in natures))
            what = (
                What.NUMBER if kinds <= {What.NUMBER} else What.SHAPE if What.SHAPE in kinds else What.UNKNOWN
            )
            self.natures.setdefault(result.key, Nature(what, causes))
        return result

    # -- calls -----------------------------------------------------------------------------------

    def _ran(
        self, meaning: Meaning | None, operands: Sequence[Nature], node: ast.AST, frame: Frame, written: str
    ) -> Nature:
        """A function or operator runs on these: what it gives."""
        result = self._operated(operands)
        if result.plain and meaning is not None and (meaning.replaced or meaning.fuses):
            # The sine of an index, half of a count: quantities.
            whole = meaning.name in STAYS_WHOLE or meaning.result is Result.PLAIN
            result = result._replace(plain=whole)
        quiet = result.constant or result.outside or result.plain
        if meaning is None or quiet or not (meaning.replaced or meaning.fuses):
            return result
        number = self.note(meaning, meaning.fuses, operands, node, frame, written, False)
        return result if number is None else result._replace(producers=frozenset({number}))

    def _operated(self, operands: Iterable[Nature]) -> Nature:
        """What is computed of these."""
        tensors = [n for n in operands if n.is_tensor]
        real = [n for n in tensors if not n.constant]
        certain = any(n.what is What.TENSOR for n in tensors)
        return Nature(
            What.TENSOR if certain else What.MAYBE,
            united(*(n.causes for n in tensors)),
            constant=bool(tensors) and not real,
            outside=bool(real) and all(n.outside for n in real),
            random=any(n.random for n in tensors),
            derived=bool(real) and all(n.derived for n in real),
            plain=bool(real) and all(n.plain for n in real),
        )

    def _operands(self, args: Args) -> list[Nature]:
        found: list[Nature] = []
        for value in [i.value for i in args.positional] + list(args.keywords.values()):
            entries = value.items if isinstance(value, Seq) else []
            found += [self.nature(i.value) for i in entries]
            nature = self.nature(value)
            if nature.what is What.MANY and isinstance(value, Symbol):
                nature = nature._replace(what=What.MAYBE)
            found.append(nature)
        return found

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = super().call_library(dotted, args, node, frame)
        values = [i.value for i in args.positional]
        if self.watching and isinstance(result, Range):
            self.spans[id(result)] = (result, tuple(values))
            return result
        first, _, _ = dotted.partition(".")
        last = dotted.rpartition(".")[2]
        meaning = of_function(dotted)
        if self.phase != "forward" or not self.watching:
            if meaning is not None and self.phase != "forward":
                self._learn(result, CONSTANT_TENSOR)
            return result
        natures = self._operands(args)
        if first == "builtins" and last in _NUMBERS:
            return self._number(result, natures, values, frame)
        if not isinstance(result, Symbol):
            return result
        if first in ("random", "numpy") and "random" in dotted:
            self._learn(result, Nature(What.NUMBER, frozenset({Cause(Varies.RANDOM)})))
        elif meaning is not None or first in ("torch", "torchvision"):
            made = self._of_function(meaning, last, natures, node, frame, dotted)
            self._learn(result, _typed(made, args))
            self._note_ranking(result, last, args, 1)
        elif result.key not in self.natures:
            known = [n for n in natures if n.what is not What.OTHER]
            tensors = any(n.is_tensor for n in known)
            causes = united(*(n.causes for n in known))
            what = What.NUMBER if first in ("math", "operator") and not tensors else What.UNKNOWN
            self._learn(result, Nature(What.MAYBE if tensors and first != "builtins" else what, causes))
        return result

    def _number(
        self, result: Value, natures: Sequence[Nature], values: Sequence[Value], frame: Frame
    ) -> Value:
        """`int(x)`, `max(a, b)`: a number, whatever it is made of."""
        if isinstance(result, (Const, Index)):
            return result
        fresh = self.result(Args([], {}, True), frame)
        # `int(x > 0)`: what decides which of both it is.
        atoms = atoms_of([when for v in values if isinstance(v, Choice) for when, _ in v.options])
        causes = united(*(n.content for n in natures), *(self.test_causes(a) for a in sorted(atoms)))
        self._learn(fresh, Nature(What.NUMBER if causes or natures else What.UNKNOWN, causes))
        return fresh

    def _of_function(
        self,
        meaning: Meaning | None,
        name: str,
        operands: Sequence[Nature],
        node: ast.AST,
        frame: Frame,
        written: str,
    ) -> Nature:
        """What a function of torch gives, given these."""
        bare = name.strip("_") if not name.startswith("__") else name
        if bare in _BY_FIRST and operands:
            operands = operands[:1]
        result = self._ran(meaning, operands, node, frame, written)
        if bare in _READS:
            return Nature(What.NUMBER, result._replace(what=What.TENSOR).content)
        if bare in ("numel", "nelement", "__len__"):
            return Nature(What.NUMBER, result.sizes)
        if meaning is not None and meaning.group == "creation":
            return Nature(What.TENSOR, constant=True, random=bare in _CHANCE)
        if bare in _BY_VALUES or (bare == "where" and len(operands) == 1):
            plain = result.plain or bare != "masked_select"
            return result._replace(what=What.TENSOR, causes=united(result.causes, BY_DATA), plain=plain)
        if bare in _FIXED_FACTS:
            return OTHER
        if meaning is None:
            return result._replace(what=What.MAYBE)
        if bare in _SPLITTING:
            return result._replace(what=What.MANY, causes=UNPROVEN)
        if meaning.result is Result.PLAIN:
            result = result._replace(plain=True)
        several = bare in ("topk", "sort", "max", "min")
        return result if several else result._replace(what=What.TENSOR)

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        result = super()._call_symbol(callee, at, args, node, frame)
        if not self.watching or self.phase != "forward" or not isinstance(result, Symbol):
            return result
        member = self.members.get(callee.key)
        if member is not None:
            self._learn(result, self._of_method(member[0], member[1], args, node, frame))
            self._note_ranking(result, member[1], args, 0)
        elif callee.origin == "config" and callee.callable_hint not in ("function", "member"):
            self._learn(result, self._ran_module(None, None, self._operands(args), node, frame))
        return result

    def _note_ranking(self, result: Symbol, name: str, args: Args, tensors: int) -> None:
        """`max` gives places only along a dimension."""
        along = "dim" in args.keywords or any(
            isinstance(item.value, Const) for item in args.positional[tensors:]
        )
        if name in _RANKING or (name in ("max", "min", "median") and along):
            self.ranked.add(result.key)

    def _of_method(self, receiver: Symbol, name: str, args: Args, node: ast.Call, frame: Frame) -> Nature:
        """What `receiver.name(...)` gives."""
        nature = self.nature(receiver)
        if not nature.is_tensor:
            return Nature(What.UNKNOWN, nature.causes)
        if name in _OF_SHAPE:
            self._is_a_tensor(receiver)
            return Nature(What.NUMBER if args.positional else What.SHAPE, self.nature(receiver).sizes)
        if name in _FIXED_FACTS:
            return OTHER
        meaning = of_function(f"torch.Tensor.{name}")
        if meaning is None:
            return nature._replace(what=What.UNKNOWN, producers=frozenset())
        if name not in _CONTAINER_METHODS:
            self._is_a_tensor(receiver)
            nature = self.nature(receiver)
        operands = [nature, *self._operands(args)]
        return _typed(self._of_function(meaning, name, operands, node, frame, f".{name}()"), args)

    def execute(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        result = super().execute(target, at, args, node, frame)
        if self.watching and self.phase == "forward" and target.is_module and isinstance(result, Symbol):
            self._learn(result, self._of_module(target, args, node, frame))
        return result

    def _of_module(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Nature:
        operands = self._operands(args)
        last = _last_leaf(target)
        kind = facts_of(last.dotted).kind if last.cls is None else Kind.PROJECT
        meaning = of_class(last.dotted) if last.cls is None else None
        if kind is Kind.QUANT_STUB:
            return self._operated(operands)._replace(what=What.TENSOR, outside=False)
        if kind is Kind.DEQUANT_STUB:
            return self._operated(operands)._replace(what=What.TENSOR, outside=True)
        role = _role_of(target)
        return self._ran_module(meaning, role, operands, node, frame)

    def _ran_module(
        self,
        meaning: Meaning | None,
        role: Role | None,
        operands: Sequence[Nature],
        node: ast.Call,
        frame: Frame,
    ) -> Nature:
        result = self._operated(operands)._replace(constant=False)
        if meaning is not None:
            result = result._replace(what=What.TENSOR)
        else:
            given = Cause(Varies.GIVEN, spelt_callee(node))
            result = result._replace(what=What.MAYBE, causes=frozenset({given}), derived=True)
        result = result._replace(plain=False)
        if result.outside:
            return result
        number = self.note(meaning, role, operands, node, frame, "", True)
        return result if number is None else result._replace(producers=frozenset({number}))

    def _member(
        self, target: Instance, at: tuple[At, ...], name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        result = super()._member(target, at, name, args, node, frame)
        if self.watching and self.phase == "forward" and isinstance(result, Symbol):
            meaning = of_method(target.dotted, name)
            if meaning is not None:
                operands = self._operands(args)
                self._learn(result, self._ran_module(meaning, meaning.fuses, operands, node, frame))
            elif name in ("forward", "__call__"):
                self._learn(result, self._of_module(target, args, node, frame))
        return result

    def call_method_of_value(
        self, receiver: Value, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        result = super().call_method_of_value(receiver, name, args, node, frame)
        if (
            self.watching
            and self.phase == "forward"
            and name in ("pop", "get")
            and isinstance(result, Symbol)
        ):
            self.natures.setdefault(result.key, Nature(What.MAYBE))
        return result

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
            if self.is_left_out(callee.node, args):
                return self._unseen(args, frame)
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
                self._learn(result, self._derived(operands))
        return result

    def is_left_out(self, function: ast.AST, args: Args) -> bool:
        """Whether what a function does is none of the quantised model's business, or hidden from it."""
        return bool(NOT_QUANTISED.search(getattr(function, "name", ""))) or is_hidden(function)

    def _unseen(self, args: Args, frame: Frame) -> Value:
        """The result of a function that is not followed."""
        result = self.result(args, frame)
        self._learn(result, self._derived(self._operands(args)))
        return result

    def _derived(self, operands: Sequence[Nature]) -> Nature:
        """What code that is not followed makes of these."""
        made = self._operated(operands)
        return made._replace(what=What.MAYBE, causes=UNPROVEN, derived=True, constant=False)

    def trains_only(self, guard: Condition) -> bool:
        """Whether a condition holds in training only."""
        return excludes(guard, literal(TRAINING, False))


_SEVERAL = frozenset("List list Tuple tuple Sequence Iterable Dict dict Mapping".split())
_CONTAINER_METHODS = frozenset("index pop count clear copy sort split".split())
"""Methods that a list, a string or a dict has, too."""


def _typed(nature: Nature, args: Args) -> Nature:
    """A tensor that is made with `dtype=torch.long`, or turned into one, holds nothing that is quantised."""
    for value in (*(i.value for i in args.positional), *args.keywords.values()):
        if isinstance(value, External) and _WHOLE.fullmatch(value.dotted):
            return nature._replace(plain=True)
    return nature


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
    places = _PLACES.search(argument.arg) is not None
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


def _holds(value: Value, kind: Kind | None, depth: int = 0) -> bool:
    """Whether a value is, or contains, a module (of a kind)."""
    if isinstance(value, Instance):
        if value.is_module and (kind is None or facts_of(value.dotted).kind is kind):
            return True
        parts = [i.value for i in value.items.items] if value.items is not None else []
        parts += [i.value for i in value.children.entries.values()] if value.children is not None else []
    elif isinstance(value, Seq):
        parts = [i.value for i in value.items]
    else:
        parts = _options(value)
    return depth < 3 and any(_holds(v, kind, depth + 1) for v in parts[:20])


def _last_leaf(target: Instance, depth: int = 0) -> Instance:
    """The module whose result a Sequential gives."""
    if target.cls is None and target.items is not None and target.items.items and depth < 4:
        last = target.items.items[-1].value
        if isinstance(last, Instance) and target.dotted.endswith("Sequential"):
            return _last_leaf(last, depth + 1)
    return target


def _role_of(target: Instance, depth: int = 0) -> Role | None:
    """What a module ends with: a Sequential of a convolution and its batch norm is both."""
    if target.cls is not None:
        return None
    if target.items is None:
        meaning = of_class(target.dotted)
        return meaning.fuses if meaning is not None else None
    if not target.dotted.endswith("Sequential") or target.items.open or depth > 4:
        return None
    last = [item.value for item in target.items.items[-2:]]
    roles = [_role_of(v, depth + 1) if isinstance(v, Instance) else None for v in last]
    if not roles:
        return None
    if roles[-1] is Role.BATCH_NORM:
        return Role.ROOT if roles[0] is Role.ROOT else None
    return roles[-1] if roles[-1] is Role.ROOT else None


def is_hidden(node: ast.AST) -> bool:
    """Whether a decorator keeps the body of a function from the toolchain: `@fx_wrap()`."""
    for decorator in getattr(node, "decorator_list", ()):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if name in _HIDING:
            return True
    return False
