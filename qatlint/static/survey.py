"""What the texts of all linted files tell without being parsed: who inherits by name, who writes where.

Every class may be asked about every file, so this is found in one pass over the bytes, by patterns that
begin with a fixed text: the search for that is many times faster than a pattern tried at every line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from qatlint.examined import Topic
from qatlint.loader import Loader

# In front of a class line and of an assignment only spaces may stand (`_line_before`).
_CLASS_LINE = re.compile(rb"class\s+\w+\s*\(([^)]*)\)")
_WRITE = re.compile(rb"\.(?<!\bself\.)(?<!\bcls\.)(\w+)[ \t]*=(?!=)")
_HOLDER = re.compile(rb"[ \t]*\w+(?:\[[^\]\n]*\])?(?:\.\w+(?:\[[^\]\n]*\])?)*")
_SETATTR = re.compile(rb"""setattr\(\s*(?!self\b|cls\b)[^,()]+,\s*["'](\w+)["']""")
_MODULES = re.compile(rb"""\._modules\[\s*["'](\w+)["']""")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_IS = re.compile(rb" is (?!(?:not )?\s*None\b)(?:not )?\s*")
_EQUAL, _UNEQUAL = re.compile(rb"== ?"), re.compile(rb"!= ?")
_ID = re.compile(rb"id\((?<!\wid\()\s*[\w.]*\.(\w+)\s*\)")
_ATTRIBUTE_BEFORE = re.compile(rb"\w\.(\w+)(?:\[[^\]\n]*\])? *$")
_ATTRIBUTE_AFTER = re.compile(rb"\w[\w.]*\.(\w+)(?:\[[^\]\n]*\])?(?![\w.(])")
# A loop that does something to every child is not meant: it does the same to one more.
_LISTED = re.compile(rb"(?:\b(?:list|tuple|enumerate|dict|OrderedDict|len|zip|islice)\(|[*\[]).*$")
_CHILDREN = re.compile(rb"\.(?<!\bself\.)(?:(?:named_)?children\(|_modules\.(?:values|items)\()")


class Survey:
    """Facts about the texts of some files."""

    def __init__(self, loader: Loader, paths: Iterable[str]) -> None:
        self.with_base: dict[str, list[tuple[str, int]]] = {}
        """Classes, as (path, line), by the names that stand in their base lists."""
        self.writes: dict[str, list[tuple[str, int]]] = {}
        """By attribute: places that assign `<something but self>.<attribute>`, also as
        `setattr(m, "<attribute>", ...)` or `m._modules["<attribute>"]`, as (path, line)."""
        for path in paths:
            try:
                data = loader.read(path)
            except OSError:
                continue
            for name, start in _bases_in(data):
                self.with_base.setdefault(name, []).append((path, _line(data, start)))
            for name, start in _writes_in(data):
                self.writes.setdefault(name, []).append((path, _line(data, start)))


def topics_of(data: bytes) -> set[Topic]:
    """What a linted file has to say about others, if they ask: see `Project.asked`."""
    bases: set[Topic] = {("base", name) for name, _ in _bases_in(data)}
    writes: set[Topic] = {("write", attribute) for attribute, _ in _writes_in(data)}
    listings: set[Topic] = {("listing", "")} if _first_listing(data) >= 0 else set()
    return bases | writes | listings | {("identity", attribute) for attribute, _ in _identities_in(data)}


def identities(loader: Loader, paths: Iterable[str]) -> dict[str, list[tuple[str, int]]]:
    """By attribute: places that ask which object it is, as (path, line): `a.x is b`, `id(a.x)`, and
    `a.x == b.y`, which asks the same of modules. What is compared with None is not meant."""
    found: dict[str, list[tuple[str, int]]] = {}
    for path in paths:
        try:
            data = loader.read(path)
        except OSError:
            continue
        for name, start in _identities_in(data):
            found.setdefault(name, []).append((path, _line(data, start)))
    return found


def listings(loader: Loader, paths: Iterable[str]) -> list[tuple[str, int, frozenset[str]]]:
    """Files that list the children of another object, as (path, first such line, words in the file)."""
    found = []
    for path in paths:
        try:
            data = loader.read(path)
        except OSError:
            continue
        start = _first_listing(data)
        if start >= 0:
            words = frozenset(word.decode() for word in _WORD.findall(data))
            found.append((path, _line(data, start), words))
    return found


def _first_listing(data: bytes) -> int:
    """Where children are first put in a list, counted or picked by position; -1 when nowhere."""
    return next(
        (m.start() for m in _CHILDREN.finditer(data) if _LISTED.search(_line_before(data, m.start()))), -1
    )


def _bases_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Names that stand in the base lists of classes, and where each class begins."""
    for match in _CLASS_LINE.finditer(data):
        if not _line_before(data, match.start()).strip(b" \t"):
            for word in set(_WORD.findall(match[1])):
                yield word.decode(), match.start()


def _writes_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Attributes that are assigned on other objects, and where."""
    for match in _WRITE.finditer(data):
        if _HOLDER.fullmatch(_line_before(data, match.start())):
            yield match[1].decode(), match.start(1)
    for match in _SETATTR.finditer(data):
        yield match[1].decode(), match.start(1)
    for match in _MODULES.finditer(data):
        if not data.endswith(b"self", 0, match.start()):
            yield match[1].decode(), match.start(1)


def _identities_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Attributes that are compared with another object, and where."""
    for match in _IS.finditer(data):
        before = _ATTRIBUTE_BEFORE.search(_line_before(data, match.start()))
        after = _ATTRIBUTE_AFTER.match(data, match.end())
        for attribute in filter(None, (before, after)):
            yield attribute[1].decode(), match.start()
    for match in (*_EQUAL.finditer(data), *_UNEQUAL.finditer(data)):
        after = _ATTRIBUTE_AFTER.match(data, match.end())
        before = after and _ATTRIBUTE_BEFORE.search(_line_before(data, match.start()))
        if before is not None and after is not None:
            yield before[1].decode(), match.start()
            yield after[1].decode(), match.start()
    for match in _ID.finditer(data):
        yield match[1].decode(), match.start()


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _line_before(data: bytes, position: int) -> bytes:
    """What stands in front of `position` on its line."""
    return data[data.rfind(b"\n", 0, position) + 1 : position]
