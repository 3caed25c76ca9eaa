"""`qatlint doctor` says what was never run by us, whatever is installed."""

from __future__ import annotations

import pytest

from qatlint.cli.run import run as main
from qatlint.runtime import launch


@pytest.mark.parametrize("plugin", [None, "2.3.1"])
def test_what_the_adapter_was_not_run_against(
    plugin: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"torch": "2.13", "plugin": plugin, "march": "", "trouble": ""}
    monkeypatch.setattr(launch, "launch", lambda *_: found)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "have not run it against the real plugin" in text
    assert ("backend  horizon" in text) is (plugin is not None)
