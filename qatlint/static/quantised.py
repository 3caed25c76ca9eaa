"""An interpreter that follows a model through its children, with the quant state of every tensor.

It is a run of its own: what it enters (every child's forward, every plain function) would change how
modules are counted. Work is bounded; what is not followed gives a tensor of unknown state.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qatlint.condition import TRUE, Condition, both, either
from qatlint.horizon.ops import Meaning, Role, of_class, of_function, of_method
from qatlint.static.held import NOT_KNOWN, PLAIN, QUANTIZED, Begin, Held, joined_held, turned_held
from qatlint.static.iteration import MANY, varies
from qatlint.static.machine import Frame, OutOfSteps, Place
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.natured import OPERATORS, WRITES_ITEM, WRITTEN_ITEM, Natured, is_hidden
from qatlint.static.natures import FIXED, OTHER, Causes, Nature, What
from qatlint.static.order import Order
from qatlint.static.project import Project
from qatlint.static.quantities import NOT_A_QUANTITY, Made, is_scalar, quantities, result_of
from qatlint.static.values import (
    Args,
    At,
    Builtin,
    Choice,
    Const,
    Function,
    Instance,
    Item,
    LoopFrame,
    Mapping,
    Pick,
    Seq,
    Symbol,
    Value,
)
from qatlint.trace import Comes, Quant

_COMPARING: dict[type[ast.cmpop], tuple[str, str]] = {
    ast.Eq: ("eq", "=="),
    ast.NotEq: ("ne", "!="),
    ast.Lt: ("lt", "<"),
    ast.LtE: ("le", "<="),
    ast.Gt: ("gt", ">"),
    ast.GtE: ("ge", ">="),
}
_UNARY: dict[type[ast.unaryop], tuple[str, str]] = {ast.USub: ("neg", "-"), ast.Invert: ("invert", "~")}
_NO_OPS = frozenset("shape size dim numel ndim is_complex is_contiguous get_device __len__ stride".split())
"""Questions about a tensor: no operation on it."""
_PASSES = 3
"""How often the model is followed until what its loops carry is known."""


class RawQuant:
    """An op as it was met."""

    __slots__ = (
        "frame_cls",
        "given",
        "kept",
        "loops",
        "meaning",
        "node",
        "number",
        "place",
        "places",
        "result",
        "returned",
        "target",
        "users",
        "via",
        "when",
        "with_number",
        "written",
    )

    def __init__(
        self,
        number: int,
        meaning: Meaning | None,
        node: ast.AST,
        place: Place,
        written: str,
        target: Instance | None,
        loops: tuple[LoopFrame, ...],
        via: tuple[Place, ...],
        when: Condition,
    ) -> None:
        self.number = number
        self.meaning = meaning
        self.node = node
        self.place = place
        self.written = written
        self.target = target
        self.loops = loops
        self.via = via
        self.when = when
        self.given: list[Held] = []
        self.places: list[ast.expr | None] = []
        """Where the operands are written."""
        self.result = NOT_KNOWN
        self.users: dict[int, None] = {}
        self.returned = False
        self.kept = False
        self.with_number = False


class RawReturn(NamedTuple):
    """A tensor that a forward gives back."""

    when: Condition
    node: ast.Return
    held: Held
    file: ModuleFile
    owner: Instance | None
    """The module whose forward it is; None for the root."""


class Quantised(Natured):
    """One class, followed for its quant states: `met` and `gives_back` hold what was seen."""

    step_limit = 60_000
    soft_limit = 20_000
    calls_limit = 14

    def __init__(self, project: Project, cls: ClassDef, assumed: bool) -> None:
        """`assumed`: take the inputs for quantised."""
        super().__init__(project, cls)
        self.assumed = assumed
        self.met: list[RawQuant] = []
        self.order = Order()
        self._is_read_again = False
        """Whether an expression is looked at that has run before."""
        self.returned_values: list[RawReturn] = []
        self.ran = {cls.full_name}
        """The classes whose forward was followed."""
        self.indices: set[ast.AST] = set()
        """Parameters that are used as a mask or an index somewhere: no quantities, whatever their dtype."""
        self.kept: set[Begin] = set()
        """The float tensors that are kept, or handed to code that nobody reads, as they began."""
        self._numbers: dict[object, int] = {}
        """By what makes an op one: place, calls that lead there, owner, module."""
        self._args: Args | None = None
        self._places: list[ast.expr | None] = []
        self._receiver: ast.expr | None = None
        """Where the tensor is written whose method is called."""
        self._index: list[Nature] = []
        """The tensors in the index of an item that is written."""
        self._around: tuple[LoopFrame, ...] = ()
        """The loops around the call of an element that is picked in one turn of them."""
        self._picked_in: tuple[LoopFrame, ...] = ()
        """The same, while the call is about to begin."""
        self._last = NOT_KNOWN
        self._scalars: set[object] = set()
        """Keys of parameters that are made of one number."""
        self._attributes: dict[object, Begin] = {}
        """Key of a tensor that a module holds -> where it was put there."""
        self._turned: dict[object, Held] = {}
        """What a variable holds after a turn of a loop, by loop, calls that lead there, and name."""
        self._turning: dict[int, list[tuple[object, str]]] = {}
        self._changed = False

    def follow(self) -> None:
        """Build the model and follow its forward, until nothing changes that loops carry."""
        try:
            self.build(self.make_root())
        except (OutOfSteps, RecursionError):
            self.incomplete = True
        for _ in range(_PASSES):
            del self.met[:], self.returned_values[:]
            self.order.begin_again()
            self._numbers.clear()
            self.kept.clear()
            self._changed = False
            self._set_now.clear()
            for key, nature in self.natures.items():
                if nature.held.made:
                    self.natures[key] = nature._replace(held=nature.held._replace(made=frozenset()))
            self.watch()
            if not self._changed:
                break

    # -- what is followed -------------------------------------------------------------------------

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
        return None

    def loop_causes(self, loop: int) -> Causes:
        return FIXED

    def is_followed(self, frame: Frame) -> bool:
        return True

    def is_left_out(self, function: ast.AST, args: Args) -> bool:
        """What a function does that is called like post-processing is looked at where the model hands it what
        is quantised, or what is still to be: `decode` may be half of an autoencoder."""
        if not super().is_left_out(function, args):
            return False
        name = getattr(function, "name", "")
        if self.assumed or is_hidden(function) or "train" in name:
            return True
        given = [n.held for n in self._operands(args) if n.is_tensor]
        return any(_is_dequantised(held) for held in given) or all(h.quant is Quant.UNKNOWN for h in given)

    def execute(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        if self.phase == "forward":
            target.settle()
            if target.is_module:
                followed = self._followed(target, at, args, node, frame)
                if followed is not None:
                    return followed
        return super().execute(target, at, args, node, frame)

    def _run_inside(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> None:
        """Nothing: `execute` has done it."""

    def _followed(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value | None:
        """What the forward of a child gives, or that of the entries of a Sequential; None for a leaf."""
        if target.cls is not None:
            if not target.built:
                self.build(target)
            own = self.lookup(target.cls, "forward", None)
            if own is not None:
                if not isinstance(own[1], (ast.FunctionDef, ast.AsyncFunctionDef)):
                    return None
                self.ran.add(target.cls.full_name)
                function = Function(own[1], own[0].file, None, own[0])
                receiver: Value = target if not at else Pick(((None, target),), at)
                self.order.enter(len(self.loops), len(self.blocks))
                try:
                    return self.enter(function, args, node, frame, receiver, target)
                finally:
                    self.order.leave()
        if target.items is None or not target.dotted.endswith("Sequential") or not args.positional:
            return None
        if target.items.open:
            return None
        value = args.positional[0].value
        for item in target.items.items:
            value = self._through(item, value, at, node, frame)
        return value

    def _through(self, item: Item, value: Value, at: tuple[At, ...], node: ast.Call, frame: Frame) -> Value:
        """One entry of a Sequential, given what the one before it gave."""
        outer = frame.guard
        frame.guard = both(outer, item.when)
        if not frame.guard:
            return value
        if item.times is not None and varies(item.value, Seq([item])):
            at = (*at, At(("whole", id(item)), running=True))
        # An entry that stands for many is given what the first of them gave, too.
        once = item.times is None or item.times.most == 1
        result = value
        for _ in range(1 if once else 2):
            result = self.call_at(item.value, at, Args([Item(result)], {}, False), node, frame)
        frame.guard = outer
        if item.when == TRUE:
            return result
        return self.choose([(item.when, result), (TRUE, value)])

    def _member(
        self, target: Instance, at: tuple[At, ...], name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        if self.phase == "forward" and name in ("forward", "__call__"):
            followed = self._followed(target, at, args, node, frame)
            if followed is not None:
                return followed
        result = super()._member(target, at, name, args, node, frame)
        if self.phase == "forward" and isinstance(result, Symbol):
            meaning = of_method(target.dotted, name)
            if meaning is not None:
                held = self._op(meaning, self._operands(args), node, frame, name, target, args)
                self._hold(result, held)
        return result

    def call_method_of_value(
        self, receiver: Value, name: str, args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        held = list(receiver.items) if isinstance(receiver, Seq) and name == "pop" else []
        result = super().call_method_of_value(receiver, name, args, node, frame)
        if held and isinstance(result, Symbol) and self.phase == "forward":
            # In a loop: one after the other.
            at = At(("popped", id(node)), self.loop_numbers(), running=True)
            return self.picked(Seq(held), at)
        return result

    def _derived(self, operands: Sequence[Nature]) -> Nature:
        for nature in operands:
            self._keep(nature.held)
        return super()._derived(operands)

    def _keep(self, held: Held) -> None:
        for number in held.made:
            self.met[number].kept = True
        if not held.made:
            self.kept |= held.begins

    def _used_as_number(self, value: Value | None) -> None:
        if isinstance(value, Symbol) and self.nature(value).held.quant in (Quant.QUANTIZED, Quant.FLOAT):
            return
        super()._used_as_number(value)

    def _hold(self, value: Value, held: Held) -> None:
        if isinstance(value, Symbol):
            self.natures[value.key] = self.nature(value)._replace(held=held)

    # -- beginnings ---------------------------------------------------------------------------------

    def _parameter(
        self,
        argument: ast.arg,
        default: ast.expr | None,
        cls: ClassDef,
        method: ast.FunctionDef | ast.AsyncFunctionDef,
        origin: str,
    ) -> Value:
        value = super()._parameter(argument, default, cls, method, origin)
        if origin == "input" and isinstance(value, Symbol):
            self._hold(value, self._of_input(argument, default, cls))
        return value

    def _of_input(self, argument: ast.arg, default: ast.expr | None, cls: ClassDef) -> Held:
        begins = frozenset({Begin(Comes.INPUT, argument.arg, cls.file, argument, cls, "forward", self.cls)})
        written = ast.unparse(argument.annotation) if argument.annotation is not None else ""
        if any(word in written for word in ("LongTensor", "BoolTensor", "IntTensor", "ByteTensor")):
            return Held(Quant.PLAIN, begins)
        if default is not None or NOT_A_QUANTITY.search(argument.arg):
            return NOT_KNOWN
        return QUANTIZED if self.assumed else Held(Quant.FLOAT, begins)

    def nature(self, value: Value) -> Nature:
        nature = super().nature(value)
        if nature.constant and nature.held is NOT_KNOWN:
            begin = self._begin_of_constant(value)
            if begin is not None:
                return nature._replace(held=Held(Quant.FLOAT, frozenset({begin})))
        return nature

    def _begin_of_constant(self, value: Value) -> Begin | None:
        """A parameter, or the weight of a module: always of floating numbers."""
        if isinstance(value, Symbol) and value.text == "parameter":
            return self._attributes.get(value.key)
        receiver = getattr(value, "receiver", None)
        if isinstance(receiver, Instance):
            cls = receiver.creator.cls if receiver.creator is not None else None
            name = f"{self._name_of(receiver)}.{getattr(value, 'name', '')}"
            return Begin(Comes.CONSTANT, name, receiver.file, receiver.node, cls, "__init__", cls)
        return None

    def _name_of(self, module: Instance) -> str:
        owner = module.creator
        if owner is not None:
            for name, item in owner.attrs.items():
                if item.value is module:
                    return f"self.{name}"
        return "self"

    def instance_attribute(self, value: Instance, name: str, frame: Frame) -> Value:
        result = super().instance_attribute(value, name, frame)
        if isinstance(result, Builtin) and self.phase == "forward":
            nature = self.nature(result)
            if nature.constant:  # `self.table.weight`: a tensor like any other
                result = Symbol(self.intern(("weight", value.number, name)), text=name)
                self.natures.setdefault(result.key, nature)
        return result

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        super().set_attribute(value, name, new, frame, node)
        held = self.nature(new).held
        self._keep(held)
        if self.phase == "init" and isinstance(value, Instance) and isinstance(new, Symbol):
            if isinstance(name, Const):
                written = f"self.{name.value}"
                scalar = new.key in self._scalars or any(b.scalar for b in held.begins)
                place = (frame.file, node, frame.cls, frame.name)
                begin = Begin(Comes.CONSTANT, written, *place, value.cls, scalar)
                self._attributes[new.key] = begin
                if held.quant is not Quant.UNKNOWN:
                    nature = self.nature(new)
                    self.natures[new.key] = nature._replace(held=Held(held.quant, frozenset({begin})))

    def call_member(self, target: Instance, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = super().call_member(target, name, args, node, frame)
        if name == "register_buffer" and len(args.positional) > 1:
            first = args.positional[0].value
            item = target.attrs.get(str(first.value)) if isinstance(first, Const) else None
            if item is not None and isinstance(item.value, Symbol):
                held = self.nature(args.positional[1].value).held
                begin = self._attributes.get(item.value.key)
                scalar = any(b.scalar for b in held.begins)
                begins = frozenset({begin._replace(scalar=scalar)}) if begin is not None else held.begins
                self._hold(item.value, Held(held.quant, begins))
        return result

    # -- operations ---------------------------------------------------------------------------------

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
        if self.phase == "init" and isinstance(result, Symbol) and any(n.is_tensor for n in natures):
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
        return result

    def _sliced(self, base: Value, part: ast.Slice, node: ast.Subscript, frame: Frame) -> Value:
        result = super()._sliced(base, part, node, frame)
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
            self._hold(result, held)

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
        result = super().subscript(value, index, node, frame)
        nature = self.nature(value)
        if self.phase != "forward" or not isinstance(result, Symbol):
            return result
        if not isinstance(value, Symbol):
            return result
        if isinstance(index, Const) and isinstance(index.value, str):
            self._hold(result, self._element_of_input(nature.held, index.value))
            if result.key in self.natures and self.nature(result).held.quant is not Quant.UNKNOWN:
                self.natures[result.key] = self.natures[result.key]._replace(what=What.MAYBE)
        elif nature.what is What.TENSOR:
            self._picked(value, result, node, frame)
        else:
            which = index.value if isinstance(index, Const) and type(index.value) is int else None
            self._hold(result, self._element_of_input(nature.held, which))
        return result

    def element_of(self, value: Value, at: At) -> Value:
        result = super().element_of(value, at)
        if self.phase == "forward" and self.nature(value).what is not What.TENSOR:
            self._hold(result, self._element_of_input(self.nature(value).held, None))
        return result

    def _element_of_input(self, held: Held, key: str | int | None) -> Held:
        """`batch["img"]`, `feats[0]`, or `feats[...]` where nobody knows which: an input of its own."""
        inputs = {b for b in held.begins if b.comes is Comes.INPUT}
        if held.made or len(inputs) != 1 or len(held.begins) != 1:
            return held if held.quant is Quant.QUANTIZED or not isinstance(key, str) else NOT_KNOWN
        if isinstance(key, str) and NOT_A_QUANTITY.search(key):
            return held if held.quant is Quant.QUANTIZED else NOT_KNOWN
        (begin,) = inputs
        which = "..." if key is None else f'"{key}"' if isinstance(key, str) else key
        named = begin._replace(name=f"{begin.name}[{which}]")
        return Held(held.quant, frozenset({named}), held.made)

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
        """The last op has changed a tensor: it holds what the op gives, on the paths on which it ran."""
        self._hold(value, self._last if frame.guard == TRUE else joined_held(old.held, self._last))

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
        if self.nature(receiver).is_tensor and result.what is What.UNKNOWN:
            operands = [self.nature(receiver), *self._operands(args)]
            self._op(None, operands, node, frame, f".{name}()", None, args)
        elif name.endswith("_") and not name.startswith("_") and result.what is What.TENSOR:
            self._changed_in_place(receiver, nature, frame)
        return result

    def _of_module(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Nature:
        result = super()._of_module(target, args, node, frame)
        meaning = of_class(target.dotted) if target.cls is None else None
        held = self._op(meaning, self._operands(args), node, frame, "", target, args)
        return result._replace(held=held)

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        self._receiver = None
        member = self.members.get(callee.key)
        if self.phase == "init" and member is not None:
            return self._of_constant(member[0], member[1], args, node, frame)
        result = super()._call_symbol(callee, at, args, node, frame)
        if self.phase == "forward" and callee.key not in self.members:
            self._unfollowed(args, node, frame)
        return result

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        self._args, self._receiver = args, None
        result = super().call_library(dotted, args, node, frame)
        meaning = of_function(dotted)
        if self.phase == "init" and isinstance(result, Symbol) and dotted.endswith(".Parameter"):
            given = [self.nature(i.value) for i in args.positional[:1]]
            if any(b.scalar for n in given for b in n.held.begins):
                self._scalars.add(result.key)
        if self.phase == "init" and isinstance(result, Symbol) and dotted.endswith(".ParameterList"):
            entries = self.entries(args.positional[0].value) if args.positional else None
            keys = [getattr(item.value, "key", None) for item in entries.items] if entries is not None else []
            if entries is not None and not entries.open and keys and self._scalars.issuperset(keys):
                self._scalars.add(result.key)
        if self.phase == "init" and meaning is not None and isinstance(result, Symbol):
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
            return Begin(comes, name, frame.file, node, frame.cls, frame.name, runner, scalar)

        return result_of(self._made(meaning, operands, values, args), begin)

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
        values = [i.value for i in args.positional] if args is not None else []
        held = self._made_of(meaning, operands, values, args, node, frame)
        counting = quantities(meaning, [one for one, _ in given])
        for (one, _), counts in zip(given, counting, strict=True):
            if not counts:
                self.indices |= {b.node for b in one.begins if b.comes is Comes.INPUT}
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
            self.order.ran(op.number, frame.guard, self.loops, len(self.blocks))
        for n, (one, place) in enumerate(given):
            if n < len(op.given):
                op.given[n] = joined(op.given[n], one)
            else:
                op.given.append(one)
                op.places.append(place)
            for number in one.made:
                self.met[number].users[op.number] = None
        op.with_number = op.with_number or any(n.what is What.NUMBER for n in operands)
        first_time = op.result is NOT_KNOWN and op.when == frame.guard
        op.result = held if first_time else joined(op.result, held)
        op.when = either(op.when, frame.guard)
        return held._replace(made=frozenset({op.number}))

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
            self.met.append(raw)
        return self.met[number]

    # -- loops and ends --------------------------------------------------------------------------------

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

    def run(self, body: list[ast.stmt], frame: Frame) -> None:
        if self.phase != "forward":
            super().run(body, frame)
            return
        for node in body:
            if not frame.guard:
                return
            before = len(frame.returns)
            super().run([node], frame)
            if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
                running = {loop.number for loop in self.loops}
                for number in [n for n in self.carried if n not in running]:
                    self._turn(number)
            elif isinstance(node, ast.Return):
                for when, value in frame.returns[before:]:
                    self._given_back(when, value, node, frame)

    def _widen(self, body: list[ast.stmt], loop: LoopFrame, frame: Frame) -> None:
        super()._widen(body, loop, frame)
        if self.phase != "forward":
            return
        way = tuple(id(place.node) for place in self.via)
        for key, name, _ in self.carried.get(loop.number, ()):
            turned = (id(loop.node), way, name)
            self._turning.setdefault(loop.number, []).append((turned, name))
            later = self._turned.get(turned)
            if later is not None:
                nature = self.natures[key]
                self.natures[key] = nature._replace(held=turned_held(nature.held, later))

    def _turn(self, loop: int) -> None:
        """A loop has been followed: what its variables hold after a turn is what the next begins with."""
        turning = {name: turned for turned, name in self._turning.pop(loop, ())}
        for _, name, frame in self.carried.get(loop, ()):
            value = frame.env.get(name)
            if value is None or name not in turning:
                continue
            held = self.nature(value).held._replace(made=frozenset())
            known = self._turned.get(turning[name])
            new = held if known is None else joined_held(known, held)
            if new != known:
                self._turned[turning[name]] = new
                self._changed = True
        self.carry(loop)

    def _given_back(self, when: Condition, value: Value, node: ast.Return, frame: Frame) -> None:
        owner = frame.owner
        is_root = len(self.active) == 1
        if owner is None or (not is_root and not self._is_forward_of(owner, frame)):
            return
        for held in self._tensors_in(value):
            self.returned_values.append(RawReturn(when, node, held, frame.file, None if is_root else owner))
            if is_root:
                for number in held.made:
                    self.met[number].returned = True

    def _is_forward_of(self, owner: Instance, frame: Frame) -> bool:
        """Whether this is the forward that is run where the module is called: not that of a base."""
        if frame.name != "forward" or frame.closure is not None or owner.cls is None:
            return False
        own = self.lookup(owner.cls, "forward", None)
        return own is not None and own[0] is frame.cls

    def _tensors_in(self, value: Value, depth: int = 0) -> Iterator[Held]:
        if depth > 5:
            return
        if isinstance(value, (Choice, Pick)):
            nature = self.nature(value)
            if nature.is_tensor:
                yield nature.held
                return
            for _, option in value.options:
                yield from self._tensors_in(option, depth + 1)
        elif isinstance(value, Seq):
            for item in value.items[:50]:
                yield from self._tensors_in(item.value, depth + 1)
        elif isinstance(value, Mapping):
            for item in [*value.entries.values(), *(i for _, i in value.rest)][:50]:
                yield from self._tensors_in(item.value, depth + 1)
        else:
            nature = self.nature(value)
            if nature.is_tensor:
                yield nature.held


def _is_dequantised(held: Held) -> bool:
    return any(begin.comes is Comes.DEQUANTIZED for begin in held.begins)


def _sides(node: ast.AST) -> list[ast.expr | None]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign):
        return [None, node.value]
    return [None, None]
