"""Count, on a live model, how often every module runs in one forward of every module above it.

Runs in the child process. `forward` is replaced on the instance instead of hooked, so that a direct
`self.relu.forward(x)` counts too. Modules that torch does not register (in a plain list, on the
class) are found as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from torch import nn

_DIGITS = re.compile(r"(?<=\.)\d+(?=\.|$)")


def children(module: nn.Module, plain_lists: bool = True) -> Iterator[tuple[str, nn.Module]]:
    """Names and modules directly under `module`: registered, on the class, and in its plain lists."""
    yield from ((name, child) for name, child in module._modules.items() if child is not None)
    for cls in type(module).__mro__:
        yield from ((name, value) for name, value in vars(cls).items() if isinstance(value, nn.Module))
    if plain_lists:
        for name, value in vars(module).items():
            if name != "_modules":
                yield from _inside(name, value)


def _inside(name: str, value: Any) -> Iterator[tuple[str, nn.Module]]:
    if isinstance(value, (list, tuple)):
        pairs = [(str(i), v) for i, v in enumerate(value)]
    elif isinstance(value, dict):
        pairs = [(str(k), v) for k, v in value.items()]
    else:
        return
    for key, element in pairs:
        if isinstance(element, nn.Module):
            yield f"{name}.{key}", element


def walk(
    module: nn.Module, prefix: str = "", above: tuple[int, ...] = (), plain_lists: bool = True
) -> Iterator[tuple[str, nn.Module]]:
    """Every (dotted name, module) under `module`; an instance with two names comes twice."""
    yield prefix, module
    if id(module) in above:
        return
    for name, child in children(module, plain_lists):
        path = f"{prefix}.{name}" if prefix else name
        yield from walk(child, path, (*above, id(module)), plain_lists)


def is_leaf(module: nn.Module) -> bool:
    """Whether the module computes by itself: it has no children, or tensors of its own."""
    own = any(t is not None for t in (*module._parameters.values(), *module._buffers.values()))
    return own or next(children(module), None) is None


class Counter:
    """Counts the executions inside `model` from now on."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._modules = {id(m): m for _, m in walk(model)}
        self._frames: list[tuple[int, dict[int, int]]] = []
        self._most: dict[int, dict[int, int]] = {}
        self.total: dict[int, int] = {}
        for module in self._modules.values():
            self._watch(module)

    def _watch(self, module: nn.Module) -> None:
        original = module.forward

        def counted(*args: Any, **kwargs: Any) -> Any:
            key = id(module)
            self.total[key] = self.total.get(key, 0) + 1
            for _, seen in self._frames:
                seen[key] = seen.get(key, 0) + 1
            self._frames.append((key, {}))
            try:
                return original(*args, **kwargs)
            finally:
                owner, seen = self._frames.pop()
                most = self._most.setdefault(owner, {})
                for child, times in seen.items():
                    most[child] = max(most.get(child, 0), times)

        module.__dict__["forward"] = counted

    def clear(self) -> None:
        """Forget what was counted."""
        self._most.clear()
        self.total.clear()

    def edges(self) -> list[dict[str, Any]]:
        """One item per (owner class, child path): the most executions in one forward of an owner.

        A child that was called counts its own calls, but no more than the busiest leaf in it (an
        element that switches inside runs each of its leaves once); one that was not called counts
        by its leaves.
        """
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for owner_key, seen in self._most.items():
            owner = self._modules[owner_key]
            cls = type(owner)
            for path, child in walk(owner):
                if not path:
                    continue
                pattern = _DIGITS.sub("*", path)
                times = self._times(child, seen)
                key = (f"{cls.__module__}:{cls.__qualname__}", pattern)
                item = found.setdefault(key, {"mro": _names(cls), "path": pattern, "times": 0})
                item["times"] = max(item["times"], times)
        return list(found.values())

    def _times(self, child: nn.Module, seen: dict[int, int]) -> int:
        leaves = [seen.get(id(m), 0) for _, m in walk(child) if is_leaf(m)]
        busiest = max(leaves, default=0)
        own = seen.get(id(child), 0)
        return min(own, busiest) if own else busiest

    def aliases(self) -> list[dict[str, Any]]:
        """Instances that an owner registers under several names, or that several owners have in common.

        One item per (owner class, path): a path that names the same instance as another path of the
        owner does, or as the same path of another instance of that class. Nothing needs to run.
        """
        holders: dict[tuple[str, str], dict[int, set[int]]] = {}
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for owner in self._modules.values():
            cls = type(owner)
            label = f"{cls.__module__}:{cls.__qualname__}"
            paths: dict[int, set[str]] = {}
            for path, child in walk(owner, plain_lists=False):
                if path:
                    paths.setdefault(id(child), set()).add(path)
                    pattern = _DIGITS.sub("*", path)
                    holders.setdefault((label, pattern), {}).setdefault(id(child), set()).add(id(owner))
            for names in (names for names in paths.values() if len(names) > 1):
                for name in names:
                    pattern = _DIGITS.sub("*", name)
                    found[label, pattern] = {"mro": _names(cls), "path": pattern}
            for (holder, pattern), owners in holders.items():
                if holder == label and any(len(o) > 1 for o in owners.values()):
                    found[label, pattern] = {"mro": _names(cls), "path": pattern}
        return list(found.values())

    def repeated_leaves(self) -> list[dict[str, Any]]:
        """Leaf instances that ran more than once in the whole model, under all their names.

        `chain` pairs each module above a name with what is left of the name below it.
        """
        found: dict[int, dict[str, Any]] = {}
        for path, module in walk(self.model):
            times = self.total.get(id(module), 0)
            if times < 2 or not is_leaf(module):
                continue
            item = found.setdefault(id(module), {"names": [], "times": times, "chain": []})
            item["names"].append(path)
            item["chain"] += self._chain(path)
        return list(found.values())

    def _chain(self, path: str) -> list[dict[str, Any]]:
        by_name = dict(walk(self.model))
        parts = path.split(".")
        chain = []
        for cut in range(len(parts)):
            above = by_name.get(".".join(parts[:cut]))
            if above is not None:
                rest = _DIGITS.sub("*", ".".join(parts[cut:]))
                chain.append({"mro": _names(type(above)), "rest": rest})
        return chain


def _names(cls: type) -> list[str]:
    return [c.__qualname__ for c in cls.__mro__ if not c.__module__.startswith(("torch.", "builtins"))]
