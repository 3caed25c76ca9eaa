"""One parsed file: what its top-level names are bound to, and its classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from qatlint.static.outline import Outline, Piece
from qatlint.static.source import Source, nodes, quiet_parse

_CLOSED = ast.ClassDef("", [], [], [], [], lineno=0, col_offset=0)


class ClassDef:
    """A class of the project, with what is cheap to know about it."""

    __slots__ = (
        "known_mro",
        "_read_in",
        "_texts",
        "assigned_in",
        "changing",
        "constants",
        "file",
        "full_name",
        "is_module",
        "methods",
        "name",
        "node",
        "qualname",
        "states",
    )

    def __init__(self, node: ast.ClassDef, file: ModuleFile, qualname: str) -> None:
        self.node = node
        self.file = file
        self.name = node.name
        self.qualname = qualname
        self.full_name = f"{file.name}:{qualname}"
        """`package.module:Class`."""
        self.methods: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.constants: dict[str, ast.expr] = {}
        for statement in _flat(node.body):
            if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if not _is_overload(statement) and not _is_setter(statement):
                    self.methods[statement.name] = statement
            elif isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        self.constants[target.id] = statement.value
            elif isinstance(statement, ast.AnnAssign):
                if isinstance(statement.target, ast.Name) and statement.value is not None:
                    self.constants[statement.target.id] = statement.value
        self.known_mro: tuple[Linear, ...] | None = None
        self.assigned_in: dict[str, list[str]] | None = None
        self.changing: dict[str, tuple[str, str]] | None = None
        """See `repeatable.changing_call`."""
        self.states: dict[Any, Any] = {}
        """See `repeatable.state_of`."""
        self._read_in: dict[str, frozenset[str]] = {}
        self._texts: dict[ast.stmt, str] = {}
        self.is_module: bool | None = None
        """Answer of `Project.is_module`, once it was asked."""

    def close(self) -> None:
        """Let go of the tree (see `ModuleFile.close`)."""
        self.node = _CLOSED
        self.methods.clear()
        self.constants.clear()
        self._texts.clear()
        self.known_mro = None
        self.states.clear()

    def inner(self, name: str) -> ClassDef | None:
        """The class of this name in its body."""
        qualname = f"{self.qualname}.{name}"
        return next((cls for cls in self.file.classes if cls.qualname == qualname), None)

    def writers_of(self, attribute: str) -> list[str]:
        """Names of the methods that assign `self.<attribute>`."""
        if self.assigned_in is None:
            if attribute not in self.text_of(self.node):
                return []
            found: dict[str, list[str]] = {}
            for name, method in self.methods.items():
                for target in _self_targets(method):
                    names = found.setdefault(target, [])
                    if name not in names:
                        names.append(name)
            self.assigned_in = found
        return self.assigned_in.get(attribute, [])

    def text_of(self, node: ast.stmt) -> str:
        """The lines of the class or of a method. Looking for a word in them takes a hundredth of the time of
        going through their nodes, and most words are not there."""
        known = self._texts.get(node)
        if known is None:
            known = "\n".join(self.file.source.lines[node.lineno - 1 : node.end_lineno])
            self._texts[node] = known
        return known

    def reads(self, method: str, attribute: str) -> bool:
        """Whether a method reads an attribute of this name on any object, or holds a string that may name
        it."""
        return attribute in self.text_of(self.methods[method]) and attribute in self.names_read(method)

    def names_read(self, method: str) -> frozenset[str]:
        """Attributes that a method reads on any object, and strings in it that may name one."""
        known = self._read_in.get(method)
        if known is None:
            known = frozenset(_names_read(self.methods[method], self.file))
            self._read_in[method] = known
        return known


class Unknown:
    """A base class that is not part of the project: its dotted name."""

    __slots__ = ("dotted",)

    def __init__(self, dotted: str) -> None:
        self.dotted = dotted


Linear = ClassDef | Unknown


class FunctionFound:
    """A function at module level."""

    __slots__ = ("file", "node")

    def __init__(self, node: ast.FunctionDef | ast.AsyncFunctionDef, file: ModuleFile) -> None:
        self.node = node
        self.file = file


class ExpressionFound:
    """A variable at module level: the expression it is bound to."""

    __slots__ = ("file", "node")

    def __init__(self, node: ast.expr, file: ModuleFile) -> None:
        self.node = node
        self.file = file


Found = ClassDef | FunctionFound | ExpressionFound
Binding = Found | tuple[str, str]
"""What a name at module level is bound to; an import is (absolute module, attribute or "")."""


class ModuleFile:
    """One file: its dotted module name and what its top-level names are bound to.

    With an outline, a definition is parsed when its name is asked for.
    """

    __slots__ = (
        "_around",
        "_bound",
        "_waiting",
        "classes",
        "is_package",
        "lines_parsed",
        "name",
        "path",
        "root",
        "source",
        "stars",
    )

    def __init__(
        self, source: Source, name: str, root: str, is_package: bool, outline: Outline | None = None
    ) -> None:
        """Raises like `ast.parse` when the rest of an outline is torn."""
        self.source = source
        self.path = source.path
        self.name = name
        self.root = root
        """Folder from which `name` is imported."""
        self.is_package = is_package
        self._bound: dict[str, Binding | Piece] = {}
        self._waiting: dict[int, Piece] = {}
        """Definitions that nobody has asked for, by line."""
        self._around: dict[int, ClassDef | None] = {}
        self.stars: list[str] = []
        self.classes: list[ClassDef] = []
        """Those that are parsed: all of them, without an outline."""
        self.lines_parsed = 0
        if outline is None:
            self.lines_parsed = source.text.count("\n")
            self._collect(source.tree.body)
            self._classes(source.tree.body, "")
        else:
            self._outlined(outline)

    def binding(self, name: str) -> Binding | None:
        """What a top-level name is bound to; None for a name the file does not bind."""
        bound = self._bound.get(name)
        if isinstance(bound, Piece):
            self._load(bound)
            return self.binding(name)
        return bound

    def binds(self, name: str) -> bool:
        """Whether a top-level name is bound here, by whatever."""
        return name in self._bound

    def imports(self, name: str) -> bool:
        """Whether a top-level name is bound by an import."""
        return isinstance(self._bound.get(name), tuple)

    def named(self, kind: type[FunctionFound] | type[tuple[str, str]] | None = None) -> list[str]:
        """Top-level names: all, those of parsed functions, or those of imports."""
        return [name for name, bound in self._bound.items() if kind is None or type(bound) is kind]

    def names(self) -> str:
        """All names that are bound, between spaces: small, for a file that may be let go of."""
        return f" {' '.join(self._bound)} "

    def class_at(self, line: int) -> ClassDef | None:
        """The class whose `class` stands in this line."""
        for piece in [p for p in self._waiting.values() if p.line <= line < p.line + p.lines]:
            self._load(piece)
        return next((cls for cls in self.classes if cls.node.lineno == line), None)

    def class_around(self, line: int) -> ClassDef | None:
        """The innermost class around a line that is parsed; None outside classes."""
        if line not in self._around:
            around = [cls for cls in self.classes if cls.node.lineno <= line <= (cls.node.end_lineno or 0)]
            self._around[line] = max(around, key=lambda cls: cls.node.lineno, default=None)
        return self._around[line]

    def complete(self) -> None:
        """Parse what is not parsed yet, so that all classes are known. Raises `Unreadable`."""
        self.source.parse()
        for node in self.source.tree.body:
            piece = self._waiting.pop(_first_line(node), None)
            if piece is not None:
                self._adopt(piece, node)
        for piece in list(self._waiting.values()):
            self._load(piece)
        self.classes.sort(key=lambda cls: cls.node.lineno)
        self.lines_parsed = self.source.text.count("\n")

    def close(self) -> None:
        """Let go of everything parsed. Files and classes refer to each other, and the interpreter's values
        to them: without this the garbage collector would have to look through every tree."""
        for cls in self.classes:
            cls.close()
        self.source.tree = ast.Module([], [])
        self._bound.clear()
        self._waiting.clear()
        self._around.clear()
        self.classes.clear()

    def _outlined(self, outline: Outline) -> None:
        with quiet_parse():
            rest = ast.parse(outline.rest).body
        pieces = outline.pieces
        self._waiting = {piece.line: piece for piece in pieces}
        self.lines_parsed = outline.rest.count("\n") - sum(piece.lines for piece in pieces)
        entries: list[ast.stmt | Piece] = sorted([*rest, *pieces], key=_line)
        for entry in entries:
            if isinstance(entry, Piece):
                self._bound[entry.name] = entry
            else:
                self._collect([entry])
        # As without an outline: classes come last, and win.
        for entry in entries:
            if not isinstance(entry, Piece):
                self._classes([entry], "")
            elif entry.is_class:
                self._bound[entry.name] = entry

    def _load(self, piece: Piece) -> None:
        """Parse a definition. Where that fails, the text is broken there, and the name is not bound."""
        del self._waiting[piece.line]
        try:
            with quiet_parse():
                node = piece.parse(self.source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
        else:
            self.lines_parsed += piece.lines
            self._adopt(piece, node)
        if self._bound.get(piece.name) is piece:
            del self._bound[piece.name]

    def _adopt(self, piece: Piece, node: ast.stmt) -> None:
        """Put a parsed definition in the place of its piece."""
        bound = self._bound.get(piece.name)
        if not isinstance(node, ast.ClassDef):
            self._collect([node])
        self._classes([node], "")
        if bound is not piece and bound is not None:
            self._bound[piece.name] = bound  # a later definition of the name

    def _collect(self, body: Sequence[ast.stmt]) -> None:
        bindings = self._bound
        for node in _flat(body):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if not _is_overload(node):
                    self._bind(node.name, FunctionFound(node, self))
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.asname:
                        bindings[alias.asname] = (alias.name, "")
                    else:
                        first = alias.name.partition(".")[0]
                        bindings[first] = (first, "")
            elif isinstance(node, ast.ImportFrom):
                module = self.absolute(node)
                for alias in node.names:
                    if alias.name == "*":
                        self.stars.append(module)
                    else:
                        # A fallback in `except ImportError` must not hide the import it stands for.
                        bindings.setdefault(alias.asname or alias.name, (module, alias.name))
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._bind(target.id, ExpressionFound(node.value, self))
            elif isinstance(node, ast.AnnAssign):
                if isinstance(node.target, ast.Name) and node.value is not None:
                    bindings[node.target.id] = ExpressionFound(node.value, self)

    def _classes(self, body: Sequence[ast.stmt], prefix: str) -> None:
        for node in _flat(body):
            if isinstance(node, ast.ClassDef):
                cls = ClassDef(node, self, prefix + node.name)
                self.classes.append(cls)
                if not prefix:
                    self._bind(node.name, cls)
                self._classes(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                if any(isinstance(inner, ast.ClassDef) for inner in node.body):
                    self._classes(node.body, f"{prefix}{node.name}.<locals>.")

    def _bind(self, name: str, found: Found) -> None:
        """A definition replaces what had its name, but not an import of the plugin: it is a fallback then,
        for a machine without the toolchain."""
        bound = self._bound.get(name)
        if not (isinstance(bound, tuple) and bound[0].startswith("horizon_plugin_pytorch")):
            self._bound[name] = found

    def absolute(self, node: ast.ImportFrom) -> str:
        """Absolute name of the module an import names."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        if not self.is_package:
            parts = parts[:-1]
        if node.level > 1:
            parts = parts[: len(parts) - (node.level - 1)]
        if node.module:
            parts.append(node.module)
        return ".".join(parts)


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements at one level, looking into `if`, `try` and `with` (version checks, fallbacks)."""
    for node in body:
        if isinstance(node, ast.If):
            yield from _flat(node.body)
            yield from _flat(node.orelse)
        elif isinstance(node, ast.Try):
            yield from _flat(node.body)
            for handler in node.handlers:
                yield from _flat(handler.body)
            yield from _flat(node.orelse)
        elif isinstance(node, ast.With):
            yield from _flat(node.body)
        else:
            yield node


def _line(entry: ast.stmt | Piece) -> int:
    return entry.line if isinstance(entry, Piece) else entry.lineno


def _first_line(node: ast.stmt) -> int:
    """The line a statement begins in, decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(d.lineno for d in decorators)])


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("overload" in _decorator(d) for d in node.decorator_list)


def _decorator(node: ast.expr) -> str:
    """The text of a decorator (`ast.unparse` is slow, and most decorators are plain names)."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    return ast.unparse(node)


def _is_setter(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(d, ast.Attribute) and d.attr in ("setter", "deleter") for d in node.decorator_list)


def _self_targets(method: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    """Attributes assigned on the first parameter."""
    if not method.args.args:
        return
    me = method.args.args[0].arg
    for node in nodes(method):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == me:
                yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("add_module", "register_module") and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    yield name.value


def _names_read(method: ast.AST, file: ModuleFile) -> Iterator[str]:
    for node in nodes(method):
        if isinstance(node, ast.Attribute):
            if isinstance(node.ctx, ast.Load):
                holder = node.value
                if not (isinstance(holder, ast.Name) and file.imports(holder.id)):
                    yield node.attr  # not `F.relu`: a function of an imported module
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
