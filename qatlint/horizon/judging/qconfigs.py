"""Scales, observers and weights: what is frozen, fixed or missing, and what the toolchain asks to check."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qatlint.horizon.judging.dtypes import QINT32_REASON, QINT32_STEP
from qatlint.horizon.judging.facts import (
    FLOATS,
    HALF,
    NO_HALF,
    NO_HALF_STEP,
    Settings,
    bare,
    halves,
    is_stub,
    kind_of,
    reach,
)
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.judging.pairs import pairs_of
from qatlint.horizon.report.cells import dtypes_of, name_of
from qatlint.horizon.report.values import Layer, ModelCheck, Suspicious
from qatlint.trace import Kind

_CONSTANT = re.compile(r"averaging_constant\s*=\s*([0-9.eE+-]+)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_FIXED_MESSAGE = re.compile(r"Fixed (?:input )?scale\s+(.*)")
_MIXED_DTYPES = re.compile(r"input dtype\s*(\[[^\]]*\]) and output dtype\s*(\[[^\]]*\])")
_PAIR = (
    "the newer template fuses it with the ReLU behind it, and each keeps a row: what is float between them "
    "is no tensor of its own",
    "nothing to do",
    (),
    Rank.KNOW,
)
_WIDE = FLOATS - {HALF}
_COMPUTES = (Kind.GEMM, Kind.FLOAT_FUNCTIONAL, Kind.LUT_ACTIVATION, Kind.SOFTMAX, Kind.NORM)


def judge(check: ModelCheck, settings: Settings) -> Iterator[Judgement]:
    """One judgement per row whose qconfig asks for a look."""
    yield from _frozen(check)
    yield from _fixed(check)
    yield from _weights(check)
    yield from _without_qconfig(check)
    yield from _asked(check, settings)
    for row in check.unusual:
        yield Judgement(
            Topic.UNUSUAL,
            Rank.CHECK,
            (row.name,),
            row.computation,
            "it computes with a combination of dtypes that the toolchain calls unusual",
            "see which of its inputs has the dtype that the others have not",
        )


# averaging_constant = 0


def _frozen(check: ModelCheck) -> Iterator[Judgement]:
    weights = {weight.name: weight.observer for weight in check.weights}
    outputs = {layer.name: layer.observer for layer in check.layers}
    for layer in check.layers:
        if _is_frozen(layer.observer):
            half = _moves(weights.get(layer.name, ""))
            yield _scale(layer.label, layer.type, "activation", "weights" if half else "")
    for weight in check.weights:
        if _is_frozen(weight.observer):
            half = _moves(outputs.get(weight.name, ""))
            yield _scale(weight.name, weight.type, "weight", "output" if half else "")


def _moves(observer: str) -> bool:
    """Whether a scale follows what is seen: not one that is fixed or frozen, nor where there is none."""
    return bool(observer) and not _is_frozen(observer) and "FixedScaleObserver" not in observer


def _scale(name: str, dotted: str, what: str, other: str) -> Judgement:
    reason = (
        f"averaging_constant = 0: the {what} scale does not move any more, as in the recipe for a fixed part"
    )
    step = (
        "if this part is meant to be fixed, its parameters need requires_grad = False and it needs eval(); "
        "else set averaging_constant back (0.01)"
    )
    rank = Rank.KNOW
    if other:
        reason += f"; that of its {other} still does, so only half of it is fixed"
        rank = Rank.CHECK
    return Judgement(Topic.FROZEN, rank, (name,), f"{what} scale fixed", reason, step, (), bare(dotted))


def _is_frozen(observer: str) -> bool:
    found = _CONSTANT.search(observer)
    try:
        return found is not None and float(found[1]) == 0
    except ValueError:
        return False


# fixed scales


def _fixed(check: ModelCheck) -> Iterator[Judgement]:
    told = {name_of(row.name)[0]: row for row in check.suspicious if _FIXED_MESSAGE.match(row.message)}
    for layer in check.layers:
        if "FixedScaleObserver" in layer.observer:
            told.pop(layer.name, None)
            yield _fixed_scale(layer.label, layer.type, _scale_of(layer.observer), _quantised(layer))
    dtypes = {layer.name: _quantised(layer) for layer in check.layers}
    for name, row in told.items():
        found = _FIXED_MESSAGE.match(row.message)
        scale = _scale_of(found[1]) if found is not None else None
        yield _fixed_scale(row.name, row.type, scale, dtypes.get(name, ""))


def _fixed_scale(name: str, dotted: str, scale: float | None, dtype: str) -> Judgement:
    held = f": {reach(scale, dtype)}" if scale is not None else ""
    detail = "fixed scale" if scale is None else f"fixed scale {scale:g}"
    return Judgement(
        Topic.FIXED,
        Rank.KNOW,
        (name,),
        detail + held,
        "its scale is fixed by hand",
        "see that the quantity cannot leave this range, and does not fill a small part of it only",
        (),
        bare(dotted),
    )


def _scale_of(text: str) -> float | None:
    """The first number behind `scale=` (of one or many), or of the text."""
    _, found, rest = text.partition("scale=")
    number = _NUMBER.search(rest if found else text)
    scale = float(number[0]) if number is not None else 0.0
    return scale if 0 < scale < float("inf") else None


def _quantised(layer: Layer) -> str:
    return next((dtype for dtype in layer.outputs if dtype.startswith("q")), "")


# weights


def _weights(check: ModelCheck) -> Iterator[Judgement]:
    for weight in check.weights:
        if weight.dtype and weight.dtype != "qint8":
            yield _weight(weight.name, weight.type, weight.dtype)


def _weight(name: str, dotted: str, dtype: str) -> Judgement:
    return Judgement(
        Topic.WEIGHT,
        Rank.CHECK,
        (name,),
        f"weight {dtype}",
        "weights are qint8 on the chip as a rule; another dtype is slower or falls back",
        "see whether the qconfig means this weight to have another dtype",
        (),
        bare(dotted),
    )


# no qconfig


def _without_qconfig(check: ModelCheck) -> Iterator[Judgement]:
    for layer in check.layers:
        none = layer.ch_axis.replace(" ", "") == "qconfig=None"
        if none and not is_stub(layer.type) and kind_of(layer.type) in _COMPUTES:
            yield Judgement(
                Topic.NO_QCONFIG,
                Rank.CHECK,
                (layer.label,),
                "qconfig = None",
                "it computes and has no qconfig, so its output is not quantised",
                "leave it if it is a part that is not deployed (an auxiliary head), else give it a qconfig",
                (),
                bare(layer.type),
            )


# what the toolchain asks to check


def _asked(check: ModelCheck, settings: Settings) -> Iterator[Judgement]:
    """The toolchain's own list, without what other rows say already."""
    half = halves(check, settings)
    floats = {layer.label for layer in check.layers if not _WIDE.isdisjoint(layer.inputs)}
    told = {layer.label for layer in check.layers if "qint32" in layer.outputs}
    weights = {weight.name for weight in check.weights if weight.dtype not in ("", "qint8")}
    roots = {check.layers[root].label for root in pairs_of(check).roots.values()}
    for row in check.suspicious:
        name = name_of(row.name)[0]
        if row.name in roots and row.message.startswith(("Mixed", "activation is None")):
            yield _asked_row(
                row, Topic.MIXED if row.message.startswith("Mixed") else Topic.NO_ACTIVATION, *_PAIR
            )
        elif row.message.startswith("Mixed"):
            out = _MIXED_DTYPES.search(row.message)
            if out is not None and "qint32" in dtypes_of(out[2]):
                if row.name not in told:  # the rows of the file may be cut off
                    words = (QINT32_REASON, QINT32_STEP, (), Rank.FIRST)
                    yield _asked_row(row, Topic.QINT32, *words)
            elif row.name not in floats or is_stub(row.type):
                # A row alone may be the only one that tells of float16.
                is_half = half or (not settings.march and HALF in row.message)
                yield _asked_row(row, Topic.MIXED, *_mixed(row.message, is_half))
        elif row.message.endswith(("weight!", "weight!!!")):
            if name not in weights:
                yield _weight(row.name, row.type, row.message.partition(" ")[0])
        elif row.message.startswith("activation is None"):
            yield _asked_row(
                row,
                Topic.NO_ACTIVATION,
                "its output is not quantised, which is right for one that goes to a DeQuantStub only",
                "see that nothing else takes its result",
                (),
                Rank.KNOW,
            )
        elif not _FIXED_MESSAGE.match(row.message):
            yield _asked_row(row, Topic.OTHER, "the toolchain asks to check it", "see its qconfig", ())


def _mixed(message: str, half: bool) -> tuple[str, str, tuple[str, ...], Rank]:
    """(reason, step, rules, rank) of a row about mixed dtypes, by the dtypes that it names. `half`: the chip
    computes in float16, beside GEMM operations with int8 (horizon_facts A6, C6)."""
    found = _MIXED_DTYPES.search(message)
    given, out = (dtypes_of(found[1]), dtypes_of(found[2])) if found is not None else ((), ())
    has_half = HALF in given or HALF in out
    if has_half and not half and _WIDE.isdisjoint(given):
        return (NO_HALF, NO_HALF_STEP, (), Rank.CHECK)
    if found is None or not _WIDE.isdisjoint(given):
        return (
            "it is given or gives quantised and float tensors together, which mostly means that a QuantStub "
            "is missing",
            "follow its float input to where it comes from, and put a QuantStub there",
            ("QAT301", "QAT302"),
            Rank.CHECK,
        )
    if any(not dtype.startswith("q") and dtype != HALF for dtype in given):
        return (
            "beside what is quantised it is given integers or truth values (positions, a mask), which a "
            "QuantStub is not for",
            "nothing to do for positions, though those of topk may need a cast to what the operation takes; "
            "a mask that is computed with is made float and quantised",
            (),
            Rank.CHECK,
        )
    if has_half:
        return (
            "quantised and float16 tensors meet in it, as on chips with float16 (nash-p, nash-h), where GEMM "
            "operations take int8 and the rest is float16",
            "nothing to do if its qconfig means float16",
            (),
            Rank.KNOW,
        )
    if not FLOATS.isdisjoint(out):
        return (
            "what it is given is quantised and what it gives is float, which is right for high precision "
            "before a DeQuantStub",
            "see that nothing else takes its result, or look at its qconfig",
            (),
            Rank.CHECK,
        )
    return "it is given or gives different dtypes together", "see its qconfig", (), Rank.CHECK


def _asked_row(
    row: Suspicious, topic: Topic, reason: str, step: str, codes: tuple[str, ...], rank: Rank = Rank.CHECK
) -> Judgement:
    dtypes = _MIXED_DTYPES.search(row.message)
    given = dtypes_of(dtypes[1]) if dtypes is not None else ()
    return Judgement(topic, rank, (row.name,), row.message, reason, step, codes, bare(row.type), given=given)
