"""Small models for the tests: the body of `__init__` and of `forward` in a fixed frame."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

FRAME = '''"""A model."""

import torch
from torch import nn

SIZES = (1, 2, 3)


class Model(nn.Module):
    def __init__(self, n=3, use=True, act_layer=nn.ReLU, cfg=None):
        super().__init__()
{init}

    def forward(self, x, xs=()):
{forward}
'''


def model(init: str, forward: str, *, copied: bool = False) -> str:
    """A file with one model; `copied` is for expected texts, with the import of `copy`."""
    text = FRAME.format(init=_indent(init), forward=_indent(forward))
    return text.replace("import torch\n", "import copy\n\nimport torch\n", 1) if copied else text


def _indent(text: str) -> str:
    return textwrap.indent(textwrap.dedent(text).strip("\n"), " " * 8)


@dataclass(frozen=True)
class Case:
    """Before and after. `name` says what it is there for."""

    name: str
    attribute: str
    before: tuple[str, str]
    after: tuple[str, str]
    intent: dict[str, Any] = field(default_factory=dict)
    copied: bool = False

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Refusal:
    """A model that is left alone, and words of the reason."""

    name: str
    attribute: str
    before: tuple[str, str]
    reason: str
    intent: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name
