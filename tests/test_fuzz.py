"""Fixtures that somebody is editing go through lint and fix.

One text of each: `benchmarks/fuzz.py` goes through as many as one likes, of the fixtures or of libraries.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from qatlint.files import DiskLoader
from tests.fuzzing import examined, parses
from tests.mutations import mutated

ROUNDS = 1
FIXTURES = sorted(
    path
    for path in (Path(__file__).resolve().parents[1] / "fixtures").rglob("*.py")
    if ".fixed" not in path.name
)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_whatever_is_typed(path: Path) -> None:
    text = path.read_text()
    for seed in range(ROUNDS):
        data = mutated(text, random.Random(f"{path.stem} {seed}")).encode("utf-8", "surrogatepass")
        examined(str(path), data, DiskLoader())


def test_most_of_what_is_typed_is_a_program() -> None:
    programs = [
        parses(mutated(path.read_text(), random.Random(f"{path.stem} {seed}")).encode())
        for path in FIXTURES
        for seed in range(ROUNDS)
    ]
    assert 0.2 < sum(programs) / len(programs) < 0.8


def test_a_suppression_in_what_is_no_program_is_not_called_unused() -> None:
    found, _ = examined("a.py", b"def f(:\n    x = 1  # qatlint: ignore[QAT101] why\n", DiskLoader())
    assert [f.code for f in found] == ["QAT000"]
