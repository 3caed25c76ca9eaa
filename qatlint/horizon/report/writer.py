"""Writes the format that `read` reads, as the toolchain prints it (horizon_facts C2, C3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qatlint.horizon.report.values import Generation, Layer, Member, ModelCheck, Statistic

_BESIDE_HEADS = 2
"""Columns are this much wider than their headers."""
_QUOTED = "q"
"""Dtypes of the plugin begin with it and are written in quotes; torch's are not."""


def write(check: ModelCheck, generation: Generation = Generation.NEWER) -> str:
    """The text of a `model_check_result.txt`. The graph stands in it in the older form only; the newer one
    has a file of its own for it: `write_graph`."""
    parts = [_fusion(check), _counts(check, generation)]
    if check.inputs:
        parts.append("input dtype statistics:\n" + _statistics(check.inputs))
    if check.outputs:
        parts.append("output dtype statistics:\n" + _statistics(check.outputs))
    heads = ["Module Name", "Module Type", "Input dtype", "out dtype", "ch_axis", "observer"]
    parts.append("Each layer out qconfig:\n" + _psql(heads, [_layer(layer) for layer in check.layers]))
    if check.weights:
        heads = ["Module Name", "Module Type", "weight dtype", "ch_axis", "observer"]
        rows = [[w.name, _class(w.type), w.dtype, w.ch_axis, w.observer] for w in check.weights]
        parts.append("Weight qconfig:\n" + _psql(heads, rows))
    if check.suspicious:
        rows = [[row.name, _class(row.type), row.message] for row in check.suspicious]
        table = _psql(["Module Name", "Module Type", "Msg"], rows)
        parts.append("Please check if these OPs qconfigs are expected..\n" + table)
    if check.unusual:
        parts.append("\n".join(f"{row.name} {row.computation}" for row in check.unusual))
    if check.graph and generation is Generation.OLDER:
        parts.append(write_graph(check).rstrip("\n"))
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def write_graph(check: ModelCheck) -> str:
    """The text of a `fx_graph.txt`."""
    rows = [[node.opcode, node.name, node.target, node.args] for node in check.graph]
    return "Graph:\n" + _simple(["opcode", "name", "target", "args"], rows) + "\n"


def _fusion(check: ModelCheck) -> str:
    if not check.sequences:
        return "All fusable modules are fused in model!"
    tables = []
    for sequence in check.sequences:
        rows = [[_member(member), _class(member.type)] for member in sequence]
        tables.append(_simple(["name", "type"], rows) + "\n")
    return "Fusable modules are listed below:\n" + "\n".join(tables)


def _member(member: Member) -> str:
    return member.name + ("(shared)" if member.shared else "")


def _counts(check: ModelCheck, generation: Generation) -> str:
    heads = ["name", "called times"]
    if check.all_once or not check.counts:
        return "All modules in the model run exactly once."
    if generation is Generation.OLDER:
        parts = []
        for heading, wanted in (("not used", False), ("used multi times", True)):
            rows = [[c.name, str(c.times)] for c in check.counts if c.times != 1 and bool(c.times) is wanted]
            if rows:
                parts.append(f"Modules below are {heading}:\n{_simple(heads, rows)}")
        return "\n\n".join(parts)
    rows = [[count.name, str(count.times)] for count in check.counts]
    return "Each module called times:\n" + _simple(heads, rows)


def _statistics(table: Sequence[Statistic]) -> str:
    heads = ["module type", *(dtype for dtype, _ in table[0].dtypes)]
    rows = [[_class(row.type), *(str(number) for _, number in row.dtypes)] for row in table]
    return _psql(heads, rows)


def _layer(layer: Layer) -> list[str]:
    return [
        layer.label,
        _class(layer.type),
        _dtypes(layer.inputs),
        _dtypes(layer.outputs),
        layer.ch_axis,
        layer.observer,
    ]


def _class(dotted: str) -> str:
    return dotted if dotted == "total" else f"<class '{dotted}'>"


def _dtypes(dtypes: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{d}'" if d.startswith(_QUOTED) else d for d in dtypes) + "]"


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    cells = zip(*rows, strict=True) if rows else [()] * len(heads)
    return [
        max(len(head) + _BESIDE_HEADS, *map(len, column), 0)
        for head, column in zip(heads, cells, strict=True)
    ]


def _numbers(rows: Sequence[Sequence[str]], columns: int) -> list[bool]:
    """Which columns hold numbers only: they are aligned on the right."""
    return [bool(rows) and all(row[i].lstrip("-").isdecimal() for row in rows) for i in range(columns)]


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    aligned = zip(cells, widths, right, strict=True)
    return [cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in aligned]


def _simple(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths, right = _widths(heads, rows), _numbers(rows, len(heads))
    right[0] = False  # names may look like numbers
    lines = [_aligned(heads, widths, right), ["-" * width for width in widths]]
    lines += [_aligned(row, widths, right) for row in rows]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _psql(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths, right = _widths(heads, rows), _numbers(rows, len(heads))
    right[0] = False
    border = "+".join("-" * (width + 2) for width in widths)
    lines = [f"+{border}+", _bars(_aligned(heads, widths, right)), f"|{border}|"]
    lines += [_bars(_aligned(row, widths, right)) for row in rows]
    return "\n".join([*lines, f"+{border}+"])


def _bars(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
