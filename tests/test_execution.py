"""The judge of the fixes is judged: wrong rewrites must be seen, right ones must pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.execution.parent import VARIABLE, run_jobs, torch_python

pytestmark = pytest.mark.skipif(
    torch_python() is None, reason=f"needs torch; point {VARIABLE} at a Python that has it"
)

ORIGINAL = """
import copy
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn = nn.BatchNorm1d(4)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.bn(x))
        return self.relu(self.bn(x))

def build():
    return Net()

def example_inputs():
    return (torch.randn(5, 4),)
"""
SECOND = "return self.relu(self.bn(x))"
TIED = "copy.deepcopy(self.bn, {id(t): t for t in (*self.bn.parameters(), *self.bn.buffers())})"


def with_clone(constructor: str, *, call: str = "self.relu_1(self.bn_1(x))") -> str:
    made = f"self.relu = nn.ReLU()\n        self.relu_1 = nn.ReLU()\n        self.bn_1 = {constructor}"
    return ORIGINAL.replace("self.relu = nn.ReLU()", made).replace(SECOND, f"return {call}")


VARIANTS = {
    "tied": with_clone(TIED),
    "unchanged": ORIGINAL,
    "plain copy": with_clone("copy.deepcopy(self.bn)"),
    "strict": with_clone(TIED),
    "other output": with_clone(TIED, call="self.relu_1(self.bn_1(x)) + 1e-7"),
    "one left": with_clone(TIED, call="self.relu(self.bn_1(x))"),
    "broken": ORIGINAL.replace(SECOND, "return self.missing(x)"),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("variants")
    original = folder / "original.py"
    original.write_text(ORIGINAL)
    jobs = []
    for name, text in VARIANTS.items():
        variant = folder / f"{name.replace(' ', '_')}.py"
        variant.write_text(text)
        strict = name in ("strict", "unchanged")
        jobs.append({"id": name, "original": str(original), "variant": str(variant), "strict": strict})
    return run_jobs(jobs)


def repeated(counts: dict[str, Any]) -> list[list[str]]:
    return [leaf["names"] for leaf in counts["eval"]["repeated"]]


def test_a_tied_clone_passes_and_runs_once(reports: dict[str, Any]) -> None:
    report = reports["tied"]
    assert report["problems"] == []
    assert repeated(report["counts"]) == [["bn"], ["relu"]]
    assert repeated(report["fixed_counts"]) == []


def test_calls_of_children_are_counted_for_their_owner(reports: dict[str, Any]) -> None:
    report = reports["unchanged"]
    times = {(e["mro"][0], e["path"]): e["times"] for e in report["counts"]["eval"]["edges"]}
    assert times == {("Net", "bn"): 2, ("Net", "relu"): 2}
    assert report["problems"] == []


def test_a_plain_deepcopy_is_seen(reports: dict[str, Any]) -> None:
    problems = reports["plain copy"]["problems"]
    assert any("not tied" in problem for problem in problems)
    assert any("state after" in problem for problem in problems)


def test_new_keys_do_not_load_strictly(reports: dict[str, Any]) -> None:
    assert "bn_1.weight" in reports["strict"]["error"]


def test_a_changed_output_is_seen(reports: dict[str, Any]) -> None:
    assert reports["other output"]["problems"] == ["eval: output 0 differs", "train: output 0 differs"]


def test_a_call_that_was_not_replaced_is_seen(reports: dict[str, Any]) -> None:
    assert reports["one left"]["problems"] == []
    assert repeated(reports["one left"]["fixed_counts"]) == [["relu"]]


def test_a_model_that_does_not_run_is_an_error(reports: dict[str, Any]) -> None:
    assert "missing" in reports["broken"]["error"]
