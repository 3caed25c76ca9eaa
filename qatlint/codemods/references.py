"""Who else in a file refers to an attribute of a class: whoever does needs it to stay what it is."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from qatlint.codemods.locate import Tree, method_of, self_attribute, self_name, walk


def other_references(
    tree: Tree, cls: cst.ClassDef, attribute: str, known: Collection[cst.CSTNode]
) -> list[cst.CSTNode]:
    """Mentions of `.<attribute>` or `"<attribute>"` in the file that are not among `known`.

    `self.<attribute>` in a class that does not inherit from `cls` is another attribute.
    """
    strangers = strangers_of(tree.module, cls)
    found: list[cst.CSTNode] = []
    for node in walk(tree.module):
        if any(node is k for k in known):
            continue
        if isinstance(node, cst.Attribute) and node.attr.value == attribute:
            holder = tree.around(node, cst.ClassDef)
            if holder in strangers and holder is not None:
                method = method_of(tree, holder, node)
                if method is not None and self_attribute(node, self_name(method)) is not None:
                    continue
            found.append(node)
        elif isinstance(node, cst.SimpleString) and tree.around(node, cst.ClassDef) not in strangers:
            value = node.evaluated_value
            if isinstance(value, str) and attribute in value.split("."):
                found.append(node)
    return found


def strangers_of(module: cst.Module, cls: cst.ClassDef) -> set[cst.ClassDef]:
    """The classes of a file that neither inherit from `cls` nor are inherited by it."""
    classes = [node for node in walk(module) if isinstance(node, cst.ClassDef)]
    return {c for c in classes if not _is_kin(classes, c, cls)}


def _is_kin(classes: list[cst.ClassDef], one: cst.ClassDef, other: cst.ClassDef) -> bool:
    return one is other or _inherits(classes, one, other, set()) or _inherits(classes, other, one, set())


def _inherits(classes: list[cst.ClassDef], cls: cst.ClassDef, base: cst.ClassDef, seen: set[str]) -> bool:
    names = {_last_name(arg.value) for arg in cls.bases}
    if base.name.value in names:
        return True
    seen.add(cls.name.value)
    return any(
        _inherits(classes, c, base, seen)
        for c in classes
        if c.name.value in names and c.name.value not in seen
    )


def _last_name(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
