"""What the texts of all linted files tell without being parsed: who inherits by name, who writes where.

Every class may be asked about every file, so this is found in one pass over the bytes, by patterns that
begin with a fixed text: the search for that is many times faster than a pattern tried at every line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from types import MappingProxyType

from qatlint.examined import Topic
from qatlint.loader import Loader
from qatlint.static.spoken_of import (
    drawing_functions,
    draws_for_each,
    handed_on,
    meant_by,
    names_in_strings,
    runs_what_it_is_handed,
    scripts_in,
    uses_in,
)

# In front of a class line and of an assignment only spaces may stand (`_line_before`).
_CLASS_LINE = re.compile(rb"class\s+\w+\s*\(([^)]*)\)")
_WRITE = re.compile(rb"\.(?<!\bself\.)(?<!\bcls\.)(\w+)[ \t]*(?:[-+*/%@&|^]|//|\*\*)?=(?!=)")
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
_LISTED = re.compile(rb"(?:\b(?:list|tuple|enumerate|dict|OrderedDict|len|zip|islice|sum|next)\(|[*\[]).*$")
_CHILDREN = re.compile(rb"\.(?:(?:named_)?(?:children|modules)\(|_modules\b(?!\[))")
_DEF = re.compile(rb"\bdef (\w+)")
_CLASS = re.compile(rb"class (\w+)")
_COUNTED = re.compile(rb"\b(?:len|sum|enumerate)\(.*\bself(?:\.\w+)?$")
_ANY = "*"
"""Instead of a class: modules of any class may be meant."""
_LOOP = re.compile(rb"\s*for ")
_OWN = re.compile(rb"\bself$")
_FORWARD = re.compile(rb"_?forward|__call__")
_CHOSEN = re.compile(rb"[^\n]*(?:\n[^\n]*)?\bisinstance\(([^\n]*)")
_CHANGED = re.compile(rb"\.(?:register_\w*hook|eval|train)\(")
_ATTRIBUTE_CHAIN = re.compile(rb"[A-Za-z_][\w.]*$")
_PLUGIN = b"horizon_plugin_pytorch"
_PLUGIN_IMPORT = re.compile(rb"(?:import|from)[ \t]+horizon_plugin_pytorch\b")
_MADE = re.compile(rb"[A-Z]\w*\(")
_WORD_CHARACTER = re.compile(rb"\w")
_FEW_NAMES = 4
_PREPARE = re.compile(rb"\bprepare\w*[ \t]*\((?<!def prepare\()")


_Kind = Callable[[bytes], Iterator[tuple[str, int]]]
"""What finds one kind of fact in a text: keys, and where they stand."""

Place = tuple[str, int]
"""A path and a line."""
Said = list[list[tuple[str, int]]]
"""What one file says, by kind of fact in the order of `_KINDS`: keys and lines."""


def said_in(paths: Iterable[str], loader: Loader) -> dict[str, Said]:
    """What each of the files says; those that cannot be read are left out."""
    said = {}
    for path in paths:
        try:
            data = loader.read(path)
        except OSError:
            continue
        # All kinds at once: reading the files again takes as long as looking through them.
        said[path] = [list(_with_lines(kind(data), data)) for kind in _KINDS]
    return said


_NOTHING: Mapping[str, Said] = MappingProxyType({})


class Survey:
    """Facts about the texts of some files, found when they are first asked for."""

    def __init__(self, loader: Loader, paths: Sequence[str], said: Mapping[str, Said] = _NOTHING) -> None:
        """`said`: what `said_in` has found in some of the files."""
        self._loader = loader
        self._paths = paths
        self._said = dict(said)
        self._places: dict[_Kind, dict[str, list[Place]]] = {}
        """The same by key."""
        self._words: dict[str, frozenset[bytes]] = {}
        """All words of files that may be about a class."""
        self._rare: dict[_Kind, dict[str, list[Place]]] = {}
        """The same of kinds that few runs ask about."""
        self._made: dict[str, list[Place]] = {}
        """The calls of names that were looked for one by one."""
        self._uses_plugin: bool | None = None

    def with_base(self, name: str) -> Sequence[Place]:
        """Classes in whose base list a name stands."""
        return self._at(_bases_in, name)

    def writes(self, attribute: str) -> Sequence[Place]:
        """Places that assign `<something but self>.<attribute>`, also as `setattr(m, "<attribute>", ...)` or
        `m._modules["<attribute>"]`."""
        return self._at(_writes_in, attribute)

    def identities(self, attribute: str) -> Sequence[Place]:
        """Places that ask which object an attribute is: `a.x is b`, `id(a.x)`, and `a.x == b.y`, which asks
        the same of modules. What is compared with None is not meant."""
        return self._at(_identities_in, attribute)

    def picks(self, attribute: str) -> Sequence[Place]:
        """Places that pick modules by the name of an attribute, or by how it begins or ends."""
        found: list[Place] = []
        for name, places in self._all(names_in_strings).items():
            stem = name.strip("*")
            if (
                attribute == stem
                or (name[0] == "*" and attribute.endswith(stem))
                or (name[-1] == "*" and attribute.startswith(stem))
            ):
                found += places
        return found

    def arguments(self, attribute: str) -> Sequence[Place]:
        """Places where `<something but self>.<attribute>` is an argument of a call."""
        return self._at(handed_on, attribute)

    @property
    def has_listings(self) -> bool:
        """Whether any place lists the children of another object."""
        return bool(self._all(_listings_in))

    def listings(self, kin: Set[str], kind: str) -> Iterator[tuple[Place, bool]]:
        """Places that list what a module holds, and whether surely that of one of the classes `kin`,
        else of whichever their file speaks of. Not where only modules of other classes than `kind` are meant.
        """
        for key, places in self._all(_listings_in).items():
            holder, _, chosen = key.partition(":")
            if chosen and {kind, "Module"}.isdisjoint(chosen.split()):
                continue
            if holder and holder not in kin and holder != _ANY:
                continue
            yield from ((place, bool(holder)) for place in places)

    def uses_plugin(self, path: str) -> bool:
        """Whether one of the files imports the plugin, first of all the file `path`.

        Every project is asked, and most have nothing to do with it: their texts are not surveyed for this.
        """
        if self._uses_plugin is None:
            others = [other for other in self._paths if other != path]
            self._uses_plugin = any(map(self._has_plugin, (path, *others)))
        return self._uses_plugin

    def _has_plugin(self, path: str) -> bool:
        try:
            return any(_plugin_in(self._loader.read(path)))
        except OSError:
            return False

    def prepares(self) -> Sequence[Place]:
        """Places that may call the plugin's `prepare`, in files that import the plugin."""
        return self._at(_prepares_in, "")

    def makers(self, name: str) -> Sequence[Place]:
        """Places that call something of this name, which is that of a class."""
        known = self._made.get(name)
        if known is None and len(self._made) < _FEW_NAMES:
            # For a few names, looking for each is faster than listing all.
            known = self._made[name] = list(self._calls_of(name))
        return self._rarely(_made_in).get(name, ()) if known is None else known

    def _calls_of(self, name: str) -> Iterator[Place]:
        """What `_made_in` says of one name."""
        called = f"{name}(".encode()
        for path in self._paths:
            try:
                data = self._loader.read(path)
            except OSError:
                continue
            if called in data:
                found = [(key, at) for key, at in _made_in(data) if key == name]
                yield from ((path, line) for _, line in _with_lines(found, data))

    def scripts(self) -> Sequence[Place]:
        """Places that script a model."""
        return self._at(scripts_in, "")

    def use_near(self, attribute: str, words: Set[str], but: str) -> Place | None:
        """The first place that uses an attribute of another object, in a file that has one of the words and
        is not `but`."""
        wanted = [word.encode() for word in words]
        for path, line in self._rarely(uses_in).get(attribute, ()):
            if path != but and not self.words_of(path).isdisjoint(wanted):
                return path, line
        return None

    def words_of(self, path: str) -> frozenset[bytes]:
        """All words of a file. Raises OSError."""
        if path not in self._words:
            self._words[path] = frozenset(_WORD.findall(self._loader.read(path)))
        return self._words[path]

    def _rarely(self, kind: _Kind) -> dict[str, list[Place]]:
        """Key -> places, of one kind: few runs ask, so texts are not surveyed for it with the rest."""
        known = self._rare.get(kind)
        if known is None:
            known = self._rare[kind] = {}
            for path in self._paths:
                try:
                    data = self._loader.read(path)
                except OSError:
                    continue
                for key, line in _with_lines(kind(data), data):
                    known.setdefault(key, []).append((path, line))
        return known

    def renew(self, paths: Collection[str]) -> None:
        """The texts of these files are other ones now."""
        for path in paths:
            self._said.pop(path, None)
            self._words.pop(path, None)
        self._places.clear()
        self._rare.clear()
        self._made.clear()
        self._uses_plugin = None

    def _at(self, kind: _Kind, key: str) -> Sequence[Place]:
        return self._all(kind).get(key, ())

    def _all(self, kind: _Kind) -> dict[str, list[Place]]:
        if not self._places:
            self._index()
        return self._places[kind]

    def _index(self) -> None:
        places: list[dict[str, list[Place]]] = [{} for _ in _KINDS]
        self._said.update(said_in([path for path in self._paths if path not in self._said], self._loader))
        for path in self._paths:
            for index, found in zip(places, self._said.get(path, ()), strict=False):
                for key, line in found:
                    index.setdefault(key, []).append((path, line))
        self._places = dict(zip(_KINDS, places, strict=True))


def topics_of(data: bytes) -> set[Topic]:
    """What a linted file has to say about others, if they ask: see `Project.asked`."""
    bases: set[Topic] = {("base", name) for name, _ in _bases_in(data)}
    writes: set[Topic] = {("write", attribute) for attribute, _ in _writes_in(data)}
    listings: set[Topic] = {("listing", "") for _ in _listings_in(data)}
    scripts: set[Topic] = {("script", "") for _ in scripts_in(data)}
    # Which class a name in such a file means: asked where one of the two led to it.
    meant: set[Topic] = {("meant", "") for _ in listings | scripts}
    prepares: set[Topic] = {("prepare", "") for _ in _prepares_in(data)}
    plugin: set[Topic] = {("plugin", "") for _ in _plugin_in(data)}
    identities: set[Topic] = {("identity", attribute) for attribute, _ in _identities_in(data)}
    picks: set[Topic] = {("pick", "") for _ in names_in_strings(data)}
    arguments: set[Topic] = {("argument", attribute) for attribute, _ in handed_on(data)}
    makers: set[Topic] = {("make", name) for name, _ in _made_in(data)}
    return (
        bases
        | writes
        | listings
        | prepares
        | plugin
        | identities
        | picks
        | arguments
        | makers
        | {("use", attribute) for attribute, _ in uses_in(data)}
        | scripts
        | meant
    )


def _listings_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Where children are put in a list, counted or picked by position, met in a forward, or numbers are drawn
    for each. The key is the class whose own children they are ("" for another object's, and for all modules
    below, `*` where these may be of any class), a colon, and the words that say which classes are meant (""
    for all)."""
    for meant, start in drawing_functions(data):
        yield f":{meant.decode()}", start
    if b"children(" not in data and b"modules(" not in data and b"._modules" not in data:
        return
    for match in _CHILDREN.finditer(data):
        start = match.start()
        before = _line_before(data, start)
        if not _LISTED.search(before):
            draws, meant = draws_for_each(data, start) if _LOOP.match(before) else (False, b"")
            if draws:
                yield f":{meant.decode()}", start
                continue
            function = _DEF.match(data, max(0, data.rfind(b"def ", 0, start)))
            if function is None or not _FORWARD.fullmatch(function[1]):
                continue
        holder = ""
        if b"modules(" not in match[0] and _OWN.search(data, max(0, start - 5), start):
            around = _CLASS.match(data, max(0, data.rfind(b"class ", 0, start)))
            holder = around[1].decode() if around is not None else ""
        elif _COUNTED.search(before) and runs_what_it_is_handed(data, start):
            holder = _ANY
        chosen = _CHOSEN.match(data, start)
        meant = b" ".join(_WORD.findall(chosen[1])) if chosen is not None else b""
        yield f"{holder}:{meant.decode()}", start


def _bases_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Names that stand in the base lists of classes, and where each class begins."""
    for match in _CLASS_LINE.finditer(data):
        if not _line_before(data, match.start()).strip(b" \t"):
            for word in set(_WORD.findall(match[1])):
                yield word.decode(), match.start()


def _writes_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Attributes that are assigned on other objects, and where."""
    for match in _WRITE.finditer(data):
        before = _line_before(data, match.start())
        if _HOLDER.fullmatch(before):
            yield match[1].decode(), match.start(1)
            for attribute in _parts(before) or meant_by(before.strip(), data, match.start()):
                yield attribute, match.start(1)
    for match in _CHANGED.finditer(data):
        before = _line_before(data, match.start())
        for attribute in _parts(before) or meant_by(before.strip(), data, match.start()):
            yield attribute, match.start()
    if b"setattr(" in data:
        for match in _SETATTR.finditer(data):
            yield match[1].decode(), match.start(1)
    if b"._modules[" in data:
        for match in _MODULES.finditer(data):
            if not data.endswith(b"self", 0, match.start()):
                yield match[1].decode(), match.start(1)


def _parts(holder: bytes) -> list[str]:
    """The attributes at the end of `net.block.act`: something in each of them changes. Of `self.act` none:
    that is seen in the class."""
    words = _ATTRIBUTE_CHAIN.search(holder)
    if words is None:
        return []
    first, *attributes = words[0].split(b".")
    return [attribute.decode() for attribute in (attributes[1:] if first == b"self" else attributes)]


def _identities_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Attributes that are compared with another object, and where."""
    for match in _IS.finditer(data):
        before = _attribute_before(data, match.start())
        after = _ATTRIBUTE_AFTER.match(data, match.end())
        for attribute in filter(None, (before, after)):
            yield attribute[1].decode(), match.start()
    for match in (*_EQUAL.finditer(data), *_UNEQUAL.finditer(data)):
        after = _ATTRIBUTE_AFTER.match(data, match.end())
        before = after and _attribute_before(data, match.start())
        if before is not None and after is not None:
            yield before[1].decode(), match.start()
            yield after[1].decode(), match.start()
    if b"id(" in data:
        for match in _ID.finditer(data):
            yield match[1].decode(), match.start()


def _plugin_in(data: bytes) -> Iterator[tuple[str, int]]:
    """The first import of the plugin."""
    if _PLUGIN in data:
        for match in _PLUGIN_IMPORT.finditer(data):
            if not _line_before(data, match.start()).strip(b" \t"):
                yield "", match.start()
                return


def _made_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Calls of names that are spelt like those of classes."""
    for match in _MADE.finditer(data):
        start = match.start()
        # Asked here, since a pattern that asks it at each letter takes three times as long.
        is_inside = start > 0 and _WORD_CHARACTER.match(data, start - 1) is not None
        if not is_inside and not data.endswith(b"class ", 0, start):
            yield match[0][:-1].decode(), start


def _prepares_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Calls of functions that may be the plugin's `prepare`."""
    if any(_plugin_in(data)):
        for match in _PREPARE.finditer(data):
            yield "", match.start()


_KINDS: tuple[_Kind, ...] = (
    _bases_in,
    _writes_in,
    _identities_in,
    _listings_in,
    _prepares_in,
    names_in_strings,
    handed_on,
    scripts_in,
)


def _with_lines(found: Iterable[tuple[str, int]], data: bytes) -> Iterator[tuple[str, int]]:
    """(key, line) for (key, position)."""
    line, position = 1, 0
    for key, start in found:
        if start < position:
            line, position = 1, 0
        line += data.count(b"\n", position, start)
        position = start
        yield key, line


def _attribute_before(data: bytes, position: int) -> re.Match[bytes] | None:
    line = _line_before(data, position)
    # Most of what stands in front of ` is ` is prose.
    return _ATTRIBUTE_BEFORE.search(line) if b"." in line else None


def _line_before(data: bytes, position: int) -> bytes:
    """What stands in front of `position` on its line."""
    return data[data.rfind(b"\n", 0, position) + 1 : position]
