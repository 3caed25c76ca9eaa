"""What running a module changes in it: state that several instances would no longer share."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from qatlint.static.modulefile import ClassDef
from qatlint.static.source import nodes

MUTATORS = frozenset(
    "append extend insert pop popitem clear update add discard remove setdefault popleft appendleft".split()
)
_FILLED = frozenset(("out", "generator"))
"""Keywords of torch functions whose argument the call changes."""


def changed_by_running(classes: Iterable[ClassDef]) -> str:
    """The attribute that forward, or a method that it leads to, assigns or changes in place, in the classes
    of one linearisation; "" when there is none. A class without a forward (an object that a module holds)
    may be asked for any of its methods."""
    methods: dict[str, list[ast.AST]] = {}
    for cls in classes:
        for name, method in cls.methods.items():
            methods.setdefault(name, []).append(method)
    waiting = ["forward", "__call__", *_hooks(methods)]
    if "forward" not in methods:
        waiting += [name for name in methods if name != "__init__"]
    seen = {"__init__"}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for definition in methods.get(name, ()):
            changed = _changed_attribute(definition)
            if changed:
                return changed
            waiting += _mentioned(definition)
    return ""


def _hooks(methods: dict[str, list[ast.AST]]) -> Iterator[str]:
    """Methods that are registered to run with forward."""
    for definitions in methods.values():
        for method in definitions:
            for node in nodes(method):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    if node.func.attr in ("register_forward_hook", "register_forward_pre_hook"):
                        for argument in node.args:
                            yield from _mentioned(argument)


def _mentioned(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            yield node.attr


def _changed_attribute(method: ast.AST) -> str:
    """`self.<attribute>` that a method assigns or changes in place, also under another name."""
    aliases: dict[str, str] = {}
    for node in nodes(method):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            held = _root(node.value, {})
            if held:
                aliases[node.targets[0].id] = held
    for node in nodes(method):
        changed = ""
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            changed = _root(node, aliases)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            changed = aliases.get(node.target.id, "")
        elif isinstance(node, ast.Call):
            changed = _changed_by_call(node, aliases)
        if changed:
            return changed
    return ""


def _changed_by_call(call: ast.Call, aliases: dict[str, str]) -> str:
    callee = call.func
    if isinstance(callee, ast.Attribute):
        in_place = callee.attr.endswith("_") and not callee.attr.endswith("__")
        if in_place or callee.attr in MUTATORS:
            changed = _root(callee.value, aliases)
            if changed:
                return changed
    elif isinstance(callee, ast.Name) and call.args:
        first = call.args[0]
        if callee.id == "next":
            return _root(first, aliases)
        if callee.id in ("setattr", "delattr") and isinstance(first, ast.Name) and first.id == "self":
            named = call.args[1] if len(call.args) > 1 else None
            return str(named.value) if isinstance(named, ast.Constant) else "__dict__"
    for keyword in call.keywords:
        if keyword.arg in _FILLED:
            changed = _root(keyword.value, aliases)
            if changed:
                return changed
    return ""


def _root(node: ast.AST, aliases: dict[str, str]) -> str:
    """The attribute of `self` that an expression is, or is an attribute or an entry of; "" for others."""
    attribute = ""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        attribute = node.attr if isinstance(node, ast.Attribute) else attribute
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return attribute if node.id == "self" else aliases.get(node.id, "")
