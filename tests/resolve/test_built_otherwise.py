"""Reports of models that were built unlike their defaults: how often a loop turns is only certain where the
report itself proves it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.horizon.report.whole import is_whole
from qatlint.resolve.choosing import best
from tests.resolve.reporting import HEAD, adds, found, report

CONV = "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d"
NORM = "horizon_plugin_pytorch.nn.qat.layernorm.LayerNorm"

TWO_LOOPS = """
class Net(nn.Module):
    def __init__(self, enc=2, dec=2):
        super().__init__()
        self.quant = QuantStub()
        self.enc = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(enc))
        self.dec = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(dec))
        self.norm = nn.LayerNorm(4)
        self.turns = dec

    def forward(self, x):
        x = self.quant(x)
        for conv in self.enc:
            x = conv(x) + x  # enc
        x = x * 2
        for conv in self.dec:
            x = conv(x) + x  # dec
        return x + 1  # end
"""
TWO_COUNTERS = """
class Net(nn.Module):
    def __init__(self, first=2, second=2):
        super().__init__()
        self.quant, self.norm, self.other = QuantStub(), nn.LayerNorm(4), nn.LayerNorm(4)
        self.first, self.second = first, second

    def forward(self, x):
        x = self.quant(x)
        for _ in range(self.first):
            x = self.norm(x) + x  # enc
        for _ in range(self.second):
            x = self.other(x) + x  # dec
        return x + 1  # end
"""
ENTRIES = ["quant", "enc.0", "enc.1", "enc.2", "dec.0"]


@pytest.mark.parametrize(
    ("model", "names", "graph", "expected"),
    [
        # Two defaults whose differences cancel out: what is in the loops tells which of them it is.
        (TWO_LOOPS, ENTRIES, ENTRIES, "enc enc enc dec end"),
        (TWO_LOOPS, ["quant", "enc.0", "enc.1", "dec.0", "dec.1"], (), "enc enc dec dec end"),
        # Convolutions that are fused with the add behind them have no row, but the graph has them.
        (TWO_LOOPS, ["quant"], ENTRIES, "enc enc enc dec end"),
        (TWO_LOOPS, ["quant"], (), "enc,dec enc,dec enc,dec enc,dec end"),
        (TWO_COUNTERS, ["quant", "norm", "norm(1)", "norm(2)", "other"], (), "enc enc enc dec end"),
        (TWO_COUNTERS, ["quant", "norm", "norm(1)", "other", "other(1)"], (), "enc enc dec dec end"),
    ],
)
def test_what_runs_in_a_loop_tells_how_often_it_turns(
    model: str, names: list[str], graph: Sequence[str], expected: str, tmp_path: Path
) -> None:
    types = {name: CONV for name in names if name[-1].isdecimal()}
    check = report([*names, *adds(5)], graph=graph, types=types)
    assert is_whole(check)
    assert found(tmp_path, model, check, adds(5)) == expected.split()


def test_counts_alone_tell_it_too(tmp_path: Path) -> None:
    counts = {"norm": 3, "other": 1}
    check = report(["_generated_add_3", "norm"], counts, whole=False)
    assert found(tmp_path, TWO_COUNTERS, check, ["_generated_add_3"]) == ["dec"]


def test_in_an_excerpt_a_default_is_no_fact(tmp_path: Path) -> None:
    one = report(["_generated_add_3"], whole=False)
    assert found(tmp_path, TWO_LOOPS, one, ["_generated_add_3"]) == ["enc,dec,end"]
    # So many entries ran at least.
    some = report(["_generated_add_1", "enc.0", "enc.1"], whole=False)
    assert found(tmp_path, TWO_LOOPS, some, ["_generated_add_1"]) == ["enc"]


OVER_NAMES = """
class Net(nn.Module):
    def __init__(self, names=("a", "b")):
        super().__init__()
        self.quant = QuantStub()
        self.names = names
        self.parts = nn.ModuleDict({"a": nn.LayerNorm(4), "b": nn.LayerNorm(4), "c": nn.LayerNorm(4)})

    def forward(self, x):
        x = self.quant(x)
        for name in self.names:
            x = self.parts[name](x) + x  # turn
        return x + 1  # end
"""


def test_a_loop_over_names_turns_for_those_that_ran(tmp_path: Path) -> None:
    parts = ["parts.a", "parts.b"]
    types = dict.fromkeys(parts, NORM)
    both = report([*parts, *adds(3)], types=types)
    assert found(tmp_path, OVER_NAMES, both, adds(3)) == ["turn", "turn", "end"]
    some = report([*parts, *adds(3)], types=types, whole=False)
    assert found(tmp_path, OVER_NAMES, some, adds(3)) == ["turn", "turn", "turn,end"]
    assert found(tmp_path, OVER_NAMES, report(adds(2), whole=False), adds(2)) == ["turn,end", "turn,end"]


def test_where_a_report_has_more_calls_than_source_the_line_may_be_none_of_them(tmp_path: Path) -> None:
    text = TWO_COUNTERS.replace("for _ in range(self.first)", "for _ in range(1)")
    text = text.replace("for _ in range(self.second)", "for _ in range(1)")
    path = tmp_path / "m.py"
    path.write_text(HEAD + text, encoding="utf-8")
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(adds(4)), others)
    assert names is not None
    why = names.ops_of("_generated_add_0")[1]
    assert why == (
        "the report has 4 calls of `add` there, and source tells of 3: it may be none of these lines"
    )


CHECKPOINTED = """
class Block(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act, self.norm = act, nn.LayerNorm(4)

    def forward(self, x):
        return self.act(self.norm(x)) + x  # block


class Net(nn.Module):
    def __init__(self, depth=2, turns=2):
        super().__init__()
        self.quant, self.saving, self.act, self.turns = QuantStub(), False, nn.Sigmoid(), turns
        self.blocks = nn.Sequential(*[Block(self.act) for _ in range(depth)])

    def set_saving(self, on):
        self.saving = on

    def forward(self, x):
        x = self.quant(x)
        for _ in range(self.turns):
            if self.saving:
                x = torch.utils.checkpoint.checkpoint(self.blocks, x)
            else:
                x = self.blocks(x)
            x = self.act(x) + 0.5  # turn
        return x + 1  # end
"""


def test_checkpointing_runs_what_it_is_handed_and_nothing_else(tmp_path: Path) -> None:
    rows = ["quant", *(f"act({n})" for n in range(9)), *adds(4)]
    # What it gives back is not known, so the last may lie outside of the stubs.
    assert found(tmp_path, CHECKPOINTED, report(rows), adds(4)) == ["turn", "turn", "turn", "turn,end"]


def test_entries_of_a_sequential_that_has_many_tell_no_turns(tmp_path: Path) -> None:
    """They are followed as one that stands for all of them: how many there are nobody knows."""
    rows = ["_generated_add_2"]
    check = report([*rows, "act", *(f"act({n})" for n in range(1, 9))], {"act": 9}, whole=False)
    assert found(tmp_path, CHECKPOINTED, check, rows) == ["turn,end"]
