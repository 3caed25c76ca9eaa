"""The fixtures on disk: which files there are, and which of them run together.

`fixtures/<rule>/<name>.py` is a unit of one file with `build()` and `example_inputs()` at its end;
`fixtures/<rule>/<name>/` is a unit of several files, a package whose `run.py` has them.
`<name>.fixed.py` and `<name>.fixed_unsafe.py` are the stored outputs of the fixes.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.marks import Mark, parse

ROOT = Path(__file__).resolve().parents[1] / "fixtures"
LEVELS = {"safe": ".fixed.py", "unsafe": ".fixed_unsafe.py"}


@dataclass(frozen=True)
class Unit:
    """Files that run together. `entry` holds `build` and `example_inputs`."""

    name: str
    entry: Path
    files: tuple[Path, ...]

    @property
    def is_package(self) -> bool:
        return self.entry.name == "run.py"


@dataclass(frozen=True)
class Place:
    """A class of a fixture file (or "" for what stands outside of classes) with its lines and marks."""

    file: Path
    owner: str
    lines: range
    marks: tuple[Mark, ...]

    @property
    def label(self) -> str:
        return f"{name_of(self.file)}::{self.owner or 'module'}"


def name_of(path: Path) -> str:
    """The path as the tests print it."""
    return path.relative_to(ROOT).as_posix()


def is_stored_output(path: Path) -> bool:
    return path.name.endswith(tuple(LEVELS.values()))


def stored_output(path: Path, level: str) -> Path:
    """Where the fixed text of `path` is stored."""
    return path.with_name(path.stem + LEVELS[level])


@cache
def units() -> tuple[Unit, ...]:
    """All units, by name."""
    found = []
    for folder in sorted(p for p in ROOT.iterdir() if p.is_dir()):
        for item in sorted(folder.iterdir()):
            if item.is_dir() and item.name != "__pycache__":
                files = tuple(sorted(p for p in item.rglob("*.py") if not is_stored_output(p)))
                found.append(Unit(name_of(item), item / "run.py", files))
            elif item.suffix == ".py" and not is_stored_output(item):
                found.append(Unit(name_of(item), item, (item,)))
    return tuple(found)


@cache
def places() -> tuple[Place, ...]:
    """Every top-level class that has marks, and for every file what stands outside of those classes."""
    found = []
    for unit in units():
        for file in unit.files:
            text = file.read_text(encoding="utf-8")
            marks = parse(text)
            classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
            covered: set[int] = set()
            for node in classes:
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                lines = range(first, (node.end_lineno or first) + 1)
                inside = tuple(m for m in marks if m.line in lines)
                if inside:
                    covered |= set(lines)
                    found.append(Place(file, node.name, lines, inside))
            outside = tuple(m for m in marks if m.line not in covered)
            found.append(Place(file, "", range(0), outside))
    return tuple(found)


@cache
def places_of(unit: Unit) -> tuple[Place, ...]:
    """Those of the unit's files."""
    return tuple(place for place in places() if place.file in unit.files)


def owner_at(tree: ast.Module, line: int) -> str:
    """Qualified name of the innermost class around a line; "" when there is none."""
    name = ""
    body: list[ast.stmt] = tree.body
    while True:
        inner = _class_around(body, line)
        if inner is None:
            return name
        name = f"{name}.{inner.name}" if name else inner.name
        body = inner.body


def _class_around(body: list[ast.stmt], line: int) -> ast.ClassDef | None:
    for node in body:
        if isinstance(node, ast.ClassDef) and node.lineno <= line <= (node.end_lineno or node.lineno):
            return node
    return None


def called_on(tree: ast.Module, line: int) -> list[str]:
    """Attribute paths that are called through `self` on a line, list positions as `*`."""
    paths = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.lineno == line:
            path = _path(node.func)
            if path:
                paths.append(path)
    return paths


def _path(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return node.attr
        above = _path(node.value)
        return f"{above}.{node.attr}" if above else ""
    if isinstance(node, ast.Subscript):
        above = _path(node.value)
        return f"{above}.*" if above else ""
    return ""
