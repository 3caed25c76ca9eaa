"""`qatlint report --model`: the rows of a report of the first user document's shape, with their lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qatlint.cli.commands.check import command as check
from qatlint.cli.commands.report import command as report
from qatlint.horizon.report import CallCount, Layer, Member, ModelCheck, write
from qatlint.trace import Kind

HERE = Path(__file__).parent
PASTED = HERE.parent / "horizon" / "reports" / "pasted.txt"
TEXT = (HERE / "bev_model.py.txt").read_text(encoding="utf-8").splitlines()


def line(text: str) -> int:
    """The number of the one line that holds a text."""
    (number,) = [n for n, found in enumerate(TEXT, 1) if text in found]
    return number


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("project")
    (folder / "bev_model.py").write_text("\n".join(TEXT) + "\n", encoding="utf-8")
    words = [str(PASTED), "--model", f"{folder}/bev_model.py:BevModel", "--output-format", "json"]
    result = CliRunner().invoke(report, words, standalone_mode=False)
    assert result.return_value == 1, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["judgements"]
    return found


def places(row: dict[str, Any], role: str = "runs here") -> list[tuple[str, int]]:
    return [
        (place["owner"].rpartition(":")[2], place["line"]) for place in row["places"] if place["role"] == role
    ]


def test_unfused_pairs_lead_to_the_convolution_and_the_add_of_the_camera_loop(
    rows: list[dict[str, Any]],
) -> None:
    pairs = [row for row in rows if row["topic"] == "not-fused"]
    assert len(pairs) == 6
    conv, add = line("self.input_proj[str(cam)]"), line("src + self.level_embed")
    for row in pairs:
        assert places(row) == [("View", conv), ("View", add)]
        assert {(f["code"], f["line"]) for f in row["findings"]} == {
            ("QAT201", line("for cam in range(num_cams)"))
        }


def test_the_position_embedding_leads_to_its_call_in_the_decoder_loop(rows: list[dict[str, Any]]) -> None:
    shared = {
        row["names"][0].rpartition("embed.")[2]: row for row in rows if row["topic"] == "called-several-times"
    }
    assert {name: row["detail"] for name, row in shared.items()} == {
        **dict.fromkeys(
            ["div.reciprocal", "div.mul", "sin_model.sin", "cos_model.cos", "stack", "mul"], "8 times"
        ),
        **dict.fromkeys(["cat", "dim_t_quant"], "4 times"),
    }
    call = line("layer(self.embed(points))")
    for name, text in [
        ("div.reciprocal", "self.div("),
        ("sin_model.sin", "self.sin_model("),
        ("cat", "self.cat.cat("),
        ("dim_t_quant", "self.dim_t_quant("),
    ]:
        row = shared[name]
        assert ("Embed", line(text)) in places(row), name
        assert ("Decoder", call) in places(row, "reached through")
        assert ("QAT101", call, "embed") in [(f["code"], f["line"], f["subject"]) for f in row["findings"]]


def test_check_marks_what_the_report_confirms_and_lists_the_rest_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bev_model.py").write_text("\n".join(TEXT) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def found(*words: str) -> dict[tuple[str, int], tuple[str, str]]:
        result = CliRunner().invoke(check, ["bev_model.py", *words, "--output-format", "json", "--isolated"])
        items = json.loads(result.stdout)
        return {(i["code"], i["line"]): (i["severity"], i["message"]) for i in items if i["code"]}

    plain, marked = found(), found("--report", str(PASTED))
    asked = ["bev_model.py", "--report", str(PASTED), "--isolated", "--output-format", "json"]
    items = json.loads(CliRunner().invoke(check, asked).stdout)
    by = {(i["code"], i["line"]): i["confirmed_by"] for i in items if i["code"]}
    assert {key for key, rows in by.items() if rows} == {
        key for key, (_, message) in marked.items() if "confirmed" in message
    }
    embed = by["QAT101", line("layer(self.embed(points))")]
    assert ["model.map_head.decoder.embed.div.reciprocal"] in [row["names"] for row in embed]
    left = [item for item in items if not item["code"]]
    assert {item["name"] for item in left} == {"unexplained-row"}
    assert "quantised-output" in {item["topic"] for item in left}
    key = ("QAT101", line("layer(self.embed(points))"))
    assert plain[key][0] == "warning" and marked[key][0] == "error"
    assert marked[key][1].startswith(
        plain[key][1] + "; confirmed by the toolchain: `model.map_head.decoder.embed"
    )
    shown = CliRunner().invoke(
        check, ["bev_model.py", "--report", str(PASTED), "--isolated"], env={"COLUMNS": "80"}
    )
    tail = shown.output[shown.output.index("of the toolchain's report that no finding explains:") :]
    assert "not-fused" not in tail and "quantised-output" in tail
    for output in ("sarif", "github"):  # these have no place for rows
        words = ["bev_model.py", "--report", str(PASTED), "--isolated", "--output-format", output]
        done = CliRunner().invoke(check, words)
        assert "quantised-output" in done.stderr and "quantised-output" not in done.stdout


def test_a_quantstub_of_several_tensors_is_looked_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two constants, or of a constant and an input; one constant makes no mixed scale."""
    monkeypatch.chdir(tmp_path)
    for given, rank in [
        ("self.a, self.a", "check"),
        ("self.a, self.b", "look first"),
        ("self.a, x", "look first"),
    ]:
        (tmp_path / "m.py").write_text(
            f"""\
import torch
from torch import nn
from torch.quantization import DeQuantStub, QuantStub


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.a, self.b = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))

    def forward(self, x):
        y, z = {given}
        return self.dequant(self.quant(y) + self.quant(z))
""",
            encoding="utf-8",
        )
        (tmp_path / "r.txt").write_text(write(ModelCheck(counts=(CallCount("quant", 2),))), encoding="utf-8")
        words = ["r.txt", "--model", "m.py:Model", "--output-format", "json"]
        result = CliRunner().invoke(report, words, standalone_mode=False)
        (row,) = json.loads(result.stdout)["judgements"]
        assert (row["rank"], "`self.a`" in row["reason"]) == (rank, rank == "check"), given


MODELS = """\
import torch
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()

    def forward(self, x):
        return self.dequant(self.body(self.quant(x)))


class First(Base):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.skip = FloatFunctional()

    def body(self, x):
        for _ in range(2):
            y = self.conv(x) + x
        return self.skip.add(self.skip.mul(y, y), x)


class Second(Base):
    def __init__(self):
        super().__init__()
        self.act = nn.Sigmoid()

    def body(self, x):
        return self.act(self.act(x))
"""


def test_findings_that_share_the_way_to_a_row_are_not_about_it(tmp_path: Path) -> None:
    conv, add = "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d", "x.functional_modules.FloatFunctional"
    check = ModelCheck(
        sequences=((Member("conv", conv, True), Member("_generated_add_0", add)),),
        counts=(CallCount("conv", 2), CallCount("skip", 2)),
    )
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")
    (tmp_path / "r.txt").write_text(write(check), encoding="utf-8")
    words = [f"{tmp_path}/r.txt", "--model", f"{tmp_path}/models.py:First", "--output-format", "json"]
    result = CliRunner().invoke(report, words, standalone_mode=False)
    found = {
        " + ".join(row["names"]): [finding["subject"] for finding in row["findings"]]
        for row in json.loads(result.stdout)["judgements"]
    }
    assert found == {"conv(shared) + _generated_add_0": ["conv"], "conv": ["conv"], "skip": ["skip"]}
    (pair,) = [row for row in json.loads(result.stdout)["judgements"] if len(row["names"]) == 2]
    assert len(places(pair)) == 2 and pair["why"] == ""
    shown = CliRunner().invoke(report, words[:3], env={"COLUMNS": "80"}).output
    assert shown.count("y = self.conv(x) + x") == 2, "once for the pair, and once for the convolution"


def test_source_tells_what_modules_are_where_the_report_does_not(rows: list[dict[str, Any]]) -> None:
    shared = {row["names"][0].rpartition("embed.")[2]: row for row in rows if "several" in row["topic"]}
    assert {name: row["class"] for name, row in shared.items()} == {
        **dict.fromkeys(
            ["div.reciprocal", "div.mul", "sin_model.sin", "cos_model.cos"], Kind.LUT_ACTIVATION.value
        ),
        **dict.fromkeys(["stack", "mul", "cat"], Kind.FLOAT_FUNCTIONAL.value),
        "dim_t_quant": Kind.QUANT_STUB.value,
    }
    assert shared["dim_t_quant"]["rank"] == shared["cat"]["rank"] == "check"
    # One constant has one range, however often it is quantised.
    assert "made of one constant, `torch.arange(4)`" in shared["dim_t_quant"]["reason"]


def test_a_report_confirms_what_is_fixed_suppressed_or_typed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = "\n".join(TEXT) + "\n"
    path = tmp_path / "bev_model.py"
    path.write_text(source, encoding="utf-8")
    words = ["--report", str(PASTED), "--isolated", "--no-cache"]
    both = CliRunner().invoke(check, ["-", "--report", "-", "--isolated"], input=source)
    assert both.exit_code == 2 and "both the source and the report" in both.stderr
    typed = CliRunner().invoke(check, ["-", *words, "--output-format", "concise"], input=source)
    assert ":60:28: QAT101 error `embed`" in typed.output and "confirmed by the toolchain" in typed.output
    # A note that the report makes a warning is shown, so it is fixed, too.
    only = ["--select", "QAT201", "--min-severity", "error"]
    assert CliRunner().invoke(check, ["bev_model.py", "--diff", "--isolated", *only]).output == ""
    diff = CliRunner().invoke(check, ["bev_model.py", "--diff", *words, *only])
    assert "+            with Tracer.dynamic_block(" in diff.output
    CliRunner().invoke(check, ["bev_model.py", "--fix", *words, *only])
    assert "with Tracer.dynamic_block(" in path.read_text(encoding="utf-8")


def test_the_chip_is_that_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    newer = str(PASTED.with_name("newer.txt"))

    def floats(*words: str) -> list[str]:
        result = CliRunner().invoke(report, [newer, "--output-format", "json", *words], standalone_mode=False)
        rows = json.loads(result.stdout)["judgements"]
        return [row["rank"] for row in rows if row["names"] == ["head.free"] and "float" in row["topic"]]

    assert floats() == ["check"]  # the dtypes of the file tell of float16
    (tmp_path / "qatlint.toml").write_text('march = "nash-e"\n', encoding="utf-8")
    assert floats() == ["look first"]
    assert floats("--march", "nash-p") == ["check"]
    wrong = CliRunner().invoke(report, [newer, "--march", "mars"])
    assert wrong.exit_code == 2 and "nash-e" in wrong.output


def test_wrong_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text("import torch\nclass A(torch.nn.Module):\n    pass\n", encoding="utf-8")
    for words, said in [
        (["--model", "m.py:B"], "no module class `B`"),
        (["--model", "m"], "neither"),
        (["--model", "m:B"], "has no class `B`"),
        (["--model", "m.py:A", "--src", "."], "exclude each other"),
        (["--src", "nowhere"], "nowhere"),
    ]:
        result = CliRunner().invoke(report, [str(PASTED), *words])
        assert result.exit_code == 2 and said in result.output, (words, result.output)


def test_a_report_of_another_class_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, in front, with the class that has more of its names; parts that source leaves open may have them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bev_model.py").write_text("\n".join(TEXT) + "\n", encoding="utf-8")
    stubs = "self.quant, self.dequant = QuantStub(), DeQuantStub()"
    start = "from torch import nn\nfrom torch.quantization import DeQuantStub, QuantStub\n"
    for name, more, body in [
        ("Other", "", "self.dequant(self.quant(x))"),
        ("Open", "; self.head = part", "self.dequant(self.head(self.quant(x)))"),
        ("Right", "; self.head = Head()", "self.dequant(self.head(self.quant(x)))"),
    ]:
        start += f"\nclass {name}(nn.Module):\n    def __init__(self, part):\n        super().__init__()\n"
        start += f"        {stubs}{more}\n\n    def forward(self, x):\n        return {body}\n"
    start += "\nclass Head(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    start += "        self.conv, self.act = nn.Conv2d(4, 4, 1), nn.ReLU()\n\n    def forward(self, x):\n"
    start += "        return self.act(self.act(self.conv(x)))\n"
    (tmp_path / "m.py").write_text(start, encoding="utf-8")
    counts = [
        CallCount("quant", 1),
        CallCount("head.conv", 2),
        CallCount("head.act", 2),
        CallCount("idle", 0),
    ]
    (tmp_path / "r.txt").write_text(write(ModelCheck(counts=tuple(counts))), encoding="utf-8")

    def notes(*words: str) -> list[str]:
        result = CliRunner().invoke(report, [*words, "--output-format", "json"], standalone_mode=False)
        found: list[str] = json.loads(result.stdout)["notes"]
        return found

    assert notes("r.txt", "--model", "m.py:Open") == []
    assert notes(str(PASTED), "--model", "bev_model.py:BevModel") == []
    (few,) = notes("r.txt", "--model", "m.py:Other")
    assert few == (
        "of 3 modules in this report 1 is found in m:Other, as it is read from source: the report may be about "
        "another class, or about another version of the source; m:Right has 3 of them; see that --model names "
        "the class that was prepared, in the version of then"
    )
    (none,) = notes(str(PASTED), "--model", "bev_model.py:Decoder")
    assert none.startswith("of 22 modules in this report none are found in bev_model.py:Decoder")
    assert "bev_model:BevModel has 20 of them" in none
    (elsewhere,) = notes(str(PASTED), "--src", "m.py")
    assert "--src" in elsewhere and " has " not in elsewhere
    shown = CliRunner().invoke(report, ["r.txt", "--model", "m.py:Other"], env={"COLUMNS": "80"}).output
    assert shown.index("warning: of 3 modules") < shown.index("CHECK") and shown.count("warning") == 1
    done = CliRunner().invoke(check, ["m.py", "--report", str(PASTED), "--isolated"])
    assert "none are found in the checked files" in done.stderr


def test_rows_of_what_a_class_cannot_have_are_not_looked_for_in_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forward that was read runs no part that is open, or the part is one piece."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(
        MODELS
        + """

class Third(Base):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)

    def body(self, x):
        return self.first(x)


class Open(Base):
    def __init__(self, part):
        super().__init__()
        self.first = part

    def body(self, x):
        return self.first(x)
""",
        encoding="utf-8",
    )
    counts = tuple(CallCount(name, 2) for name in ("quant", "dequant", "first.conv", "first.skip"))
    (tmp_path / "r.txt").write_text(write(ModelCheck(counts=counts)), encoding="utf-8")
    for model, why in [
        ("Second", "no module `first.conv` is run in the forward of Second, as it was read"),
        ("Third", "no module `first.conv` is run in the forward of Third, as it was read"),
        ("Open", "source does not tell what `first` is; 1 class has such a part"),
    ]:
        words = ["r.txt", "--model", f"m.py:{model}", "--output-format", "json"]
        result = CliRunner().invoke(report, words, standalone_mode=False)
        rows = {row["names"][0]: row for row in json.loads(result.stdout)["judgements"]}
        assert rows["first.conv"]["why"] == why
        assert bool(rows["first.conv"]["places"]) is (model == "Open")


def test_a_forward_that_was_not_followed_says_at_which_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other class is thought of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.py").write_text(
        MODELS
        + """

class Chosen(Base):
    def __init__(self, mode="infer"):
        super().__init__()
        self.act, self.mode = nn.Sigmoid(), mode

    def forward(self, x):
        return getattr(self, f"forward_{self.mode}")(x)
""",
        encoding="utf-8",
    )
    counts = tuple(CallCount(name, 2) for name in ("quant", "dequant", "act"))
    (tmp_path / "r.txt").write_text(write(ModelCheck(counts=counts)), encoding="utf-8")
    number = (
        (tmp_path / "m.py")
        .read_text(encoding="utf-8")
        .splitlines()
        .index('        return getattr(self, f"forward_{self.mode}")(x)')
    )
    words = ["r.txt", "--model", "m.py:Chosen", "--output-format", "json"]
    found = json.loads(CliRunner().invoke(report, words, standalone_mode=False).stdout)
    gap = f"at line {number + 1} it calls what was not followed"
    (note,) = found["notes"]
    assert gap in note and "Second has" not in note and "another class" not in note
    assert all(gap in row["why"] for row in found["judgements"])


def test_of_two_classes_of_one_name_the_file_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the files have one name too: none of the folders is a package."""
    body = """\
from torch import nn
from torch.quantization import QuantStub


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub(){more}

    def forward(self, x, y):
        return self.quant(x) + self.quant(y)
"""
    more = "\n        self.relu = nn.ReLU()"
    for name, added in [("bev.py", more), ("old/net.py", more), ("new/net.py", ""), ("bev_v2.py", "")]:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(body.replace("{more}", added), encoding="utf-8")
    (tmp_path / "r.txt").write_text(write(ModelCheck(counts=(CallCount("quant", 2),))), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for wanted, number in [
        ("bev_v2.py", 11),
        ("bev.py", 12),
        ("new/net.py", 11),
        ("old/net.py", 12),
    ]:
        words = ["r.txt", "--model", f"{wanted}:Net", "--output-format", "json"]
        result = CliRunner().invoke(report, words, standalone_mode=False)
        (row,) = json.loads(result.stdout)["judgements"]
        found = {(place["path"], place["line"]) for place in row["places"]}
        assert found == {(wanted, number)}


def test_what_stands_where_a_module_is_made_is_about_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One instance under two names, what is never called, alone or in a container; and parts of one name
    in another class."""
    (tmp_path / "m.py").write_text(
        """\
from torch import nn
from torch.quantization import DeQuantStub, QuantStub


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.spare = nn.Conv2d(4, 4, 1)  # part
        self.pool = nn.ModuleList([nn.Conv2d(4, 4, 1) for _ in range(2)])  # pool
        act = nn.ReLU()
        self.first = act
        self.second = act  # second

    def forward(self, x):
        return self.second(self.first(x) * x)


class Other(nn.Module):
    def __init__(self, spare):
        super().__init__()
        self.spare = spare

    def forward(self, x):
        return x * x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.part, self.other = Part(), Other(nn.Conv2d(4, 4, 1))
        self.spare = nn.Sequential(nn.Conv2d(4, 4, 1))  # model

    def forward(self, x):
        return self.dequant(self.other(self.part(self.quant(x))))
""",
        encoding="utf-8",
    )
    text = (tmp_path / "m.py").read_text(encoding="utf-8").splitlines()
    expected = {
        ("part.first", 2): {("QAT102", "second")},
        ("part.spare", 0): {("QAT103", "part")},
        ("part.pool.0", 0): {("QAT103", "pool")},
        ("part.pool.1", 0): {("QAT103", "pool")},
        ("spare.0", 0): {("QAT103", "model")},
        ("quant", 1): set(),
    }
    counts = tuple(CallCount(name, times) for name, times in expected)
    (tmp_path / "r.txt").write_text(write(ModelCheck(counts=counts)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    words = ["r.txt", "--model", "m.py:Model", "--output-format", "json"]
    result = CliRunner().invoke(report, words, standalone_mode=False)
    found = {
        row["names"][0]: {
            (finding["code"], text[finding["line"] - 1].rpartition("# ")[2])
            for finding in row["findings"]
            if finding["code"] != "QAT101"
        }
        for row in json.loads(result.stdout)["judgements"]
    }
    assert found == {name: places for (name, _), places in expected.items() if name != "quant"}


def test_of_a_family_the_one_that_is_called_several_times_is_the_shared_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where two are, nobody knows which of them is meant."""
    (tmp_path / "m.py").write_text(
        """\
from torch import nn
from torch.quantization import DeQuantStub, QuantStub


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        act = nn.ReLU()
        self.stages = nn.ModuleDict()
        for name in ("a", "b"):
            self.stages[name] = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), act)

    def forward(self, x):
        x = self.quant(x)
        for key, stage in self.stages.items():
            x = stage(x)
        return self.dequant(x)
""",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    words = ["r.txt", "--model", "m.py:Model", "--output-format", "json"]
    for counts, expected in (
        ({"stages.a.0": 1, "stages.a.2": 2, "stages.b.0": 1}, {"stages.a.2": ["QAT102"]}),
        ({"stages.a.0": 2, "stages.a.2": 2}, {"stages.a.0": [], "stages.a.2": []}),
    ):
        check = ModelCheck(counts=tuple(CallCount(*pair) for pair in counts.items()))
        (tmp_path / "r.txt").write_text(write(check), encoding="utf-8")
        result = CliRunner().invoke(report, words, standalone_mode=False)
        rows = json.loads(result.stdout)["judgements"]
        found = {row["names"][0]: [finding["code"] for finding in row["findings"]] for row in rows}
        assert found == expected


def test_findings_at_rows_are_those_of_the_check_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the whole folder, since another file tells that there is a plugin; and notes are said to be hidden."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(
        """\
from torch import nn
from torch.quantization import DeQuantStub, QuantStub


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.conv, self.act, self.drop = nn.Conv2d(4, 4, 1), nn.Sigmoid(), nn.Dropout()

    def forward(self, x):
        x = self.drop(self.conv(self.drop(self.quant(x))))
        return self.dequant(self.act(x))
""",
        encoding="utf-8",
    )
    (tmp_path / "run.py").write_text("from horizon_plugin_pytorch import set_march\n", encoding="utf-8")
    dequant = Layer("dequant", "torch.ao.quantization.stubs.DeQuantStub", ("qint8",), (), "", "")
    made = ModelCheck(counts=(CallCount("drop", 2),), layers=(dequant,))
    (tmp_path / "r.txt").write_text(write(made), encoding="utf-8")
    words = ["r.txt", "--model", "net.py:Model"]
    result = CliRunner().invoke(report, [*words, "--output-format", "json"], standalone_mode=False)
    shown = json.loads(result.stdout)
    linked = {(f["code"], f["line"], f["hidden"]) for row in shown["judgements"] for f in row["findings"]}
    assert linked == {("QAT401", 13, False), ("QAT101", 12, True)}

    def found(*words: str) -> set[tuple[str, int]]:
        done = CliRunner().invoke(check, [*words, "--output-format", "json", "--isolated"])
        return {(item["code"], item["line"]) for item in json.loads(done.stdout)}

    assert found("net.py") == set(), "this file alone has nothing to do with the plugin"
    assert found(shown["checked"]) == {(code, number) for code, number, is_hidden in linked if not is_hidden}
    assert found(shown["checked"], "--min-severity", "note") == {pair[:2] for pair in linked}
    text = CliRunner().invoke(report, words, env={"COLUMNS": "80"}).output
    assert "findings: those of `qatlint check .`" in text
    assert "QAT101 at net.py:12: `drop` (a note, which check hides)" in text
    assert "QAT401 at net.py:13: `dequant`\n" in text
