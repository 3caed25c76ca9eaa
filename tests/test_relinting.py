"""Looking again at changed texts gives what a first look gives, and looks at few files."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from qatlint import parallel
from qatlint.config import Finder, Overrides
from qatlint.examined import Examined
from qatlint.finding import Severity
from qatlint.linting import Linter
from qatlint.loader import Loader
from qatlint.relinting import Relinter
from tests.static.sources import Memory

HEAD = "from torch import nn\n"
MODEL = """
class {name}({base}):
    def __init__(self):
        super().__init__()
        self.act = {act}
        self.n = {n}

    def forward(self, x):
        for i in range({turns}):
            x = self.{called}(x)
        return x
"""
BASES = {
    "base.py": ("Base", "nn.Module", ""),
    "sub.py": ("Sub", "Base", "from base import Base\n"),
    "far.py": ("Far", "Sub", "from hub import *\n"),
    "own.py": ("Own", "nn.Module", "from base import Base\n"),
    "user.py": ("User", "hub.Sub", "import hub\n"),
}


def text_of(path: str, chance: random.Random) -> str:
    """A version of a file: models that inherit from each other, and code that writes from outside."""
    if path == "hub.py":
        return chance.choice(["", "import copy\n"]) + "from sub import *\n"
    if path == "script.py":
        lines = "\n" * chance.randrange(3)
        return lines + chance.choice(["x = 1\n", "model.act = None\n", 'setattr(m, "act", nn.ReLU())\n'])
    name, base, imports = BASES[path]
    body = MODEL.format(
        name=name,
        base=base,
        act=chance.choice(["nn.ReLU()", "nn.Conv2d(1, 1, 1)", "nn.Sequential(nn.ReLU())"]),
        n=chance.choice(["nn.ReLU()", "3"]),
        turns=chance.choice(["1", "2", "self.n"]),
        called=chance.choice(["act", "n"]),
    )
    comment = chance.choice(["", "  # qatlint: ignore[QAT101]"])
    return HEAD + imports + body.replace("(x)\n", f"(x){comment}\n", 1)


PATHS = [*BASES, "hub.py", "script.py"]


@pytest.fixture
def linter() -> Linter:
    return Linter(Finder(Overrides(min_severity=Severity.NOTE), isolated=True))


@pytest.mark.parametrize("seed", range(25))
def test_what_is_found_is_what_a_first_look_finds(seed: int, linter: Linter) -> None:
    chance = random.Random(seed)
    texts = {path: text_of(path, chance) for path in PATHS}
    relinter = Relinter(linter, PATHS)
    said: set[tuple[str, str]] = set()
    for _ in range(8):
        tried = {**texts, **{path: text_of(path, chance) for path in chance.sample(PATHS, 2)}}
        found = relinter.check(Memory(tried))
        assert found == linter.check(PATHS, Memory(tried))
        said.update((f.span.path, f.code) for f in found)
        if chance.random() < 0.5:
            texts = tried
    assert len(said) > 2


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The files of each look."""
    looks: list[list[str]] = []
    real = parallel.examine

    def examine(paths: list[str], *rest: object) -> Examined:
        looks.append(sorted(paths))
        return real(paths, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(parallel, "examine", examine)
    return looks


def texts(**changes: str) -> Loader:
    """One version of all files, with some replaced."""
    plain = random.Random(1)
    versions: Mapping[str, str] = {path: text_of(path, plain) for path in PATHS}
    return Memory({**versions, "script.py": "y = 2\n", **{f"{n}.py": t for n, t in changes.items()}})


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({}, None),
        ({"own": "x = 1\n"}, ["own.py"]),
        ({"far": "x = 1\n"}, ["base.py", "far.py", "sub.py"]),
        ({"sub": "x = 1\n"}, ["base.py", "far.py", "hub.py", "sub.py", "user.py"]),
        ({"script": "x = 1\n"}, ["script.py"]),
    ],
)
def test_only_what_a_change_can_affect_is_looked_at(
    change: dict[str, str], affected: list[str] | None, linter: Linter, looked: list[list[str]]
) -> None:
    relinter = Relinter(linter, PATHS)
    relinter.check(texts())
    relinter.check(texts(**change))
    assert looked == [sorted(PATHS), *([affected] if affected else [])]


def test_a_second_trial_starts_from_what_was_kept(linter: Linter, looked: list[list[str]]) -> None:
    relinter = Relinter(linter, PATHS)
    for change in ({}, {"own": "x = 1\n"}, {"script": "x = 1\n"}, {"script": "x = 1\n", "own": "y = 1\n"}):
        relinter.check(texts(**change))
    assert looked[1:] == [["own.py"], ["script.py"], ["own.py"]]


def test_a_file_that_goes_away_is_a_finding_and_may_come_back(linter: Linter) -> None:
    relinter = Relinter(linter, ["a.py"])
    assert relinter.check(Memory({"a.py": "x = 1\n"})) == []
    assert [f.code for f in relinter.check(Memory({}))] == ["QAT000"]
    assert relinter.check(Memory({"a.py": "x = 1\n"})) == []
