"""An interpreter that knows where quantisation begins: which tensors are float, and since when."""

from __future__ import annotations

import ast
import re
from collections.abc import Hashable, Sequence

from qatlint.condition import TRUE, Condition, either
from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import of_function
from qatlint.static.computed import FIXED_FACTS
from qatlint.static.held import NOT_KNOWN, QUANTIZED, Begin, Held
from qatlint.static.machine import Frame
from qatlint.static.met import RawHanded, RawQuant, RawReturn
from qatlint.static.modulefile import ClassDef
from qatlint.static.natured import Natured
from qatlint.static.natures import UNPROVEN, Nature, What
from qatlint.static.order import Order
from qatlint.static.project import Project
from qatlint.static.quantities import NOT_A_QUANTITY, TRUTHS
from qatlint.static.values import (
    NO_LOOPS,
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
from qatlint.trace import Comes, Kind, Loose, Quant, Times

MAKING = ("init", "global")
"""Phases in which constants are made: by a constructor, or beside classes and functions."""


_SETTINGS = re.compile(r"(^|_)(cfg|conf|config|opts?|options?|args|kwargs|h?params?|settings?|context|ctx)$")
"""Names of arguments whose attributes are numbers that somebody set."""


class Beginning(Natured):
    """Inputs, elements of inputs, parameters, buffers and weights."""

    def __init__(
        self, project: Project, cls: ClassDef, assumed: bool, floats: frozenset[str] = frozenset()
    ) -> None:
        """`assumed`: take the inputs for quantised, but for these arguments."""
        super().__init__(project, cls)
        self.assumed = assumed
        self.floats = floats
        self.met: list[RawQuant] = []
        self.order = Order()
        self._is_read_again = False
        """Whether an expression is looked at that has run before."""
        self.returned_values: list[RawReturn] = []
        self.handed: dict[tuple[object, ...], RawHanded] = {}
        """By argument, module that calls, and calls that lead there."""
        self.ran = {cls.full_name}
        """The classes whose forward was followed."""
        self.unfollowed: set[str] = set()
        """The classes of the modules that code may run which is not followed."""
        self._bound = 0
        """How many functions have been entered."""
        self._loosening: dict[int, Loose] = {}
        """What a call of a function leaves open, by its node."""
        self._late: set[int] = set()
        """Generator expressions and the like that do not run where they stand, by `id`."""
        self._looked_through: set[int] = set()
        """The functions that were searched for them."""
        self.indices: set[tuple[ast.AST, str]] = set()
        """Parameters, and entries of them, that are used as a mask or an index somewhere: no quantities,
        whatever their dtype."""
        self.modes: dict[int, str] = {}
        """Atoms that hold in a mode of the model: which one."""
        self.quantities: set[tuple[ast.AST, str]] = set()
        """Those that are called masks and are added to numbers."""
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
        self._in_container: tuple[ast.AST, str] | None = None
        """The call of a container whose entries run, and which of them does: `[2]`."""
        self._last = NOT_KNOWN
        self._parameters_in: set[object] = set()
        """Keys of what holds several parameters."""
        self._scalars: set[object] = set()
        """Keys of parameters that are made of one number."""
        self._attributes: dict[object, Begin] = {}
        """Key of a tensor that a module holds -> where it was put there."""
        self._written: dict[Hashable, tuple[Condition, Held]] = {}
        """Key of a tensor -> when it was written to so far, on some paths, and what it holds then."""
        self._turned: dict[object, Held] = {}
        """What a variable holds after a turn of a loop, by loop, calls that lead there, and name."""
        self._takers: dict[object, set[int]] = {}
        """The ops that take what a variable was given in the turn before, by the same."""
        self._turning: dict[int, list[tuple[object, str]]] = {}
        self._changed = False

    def _derived(self, operands: Sequence[Nature], when: Condition) -> Nature:
        for nature in operands:
            self._keep(nature.held, when)
        return super()._derived(operands, when)

    def _keep(self, held: Held, when: Condition) -> None:
        for number in held.made:
            self.met[number].kept = either(self.met[number].kept, when)
        if not held.made:
            self.kept |= held.begins

    def _used_as_number(self, value: Value | None) -> None:
        if isinstance(value, Symbol) and self.nature(value).held.quant in (Quant.QUANTIZED, Quant.FLOAT):
            return
        super()._used_as_number(value)

    def _hold(self, value: Value, held: Held) -> None:
        if isinstance(value, Symbol):
            self.natures[value.key] = self.nature(value)._replace(held=held)

    def _parameter(
        self,
        argument: ast.arg,
        default: ast.expr | None,
        function: Function,
        origin: str,
    ) -> Value:
        value = super()._parameter(argument, default, function, origin)
        if origin == "input" and isinstance(value, Symbol):
            self._hold(value, self._of_input(argument, default, function))
        return value

    def bind_parameters(self, callee: Function, args: Args, receiver: Value | None, inner: Frame) -> None:
        super().bind_parameters(callee, args, receiver, inner)
        if self.phase == "forward":
            self._bind_spread(callee, args, receiver, inner)
        if self.phase == "forward" and len(self.active) == 1 and receiver is self.root:
            # What the root is given: `*inputs`, `**batch`.
            for argument in (callee.node.args.vararg, callee.node.args.kwarg):
                if argument is not None:
                    many = Symbol(self.intern(("inputs", argument.arg)), origin="input", text=argument.arg)
                    self.natures.setdefault(many.key, Nature(What.MANY, UNPROVEN))
                    self._hold(many, self._of_input(argument, None, callee))
                    inner.env[argument.arg] = many

    def _bind_spread(self, callee: Function, args: Args, receiver: Value | None, inner: Frame) -> None:
        """`self.core(*feats)`: each parameter is what an entry is of a list of unknown length."""
        many = next((n for n, i in enumerate(args.positional) if i.times is not None or -1 in i.loops), None)
        if many is None:
            return
        spec = callee.node.args
        names = [a.arg for a in (*spec.posonlyargs, *spec.args)]
        needed = names[: len(names) - len(spec.defaults)]
        element = self.nature(args.positional[many].value)
        for name in needed[many + (receiver is not None) :]:
            value = inner.env.get(name)
            if isinstance(value, Symbol) and name not in args.keywords and element.is_tensor:
                self.natures[value.key] = element

    def _symbol_attribute(self, value: Symbol, name: str) -> Value:
        result = super()._symbol_attribute(value, name)
        if self.phase == "forward" and isinstance(result, Symbol) and not _is_of_tensors(name):
            nature = self.nature(value)
            may_be_one = nature.what in (What.MAYBE, What.UNKNOWN, What.MANY) and not nature.held.made
            if may_be_one and not any(_SETTINGS.search(b.name) for b in nature.held.begins):
                self._be_element(result, self._element_of_input(nature.held, name, "."))
        return result

    def _be_element(self, value: Symbol, held: Held) -> None:
        """It is an element of an input, a tensor as far as anybody knows."""
        if held.quant is not Quant.UNKNOWN:
            self._hold(value, held)
            self.natures[value.key] = self.natures[value.key]._replace(what=What.MAYBE)

    def _of_input(self, argument: ast.arg, default: ast.expr | None, function: Function) -> Held:
        cls, file = function.cls or self.cls, function.file
        begins = frozenset({Begin(Comes.INPUT, argument.arg, file, argument, cls, "forward", self.cls)})
        written = ast.unparse(argument.annotation) if argument.annotation is not None else ""
        if any(word in written for word in ("LongTensor", "BoolTensor", "IntTensor", "ByteTensor")):
            return Held(Quant.PLAIN, begins)
        if default is None and TRUTHS.search(argument.arg) and not self.assumed:
            return Held(Quant.PLAIN, begins)
        if default is not None or NOT_A_QUANTITY.search(argument.arg):
            return NOT_KNOWN
        return QUANTIZED if self.assumed and argument.arg not in self.floats else Held(Quant.FLOAT, begins)

    def nature(self, value: Value) -> Nature:
        if isinstance(value, Choice):
            value = self._as_tensor(value)
        nature = super().nature(value)
        if nature.constant and nature.held is NOT_KNOWN:
            begin = self._begin_of_constant(value)
            if begin is not None:
                return nature._replace(held=Held(Quant.FLOAT, frozenset({begin})))
        return nature

    def _as_tensor(self, value: Choice) -> Value:
        """What is a list on some paths and a tensor on others (`if isinstance(x, list)`): the tensor, where
        one is asked for."""
        kept = tuple((w, v) for w, v in value.options if not isinstance(v, (Seq, Mapping)))
        if not kept or len(kept) == len(value.options):
            return value
        return Choice(kept) if any(self.nature(v).is_tensor for _, v in kept) else value

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
        if isinstance(result, Choice) and self.phase == "forward":
            # Without the stub it is the float model, which nobody compiles.
            stubs = [option for _, option in result.options if _is_stub(option)]
            if len(stubs) == 1 and all(_is_stub(o) or _is_no_op(o) for _, o in result.options):
                return stubs[0]
        if isinstance(result, Builtin) and self.phase == "forward":
            nature = self.nature(result)
            if nature.constant:  # `self.table.weight`: a tensor like any other
                result = Symbol(self.intern(("weight", value.number, name)), text=name)
                self.natures.setdefault(result.key, nature)
        return result

    def set_attribute(self, value: Value, name: Value, new: Value, frame: Frame, node: ast.AST) -> None:
        super().set_attribute(value, name, new, frame, node)
        held = self.nature(new).held
        self._keep(held, frame.guard)
        if self.phase in MAKING and isinstance(value, Instance) and isinstance(new, Symbol):
            if isinstance(name, Const):
                written = f"self.{name.value}"
                scalar = new.key in self._scalars or any(b.scalar for b in held.begins)
                place = (frame.file, node, frame.cls, frame.name)
                begin = Begin(Comes.CONSTANT, written, *place, value.cls, scalar, _is_row(held))
                self._attributes[new.key] = begin
                if held.quant is not Quant.UNKNOWN:
                    nature = self.nature(new)
                    self.natures[new.key] = nature._replace(held=Held(held.quant, frozenset({begin})))

    def call_member(self, target: Instance, name: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        result = super().call_member(target, name, args, node, frame)
        if name in ("register_buffer", "register_parameter") and len(args.positional) > 1:
            first = args.positional[0].value
            item = target.attrs.get(str(first.value)) if isinstance(first, Const) else None
            if item is not None and isinstance(item.value, Symbol):
                given = args.positional[1].value
                held = self.nature(given).held
                if isinstance(given, Symbol) and given.text == "parameter":
                    held = held._replace(quant=Quant.FLOAT)
                if held.quant is Quant.UNKNOWN:
                    return result
                begin = self._attributes.get(item.value.key)
                scalar = getattr(given, "key", None) in self._scalars or any(b.scalar for b in held.begins)
                if begin is not None:
                    begin = begin._replace(scalar=scalar, vector=_is_row(held))
                begins = frozenset({begin}) if begin is not None else held.begins
                self._hold(item.value, Held(held.quant, begins))
        return result

    def element_of(self, value: Value, at: At) -> Value:
        result = super().element_of(value, at)
        if self.phase in MAKING and self.nature(value).constant:
            # `ys, xs = torch.meshgrid(...)`
            for _, part in result.options if isinstance(result, Pick) else ((None, result),):
                if isinstance(part, Symbol):
                    self.natures.setdefault(part.key, self.nature(value))
        if self.phase == "forward" and self.nature(value).what is not What.TENSOR:
            self._hold(result, self._element_of_input(self.nature(value).held, None))
        return result

    def handed_entries(self, value: Value, node: ast.Starred) -> list[Item]:
        """Tensors like any other element of the input: as many as there are."""
        held = self.nature(value).held
        if self.phase != "forward" or not isinstance(value, Symbol) or not held.begins:
            return []
        one = self.element_of(value, At(("whole", value.key), running=True))
        self._hold(one, self._element_of_input(held, None))
        if isinstance(one, Symbol):
            self.natures[one.key] = self.natures[one.key]._replace(what=What.MAYBE)
        return [Item(one, TRUE, Times(0, None), NO_LOOPS)]

    def _element_of_input(self, held: Held, key: str | int | None, sign: str = "[") -> Held:
        """`batch["img"]`, `batch.img`, `feats[0]`, or `feats[...]` where nobody knows which: an input of its
        own."""
        inputs = {b for b in held.begins if b.comes is Comes.INPUT}
        if isinstance(key, str) and NOT_A_QUANTITY.search(key) and _is_assumed(held):
            return NOT_KNOWN  # an input that is only taken for quantised: `x.indices`, `kwargs["img_metas"]`
        if held.made or len(inputs) != 1 or len(held.begins) != 1:
            return held if held.quant is Quant.QUANTIZED or not isinstance(key, str) else NOT_KNOWN
        (begin,) = inputs
        which = "..." if key is None else f'"{key}"' if isinstance(key, str) else key
        named = begin._replace(name=f"{begin.name}.{key}" if sign == "." else f"{begin.name}[{which}]")
        if isinstance(key, str) and NOT_A_QUANTITY.search(key):
            is_truth = TRUTHS.search(key) and held.quant is Quant.FLOAT
            truth = Held(Quant.PLAIN, frozenset({named}))
            return held if held.quant is Quant.QUANTIZED else truth if is_truth else NOT_KNOWN
        return Held(held.quant, frozenset({named}), held.made)


def _is_of_tensors(name: str) -> bool:
    """Whether tensors have it, or dicts and lists: `x.shape`, `batch.items`."""
    if name in FIXED_FACTS or name in ("shape", "is_quantized", "is_sparse", "names"):
        return True
    return of_function(f"torch.Tensor.{name}") is not None or any(
        hasattr(kind, name) for kind in (dict, list)
    )


def stub_kind(value: Value) -> Kind | None:
    """Which kind of stub a value is; None for another."""
    kind = facts_of(value.dotted).kind if isinstance(value, Instance) else None
    return kind if kind in (Kind.QUANT_STUB, Kind.DEQUANT_STUB) else None


def _is_stub(value: Value) -> bool:
    return stub_kind(value) is not None


def _is_no_op(value: Value) -> bool:
    """`nn.Identity()`, or None."""
    if isinstance(value, Const):
        return value.value is None
    return isinstance(value, Instance) and value.cls is None and value.dotted.endswith(".Identity")


def _is_row(held: Held) -> bool:
    return bool(held.begins) and all(begin.vector for begin in held.begins)


def _is_assumed(held: Held) -> bool:
    """Whether it is quantised only since inputs are taken for it: nothing made it."""
    return held.quant is Quant.QUANTIZED and not held.made and not held.begins
