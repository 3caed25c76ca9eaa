"""Dtypes that modules are given and give: float inside of the stubs, integers at their edges, qint32."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from qatlint.horizon.judging.facts import (
    FLOAT,
    FLOATS,
    HALF,
    NO_HALF,
    NO_HALF_STEP,
    Settings,
    bare,
    generated_of,
    halves,
    is_stub,
    kind_of,
    words_of,
)
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.judging.pairs import pairs_of
from qatlint.horizon.judging.producers import Producers
from qatlint.horizon.ops import Gemm, of_class
from qatlint.horizon.report.values import Layer, ModelCheck, Statistic
from qatlint.trace import Kind

QINT32_REASON = (
    "an output in high precision shows as torch.float32 here, never as qint32: its qconfig is wrong"
)
QINT32_STEP = "correct the qconfig of this module: qint8 or qint16, or none for the output (high precision)"
_SUSPECT = "suspect that a QuantStub is missing"
_FALLS_BACK_TO = "most chips leave what is given float to the CPU, which splits the compiled model"
_NOT_CAST = "float32 all through: neither quantised nor cast to float16, in which nash-p and nash-h compute"
_NO_CLASS = (
    "nothing it is given is quantised, which is right for a QuantStub; this text does not say what it is (a "
    "page takes `<class ...>` for HTML)"
)
_PERHAPS_FUSED = (
    "a ReLU that is given float is right where the newer template fuses it with a convolution or linear "
    "layer that gives float, of which there is one above; else a QuantStub is missing before it"
)
_PERHAPS_PAIRS = (
    "a ReLU that is given float is right where the newer template fuses it with a convolution or linear "
    "layer that gives float, of which the statistics have as many; else a QuantStub is missing before it"
)
_REST = f"float inputs outside of stubs: {_SUSPECT} before them; {_FALLS_BACK_TO}"
_REST_NOT_CAST = (
    "float32 inputs outside of stubs: neither quantised nor cast to float16, in which nash-p and nash-h "
    "compute"
)
_FLOAT_RULES: tuple[str, ...] = ("QAT301", "QAT302")
_NO_RULES: tuple[str, ...] = ()
_GRAPH_STEP = "name fx_graph.txt besides, which tells what gives its input"
_FLOAT_STEP = (
    "follow its float input to where it comes from, and put a QuantStub there, unless this part is meant to "
    "be float"
)
_LOOK_BEFORE = (
    "see what stands before it: a GEMM operation needs the qconfig, another one can often move behind it"
)
_UNNAMED_STEP = "look for them in the table of layers of the whole file, which this text does not have"
_FALLS_BACK = frozenset(
    "MaxPool1d MaxPool2d AdaptiveAvgPool1d AdaptiveAvgPool2d Interpolate Upsample UpsamplingNearest2d "
    "UpsamplingBilinear2d GridSample RoIAlign MultiScaleRoIAlign MultiheadAttention".split()
)
"""Classes that give int8 whatever is set (horizon_facts H3)."""
_WIDE = FLOATS - {HALF}
"""Float dtypes that no part of the chip computes in."""
_PASSIVE = (Kind.DROPOUT, Kind.IDENTITY, Kind.RELU, Kind.RESHAPE)
_PAD = re.compile(r"Pad(?:\dd)?$|^(?:Flatten|Unflatten|PixelShuffle|PixelUnshuffle|ChannelShuffle)$")
_MAY_BE_GEMM = frozenset(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear bmm mm baddbmm addmm "
    "einsum deform_conv2d".split()
)
"""Functions that compute what a GEMM operation does, and may be none to the template for high precision."""
_INTEGERS = ("qint8", "qint16", "qint32")
_MOST = 0.9
"""From this part of the outputs on, a dtype counts as the one that was set."""


def judge(check: ModelCheck, settings: Settings) -> Iterator[Judgement]:
    """One judgement per row with a dtype that asks for a look, and what the statistics have besides."""
    yield from _qint32(check)
    yield from _floats(check, settings)
    yield from _stubs(check)
    yield from _other_dtype(check, settings)


# qint32


def _qint32(check: ModelCheck) -> Iterator[Judgement]:
    seen: Counter[str] = Counter()
    for layer in check.layers:
        if "qint32" in layer.outputs:
            seen[layer.type] += 1
            yield _of(layer, Topic.QINT32, Rank.FIRST, QINT32_REASON, QINT32_STEP)
    yield from _unnamed(check.outputs, "qint32", seen, Topic.QINT32, Rank.FIRST, QINT32_REASON, ())


# float inside of the stubs


def _floats(check: ModelCheck, settings: Settings) -> Iterator[Judgement]:
    mixed = {row.name for row in check.suspicious if row.message.startswith("Mixed")}
    seen: Counter[str] = Counter()
    half = halves(check, settings)
    pairs = pairs_of(check)
    for position, layer in enumerate(check.layers):
        if is_stub(layer.type) or _WIDE.isdisjoint(layer.inputs):
            # Before a DeQuantStub what gives it float16 has its own row.
            is_end = kind_of(layer.type) is Kind.DEQUANT_STUB
            if settings.march and not half and _has_half(layer) and not is_end:
                topic = Topic.FLOAT_INPUT if HALF in layer.inputs else Topic.MIXED
                yield _of(layer, topic, Rank.CHECK, NO_HALF, NO_HALF_STEP)
            continue
        seen[layer.type] += FLOAT in layer.inputs
        if position in pairs.roots:
            continue
        told = "; the toolchain lists it as mixed, too" if layer.label in mixed else ""
        if half and _computes_in_half(layer):
            yield _of(
                layer,
                Topic.FLOAT_INPUT,
                Rank.KNOW,
                f"float all through, as chips with float16 (nash-p, nash-h) compute it{told}",
                "nothing to do if this part is meant to be float",
            )
            continue
        if half and FLOATS.issuperset((*layer.inputs, *layer.outputs)):
            yield _of(layer, Topic.FLOAT_INPUT, Rank.CHECK, _NOT_CAST + told, _FLOAT_STEP)
            continue
        if position in pairs.unsure:
            yield _of(layer, Topic.FLOAT_INPUT, Rank.CHECK, _PERHAPS_FUSED + told, _GRAPH_STEP)
            continue
        if not layer.type and not any(dtype.startswith("q") for dtype in layer.inputs):
            yield _of(layer, Topic.FLOAT_INPUT, Rank.CHECK, _NO_CLASS + told, _FLOAT_STEP)
            continue
        if any(dtype.startswith("q") for dtype in layer.inputs):
            what = f"its {_which(layer)} is float beside quantised ones"
        else:
            what = "nothing it is given is quantised"
        reason = f"{what}: {_SUSPECT} before it; {_FALLS_BACK_TO}"
        yield _of(layer, Topic.FLOAT_INPUT, Rank.FIRST, reason + told, _FLOAT_STEP, _FLOAT_RULES)
    yield from _unnamed_floats(check, seen, half)


def _unnamed_floats(check: ModelCheck, seen: Counter[str], half: bool) -> Iterator[Judgement]:
    """Float inputs that only the statistics count."""
    spare = _between_pairs(check)
    for statistic in check.inputs:
        if statistic.type == "total" or is_stub(statistic.type):
            continue
        rank, reason, codes = Rank.FIRST, _REST, _FLOAT_RULES
        more = statistic.count(FLOAT) - seen[statistic.type]
        if kind_of(statistic.type) is Kind.RELU and 0 < more <= spare:
            rank, reason, codes = Rank.CHECK, _PERHAPS_PAIRS, _NO_RULES
        elif half:
            rank, reason, codes = Rank.CHECK, _REST_NOT_CAST, _NO_RULES
        yield from _unnamed((statistic,), FLOAT, seen, Topic.FLOAT_INPUT, rank, reason, codes)


def _between_pairs(check: ModelCheck) -> int:
    """How many GEMM operations give float by the statistics that has no row and does not go to a DeQuantStub:
    so many may be fused with a ReLU that has a row of its own."""
    given = sum(row.count(FLOAT) for row in check.outputs if kind_of(row.type) is Kind.GEMM)
    to_stubs = sum(row.count(FLOAT) for row in check.inputs if kind_of(row.type) is Kind.DEQUANT_STUB)
    named = sum(kind_of(layer.type) is Kind.GEMM and FLOAT in layer.outputs for layer in check.layers)
    return given - named - to_stubs


def _computes_in_half(layer: Layer) -> bool:
    """Whether a row is float all through with float16 in it. What is float32 only was not cast: it is no
    part that such a chip computes in float16."""
    dtypes = {*layer.inputs, *layer.outputs}
    return dtypes <= FLOATS and _has_half(layer)


def _has_half(layer: Layer) -> bool:
    return HALF in layer.inputs or HALF in layer.outputs or HALF in layer.ch_axis


def _which(layer: Layer) -> str:
    """Which of the inputs are float, in words."""
    ordinals = ("first", "second", "third", "fourth", "fifth")
    found = [i for i, dtype in enumerate(layer.inputs) if dtype in _WIDE]
    if len(found) == 1 and found[0] < len(ordinals):
        return f"{ordinals[found[0]]} input"
    return "input" if len(layer.inputs) == 1 else "part of its inputs"


# the stubs


def _stubs(check: ModelCheck) -> Iterator[Judgement]:
    producers = Producers(check)
    rows = {layer.name: layer for layer in check.layers}
    is_all = not any(FLOAT in layer.outputs for layer in check.layers if not is_stub(layer.type))
    seen: dict[str, Counter[str]] = {dtype: Counter() for dtype in _INTEGERS}
    for layer in check.layers:
        kind = kind_of(layer.type)
        for dtype in dict.fromkeys(layer.inputs):
            if dtype in seen and kind in (Kind.QUANT_STUB, Kind.DEQUANT_STUB):
                seen[dtype][layer.type] += 1
                before, is_gemm = _before(layer, producers, rows)
                yield _stub(layer, kind, dtype, before, is_gemm, rows.get(before), is_all)
    for statistic in check.inputs:
        kind = kind_of(statistic.type)
        for dtype in seen:
            if kind in (Kind.QUANT_STUB, Kind.DEQUANT_STUB):
                topic, rank, reason, codes = _stub_words(kind, dtype)
                yield from _unnamed((statistic,), dtype, seen[dtype], topic, rank, reason, codes)


def _stub_words(kind: Kind, dtype: str) -> tuple[Topic, Rank, str, tuple[str, ...]]:
    if kind is Kind.QUANT_STUB:
        reason = "it is given what is quantised already: it costs time, no accuracy"
        return Topic.REDUNDANT_STUB, Rank.KNOW, reason, ("QAT303",)
    if dtype == "qint32":
        reason = "qint32 before a DeQuantStub is no high precision: the qconfig of what gives it is wrong"
        return Topic.LOW_PRECISION, Rank.CHECK, reason, ("QAT401",)
    if dtype == "qint16":
        reason = "the output is int16, which is precise, but not the high precision of a GEMM operation"
        return Topic.LOW_PRECISION, Rank.KNOW, reason, ("QAT401",)
    reason = (
        "the output is int8: high precision is on only where a GEMM operation (conv, linear, matmul) stands "
        "directly before the DeQuantStub"
    )
    return Topic.LOW_PRECISION, Rank.CHECK, reason, ("QAT401",)


def _stub(
    layer: Layer,
    kind: Kind,
    dtype: str,
    before: str,
    is_gemm: bool | None,
    row: Layer | None,
    is_all: bool,
) -> Judgement:
    """`before`: what stands before it, with its `row`. `is_all`: all that is not a stub is quantised."""
    topic, rank, reason, codes = _stub_words(kind, dtype)
    if kind is Kind.QUANT_STUB:
        step = "remove it, unless the model is deployed in segments that are cut here"
    elif dtype == "qint32":
        step = f"correct the qconfig of {f'`{before}`' if before else 'the module before it'}"
    elif is_gemm is None and before:
        reason += (
            f"; `{before}` stands before it, of which the version of the toolchain says whether it is one"
        )
        step = _LOOK_BEFORE
    elif is_gemm is None:
        step = _LOOK_BEFORE
    elif is_gemm:
        is_fused = row is not None and generated_of(before) is not None
        what = f"`{before}` ({bare(row.type)})" if row is not None and is_fused else f"`{before}`"
        reason = f"the GEMM operation {what} stands before it, and still the output is {dtype}"
        step = (
            "see whether the result has other users than DeQuantStubs, and whether a qconfig that was set by "
            "hand keeps the template for high precision away"
        )
        if is_all:
            reason += ", as all are in this report"
            step += "; in what `qatlint trace` writes all outputs are quantised"
    elif row is not None and kind_of(row.type) is Kind.QUANT_STUB:
        reason = f"nothing is computed between `{before}` and it: it gives what that is given, as {dtype}"
        step = f"give out what `{before}` is given, without both stubs"
    else:
        reason += f"; `{before}` stands before it"
        step = "move it behind the DeQuantStub where the float result is the same, so that a GEMM op is last"
    return _of(layer, topic, rank, reason, step, codes)._replace(dtype=dtype)


def _before(layer: Layer, producers: Producers, rows: Mapping[str, Layer]) -> tuple[str, bool | None]:
    """What stands before a stub and whether it is a GEMM operation, as far as the graph tells."""
    found = producers.of(layer.name, layer.call)
    if found is None:
        return "", None
    if not found.module:
        name = found.function.strip("_")
        return found.function, None if name in _MAY_BE_GEMM else name == "matmul"
    made, row = generated_of(found.module), rows.get(found.module)
    kind = kind_of(row.type) if row is not None else Kind.UNKNOWN
    if row is not None and kind is Kind.GEMM:  # also what stands in the place of an add
        meaning = of_class(row.type)
        return found.module, None if meaning is not None and meaning.gemm is Gemm.VERSION else True
    if made is not None and not made.inner:
        return found.module, made.op == "matmul"
    if row is None:
        return found.module, None
    return found.module, (
        kind is Kind.FLOAT_FUNCTIONAL and (row.method or bare(row.type).lower()) == "matmul"
    )


# what was set


def _other_dtype(check: ModelCheck, settings: Settings) -> Iterator[Judgement]:
    expected, why = settings.expect, "was set"
    if not expected:
        expected, why = _usual(check), "nearly all others have"
    if expected != "qint16":
        return
    for layer in check.layers:
        if "qint8" not in layer.outputs or kind_of(layer.type) is Kind.DEQUANT_STUB:
            continue
        if bare(layer.type) in _FALLS_BACK:
            reason, rank = f"int16 {why}, but this operation gives int8 on the chip", Rank.KNOW
            step = "nothing to do, or another operation where it costs accuracy"
        elif _passes_on(layer):
            reason, rank = f"int16 {why}; this one passes on what it is given, which is int8", Rank.KNOW
            step = "look at what gives its input"
        else:
            reason, rank = f"int16 {why}; this one stayed at int8", Rank.CHECK
            step = (
                "look for a qconfig set by hand, which setters do not replace, and in qconfig_changelogs.txt "
                "for a fall back (one op before a fused add, pooling, resizing)"
            )
        yield _of(layer, Topic.OTHER_DTYPE, rank, reason, step)


def _passes_on(layer: Layer) -> bool:
    """Whether a row is of an operation without a scale of its own, given int8 (horizon_facts I2)."""
    is_passive = kind_of(layer.type) in _PASSIVE or _PAD.search(bare(layer.type)) is not None
    return is_passive and "qint8" in layer.inputs and "qint16" not in layer.inputs


def _usual(check: ModelCheck) -> str:
    """The dtype of nearly all outputs, "" when there is none."""
    total = next((row for row in check.outputs if row.type == "total"), None)
    if total is None:
        return ""
    quantised = {dtype: number for dtype, number in total.dtypes if dtype.startswith("q")}
    most = max(quantised, key=lambda dtype: quantised[dtype], default="")
    return most if most and quantised[most] >= _MOST * sum(quantised.values()) > 0 else ""


# common


def _of(
    layer: Layer, topic: Topic, rank: Rank, reason: str, step: str, codes: tuple[str, ...] = ()
) -> Judgement:
    return Judgement(
        topic,
        rank,
        (layer.label,),
        words_of(layer),
        reason,
        step,
        codes,
        bare(layer.type),
        given=layer.inputs,
    )


def _unnamed(
    table: tuple[Statistic, ...],
    dtype: str,
    seen: Counter[str],
    topic: Topic,
    rank: Rank,
    reason: str,
    codes: tuple[str, ...],
) -> Iterator[Judgement]:
    """What the statistics count beyond the rows of layers that the text has."""
    for row in table:
        more = row.count(dtype) - seen[row.type] if row.type != "total" else 0
        if more > 0:
            name = bare(row.type)
            detail = f"{dtype} at {name}"
            yield Judgement(topic, rank, (), detail, reason, _UNNAMED_STEP, codes, name, dtype, more)
