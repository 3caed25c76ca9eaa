"""`qatlint trace --run`: an executed model in the tree, beside its source, and what can go wrong."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qatlint.cli.commands.trace import command
from qatlint.horizon.report import read

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()
        self.steps = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        print("not part of the answer")
        for step in self.steps:
            x = self.act(step(x))
            if x.sum() > 1e9:
                break
        return x


def inputs():
    return torch.ones(1, 4)


def broken():
    raise ValueError("mine")
"""


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)


def call(*words: str) -> Result:
    # Not as a program: a command gives its exit code back.
    return CliRunner().invoke(command, words, standalone_mode=False)


needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="no torch")
pytestmark = pytest.mark.usefixtures("forked")


@needs_torch
@pytest.mark.usefixtures("net")
def test_what_ran_is_shown_as_a_tree_and_beside_its_source() -> None:
    tree = call("net.py:Net", "--run", "--inputs", "net.py:inputs")
    assert tree.return_value == 0
    first, *lines = tree.output.splitlines()
    assert first.startswith("backend: reference (torch ")
    assert lines == [
        "Net  net  net.py:5",
        "├── act  ReLU  ×3 shared",
        "│   └── net.py:14  in forward",
        "└── steps.*  Linear  ×1",
        "    └── net.py:14  in forward",
    ]
    table = call("net.py:Net", "--run", "--compare", "--inputs", "net.py:inputs")
    assert table.return_value == 0
    assert "  act          ×1-3        ×3" in table.output.splitlines()
    assert table.output.endswith("\n2 modules in 1 class: source and execution agree\n")


@needs_torch
@pytest.mark.usefixtures("net")
def test_what_ran_is_written_as_the_toolchain_reports_it() -> None:
    result = call("net.py:Net", "--run", "--inputs", "net.py:inputs", "--output-format", "model-check")
    assert result.return_value == 0
    check = read(result.stdout)
    times = {count.name: count.times for count in check.counts}
    assert times["act"] == 3 and times["steps.2"] == times["_generated_sum_0"] == 1
    assert check.layers and check.graph and not check.unread
    for words in (["net.py:Net"], ["net.py:Net", "--run", "--compare"]):
        assert "model-check" in str(call(*words, "--output-format", "model-check").exception)


@needs_torch
@pytest.mark.usefixtures("net")
def test_an_error_of_the_users_code_is_told_with_its_frame() -> None:
    result = call("net.py:Net", "--run", "--inputs", "net.py:broken")
    assert result.return_value == 2
    text = result.stderr
    assert "ValueError: mine" in text and "net.py:25 in broken" in text and "Traceback" not in text


@pytest.mark.usefixtures("net")
def test_wrong_usage_and_wrong_targets() -> None:
    missing = call("nothing.py:Net", "--run", "--inputs", "net.py:inputs").exception
    assert "`nothing.py` in `nothing.py:Net` is not a file" in str(missing)
    for words in (["net.py:Net", "--run"], ["net.py:Net", "--compare"], ["net.py:Net", "--inputs", "a:b"]):
        assert "--inputs" in str(call(*words).exception)
