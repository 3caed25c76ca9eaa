"""Each file of the table in docs/reliability.md that is odd by its content: a clear outcome, and no crash."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from qatlint.cli.run import run

MODEL = """\
from torch import nn


class A(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.Sigmoid()

    def forward(self, x):
        return self.act(self.act(x))
"""


def linted(path: Path, data: bytes, *options: str) -> int:
    """Exit code for one file with this content."""
    path.write_bytes(data)
    return run([str(path), "--isolated", "--no-cache", "--output-format", "concise", *options])


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"print 'hello'\n", ":1:"),
        (b"x = 1\nraise E, 'text'\n", ":2:"),
        (b"# coding: nonsense\nx = 1\n", ":1:1: QAT000 error cannot decode: unknown encoding"),
        (b"x = 1\ny = '\xff'\n", ":2:6: QAT000 error cannot decode"),
        (b"# coding: ascii\ny = '\xe4'\n", ":2:6: QAT000 error cannot decode"),
        (b"x = 1\ny\0 = 2\n", ":2:2: QAT000 error source contains a null byte"),
        (b"(" * 5_000 + b")" * 5_000, ": QAT000 error "),
        (b"x = " + b"[" * 90 + b"]" * 90 + b"\n", ""),
        (b"f(" * 150 + b")" * 150 + b"\n", ""),
        (b"-" * 100_000 + b"1\n", ": QAT000 error "),
        (b"", ""),
        (b"\xef\xbb\xbf", ""),
        (b"\f\n\f", ""),
    ],
)
def test_what_is_said(data: bytes, place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = linted(tmp_path / "a.py", data)
    said = capsys.readouterr()
    assert said.err == ""
    if place:
        assert code == 1
        assert place in said.out
        assert " QAT000 error " in said.out
    else:
        assert (code, said.out) == (0, "All checks passed.\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"    ", b"\t"),
        lambda data: data.replace(b"\n\nclass", b"\n\f\nclass"),
        lambda data: data.rstrip(b"\n"),
        lambda data: b"# -*- coding: gbk -*-\n" + data + "# 中文\n".encode("gbk"),
        lambda data: b"# coding: latin-1\n" + data + b"# \xe4\n",
    ],
    ids=["bom", "crlf", "tabs", "form feed", "no last newline", "gbk", "latin-1"],
)
def test_a_fix_keeps_how_a_file_is_written(
    change: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(change)
    before = change(MODEL.encode())
    path = tmp_path / "a.py"
    assert linted(path, before, "--fix") == 0
    fixed = MODEL.replace(
        "        self.act = nn.Sigmoid()\n",
        "        self.act = nn.Sigmoid()\n        self.act_1 = nn.Sigmoid()\n",
    )
    fixed = fixed.replace("self.act(self.act(x))", "self.act_1(self.act(x))")
    assert path.read_bytes() == change(fixed.encode())


def test_a_file_of_ten_megabytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Data written as Python, as test suites have it, and a model behind it."""
    rows = "    [0.12345, 0.23456, 0.34567, 0.45678, 'some text that is not short', (1, 2, 3)],\n"
    data = "DATA = [\n" + rows * 40_000 + "]\n" + MODEL
    whole = data + "# " + "x" * (10_000_000 - len(data))
    began = time.monotonic()
    assert linted(tmp_path / "a.py", whole.encode()) == 1
    assert "QAT101 warning" in capsys.readouterr().out
    assert time.monotonic() - began < 120  # no figure, only that it ends


def test_deep_nesting_of_statements(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deep = "".join("    " * depth + f"if x{depth}:\n" for depth in range(18)) + "    " * 18 + "pass\n"
    assert linted(tmp_path / "a.py", deep.encode()) == 0
    deeper = "".join(" " * depth + f"if x{depth}:\n" for depth in range(120)) + " " * 120 + "pass\n"
    assert linted(tmp_path / "a.py", deeper.encode()) == 1
    assert "QAT000 error syntax error: too many levels of indentation" in capsys.readouterr().out
