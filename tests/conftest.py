"""Options of the test run."""

from __future__ import annotations

from uuid import uuid4

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--bless",
        action="store_true",
        help="rewrite the stored outputs (fixtures/**/*.fixed.py) with what the fixes produce now",
    )


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test finds what another has left, and none leaves anything in the checkout."""
    monkeypatch.setenv("QATLINT_CACHE_DIR", str(tmp_path_factory.getbasetemp() / f"cache-{uuid4().hex}"))


@pytest.fixture(autouse=True)
def _own_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """`explain` speaks the language of the locale; the tests expect English."""
    monkeypatch.delenv("LANGUAGE", raising=False)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
