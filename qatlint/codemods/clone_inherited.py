"""Give every call of a module that a base class made its own instance.

The class that calls it cannot write the constructor again (its arguments are the base's), so it copies the
instance right after `super().__init__()`, in its own `__init__`.
"""

from __future__ import annotations

import libcst as cst

from qatlint.codemods.bindings import bindings_of, refuse_removal
from qatlint.codemods.edits import Edits, always
from qatlint.codemods.locate import method_of, own_class, self_attribute, self_name
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.codemods.tied import tied_copy
from qatlint.finding import CloneInherited


def plan_inherited(file: OpenedFile, intent: CloneInherited) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    tree, edits, attribute = file.tree, Edits(), intent.attribute
    nodes = [tree.expression(site.callee) for site in intent.sites]
    if not nodes:
        raise Refused(f"no call of `{attribute}` was found")
    cls = own_class(tree, nodes[0])
    if bindings_of(tree, cls, attribute):
        raise Refused(f"`{attribute}` is made by a base class and assigned again in `{cls.name.value}`")
    refuse_removal(file, cls, attribute)
    maker, line = _after_super(cls, attribute)
    receiver = self_name(maker)
    if receiver is None:
        raise Refused(f"`self` is not available in the `__init__` of `{cls.name.value}`")
    names = file.names_for(cls)
    new_names: dict[int, str] = {}
    for site, node in sorted(zip(intent.sites, nodes, strict=True), key=lambda pair: pair[0].slot):
        method = method_of(tree, cls, node)
        me = self_name(method) if method is not None else None
        if me is None or self_attribute(node, me) != attribute:
            raise Refused(f"`{tree.short(node)}` may be something else than `{attribute}`")
        if site.slot == 0:
            continue
        if site.slot not in new_names:
            name = names.take_numbered(attribute)
            while name in intent.taken:
                name = names.take_numbered(attribute)
            new_names[site.slot] = name
            start = f"{receiver}.{name} = "
            original = f"{receiver}.{attribute}"
            if intent.tied:
                column = tree.column(line.body[0]) + len(start)
                value = tied_copy(file, maker, original, edits, certain=True, column=column)
            else:
                value = f"{file.imports.deepcopy(maker, edits)}({original})"
            edits.insert_after(line, file.statement(start + value))
        edits.replace[node] = always(file.expression(f"{me}.{new_names[site.slot]}"))
    if not new_names:
        raise Refused(f"the calls of `{attribute}` exclude each other")
    return edits, cls


def _after_super(cls: cst.ClassDef, attribute: str) -> tuple[cst.FunctionDef, cst.SimpleStatementLine]:
    """The class's own `__init__` and the line in it that runs the base's."""
    for statement in cls.body.body:
        if isinstance(statement, cst.FunctionDef) and statement.name.value == "__init__":
            for line in statement.body.body:
                if isinstance(line, cst.SimpleStatementLine) and any(_runs_base(s) for s in line.body):
                    return statement, line
            break
    raise Refused(f"`{attribute}` is made by a base class, and `{cls.name.value}` has no place to copy it")


def _runs_base(statement: cst.BaseSmallStatement) -> bool:
    """Whether this is `super().__init__(...)`."""
    if not isinstance(statement, cst.Expr) or not isinstance(statement.value, cst.Call):
        return False
    function = statement.value.func
    return (
        isinstance(function, cst.Attribute)
        and function.attr.value == "__init__"
        and isinstance(function.value, cst.Call)
        and isinstance(function.value.func, cst.Name)
        and function.value.func.value == "super"
    )
