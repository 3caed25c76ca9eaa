"""An interpreter that follows a model through its children, with the quant state of every tensor.

It is a run of its own: what it enters (every child's forward, every plain function) would change how
modules are counted. Work is bounded; what is not followed gives a tensor of unknown state.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from qatlint.condition import TRUE, Condition, both, either, negate
from qatlint.horizon.ops import Meaning, Role, is_stub, of_method
from qatlint.static.beginning import stub_kind
from qatlint.static.calls import NOT_FORWARD
from qatlint.static.cast_like import CastLike
from qatlint.static.comprehensions import Comprehension
from qatlint.static.families import varies
from qatlint.static.held import Held, joined_held, turned_held
from qatlint.static.loosening import late_in, loosened_by
from qatlint.static.machine import Frame, OutOfSteps, Place
from qatlint.static.met import RawHanded, RawReturn
from qatlint.static.natured import is_hidden
from qatlint.static.natures import FIXED, Causes, Nature
from qatlint.static.unfollowed import classes_in, run_by
from qatlint.static.values import (
    Args,
    At,
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
from qatlint.trace import Comes, Loose, Quant

_PASSES = 3
"""How often the model is followed until what its loops carry is known."""


class Quantised(CastLike):
    """One class, followed for its quant states: `met` and `returned_values` hold what was seen."""

    step_limit = 60_000
    soft_limit = 20_000
    calls_limit = 14

    def follow(self) -> None:
        """Build the model and follow its forward, until nothing changes that loops carry."""
        try:
            self.build(self.make_root())
        except (OutOfSteps, RecursionError):
            self.incomplete = True
        for _ in range(_PASSES):
            del self.met[:], self.returned_values[:]
            self.handed.clear()
            self.order.begin_again()
            self._numbers.clear()
            self.kept.clear()
            self._written.clear()
            self._takers.clear()
            self._read.clear()
            self._changed = False
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

    def is_left_out(self, function: ast.AST, args: Args, frame: Frame) -> bool:
        """What a function does that is called like post-processing is looked at where the model hands it what
        is quantised, or what is still to be: `decode` may be half of an autoencoder. One called like training
        may hold the half of a model that runs in training only."""
        name = getattr(function, "name", "")
        if NOT_FORWARD.search(name):
            return True
        if not super().is_left_out(function, args, frame):
            return False
        if "train" in name and not is_hidden(function) and self.trains_only(frame.guard):
            return False
        if self.assumed or is_hidden(function) or "train" in name:
            return True
        given = [n.held for n in self._operands(args) if n.is_tensor]
        return any(_is_dequantised(held) for held in given) or all(h.quant is Quant.UNKNOWN for h in given)

    def enter(
        self,
        callee: Function,
        args: Args,
        node: ast.Call,
        frame: Frame,
        receiver: Value | None,
        owner: Instance | None = None,
    ) -> Value:
        before = self._bound
        if self.phase == "forward" and not self.supposing:
            how = self._loosened(callee)
            if how is not Loose.NO:
                self.order.loosen(how)
            self._note_late(callee)
            self._hand_over(args, node, frame)
        is_running = (id(callee.node), id(receiver) if receiver is not None else 0) in self.active
        result = super().enter(callee, args, node, frame, receiver, owner)
        if self._bound == before and owner is None and self.phase == "forward" and not self.supposing:
            if not NOT_FORWARD.search(getattr(callee.node, "name", "")):  # recursion, or too deep
                self.order.loosen(Loose.UNFOLLOWED)
        if self._bound == before and self.phase == "forward" and not is_running:
            given = [n.held for n in self._operands(args) if n.is_tensor]
            sure = bool(given) and all(h.quant in (Quant.QUANTIZED, Quant.PLAIN) for h in given)
            if not sure and not self.trains_only(frame.guard):
                found = run_by(callee, receiver, args, lambda cls, name: self.lookup(cls, name, None))
                self.unfollowed.update(cls.full_name for cls in found)
        return result

    def _hand_over(self, args: Args, node: ast.Call, frame: Frame) -> None:
        """Note which float tensors a function is given, and where they are written."""
        written = [(item.node, item.value) for item in args.positional if item.times is None]
        written += [(k.value, args.keywords[k.arg]) for k in node.keywords if k.arg in args.keywords]
        for expr, value in written:
            held = self.nature(value).held
            if not isinstance(expr, ast.expr) or not held.begins or held.quant is Quant.PLAIN:
                continue
            owner = frame.owner.number if frame.owner is not None else 0
            key = (id(expr), owner, tuple(id(place.node) for place in self.via))
            known = self.handed.get(key)
            if known is not None:
                held = (turned_held if self._all_loops() else joined_held)(known.held, held)
            when = either(known.when, frame.guard) if known is not None else frame.guard
            place = Place(frame.file, node, frame.cls, frame.name, frame.owner)
            self.handed[key] = RawHanded(expr, held, place, self._all_loops(), tuple(self.via), when)

    def _loosened(self, callee: Function) -> Loose:
        known = self._loosening.get(id(callee.node))
        if known is None:
            known = self._loosening[id(callee.node)] = loosened_by(self.project, callee)
        return known

    def _note_late(self, callee: Function) -> None:
        if id(callee.node) not in self._looked_through:
            self._looked_through.add(id(callee.node))
            self._late |= late_in(callee.node)

    def comprehend(self, node: Comprehension, frame: Frame) -> Value:
        begin = len(self.order.runs)
        made = super().comprehend(node, frame)
        self._run_late(node, begin)
        return made

    def _many(self, value: Value, args: Args, node: ast.Call, frame: Frame) -> Seq:
        begin = len(self.order.runs)
        made = super()._many(value, args, node, frame)
        self._run_late(node, begin)
        return made

    def _run_late(self, node: ast.AST, begin: int) -> None:
        if id(node) in self._late and self.phase == "forward" and not self.supposing:
            self.order.loosen_since(begin, Loose.GENERATED)

    def bind_parameters(self, callee: Function, args: Args, receiver: Value | None, inner: Frame) -> None:
        self._bound += 1
        super().bind_parameters(callee, args, receiver, inner)

    def _unfollowed(self, args: Args, node: ast.Call, frame: Frame) -> None:
        super()._unfollowed(args, node, frame)
        for value in (*(item.value for item in args.positional), *args.keywords.values()):
            self.unfollowed.update(cls.full_name for cls in classes_in(value))

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

    def _call_object(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Value:
        """As its methods are followed, so is a call of the object itself."""
        found = self.lookup(target.cls, "__call__", None) if target.cls is not None else None
        if self.phase == "forward" and found is not None and isinstance(found[1], ast.FunctionDef):
            return self.enter(Function(found[1], found[0].file, None, found[0]), args, node, frame, target)
        return super()._call_object(target, args, node, frame)

    def _run_inside(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> None:
        """Nothing: `execute` has done it."""

    def _followed(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value | None:
        """What the forward of a child gives, or that of the entries of a Sequential; None for a leaf."""
        if target.cls is not None:
            if is_stub(target.dotted):
                return None
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
                    return self.run_forward_of(target, function, args, node, frame, receiver)
                finally:
                    self.order.leave()
        return self._one_after_another(target, at, args, node, frame)

    def run_forward_of(
        self, target: Instance, function: Function, args: Args, node: ast.Call, frame: Frame, receiver: Value
    ) -> Value:
        """Follow the forward of a child; `receiver`: the child as it is called, one of several."""
        return self.enter(function, args, node, frame, receiver, target)

    def _one_after_another(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value | None:
        """What the entries of a Sequential give; None for what is none, or has others."""
        if target.items is None or not target.dotted.endswith("Sequential") or not args.positional:
            return None
        if target.items.open:
            return None
        value = args.positional[0].value
        outer = self._in_container
        around = outer[1] if outer is not None and outer[0] is node else ""
        for number, item in enumerate(target.items.items):
            self._in_container = (node, f"{around}[{number}]")
            value = self._through(item, value, at, node, frame)
        self._in_container = outer
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
        if self.phase == "forward" and name == "super.forward":
            followed = self._one_after_another(target, at, args, node, frame)
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

    def get_attribute(self, value: Value, name: Value, default: Value | None, frame: Frame) -> Value:
        """One of several that a name may mean: nothing is said of tensors where some of them are stubs."""
        found = super().get_attribute(value, name, default, frame)
        if self.phase == "forward" and not isinstance(name, Const) and isinstance(found, Pick):
            if all(position is None for position, _ in found.options):
                kinds = {stub_kind(option) for _, option in found.options}
                return self.unknown(value, name) if len(kinds) > 1 else found
        return found

    # -- loops and ends --------------------------------------------------------------------------------

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
            nature, later = self.natures[key], self._turned.get(turned)
            held = turned_held(nature.held, later) if later is not None else nature.held
            self.natures[key] = nature._replace(held=held._replace(carried=held.carried | {turned}))

    def _turn(self, loop: int) -> None:
        """A loop has been followed: what its variables hold after a turn is what the next begins with."""
        turning = {name: turned for turned, name in self._turning.pop(loop, ())}
        for _, name, frame in self.carried.get(loop, ()):
            value = frame.env.get(name)
            if value is None or name not in turning:
                continue
            held = self.nature(value).held
            for number in held.made:
                self.met[number].users.update(dict.fromkeys(self._takers.get(turning[name], ())))
            held = held._replace(made=frozenset(), carried=frozenset())
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
        for here, held in self._tensors_in(value, when):
            self.returned_values.append(RawReturn(here, node, held, frame.file, None if is_root else owner))
            if is_root:
                for number in held.made:
                    self.met[number].returned = True

    def _is_forward_of(self, owner: Instance, frame: Frame) -> bool:
        """Whether this is the forward that is run where the module is called: not that of a base."""
        if frame.name != "forward" or frame.closure is not None or owner.cls is None:
            return False
        own = self.lookup(owner.cls, "forward", None)
        return own is not None and own[0] is frame.cls

    def _tensors_in(self, value: Value, when: Condition, depth: int = 0) -> Iterator[tuple[Condition, Held]]:
        """The tensors in what is given back, and when each of them is."""
        if depth > 5 or not when:
            return
        if isinstance(value, (Choice, Pick)):
            nature = self.nature(value)
            if nature.is_tensor:
                yield when, nature.held
            elif isinstance(value, Choice):
                for here, option in value.options:
                    yield from self._tensors_in(option, both(when, here), depth + 1)
                    when = both(when, negate(here))
            else:
                for _, option in value.options:
                    yield from self._tensors_in(option, when, depth + 1)
        elif isinstance(value, Seq):
            for item in value.items[:50]:
                yield from self._tensors_in(item.value, both(when, item.when), depth + 1)
        elif isinstance(value, Mapping):
            for item in [*value.entries.values(), *(i for _, i in value.rest)][:50]:
                yield from self._tensors_in(item.value, both(when, item.when), depth + 1)
        else:
            nature = self.nature(value)
            if nature.is_tensor:
                yield when, nature.held


def _is_dequantised(held: Held) -> bool:
    return any(begin.comes is Comes.DEQUANTIZED for begin in held.begins)
