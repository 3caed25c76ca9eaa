"""The adapter of the plugin, against a stand-in that keeps the documented contract."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from qatlint.cli.knowing import linter
from qatlint.horizon.plugin import JOB, Prepared, prepared
from qatlint.horizon.report import CallCount, Member, ModelCheck, read
from qatlint.report.proof import render
from qatlint.report.style import Style
from qatlint.runtime.launch import ChildFailed, Limits
from qatlint.runtime.subject import Subject
from qatlint.runtime.target import parse
from qatlint.runtime.toolchain import toolchain_point
from qatlint.runtime.verify import Question, Report, verify

FAKE = Path(__file__).with_name("fake_plugin")
MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 1)
        self.conv2 = nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU()

    def forward(self, x, scale=1):
        return self.relu(self.conv2(self.relu(self.conv1(x)))) * scale


def inputs():
    return (torch.randn(1, 4, 2, 2),), {"scale": 2}
"""
SPLIT = MODEL.replace("nn.ReLU()", "nn.ReLU()\n        self.relu_1 = nn.ReLU()").replace(
    "self.relu(self.conv2", "self.relu_1(self.conv2"
)


def proof(folder: Path, before: str, after: str) -> Report:
    here = str(folder)
    (folder / "m.py").write_text(after)
    old = {str(folder / "m.py"): before.encode()}
    question = Question(Subject(parse("m.py:Net", here), parse("m:inputs", here), here), old, modes=("eval",))
    return verify(question, Limits(120), linter({}, ()))


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")
class TestWithTheStandIn:
    @pytest.fixture(autouse=True)
    def plugin(self, forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHONPATH", str(FAKE))

    def test_both_verdicts_stand_side_by_side(self, tmp_path: Path) -> None:
        report = proof(tmp_path, MODEL, SPLIT)
        assert report.backend == "horizon"
        assert report.holds
        point = report.points[-1]
        assert (point.name, point.title) == ("toolchain", "the check of plugin 3.3.4+fake")
        assert point.summary == ("0 sequences not fused (2 before), 0 modules run more than once (1 before)")
        assert "not fused before: conv1 + relu" in point.details
        assert "relu runs 1 times, 2 before" in point.details
        assert "the plugin's own prepare" in render(report, "a", "b", Style()).replace("\n", " ")
        assert not list(tmp_path.glob("model_check_result*")), "prepare worked in the user's folder"

    def test_what_the_plugin_finds_new_breaks_the_point(self, tmp_path: Path) -> None:
        report = proof(tmp_path, SPLIT, MODEL)
        assert not report.points[-1].holds

    def test_a_prepare_that_raises_is_the_models_failure(self, tmp_path: Path) -> None:
        with pytest.raises(ChildFailed, match="preparing the model with the plugin: NotImplementedError"):
            proof(
                tmp_path,
                MODEL,
                SPLIT.replace("super().__init__()", "super().__init__()\n        self.refuses = True"),
            )


CLEAN = Prepared("1", ModelCheck(all_fused=True))
PAIR = (Member("conv", "Conv2d"), Member("relu", "ReLU"))


def test_a_missing_report_is_not_taken_for_a_clean_one() -> None:
    point = toolchain_point(CLEAN, Prepared("1", None))
    assert not point.holds
    assert "wrote no model_check_result.txt for the newer version" in point.summary


@pytest.mark.parametrize(
    ("new", "holds"),
    [
        (ModelCheck(sequences=(PAIR,)), False),
        (ModelCheck(counts=(CallCount("relu", 2),)), False),
        (ModelCheck(counts=(CallCount("relu", 1), CallCount("idle", 0))), True),
    ],
)
def test_only_what_is_new_counts(new: ModelCheck, holds: bool) -> None:
    assert toolchain_point(CLEAN, Prepared("1", new)).holds is holds
    assert toolchain_point(Prepared("1", new), Prepared("1", new)).holds


@pytest.mark.parametrize("text", [None, "All fusable modules are fused in model!\n"])
def test_the_report_of_prepare_is_read_as_any_other(text: str | None) -> None:
    asked = []

    def ask(job: str) -> dict[str, str | None]:
        asked.append(job)
        return {"version": "3.3.4", "report": text}

    found = prepared(ask)
    assert asked == [JOB] and found.version == "3.3.4"
    assert found.report == (None if text is None else read(text))
