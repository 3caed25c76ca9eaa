"""Whether another instance of a module would be and stay the same as the first."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from qatlint.static.modulefile import ClassDef
from qatlint.static.mutation import changed_by_running
from qatlint.static.project import Project
from qatlint.static.source import nodes
from qatlint.static.values import Choice, Instance, Pick, Symbol, Value

CHANGING = frozenset(
    "eval train requires_grad_ register_forward_hook register_forward_pre_hook register_full_backward_hook "
    "register_load_state_dict_post_hook register_state_dict_pre_hook".split()
)
"""Methods of a module after which a new one would differ from it."""
_NOT_AGAIN = frozenset(
    "next rand randn randint random uniform normal randperm choice shuffle uuid4 time perf_counter token_hex "
    "input open".split()
)
_DEPTH = 3


def kept_state(project: Project, target: Instance | Symbol, depth: int = 0) -> str:
    """In words, what makes two instances of a project module (or of one in it) differ from one: state
    that forward changes, a constructor that gives another object each time, extra state in the
    checkpoint. "" when nothing does."""
    if not isinstance(target, Instance) or depth > _DEPTH:
        return ""
    if target.cls is not None:
        classes = [entry for entry in project.mro(target.cls) if isinstance(entry, ClassDef)]
        for entry in classes:
            reason = _state_of(entry)
            if reason:
                return reason
        changed = changed_by_running(classes)
        if changed:
            return f"its forward changes `{changed}`, which the calls would no longer share"
    for child in children_of(target):
        found = kept_state(project, child, depth + 1) if isinstance(child, Instance) else ""
        if found:
            return found
    return ""


def changing_call(cls: ClassDef, attribute: str) -> tuple[str, str] | None:
    """The call that changes `self.<attribute>` in a method of the class: (`eval`, name of the method)."""
    if cls.changing is None:
        # For all attributes at once: large classes are asked about each of theirs.
        cls.changing = {}
        for name, method in cls.methods.items():
            if not any(word in cls.text_of(method) for word in CHANGING):
                continue
            for node in nodes(method):
                if isinstance(node, ast.Attribute) and node.attr in CHANGING:
                    held = node.value
                    if isinstance(held, ast.Attribute) and isinstance(held.value, ast.Name):
                        cls.changing.setdefault(held.attr, (node.attr, name))
    return cls.changing.get(attribute)


def children_of(target: Instance) -> Iterator[Value]:
    """What an instance holds in attributes and as entries."""

    def flat(value: Value) -> Iterator[Value]:
        if isinstance(value, (Choice, Pick)):
            for _, option in value.options:
                yield from flat(option)
        elif isinstance(value, (Instance, Symbol)):
            yield value

    for item in target.attrs.values():
        yield from flat(item.value)
    if target.items is not None:
        for item in target.items.items:
            yield from flat(item.value)
    if target.children is not None:
        for item in [*target.children.entries.values(), *(i for _, i in target.children.rest)]:
            yield from flat(item.value)


def _state_of(cls: ClassDef) -> str:
    if "get_extra_state" in cls.methods:
        return f"`{cls.name}` puts extra state into checkpoints"
    constructor = cls.methods.get("__init__")
    if constructor is not None and _differs(constructor):
        return f"the constructor of `{cls.name}` gives something else each time"
    return ""


def _differs(constructor: ast.AST) -> bool:
    """Whether running it again gives another object: randomness, iterators, counters of the class."""
    for node in nodes(constructor):
        if isinstance(node, ast.Global):
            return True
        if isinstance(node, ast.Call):
            callee = node.func
            name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
            if name in _NOT_AGAIN:
                return True
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Attribute):
            holder = node.target.value
            if not (isinstance(holder, ast.Name) and holder.id == "self"):
                return True
    return False
