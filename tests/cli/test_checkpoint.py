"""`qatlint checkpoint`: what is refused before anything is read. Needs no torch."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from qatlint.cli.run import run as main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkpoint and a map."""
    monkeypatch.chdir(tmp_path)
    Path("old.pth").write_bytes(b"weights")
    Path("map.json").write_text(json.dumps({"version": 1, "copies": {"b.weight": "a.weight"}}))
    return tmp_path


def refused(new: str, *others: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["checkpoint", "old.pth", new, "--map", "map.json", *others]) == 2
    assert Path("old.pth").read_bytes() == b"weights"
    return capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_what_is_no_regular_file_is_never_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """`--force` on a device would take its place in /dev."""
    os.mkfifo("pipe")
    assert "pipe is no regular file" in refused("pipe", "--force", capsys=capsys)
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_a_link_that_leads_nowhere_is_there_already(capsys: pytest.CaptureFixture[str]) -> None:
    os.symlink("nowhere", "link.pth")
    assert "link.pth is there already" in refused("link.pth", capsys=capsys)
    assert os.readlink("link.pth") == "nowhere"


def test_a_link_to_the_original_is_the_original(capsys: pytest.CaptureFixture[str]) -> None:
    os.symlink("old.pth", "link.pth")
    assert "the original is never changed" in refused("link.pth", "--force", capsys=capsys)


def test_a_map_of_nothing_is_said_to_be_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("map.json").write_text(json.dumps({"version": 1, "copies": {}}))
    assert "names no keys" in refused("new.pth", capsys=capsys)
