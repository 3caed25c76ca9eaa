"""Ops and returns as a model was followed to them: what `quantised.py` hands to `flows.py`."""

from __future__ import annotations

import ast
from typing import NamedTuple

from qatlint.condition import FALSE, Condition
from qatlint.horizon.ops import Meaning
from qatlint.static.held import NOT_KNOWN, Held
from qatlint.static.machine import Place
from qatlint.static.modulefile import ModuleFile
from qatlint.static.values import (
    Instance,
    LoopFrame,
)


class RawQuant:
    """An op as it was met."""

    __slots__ = (
        "entry",
        "frame_cls",
        "given",
        "kept",
        "loops",
        "meaning",
        "node",
        "number",
        "place",
        "places",
        "refilled",
        "result",
        "returned",
        "target",
        "users",
        "via",
        "when",
        "with_number",
        "written",
    )

    def __init__(
        self,
        number: int,
        meaning: Meaning | None,
        node: ast.AST,
        place: Place,
        written: str,
        target: Instance | None,
        loops: tuple[LoopFrame, ...],
        via: tuple[Place, ...],
        when: Condition,
    ) -> None:
        self.number = number
        self.meaning = meaning
        self.node = node
        self.place = place
        self.written = written
        self.target = target
        self.loops = loops
        self.via = via
        self.when = when
        self.given: list[Held] = []
        self.places: list[ast.expr | None] = []
        """Where the operands are written."""
        self.result = NOT_KNOWN
        self.users: dict[int, None] = {}
        self.returned = False
        self.kept: Condition = FALSE
        self.with_number = False
        self.refilled = False
        """Whether a turn of a loop puts the result into a list or dict that the loop reads."""
        self.entry = ""
        """Which entry of the container that is called: `[2]`."""


class RawHanded(NamedTuple):
    """A float tensor that a call gives to a function."""

    argument: ast.expr
    held: Held
    place: Place
    loops: tuple[LoopFrame, ...]
    via: tuple[Place, ...]
    when: Condition


class RawReturn(NamedTuple):
    """A tensor that a forward gives back."""

    when: Condition
    node: ast.Return
    held: Held
    file: ModuleFile
    owner: Instance | None
    """The module whose forward it is; None for the root."""
