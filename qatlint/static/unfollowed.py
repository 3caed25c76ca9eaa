"""Which modules code may run that is not followed: functions of training, of loss and of post-processing."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from qatlint.static.modulefile import ClassDef
from qatlint.static.source import nodes
from qatlint.static.values import Args, Choice, Function, Instance, Method, Partial, Pick, Seq, Slice, Value

Lookup = Callable[[ClassDef, str], "tuple[ClassDef, ast.AST] | None"]
"""Which class defines an attribute of a class, and how."""
_DEPTH = 4
"""How deep lists of modules are looked into."""


def run_by(callee: Function, receiver: Value | None, args: Args, lookup: Lookup) -> Iterator[ClassDef]:
    """The classes of the project whose instances a function may run: those that it is handed, that its object
    holds under a name which it reads, and that object itself where it hands it on. What these make counts
    with them, and is not named."""
    for value in (*(item.value for item in args.positional), *args.keywords.values()):
        yield from classes_in(value)
    for one in instances_in(receiver, 0) if receiver is not None else ():
        yield from _read_by(callee.node, one, lookup, set())


def classes_in(value: Value) -> Iterator[ClassDef]:
    """The classes of the modules in a value, also of those in lists and containers."""
    for one in instances_in(value, 0):
        one.settle()
        if one.cls is not None and one.is_module:
            yield one.cls


def _read_by(function: ast.AST, holder: Instance, lookup: Lookup, seen: set[int]) -> Iterator[ClassDef]:
    """What a method and the methods that it names read of their object."""
    if id(function) in seen or not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    seen.add(id(function))
    parameters = [*function.args.posonlyargs, *function.args.args]
    if not parameters or holder.cls is None:
        return
    me = parameters[0].arg
    as_holder = set()
    for node in nodes(function):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me:
            as_holder.add(id(node.value))
            item = holder.attrs.get(node.attr)
            if item is not None:
                yield from classes_in(item.value)
                continue
            found = lookup(holder.cls, node.attr)
            if found is not None:
                yield from _read_by(found[1], holder, lookup, seen)
    names = (n for n in nodes(function) if isinstance(n, ast.Name) and n.id == me)
    if any(id(name) not in as_holder for name in names):
        yield holder.cls


def instances_in(value: Value, depth: int = 0) -> Iterator[Instance]:
    """The objects in a value, also those in lists and containers."""
    if depth > _DEPTH:
        return
    inner: list[Value] = []
    if isinstance(value, Instance):
        yield value
        inner += [item.value for item in value.items.items] if value.items is not None else []
        if value.children is not None:
            inner += [item.value for item in value.children.entries.values()]
            inner += [item.value for _, item in value.children.rest]
    elif isinstance(value, (Choice, Pick)):
        inner += [option for _, option in value.options]
    elif isinstance(value, Seq):
        inner += [item.value for item in value.items]
    elif isinstance(value, Slice):
        inner.append(value.base)
    elif isinstance(value, Method):
        inner.append(value.receiver)
    elif isinstance(value, Partial):
        inner += [value.function, *value.args, *value.kwargs.values()]
    for one in inner:
        yield from instances_in(one, depth + 1)
