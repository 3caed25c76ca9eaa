"""What sharing one scale costs, for a person: the modules that lose most first, call by call."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from qatlint.report.proof import backend_words
from qatlint.report.style import Style
from qatlint.report.width import one_line, wrap
from qatlint.runtime.quantities import Origin
from qatlint.runtime.ranges import (
    Call,
    Cure,
    Quantity,
    Report,
    SharedModule,
    Verdict,
)
from qatlint.runtime.recording import Place
from qatlint.runtime.scales import AVERAGE, ENOUGH, FORMATS, SPLIT_FROM, STAY_BELOW, Parts

_COLOURS = {Verdict.SPLIT: "red", Verdict.LOOK: "yellow", Verdict.STAY: "green"}
_WORDS = {Verdict.SPLIT: "split it", Verdict.LOOK: "look at it", Verdict.STAY: "it may stay"}
_CALLS = 16
"""Calls shown of one module; more are counted."""
_CURES = 4
_LISTED = 20
"""Modules that may stay, and modules without a scale, that are named; more are counted."""
_HEAD = "{:>26}{:>20}{:>8}{:>15}"
_ROW = "{:>4}{:>11}{:>11}{:>10}{:>10}{:>8}{:>7}{:>8}{:>7}"


def render(report: Report, target: str, style: Style, *, all_calls: bool = False) -> str:
    """The report as text. Calls are shown of modules that lose something, or of all."""
    samples = "1 sample" if report.samples == 1 else f"{report.samples} samples"
    scales = "the mean of the ranges" if report.observer == AVERAGE else "the widest range"
    lines = [
        *wrap(backend_words(report.backend), style.width),
        *wrap(f"{target}, {samples} in eval mode, torch {report.torch}", style.width),
        *wrap(
            f"float results, judged at {report.format}; a scale is made for {scales} it serves", style.width
        ),
    ]
    if report.samples == 1:
        said = "one sample shows one range per call: give more before you trust a small loss"
        lines += [style.paint(text, "yellow") for text in wrap(said, style.width)]
    for note in report.notes:
        lines += [style.paint(text, "yellow") for text in wrap(f"note: {note}", style.width)]
    lines += ["", *_modules(report, style, all_calls)]
    if report.quantities:
        lines += ["", style.paint("What enters the quantised region", "bold")]
        for quantity in report.quantities:
            lines += ["", *_quantity(quantity, style)]
    if report.modules:
        lines += ["", *(style.paint(text, "dim") for text in wrap(_legend(report), style.width))]
    return "\n".join(lines)


def _legend(report: Report) -> str:
    said = (
        f"SQNR: energy of the numbers over that of their {report.format} errors, in dB. alone: with a scale "
        "of its own; shared: with the scale of all calls; loss: the difference. clipped: numbers beyond what "
        f"the shared scale holds. Verdicts: split from a loss of {SPLIT_FROM:g} dB (one bit), look from "
        f"{STAY_BELOW:g} dB (two batches of one range differ by as much); a call that keeps {ENOUGH:g} dB "
        "has lost nothing that matters (an evenly filled int8 range gives 48)."
    )
    inner = dict.fromkeys(_last(module.computes) for module in report.modules if module.has_inner_scales)
    if inner:
        said += f" Of {' and '.join(inner)}, only results are measured, not the scales of inner steps."
    return said


# Shared modules.


def _modules(report: Report, style: Style, all_calls: bool) -> list[str]:
    counts = {v: sum(m.verdict(report.format) is v for m in report.modules) for v in Verdict}
    lines = [style.paint("Shared modules", "bold")]
    if not report.modules:
        lines += wrap("no module with a scale of its own runs more than once", style.width)
    else:
        said = f"{counts[Verdict.SPLIT]} to split, {counts[Verdict.LOOK]} to look at, "
        lines += wrap(said + f"{counts[Verdict.STAY]} that may stay", style.width)
    for module in report.modules:
        if all_calls or module.verdict(report.format) is not Verdict.STAY:
            lines += ["", *_module(module, report, style)]
    staying = [m for m in report.modules if m.verdict(report.format) is Verdict.STAY]
    if staying and not all_calls:
        lines += ["", "may stay (calls with --all):"]
        for module in staying[:_LISTED]:
            said = f"{_name(module)}, {_calls(module)}, loses {_db(module.loss(report.format))} dB"
            lines += _indented(said, 2, style)
        if len(staying) > _LISTED:
            lines.append(f"  and {len(staying) - _LISTED} more")
    if report.scaleless:
        lines += ["", *wrap(_scaleless(report), style.width)]
    return lines


def _scaleless(report: Report) -> str:
    told = [f"{one_line(path)} ({_last(name)} ×{calls})" for path, name, calls in report.scaleless]
    if len(told) > _LISTED:
        told[_LISTED:] = [f"and {len(told) - _LISTED} more"]
    return (
        f"shared, and without a scale of their own: {', '.join(told)}; whether they keep layers from fusing "
        "is what `qatlint verify` says"
    )


def _module(module: SharedModule, report: Report, style: Style) -> list[str]:
    form = next(f for f in FORMATS if f.name == report.format)
    verdict = module.verdict(form.name)
    lost = f"the worst loses {_db(module.loss(form.name))} dB: "
    first, *others = wrap(f"{_name(module)}, {_calls(module)}, {lost}{_WORDS[verdict]}", style.width - 2)
    lines = [
        style.paint(first, _COLOURS[verdict]),
        *("  " + style.paint(t, _COLOURS[verdict]) for t in others),
    ]
    scale = module.scale(form.name)
    others_scales = ", ".join(f"{f.name} {_number(module.scale(f.name))}" for f in FORMATS if f != form)
    lines += _indented(
        f"the {form.name} scale of all calls is {_number(scale)}, which holds {_number(form.low * scale)} to "
        f"{_number(form.high * scale)} ({others_scales})",
        2,
        style,
    )
    left_out = sum(call.odd for call in module.calls)
    if left_out:
        lines += _indented(f"left out: {left_out} numbers that are NaN or infinite", 2, style)
    lines += _table(module, report, style)
    for cure in sorted(module.cures, key=lambda cure: -cure.gain[form.name])[:_CURES]:
        lines += _indented(_cure(cure, report), 2, style)
    return lines


def _calls(module: SharedModule) -> str:
    said = f"{len(module.calls) + module.empty} calls"
    return said + (f" ({module.empty} without numbers)" if module.empty else "")


def _name(module: SharedModule) -> str:
    return f"{one_line(module.path)} ({_last(module.computes)})"


def _cure(cure: Cure, report: Report) -> str:
    edge = report.edges[cure.edge]
    owner = edge.owner.rpartition(":")[2]
    where = ", ".join(dict.fromkeys(_file_line(place) for place in cure.places[:3]))
    where += ", ..." if len(cure.places) > 3 else ""
    gain, left = cure.gain[report.format], cure.left[report.format]
    return (
        f"one `{edge.subjects[0]}` of {owner} per run ({where}) gives {_db(gain)} dB back; the worst call "
        f"then loses {_db(left)} dB"
    )


def _table(module: SharedModule, report: Report, style: Style) -> list[str]:
    level = _level(module.calls)
    common = [p for n in range(_depth(module.calls)) if n != level for p in _common(module.calls, n)]
    lines = []
    if common:
        told = ", from ".join(f"{_file_line(p)} in {one_line(p.function)}" for p in common)
        lines += _indented(f"{'at' if level != 0 else 'from'} {told}", 2, style)
    if style.width < len(_ROW.format(*[""] * 9)):
        lines += _narrow(module, report, level, style)
        return lines
    lines.append(_HEAD.format("", "scale alone", "", "SQNR in dB"))
    lines.append(_ROW.format("call", "min", "max", "int8", "int16", "clipped", "alone", "shared", "loss"))
    for call in _shown(module, report.format):
        alone, together = call.alone[report.format], call.together[report.format]
        row = _ROW.format(
            call.number,
            _number(call.low),
            _number(call.high),
            *(_number(call.alone[f.name].scale) for f in FORMATS),
            _percent(together.clipped),
            _db(alone.sqnr),
            _db(together.sqnr),
            "",
        )
        loss = _db(call.loss(report.format)).rjust(7)
        row = row[:-7] + style.paint(loss, _colour(call, report.format))
        lines.append(row)
        if level is not None:
            lines += _indented(_own_place(call, level), 6, style)
    return lines + _hidden(module)


def _narrow(module: SharedModule, report: Report, level: int | None, style: Style) -> list[str]:
    """The rows as sentences, where a table has no room."""
    lines = []
    for call in _shown(module, report.format):
        alone, together = call.alone[report.format], call.together[report.format]
        scales = ", ".join(f"{f.name} {_number(call.alone[f.name].scale)}" for f in FORMATS)
        said = (
            f"call {call.number}: {_number(call.low)} to {_number(call.high)}, scale alone {scales}, clipped "
            f"{_percent(together.clipped)}, SQNR alone {_db(alone.sqnr)}, shared {_db(together.sqnr)}, loss "
            f"{_db(call.loss(report.format))} dB"
        )
        if level is not None:
            said += f", {_own_place(call, level)}"
        lines += _indented(said, 2, style)
    return lines + _hidden(module)


def _shown(module: SharedModule, form: str) -> list[Call]:
    """The calls that lose most, in their order."""
    worst = sorted(module.calls, key=lambda call: -call.loss(form))[:_CALLS]
    return sorted(worst, key=lambda call: call.number)


def _hidden(module: SharedModule) -> list[str]:
    more = len(module.calls) - _CALLS
    return [f"    and {more} more that lose less"] if more > 0 else []


def _colour(call: Call, form: str) -> str:
    cost = call.cost(form)
    return "red" if cost >= SPLIT_FROM else "yellow" if cost >= STAY_BELOW else "green"


def _depth(calls: Sequence[Call]) -> int:
    return min(len(call.places) for call in calls)


def _level(calls: Sequence[Call]) -> int | None:
    """Where the ways to the calls first differ; None where they are all the same."""
    return next((n for n in range(_depth(calls)) if len({call.places[n] for call in calls}) > 1), None)


def _common(calls: Sequence[Call], level: int) -> list[Place]:
    """The one place that all calls have there, if so."""
    places = dict.fromkeys(call.places[level] for call in calls)
    return list(places) if len(places) == 1 else []


def _own_place(call: Call, level: int) -> str:
    place = call.places[level]
    column = f":{place.column}" if place.column else ""
    return f"{'from' if level else 'at'} {_file_line(place)}{column} in {one_line(place.function)}"


# What enters the quantised region.


def _quantity(quantity: Quantity, style: Style) -> list[str]:
    what = {
        Origin.INPUT: "an input",
        Origin.COMPUTED: "computed before",
        Origin.CONSTANT: "constant",
    }[quantity.origin]
    uniform = "" if quantity.uniformity is None else f", uniformity {quantity.uniformity:.2f}"
    name = one_line(quantity.name) + ("" if quantity.stub else " (no QuantStub)")
    said = f"{name}: {what}, {_number(quantity.low)} to {_number(quantity.high)}{uniform}"
    if quantity.place is not None:
        said += f", {_file_line(quantity.place)}"
    first, *others = wrap(said, style.width - 2)
    lines = [style.paint(first, "bold"), *("  " + style.paint(text, "bold") for text in others)]
    if quantity.odd:
        lines += _indented(f"left out: {quantity.odd} numbers that are NaN or infinite", 2, style)
    if quantity.limit == 0:
        return lines + _indented("all numbers are 0: any scale will do", 2, style)
    for form in FORMATS:
        error = quantity.errors[form.name]
        lines += _indented(
            f"{form.name}: fixed scale {quantity.limit:.7g} / {-form.low}, SQNR {_db(error.sqnr)} dB, "
            f"errors up to {_number(error.furthest)}, up to {_percent(error.relative)} of the number"
            + (f", {_percent(error.vanished)} of the numbers become 0" if error.vanished else ""),
            2,
            style,
        )
    for form in FORMATS:
        parts = quantity.parts.get(form.name)
        if parts is not None and parts.helps:
            lines += _indented(_cut(parts, form.name), 2, style)
    return lines


def _cut(parts: Parts, form: str) -> str:
    where = f"{parts.at} of {parts.size}" + (f" in dimension {parts.dim}" if parts.dim else "")
    lost = ""
    if parts.zeros[0]:
        lost = f"{parts.zeros[0]} divisors may become 0 with one scale, {parts.zeros[1]} with two; "
    return (
        f"as a divisor, {form}: cut it at {where} and quantise both parts; {lost}in the worst case the SQNR "
        f"of the quotient goes from {_db(parts.whole)} to {_db(parts.parts)} dB ({parts.near[0]} to "
        f"{parts.near[1]} are at most two bits worse)"
    )


# Words and numbers.


def _indented(text: str, indent: int, style: Style) -> list[str]:
    """Wrapped, with what follows the first line set in further."""
    first, *others = wrap(text, max(style.width - indent - 2, 16))
    return [" " * indent + first, *(" " * (indent + 2) + other for other in others)]


def _file_line(place: Place) -> str:
    return f"{one_line(posixpath.basename(place.path))}:{place.line}"


def _last(dotted: str) -> str:
    return one_line(dotted.rpartition(".")[2].strip("_"))


def _number(value: float) -> str:
    return f"{value or 0.0:.4g}"  # there is a negative zero


def _percent(share: float) -> str:
    """A share with two digits; what is not 0 never looks like it."""
    percent = 100 * share
    if percent == 0 or percent >= 99.95:
        return f"{percent:.0f}%"
    return "<0.01%" if percent < 0.01 else f"{percent:.2g}%"


def _db(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value if abs(value) >= 0.05 else 0:.1f}"
