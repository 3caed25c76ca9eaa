"""Attributes that forward changes, read from the syntax: what one run leaves behind for the next."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from qatlint.static.modulefile import ClassDef
from qatlint.static.mutators import MUTATORS
from qatlint.static.source import children, nodes


class Kept(NamedTuple):
    """Names of attributes of `self` that forward, or a method it leads to, changes."""

    assigned: frozenset[str] = frozenset()
    filled: frozenset[str] = frozenset()
    """By a method of lists, dicts and sets."""
    keyed: frozenset[str] = frozenset()
    """At a key that is no constant: a dict gets entries by this."""
    entries: frozenset[tuple[str, Hashable]] = frozenset()
    """At a key that is one: names of attributes, and the keys."""


def kept_by_forward(classes: Iterable[ClassDef], called: Iterable[str] = ()) -> Kept:
    """What forward, or a method it leads to, changes; or what the methods `called` lead to.

    What happens under `if self.training` is left out: it does not run on the chip.
    """
    methods: dict[str, list[ast.AST]] = {}
    for cls in classes:
        for name, method in cls.methods.items():
            methods.setdefault(name, []).append(method)
    assigned: set[str] = set()
    filled: set[str] = set()
    keyed: set[str] = set()
    entries: set[tuple[str, Hashable]] = set()
    waiting = list(called) or [name for name in methods if name.startswith("forward")]
    seen = {"__init__"}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for definition in methods.get(name, ()):
            put_back = _put_back(definition)
            for node in _deployed(definition):
                attribute = own_attribute(node)
                if attribute and attribute in methods:
                    waiting.append(attribute)
                assigned.update(name for name in _assigned(node) if name not in put_back)
                filled.add(_filled(node))
                keyed.add(_keyed(node))
                entries.update(_entry(node))
    return Kept(frozenset(assigned - {"training"}), frozenset(filled), frozenset(keyed), frozenset(entries))


def called_on_attributes(classes: Iterable[ClassDef]) -> dict[str, set[str]]:
    """The methods that code of these classes calls on attributes of `self`: `self.bank.update(x)`."""
    found: dict[str, set[str]] = {}
    for cls in classes:
        for name, method in cls.methods.items():
            if name == "__init__" or "self." not in cls.text_of(method):
                continue
            for node in nodes(method):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    attribute = own_attribute(node.func.value)
                    if attribute and node.func.attr not in MUTATORS:
                        found.setdefault(attribute, set()).add(node.func.attr)
    return found


def _put_back(function: ast.AST) -> frozenset[str]:
    """Attributes that a function gives the value again that they had: `own = self.x`, and in the end
    `self.x = own`."""
    body = getattr(function, "body", [])
    if not any(isinstance(n, ast.Assign) and own_attribute(n.value) for n in body):
        return frozenset()
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for node in body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            if isinstance(target, ast.Name) and own_attribute(value) and own_attribute(value) not in last:
                first.setdefault(own_attribute(value), target.id)
                continue
        for name in {n for inner in nodes(node) for n in _assigned(inner)} - {""}:
            last[name] = _given_back(node)
    if any(isinstance(inner, ast.Return) for node in body[:-1] for inner in nodes(node)):
        return frozenset()  # it may leave before
    return frozenset(name for name, saved in first.items() if saved == last.get(name))


def _given_back(node: ast.stmt) -> str:
    """`x` for `self.a = x`."""
    return node.value.id if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) else ""


def _deployed(root: ast.AST) -> Iterator[ast.AST]:
    """Nodes that may run outside of training."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, ast.If) and _asks_for_training(node.test):
            stack += [node.test, *node.orelse]
        else:
            stack += children(node)


def _asks_for_training(test: ast.expr) -> bool:
    parts = test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
    return any(isinstance(p, ast.Attribute) and p.attr == "training" for p in parts)


def own_attribute(node: ast.AST) -> str:
    """`x` for `self.x`."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return ""


def _assigned(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
        yield own_attribute(node)
    elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        yield own_attribute(node.value)
    elif isinstance(node, ast.AugAssign):
        yield own_attribute(node.target)


def _filled(node: ast.AST) -> str:
    """`self.queue.append(x)`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        return own_attribute(node.func.value)
    return ""


def _entry(node: ast.AST) -> Iterator[tuple[str, Hashable]]:
    """`self.bank["x"] = y`, `self.bank["x"].append(y)`."""
    changed = isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        node, changed = node.func.value, True
    if changed and isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        yield own_attribute(node.value), node.slice.value


def _keyed(node: ast.AST) -> str:
    """`self.cache[key] = x`."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return "" if isinstance(node.slice, (ast.Constant, ast.Slice)) else own_attribute(node.value)
    return ""
