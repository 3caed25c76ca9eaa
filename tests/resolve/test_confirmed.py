"""What a report confirms: only a row that says what a finding says, of the very thing that it says it of."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from qatlint.cli.commands.check import command as check
from qatlint.cli.commands.report import command as report
from qatlint.horizon.report import CallCount, Layer, Member, ModelCheck, write

FUNCTIONAL = "horizon_plugin_pytorch.nn.qat.functional_modules.FloatFunctional"
HEAD = """\
import torch
from torch import nn
from horizon_plugin_pytorch.quantization import DeQuantStub, QuantStub
"""
TENSORS = """
class View(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head, self.act = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Sigmoid()
        self.bias = nn.Parameter(torch.randn(1, 8, 1, 1))

    def forward(self, x, pos):
        y = self.conv(x) * self.bias
        x = torch.add(x, pos)
        for _ in range(2):
            y = self.head(y) + x
        return self.act(y)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant, self.q_pos = QuantStub(), DeQuantStub(), QuantStub()
        self.first, self.second = View(), View()

    def forward(self, x, pos):
        x = self.first(self.quant(x), pos)
        return self.dequant(self.second(x, self.q_pos(pos)))
"""
TIMES = """
class View(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act, self.soft = nn.Conv2d(8, 8, 1), nn.Sigmoid(), nn.Softmax(1)

    def forward(self, x):
        return self.soft(self.act(self.conv(self.act(x))))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant, self.view = QuantStub(), DeQuantStub(), View()

    def forward(self, x):
        x = self.view(self.quant(x))
        return self.dequant(self.view(x))
"""
PAIR = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant, self.act = QuantStub(), DeQuantStub(), nn.ReLU()
        self.conv, self.out = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)

    def forward(self, x):
        y = self.conv(self.quant(x))
        z = self.act(y) + y
        return self.dequant(self.out(self.act(z)))
"""


HEADS = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.heads = nn.ModuleDict({"a": nn.Sigmoid(), "b": nn.Sigmoid()})

    def forward(self, x):
        x = self.quant(x)
        for name in sorted(self.heads):
            x = self.heads[name](x)
        for head in self.heads.values():
            x = head(x) + x
        return self.dequant(x)
"""


def confirmed(folder: Path, model: str, made: ModelCheck) -> dict[str, list[str]]:
    """`QAT101 subject` -> the rows that confirm the finding."""
    (folder / "m.py").write_text(HEAD + dedent(model), encoding="utf-8")
    text = write(made).replace("All modules in the model run exactly once.", "")
    (folder / "r.txt").write_text(text, encoding="utf-8")
    words = ["m.py", "--report", "r.txt", "--isolated", "--no-cache", "--output-format", "concise"]
    found = {}
    for row in CliRunner().invoke(check, words).stdout.splitlines():
        before, confirms, rows = row.partition("confirmed by the toolchain: ")
        if confirms:
            code, subject = re.findall(r"(QAT\d+) .*?`([^`]*)`", before)[0]
            found[f"{code} {subject}"] = re.findall(r"`([^`]*)`", rows)
    return found


def floats(
    *names: str, given: tuple[str, ...] = ("qint8", "torch.float32"), kind: str = FUNCTIONAL
) -> ModelCheck:
    return ModelCheck(layers=tuple(Layer(n, kind, given, ("qint8",), "-1", "", n[-5:-2]) for n in names))


def test_a_float_row_confirms_only_what_is_said_of_its_own_op(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of its own path: the second view is given what is quantised."""
    monkeypatch.chdir(tmp_path)
    add, mul = "first._generated_add_0", "first._generated_mul_0"
    assert confirmed(tmp_path, TENSORS, floats(add)) == {"QAT301 pos": [f"{add}[add]"]}
    assert confirmed(tmp_path, TENSORS, floats(mul)) == {"QAT302 self.bias": [f"{mul}[mul]"]}
    for other in ("first._generated_add_1", "second._generated_add_0"):
        assert confirmed(tmp_path, TENSORS, floats(other)) == {}


def test_a_float_row_confirms_only_what_is_said_of_the_operand_that_is_float(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the row has a dtype for each; what is fused with the add has the places of the convolution."""
    monkeypatch.chdir(tmp_path)
    add, fused = "first._generated_add_0", "horizon_plugin_pytorch.nn.qat.conv2d.ConvAdd2d"
    for given, kind, confirms in [
        (("torch.float32", "qint8"), FUNCTIONAL, False),
        (("torch.float32", "torch.float32"), FUNCTIONAL, True),
        (("torch.float32", "qint8", "qint8"), FUNCTIONAL, True),
        (("torch.float32", "qint8"), fused, True),
    ]:
        found = confirmed(tmp_path, TENSORS, floats(add, given=given, kind=kind))
        assert ("QAT301 pos" in found) is confirms, (given, kind)


def test_a_module_runs_several_times_where_all_its_parts_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one of them more often than its own code calls it."""
    monkeypatch.chdir(tmp_path)
    for conv, act, soft, is_view in [(1, 2, 1, False), (2, 4, 2, True), (2, 4, 0, True), (0, 2, 0, False)]:
        made = {"view.conv": conv, "view.act": act, "view.soft": soft}
        counts = tuple(CallCount(name, times) for name, times in made.items() if times)
        found = confirmed(tmp_path, TIMES, ModelCheck(counts=counts))
        assert found["QAT101 act"] == ["view.act"]
        assert ("QAT101 view" in found) is is_view, made


def test_a_pair_that_is_not_fused_confirms_no_number_of_calls_that_the_counts_deny(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relu = "horizon_plugin_pytorch.nn.qat.relu.ReLU"
    pair = (Member("conv", "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d"), Member("act", relu))
    for times, confirms in [(None, True), (2, True), (1, False)]:
        counts = () if times is None else (CallCount("conv", 1), CallCount("act", times))
        found = confirmed(tmp_path, PAIR, ModelCheck(sequences=(pair,), counts=counts))
        assert ("conv + act" in found.get("QAT101 act", [])) is confirms, times


def test_a_row_confirms_nothing_of_another_module_that_runs_at_the_same_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for a, b in [(2, 1), (1, 2), (2, 2)]:
        times = {"heads.a": a, "heads.b": b}
        found = confirmed(
            tmp_path, HEADS, ModelCheck(counts=tuple(CallCount(*item) for item in times.items()))
        )
        assert found == {f"QAT101 {name}": [name] for name, runs in times.items() if runs > 1}


def test_a_report_says_that_a_project_has_to_do_with_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no file imports it: what is float inside of the stubs is found and confirmed."""
    monkeypatch.chdir(tmp_path)
    text = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.bias = nn.Parameter(torch.randn(1, 8, 1, 1))

    def forward(self, x):
        return self.dequant(self.quant(x) + self.bias)
"""
    row = Layer("_generated_add_0", FUNCTIONAL, ("qint8", "torch.float32"), ("qint8",), "-1", "", "add")
    (tmp_path / "r.txt").write_text(write(ModelCheck(layers=(row,))))
    head = HEAD.replace("horizon_plugin_pytorch", "torch.ao")
    (tmp_path / "m.py").write_text(head + text)
    said = CliRunner().invoke(check, ["m.py", "--report", "r.txt"]).stdout
    assert "error[QAT302]" in said and "confirmed by the toolchain: `_generated_add_0[add]`" in " ".join(
        said.split()
    )
    assert "QAT302 at m.py" in CliRunner().invoke(report, ["r.txt", "--model", "m.py:Model"]).stdout
    assert "QAT302" not in CliRunner().invoke(check, ["m.py"]).stdout


def test_a_row_that_may_be_of_a_line_nobody_knows_of_confirms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = """
class Model(nn.Module):
    def __init__(self, part=None):
        super().__init__()
        self.quant, self.dequant, self.part = QuantStub(), DeQuantStub(), part
        self.bias = nn.Parameter(torch.randn(1, 8, 1, 1))

    def forward(self, x):
        x = self.quant(x)
        y = self.part.pyramid(x)
        return self.dequant(x + self.bias)
"""
    row = Layer("_generated_add_0", FUNCTIONAL, ("qint8", "torch.float32"), ("qint8",), "-1", "", "add")
    made = ModelCheck(layers=(Layer("quant", "T", ("torch.float32",), ("qint8",), "-1", ""), row))
    assert confirmed(tmp_path, text, made) == {}
    known = text.replace("y = self.part.pyramid(x)", "y = x.relu()")
    assert list(confirmed(tmp_path, known, made)) == ["QAT302 self.bias"]


def test_of_two_models_that_a_report_may_be_about_none_is_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless both have the line, as two that inherit a forward."""
    monkeypatch.chdir(tmp_path)
    made = ModelCheck(counts=(CallCount("heads.a", 2), CallCount("heads.b", 2), CallCount("quant", 1)))
    heir = "\n\nclass Heir(Model):\n    pass\n"
    both = {"QAT101 heads.a": ["heads.a"], "QAT101 heads.b": ["heads.b"]}
    assert confirmed(tmp_path, HEADS + heir, made) == both
    assert "--model" not in CliRunner().invoke(report, ["r.txt", "--src", "."]).stdout
    copy = HEADS.replace("class Model", "class Copy")
    assert confirmed(tmp_path, HEADS + copy, made) == {}
    words = CliRunner().invoke(check, ["m.py", "--report", "r.txt"]).stderr
    assert "m:Copy has as many modules of this report as m:Model, at other lines" in words
    shown = " ".join(CliRunner().invoke(report, ["r.txt", "--src", "."]).stdout.split())
    assert "at other lines: --model says which class was prepared" in shown


def test_what_was_prepared_may_be_held_by_a_class_that_trains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = ModelCheck(counts=(CallCount("heads.a", 2), CallCount("heads.b", 2), CallCount("quant", 1)))
    task = """
class Task(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Model()

    def forward(self, batch):
        return self.net(batch["image"])
"""
    both = {"QAT101 heads.a": ["heads.a"], "QAT101 heads.b": ["heads.b"]}
    assert confirmed(tmp_path, HEADS + task, made) == both
    shown = CliRunner().invoke(report, ["r.txt", "--src", "."]).stdout
    assert "model: m:Model\n" in shown and "warning" not in shown
    # The class that is named is the one that is meant.
    shown = CliRunner().invoke(report, ["r.txt", "--model", "m.py:Task"]).stdout
    assert "model: m:Model" not in shown and "none are found" in shown


def test_a_report_of_another_model_confirms_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = (CallCount("quant", 1), CallCount("act", 2))
    others = tuple(CallCount(f"backbone.{n}", 1) for n in range(9))
    assert confirmed(tmp_path, PAIR, ModelCheck(counts=own))
    assert confirmed(tmp_path, PAIR, ModelCheck(counts=(*own, *others))) == {}
