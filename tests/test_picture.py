"""The picture in the README shows what the tool prints today."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from qatlint.cli.run import run as main

ROOT = Path(__file__).resolve().parents[1]


def test_the_picture_is_of_this_version(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python docs/picture.py` makes it anew."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["examples/decoder.py", "--isolated"]) == 1
    printed = "".join(capsys.readouterr().out.split())
    svg = (ROOT / "docs/terminal.svg").read_text(encoding="utf-8")
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg.partition("-matrix")[2])
    shown = "".join("".join(html.unescape(text).split()) for text in texts)
    assert printed in shown
