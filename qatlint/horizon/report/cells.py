"""What stands in one cell or one line of the report's tables. Everything takes time linear in its length."""

from __future__ import annotations

import re
from sys import intern

from qatlint.horizon.report.values import GraphNode, Layer, Member

LONGEST_NAME = 1_000
"""What is longer is no name of a module, and would cost those time who take it apart."""
_DOTTED = re.compile(r"(?:horizon|torch)[\w.]{0,200}\.[A-Z]\w{0,100}")
_OPCODES = frozenset("placeholder get_attr call_module call_function call_method output root".split())


def is_rule(line: str) -> bool:
    """Whether a stripped line only draws: `-----  ----`, `+----+`, `|---+---|`."""
    return "-" in line and not line.strip("-+=| \t")


def bar_cells(line: str) -> list[str] | None:
    """The cells of a row drawn with bars, each text once in memory; None for a row that was cut off."""
    if len(line) < 2 or line[0] != "|" or line[-1] != "|":
        return None
    return [intern(cell.strip()) for cell in line[1:-1].split("|")]


def class_of(cell: str) -> str:
    """The dotted class in `<class 'a.b.C'>`; the cell itself where it has another form."""
    before, found, rest = cell.partition("'")
    return rest.partition("'")[0] if found and before.lstrip().startswith("<class") else cell.strip()


def dtypes_of(cell: str) -> tuple[str, ...]:
    """`qint8` and `torch.float32` of `['qint8', torch.float32]`."""
    inner = cell.strip().removeprefix("[").removesuffix("]")
    return tuple(part for part in (piece.strip().strip("'\"") for piece in inner.split(",")) if part)


def member_of(line: str) -> Member | None:
    """One row of a sequence: `name(shared)  <class '...'>`."""
    name, found, rest = line.partition("<class")
    name, dotted = name.strip(), ""
    if found:
        quoted = rest.split("'", 2)
        dotted = quoted[1] if len(quoted) == 3 and quoted[2].startswith(">") and not quoted[0].strip() else ""
    elif len(parts := name.split()) == 2 and _DOTTED.fullmatch(parts[1]):
        name, dotted = parts  # without what a page takes for HTML
    if not dotted or len(name) > LONGEST_NAME:
        return None
    plain = name.removesuffix("(shared)").rstrip()
    return Member(plain, dotted, plain != name)


def count_of(line: str) -> tuple[str, int] | None:
    """One row of a table of counts: `name  3`."""
    parts = line.split()
    if len(parts) != 2 or not (parts[1].isascii() and parts[1].isdecimal()) or len(parts[1]) > 9:
        return None
    if len(parts[0]) > LONGEST_NAME or "|" in parts[0]:  # a row with bars that was cut off
        return None
    return parts[0], int(parts[1])


def name_of(cell: str) -> tuple[str, str, int]:
    """(path, method, which further call) of `add2[add](1)`."""
    path, method, call = cell.strip(), "", 0
    if path.endswith(")"):
        head, _, number = path[:-1].rpartition("(")
        if number.isascii() and number.isdecimal() and len(number) < 9:
            path, call = head, int(number)
    if path.endswith("]"):
        head, _, inner = path[:-1].partition("[")
        path, method = head, inner
    return path, method, call


def layer_of(row: dict[str, str]) -> Layer | None:
    """One row of the table of layers, by the names of its columns in small letters. Its class may be missing:
    a page takes `<class ...>` for HTML."""
    if "module type" not in row or len(row.get("module name", "")) > LONGEST_NAME:
        return None
    name, method, call = name_of(row.get("module name", ""))
    return Layer(
        name,
        class_of(row["module type"]),
        dtypes_of(row.get("input dtype", "")),
        dtypes_of(row.get("out dtype", row.get("output dtype", ""))),
        row.get("ch_axis", ""),
        row.get("observer", ""),
        method,
        call,
    )


def node_of(line: str) -> GraphNode | None:
    """One row of the table of the graph; columns need not be aligned."""
    parts = line.split(None, 2)
    if len(parts) < 3 or parts[0] not in _OPCODES:
        return None
    opcode, name, rest = parts
    if rest.startswith("<"):
        target, _, behind = rest.partition(">")
        target += ">"
    else:
        target, _, behind = rest.partition(" ")
    return GraphNode(opcode, name, target, " ".join(behind.split()))
