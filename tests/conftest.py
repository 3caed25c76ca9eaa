"""Options of the test run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.forking import ForkServer

# How long an example takes says how busy the machine is.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a child, a server or a clock."""
    return (os.cpu_count() or 1) + 1


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


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """One for all tests of this process."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def forked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Children that run models are forked from one that has torch, but not where the mark `own_child` is."""
    if request.node.get_closest_marker("own_child") is None:
        server: ForkServer = request.getfixturevalue("fork_server")
        monkeypatch.setattr("qatlint.runtime.launch.start", server.start)
