"""Who else in a file refers to an attribute of a class: whoever does needs it to stay what it is."""

from __future__ import annotations

from collections.abc import Collection

import libcst as cst

from qatlint.codemods.locate import method_of, self_attribute, self_name
from qatlint.codemods.opened import OpenedFile


def other_references(
    file: OpenedFile, cls: cst.ClassDef, attribute: str, known: Collection[cst.CSTNode]
) -> list[cst.CSTNode]:
    """Mentions of `.<attribute>` or `"<attribute>"` in the file that are not among `known`.

    `self.<attribute>` in a class that does not inherit from `cls` is another attribute.
    """
    mentions = file.mentions
    kin = mentions.kin(cls)
    found: list[cst.CSTNode] = []
    for node in mentions.attributes(attribute):
        holder = mentions.class_around(node)
        if holder is not None and holder not in kin:
            method = method_of(file.tree, holder, node)
            if method is not None and self_attribute(node, self_name(method)) is not None:
                continue
        found.append(node)
    for string in mentions.strings(attribute):
        holder = mentions.class_around(string)
        if holder is None or holder in kin:
            found.append(string)
    return [node for node in found if not any(node is k for k in known)]
