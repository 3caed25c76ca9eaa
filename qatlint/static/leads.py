"""What a forward may lead to, as the text of its class tells: methods, functions of the project, and objects
that are no modules."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qatlint.static.calls import NOT_FORWARD
from qatlint.static.modulefile import ClassDef, FunctionFound, ModuleFile
from qatlint.static.project import Project

BUILTINS = frozenset(
    "abs all any bool dict divmod enumerate float getattr hasattr int isinstance iter len list map max min "
    "next print range repr reversed round set setattr slice sorted str sum super tuple type zip".split()
)
_OWN = re.compile(r"(?:self|super\(\w*(?:, ?\w+)?\))\.(\w+)")
_ASKED = re.compile(
    r"""getattr\(\s*self\s*,\s*(?:["'](?P<name>\w+)["']\s*[,)]"""
    r"""|["'](?P<added>\w+)["']\s*\+|["'](?P<filled>\w+)%[^"'\n]*["']\s*%"""
    r"""|f["'](?P<begun>\w+)\{[^"'\n]*["']\s*[,)])?"""
)
"""An attribute that is asked for by its name: by which one, or how that begins where it is put together."""
_BUILT = re.compile(r"^[ \t]+(\w+)[ \t]*=[ \t]*(\w+)\(", re.MULTILINE)
"""A local variable that is given what a call gives."""
_DICTIONARY = re.compile(
    r"self\.(\w+)\s*(?::[^=\n]+)?=\s*(?:\{\}|(?:dict|OrderedDict)\(\))\s*(?:#.*)?$", re.MULTILINE
)
_ASSIGNED = re.compile(r"self\.(\w+)\s*(?::[^=\n]+)?=(?!=)")
CALLED = re.compile(r"(?<![\w.])([a-z_]\w*)\(")
_CLASSES = re.compile(r"[A-Z]\w*[.(]")
"""The end of what is named like a class, and made, or asked for a method. It begins with what is searched for
fast: see `_classes_in` for what stands in front."""
_OF_OTHERS = re.compile(r"\.(\w+)\(")
"""Methods of anything."""
_OF_MODULES = frozenset("forward __call__ __init__ train eval init_weights".split())
"""Methods of modules that are looked at where the module is, or run before forward."""
_CHANGED = re.compile(
    r"self\.(\w+)(?:\[[^\]\n]*\])*[ \t]*"
    r"(?:[-+*/|&]?=(?!=)|,[^=(\n]* = |\.(?:append|appendleft|pop|insert|extend)\()"
)
"""An attribute that is assigned, or filled. Both begin with what is searched for fastest."""
CHECKPOINTING = "checkpoint"
"""In the names of functions that save memory in training: what they are given runs as it would without them,
and is looked at by itself."""


class Leads:
    """The methods of a class that forward may lead to, as text; those that are `called`, for an object that
    is no module."""

    def __init__(self, project: Project, cls: ClassDef, called: frozenset[str] = frozenset()) -> None:
        self._project = project
        self.cls = cls
        self._line = [entry for entry in project.mro(cls) if isinstance(entry, ClassDef)]
        self.texts: dict[str, str] = {}
        """Of the methods of the class itself: those of its bases are looked at in these."""
        self.inherited: list[tuple[ClassDef, str]] = []
        """Methods of its bases that forward leads to."""
        self._changed: frozenset[str] | None = None
        self._objects: list[tuple[ClassDef, frozenset[str]]] | None = None
        self._dictionaries: frozenset[str] | None = None
        self._keeps: bool | None = None
        if called:
            reached = self._reached(sorted(called))
        elif any("forward" in entry.methods for entry in self._line):
            reached = self._reached(["forward"])
        else:
            # What a library calls is followed from the methods that are named so.
            reached = self._reached([n for e in self._line for n in e.methods if n.startswith("forward")])
        for entry, name, text in reached:
            if entry is cls:
                self.texts[name] = text
            elif name != "__init__":
                self.inherited.append((entry, name))

    def _reached(self, waiting: list[str], asks: bool = True) -> list[tuple[ClassDef, str, str]]:
        """The methods that these names lead to, by names alone: class, name, and text. `asks`: where an
        attribute is asked for by a name that is put together, any may be meant that the constructor has not
        called."""
        found = []
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen or NOT_FORWARD.search(name):
                continue
            seen.add(name)
            # Each definition of the name: one may call the next with `super()`.
            for entry in self._line:
                method = entry.methods.get(name)
                if method is None:
                    continue
                text = entry.text_of(method)
                found.append((entry, name, text))
                waiting += _OWN.findall(text)
                for asked in _ASKED.finditer(text) if "getattr(" in text else ():
                    begun = asked["added"] or asked["filled"] or asked["begun"]
                    if asked["name"]:
                        waiting.append(asked["name"])
                    elif begun:
                        waiting += [name for e in self._line for name in e.methods if name.startswith(begun)]
                    elif asks:
                        asks = False
                        built = {name for _, name, _ in self._reached(["__init__"], asks=False)}
                        waiting += [name for e in self._line for name in e.methods if name not in built]
        return found

    def functions(self) -> Iterator[tuple[ModuleFile, str]]:
        """Functions of the project that the methods call: a file, and the name that it has there."""
        file = self.cls.file
        known = self._project.callables.get(file.path)
        if known is None:
            imported = [name for name in file.named(tuple) if len(name) == 1 or not name[0].isupper()]
            own = [name for name in imported if self._project.is_own_import(file, name)]
            known = self._project.callables[file.path] = (file.named(FunctionFound), own)
        texts = self.texts.values()
        joined = "\n".join(texts)
        for names in known:
            for name in names:
                if f"{name}(" in joined and CHECKPOINTING not in name:
                    yield file, name
        if file.stars:
            called = {name for text in texts for name in CALLED.findall(text)} - BUILTINS
            for name in sorted(called):
                if file.binding(name) is None:
                    yield file, name
        for name in known[1]:
            if f"{name}." in joined:
                module = self._project.imported_module(file, name) or self._project.resolve(file, name)
                if isinstance(module, ModuleFile):
                    member = re.compile(rf"(?<![\w.]){name}\.([\w.]+)\(")
                    for path in sorted({a for text in texts for a in member.findall(text)}):
                        yield from _at(self._project, module, path)

    def objects(self) -> list[tuple[ClassDef, frozenset[str]]]:
        """Classes of the project of which there may be objects: each with its methods that are called on
        something. Of modules, these are other methods than their forward."""
        if self._objects is None:
            called = {name for text in self.texts.values() for name in _OF_OTHERS.findall(text)}
            self._objects = []
            for file, name in self._named_classes():
                found = self._project.resolve(file, name)
                if not isinstance(found, ClassDef) or found in self._line:
                    continue
                methods = self._methods_of(found)
                is_module = self._project.is_module(found)
                meant = methods & (called - _OF_MODULES if is_module else called | {"__call__"})
                if meant and (is_module or not self._is_used_up(name, methods)):
                    self._objects.append((found, frozenset(meant)))
        return self._objects

    def _methods_of(self, cls: ClassDef) -> frozenset[str]:
        """The names of the methods of a class and of its bases."""
        known: frozenset[str] | None = cls.states.get("methods")
        if known is None:
            line = [entry for entry in self._project.mro(cls) if isinstance(entry, ClassDef)]
            known = cls.states["methods"] = frozenset(name for entry in line for name in entry.methods)
        return known

    def _is_used_up(self, name: str, methods: frozenset[str]) -> bool:
        """Whether a class is named by constructors only, each of which keeps what it makes in a local
        variable, calls it, and reads what it has computed: a builder."""
        if any(name in text for text in self.texts.values()):
            return False
        for text in self._constructors():
            made = [variable for variable, cls in _BUILT.findall(text) if cls == name]
            if len(re.findall(rf"\b{name}\b", text)) != len(made):
                return False
            for variable in made:
                used = re.findall(rf"(?<![\w.]){variable}\b[ \t]*(=(?!=)|\(|\.(\w+)(\()?)?", text)
                if any(not how or (read in methods and not called) for how, read, called in used):
                    return False
        return True

    def _constructors(self) -> list[str]:
        """The texts of the constructors of the class and of its bases."""
        return [e.text_of(e.methods["__init__"]) for e in self._line if "__init__" in e.methods]

    def is_dictionary(self, attribute: str) -> bool:
        """Whether `self.attribute` is an empty dictionary when the model is built, and nothing else."""
        if self._dictionaries is None:
            texts = [*self._constructors(), *self.texts.values()]
            empty = [name for text in texts for name in _DICTIONARY.findall(text)]
            given = [name for text in texts for name in _ASSIGNED.findall(text)]
            self._dictionaries = frozenset(name for name in empty if given.count(name) == empty.count(name))
        return attribute in self._dictionaries

    def _named_classes(self) -> Iterator[tuple[ModuleFile, str]]:
        """What may be named like a class of the project, in its constructors and own methods: a file, and a
        name there."""
        texts = {self.cls.file.path: (self.cls.file, list(self.texts.values()))}
        for entry in self._line:
            if "__init__" in entry.methods:
                home = texts.setdefault(entry.file.path, (entry.file, []))
                home[1].append(entry.text_of(entry.methods["__init__"]))
        for file, parts in texts.values():
            named = {name for text in parts for name in _classes_in(text)}
            if named:
                names = sorted(named) if file.stars else self._class_names(file)
                yield from ((file, name) for name in names if name in named)

    def _class_names(self, file: ModuleFile) -> list[str]:
        """Top-level names of a file that are spelt like classes and may be those of the project."""
        known = self._project.class_names.get(file.path)
        if known is None:
            spelt = [name for name in file.named() if name.lstrip("_")[:1].isupper()]
            known = self._project.class_names[file.path] = [
                name for name in spelt if not file.imports(name) or self._project.is_own_import(file, name)
            ]
        return known

    def runs_object(self, method: str) -> bool:
        """Whether a method of this name may be that of an object of the project that is no module."""
        return any(method in called for _, called in self.objects())

    def is_method(self, name: str) -> bool:
        """Whether `self.name` is a method of the class."""
        return any(isinstance(c, ClassDef) and name in c.methods for c in self._project.mro(self.cls))

    def is_constructed(self, attribute: str) -> bool:
        """Whether forward leaves an attribute as the constructor made it, as far as the text says."""
        return attribute not in self._changes()

    def keeps(self) -> bool:
        """Whether forward may leave anything behind for the next one, in the module or in a part of it."""
        if self._keeps is None:
            self._keeps = False  # until it is known: its parts may have it as a part
            self._keeps = bool(self._changes()) or any(
                Leads(self._project, *made).keeps() for made in self.objects()
            )
        return self._keeps

    def _changes(self) -> frozenset[str]:
        if self._changed is None:
            texts = [text for name, text in self.texts.items() if name != "__init__"]
            texts += [entry.text_of(entry.methods[name]) for entry, name in self.inherited]
            self._changed = frozenset(n for text in texts for n in _CHANGED.findall(text))
        return self._changed


def _at(project: Project, module: ModuleFile, path: str) -> Iterator[tuple[ModuleFile, str]]:
    """The file and name of the function `a.b.f` of a module; nothing where `a.b` is no module."""
    *folders, name = path.split(".")
    for folder in folders:
        found = project.resolve(module, folder) or project.imported(module, module.name, folder)
        if not isinstance(found, ModuleFile):
            return
        module = found
    yield module, name


def _classes_in(text: str) -> Iterator[str]:
    """What is named like a class in a text, and made there, or asked for a method."""
    for match in _CLASSES.finditer(text):
        start = match.start()
        while start and text[start - 1] == "_":
            start -= 1
        if not start or not (text[start - 1] == "." or text[start - 1].isalnum()):
            yield text[start : match.end() - 1]
