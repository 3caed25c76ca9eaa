"""`qatlint ops`: one entry, several, all; for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from qatlint.cli.run import run
from qatlint.horizon import ops

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["ops", *arguments]) == 0
    return capsys.readouterr().out


def flat(text: str) -> str:
    """The text without line breaks and labels."""
    return re.sub(r"\s+", " ", text)


def test_one_entry(capsys: pytest.CaptureFixture[str]) -> None:
    text = flat(shown(capsys, "torch.div", "--march", "nash-e"))
    assert text.startswith("div written as torch.div, Tensor.div, Tensor.div_, torch.divide, ")
    assert "x / y, x /= y" in text and "FloatFunctional.div" in text and "horizon nn.Div" in text
    assert "prepare replaces a call of the function by horizon nn.Div" in text
    assert "source the plugin's registry of functions that prepare turns into modules" in text
    assert "confidence read in the source" in text
    assert "nash-e (J6E, RDK S100): activations int8, int16;" in text


def test_the_chip_of_the_settings_holds_unless_the_option_says_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "No chip is configured" in shown(capsys, "conv2d")
    Path("qatlint.toml").write_text('march = "nash-p"\n')
    text = flat(shown(capsys, "conv2d"))
    assert "on nash-p Directly before a DeQuantStub its result leaves as float." in text
    assert "else on nash-e, nash-m: Directly before a DeQuantStub it keeps the int32" in text
    assert "on nash-m Directly before a DeQuantStub it keeps the int32" in flat(
        shown(capsys, "conv2d", "--march", "nash-m")
    )


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("torch.add", "add"),
        ("Tensor.add_", "add"),
        ("operator.add", "add"),
        ("x + y", "add"),
        ("+", "add"),
        ("FloatFunctional.mul", "mul"),
        ("F.relu", "relu"),
        ("nn.Conv2d", "conv2d"),
        ("hnn.Div", "div"),
        ("horizon_plugin_pytorch.nn.Exp", "exp"),
        (".view()", "view"),
        ("[...]", "getitem"),
        ("x[...] =", "setitem"),
        ("Tensor.__setitem__", "setitem"),
    ],
)
def test_all_ways_to_write_an_op_lead_to_one_entry(
    written: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, written).split()[0] == name


def test_a_function_and_its_module_may_mean_different_things(capsys: pytest.CaptureFixture[str]) -> None:
    text = flat(shown(capsys, "linear"))
    assert "GEMM; first of a fusable sequence" in text
    assert "functional.linear written as F.linear means computes products, but is none of the GEMM" in text
    assert "a quantised tensor refuses it" in text


def test_the_table_has_all(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys).splitlines()
    assert {meaning.name for meaning in ops.meanings()} <= {line.split(" ")[0] for line in lines if line}
    assert "  " in lines[0]


@pytest.mark.parametrize("columns", ["24", "40", "80", "200"])
@pytest.mark.parametrize("arguments", [(), ("add", "matmul", "sigmoid", "linear")])
def test_colour_changes_nothing_and_lines_fit(
    columns: str,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    plain = shown(capsys, *arguments, "--color", "never")
    coloured = shown(capsys, *arguments, "--color", "always")
    assert ESCAPE.sub("", coloured) == plain != coloured
    if int(columns) >= 80:
        assert max(map(len, plain.splitlines())) <= int(columns)


def test_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(shown(capsys, "select", "--march", "bayes", "--output-format", "json"))
    assert document["chip"]["output"] == "int32"
    (entry,) = document["ops"]
    assert entry["result"] == "refused"
    assert entry["spellings"] == ["torch.select", "Tensor.select"]
    assert entry["remarks"][0]["chips"] == ["bayes"] and entry["remarks"][0]["holds"] is True
    everything = json.loads(shown(capsys, "--output-format", "json"))
    assert everything["chip"] is None
    assert len(everything["ops"]) == len(ops.meanings())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sofmax",), "no operation `sofmax` is known; did you mean `softmax`?"),
        (("add", "torch.sigmod"), "no operation `torch.sigmod` is known; did you mean `sigmoid`?"),
        (("§",), "no operation `§` is known (`qatlint ops` lists them)"),
        (("",), "no operation `` is known (`qatlint ops` lists them)"),
        (("add", "--march", "nash"), "'nash' is not one of"),
    ],
)
def test_an_unknown_name_is_wrong_usage(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["ops", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in flat(captured.err)


MODEL = """
import horizon_plugin_pytorch
from torch import nn
from torch.quantization import DeQuantStub, QuantStub

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.quant(x)
        return self.dequant(x.strange()), self.dequant(x.strange())
"""


def test_statistics_count_what_the_table_does_not_have(capsys: pytest.CaptureFixture[str]) -> None:
    Path("model.py").write_text(MODEL)
    for arguments, told in (("--statistics",), True), ((), False):
        run(["check", "--isolated", "--no-cache", "model.py", *arguments])
        out = flat(capsys.readouterr().out)
        assert ("2 ops of the quantised region that `qatlint ops` does not have" in out) is told
        assert ("`.strange()` (2)" in out) is told


@pytest.mark.parametrize("arguments", [(), ("--fix",), ("--fix", "--unsafe-fixes")])
def test_they_are_counted_in_json_and_when_fixing(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("model.py").write_text(MODEL)
    run(
        [
            "check",
            "--isolated",
            "--no-cache",
            "model.py",
            "--statistics",
            "--output-format",
            "json",
            *arguments,
        ]
    )
    (last,) = [row for row in json.loads(capsys.readouterr().out) if row["code"] is None]
    assert (last["name"], last["count"], last["ops"]) == ("unknown-op", 2, {".strange()": 2})
