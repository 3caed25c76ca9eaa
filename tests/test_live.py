"""What is found while texts change is what a new run finds, however the changes come."""

from __future__ import annotations

import gc
import random

import pytest

from qatlint import lastgood
from qatlint.config import Finder, Overrides
from qatlint.finding import Finding, Severity
from qatlint.lastgood import Good, moved
from qatlint.linting import Linter
from qatlint.live import Live
from qatlint.static.source import Source
from tests.fakes import finding, fix, span
from tests.static.sources import Memory, clean
from tests.test_relinting import PATHS, text_of


def linter() -> Linter:
    return Linter(Finder(Overrides(min_severity=Severity.NOTE), isolated=True))


@pytest.mark.parametrize("seed", range(25))
def test_what_is_found_in_the_end_is_what_a_new_run_finds(seed: int) -> None:
    chance = random.Random(seed)
    texts = {path: text_of(path, chance) for path in PATHS}
    loader = Memory(texts)
    live = Live(linter(), PATHS, loader)
    shown: dict[str, list[Finding]] = {path: [] for path in PATHS}
    for _ in range(10):
        # Often the next change comes before all is examined that the last one has affected.
        for _ in range(chance.choice([0, 1, 3, live.waiting()])):
            shown.update({path: live.findings(path) for path in live.step()})
        changed = chance.sample(PATHS, chance.randrange(1, 3))
        texts.update({path: text_of(path, chance) for path in changed})
        loader.texts.update(Memory(texts).texts)
        live.change(changed)
        live.first(chance.sample(PATHS, 2))
    while live.waiting():
        shown.update({path: live.findings(path) for path in live.step()})
    right = linter().check(PATHS, Memory(texts))
    assert sorted((f for found in shown.values() for f in found), key=lambda f: f.sort_key) == right
    assert right


MODEL = clean(
    """
    from torch import nn

    class A(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Sigmoid()

        def forward(self, x):
            return self.a(self.a(x))

    class B(nn.Module):
        def __init__(self):
            super().__init__()
            self.b = nn.Sigmoid()

        def forward(self, x):
            return self.b(self.b(x))
    """
)


def settled(live: Live) -> Live:
    while live.waiting():
        for path in live.step():
            live.findings(path)
    return live


def test_a_syntax_error_keeps_what_was_found_in_other_classes() -> None:
    loader = Memory({"a.py": MODEL})
    live = settled(Live(linter(), ["a.py"], loader))
    assert [(f.subject, f.span.line) for f in live.findings("a.py")] == [("a", 9), ("b", 17)]
    loader.texts["a.py"] = MODEL.replace(
        "        return self.a(self.a(x))", "        y = (\n        return"
    ).encode()
    live.change(["a.py"])
    settled(live)
    broken = live.findings("a.py")
    assert [(f.code, f.span.line) for f in broken] == [("QAT000", 9), ("QAT101", 18)]
    assert broken[1].fix is None
    assert [r.span.line for r in broken[1].related] == [18, 15]
    loader.texts["a.py"] = MODEL.encode()
    live.change(["a.py"])
    settled(live)
    assert [(f.subject, f.span.line) for f in live.findings("a.py")] == [("a", 9), ("b", 17)]


def test_traces_are_those_of_the_text_as_it_is() -> None:
    loader = Memory({"a.py": MODEL})
    live = settled(Live(linter(), ["a.py"], loader))
    assert [trace.owner for trace in live.traces("a.py")] == ["a:A", "a:B"]
    loader.texts["a.py"] = MODEL.replace("class B", "class C").encode()
    live.change(["a.py"])
    assert [trace.owner for trace in live.traces("a.py")] == ["a:A", "a:C"]
    loader.texts["a.py"] = b"class"
    live.change(["a.py"])
    assert live.traces("a.py") == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("1\n2\n3\n4\n5\n", [2, 4]),
        ("1\n2\nx\n4\n5\n", [2, 4]),
        ("1\n2\nx\ny\n4\n5\n", [2, 5]),
        ("1\n2\n4\n5\n", [2, 3]),
        ("1\nx\n3\n4\n5\n", [4]),
        ("x\r1\r\n2\n3\n4\n5\n", [3, 5]),
        ("", []),
    ],
)
def test_lines_that_are_as_they_were_keep_their_findings(text: str, lines: list[int]) -> None:
    found = (finding(line=2, fix=fix()), finding(line=4))
    now = moved(Good(b"1\n2\n3\n4\n5\n", found), text.encode())
    assert [f.span for f in now] == [span("a.py", line, 1) for line in lines]
    assert {f.no_fix for f in now} <= {lastgood.NO_FIX}
    assert not any(f.fix for f in now)


def test_texts_that_could_not_be_parsed_are_let_go_of_without_the_collector() -> None:
    loader = Memory({"a.py": MODEL})
    live = settled(Live(linter(), ["a.py"], loader))
    gc.collect()
    gc.disable()
    try:
        for number in range(10):
            loader.texts["a.py"] = f"class (\n# {number}\n".encode()
            live.change(["a.py"])
            settled(live)
        held = sum(isinstance(one, Source) and one.text.startswith("class (") for one in gc.get_objects())
    finally:
        gc.enable()
    assert held <= 1
