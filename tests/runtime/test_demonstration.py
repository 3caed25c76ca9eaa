"""The README's example of what sharing can cost: torch drops a batch norm, and after the fix it does not."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from qatlint.cli.run import run as qatlint
from tests.execution.parent import VARIABLE, torch_python

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "one_conv_two_norms.py"
needs_torch = pytest.mark.skipif(
    torch_python() is None, reason=f"needs torch; point {VARIABLE} at a Python that has it"
)


class Seen(NamedTuple):
    """What the example printed."""

    before: int
    after: int
    calls: list[str]
    output: float
    difference: float


@cache
def run(file: Path) -> Seen:
    python = torch_python()
    assert python is not None
    done = subprocess.run(
        [python, str(file)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = re.fullmatch(
        r"batch norms: (\d+) before prepare_qat_fx, (\d+) after\nwhat runs: (.*)\n"
        r"largest output: ([\d.]+)\nlargest difference: ([\d.]+)\n",
        done.stdout,
    )
    assert found is not None, done.stdout
    before, after, calls, output, difference = found.groups()
    return Seen(int(before), int(after), calls.split(", "), float(output), float(difference))


@needs_torch
def test_torch_drops_a_batch_norm_of_a_shared_convolution() -> None:
    seen = run(EXAMPLE)
    assert (seen.before, seen.after, seen.calls) == (2, 1, ["conv", "conv"])
    assert seen.difference > seen.output / 2


@needs_torch
def test_after_the_fix_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / EXAMPLE.name
    file.write_bytes(EXAMPLE.read_bytes())
    code = qatlint([str(file), "--isolated", "--fix", "--unsafe-fixes"])
    assert code == 0, capsys.readouterr()
    seen = run(file)
    assert (seen.before, seen.after, seen.calls) == (2, 2, ["conv", "conv_1"])
    assert seen.difference == 0
    assert seen.output == run(EXAMPLE).output


def test_the_example_is_found_from_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert qatlint([str(EXAMPLE), "--isolated", "--output-format", "concise"]) == 1
    out = capsys.readouterr().out
    assert re.search(r"one_conv_two_norms\.py:\d+:\d+: .*QAT101.*`conv`", out), out
