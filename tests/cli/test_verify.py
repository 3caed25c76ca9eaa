"""`qatlint verify`, `qatlint checkpoint`, and `check --fix --verify`, as a user runs them."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

from qatlint.cli.run import run as main
from qatlint.cli.running import RunOptions

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch"),
    pytest.mark.usefixtures("forked"),
]

MODEL = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 1)
        self.conv2 = nn.Conv2d(8, 8, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        return self.relu(self.conv2(x))


def inputs():
    return torch.randn(1, 3, 4, 4)


def broken():
    raise ValueError("no weights here")
"""
SPLIT = MODEL.replace(
    "        self.relu = nn.ReLU()\n", "        self.relu = nn.ReLU()\n        self.relu_1 = nn.ReLU()\n"
).replace("return self.relu(", "return self.relu_1(")
NOSY = MODEL.replace("x = self.relu(self.conv1(x))", "x = self.relu(self.conv1(x)) + len(self._modules)")
TIED = MODEL.replace(
    "        self.relu = nn.ReLU()\n", "        self.relu = nn.ReLU()\n        self.conv3 = self.conv2\n"
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository in which the model is committed."""
    (tmp_path / "m.py").write_text(MODEL)
    (tmp_path / "n.py").touch()
    for arguments in (
        ["init", "-q"],
        ["add", "m.py"],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qma"],
    ):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def test_an_uncommitted_change_is_compared_with_git_head(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "m.py").write_text(SPLIT)
    assert main(["verify", "m.py:Net", "--inputs", "m:inputs", "--strict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("backend: reference")
    assert all(len(line) <= 80 for line in lines)
    assert lines[-1].startswith("proved")


def test_a_change_of_the_results_gives_1_and_says_where(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "m.py").write_text(MODEL.replace("return self.relu(", "return 2 * self.relu("))
    assert main(["verify", "m:Net", "--inputs", "m.py:inputs", "--output-format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["holds"] is False
    (outputs,) = [point for point in report["points"] if point["name"] == "outputs"]
    assert outputs["details"][0].startswith("eval: the result differs by up to")


def test_new_keys_are_mapped_and_a_checkpoint_is_converted(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    (project / "m.py").write_text(TIED)
    assert main(["verify", "m:Net", "--inputs", "m:inputs", "--map", "keys.json", "--modes", "eval"]) in (
        0,
        1,
    )
    assert json.loads((project / "keys.json").read_text()) == {
        "version": 1,
        "copies": {"conv3.weight": "conv2.weight", "conv3.bias": "conv2.bias"},
    }
    torch.save({"conv2.weight": torch.ones(1), "conv2.bias": torch.ones(2)}, project / "old.pth")
    assert main(["checkpoint", "old.pth", "new.pth", "--map", "keys.json"]) == 0
    assert set(torch.load(project / "new.pth", weights_only=True)) == {
        f"{name}.{part}" for name in ("conv2", "conv3") for part in ("weight", "bias")
    }
    assert main(["checkpoint", "old.pth", "new.pth", "--map", "keys.json"]) == 2
    assert main(["checkpoint", "old.pth", "old.pth", "--map", "keys.json", "--force"]) == 2
    capsys.readouterr()
    (project / "keys.json").write_text("[]")
    assert main(["checkpoint", "old.pth", "new2.pth", "--map", "keys.json"]) == 2
    assert "not a map of keys" in capsys.readouterr().err


def test_a_model_that_cannot_be_built_gives_2_and_its_own_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", "m.py:broken", "--inputs", "m:inputs", "--output-format", "json"]) == 2
    out, said = capsys.readouterr()
    told = json.loads(out)["error"]
    assert told["message"].endswith("ValueError: no weights here")
    assert (told["frames"][0]["function"], told["hint"], told["printed"]) == ("broken", "", "")
    assert "building the model with `m.py:broken`: ValueError: no weights here" in said
    assert 'raise ValueError("no weights here")' in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["verify", "m:Net"], "--inputs is needed"),
        (["verify", "m", "--inputs", "m:inputs"], "names no callable"),
        (["verify", "m:Net", "--inputs", "m:inputs", "--before", "git:nowhere"], "knows no revision"),
        (["check", "m.py", "--verify", "m:Net", "--inputs", "m:inputs"], "--verify is for --fix"),
        (["check", "m.py", "--fix", "--inputs", "m:inputs"], "--inputs goes with --verify"),
        (["check", "m.py", "--fix", "--timeout", "3"], "--timeout goes with --verify"),
        (["verify", "n.py:Net", "--inputs", "m:inputs"], "is not in git at HEAD: name the older version"),
        (["check", "-", "--fix", "--verify", "m:Net", "--inputs", "m:inputs"], "--verify needs files"),
    ],
)
def test_wrong_usage_is_said(
    project: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.own_child
def test_a_fix_that_is_proved_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of a file of which the model runs nothing is not proved, which is said."""
    (project / "other.py").write_text(MODEL)
    assert main(["m.py", "other.py", "--fix", "--verify", "m.py:Net", "--inputs", "m:inputs"]) == 0
    assert (project / "m.py").read_text() == (project / "other.py").read_text() == SPLIT
    said = " ".join(capsys.readouterr().err.split())
    assert "the model ran nothing of other.py: what changes there is not proved" in said


def test_a_fix_that_changes_results_is_not_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This model counts its own modules, which makes its fix an unsafe one."""
    (project / "m.py").write_text(NOSY)
    assert main(["m.py", "--fix", "--unsafe-fixes", "--verify", "m.py:Net", "--inputs", "m:inputs"]) == 1
    assert (project / "m.py").read_text() == NOSY
    said = capsys.readouterr()
    assert "nothing was written" in said.err
    assert "QAT101" in said.out


@pytest.mark.own_child  # one that is forked builds the model in less time than the limit
def test_nothing_is_written_when_nothing_could_be_run(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor when it did not end in time: the limits of `verify` are those of its options here too."""
    asked = ["m.py", "--fix", "--verify", "m.py:broken", "--inputs", "m:inputs"]
    assert main([*asked, "--timeout", "0.01", "--output-format", "json"]) == 2
    said = capsys.readouterr()
    assert "the older version: the model's code did not end within 0.01 s" in said.err
    assert len(json.loads(said.out)) == 1
    assert (project / "m.py").read_text() == MODEL


@pytest.mark.parametrize(
    ("settings", "written", "chip"),
    [("", None, "nash-e"), ("nash-p", None, "nash-p"), ("nash-p", "bayes", "bayes")],
)
def test_the_chip_is_that_of_the_settings_where_none_is_written(
    settings: str, written: str | None, chip: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qatlint.toml").write_text(f'march = "{settings}"\n' if settings else "")
    monkeypatch.chdir(tmp_path)
    assert RunOptions(None, (), 0, 1.0, None, march=written).chip == chip
