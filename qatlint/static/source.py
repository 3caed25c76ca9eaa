"""One source file: its text, its tree, and the conversion of `ast` positions to characters."""

from __future__ import annotations

import ast
import gc
import io
import tokenize
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from qatlint.trace import Span

_NO_NODES = frozenset("ctx id attr arg kind module level type_comment conversion".split())
"""Fields that hold no node, in any class of node; and `ctx`."""
_MIXED = frozenset(("names", "keys", "kw_defaults", "kwd_attrs"))
"""Fields that hold lists in which something may stand that is no node."""
_fields: dict[type[ast.AST], tuple[str, ...]] = {}
"""The other fields of the classes that were met."""


_PLACED = (ast.expr, ast.stmt)
"""What the parser gives a place."""


class Unreadable(Exception):
    """A file that cannot be linted. `.line` and `.column` are 1-based."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column


class Source:
    """Text and tree of one file.

    `ast` counts columns in UTF-8 bytes; `span` is the one place that turns them into characters.
    """

    __slots__ = ("_ascii", "_lines", "path", "text", "tree")

    def __init__(self, path: str, data: bytes, *, whole: bool = True) -> None:
        """Decode `data`, and parse it unless told otherwise. Raises `Unreadable` with the place."""
        self.path = path
        self.text = decode(data)
        self._ascii = self.text.isascii()
        self._lines: list[str] | None = None
        self.tree = ast.Module([], [])
        if whole:
            self.parse()

    def parse(self) -> None:
        """Make the tree. Raises `Unreadable` with the place."""
        try:
            with quiet_parse():
                self.tree = ast.parse(self.text)
        except SyntaxError as error:
            line = max(error.lineno or 1, 1)
            raise Unreadable(f"syntax error: {error.msg}", line, max(error.offset or 1, 1)) from None
        except (ValueError, RecursionError, MemoryError) as error:
            reason = "too deeply nested" if not isinstance(error, ValueError) else str(error)
            raise Unreadable(f"cannot parse: {reason}") from None

    def span(self, node: ast.AST) -> Span:
        """The place of an expression or statement."""
        if self._ascii and isinstance(node, _PLACED) and node.end_lineno and node.end_col_offset is not None:
            # Nearly all nodes that are asked for, in nearly all files.
            return Span(self.path, node.lineno, node.col_offset + 1, node.end_lineno, node.end_col_offset + 1)
        line: int = getattr(node, "lineno", 1)
        end: int = getattr(node, "end_lineno", None) or line
        column: int = getattr(node, "col_offset", 0)
        end_column: int = getattr(node, "end_col_offset", None) or column + 1
        return Span(self.path, line, self.column(line, column), end, self.column(end, end_column))

    def column(self, line: int, byte_offset: int) -> int:
        """1-based column in characters of a 0-based offset in UTF-8 bytes."""
        if self._ascii:
            return byte_offset + 1
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        if text.isascii():
            return byte_offset + 1
        return len(text.encode("utf-8")[:byte_offset].decode("utf-8", "ignore")) + 1

    @property
    def lines(self) -> list[str]:
        """Lines as the parser counts them (only newline characters end a line)."""
        if self._lines is None:
            text = self.text
            if "\r" in text:
                text = text.replace("\r\n", "\n").replace("\r", "\n")
            self._lines = text.split("\n")
        return self._lines

    def segment(self, node: ast.expr) -> str:
        """Source of an expression on one line, shortened for a message."""
        text = " ".join(ast.unparse(node).split())
        return text if len(text) <= 60 else text[:57] + "..."


def nodes(root: ast.AST) -> Iterator[ast.AST]:
    """All nodes below and including `root`, in no particular order: `ast.walk`, several times as fast.

    Load, Store and Del are left out: they are half of all nodes, and say nothing on their own.
    """
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        kind = type(node)
        fields = _fields.get(kind)
        if fields is None:
            fields = _fields_of(kind)
        # As `children` does, without a call for each node: this is where much of a run goes.
        for name in fields:
            value = getattr(node, name, None)
            if type(value) is list:
                stack += [e for e in value if isinstance(e, ast.AST)] if name in _MIXED else value
            elif value is not None and isinstance(value, ast.AST):
                stack.append(value)


def nodes_outside(root: ast.AST, kinds: tuple[type[ast.AST], ...]) -> Iterator[ast.AST]:
    """`nodes` without what is below nodes of these kinds, which come themselves."""
    stack = [root]
    while stack:
        node = stack.pop()
        yield node
        if not isinstance(node, kinds):
            stack += children(node)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly below a node, as they are written, without Load, Store and Del."""
    kind = type(node)
    fields = _fields.get(kind)
    if fields is None:
        fields = _fields_of(kind)
    found: list[ast.AST] = []
    for name in fields:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [e for e in value if isinstance(e, ast.AST)] if name in _MIXED else value
        elif value is not None and isinstance(value, ast.AST):
            found.append(value)
    return found


def _fields_of(kind: type[ast.AST]) -> tuple[str, ...]:
    """The fields of a kind of node that may hold nodes."""
    fields = _fields[kind] = tuple(name for name in kind._fields if name not in _NO_NODES)
    return fields


def decode(data: bytes) -> str:
    """Text of a source file: BOM and PEP 263 are honoured. Raises `Unreadable`."""
    if data.isascii() and b"coding" not in data[:200]:
        text = data.decode("ascii")
    else:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
        except SyntaxError as error:
            raise Unreadable(f"cannot decode: {error.msg}") from None
        except (UnicodeDecodeError, LookupError) as error:
            line, column = 1, 1
            if isinstance(error, UnicodeDecodeError):
                line = data.count(b"\n", 0, error.start) + 1
                column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
            raise Unreadable(f"cannot decode: {error}", line, column) from None
    if "\0" in text:
        at = text.index("\0")
        line = text.count("\n", 0, at) + 1
        raise Unreadable("source contains a null byte", line, at - text.rfind("\n", 0, at))
    return text


@contextmanager
def quiet_parse() -> Iterator[None]:
    """No warnings about the user's escapes; no garbage collection while a tree is built.

    A tree is many objects and no garbage: with the collector on, parsing takes a third longer.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if was:
            gc.enable()
