"""Watch a forward run: its ops, the loops and branches around them, and its dynamic blocks."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Sequence
from typing import TypeGuard

from qatlint.condition import TRAINING, Condition, is_name, parts_of
from qatlint.horizon.ops import Meaning, Role, of_function
from qatlint.static.carried import carried
from qatlint.static.iteration import Turns
from qatlint.static.leads import CHECKPOINTING
from qatlint.static.machine import Frame, Place, deps_of
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import FIXED, Causes, Nature, What, joined, of_a_kind, united
from qatlint.static.project import Project
from qatlint.static.results import suppresses
from qatlint.static.seen import RawBlock, RawOp, RawRegion
from qatlint.static.source import nodes
from qatlint.static.values import (
    Args,
    Block,
    Choice,
    ClassValue,
    Const,
    Function,
    Index,
    Instance,
    Item,
    LoopFrame,
    Method,
    Pattern,
    Pick,
    Range,
    Seq,
    Symbol,
    Value,
)
from qatlint.static.yielding import Yielding
from qatlint.trace import Varies

Comprehension = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp
Loop = ast.For | ast.AsyncFor | ast.While
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


_MOST_ROUNDS = 3
"""Times that a forward is followed."""


class Watching(Yielding):
    """One class, interpreted for its ops: `ops`, `regions` and `entered` hold what was seen."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        super().__init__(project, cls, opened)
        self.ops: list[RawOp] = []
        self.regions: dict[tuple[int, str], RawRegion] = {}
        self.entered: list[RawBlock] = []
        self._seen: dict[object, int] = {}
        self._bodies: dict[int, RawRegion] = {}
        """By id of a body that is about to run."""
        self._tests: dict[int, tuple[RawRegion, ...]] = {}
        """By id of a test that is about to be made."""
        self._bounds: dict[int, RawRegion] = {}
        """By id of what a loop is about to run over."""
        self._asked: set[int] = set()
        """Loops of which it is being asked what decides about them."""
        self._turned_by: dict[int, RawRegion] = {}
        """Loop number -> region."""
        self._with_statement: ast.With | ast.AsyncWith | None = None
        self._statement: ast.stmt | None = None
        """The one that is running."""
        self._unimported: set[int] = set()
        self._turned: dict[tuple[int, str], Nature] = {}
        """By id of a loop, and variable that it carries: what it holds after a turn, where it begins with
        something else."""
        self._again = False
        self._carrying: dict[Hashable, tuple[int, str]] = {}
        """Key of what a loop carries -> the same."""
        self._suppressing: dict[int, bool] = {}
        """By id of a loop or function: whether it calls non-maximum suppression."""

    def watch(self) -> None:
        """Follow forward again, until what loops carry is known: what begins as a constant may be an op's
        result in the next turn."""
        begun = dict(self.natures)
        for rounds in range(1, _MOST_ROUNDS + 1):
            self._again = False
            found = set(self.found_tensors)
            super().watch()
            # How long an argument is was asked before it was used as a tensor.
            late = self.measured & (self.found_tensors - found) & self.named_inputs.keys()
            if rounds == _MOST_ROUNDS or not (self._again or late) or self.notes:
                return
            self.natures = dict(begun)
            for seen in (self.ops, self.regions, self.entered, self._seen, self._turned_by, self.carried):
                seen.clear()

    def _widen(self, body: list[ast.stmt], loop: LoopFrame, frame: Frame) -> None:
        super()._widen(body, loop, frame)
        for key, name, _ in self.carried.get(loop.number, ()):
            later = self._turned.get((id(loop.node), name))
            if later is not None:
                self.natures[key] = joined(self.natures[key], later)
            self._carrying[key] = (id(loop.node), name)

    def carry(self, loop: int) -> None:
        before_it = [(key, self.natures[key]) for key, _, _ in self.carried.get(loop, ())]
        super().carry(loop)
        for key, before in before_it:
            after = self.natures[key]
            if (before.constant, before.outside, before.plain) != (
                after.constant,
                after.outside,
                after.plain,
            ):
                self._turned[self._carrying[key]] = after
                self._again = True

    # -- ops ------------------------------------------------------------------------------------

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
        if self.supposing or frame.owner is not self.root or self.trains_only(frame.guard):
            return None
        if self.asserting or any(not r.branch and self._suppresses(r.node) for r in self._open):
            return None
        inside = tuple((r, r.at) for r in self._open)
        key = (id(node), written, tuple(id(r) for r, _ in inside), tuple(id(p.node) for p in self.via))
        number = self._seen.get(key)
        tensors = [n for n in operands if n.is_tensor]
        # Of what nobody knows, an op takes it for a tensor: a number would be known, or be the constructor's.
        taken = [n for n in operands if n.is_tensor or n.what is What.UNKNOWN]
        if number is None:
            number = self._seen[key] = len(self.ops)
            place = Place(frame.file, node, frame.cls, frame.name, frame.owner)
            scope = self.blocks[-1] if self.blocks else None
            self.ops.append(
                RawOp(
                    meaning,
                    role,
                    node,
                    place,
                    written,
                    is_module,
                    inside,
                    scope,
                    tuple(self.via),
                    len(taken),
                )
            )
        op = self.ops[number]
        for one in tensors:
            op.inputs |= one.producers
        return number

    def use(self, *operands: Nature) -> None:
        for one in operands:
            for number in one.producers if one.is_tensor else ():
                self.ops[number].read = True

    def is_left_out(self, function: ast.AST, args: Args, frame: Frame) -> bool:
        if super().is_left_out(function, args, frame):
            return True
        return getattr(function, "name", "") != "forward" and self._suppresses(function)

    def _suppresses(self, node: ast.AST) -> bool:
        known = self._suppressing.get(id(node))
        if known is None:
            known = self._suppressing[id(node)] = suppresses(node)
        return known

    def call(self, callee: Value, args: Args, node: ast.Call, frame: Frame) -> Value:
        if self.watching and isinstance(callee, Function) and self.is_followed(frame):
            name = getattr(callee.node, "name", "")
            if CHECKPOINTING in name and callee.closure is None and args.positional:
                self.callbacks(name, args, node, frame)
                return self._unseen(args, frame)
        return super().call(callee, args, node, frame)

    def _call_object(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Value:
        """An object that is no module, but is called like one: its body is a part of the forward."""
        found = self.lookup(target.cls, "__call__", None) if target.cls is not None else None
        if (
            found is None
            or not isinstance(found[1], ast.FunctionDef)
            or not self.watching
            or self.phase != "forward"
            or not self.is_followed(frame)
        ):
            return super()._call_object(target, args, node, frame)
        function = Function(found[1], found[0].file, None, found[0])
        return self.enter(function, args, node, frame, target, frame.owner)

    # -- regions ---------------------------------------------------------------------------------

    def _region(self, node: ast.AST, branch: str, frame: Frame) -> RawRegion:
        known = self.regions.get((id(node), branch))
        if known is None:
            known = self.regions[id(node), branch] = RawRegion(node, branch, frame, self._receiver(frame))
        return known

    def _receiver(self, frame: Frame) -> str:
        """How the code of a function calls the owner."""
        for scope in (frame.env, frame.closure or {}):
            for name, value in scope.items():
                if value is self.root:
                    return name
        return ""

    def loop_causes(self, loop: int) -> Causes:
        region = self._turned_by.get(loop)
        if region is None or loop in self._asked:
            # A list that grows in the loop over it: what it began with decides.
            return FIXED
        self._asked.add(loop)
        try:
            # What a turn fills may be skipped by some turns.
            return united(self.region_causes(region), *map(self.region_causes, region.skips))
        finally:
            self._asked.remove(loop)

    def region_causes(self, region: RawRegion, depth: int = 0) -> Causes:
        """What decides whether, or how often, a region runs."""
        if depth > 4:
            return FIXED
        lengths = united(*(self.length_causes(v) for v in region.over))
        if any(c.varies is Varies.SHAPE for c in lengths) and self._picks_own(region):
            lengths = of_a_kind(lengths)  # a stack with an entry for each of the layers that the class has
        return united(
            *(self.test_causes(a) for a in sorted(region.atoms)),
            lengths,
            *(self.region_causes(r, depth + 1) for r in region.exits),
            self.region_causes(region.of, depth + 1) if region.of and self._counts_turns(region) else FIXED,
        )

    def _counts_turns(self, unbroken: RawRegion) -> bool:
        """Whether the number of turns of a loop says if its `break` is met: `if i > 3: break`."""
        loops = {number for number, region in self._turned_by.items() if region is unbroken.of}
        atoms = {atom for branch in unbroken.exits for atom in branch.atoms}
        tested = [value for atom in atoms if atom in self.tested for value in self.tested[atom][1]]
        return any(loops & deps_of(value) for value in tested)

    def _picks_own(self, region: RawRegion) -> bool:
        """Whether a loop picks a module of the owner in each turn: `self.branches[level]`."""
        node, root = region.node, self.root
        if not isinstance(node, ast.For) or root is None or not region.receiver:
            return False
        counters = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Name):
                held = inner.value
                if inner.slice.id in counters and isinstance(held, ast.Attribute):
                    if isinstance(held.value, ast.Name) and held.value.id == region.receiver:
                        item = root.attrs.get(held.attr)
                        if item is not None and _is_module_list(item.value):
                            return True
        return False

    def run(self, body: list[ast.stmt], frame: Frame) -> None:
        if not self.watching or self.phase != "forward" or frame.owner is not self.root:
            super().run(body, frame)
            return
        region = self._bodies.get(id(body))
        if region is not None:
            self._open.append(region)
            region.body = body
            if not region.branch and self.loops:
                self._turned_by[self.loops[-1].number] = region
        outer = region.at if region is not None else None
        rests: list[RawRegion] = []
        for number, node in enumerate(body, start=1):
            if not frame.guard:
                break
            for one in (*rests, region):
                if one is not None:
                    one.at = node
            before = frame.guard
            self._watch(node, frame)
            if isinstance(node, _COMPOUND) and frame.guard and frame.guard != before:
                rest = self._rest(node, before, frame)
                if rest is not None:
                    rest.beside, rest.body = region, body[number:]
                    rests.append(rest)
                    self._open.append(rest)
        if rests:
            del self._open[-len(rests) :]
        if region is not None:
            region.at = outer
            self._open.pop()

    def _rest(self, node: ast.stmt, before: Condition, frame: Frame) -> RawRegion | None:
        """What follows a statement in which some path returns, or ends the turn of a loop; `before` is the
        guard in front of it. None where no branch says which."""
        atoms = _asked_anew(frame.guard, before)
        deciding: ast.AST | None = node if isinstance(node, ast.If) else None
        case: RawRegion | None = None
        for known in self.regions.values():
            # Of a branch in a branch, or in a loop, the test that decides is to be named.
            if known.branch in ("if", "case") and known.atoms & atoms and not _takes_all(known):
                deciding, case = known.node, known
        if deciding is None:
            return None
        region = self._region(node, "rest", frame)
        region.node, region.behind = deciding, node
        if case is not None:
            region.subject, region.only = case.subject, case.only
        region.atoms |= atoms
        return region

    def _watch(self, node: ast.stmt, frame: Frame) -> None:
        """Run one statement, knowing what it opens."""
        before = self._with_statement, self.asserting, self._statement
        self._statement = node
        self.asserting = isinstance(node, ast.Assert)
        if isinstance(node, ast.If):
            then, other = self._region(node, "if", frame), self._region(node, "else", frame)
            self._bodies[id(node.body)], self._bodies[id(node.orelse)] = then, other
            self._tests[id(node.test)] = (then, other)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            region = self._region(node, "", frame)
            self._bodies[id(node.body)] = region
            if node.orelse:
                unbroken = self._region(node, "unbroken", frame)
                unbroken.exits = region.breaks
                unbroken.of = region
                self._bodies[id(node.orelse)] = unbroken
            if isinstance(node, ast.While):
                self._tests[id(node.test)] = (region,)
            else:
                self._bounds[id(node.iter)] = region
        elif isinstance(node, (ast.Break, ast.Continue, ast.Return)):
            self._leave(frame, node)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            self._with_statement = node
        super().run([node], frame)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            for loop, known in list(self._turned_by.items()):
                if known.node is node:
                    self.carry(loop)
            self._count(node, frame)
        self._with_statement, self.asserting, self._statement = before

    def _count(self, node: Loop, frame: Frame) -> None:
        """A loop is over: what has counted its turns is as fixed as their number."""
        region = self.regions.get((id(node), ""))
        causes = self.region_causes(region) if region is not None else FIXED
        if not causes:
            return
        targets = [n.id for n in nodes(node.target) if isinstance(n, ast.Name)] if _is_for(node) else []
        loops = {number for number, known in self._turned_by.items() if known is region}
        for name in (*carried(node.body), *targets):
            value = frame.env.get(name)
            if isinstance(value, (Index, Symbol)) and deps_of(value) & loops:
                nature = self.nature(value)
                if nature.what is What.NUMBER:
                    counted = frame.env[name] = self.result(Args([], {}, True), frame)
                    self._learn(counted, nature._replace(causes=united(nature.causes, causes)))

    def _leave(self, frame: Frame, node: ast.Break | ast.Continue | ast.Return) -> None:
        """`break`, `continue` or `return`: the branches it stands in decide about the loops around."""
        if self.trains_only(frame.guard):
            return
        branches: list[RawRegion] = []
        for region in reversed(self._open):
            if region.function != frame.name or region.file is not frame.file:
                return
            if region.branch:
                branches.append(region)
                continue
            # The test of a `while` may ask for what a turn does, or skips.
            skips = isinstance(node, ast.Continue) and not isinstance(region.node, ast.While)
            left = region.skips if skips else region.exits
            for branch in branches:
                if branch not in left:
                    left.append(branch)
                if isinstance(node, ast.Break) and branch not in region.breaks:
                    region.breaks.append(branch)
            if not isinstance(node, ast.Return):
                return

    def test(self, node: ast.expr, frame: Frame) -> Condition:
        regions = self._tests.get(id(node), ())
        looped = len(regions) == 1 and isinstance(regions[0].node, ast.While)
        if looped:
            own = self._region(regions[0].node, "test", frame)
            own.exits = [regions[0]]
            self._open.append(own)
        before, self.counting = self.counting, looped
        condition = super().test(node, frame)
        self.counting = before
        if looped:
            self._open.pop()
        for region in regions:
            # What every way to this place has asked already is decided here.
            region.atoms |= _asked_anew(condition, frame.guard)
        return condition

    def entering_case(
        self, node: ast.Match, case: ast.match_case, here: Condition, guard: Condition, frame: Frame
    ) -> None:
        if self.watching and self.phase == "forward" and frame.owner is self.root:
            region = self._region(case.pattern, "case", frame)
            region.subject, region.only = node.subject, case.guard
            region.atoms |= _asked_anew(here, guard)
            self._bodies[id(case.body)] = region

    def side(
        self, node: ast.IfExp, when: Condition, branch: ast.expr, inner: Condition, frame: Frame
    ) -> Value:
        if not self.watching or self.phase != "forward" or frame.owner is not self.root:
            return super().side(node, when, branch, inner, frame)
        region = self._region(node, "either", frame)
        region.atoms |= _asked_anew(when, frame.guard)
        self._open.append(region)
        value = super().side(node, when, branch, inner, frame)
        self._open.pop()
        return value

    def iterate(self, value: Value, node: ast.expr, frame: Frame) -> Turns:
        region = self._bounds.pop(id(node), None)
        if region is not None:
            region.over.append(self.as_now(self.narrow(value, frame.guard)))
        return super().iterate(value, node, frame)

    def comprehend(self, node: Comprehension, frame: Frame) -> Value:
        if not self.watching or self.phase != "forward" or frame.owner is not self.root:
            return super().comprehend(node, frame)
        region = self._region(node, "", frame)
        region.statement = self._statement
        for generator in node.generators:
            self._bounds[id(generator.iter)] = region
            for test in generator.ifs:
                self._tests[id(test)] = (region,)
        self._open.append(region)
        result = super().comprehend(node, frame)
        self._open.pop()
        return result

    def loop_at_once(self, node: ast.AST, turns: Turns, frame: Frame) -> LoopFrame:
        loop = super().loop_at_once(node, turns, frame)
        region = self.regions.get((id(node), ""))
        if region is not None:
            self._turned_by[loop.number] = region
        return loop

    def _many(self, value: Value, args: Args, node: ast.Call, frame: Frame) -> Seq:
        if not self.watching or frame.owner is not self.root:
            return super()._many(value, args, node, frame)
        region = self._region(node, "", frame)
        region.statement = self._statement
        lengths = [i.value for i in args.positional[1:]]
        if not any(not self.length_causes(v) for v in lengths):
            region.over += map(self.as_now, lengths)
        self._open.append(region)
        made = super()._many(value, args, node, frame)
        self._open.pop()
        return made

    # -- blocks -----------------------------------------------------------------------------------

    def call_library(self, dotted: str, args: Args, node: ast.Call, frame: Frame) -> Value:
        if self.watching and dotted in ("builtins.Tracer.dynamic_block", "builtins.dynamic_block"):
            self._unimported.add(id(node))
            return Block(self.block_name(args))
        at = {"builtins.sum": 0, "functools.reduce": 1}.get(dotted, len(args.positional))
        if not self.watching or frame.owner is not self.root or at >= len(args.positional):
            return super().call_library(dotted, args, node, frame)
        return self._gather(dotted, args.positional[at], args, node, frame)

    def _gather(self, dotted: str, over: Item, args: Args, node: ast.Call, frame: Frame) -> Value:
        """`sum(xs)`, `reduce(f, xs)`: something runs for each of `xs`, as in a loop over them."""
        region = self._region(node, "", frame)
        region.over.append(self.as_now(over.value))
        self._open.append(region)
        result = super().call_library(dotted, args, node, frame)
        if dotted == "builtins.sum":
            turns = super().iterate(over.value, node, frame)
            first = (
                turns.values[0][1] if turns.values else turns.element(self.loop_at_once(node, turns, frame))
            )
            added = self.nature(first)
            if added.what is What.TENSOR:  # of an argument nobody knows whether it holds numbers
                made = self._ran(of_function("operator.add"), (added, added), node, frame, "sum")
                self._learn(result, made._replace(producers=frozenset()))
        self._open.pop()
        return result

    def _enter_block(self, value: Value, node: ast.expr, frame: Frame) -> None:
        count = len(self.blocks)
        super()._enter_block(value, node, frame)
        if not self.watching or len(self.blocks) == count or self._with_statement is None:
            return
        if any(known.block.node is node for known in self.entered):
            return
        arguments = node.args if isinstance(node, ast.Call) else []
        keywords = node.keywords if isinstance(node, ast.Call) else []
        name = arguments[1] if len(arguments) > 1 else None
        name = next((k.value for k in keywords if k.arg == "name"), name)
        named = "" if name is None else "literal"
        if name is not None and not _is_literal(name):
            changes = "*" in self.blocks[-1].name or self._names_a_turn(name)
            named = "built" if changes else "constant"
        first = self._first_argument(arguments[0], frame) if arguments else None
        self.entered.append(
            RawBlock(
                self.blocks[-1],
                self._with_statement,
                frame,
                named,
                not arguments or self._may_be_module(arguments[0], first),
                id(node) not in self._unimported,
                tuple(self._open),
                self.blocks[-2] if count else None,
                first is not None and self._is_another_module(first, frame),
            )
        )

    def _names_a_turn(self, name: ast.expr) -> bool:
        """Whether a name is made with the variable of a loop around it."""
        targets = [r.node.target for r in self._open if isinstance(r.node, (ast.For, ast.AsyncFor))]
        counters = {n.id for target in targets for n in nodes(target) if isinstance(n, ast.Name)}
        return any(isinstance(n, ast.Name) and n.id in counters for n in nodes(name))

    def _first_argument(self, node: ast.expr, frame: Frame) -> Value | None:
        """The first argument of a block, where it can be read once more."""
        plain = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.expr_context)
        return self.eval(node, frame) if all(isinstance(part, plain) for part in nodes(node)) else None

    def _is_another_module(self, value: Value, frame: Frame) -> bool:
        """Whether a value is a module, and neither the one whose forward runs nor the one that the method
        belongs to."""
        if isinstance(value, (Choice, Pick)):
            return all(self._is_another_module(option, frame) for _, option in value.options)
        if not isinstance(value, Instance) or not value.is_module:
            return False
        return value is not self.root and value is not frame.owner and value is not frame.me

    def _may_be_module(self, node: ast.expr, value: Value | None) -> bool:
        """Whether the first argument of a block can be a module."""
        if isinstance(node, (ast.Lambda, ast.Constant, ast.List, ast.Tuple, ast.Dict)):
            return False
        if value is None:
            return not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("super", "type"))
        if isinstance(value, Instance):
            return value.is_module
        if isinstance(value, (Const, Function, Method, ClassValue, Seq, Pattern, Range)):
            return False
        return not (self.nature(value).what in (What.TENSOR, What.SHAPE) and not isinstance(value, Choice))


def _is_for(node: Loop) -> TypeGuard[ast.For | ast.AsyncFor]:
    return not isinstance(node, ast.While)


def _is_literal(name: ast.expr) -> bool:
    """A string as it is written, also as an f-string without anything in it."""
    return isinstance(name, ast.Constant) or (
        isinstance(name, ast.JoinedStr) and all(isinstance(part, ast.Constant) for part in name.values)
    )


def _takes_all(region: RawRegion) -> bool:
    """`case _:`, which is what no other `case` took."""
    return isinstance(region.node, ast.MatchAs) and region.node.pattern is None and region.only is None


def _is_module_list(value: Value) -> bool:
    """Whether a value is a list of modules, or one of several."""
    if isinstance(value, Choice):
        return all(_is_module_list(option) for _, option in value.options)
    return isinstance(value, Instance) and value.items is not None


def _asked_anew(condition: Condition, guard: Condition) -> frozenset[int]:
    """The tests that decide about a condition when the model is not in training, without those that every way
    to this place has asked already."""
    kept = [term - {-TRAINING} for term in condition if TRAINING not in term]
    if frozenset() in kept:
        return frozenset()
    asked = [frozenset(abs(x) for x in term) for term in guard]
    known = frozenset.intersection(*asked) if asked else frozenset()
    new = {abs(x) for term in kept for x in term} - known
    # What has led here may be a part of a name, too, where a value was chosen on the way.
    around = frozenset().union(*(parts_of(x) for atoms in asked for x in atoms))
    parts = frozenset().union(*(parts_of(x) for x in new if is_name(x)))
    return frozenset(x for x in new if not is_name(x)) | (parts - around)
