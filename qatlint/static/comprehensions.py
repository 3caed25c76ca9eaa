"""Comprehensions: loops that fill a list or a dict."""

from __future__ import annotations

import ast

from qatlint.condition import both
from qatlint.static.iteration import Iteration
from qatlint.static.machine import Frame
from qatlint.static.values import (
    Item,
    LoopFrame,
    Mapping,
    Seq,
    Value,
)
from qatlint.trace import Times

Comprehension = ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp


class Comprehensions(Iteration):
    """`comprehend`."""

    def comprehend(self, node: Comprehension, frame: Frame) -> Value:
        """The list (or dict) a comprehension makes."""
        env = frame.env
        frame.env = dict(env)
        made: Seq | Mapping
        if isinstance(node, ast.DictComp):
            made = Mapping()
        else:
            made = Seq([], "list", loops=self.loop_base | self.loop_numbers())
        outer = frame.guard
        self._level(node, 0, made, frame)
        frame.env = env
        frame.guard = outer
        return made

    def _level(self, node: Comprehension, level: int, made: Seq | Mapping, frame: Frame) -> None:
        """Go through the loops of a comprehension from this one on, the outermost being 0."""
        # No closures that call each other: each would be a cycle that holds all it refers to, and nobody
        # looks for such garbage before trees are let go of.
        if level == len(node.generators):
            self._collect(node, made, frame)
            return
        generator = node.generators[level]
        turns = self.iterate(self.eval(generator.iter, frame), generator.iter, frame)
        start = frame.guard
        if turns.values is not None and self.may_unroll(len(turns.values), node):
            loop = LoopFrame(
                next(self.numbers),
                node,
                frame.file,
                Times(len(turns.values), len(turns.values)),
                True,
                turns.over,
                turns.given,
            )
            loop.turns = len(turns.values)
            self.loops.append(loop)
            self.unrolled *= max(len(turns.values), 1)
            for loop.turn, (when, value) in enumerate(turns.values):
                frame.guard = both(start, when)
                self._comprehend_turn(node, level, value, made, frame)
            self.unrolled //= max(len(turns.values), 1)
        else:
            loop = self.loop_at_once(node, turns, frame)
            self.loops.append(loop)
            self._comprehend_turn(node, level, turns.element(loop), made, frame)
        self.loops.pop()
        frame.guard = start

    def _comprehend_turn(
        self, node: Comprehension, level: int, value: Value, made: Seq | Mapping, frame: Frame
    ) -> None:
        if not frame.guard:
            return
        self.step()
        generator = node.generators[level]
        self.assign(generator.target, value, frame, generator.iter)
        for test in generator.ifs:
            frame.guard = both(frame.guard, self.test(test, frame))
            if not frame.guard:
                return
        self._level(node, level + 1, made, frame)

    def _collect(self, node: Comprehension, made: Seq | Mapping, frame: Frame) -> None:
        if isinstance(node, ast.DictComp):
            key = self.eval(node.key, frame)
            item = Item(self.eval(node.value, frame), frame.guard, node=node.value, file=frame.file)
            assert isinstance(made, Mapping)
            self.put(made, key, item)
            return
        assert isinstance(made, Seq)
        self.add(made, self.eval(node.elt, frame), frame, node.elt)
