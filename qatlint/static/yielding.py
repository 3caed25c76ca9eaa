"""What generators give: as many values as the loops and branches around each `yield` say."""

from __future__ import annotations

import ast

from qatlint.static.loosening import is_generator
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.natured import Natured
from qatlint.static.natures import FIXED, Causes, Nature, What, joined, united
from qatlint.static.project import Project
from qatlint.static.seen import RawRegion
from qatlint.static.values import Args, Function, Instance, Value
from qatlint.trace import Varies


class Yielding(Natured):
    """Calls of generators give something of a known length."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        super().__init__(project, cls, opened)
        self._open: list[RawRegion] = []
        """Loops and branches that are running."""
        self._yields: list[tuple[Nature, tuple[RawRegion, ...]]] = []
        """Of the function that is running: what it gives, and the loops and branches around it."""

    def region_causes(self, region: RawRegion, depth: int = 0) -> Causes:
        """What decides whether, or how often, a region runs."""
        raise NotImplementedError

    def handed_out(self, value: Value, frame: Frame) -> None:
        if self.watching:
            self._yields.append((self.nature(value), tuple(self._open)))

    def enter(
        self,
        callee: Function,
        args: Args,
        node: ast.Call,
        frame: Frame,
        receiver: Value | None,
        owner: Instance | None = None,
    ) -> Value:
        before, self._yields = self._yields, []
        around = len(self._open)
        result = super().enter(callee, args, node, frame, receiver, owner)
        given, self._yields = self._yields, before
        if not self.watching or not given or not is_generator(callee.node):
            return result
        many = self.unknown()
        inside = {id(r): r for _, regions in given for r in regions[around:]}
        causes = united(*map(self._causes_of, inside.values()))
        each = given[0][0]
        for other, _ in given[1:]:
            each = joined(each, other)
        self._learn(many, Nature(What.MANY, causes))
        self.pieces[many.key] = (each._replace(producers=frozenset()), None)
        if not causes:
            self.given_length.add(many.key)
        return many

    def _causes_of(self, region: RawRegion) -> Causes:
        """The same; a branch on an argument is usually a flag of the deployed model."""
        causes = self.region_causes(region)
        if not region.branch:
            return causes
        return frozenset(c for c in causes if c.varies not in (Varies.UNPROVEN, Varies.GIVEN)) or FIXED
