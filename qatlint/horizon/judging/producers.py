"""Who gives a module its input, by the table of the graph where there is one."""

from __future__ import annotations

import re
from typing import NamedTuple

from qatlint.horizon.judging.facts import generated_of, modules_around
from qatlint.horizon.report.values import GraphNode, ModelCheck
from qatlint.horizon.report.whole import is_whole

_WORD = re.compile(r"[A-Za-z_]\w*")
_DOTTED = re.compile(r"[A-Za-z_][\w.]*")


class Producer(NamedTuple):
    """What stands before a module."""

    module: str
    """Path of the module; "" for a function."""
    function: str
    """Name of the function; "" for a module."""


class Producers:
    """Looks up the first tensor argument of modules."""

    def __init__(self, check: ModelCheck) -> None:
        self._nodes = {node.name: node for node in check.graph}
        # Only where no row is missing, a module without one, and without parts that have one, is an Identity,
        # left of what was fused.
        rows = {name for layer in check.layers for name in (layer.name, *modules_around(layer.name))}
        self._rows = rows if is_whole(check) else None
        self._calls: dict[str, list[GraphNode]] = {}
        for node in check.graph:
            if node.opcode == "call_module":
                self._calls.setdefault(node.target, []).append(node)

    def knows(self, module: str, call: int) -> bool:
        """Whether the graph has one call of a module."""
        return call < len(self._calls.get(module, ()))

    def of(self, module: str, call: int) -> Producer | None:
        """What gives the first input of one call of a module, but for what is left of fused modules; None
        where the graph does not tell."""
        if not self.knows(module, call):
            return None
        node: GraphNode | None = self._calls[module][call]
        seen: set[str] = set()
        while node is not None and node.name not in seen:
            seen.add(node.name)
            node = self._before(node)
            found = self._producer(node) if node is not None else None
            if found is None or not found.module or self._rows is None or found.module in self._rows:
                return found
        return None

    def _before(self, node: GraphNode) -> GraphNode | None:
        """The node of the first argument; of a method of a module the first that is not the module."""
        nodes = [self._nodes[word] for word in _WORD.findall(node.args) if word in self._nodes]
        if node.opcode == "call_method" and nodes and nodes[0].opcode == "get_attr":
            nodes = nodes[1:]
        return nodes[0] if nodes else None

    def constant(self, module: str, times: int) -> str:
        """The attribute of the model that all calls of a module are given; "" where the graph does not tell
        that it is always the same, or has not so many calls."""
        calls, given = self._calls.get(module, ()), set()
        if len(calls) < times:
            return ""
        for node in calls:
            word = _WORD.search(node.args)
            found = self._nodes.get(word[0]) if word is not None else None
            given.add(found.target if found is not None and found.opcode == "get_attr" else "")
        return given.pop() if len(given) == 1 else ""

    def _producer(self, node: GraphNode) -> Producer | None:
        if node.opcode == "call_module":
            return Producer(node.target, "")
        if node.opcode == "call_method":
            # `_generated_add_0.add(x, y)`: the object is the first argument, a `get_attr` node.
            first = _WORD.search(node.args)
            holder = self._nodes.get(first[0]) if first is not None else None
            if holder is not None and holder.opcode == "get_attr":
                return Producer(holder.target, "")
            return Producer("", node.target)
        if node.opcode == "call_function":
            if generated_of(node.target) is not None:
                return Producer(node.target, "")
            return Producer("", _function(node.target))
        return None


def _function(target: str) -> str:
    """`reshape` of `<method 'reshape' of ...>`, `<function reshape at 0x...>` and `torch.Tensor.reshape`."""
    quoted = target.partition("'")[2].partition("'")[0]
    if quoted:
        return quoted
    words = _DOTTED.findall(target)
    return next((w for w in words if w not in ("built", "in", "function", "method")), target).rpartition(".")[
        2
    ]
