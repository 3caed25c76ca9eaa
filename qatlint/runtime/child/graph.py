"""What was recorded as a `torch.fx.Graph`, for those who like to walk one."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from torch.fx import Graph, Node

from qatlint.runtime.child.steps import Ref, Step


def build(steps: Sequence[Step]) -> Graph:
    """One node per op, with the op's fields in `meta`, `file`, `line` and `function` of its
    place, `dtype` and `shape` of what it gives.

    Inputs are placeholders, constants `get_attr`, leaf modules `call_module`. A method of a module is a
    `call_method` on a `get_attr` of the module, as the toolchain writes it; so is a method of Tensor that
    torch has written in Python. An op that gives several tensors is followed by a `getitem` for each one
    that is used. These helping nodes have no `number`.
    """
    return _Builder(steps).graph


class _Builder:
    def __init__(self, steps: Sequence[Step]) -> None:
        self.graph = Graph()
        self._steps = steps
        self._nodes: dict[int, Node] = {}
        self._items: dict[tuple[int, int], Node] = {}
        for wanted in (True, False):  # placeholders stand first in any graph
            for step in steps:
                if (step.op.kind == "input") is wanted:
                    self._nodes[step.op.number] = node = self._node(step)
                    node.meta.update(_meta(step))

    def _node(self, step: Step) -> Node:
        op = step.op
        if op.kind == "input":
            return self.graph.placeholder(_identifier(op.target))
        if op.kind == "constant":
            target = op.target or f"_constant_{op.number}"
            return self.graph.create_node("get_attr", target)
        args, kwargs = self._arguments(step.args), self._arguments(step.kwargs)
        if op.kind == "output":
            return self.graph.create_node("output", "output", args)
        if op.kind == "module":
            return self.graph.create_node("call_module", step.callee, args, kwargs)
        if op.kind == "method":
            module = self.graph.create_node("get_attr", op.module)
            return self.graph.create_node("call_method", step.callee, (module, *args), kwargs)
        if getattr(step.callee, "__module__", None) == "torch._tensor":
            # Written in Python: code that is made of the graph could not name it as a function of torch.
            return self.graph.create_node("call_method", step.callee.__name__, args, kwargs)
        return self.graph.create_node("call_function", step.callee, args, kwargs)

    def _arguments(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return self._tensor(value.op, value.position)
        if isinstance(value, (list, tuple)):
            return type(value)([self._arguments(v) for v in value])
        if isinstance(value, Mapping):
            return {k: self._arguments(v) for k, v in value.items()}
        if isinstance(value, slice):
            return slice(*(self._arguments(v) for v in (value.start, value.stop, value.step)))
        return value

    def _tensor(self, number: int, index: int) -> Node:
        node = self._nodes[number]
        if self._steps[number].single:
            return node
        item = self._items.get((number, index))
        if item is None:
            item = self.graph.create_node("call_function", operator.getitem, (node, index))
            self._items[number, index] = item
        return item


def _meta(step: Step) -> dict[str, Any]:
    meta = step.op._asdict()
    place = step.op.place
    meta["file"] = place.path if place else ""
    meta["line"] = place.line if place else 0
    meta["dtype"] = [facts.dtype for facts in step.op.output_facts]
    meta["shape"] = [facts.shape for facts in step.op.output_facts]
    meta["function"] = place.function if place else ""
    return meta


def _identifier(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
