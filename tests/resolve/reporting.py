"""Reports of one model, as values, and the lines that their rows may mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent
from types import MappingProxyType

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.horizon.report import CallCount, GraphNode, Layer, ModelCheck, Statistic
from qatlint.resolve.choosing import best

HEAD = """\
import torch
from horizon_plugin_pytorch.quantization import QuantStub
from torch import nn
from torch.ao.quantization import DeQuantStub
"""
_Q8 = ("qint8",)


def report(
    labels: Sequence[str],
    counts: Mapping[str, int] = MappingProxyType({}),
    whole: bool = True,
    graph: Sequence[str] = (),
    types: Mapping[str, str] = MappingProxyType({}),
) -> ModelCheck:
    """A report with one row for each label. `counts`: the part of that name. `graph`: the modules in it."""
    names = [label.partition("[")[0] for label in labels]
    layers = tuple(
        Layer(name.partition("(")[0], types.get(name.partition("(")[0], "T"), _Q8, _Q8, "-1", "", call=call)
        for name in names
        for call in [int(name.partition("(")[2].removesuffix(")") or 0)]
    )
    nodes = [GraphNode("call_module", name, name, "()") for name in graph]
    return ModelCheck(
        counts=tuple(CallCount(name, times) for name, times in counts.items()),
        layers=layers,
        outputs=(Statistic("total", (("qint8", len(layers)),)),) if whole else (),
        graph=(*nodes, GraphNode("output", "output", "output", "()")) if graph else (),
    )


def found(folder: Path, text: str, check: ModelCheck, labels: Sequence[str]) -> list[str]:
    """Label by label, the comments on the lines that it may mean."""
    path = folder / "m.py"
    path.write_text(HEAD + dedent(text), encoding="utf-8")
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, check, others)
    assert names is not None
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = []
    for label in labels:
        ops, why = names.ops_of(label)
        spans = sorted({op.span.line for op in ops})
        assert bool(why) is (len(spans) > 1), (label, why)
        comments.append(",".join(lines[line - 1].rpartition("# ")[2] for line in spans))
    return comments


def adds(count: int, owner: str = "") -> list[str]:
    """The labels of so many additions in a forward."""
    return [f"{owner}_generated_add_{n}[add]" for n in range(count)]
