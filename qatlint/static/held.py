"""What a tensor holds while a forward is followed for its quant states."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.trace import Comes, Quant

_COUNTED = re.compile(r"(\[(-?\d+|\.\.\.)\])+$")


class Begin(NamedTuple):
    """Where a float tensor begins."""

    comes: Comes
    name: str
    file: ModuleFile
    node: ast.AST
    cls: ClassDef | None
    function: str
    runner: ClassDef | None
    scalar: bool = False
    """A tensor of one number: it needs no stub."""
    vector: bool = False
    """A row of numbers: each of them is a tensor of one."""

    @property
    def which(self) -> tuple[ast.AST, str]:
        """What is the same of a tensor wherever it is used; entries that are counted are of one kind."""
        return self.node, _COUNTED.sub("", self.name)


class Held(NamedTuple):
    """The state of one tensor."""

    quant: Quant
    begins: frozenset[Begin] = frozenset()
    """Of a float tensor; of a turned one, those of its first turn."""
    made: frozenset[int] = frozenset()
    """Numbers of the ops that may have made it."""
    turned: bool = False
    """Unknown, since it is float in the first turn of a loop and quantised in the others."""
    asked: bool = False
    """A mask or an index, with the beginnings of what it was asked of: that is no mask itself."""
    carried: frozenset[object] = frozenset()
    """The variables of loops whose value of the turn before it may be."""


NOT_KNOWN = Held(Quant.UNKNOWN)
PLAIN = Held(Quant.PLAIN)
QUANTIZED = Held(Quant.QUANTIZED)
_MOST = 8
"""Beginnings that are kept of one tensor."""


def joined_held(one: Held, other: Held) -> Held:
    """What is true of a tensor that is one or the other."""
    if one is other or one == other:
        return one
    made, carried = one.made | other.made, one.carried | other.carried
    if one.quant is not other.quant or one.quant is Quant.UNKNOWN:
        return Held(Quant.UNKNOWN, frozenset(), made, carried=carried)
    asked = one.asked or other.asked
    return Held(one.quant, first(one.begins | other.begins), made, asked=asked, carried=carried)


def turned_held(before: Held, later: Held) -> Held:
    """What a variable holds in a loop that begins with the one and goes on with the other."""
    joined = joined_held(before, later)
    is_float = before.turned or (before.quant is Quant.FLOAT and bool(before.begins))
    if joined.quant is Quant.UNKNOWN and is_float and (later.turned or later.quant is Quant.QUANTIZED):
        return joined._replace(begins=first(before.begins | later.begins), turned=True)
    return joined


def first(begins: frozenset[Begin]) -> frozenset[Begin]:
    """These, or some of them where they are very many."""
    if len(begins) <= _MOST:
        return begins
    return frozenset(sorted(begins, key=lambda b: (b.comes.value, b.name, _position(b.node)))[:_MOST])


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
