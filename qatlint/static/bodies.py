"""What stands in the bodies of loops and branches: facts that decide how a block can be put into them."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from qatlint.static.seen import RawRegion
from qatlint.static.source import nodes, nodes_outside

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_SUSPENDING = (ast.Yield, ast.YieldFrom, ast.Await)


def leaving_word(region: RawRegion) -> str:
    """The word by which the statement in front of a `rest` leaves the body that both stand in: `return`,
    `break` or `continue`."""
    node = region.behind if region.behind is not None else region.node
    # A loop is not left by what leaves a loop in it; what its `else` leaves is the one around.
    parts = node.orelse if isinstance(node, _LOOPS) else [node]
    inside = [inner for part in parts for inner in nodes_outside(part, _FUNCTIONS + _LOOPS)]
    for word, kind in (("continue", ast.Continue), ("break", ast.Break)):
        if any(isinstance(inner, kind) for inner in inside):
            return word
    return "return"


def gathers(call: ast.Call) -> bool:
    """`sum(xs)`, `reduce(f, xs)`: one value of several."""
    called = call.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name in ("sum", "reduce")


def tests_of(node: ast.AST) -> list[ast.expr]:
    """What a comprehension asks of each element, and goes over in each turn."""
    if not isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        return []
    tests = [test for generator in node.generators for test in generator.ifs]
    return tests + [generator.iter for generator in node.generators[1:]]


def is_elif(node: ast.AST) -> bool:
    """Whether the `else` of an `if` is an `elif`."""
    if not isinstance(node, ast.If) or len(node.orelse) != 1:
        return False
    other = node.orelse[0]
    return isinstance(other, ast.If) and other.col_offset == node.col_offset


def suspending(region: RawRegion, lines: Sequence[str]) -> list[ast.stmt]:
    """The statements of a region's body that hold a `yield` or an `await`."""
    if not region.body:
        return []
    text = lines[region.body[0].lineno - 1 : region.body[-1].end_lineno]
    if not any("yield" in line or "await" in line for line in text):
        return []
    return [s for s in region.body if any(isinstance(n, _SUSPENDING) for n in nodes_outside(s, _FUNCTIONS))]


def loops_in(block: ast.With | ast.AsyncWith) -> list[tuple[ast.stmt, bool]]:
    """The loop that a block begins with, the one that this begins with, and so on; and whether each is all
    there is in what is around it."""
    found: list[tuple[ast.stmt, bool]] = []
    body: list[ast.stmt] = block.body
    while isinstance(body[0], _LOOPS):
        loop = body[0]
        found.append((loop, len(body) == 1 and not loop.orelse))
        body = loop.body
    return found


class Alike:
    """The loops, branches and comprehensions of functions that are written alike."""

    def __init__(self) -> None:
        self._places: dict[tuple[ast.AST, type[ast.AST]], dict[ast.AST, int]] = {}
        """By function and kind of node: each of these -> its place."""

    def place(self, around: ast.AST, node: ast.AST) -> int:
        """Which one `node` is, in the order of the text, of those in a function that are written as it is;
        from 1 on."""
        kind = type(node)
        places = self._places.get((around, kind))
        if places is None:
            places = self._places[around, kind] = {}
            found = [n for n in nodes(around) if type(n) is kind]
            found.sort(key=lambda n: (getattr(n, "lineno", 0), getattr(n, "col_offset", 0)))
            many: dict[str, int] = {}
            for one in found:
                written = _head(one)
                places[one] = many[written] = many.get(written, 0) + 1
        return places.get(node, 1)


def _head(node: ast.AST) -> str:
    if isinstance(node, (ast.For, ast.AsyncFor)):
        return f"{ast.dump(node.target)} {ast.dump(node.iter)}"
    if isinstance(node, (ast.While, ast.If, ast.IfExp)):
        return ast.dump(node.test)
    return ast.dump(node.func if isinstance(node, ast.Call) and gathers(node) else node)
