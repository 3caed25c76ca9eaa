"""An interpreter that notes every operation on tensors, with the quant states of what it is given."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from qatlint.condition import FALSE, TRUE, atoms_of, either, literal
from qatlint.horizon.ops import Boundary, Meaning, of_class, of_function, writes_first
from qatlint.static.beginning import MAKING, Beginning
from qatlint.static.computed import OPERATORS
from qatlint.static.held import NOT_KNOWN, PLAIN, Begin, Held, joined_held, turned_held
from qatlint.static.iteration import MANY
from qatlint.static.leads import CHECKPOINTING
from qatlint.static.machine import Frame, Place
from qatlint.static.met import RawQuant
from qatlint.static.natured import WRITES_ITEM, WRITTEN_ITEM, Natured
from qatlint.static.natures import OTHER, Nature, What
from qatlint.static.quantities import (
    BITS,
    COMPARING,
    KEEPS_ROWS,
    MAKES_MANY,
    Made,
    is_added_mask,
    is_scalar,
    is_vector,
    quantities,
    result_of,
)
from qatlint.static.values import (
    FALSE_VALUE,
    TRUE_VALUE,
    Args,
    At,
    Choice,
    Const,
    Instance,
    Item,
    LoopFrame,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Comes, Loose, Quant

_COMPARING: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("eq", "=="),
    ast.NotEq: ("ne", "!="),
    ast.Lt: ("lt", "<"),
    ast.LtE: ("le", "<="),
    ast.Gt: ("gt", ">"),
    ast.GtE: ("ge", ">="),
}
_UNARY: dict[type[ast.unaryop], tuple[str, str]] = {ast.USub: ("neg", "-"), ast.Invert: ("invert", "~")}
_PAIRS = frozenset("topk sort max min kthvalue median mode cummax cummin".split())
"""Ops that give a tensor and its positions, where they are told along which dimension."""
_HOLD_PARAMETERS = (".ParameterList", ".ParameterDict")
_ENTRIES = frozenset(("get", "pop"))
_EXPORTING = frozenset(("torch.onnx.is_in_onnx_export", "torch.jit.is_tracing"))
"""Questions for a mode that a model is in now and then: what depends on it runs in some forwards."""
_NO_OPS = frozenset("shape size dim numel ndim is_complex is_contiguous get_device __len__ stride".split())
"""Questions about a tensor: no operation on it."""


class Operating(Beginning):
    """Operators, functions, methods and leaf modules: `met` holds what they did."""

    may_export = True
    """Whether a forward may be one that an export runs: prepare's is none."""

    def eval(self, node: ast.expr, frame: Frame) -> Value:
        value = super().eval(node, frame)
        if type(node) is ast.UnaryOp and self.phase == "forward" and isinstance(value, Symbol):
            name, sign = _UNARY.get(type(node.op), ("", ""))
            nature = self.nature(self.read_again(node.operand, frame)) if name else OTHER
            if nature.is_tensor:
                self._places = [node.operand]
                held = self._op(of_function(f"operator.{name}"), [nature], node, frame, sign, None, None)
                self._hold(value, held)
        return value

    def read_again(self, node: ast.expr, frame: Frame) -> Value:
        before, self._is_read_again = self._is_read_again, True
        try:
            return super().read_again(node, frame)
        finally:
            self._is_read_again = before

    def binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        result = super().binary(op, left, right)
        natures = [self.nature(left), self.nature(right)]
        if self.phase in MAKING and isinstance(result, Symbol) and any(n.is_tensor for n in natures):
            # A table that the constructor computes.
            begins = [b for n in natures for b in n.held.begins]
            name, _ = OPERATORS.get(type(op), ("", ""))
            if begins and name:
                made = self._made(of_function(f"operator.{name}"), natures, [left, right], None)
                held = result_of(made, lambda _: begins[0])
                self.natures[result.key] = Nature(What.TENSOR, constant=True, held=held)
        return result

    def operation(self, op: ast.operator, left: Value, right: Value, node: ast.AST, frame: Frame) -> Value:
        self._args = Args([Item(left), Item(right)], {}, False)
        self._places = _sides(node)
        return super().operation(op, left, right, node, frame)

    def _symbol_attribute(self, value: Symbol, name: str) -> Value:
        result = super()._symbol_attribute(value, name)
        if isinstance(result, Symbol) and self.nature(value).constant:
            # What the constructor makes counts as configured; here its methods are ops.
            self.members[result.key] = (value, name)
            if name in _NO_OPS:
                self.natures[result.key] = Nature(What.SHAPE)
        if isinstance(result, Symbol) and self.phase == "forward" and name in ("values", "indices"):
            held = self.nature(value).held
            if self._is_pair(held):
                # `x.max(dim=1).values`
                self.natures[result.key] = Nature(What.TENSOR, held=held if name == "values" else PLAIN)
        return result

    def _sliced(self, base: Value, part: ast.Slice, node: ast.Subscript, frame: Frame) -> Value:
        result = super()._sliced(base, part, node, frame)
        if self.phase in MAKING and self.nature(base).constant:
            return self._part_of_constant(base, node)
        if isinstance(base, Symbol):
            self._picked(base, result, node, frame)
        return result

    def _picked(self, base: Value, result: Value, node: ast.expr, frame: Frame) -> None:
        """A part of a tensor is taken: an op."""
        nature = self.nature(base)
        if self.phase != "forward" or not isinstance(node, ast.Subscript):
            return
        if nature.what is What.TENSOR and isinstance(result, Symbol):
            index = self._indexing(node.slice, frame)
            self._places = [node.value, *(place for _, place in index)]
            operands = [nature, *(one for one, _ in index)]
            held = self._op(of_function("torch.Tensor.getitem"), operands, node, frame, "[...]", None, None)
            if held.begins and _is_position(node.slice):
                held = held._replace(begins=_of_one_number(nature.held.begins))
            self._hold(result, held)

    def _part_of_constant(self, base: Value, node: ast.expr) -> Value:
        """The constructor takes a part of a tensor that it made: `torch.linspace(0, 1, 8)[:, None]`."""
        held = self.nature(base).held
        if isinstance(node, ast.Subscript) and _is_position(node.slice):
            begins = _of_one_number(held.begins)
        else:
            begins = frozenset(b._replace(vector=False) for b in held.begins)
        result = self.unknown(base)
        held = held._replace(begins=begins)
        self.natures[result.key] = Nature(What.TENSOR, constant=True, held=held)
        return result

    def _is_pair(self, held: Held) -> bool:
        """Whether one op made it that gives values and their positions: `x.topk(4)`, `x.max(dim=1)`."""
        if len(held.made) != 1:
            return False
        op = self.met[next(iter(held.made))]
        name = op.meaning.name if op.meaning is not None else ""
        return name in _PAIRS and (op.with_number or name == "sort") and len(op.given) == 1

    def _indexing(self, index: ast.expr, frame: Frame) -> list[tuple[Nature, ast.expr]]:
        """The tensors in an index, masks and positions, and where each is written."""
        parts = index.elts if isinstance(index, ast.Tuple) else [index]
        written = [p for p in parts if not isinstance(p, (ast.Slice, ast.Constant))]
        natures = [(self.nature(self.read_again(part, frame)), part) for part in written]
        return [(nature, part) for nature, part in natures if nature.what is What.TENSOR]

    def _comparison(self, node: ast.Compare, frame: Frame) -> Value:
        result = super()._comparison(node, frame)
        if isinstance(result, Symbol) and self.phase == "forward" and self.nature(result).is_tensor:
            parts = [node.left, *node.comparators]
            natures = [self.nature(self.read_again(part, frame)) for part in parts]
            self._places = list(parts)
            name, sign = _COMPARING.get(type(node.ops[0]), ("eq", "=="))
            held = self._op(of_function(f"torch.Tensor.{name}"), natures, node, frame, sign, None, None)
            self._hold(result, held)
        return result

    def subscript(self, value: Value, index: Value, node: ast.expr, frame: Frame) -> Value:
        if isinstance(value, Symbol) and value.key in self._parameters_in and self.phase == "forward":
            return self._parameter_of(value, index, node)
        nature = self.nature(value)
        if self.phase == "forward" and isinstance(value, Symbol) and _has_axes(node):
            # Neither a list nor a dict takes such an index.
            if nature.what is What.MAYBE and not nature.held.made:
                nature = self.natures[value.key] = nature._replace(what=What.TENSOR)
        if self.phase in MAKING and nature.constant and isinstance(value, Symbol):
            return self._part_of_constant(value, node)
        result = super().subscript(value, index, node, frame)
        if isinstance(result, Pick) and isinstance(value, Symbol) and isinstance(index, Const):
            if nature.constant and nature.held.begins and self.phase == "forward":
                # What the constructor made is a tensor, no list that is configured.
                result = self.unknown(value, key=self.intern(("entry", value.key, index.value)))
                self.natures[result.key] = nature
        if self.phase != "forward" or not isinstance(result, Symbol):
            return result
        if not isinstance(value, Symbol):
            return result
        if isinstance(index, Const) and isinstance(index.value, str):
            self._hold(result, self._element_of_input(nature.held, index.value))
            if result.key in self.natures and self.nature(result).held.quant is not Quant.UNKNOWN:
                self.natures[result.key] = self.natures[result.key]._replace(what=What.MAYBE)
        elif isinstance(index, Const) and index.value in (0, 1) and self._is_pair(nature.held):
            # No op on a tensor: the values, or where they stand.
            self._hold(result, nature.held if index.value == 0 else PLAIN)
            self.natures[result.key] = self.natures[result.key]._replace(what=What.TENSOR)
        elif nature.what is What.TENSOR:
            self._picked(value, result, node, frame)
        else:
            which = index.value if isinstance(index, Const) and type(index.value) is int else None
            self._hold(result, self._element_of_input(nature.held, which))
        return result

    def _parameter_of(self, value: Symbol, index: Value, node: ast.expr) -> Value:
        """One tensor of a ParameterList or ParameterDict: no part of a tensor is taken."""
        which = index.value if isinstance(index, Const) else ast.unparse(node)
        result = self.unknown(value, key=self.intern(("parameter", value.key, which)))
        nature = self.nature(value)
        written = f'"{which}"' if isinstance(which, str) and isinstance(index, Const) else which
        name = f"[{written}]" if isinstance(index, Const) else "[...]"
        begins = frozenset(b._replace(name=b.name + name) for b in nature.held.begins)
        self.natures[result.key] = nature._replace(held=nature.held._replace(begins=begins))
        return result

    def set_item(self, value: Value, target: ast.Subscript, new: Value, frame: Frame, node: ast.AST) -> None:
        self._args, self._receiver = None, None
        index = self._indexing(target.slice, frame)
        self._index = [nature for nature, _ in index]
        places = [target.value, *(place for _, place in index), node if isinstance(node, ast.expr) else None]
        old, added = self.nature(value), self.nature(new)
        self._places, self._last = places, NOT_KNOWN
        super().set_item(value, target, new, frame, node)
        if self.phase == "forward" and old.what is What.TENSOR:
            if self._last is NOT_KNOWN:  # a number is put there
                self._places = places
                self._ran(of_function(WRITES_ITEM), [old, added], target, frame, WRITTEN_ITEM)
            self._changed_in_place(value, old, frame)

    def _changed_in_place(self, value: Value, old: Nature, frame: Frame) -> None:
        """The last op has changed a tensor: it holds what that gives, on the paths where it ran. Where both
        sides of a test write to it, or some turns of a loop do, nothing is left of what it was."""
        held = self._last
        if frame.guard != TRUE and isinstance(value, Symbol):
            when, before = self._written.get(value.key, (FALSE, NOT_KNOWN))
            when = either(when, frame.guard)
            both_sides = held if before is NOT_KNOWN else joined_held(before, held)
            self._written[value.key] = (when, both_sides)
            in_turns = atoms_of([frame.guard]) <= self.positions.keys()
            held = both_sides if when == TRUE or in_turns else joined_held(old.held, held)
        self._hold(value, held)

    def _ran(
        self, meaning: Meaning | None, operands: Sequence[Nature], node: ast.AST, frame: Frame, written: str
    ) -> Nature:
        result = super()._ran(meaning, operands, node, frame, written)
        if written == WRITTEN_ITEM and isinstance(node, ast.Subscript):
            operands = [operands[0], *self._index, operands[1]]
        self._last = self._op(meaning, operands, node, frame, written, None, self._args)
        return result._replace(held=self._last)

    def _of_function(
        self,
        meaning: Meaning | None,
        name: str,
        operands: Sequence[Nature],
        node: ast.AST,
        frame: Frame,
        written: str,
    ) -> Nature:
        result = super()._of_function(meaning, name, operands, node, frame, written)
        return result._replace(held=self._last)

    def _of_method(self, receiver: Symbol, name: str, args: Args, node: ast.Call, frame: Frame) -> Nature:
        self._args = args
        if isinstance(node.func, ast.Attribute):
            self._receiver = node.func.value
        nature = self.nature(receiver)
        result = super()._of_method(receiver, name, args, node, frame)
        key = args.positional[0].value if args.positional else None
        if name in _ENTRIES and isinstance(key, Const) and isinstance(key.value, str):
            # `batch.get("img")`
            return result._replace(what=What.MAYBE, held=self._element_of_input(nature.held, key.value))
        if self.nature(receiver).is_tensor and result.what is What.UNKNOWN:
            operands = [self.nature(receiver), *self._operands(args)]
            self._op(None, operands, node, frame, f".{name}()", None, args)
        elif writes_first(name) and result.what is What.TENSOR:
            self._changed_in_place(receiver, nature, frame)
        return result

    def _of_module(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Nature:
        result = super()._of_module(target, args, node, frame)
        meaning = of_class(target.dotted)
        held = self._op(meaning, self._operands(args), node, frame, "", target, args)
        return result._replace(held=held)

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        self._receiver = None
        member = self.members.get(callee.key)
        if self.phase in MAKING and member is not None:
            return self._of_constant(member[0], member[1], args, node, frame)
        result = super()._call_symbol(callee, at, args, node, frame)
        if self.phase == "forward" and callee.key not in self.members:
            self._unfollowed(args, node, frame)
        return result

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        if dotted in _EXPORTING and self.phase == "forward" and self.may_export:
            number = self.atom(("mode", "export"), node)
            self.modes[number] = "export"
            return Choice(((literal(number), TRUE_VALUE), (TRUE, FALSE_VALUE)))
        self._args, self._receiver = args, None
        meaning = of_function(dotted)
        is_written = self.phase == "forward" and meaning is not None and writes_first(dotted)
        target = args.positional[0].value if is_written and args.positional else None
        before = self.nature(target) if target is not None else OTHER
        result = super().call_library(dotted, args, node, frame)
        if target is not None and before.is_tensor:
            self._changed_in_place(target, before, frame)
        if self.phase in MAKING and isinstance(result, Symbol) and dotted.endswith(".Parameter"):
            given = [self.nature(i.value) for i in args.positional[:1]]
            if any(b.scalar for n in given for b in n.held.begins):
                self._scalars.add(result.key)
        if self.phase in MAKING and dotted.startswith("torch.nn.init.") and dotted.endswith("_"):
            # `nn.init.normal_(nn.Parameter(...))` gives back what it is given.
            return args.positional[0].value if args.positional else result
        if self.phase in MAKING and isinstance(result, Symbol) and dotted.endswith(_HOLD_PARAMETERS):
            self._parameters_in.add(result.key)
            entries = self.entries(args.positional[0].value) if args.positional else None
            keys = [getattr(item.value, "key", None) for item in entries.items] if entries is not None else []
            if entries is not None and not entries.open and keys and self._scalars.issuperset(keys):
                self._scalars.add(result.key)
        if self.phase in MAKING and meaning is not None and isinstance(result, Symbol):
            natures = self._operands(args)
            values = [i.value for i in args.positional]
            self._hold(result, self._made_of(meaning, natures, values, args, node, frame))
        elif self.phase == "forward" and dotted == "builtins.sum":
            self._summed(result, args, node, frame)
        elif self.phase == "forward" and meaning is None and not dotted.startswith("builtins."):
            self._unfollowed(args, node, frame)
        return result

    def _summed(self, result: Value, args: Args, node: ast.Call, frame: Frame) -> None:
        """`sum(tensors)`: one addition for each of them, the first to 0."""
        entries = self.entries(args.positional[0].value) if args.positional else None
        start = args.positional[1].value if len(args.positional) > 1 else args.keywords.get("start")
        if entries is None or not isinstance(result, Symbol):
            return
        added = [(self.nature(item.value), item.node) for item in entries.items]
        if not any(nature.is_tensor for nature, _ in added):
            return
        meaning = of_function("operator.add")
        total = Nature(What.NUMBER) if start is None else self.nature(start)
        are_counted = not entries.open and all(i.times is None and i.when == TRUE for i in entries.items)
        if not are_counted:
            self.loops.append(LoopFrame(next(self.numbers), node, frame.file, MANY, True, node))
        for number, (nature, place) in enumerate(added):
            self._places = [None, place if isinstance(place, ast.expr) else None]
            held = self._op(meaning, [total, nature], node, frame, "sum", None, None, number)
            total = Nature(What.TENSOR, held=held)
        if not are_counted:
            self.loops.pop()
        self.natures[result.key] = total

    def _unfollowed(self, args: Args, node: ast.Call, frame: Frame) -> None:
        """Tensors are handed to code that nobody reads."""
        natures = self._operands(args)
        if any(n.is_tensor for n in natures):
            self._op(None, natures, node, frame, ast.unparse(node.func), None, args)
            if _is_method_of_part(node.func) and not self.supposing:
                self.order.loosen(Loose.UNFOLLOWED)

    def _left_out(self, args: Args, node: ast.Call, frame: Frame) -> Value:
        """One op to the model, whatever it does inside: loss, and what comes behind the region."""
        self._unfollowed(args, node, frame)
        operands = self._operands(args)
        for nature in operands:
            if not nature.held.made:
                self._keep(nature.held, frame.guard)
        result = self.result(args, frame)
        self._learn(result, Natured._derived(self, operands, frame.guard))
        return result

    def _operands(self, args: Args) -> list[Nature]:
        """As `Natured` gives them, and where each is written."""
        places: list[ast.expr | None] = []
        for item in args.positional:
            entries = item.value.items if isinstance(item.value, Seq) else []
            places += [e.node if isinstance(e.node, ast.expr) else None for e in entries]
            places.append(item.node if isinstance(item.node, ast.expr) else None)
        for value in args.keywords.values():
            places += [None] * (len(value.items) if isinstance(value, Seq) else 0)
            places.append(None)
        self._places = places
        return super()._operands(args)

    def _of_constant(self, value: Symbol, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        """A method of a tensor that the constructor makes."""
        result = self.unknown(value)
        meaning = of_function(f"torch.Tensor.{name}")
        natures = [self.nature(value), *self._operands(args)]
        values = [i.value for i in args.positional]
        held = self._made_of(meaning, natures, values, args, node, frame)
        self.natures[result.key] = Nature(What.TENSOR, constant=True, held=held)
        return result

    def _made(
        self, meaning: Meaning | None, operands: Sequence[Nature], values: Sequence[Value], args: Args | None
    ) -> Made:
        numbers = [v.value for v in values if isinstance(v, Const)]
        return Made(
            meaning,
            [n.held for n in operands if n.is_tensor],
            args,
            any(type(n) is float for n in numbers),
        )

    def _made_of(
        self,
        meaning: Meaning | None,
        operands: Sequence[Nature],
        values: Sequence[Value],
        args: Args | None,
        node: ast.AST,
        frame: Frame,
    ) -> Held:
        """What an operation gives, without noting it."""

        def begin(comes: Comes) -> Begin:
            runner = frame.owner.cls if frame.owner is not None else None
            text = ast.unparse(node)
            name = text if len(text) < 40 else f"{text[:37]}..."
            scalar = meaning is not None and is_scalar(meaning, args)
            vector = meaning is not None and not scalar and is_vector(meaning, args)
            return Begin(comes, name, frame.file, node, frame.cls, frame.name, runner, scalar, vector)

        held = result_of(self._made(meaning, operands, values, args), begin)
        if meaning is None or meaning.group == "creation" or meaning.name in KEEPS_ROWS:
            return held
        many = meaning.name in MAKES_MANY
        begins = (b._replace(scalar=b.scalar and not many, vector=False) for b in held.begins)
        return held._replace(begins=frozenset(begins))

    def _op(
        self,
        meaning: Meaning | None,
        operands: Sequence[Nature],
        node: ast.AST,
        frame: Frame,
        written: str,
        target: Instance | None,
        args: Args | None,
        again: int = 0,
    ) -> Held:
        """An operation runs: what it gives. `again`: how often the same call made one before."""
        places = self._places
        if len(operands) == len(places) + 1:
            places = [self._receiver, *places]
        given = [
            (nature.held, places[n] if n < len(places) else None)
            for n, nature in enumerate(operands)
            if nature.is_tensor
        ]
        added = [is_added_mask(meaning, one, [h for h, _ in given]) for one, _ in given]
        if any(added) and all(
            self._only_moved(one) for (one, _), is_one in zip(given, added, strict=True) if is_one
        ):
            for (one, _), is_one in zip(given, added, strict=True):
                self.quantities |= {b.which for b in one.begins if is_one}
            given = [
                (one._replace(quant=Quant.FLOAT) if is_one else one, place)
                for (one, place), is_one in zip(given, added, strict=True)
            ]
            changed = iter([one for one, _ in given])
            operands = [n._replace(held=next(changed)) if n.is_tensor else n for n in operands]
        values = [i.value for i in args.positional] if args is not None else []
        held = self._made_of(meaning, operands, values, args, node, frame)
        counting = quantities(meaning, [one for one, _ in given])
        are_bits = meaning is not None and meaning.name in BITS
        for (one, _), counts in zip(given, counting, strict=True):
            if (not counts and not one.asked and not self._is_compared(one)) or (are_bits and not one.asked):
                self.indices |= {b.which for b in one.begins if b.comes is Comes.INPUT}
        given = [
            (one if counts else PLAIN._replace(made=one.made), place)
            for (one, place), counts in zip(given, counting, strict=True)
        ]
        if self.phase != "forward" or self.supposing or (meaning is not None and meaning.name in _NO_OPS):
            return held
        op = self._noted(meaning, node, frame, written, target, again)
        # Known turns come one after the other.
        joined = turned_held if self._all_loops() else joined_held
        if not self._is_read_again:
            boundary = meaning.boundary if meaning is not None else Boundary.NONE
            tensors = [one for one, _ in given]
            self.order.ran(op.number, frame.guard, self.loops, len(self.blocks), tensors, boundary)
        for n, (one, place) in enumerate(given):
            if n < len(op.given):
                op.given[n] = joined(op.given[n], one)
            else:
                op.given.append(one)
                op.places.append(place)
            for number in one.made:
                self.met[number].users[op.number] = None
            for turned in one.carried:
                self._takers.setdefault(turned, set()).add(op.number)
        op.with_number = op.with_number or any(n.what is What.NUMBER for n in operands)
        first_time = op.result is NOT_KNOWN and op.when == frame.guard
        op.result = held if first_time else joined(op.result, held)
        op.when = either(op.when, frame.guard)
        return held._replace(made=frozenset({op.number}))

    def _only_moved(self, held: Held) -> bool:
        """Whether a tensor is an input as it was given, but for its shape."""
        ops = [self.met[number] for number in held.made]
        return all(
            op.meaning is not None and op.meaning.layout and op.given and self._only_moved(op.given[0])
            for op in ops
        )

    def _is_compared(self, held: Held) -> bool:
        """Whether a tensor is the result of a comparison: what was compared may be numbers."""
        ops = [self.met[number] for number in held.made]
        return bool(ops) and all(op.meaning is not None and op.meaning.name in COMPARING for op in ops)

    def _minds_blocks(self, frame: Frame) -> bool:
        """Everywhere: calls of functions are numbered in the forward of every child."""
        return True

    def _enter_block(self, value: Value, node: ast.expr, frame: Frame) -> None:
        count = len(self.blocks)
        super()._enter_block(value, node, frame)
        if len(self.blocks) > count:
            self.order.enter_block(self.blocks[-1].name or f"{id(node)}", len(self.loops), count)

    def _noted(
        self,
        meaning: Meaning | None,
        node: ast.AST,
        frame: Frame,
        written: str,
        target: Instance | None,
        again: int,
    ) -> RawQuant:
        owner = frame.owner.number if frame.owner is not None else 0
        what = target.number if target is not None else written
        key = (id(node), what, again, owner, tuple(id(place.node) for place in self.via))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.met)
            place = Place(frame.file, node, frame.cls, frame.name, frame.owner)
            loops = self._all_loops()
            raw = RawQuant(number, meaning, node, place, written, target, loops, tuple(self.via), frame.guard)
            if self._in_container is not None and self._in_container[0] is node:
                raw.entry = self._in_container[1]
            self.met.append(raw)
        return self.met[number]

    def _loops_at(self, at: At, position: int) -> list[LoopFrame]:
        self._picked_in = self._all_loops()
        return super()._loops_at(at, position)

    def call_at(self, option: Value, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame) -> Value:
        # What runs in one turn only stands in the loop all the same.
        before = self._around
        self._around, self._picked_in = self._picked_in or before, ()
        try:
            return super().call_at(option, at, args, node, frame)
        finally:
            self._around = before

    def _all_loops(self) -> tuple[LoopFrame, ...]:
        """The loops around, also those of whose turns one was picked."""
        known = {loop.number for loop in self._around}
        return (*self._around, *(loop for loop in self.loops if loop.number not in known))


def _is_method_of_part(callee: ast.expr) -> bool:
    """`self.blocks.index(x)`: what it computes is numbered in the forward that calls it, while a module has
    numbers of its own. `torch.utils.checkpoint.checkpoint` only runs what it is handed."""
    if isinstance(callee, ast.Call) and isinstance(callee.func, ast.Name) and callee.func.id == "getattr":
        return True  # which may be a method
    part = callee.value if isinstance(callee, ast.Attribute) and CHECKPOINTING not in callee.attr else None
    while isinstance(part, ast.Subscript):
        part = part.value
    return isinstance(part, ast.Attribute) and isinstance(callee, ast.Attribute) and callee.attr != "forward"


def _has_axes(node: ast.expr) -> bool:
    """`x[:, 0]`, `x[..., None]`: one index for each of several axes, with a slice among them."""
    parts = node.slice.elts if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Tuple) else []
    return any(isinstance(p, ast.Slice) or (isinstance(p, ast.Constant) and p.value is ...) for p in parts)


def _is_position(index: ast.expr) -> bool:
    """`1`, `-1`."""
    if isinstance(index, ast.UnaryOp) and isinstance(index.op, ast.USub):
        index = index.operand
    return isinstance(index, ast.Constant) and type(index.value) is int


def _of_one_number(begins: frozenset[Begin]) -> frozenset[Begin]:
    """Those of an entry of a tensor: one number, where the tensor is known to be a row of them."""
    return frozenset(b._replace(scalar=b.scalar or b.vector, vector=False) for b in begins)


def _sides(node: ast.AST) -> list[ast.expr | None]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign):
        return [None, node.value]
    return [None, None]
