"""What single fixes would change, as stretches of text."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatlint import engine, registry
from qatlint.codemods.fixer import fix
from qatlint.codemods.suggest import changes_of, suggest
from qatlint.finding import Finding, Replacement, Safety
from qatlint.loader import Loader
from tests.static.sources import Memory

BLOCK = """\
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        x = self.relu(self.conv(x))
        return self.relu(self.conv(x))
"""


def carried_out(text: str, changes: Sequence[Replacement]) -> str:
    """The text with the changes, which are in order."""
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    text = "\n".join(lines)
    for change in reversed(changes):
        first = starts[change.span.line - 1] + change.span.column - 1
        last = starts[change.span.end_line - 1] + change.span.end_column - 1
        text = text[:first] + change.text + text[last:]
    return text


@pytest.mark.parametrize("unsafe", [False, True])
def test_a_suggestion_is_what_the_fix_would_write(unsafe: bool) -> None:
    loader = Memory({"a.py": BLOCK})

    def check(current: Loader) -> list[Finding]:
        return engine.check(["a.py"], current, registry.all_rules())

    findings = check(loader)
    assert {f.fix.safety for f in findings if f.fix} == {Safety.SAFE, Safety.UNSAFE}
    found = suggest(findings, ["a.py"], loader, check, unsafe=unsafe)
    assert {f.subject for f in found} == ({"relu", "conv"} if unsafe else {"relu"})
    (relu,) = (changes for f, changes in found.items() if f.subject == "relu")
    safe = fix(["a.py"], loader, check, unsafe=False)
    assert carried_out(BLOCK, relu) == safe.texts["a.py"].decode()


LINES = st.lists(st.sampled_from(["a\n", "b\n", "ab\n", "é\x0c\n", "\n"]), max_size=6).map("".join)


@given(LINES, LINES, st.sampled_from(["", "x"]))
def test_changes_make_one_text_the_other(old: str, new: str, end: str) -> None:
    changes = list(changes_of("a.py", old, new + end))
    assert carried_out(old, changes) == new + end
    assert not any(old == new + end for _ in changes)


def test_changes_are_short_and_keep_line_ends() -> None:
    (change,) = changes_of("a.py", "x = act(y)\r\nz\r\n", "x = act_1(y)\r\nz\r\n")
    assert (change.span.line, change.span.column, change.span.end_column, change.text) == (1, 8, 8, "_1")
