"""Several models of a folder that have as many names of a report: what speaks against one, and what a row
says where nothing does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.horizon.judging.judge import judge
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.report import ModelCheck
from qatlint.resolve.choosing import best
from qatlint.resolve.fit import rivalry
from qatlint.resolve.names import Names
from tests.resolve.reporting import HEAD, adds, report

CONV = "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d"
FUSED = "horizon_plugin_pytorch.nn.qat.conv2d.ConvAdd2d"
STAGES = """
class Base(nn.Module):
    number = 3
    more = False

    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.stages = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(self.number))

    def forward(self, x):
        x = self.quant(x)
        for stage in self.stages:
            x = stage(x) + x  # stage
        x = x + 1  # behind
        if self.more:
            x = x + 2  # more
        return x


class Det(Base):
    number = 2
    more = True
"""
ROWS = ["quant", "stages.0", "stages.1", *adds(4)]
CONVS = dict.fromkeys(["stages.0", "stages.1"], CONV)


def chosen(folder: Path, text: str, check: ModelCheck) -> Names:
    path = folder / "m.py"
    path.write_text(HEAD + text, encoding="utf-8")
    flows = engine.flows([str(path)], DiskLoader(), Aim((), ()))
    names = best(flows, check, flows, parts=True)
    assert names is not None
    return names


def classes(names: Names) -> list[str]:
    """The class that is taken, and those that fit as well."""
    return [one.root.partition(":")[2] for one in (names, *names.rivals)]


def test_a_layer_that_runs_for_sure_and_has_no_row_speaks_against_its_class(tmp_path: Path) -> None:
    check = report(ROWS, types=CONVS)
    assert classes(chosen(tmp_path, STAGES, check)) == ["Det"]
    three = report([*ROWS, "stages.2"], types={**CONVS, "stages.2": CONV})
    assert classes(chosen(tmp_path, STAGES, three)) == ["Base"]


def test_not_where_an_add_may_have_its_place(tmp_path: Path) -> None:
    """A layer that is fused with an add has no row of its own."""
    check = report(ROWS, types={**CONVS, "_generated_add_2": FUSED})
    assert classes(chosen(tmp_path, STAGES, check)) == ["Base", "Det"]
    two = report(["quant", "stages.0", *adds(4)], types={"stages.0": CONV, "_generated_add_1": FUSED})
    assert classes(chosen(tmp_path, STAGES, two)) == ["Det"]


def test_an_excerpt_has_not_all_layers(tmp_path: Path) -> None:
    check = report(ROWS, types=CONVS, whole=False)
    assert classes(chosen(tmp_path, STAGES, check)) == ["Base", "Det"]


PARTS = """
class Bev(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.quant, self.dequant, self.layers = QuantStub(), DeQuantStub(), layer()

    def forward(self, x):
        return self.dequant(self.layers(self.quant(x)))


class Net(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.quant, self.dequant, self.body = QuantStub(), DeQuantStub(), block()

    def forward(self, x):
        return self.dequant(self.body(self.quant(x)))
"""


@pytest.mark.parametrize(("part", "expected"), [("body", "Net"), ("layers", "Bev")])
@pytest.mark.parametrize("whole", [True, False])
def test_names_belong_to_the_model_that_has_a_place_for_them(
    part: str, expected: str, whole: bool, tmp_path: Path
) -> None:
    check = report(["quant", f"{part}.0.conv", f"{part}._generated_add_0", "dequant"], whole=whole)
    assert classes(chosen(tmp_path, PARTS, check)) == [expected]


def alike(number: int) -> str:
    return f"""
class Net{number}(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.norm = QuantStub(), nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(self.quant(x))  # {number}
"""


def shown(folder: Path, names: Names, check: ModelCheck) -> tuple[Sequence[str], str]:
    """The comments on the lines of the one row that is about `norm`, and what it says."""
    (row,) = [row for row in judge(check) if row.names == ("norm",)]
    located = names.locate(row)
    lines = (folder / "m.py").read_text(encoding="utf-8").splitlines()
    comments = [lines[place.span.line - 1].rpartition("# ")[2] for place in located.places]
    return comments, located.why


@pytest.mark.parametrize(
    ("models", "lines", "why"),
    [
        (1, ["0"], ""),
        (2, ["0", "1"], "if m:Net1 was prepared, it may be another of these lines"),
        (3, ["0", "1", "2"], "if m:Net1 or m:Net2 was prepared, it may be another of these lines"),
        (5, list("01234"), "if m:Net1 or one of 3 others was prepared, it may be another of these lines"),
        (14, ["0"], "if m:Net1 or one of many others was prepared, it may be another line"),
    ],
)
def test_a_row_has_the_lines_of_all_models_that_fit(
    models: int, lines: list[str], why: str, tmp_path: Path
) -> None:
    check = report(["quant", "norm"], MappingProxyType({"norm": 2}))
    names = chosen(tmp_path, "".join(map(alike, range(models))), check)
    assert shown(tmp_path, names, check) == (lines, why)


REGISTERED = """
class Bev(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.layers = nn.ModuleList([LAYERS.build(layer) for _ in range(2)])

    def forward(self, x):
        x = self.quant(x)
        for layer in self.layers:
            x = layer(x)
        return self.dequant(x)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()

    def forward(self, x):
        return self.dequant(self.quant(x))
"""


def test_an_entry_of_a_list_may_be_called_anything_where_no_other_model_has_that_name(
    tmp_path: Path,
) -> None:
    check = report(["quant", "layers.0.lin", "layers.1.lin", "dequant"])
    assert classes(chosen(tmp_path, REGISTERED, check)) == ["Bev"]
    both = REGISTERED + PARTS[PARTS.index("class Net") :]
    assert classes(chosen(tmp_path, both, report(["quant", "body.lin", "dequant"]))) == ["Net"]


def test_a_name_may_be_that_of_a_part_whose_name_is_made(tmp_path: Path) -> None:
    made = """
        for number in range(depth):
            self.add_module(f"stage{number}", layer())
        self.depth = depth
"""
    text = PARTS.replace("(self, layer)", "(self, layer, depth)").replace(", self.layers =", " =")
    text = text.replace("DeQuantStub(), layer()\n", f"DeQuantStub(){made}", 1).replace(
        "return self.dequant(self.layers(self.quant(x)))",
        """x = self.quant(x)
        for number in range(self.depth):
            x = getattr(self, f"stage{number}")(x)
        return self.dequant(x)""",
    )
    check = report(["quant", "stage3.0.conv", "dequant"])
    assert classes(chosen(tmp_path, text, check)) == ["Bev"]


HEIRS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.norm = QuantStub(), nn.LayerNorm(4)

    def first(self):
        return 2

    def second(self):
        return 2

    def forward(self, x):
        x = self.quant(x)
        for _ in range(self.first()):
            x = x + 1  # first
        for _ in range(self.second()):
            x = x + 2  # second
        return self.norm(x)


class Sub(Net):
{body}
"""
OTHER_TURNS = """
    def first(self):
        return {first}

    def second(self):
        return {second}
"""


def named(folder: Path, text: str, check: ModelCheck) -> Names:
    """The names in the class that was named with `--model`."""
    path = folder / "m.py"
    path.write_text(HEAD + text, encoding="utf-8")
    own, others = engine.flows_with(EntryPoint(str(path), "Net"), [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, check, others)
    assert names is not None
    return names


def test_what_inherits_from_the_named_class_may_have_been_prepared(tmp_path: Path) -> None:
    text = HEIRS.format(body=OTHER_TURNS.format(first=3, second=1))
    rows = ["quant", *adds(4), "norm"]
    names = named(tmp_path, text, report(rows))
    assert classes(names) == ["Net", "Sub"]
    assert rivalry(names) == "m:Sub has as many modules of this report as m:Net, at other lines"
    row = Judgement(Topic.MIXED, Rank.CHECK, ("_generated_add_2[add]",), "", "", "")
    located = names.locate(row)
    lines = (tmp_path / "m.py").read_text(encoding="utf-8").splitlines()
    comments = [lines[place.span.line - 1].rpartition("# ")[2] for place in located.places]
    assert comments == ["second", "first"]
    assert located.why == "if m:Sub was prepared, it may be another of these lines"


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        ("    pass", adds(4)),
        (OTHER_TURNS.format(first=2, second=2), adds(4)),
        # It would have one addition more than the report.
        (OTHER_TURNS.format(first=3, second=2), adds(4)),
        ("    def forward(self, x):\n        return self.norm(self.quant(x))", adds(4)),
    ],
)
def test_not_where_it_leads_to_the_same_lines_or_fits_less(
    body: str, rows: list[str], tmp_path: Path
) -> None:
    names = named(tmp_path, HEIRS.format(body=body), report(["quant", *rows, "norm"]))
    assert classes(names) == ["Net"]
    assert rivalry(names) == ""
