"""Executing modules: what a call of one runs, and noting that it ran."""

from __future__ import annotations

import ast

from qatlint.condition import TRUE, Condition, both
from qatlint.static.attributes import NO_MODULE
from qatlint.static.families import varies
from qatlint.static.machine import Frame, RawCall, deps_of
from qatlint.static.objects import Objects
from qatlint.static.values import (
    Args,
    At,
    Choice,
    Function,
    Instance,
    Item,
    LoopFrame,
    Method,
    Partial,
    Pick,
    Seq,
    Slice,
    Symbol,
    Value,
)

PLAIN = frozenset(
    "builtins math numpy np operator os re warnings logging itertools cv2 PIL scipy onnxruntime tensorrt "
    "tensorflow openvino".split()
)
"""Libraries in which nothing makes or runs a module."""


class Execution(Objects):
    """`execute`, `record`, and calls of what is given to other code."""

    def execute(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """`module(...)`."""
        if not target.is_module:
            return self._call_object(target, args, node, frame)
        if self.phase != "forward":
            return self.result(args, frame)
        self.record(target, at, node, node.func, frame, "forward")
        self._run_inside(target, at, args, node, frame)
        return self.result(args, frame)

    def _call_object(self, target: Instance, args: Args, node: ast.Call, frame: Frame) -> Value:
        if target.cls is not None:
            found = self.lookup(target.cls, "__call__", None)
            if found is not None and isinstance(found[1], (ast.FunctionDef, ast.AsyncFunctionDef)):
                if self.phase == "init" or target.foreign or self.any_may_run(args):
                    return self.enter(
                        Function(found[1], found[0].file, None, found[0]), args, node, frame, target
                    )
        if self.phase == "init":
            return self.made("object", node, frame)
        return self.result(args, frame)

    def _run_inside(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> None:
        """What a call of a module executes besides the module itself, as far as it is ours."""
        opened = target.number in self.opened
        if target.pending is not None and not opened and not self.any_may_run(args):
            return
        if target.cls is not None and not target.built and (target.foreign or opened):
            self.build(target)
        own_forward = None
        if target.cls is not None:
            own_forward = self.lookup(target.cls, "forward", None)
        if own_forward is None:
            if target.items is not None and target.dotted.endswith("Sequential"):
                for item in target.items.items:
                    self._run_entry(item, at, node, frame, target.transient)
            return
        ours = target.foreign or opened or target is self.root
        if not ours and not self.any_may_run(args):
            return
        if not isinstance(own_forward[1], (ast.FunctionDef, ast.AsyncFunctionDef)):
            return
        function = Function(own_forward[1], own_forward[0].file, None, own_forward[0])
        if own_forward[1].decorator_list:
            function = self.decorated(function)
        receiver: Value = target if not at else Pick(((None, target),), at)
        self.enter(function, args, node, frame, receiver, target)

    def _run_entry(self, item: Item, at: tuple[At, ...], node: ast.Call, frame: Frame, made: bool) -> None:
        """An entry of a Sequential that is called; `made` in forward."""
        outer = frame.guard
        frame.guard = both(outer, item.when)
        if frame.guard:
            for when, value in self.options(item.value, TRUE):
                inner = frame.guard
                frame.guard = both(inner, when)
                if frame.guard and _is_entry(value):
                    assert isinstance(value, (Instance, Symbol))
                    inside, around = at, len(self.loops)
                    if item.times is not None and varies(value, Seq([item])):
                        whole = value.number if isinstance(value, Instance) else value.key
                        inside = (*at, At(("whole", whole), running=True))
                    elif item.times is not None:
                        # One instance put there again and again: the container runs it as often.
                        over = item.node or node
                        turns = (item.times, True, over, item.given)
                        self.loops.append(LoopFrame(next(self.numbers), node, frame.file, *turns))
                    # A container that forward makes, or cuts out of another, is no module of the model: its
                    # entries are what is called.
                    self.record(value, inside, node, node.func, frame, "forward", implied=not made)
                    if isinstance(value, Instance):
                        self._run_inside(value, inside, Args([], {}, True), node, frame)
                    del self.loops[around:]
                frame.guard = inner
        frame.guard = outer

    def record(
        self,
        target: Instance | Symbol,
        at: tuple[At, ...],
        node: ast.AST,
        callee: ast.AST,
        frame: Frame,
        method: str,
        implied: bool = False,
    ) -> None:
        """Note one execution of a module, if it is the root's business."""
        if self.phase != "forward" or (isinstance(target, Instance) and target.transient):
            return
        if isinstance(target, Symbol) and self.is_function(target, frame.guard):
            return
        if self.supposing:
            if isinstance(target, Instance):
                self.touched.setdefault(target.number, "run where other arguments are given")
            return
        if frame.owner is not None and frame.owner is not self.root:
            creator = target.creator
            if creator is not self.root and (creator is None or creator.number not in self.opened):
                return
        deps: frozenset[int] = deps_of(target) if isinstance(target, Symbol) else frozenset()
        for one in at:
            deps |= one.deps if one.turns is None else one.deps - {one.turns.loop}
        loops = tuple(loop for loop in self.loops if loop.turns or loop.number not in deps)
        guard, known = frame.guard, self.chosen_by_existence
        self.chosen_by_existence = None
        if known is not None and known[0] is target:
            guard = known[1]
        scope = self.blocks[-1] if self.blocks else None
        self.calls.append(
            RawCall(target, at, node, callee, frame, guard, loops, method, implied, tuple(self.via), scope)
        )

    def is_function(self, target: Symbol, guard: Condition) -> bool:
        """Whether something called is known to be no module, since it was asked for."""
        atom = self.atom_keys.get(("isinstance", target.key, "torch.nn.Module"))
        return atom is not None and all(-atom in term for term in guard)

    def _call_symbol(
        self, callee: Symbol, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        """Call something unknown."""
        if self.phase == "init":
            for value in [i.value for i in args.positional] + list(args.keywords.values()):
                self.escape(value, callee.text)
            made = self.made(callee.text, node, frame)
            if callee.callable_hint == "function":
                made.made = False
            return made
        if self.phase == "forward":
            if callee.origin == "config" and callee.callable_hint not in NO_MODULE:
                called: ast.expr = node.func
                if isinstance(called, ast.Attribute) and called.attr == "forward":
                    called = called.value
                self.record(callee, at, node, called, frame, "forward")
            self.callbacks(callee.text or "", args, node, frame)
            return self.result(args, frame)
        return self.unknown(key=None)

    def callbacks(self, name: str, args: Args, node: ast.Call, frame: Frame) -> None:
        """Code that is not read was given functions of ours: it is assumed to call them.

        `checkpoint(self.block, x)` calls once, `multi_apply(self.forward_single, xs)` and `map` once
        per element, anything else perhaps.
        """
        last = name.rpartition(".")[2]
        values = [i.value for i in args.positional] + list(args.keywords.values())
        rest = Args([], {}, True)
        for i, value in enumerate(values):
            if not isinstance(value, (Method, Function, Instance, Partial, Pick, Choice, Symbol, Seq, Slice)):
                continue
            if isinstance(value, (Seq, Slice)):
                if "checkpoint_seq" in last and i == 0:
                    self._each(value, rest, node, frame)
                else:
                    self.escape(value, last)
                    self._handed_on(self.modules_in(value), name)
                continue
            if isinstance(value, Symbol) and not value.made:
                continue
            if "checkpoint_seq" in last and i == 0:
                self._each(value, rest, node, frame)
            elif "checkpoint" in last or last in ("cp", "ckpt", "save_memory"):
                if i == 0:
                    self.call(value, Args(args.positional[1:], {}, True), node, frame)
            elif last in ("multi_apply", "map", "tree_map", "parallel_apply", "vmap", "apply_to_each"):
                if i == 0:
                    self._many(value, args, node, frame)
            elif isinstance(value, (Method, Function, Partial)):
                outer = frame.guard
                frame.guard, before = both(outer, self.fresh(node)), len(self.calls)
                self.call(value, rest, node, frame)
                frame.guard = outer
                ran = [call.target for call in self.calls[before:]]
                self._handed_on([t.number for t in ran if isinstance(t, Instance)], name)
            else:
                self.escape(value, last)
                self._handed_on(self.modules_in(value), name)

    def _each(self, value: Value, args: Args, node: ast.Call, frame: Frame) -> None:
        """Every element of `value` is called once."""
        turns = self.iterate(value, node.args[0] if node.args else node, frame)
        if turns.values is not None:
            for when, one in turns.values:
                outer = frame.guard
                frame.guard = both(outer, when)
                if frame.guard:
                    self.call(one, args, node, frame)
                frame.guard = outer
            return
        loop = self.loop_at_once(node, turns, frame)
        self.loops.append(loop)
        self.call(turns.element(loop), args, node, frame)
        self.loops.pop()

    def _many(self, value: Value, args: Args, node: ast.Call, frame: Frame) -> Seq:
        """`value` is called once per element of the other arguments: what it gives."""
        made = Seq([], "iterator", loops=self.loop_base | self.loop_numbers())
        rest = args.positional[1:]
        turns = [self.iterate(i.value, i.node if isinstance(i.node, ast.expr) else node, frame) for i in rest]
        if not turns:
            self.call(value, Args([], {}, True), node, frame)
            made.open = True
            return made
        joined = self._over_zip(turns)
        if joined.values is not None and self.may_unroll(len(joined.values), node):
            loop = LoopFrame(next(self.numbers), node, frame.file, joined.times, True, joined.over)
            loop.turns = len(joined.values)
            self.loops.append(loop)
            for _, row in joined.values:
                assert isinstance(row, Seq)
                self.add(made, self.call(value, Args(list(row.items), {}, False), node, frame), frame, node)
            self.loops.pop()
            return made
        loop = self.loop_at_once(node, joined, frame)
        self.loops.append(loop)
        row = joined.element(loop)
        assert isinstance(row, Seq)
        self.add(made, self.call(value, Args(list(row.items), {}, False), node, frame), frame, node)
        self.loops.pop()
        return made

    def _handed_on(self, modules: list[int], name: str) -> None:
        """A function of which nobody knows how often it runs what forward hands it got these."""
        library, _, _ = name.partition(".")
        if not self.supposing and library not in PLAIN:
            for module in modules:
                self.handed_on.setdefault(module, name.rpartition(".")[2])

    def escape(self, value: Value, where: str) -> None:
        """A module was handed to code that is not read."""
        for module in self.modules_in(value):
            self.touched.setdefault(module, f"handed to `{where}`")

    def modules_in(self, value: Value, depth: int = 0) -> list[int]:
        """Numbers of the module instances in a value."""
        if isinstance(value, Instance):
            inner = [value.number] if value.is_module else []
            if value.items is not None and depth < 3:
                for item in value.items.items[:20]:
                    inner += self.modules_in(item.value, depth + 1)
            return inner
        if isinstance(value, (Choice, Pick)):
            return [n for _, v in value.options for n in self.modules_in(v, depth + 1)] if depth < 4 else []
        if isinstance(value, Seq):
            return (
                [n for i in value.items[:20] for n in self.modules_in(i.value, depth + 1)]
                if depth < 4
                else []
            )
        if isinstance(value, Slice):
            return self.modules_in(value.base, depth + 1)
        return []


def _is_entry(value: Value) -> bool:
    """Whether an entry of a Sequential is known as an object; that it is a module, its place there says."""
    if isinstance(value, Symbol):
        return value.made or value.origin == "config"
    return isinstance(value, Instance) and value.is_module
