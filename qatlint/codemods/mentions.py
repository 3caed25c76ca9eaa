"""Who mentions what in a file: one walk, then questions that do not depend on the length of the file.

A file may have hundreds of classes to rewrite, so nothing asks for one class by walking all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from functools import cached_property

import libcst as cst

from qatlint.codemods.locate import children

_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]|\{[^{}]*\}")
_NUMBERED = re.compile(r"_(?=\d)")


class Words:
    """Every name, attribute and string of one class (or of the code outside of all classes)."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._stems: set[str] = set()
        self._patterns: list[str] = []

    def add(self, node: cst.CSTNode) -> None:
        """Take over what a name or a string says."""
        if isinstance(node, cst.Name):
            self.add_name(node.value)
        elif isinstance(node, cst.SimpleString):
            self._add_string(node)
        elif isinstance(node, cst.FormattedString):
            self._add_pattern(
                "".join(
                    re.escape(part.value) if isinstance(part, cst.FormattedStringText) else ".*"
                    for part in node.parts
                )
            )

    def add_name(self, name: str) -> None:
        """Take one name."""
        if name not in self._known:
            self._known.add(name)
            self._stems.update(name[: match.start()] for match in _NUMBERED.finditer(name))

    def add_family(self, base: str) -> None:
        """Take `<base>_0`, `<base>_1`, ..."""
        self._add_pattern(re.escape(base) + r"_\d.*")

    def has(self, name: str) -> bool:
        """Whether something is, or may become by formatting, called `name`."""
        if name in self._known:
            return True
        return self._formatted is not None and self._formatted.fullmatch(name) is not None

    def has_numbered(self, base: str) -> bool:
        """Whether something is called `<base>_<digit>...`."""
        return base in self._stems

    @cached_property
    def _formatted(self) -> re.Pattern[str] | None:
        return re.compile("|".join(f"(?:{p})" for p in self._patterns), re.DOTALL) if self._patterns else None

    def _add_string(self, node: cst.SimpleString) -> None:
        value = node.evaluated_value
        if not isinstance(value, str):
            return
        self.add_name(value)
        for part in value.split("."):
            self.add_name(part)
        if len(value) < 80 and _PLACEHOLDER.search(value):
            self._add_pattern(".*".join(re.escape(part) for part in _PLACEHOLDER.split(value)))

    def _add_pattern(self, pattern: str) -> None:
        if pattern.startswith(".*"):
            return  # it would match everything: a message, or a name nobody can predict
        self._patterns.append(pattern)
        self.__dict__.pop("_formatted", None)


class Mentions:
    """The classes of a file, their kin, and where attributes and strings stand."""

    def __init__(self, module: cst.Module) -> None:
        self._words: dict[cst.ClassDef | None, Words] = {None: Words()}
        self._attributes: dict[str, list[cst.Attribute]] = {}
        self._strings: dict[str, list[cst.SimpleString]] = {}
        self._holder: dict[cst.CSTNode, cst.ClassDef | None] = {}
        self._by_name: dict[str, list[cst.ClassDef]] = {}
        self._by_base: dict[str, list[cst.ClassDef]] = {}
        for node, holder in _with_class(module):
            if isinstance(node, cst.ClassDef):
                self._words[node] = Words()
                self._by_name.setdefault(node.name.value, []).append(node)
                for base in _names_of_bases(node):
                    self._by_base.setdefault(base, []).append(node)
            elif isinstance(node, cst.Attribute):
                self._attributes.setdefault(node.attr.value, []).append(node)
                self._holder[node] = holder
            elif isinstance(node, cst.Name | cst.SimpleString | cst.FormattedString):
                self._words[holder].add(node)
                if isinstance(node, cst.SimpleString):
                    self._add_string(node, holder)
        self._kin: dict[cst.ClassDef, frozenset[cst.ClassDef]] = {}

    def _add_string(self, node: cst.SimpleString, holder: cst.ClassDef | None) -> None:
        value = node.evaluated_value
        if isinstance(value, str):
            self._holder[node] = holder
            for part in set(value.split(".")):
                self._strings.setdefault(part, []).append(node)

    def attributes(self, name: str) -> Collection[cst.Attribute]:
        """Every `<something>.<name>` of the file."""
        return self._attributes.get(name, ())

    def strings(self, name: str) -> Collection[cst.SimpleString]:
        """Every string of the file that is `name`, or a dotted path through it."""
        return self._strings.get(name, ())

    def class_around(self, node: cst.CSTNode) -> cst.ClassDef | None:
        """The innermost class around an attribute or string of this index."""
        return self._holder[node]

    def kin(self, cls: cst.ClassDef) -> frozenset[cst.ClassDef]:
        """The class, what it inherits from and what inherits from it, as far as the file shows."""
        if cls not in self._kin:
            self._kin[cls] = _reached(cls, self._bases) | _reached(cls, self._subclasses)
        return self._kin[cls]

    def _bases(self, cls: cst.ClassDef) -> Iterator[cst.ClassDef]:
        for name in _names_of_bases(cls):
            yield from self._by_name.get(name, ())

    def _subclasses(self, cls: cst.ClassDef) -> Iterator[cst.ClassDef]:
        yield from self._by_base.get(cls.name.value, ())

    def words_for(self, cls: cst.ClassDef) -> list[Words]:
        """What a class may meet: the words of its kin, and of the code outside of all classes."""
        return [self._words[None], *(self._words[c] for c in self.kin(cls))]


def _with_class(module: cst.Module) -> Iterator[tuple[cst.CSTNode, cst.ClassDef | None]]:
    """Every node with the innermost class it belongs to; the name and the bases of a class are its own."""
    stack: list[tuple[cst.CSTNode, cst.ClassDef | None]] = [(module, None)]
    while stack:
        node, holder = stack.pop()
        yield node, holder
        inner = node if isinstance(node, cst.ClassDef) else holder
        stack.extend((child, inner) for child in children(node))


def _reached(
    cls: cst.ClassDef, following: Callable[[cst.ClassDef], Iterator[cst.ClassDef]]
) -> frozenset[cst.ClassDef]:
    """The class and all that follow from it, directly or not."""
    found = {cls}
    pending = [cls]
    while pending:
        new = [c for c in following(pending.pop()) if c not in found]
        found.update(new)
        pending.extend(new)
    return frozenset(found)


def _names_of_bases(cls: cst.ClassDef) -> list[str]:
    return [_last_name(arg.value) for arg in cls.bases]


def _last_name(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""
