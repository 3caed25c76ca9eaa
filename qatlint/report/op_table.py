"""The op table for people and for programs: one entry with all that is known of it, or all in short."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from qatlint.horizon.ops import (
    Boundary,
    Chip,
    Confidence,
    Gemm,
    Meaning,
    Remark,
    Result,
    Role,
    chips,
    meanings,
    remarks_of,
    result_on,
    source_text,
)
from qatlint.horizon.spellings import spellings
from qatlint.report.style import Style
from qatlint.report.width import wrap

_LABEL = 12
"""Columns of what stands left of a text."""
_RESULTS = {
    Result.QUANTIZED: "its result gets a scale of its own",
    Result.PASSES: "the scale of the input is passed through",
    Result.PLAIN: "its result has no scale: booleans, indices, shapes or Python numbers",
    Result.FLOAT: "its result is a float tensor",
    Result.REFUSED: "a quantised tensor refuses it",
}
_SHORT = {
    Result.QUANTIZED: "own scale",
    Result.PASSES: "scale passed through",
    Result.PLAIN: "plain result",
    Result.FLOAT: "float result",
    Result.REFUSED: "refused",
}
_ROLES = {
    Role.ROOT: "first of a fusable sequence",
    Role.BATCH_NORM: "fuses into the convolution or Linear before it",
    Role.ADD: "fuses with the convolution or Linear before it, after its norm",
    Role.RELU: "last of a fusable sequence",
}
_CONFIDENCE = {
    Confidence.READ: "read in the source",
    Confidence.DEDUCED: "deduced",
    Confidence.OPEN: "open: a guess, of which no rule says anything",
}


def render_entry(meaning: Meaning, march: str, style: Style) -> str:
    """All about one operation on a chip ("": none is configured)."""
    lines = [style.paint(meaning.name, "bold")]
    lines += _row("written as", ", ".join(spellings(meaning)), style)
    lines += _row("means", "; ".join(_means(meaning, march)), style)
    remarks = remarks_of(meaning)
    for remark in remarks:
        if remark.holds_on(march):
            lines += _row("on " + march if remark.chips else "", _said(remark), style)
    for remark in remarks:
        if not remark.holds_on(march):
            lines += _row("else on", f"{', '.join(sorted(remark.chips))}: {_said(remark)}", style)
    lines += _row("source", source_text(meaning.source), style)
    lines += _row("confidence", _CONFIDENCE[meaning.confidence], style)
    return "\n".join(lines)


def render_chip(march: str, style: Style) -> str:
    """The chip that entries are shown for; that none is said, where it is none."""
    if not march:
        hint = "No chip is configured: `march` in the settings, or --march, says which one is meant."
        return "\n".join(wrap(hint, style.width))
    chip = chips()[march]
    text = (
        f"{march} ({chip.boards}): activations {chip.types}; "
        f"a GEMM op directly before a DeQuantStub leaves as {chip.output}"
    )
    if chip.confidence is not Confidence.READ:
        text += f" ({_CONFIDENCE[chip.confidence]})"
    return "\n".join(wrap(text, style.width))


def render_table(style: Style) -> str:
    """All operations in short, by group."""
    lines: list[str] = []
    names = [m.name for m in meanings()]
    width = min(max(map(len, names)), max(style.width - 46, 12))
    for meaning in meanings():
        short = ", ".join(_short(meaning))
        sure = "" if meaning.confidence is Confidence.READ else f" ({meaning.confidence.value})"
        if len(meaning.name) > width:
            lines += [style.paint(meaning.name, "bold"), *_below(short + sure, style)]
            continue
        first, *rest = wrap(short + sure, max(style.width - width - 2, 20))
        lines.append(f"{style.paint(meaning.name, 'bold')}{' ' * (width - len(meaning.name))}  {first}")
        lines += [" " * (width + 2) + text for text in rest]
    hint = "`qatlint ops NAME` tells all about one of them, by any of its spellings."
    return "\n".join([*lines, "", *wrap(hint, style.width)])


_GEMMS = {Gemm.YES: "GEMM", Gemm.VERSION: "GEMM by version", Gemm.UNLISTED: "products"}


def as_json(found: Sequence[Meaning], march: str) -> str:
    """A document for programs: the chip, and the operations with all that is known of them."""
    chip = _chip(chips()[march]) if march else None
    return json.dumps({"chip": chip, "ops": [_entry(m, march) for m in found]}, indent=2)


def _means(meaning: Meaning, march: str) -> Iterator[str]:
    if meaning.boundary is Boundary.QUANT:
        yield "begins the quantised region"
    elif meaning.boundary is Boundary.DEQUANT:
        yield "ends the quantised region"
    if meaning.gemm is Gemm.YES:
        yield "GEMM"
    elif meaning.gemm is Gemm.VERSION:
        yield "GEMM or not, depending on the version"
    elif meaning.gemm is Gemm.UNLISTED:
        yield "computes products, but is none of the GEMM operations that keep their precision"
    if meaning.replaced:
        yield f"prepare replaces a call of the function by {_readable(meaning.becomes)}"
    elif meaning.becomes:
        yield "the function stays, as one leaf of the graph"
    if meaning.layout:
        yield "layout only"
    if meaning.fuses is not None:
        yield _ROLES[meaning.fuses]
    yield _RESULTS[result_on(meaning, march)]


def _short(meaning: Meaning) -> Iterator[str]:
    if meaning.gemm in _GEMMS:
        yield _GEMMS[meaning.gemm]
    if meaning.replaced:
        yield f"becomes {_readable(meaning.becomes)}"
    if meaning.fuses is not None:
        yield f"fuses ({meaning.fuses.value})"
    yield "layout" if meaning.layout else _SHORT[meaning.result]


def _readable(becomes: str) -> str:
    """`nn.Div` in the table is the plugin's."""
    return (
        becomes.replace("torch.nn.", "nn.") if becomes[:2] == "to" else becomes.replace("nn.", "horizon nn.")
    )


def _said(remark: Remark) -> str:
    return (
        remark.text if remark.confidence is Confidence.READ else f"{remark.text} ({remark.confidence.value})"
    )


def _row(label: str, text: str, style: Style) -> list[str]:
    first, *rest = wrap(text, max(style.width - _LABEL - 2, 20))
    head = style.paint(label, "dim") + " " * (_LABEL - len(label))
    return [f"  {head}{first}".rstrip(), *(" " * (_LABEL + 2) + line for line in rest)]


def _below(text: str, style: Style) -> list[str]:
    return ["    " + line for line in wrap(text, max(style.width - 4, 20))]


def _entry(meaning: Meaning, march: str) -> dict[str, Any]:
    return {
        "name": meaning.name,
        "spellings": list(spellings(meaning)),
        "gemm": meaning.gemm.value,
        "becomes": meaning.becomes,
        "fuses": meaning.fuses.value if meaning.fuses is not None else None,
        "layout": meaning.layout,
        "boundary": meaning.boundary.value or None,
        "result": result_on(meaning, march).value,
        "source": source_text(meaning.source),
        "confidence": meaning.confidence.value,
        "remarks": [
            {
                "text": remark.text,
                "chips": sorted(remark.chips) or None,
                "holds": remark.holds_on(march),
                "source": source_text(remark.source),
                "confidence": remark.confidence.value,
            }
            for remark in remarks_of(meaning)
        ],
    }


def _chip(chip: Chip) -> dict[str, Any]:
    return {
        "march": chip.march,
        "boards": chip.boards,
        "types": chip.types,
        "output": chip.output,
        "source": source_text(chip.source),
        "confidence": chip.confidence.value,
    }
