"""How many elements those who make a class hand to its forward.

`for x in xs` over an argument may turn any number of times, as far as the class itself tells. Where all who
make the class are other modules of the project, their forwards say more: a list that they write down has one
length, and one that a module of theirs gave has as many elements as that module always gives.
"""

from __future__ import annotations

import ast

from qatlint.static.entry import absolute
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import Causes, united
from qatlint.static.project import Project
from qatlint.static.values import Args, At, Instance, Value
from qatlint.static.watching import Watching
from qatlint.trace import Varies

_MOST_MAKERS = 6
_DEEP = 3
"""Makers of makers that are asked."""


def handed_lengths(project: Project, cls: ClassDef, parameter: str, depth: int = 0) -> Causes | None:
    """What decides about the number of elements of what is handed to a parameter of forward; None where not
    everybody is known who may call it."""
    if depth >= _DEEP or cls.node.decorator_list or _is_entry_point(project, cls):
        return None
    makers = project.makers(cls)
    if not 0 < len(makers) <= _MOST_MAKERS or project.is_made_elsewhere(cls):
        return None
    found: list[Causes] = []
    for maker in makers:
        handed = _handed_by(project, maker, cls, parameter)
        if handed is None:
            return None
        for cause in handed:
            above = None
            if cause.varies in (Varies.UNPROVEN, Varies.SHAPE) and cause.why:
                above = handed_lengths(project, maker, cause.why, depth + 1)
            found.append(frozenset({cause}) if above is None else above)
    return united(*found)


def _is_entry_point(project: Project, cls: ClassDef) -> bool:
    """Whether the settings name it as a model: its inputs are what the user gives."""
    return (absolute(cls.file.path), cls.qualname) in project.aim.entry_points


def _handed_by(project: Project, maker: ClassDef, cls: ClassDef, parameter: str) -> Causes | None:
    asking = _Asking(project, maker, cls, parameter)
    asking.interpret()
    asking.watch()
    found = asking.handed
    complete = not asking.notes
    asking.close()
    return (
        united(*(causes for causes in found if causes is not None))
        if (found and complete and None not in found)
        else None
    )


class _Asking(Watching):
    """A class, followed for what it hands to the modules of another class."""

    def __init__(self, project: Project, cls: ClassDef, wanted: ClassDef, parameter: str) -> None:
        super().__init__(project, cls)
        self._asked_of = wanted
        self._asked_for = parameter
        self.handed: list[Causes | None] = []
        """One for each call; None where nobody knows what is handed in."""

    def execute(
        self, target: Instance, at: tuple[At, ...], args: Args, node: ast.Call, frame: Frame
    ) -> Value:
        if self.watching and self.phase == "forward" and self._is_meant(target):
            if not self.trains_only(frame.guard):
                self.handed.append(self._length_in(args))
        return super().execute(target, at, args, node, frame)

    def _is_meant(self, target: Instance) -> bool:
        return target.cls is not None and target.cls.full_name == self._asked_of.full_name

    def _length_in(self, args: Args) -> Causes | None:
        found = self.lookup(self._asked_of, "forward", None)
        if found is None or not isinstance(found[1], ast.FunctionDef) or args.open:
            return None
        spec = found[1].args
        names = [a.arg for a in (*spec.posonlyargs, *spec.args)][1:]
        if self._asked_for in args.keywords:
            return self.length_causes(args.keywords[self._asked_for])
        position = names.index(self._asked_for) if self._asked_for in names else len(args.positional)
        if any(item.times is not None or -1 in item.loops for item in args.positional[: position + 1]):
            return None
        if position < len(args.positional):
            return self.length_causes(args.positional[position].value)
        return None  # its default, which is there so that others can give something else
