"""What operators and calls of forward make of values: the other half of `Natured`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence

from qatlint.condition import Condition, atoms_of, both
from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import Meaning, Result, Role, of_class, of_function, of_method
from qatlint.static.axes import CUTS, Sized
from qatlint.static.machine import Frame
from qatlint.static.natures import (
    BY_DATA,
    CONSTANT_TENSOR,
    OTHER,
    UNPROVEN,
    Cause,
    Nature,
    What,
    united,
)
from qatlint.static.quantities import STAYS_WHOLE
from qatlint.static.spelling import spelt_callee
from qatlint.static.values import (
    Args,
    At,
    Choice,
    Const,
    External,
    Index,
    Instance,
    Range,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Kind, Varies

_NUMBERS = frozenset("int float bool abs round min max sum divmod pow complex".split())
_OF_SHAPE = frozenset("shape size".split())
FIXED_FACTS = frozenset(
    "device dtype ndim requires_grad is_cuda layout dim is_floating_point ndimension is_contiguous "
    "is_complex get_device".split()
)
_BY_VALUES = frozenset(
    "nonzero argwhere unique unique_consecutive masked_select nms batched_nms bincount".split()
)
"""Functions whose result is as long as the values of their arguments say."""
_BY_FIRST = frozenset("to type_as expand_as view_as reshape_as".split())
"""Functions whose further arguments say what to make of the first, not with which values."""
_WHOLE = re.compile(r"^torch\.(u?int\d*|long|short|bool)$")
_RANKING = frozenset("topk sort kthvalue mode".split())
"""Functions that give values and their places."""
_OF_MANY = frozenset(
    "stack cat concat concatenate hstack vstack dstack column_stack row_stack block_diag cartesian_prod "
    "meshgrid broadcast_tensors chain_matmul multi_dot einsum atleast_1d atleast_2d atleast_3d".split()
)
"""Functions of torch whose first argument may be a list."""
_COMPUTES = re.compile(r"torch\.(linalg\.|fft\.|special\.)?(?!is_)[a-z]\w*$")
"""Functions that compute something of their tensors, whatever it is."""
_COUNTED = re.compile(
    "product|permutations|combinations\\w*|chain|pairwise|zip_longest|accumulate|islice|repeat|arange|linspace|ndindex"
)
"""Functions of `itertools` and numpy that give as many values as their arguments say."""
_READS = frozenset("item tolist numpy __bool__ __float__ __int__ __index__".split())
_ANSWERED_BY_TENSORS = frozenset(
    "max min amax amin sum mean median std var prod norm abs all any item argmax argmin nonzero argwhere "
    "count_nonzero isnan isinf isfinite logical_not".split()
)
"""Methods that no number, text or list has: what they give of something, its values say."""
_VIEWS = frozenset("keys values items".split())
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
_LOGICAL = frozenset((ast.BitAnd, ast.BitOr, ast.BitXor))
_TELLING = frozenset(
    "eq ne not_equal gt greater ge greater_equal lt less le less_equal logical_and logical_or logical_not "
    "logical_xor isnan isinf isfinite isclose isin all any bool".split()
)
"""Functions that give truths."""
_BLANK = frozenset("ones_like zeros_like full_like empty_like new_ones new_zeros new_full new_empty".split())
"""Functions that give one number, as often as their first argument is large, or in its kind."""
_KEEPING_TRUTHS = frozenset(
    "view reshape flatten squeeze unsqueeze permute transpose expand repeat contiguous clone detach to cat "
    "stack flip".split()
)
_COMPUTING = frozenset((ast.BinOp, ast.Compare, ast.UnaryOp))
_CONTAINER_METHODS = frozenset("index pop count clear copy sort split".split())
"""Methods that a list, a string or a dict has, too."""


class Computed(Sized):
    """`nature` of what forward computes."""

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
                    if isinstance(operand, Symbol) and operand.key in self.handed_parts:
                        self.handed_parts.add(value.key)
                    if self._are_truths((operand,)):
                        self.truths.add(value.key)
                return value
        return super().eval(node, frame)

    def _are_truths(self, values: Iterable[Value]) -> bool:
        return any(isinstance(value, Symbol) and value.key in self.truths for value in values)

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
            self.use(*natures)
            self._learn(result, mask._replace(plain=True))
            if isinstance(result, Symbol) and not mask.constant:
                self.truths.add(result.key)
            return result
        condition = self._compare_two(values[0], node.ops[0], values[1], node)
        for left, op, right in zip(values[1:], node.ops[1:], values[2:], strict=False):
            condition = both(condition, self._compare_two(left, op, right, node))
        if len(values) == 2 and not self.asserting and self._may_be_truths(node.ops[0], values):
            return self._perhaps_truths(condition, values)
        return self.boolean(condition)

    def _may_be_truths(self, op: ast.cmpop, values: Sequence[Value]) -> bool:
        """Whether a comparison with something that was handed in may be one of tensors: `batch["x"] > 0`."""
        if not isinstance(op, (ast.Gt, ast.GtE, ast.Lt, ast.LtE, ast.Eq, ast.NotEq)):
            return False
        handed = [v for v in values if isinstance(v, Symbol) and v.key in self.handed_parts]
        rest = [v for v in values if isinstance(v, Const) and type(v.value) not in (int, float)]
        return bool(handed) and not rest and not any(isinstance(v, Choice) for v in values)

    def _perhaps_truths(self, condition: Condition, values: Sequence[Value]) -> Value:
        """The result of such a comparison: the same where it is made once more."""
        result = self.unknown(*values, key=self.intern(("told", condition)))
        self._learn(result, Nature(What.UNKNOWN, united(*(self.nature(v).content for v in values))))
        self.handed_parts.add(result.key)
        self.truths.add(result.key)
        return result

    def augmented(self, node: ast.AugAssign, left: Value, right: Value, frame: Frame) -> Value:
        if not self.watching or self.phase != "forward" or not self.is_followed(frame):
            return super().augmented(node, left, right, frame)
        return self.operation(node.op, left, right, node, frame)

    def operation(self, op: ast.operator, left: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        """`left op right`, written at `node`."""
        result = super().binary(op, left, right)
        if isinstance(result, Seq) and isinstance(op, ast.Mult):
            self.repeated[id(result)] = (result, right if isinstance(left, Seq) else left)
        if not isinstance(result, Symbol):
            return result
        natures = (self.nature(left), self.nature(right))
        kinds = {n.what for n in natures}
        if What.OTHER in kinds and kinds <= {What.OTHER, What.MAYBE} and isinstance(op, (ast.Add, ast.Mod)):
            self._learn(result, OTHER)  # text that is put together
        elif kinds & {What.TENSOR, What.MAYBE} and not kinds & {What.MANY, What.SHAPE}:
            name, sign = OPERATORS.get(type(op), ("", ""))
            meaning = of_function(f"operator.{name}") if name else None
            operands = (self._operand(left), self._operand(right))
            self._learn(result, self._ran(meaning, operands, node, frame, sign))
            if type(op) in _LOGICAL and self._are_truths((left, right)):
                self.truths.add(result.key)
            for tensor, other in ((left, natures[1]), (right, natures[0])):
                if other.what is What.NUMBER and (axes := self.axes_of(tensor)) is not None:
                    self.axes[result.key] = axes
        else:
            causes = united(*(n.content for n in natures))
            what = (
                What.NUMBER if kinds <= {What.NUMBER} else What.SHAPE if What.SHAPE in kinds else What.UNKNOWN
            )
            self.natures.setdefault(result.key, Nature(what, causes))
            if any(isinstance(v, Symbol) and v.key in self.handed_parts for v in (left, right)):
                self.handed_parts.add(result.key)
                if type(op) in _LOGICAL and self._are_truths((left, right)):
                    self.truths.add(result.key)
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
            self.use(*operands)
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

    def _operand(self, value: Value) -> Nature:
        """`nature`; where nothing is known, that it is no tensor, unless it was handed in."""
        nature = self.nature(value)
        handed = isinstance(value, Symbol) and value.key in self.handed_parts
        return nature._replace(what=What.OTHER) if nature.what is What.UNKNOWN and not handed else nature

    def _operands(self, args: Args) -> list[Nature]:
        found: list[Nature] = []
        for value in [i.value for i in args.positional] + list(args.keywords.values()):
            entries = value.items if isinstance(value, Seq) else []
            found += [self._operand(i.value) for i in entries]
            nature = self._operand(value)
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
        if dotted == "builtins.zip":
            self.note_columns(result, args)
        elif first in ("random", "numpy") and "random" in dotted:
            self._learn(result, Nature(What.NUMBER, frozenset({Cause(Varies.RANDOM)})))
        elif (first != "operator" and meaning is not None) or first in ("torch", "torchvision"):
            if values and meaning is not None and meaning.group != "creation" and last not in _OF_MANY:
                self._is_a_tensor(values[0])
                natures = self._operands(args)
            made = self._of_function(meaning, last, natures, node, frame, dotted)
            self._learn(result, _typed(made, args))
            self._note_ranking(result, last, args, 1)
            if not args.open:
                self.note_axes(result, last, values, args.keywords)
            self._note_truths(result, last, values)
        elif first in ("itertools", "numpy") and _COUNTED.fullmatch(last):
            self.note_count(result, [*values, *args.keywords.values()])
        elif meaning is not None and any(n.is_tensor for n in natures):
            self._learn(result, self._ran(meaning, natures, node, frame, dotted))
        elif result.key not in self.natures:
            known = [n for n in natures if n.what is not What.OTHER]
            tensors = any(n.is_tensor for n in known)
            causes = united(*(n.causes for n in known))
            what = What.NUMBER if first in ("math", "operator") and not tensors else What.UNKNOWN
            self._learn(result, Nature(What.MAYBE if tensors and first != "builtins" else what, causes))
            if dotted == "builtins.next":
                self.handed_parts.add(result.key)
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
        if bare in FIXED_FACTS:
            return OTHER
        if meaning is None:
            known = _COMPUTES.match(written) and any(n.what is What.TENSOR for n in operands)
            return result._replace(what=What.TENSOR if known else What.MAYBE)
        if bare in CUTS:
            return result._replace(what=What.MANY, causes=UNPROVEN)
        if meaning.result is Result.PLAIN:
            result = result._replace(plain=True)
        along = bare in ("max", "min") and any(n.what is What.NUMBER for n in operands[1:])
        several = along or bare in ("topk", "sort")
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
            whole = self.nature(member[0]).what
            is_part = member[0].key in self.handed_parts
            if (is_part and of_function(f"torch.Tensor.{member[1]}") is not None) or (
                (is_part or whole in (What.MAYBE, What.MANY))
                and member[1] in ("items", "values", "get", "pop")
            ):
                self.handed_parts.add(result.key)
            self._note_ranking(result, member[1], args, 0)
            if self.nature(member[0]).is_tensor and not args.open:
                values = [member[0], *(i.value for i in args.positional)]
                self._note_truths(result, member[1], values)
                self.note_axes(result, member[1], values, args.keywords)
                if member[1] == "size":
                    self._note_size(result, member[0], args)
        elif callee.origin == "config" and callee.callable_hint not in ("function", "member"):
            self._learn(result, self._ran_module(None, None, self._operands(args), node, frame))
        return result

    def _note_size(self, result: Symbol, tensor: Symbol, args: Args) -> None:
        """`x.size()` or `x.size(0)`."""
        given = [*(i.value for i in args.positional), *args.keywords.values()]
        if not given:
            self.shapes[result.key] = tensor
        elif isinstance(given[0], Const) and type(given[0].value) is int:
            self.note_size(result, tensor, given[0].value)

    def _note_truths(self, result: Value, name: str, values: Sequence[Value]) -> None:
        """A function gives truths, or leaves those that it is given, or what such are often written into."""
        bare = name.strip("_")
        if isinstance(result, Symbol) and not self.nature(result).constant:
            if bare in _BLANK:
                self.blank.add(result.key)
            if bare in _TELLING or (bare in _KEEPING_TRUTHS and self._are_truths(values[:1])):
                self.truths.add(result.key)

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
            by_values = receiver.key in self.handed_parts and name in _ANSWERED_BY_TENSORS
            if name in _VIEWS:  # only a dict has them: it was cut by no mask
                kept = frozenset(c for c in nature.causes if c.varies not in (Varies.DATA, Varies.SHAPE))
                return Nature(What.UNKNOWN, kept or UNPROVEN)
            return Nature(What.UNKNOWN, united(nature.causes, BY_DATA) if by_values else nature.causes)
        if name in _OF_SHAPE:
            self._is_a_tensor(receiver)
            return Nature(What.NUMBER if args.positional else What.SHAPE, self.nature(receiver).sizes)
        if name in FIXED_FACTS:
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
            self.note_channels(result, _last_leaf(target).dotted)
        return result

    def _of_module(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Nature:
        last = _last_leaf(target)
        meaning = of_class(last.dotted)
        if meaning is not None and args.positional:
            self._is_a_tensor(args.positional[0].value)
        operands = self._operands(args)
        kind = facts_of(last.dotted).kind
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


def _typed(nature: Nature, args: Args) -> Nature:
    """A tensor that is made with `dtype=torch.long`, or turned into one, holds nothing that is quantised."""
    for value in (*(i.value for i in args.positional), *args.keywords.values()):
        if isinstance(value, External) and _WHOLE.fullmatch(value.dotted):
            return nature._replace(plain=True)
    return nature


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
