"""Which classes are models, and whether a project has to do with the plugin at all.

The rules of the quantised region (QAT3xx, QAT4xx) begin here:

1. `uses_plugin(project, path)`: ask first, for the file of the class. False: nothing of the region is judged,
   and nothing of it is to be computed. One search per text and process, or one `in` where the file itself
   imports the plugin.
2. `root_of(project, cls)`: None for a class that is no root as far as the source tells. It is judged by what
   it does itself then, with inputs taken for quantised.
   Else a `Root`, whose `why` says how far to trust it:

   * ENTRY_POINT, PREPARED: it is the model that is deployed. The tensors its forward is given are float.
   * STUBS: it makes stubs itself (or a base does). `quants` and `dequants` say which. A part of a model does
     so as well (a position embedding that quantises its table, a head that only dequantises), so its inputs
     are float only where a QuantStub takes one of them, and only if `part_of` is empty: that names another
     module class of its own file that makes one of these.

Neither imports or runs anything. What they read of other files is recorded (`Project.asked`, `lookups`), so
cached findings stay right. Both are cheap to ask again.
"""

from __future__ import annotations

import ast
from enum import Enum
from typing import NamedTuple

from qatlint.horizon.ops import Boundary, of_class
from qatlint.static.entry import absolute
from qatlint.static.modulefile import ClassDef
from qatlint.static.prepared import prepared_classes
from qatlint.static.project import Project
from qatlint.static.source import nodes
from qatlint.static.survey import Place


class Why(Enum):
    """How a class is known to be a model, the surest first."""

    ENTRY_POINT = "entry-point"
    """The settings name it."""
    PREPARED = "prepared"
    """A script gives an instance to the plugin's `prepare`."""
    STUBS = "stubs"
    """It makes QuantStubs or DeQuantStubs."""


class Root(NamedTuple):
    """A class that is a model, or may be one."""

    why: Why
    place: Place | None
    """Where: the call of `prepare`, or the first stub; None for the settings."""
    quants: bool
    """Whether it makes QuantStubs itself (or a base of it does)."""
    dequants: bool
    """The same for DeQuantStubs."""
    part_of: str = ""
    """A module class of the same file that makes one of these ("" when there is none)."""


def uses_plugin(project: Project, path: str) -> bool:
    """Whether anything in the project is to be judged by the plugin's rules; `path` is the file to begin
    with."""
    aim = project.aim
    return bool(aim.entry_points) or aim.has_report or project.uses_plugin(path)


def root_of(project: Project, cls: ClassDef) -> Root | None:
    """What makes the class a model; None when nothing does."""
    if not uses_plugin(project, cls.file.path):
        return None
    stubs = _stubs_of(project, cls)
    quants, dequants = Boundary.QUANT in stubs, Boundary.DEQUANT in stubs
    points = project.aim.entry_points
    if points and (absolute(cls.file.path), cls.qualname) in points:
        return Root(Why.ENTRY_POINT, None, quants, dequants)
    if project.prepared is None:
        project.prepared = prepared_classes(project)
    place = project.prepared.get((cls.file.path, cls.qualname))
    if place is not None:
        return Root(Why.PREPARED, place, quants, dequants)
    if not stubs:
        return None
    return Root(Why.STUBS, min(stubs.values()), quants, dequants, _maker_of(project, cls))


def _stubs_of(project: Project, cls: ClassDef) -> dict[Boundary, Place]:
    """The kinds of stubs that a class or its bases make, and where the first of each is made."""
    found: dict[Boundary, Place] = {}
    for entry in project.mro(cls):
        if isinstance(entry, ClassDef) and "Stub" in entry.text_of(entry.node):
            for node in nodes(entry.node):
                if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
                    dotted = project.expression(node.func, entry.file)
                    if isinstance(dotted, ClassDef):
                        dotted = project.stub_base(dotted)
                    meaning = of_class(dotted) if isinstance(dotted, str) else None
                    if meaning is not None and meaning.boundary is not Boundary.NONE:
                        found.setdefault(meaning.boundary, (entry.file.path, node.lineno))
    return found


def _maker_of(project: Project, cls: ClassDef) -> str:
    """Another module class of the file that names this one in its methods."""
    for other in cls.file.classes:
        if other is cls or other.name == cls.name or not project.is_module(other):
            continue
        if f"{cls.name}(" in other.text_of(other.node) and cls not in project.mro(other):
            return other.name
    return ""
