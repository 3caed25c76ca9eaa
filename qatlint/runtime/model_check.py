"""What the toolchain's `model_check_result.txt` would say of a recording, by the rules that are documented.

Integer types are the qconfig's business, so every quantised tensor is written as qint8, observers are left
out, and no output is taken for one of high precision. Weights have no table of their own for the same reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set

from qatlint.horizon.ops import Boundary, op_name
from qatlint.horizon.report.values import (
    CallCount,
    Generation,
    GraphNode,
    Layer,
    Member,
    ModelCheck,
    Section,
    Statistic,
    Suspicious,
)
from qatlint.runtime.checker import freed, listed
from qatlint.runtime.counts import counts
from qatlint.runtime.flow import Flow, Unit
from qatlint.runtime.fuse import Fusion, fusions
from qatlint.runtime.recording import Op, TensorFacts
from qatlint.trace import Kind, Quant

_QUANTISED = "qint8"
_PER_TENSOR = "-1"
_NO_QCONFIG = "qconfig = None"
_TOTAL = "total"
_OPCODES = {
    "input": "placeholder",
    "constant": "get_attr",
    "module": "call_module",
    "method": "call_method",
    "function": "call_function",
    "output": "output",
}


def model_check(flow: Flow) -> ModelCheck:
    """The report on one forward, in its newer generation, with the graph."""
    fused = fusions(flow)
    gone = freed(flow, fused)
    layers = list(_layers(flow, fused, gone))
    rows = [layer for _, layer in layers]
    sequences = tuple(_sequences(flow, fused))
    times = tuple(_counts(flow, gone))
    once = all(count.times == 1 for count in times)
    suspicious = tuple(_suspicious(flow, layers))
    return ModelCheck(
        all_fused=not sequences,
        sequences=sequences,
        all_once=once,
        counts=() if once else times,
        inputs=_statistics((row.type, row.inputs) for row in rows),
        outputs=_statistics((row.type, row.outputs) for row in rows),
        layers=tuple(rows),
        suspicious=suspicious,
        graph=tuple(_graph(flow)),
        sections=_sections(bool(rows), bool(suspicious)),
        generation=Generation.UNKNOWN if once else Generation.NEWER,  # only the counts tell them apart
    )


def _sections(rows: bool, suspicious: bool) -> tuple[Section, ...]:
    tables = (Section.INPUTS, Section.OUTPUTS) if rows else ()
    asked = (Section.SUSPICIOUS,) if suspicious else ()
    return (Section.FUSION, Section.COUNTS, *tables, Section.LAYERS, *asked, Section.GRAPH)


def _counts(flow: Flow, freed: Set[str]) -> Iterator[CallCount]:
    """How often leaf modules run. Identity may run as often as it likes, or never: it is what is left of a
    module that was fused. What is inside of a leaf is no leaf, and takes part in its runs unseen."""
    leaves = {module.path for module in flow.recording.modules if module.leaf}
    for count in counts(flow):
        if count.kind is Kind.IDENTITY or count.path in freed:
            continue
        above = count.path
        while above and not count.generated:
            above = above.rpartition(".")[0]
            if above in leaves:
                break
        else:
            yield CallCount(count.path, count.times)


def _sequences(flow: Flow, fused: Sequence[Fusion]) -> Iterator[tuple[Member, ...]]:
    for sequence in listed(flow, fused):
        paths = [(flow.units[number], number, shared) for number, shared in sequence]
        yield tuple(
            Member(unit.path, _type(flow, number), shared)
            for unit, number, shared in paths
            if unit is not None
        )


def _type(flow: Flow, number: int) -> str:
    """The dotted class of the module that computes an op."""
    unit, meaning = flow.units[number], flow.meanings[number]
    if unit is None or not unit.generated or meaning is None:
        return flow.ops[number].target
    # "FloatFunctional.add", "nn.Div", "torch.nn.ReLU": what prepare makes of the function.
    made = meaning.becomes.removesuffix(f".{op_name(flow.ops[number].target)}")
    return made if made.startswith("torch.") else f"horizon_plugin_pytorch.{made}"


def _layers(flow: Flow, fused: Iterable[Fusion], gone: Set[str]) -> Iterator[tuple[Op, Layer]]:
    """The rows: one for each call of a leaf module, but not of an Identity, and so not of what was fused."""
    homes = {
        number: fusion
        for fusion in fused
        for number in fusion.members[: fusion.fused]
        if getattr(flow.units[number], "path", None) == fusion.path
    }
    for op in flow.ops:
        unit, meaning = flow.units[op.number], flow.meanings[op.number]
        is_identity = op.kind == "module" and meaning is not None and meaning.name == "identity"
        if unit is not None and unit.path not in gone and not is_identity:
            yield op, _layer(flow, op, unit, homes.get(op.number))


def _layer(flow: Flow, op: Op, unit: Unit, fusion: Fusion | None) -> Layer:
    """`fusion` is the sequence that the module computes as a whole: what it gives is what the last member
    gives. It has no methods any more, and where only a batch norm was folded the class that it had."""
    label = flow.labels[op.number]
    call = label.rpartition("(")[2].removesuffix(")") if label.endswith(")") else ""
    last = flow.ops[fusion.members[fusion.fused - 1]] if fusion is not None else op
    kind, method = _type(flow, op.number), op_name(op.target) if unit.generated else op.method
    if fusion is not None:
        kind, method = _fused_type(flow.ops[fusion.members[0]].target, fusion.class_name), ""
    return Layer(
        unit.path,
        kind,
        _dtypes(flow.given(op.number), op.input_facts),
        _dtypes([flow.states[last.number]] * len(last.output_facts), last.output_facts),
        _PER_TENSOR if flow.states[last.number] is Quant.QUANTIZED else _NO_QCONFIG,
        "",
        method,
        int(call or 0),
    )


def _fused_type(dotted: str, fused: str) -> str:
    """`horizon_plugin_pytorch.nn.qat.conv2d.ConvAddReLU2d`: in the file of its root [V: samples]."""
    root = dotted.rpartition(".")[2]
    file = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", root).lower()
    return dotted if fused == root else f"horizon_plugin_pytorch.nn.qat.{file}.{fused}"


def _dtypes(states: Iterable[Quant], facts: Sequence[TensorFacts]) -> tuple[str, ...]:
    return tuple(
        _QUANTISED if state in (Quant.QUANTIZED, Quant.UNKNOWN) else f"torch.{tensor.dtype}"
        for state, tensor in zip(states, facts, strict=True)
    )


def _statistics(rows: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[Statistic, ...]:
    """Each call adds one per dtype among its tensors; dtypes and classes come in the order of the calls."""
    table: dict[str, Counter[str]] = {}
    columns: dict[str, None] = {}
    for kind, dtypes in rows:
        columns.update(dict.fromkeys(dtypes))
        table.setdefault(kind, Counter()).update(set(dtypes))
    if not columns:
        return ()
    total: Counter[str] = sum(table.values(), Counter())
    return tuple(
        Statistic(kind, tuple((dtype, count[dtype]) for dtype in columns))
        for kind, count in [*table.items(), (_TOTAL, total)]
    )


def _suspicious(flow: Flow, layers: Iterable[tuple[Op, Layer]]) -> Iterator[Suspicious]:
    """Modules between the stubs whose dtypes are neither all quantised nor all floating."""
    for op, layer in layers:
        meaning = flow.meanings[op.number]
        if meaning is not None and meaning.boundary is not Boundary.NONE:
            continue
        seen = {*layer.inputs, *layer.outputs}
        if len({dtype == _QUANTISED for dtype in seen}) > 1:
            dtypes = [f"[{', '.join(map(_quoted, part))}]" for part in (layer.inputs, layer.outputs)]
            message = f"Mixed input dtype {dtypes[0]} and output dtype {dtypes[1]}"
            yield Suspicious(layer.label, layer.type, message)


def _quoted(dtype: str) -> str:
    return f"'{dtype}'" if dtype == _QUANTISED else dtype


def _graph(flow: Flow) -> Iterator[GraphNode]:
    names: list[str] = []
    used: Counter[str] = Counter()
    for op in flow.ops:
        target = _target(flow, op)
        plain = "".join(c if c.isalnum() else "_" for c in target).strip("_") or op.kind
        names.append(f"{plain}_{used[plain]}" if used[plain] else plain)
        used[plain] += 1
        args = ", ".join(names[producer] for producer in op.inputs)
        yield GraphNode(_OPCODES[op.kind], names[-1], target, f"({args})")


def _target(flow: Flow, op: Op) -> str:
    unit = flow.units[op.number]
    return unit.path if unit is not None else op.target or op.kind
