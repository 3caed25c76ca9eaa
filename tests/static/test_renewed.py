"""A project that is told of changed texts says what a new project says."""

from __future__ import annotations

import random

import pytest

from qatlint import engine
from qatlint.examined import importing
from qatlint.registry import all_rules
from tests.static.sources import Memory
from tests.test_relinting import PATHS, text_of


@pytest.mark.parametrize("seed", range(20))
def test_what_is_found_is_what_a_new_project_finds(seed: int) -> None:
    chance = random.Random(seed)
    texts = {path: text_of(path, chance) for path in PATHS}
    loader = Memory(texts)
    project = engine.open_project(PATHS, loader)
    examined = engine.examine(PATHS, project, all_rules())
    for _ in range(8):
        changed = chance.sample(PATHS, chance.randrange(1, 3))
        texts.update({path: text_of(path, chance) for path in changed})
        loader.texts.update(Memory(texts).texts)
        project.renew(changed, importing(changed, examined.lookups))
        examined.add(engine.examine(chance.sample(PATHS, len(PATHS)), project, all_rules()))
        fresh = engine.examine(PATHS, engine.open_project(PATHS, Memory(texts)), all_rules())
        assert examined.findings(PATHS) == fresh.findings(PATHS)
        assert {p: sorted(map(repr, found)) for p, found in examined.judged.items()} == {
            p: sorted(map(repr, found)) for p, found in fresh.judged.items()
        }
