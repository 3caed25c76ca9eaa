"""Texts that somebody is in the middle of editing: real ones with some lines or tokens changed."""

from __future__ import annotations

import io
import random
import tokenize
from collections.abc import Callable

Mutation = Callable[[str, random.Random], str]


def mutated(text: str, chance: random.Random) -> str:
    """The text after one to four edits, most of which leave it a program."""
    for _ in range(chance.randrange(1, 5)):
        text = chance.choice(MUTATIONS)(text, chance)
    return text


def _line_twice(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        at = chance.randrange(len(lines))
        lines.insert(at, lines[at])
    return "".join(lines)


def _line_gone(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        del lines[chance.randrange(len(lines))]
    return "".join(lines)


def _lines_swapped(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if len(lines) > 1:
        at = chance.randrange(len(lines) - 1)
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
    return "".join(lines)


def _indented(text: str, chance: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        at = chance.randrange(len(lines))
        lines[at] = "    " + lines[at] if chance.random() < 0.5 else lines[at].removeprefix("    ")
    return "".join(lines)


def _token_replaced(text: str, chance: random.Random) -> str:
    """One name, number or string in the place of another: the same grammar, another meaning."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    kinds = (tokenize.NAME, tokenize.NUMBER, tokenize.STRING)
    usable = [t for t in tokens if t.type in kinds and t.start[0] == t.end[0]]
    if not usable:
        return text
    target = chance.choice(usable)
    other = chance.choice([t for t in usable if t.type == target.type])
    lines = text.splitlines(keepends=True)
    if target.start[0] > len(lines):
        return text
    line = lines[target.start[0] - 1]
    lines[target.start[0] - 1] = line[: target.start[1]] + other.string + line[target.end[1] :]
    return "".join(lines)


def _characters_typed(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    typed = chance.choice(
        ["(", ")", ":", "\n", ".", " ", "\t", "\f", "#", '"', "'''", "self.", "中😀", "\\\n", "\x00"]
    )
    return text[:at] + typed + text[at:]


def _cut(text: str, chance: random.Random) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + text[at + chance.randrange(40) :]


def _commented(text: str, chance: random.Random) -> str:
    lines = text.splitlines()
    if lines:
        comment = chance.choice(
            ["# qatlint: ignore", "# qatlint: ignore[QAT101] why", "# fmt: off", "# 中文"]
        )
        at = chance.randrange(len(lines))
        lines[at] += f"  {comment}"
    return "\n".join(lines) + "\n"


MUTATIONS: tuple[Mutation, ...] = (
    _line_twice,
    _line_gone,
    _lines_swapped,
    _indented,
    _token_replaced,
    _token_replaced,
    _token_replaced,
    _characters_typed,
    _cut,
    _commented,
)
