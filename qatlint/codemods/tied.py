"""A copy of a module that shares parameters and buffers with the original.

`copy.deepcopy(m, memo)` with a memo that maps `id(t)` to `t` for every parameter and buffer copies the
structure and keeps the tensors: the copies learn and load with the original. A plain deepcopy would keep its
initial weights when a checkpoint is loaded. The values of the memo keep the tensors alive while it is used.
"""

from __future__ import annotations

import libcst as cst

from qatlint.codemods.edits import Edits
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_in

WIDTH = 99
"""Longer lines are broken where that is easy."""


def tied_copy(
    file: OpenedFile, function: cst.FunctionDef, original: str, edits: Edits, *, certain: bool, column: int
) -> str:
    """Source of a tied copy of the module `original`, for a statement of `function`.

    `certain` is False when the original may be None or a plain function, which are then used as they are.
    `column` is where the expression will stand: a line that gets too long is broken.
    """
    if bound_in(function)["id"] or file.bound["id"]:
        raise Refused("the name `id` means something else in this file")
    deepcopy = file.imports.deepcopy(function, edits)
    tensor = "t" if original != "t" else "tensor"
    memo = f"{{id({tensor}): {tensor} for {tensor} in (*{original}.parameters(), *{original}.buffers())}}"
    if certain:
        line = f"{deepcopy}({original}, {memo})"
        if column + len(line) <= WIDTH:
            return line
        indent = file.tree.module.default_indent
        return f"{deepcopy}(\n{indent}{original}, {memo}\n)"
    module = file.imports.torch_nn("Module", function, edits)
    indent = file.tree.module.default_indent
    return (
        f"(\n{indent}{deepcopy}({original}, {memo})\n"
        f"{indent}if isinstance({original}, {module})\n{indent}else {original}\n)"
    )
