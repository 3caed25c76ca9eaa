"""Positions -> libcst nodes of one parsed file."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator
from functools import cache
from typing import TypeVar

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from qatlint.codemods.refused import Refused
from qatlint.trace import Span

Node = TypeVar("Node", bound=cst.CSTNode)
COMPREHENSIONS = (cst.ListComp, cst.SetComp, cst.GeneratorExp, cst.DictComp)

_Key = tuple[int, int, int, int]


class Tree:
    """A parsed file with positions and parents."""

    def __init__(self, text: str) -> None:
        """Parse `text`. Raises `Refused` when libcst cannot read it or would not write it back alike."""
        try:
            module = cst.parse_module(text)
        except cst.ParserSyntaxError:
            raise Refused("the file cannot be parsed by libcst") from None
        if module.code != text:
            # Seen with a form feed in front of a statement: libcst drops it.
            raise Refused("the file has white space that libcst does not keep")
        self.module = module
        self.text = text
        self._ranges = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
        self._parents = dict(_parents(module))
        self._expressions: dict[_Key, cst.BaseExpression] = {}
        for node, where in self._ranges.items():
            if isinstance(node, cst.BaseExpression):
                self._expressions.setdefault(_key(where), node)

    def expression(self, span: Span) -> cst.BaseExpression:
        """The expression at `span`. Raises `Refused` when there is none."""
        node = self._expressions.get((span.line, span.column - 1, span.end_line, span.end_column - 1))
        if node is None:
            node = self._generator(span)
        if node is None:
            raise Refused(f"no expression was found at line {span.line}, column {span.column}")
        return node

    def _generator(self, span: Span) -> cst.BaseExpression | None:
        """The generator at `span`: to `ast`, its parentheses belong to it, also those of a call."""
        for node, where in self._ranges.items():
            if isinstance(node, cst.GeneratorExp) and self.inside(node, span):
                before = self._between(span.line, span.column - 1, where.start.line, where.start.column)
                after = self._between(where.end.line, where.end.column, span.end_line, span.end_column - 1)
                if before.strip() == "(" and after.strip() == ")":
                    return node
        return None

    def _between(self, line: int, column: int, end_line: int, end_column: int) -> str:
        """The text between two places; lines count from 1, columns from 0."""
        lines = self.text.split("\n")[line - 1 : end_line]
        lines[-1] = lines[-1][:end_column]
        return "\n".join([lines[0][column:], *lines[1:]])

    def inside(self, node: cst.CSTNode, span: Span) -> bool:
        """Whether `node` lies within `span`."""
        line, column, end_line, end_column = _key(self._ranges[node])
        return (line, column) >= (span.line, span.column - 1) and (end_line, end_column) <= (
            span.end_line,
            span.end_column - 1,
        )

    def begins_at(self, node: cst.CSTNode, span: Span) -> bool:
        """Whether `node` begins where `span` does (the end of a block is counted differently by `ast`)."""
        return _key(self._ranges[node])[:2] == (span.line, span.column - 1)

    def column(self, node: cst.CSTNode) -> int:
        """Number of characters before `node` on its line."""
        return self._ranges[node].start.column

    def lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """First and last line of `node`, without the comments above it; both count from 1."""
        where = self._ranges[node]
        return where.start.line, where.end.line

    def before(self, one: cst.CSTNode, other: cst.CSTNode) -> bool:
        """Whether `one` begins before `other` does."""
        return _key(self._ranges[one])[:2] < _key(self._ranges[other])[:2]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        """The node around `node` (the module has none)."""
        return self._parents[node]

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Nodes around `node`, innermost first, the module last."""
        while node is not self.module:
            node = self._parents[node]
            yield node

    def around(self, node: cst.CSTNode, kind: type[Node]) -> Node | None:
        """The innermost node of this kind around `node`."""
        return next((a for a in self.ancestors(node) if isinstance(a, kind)), None)

    def contains(self, outer: cst.CSTNode, inner: cst.CSTNode) -> bool:
        """Whether `inner` is `outer` or stands inside it."""
        return inner is outer or any(a is outer for a in self.ancestors(inner))

    def code(self, node: cst.CSTNode) -> str:
        """Source of `node`, indented as if it stood at the margin."""
        return self.module.code_for_node(node)

    def short(self, node: cst.CSTNode) -> str:
        """Source of `node` on one line, for a message."""
        text = " ".join(self.code(node).split())
        return text if len(text) <= 60 else text[:57] + "..."


@cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))


@cache
def _is_node(kind: Hashable) -> bool:
    """Whether values of this type are nodes; asked of the type, as the check of an abstract class is slow."""
    return isinstance(kind, type) and issubclass(kind, cst.CSTNode)


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes directly below `node`.

    `node.children` rebuilds the whole subtree to find them, which a rewrite of a large class would feel.
    Statements come in source order; the parts of one expression may not.
    """
    found: list[cst.CSTNode] = []
    for name in _fields(type(node)):
        value: object = getattr(node, name)
        values = value if isinstance(value, list | tuple) else (value,)
        found.extend([item for item in values if _is_node(item.__class__)])
    return found


def _parents(module: cst.Module) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Every node below `module`, with the one around it."""
    stack: list[cst.CSTNode] = [module]
    while stack:
        node = stack.pop()
        below = children(node)
        stack.extend(below)
        for child in below:
            yield child, node


def walk(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """`node` and everything below it, from the outside in."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        stack.extend(reversed(children(current)))


def own_class(tree: Tree, node: cst.CSTNode) -> cst.ClassDef:
    """The class whose body holds `node`. Raises `Refused`."""
    found = tree.around(node, cst.ClassDef)
    if found is None:
        raise Refused("the code does not stand in a class")
    return found


def method_of(tree: Tree, cls: cst.ClassDef, node: cst.CSTNode) -> cst.FunctionDef | None:
    """The method of `cls` that holds `node`; None in the class body itself."""
    found = None
    for around in tree.ancestors(node):
        if around is cls:
            return found
        if isinstance(around, cst.FunctionDef):
            found = around
    return None


def self_name(method: cst.FunctionDef) -> str | None:
    """How `method` calls its instance; None for static and class methods."""
    for decorator in method.decorators:
        if isinstance(decorator.decorator, cst.Name):
            if decorator.decorator.value in ("staticmethod", "classmethod"):
                return None
    first = [*method.params.posonly_params, *method.params.params][:1]
    return first[0].name.value if first else None


def self_attribute(node: cst.CSTNode, receiver: str | None) -> str | None:
    """`x` when `node` is `self.x` (with `receiver` for `self`), else None."""
    if isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name) and node.value.value == receiver:
        return node.attr.value
    return None


def _key(where: CodeRange) -> _Key:
    return (where.start.line, where.start.column, where.end.line, where.end.column)
