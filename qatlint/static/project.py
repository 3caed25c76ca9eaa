"""The files of a project as the interpreter needs them: modules, imports, classes, linearisation.

Files are read and parsed when they are first asked for, through the loader; nothing is imported.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from qatlint.loader import Loader
from qatlint.static.modulefile import (
    ClassDef,
    ExpressionFound,
    Found,
    Linear,
    ModuleFile,
    Unknown,
)
from qatlint.static.source import Source, Unreadable, nodes

# The bases that make a class a module, by the last part of their dotted name.
MODULE_BASES = frozenset(
    "Module BaseModule LightningModule ModuleList Sequential ModuleDict BaseModel ScriptModule "
    "PreTrainedModel BaseDetector BaseDenseHead".split()
)
# First parts of dotted names that are never looked for in the project.
_LIBRARIES = frozenset(
    "torch numpy typing collections functools math os sys re abc dataclasses enum copy warnings logging "
    "itertools json pathlib time random contextlib inspect types operator string io importlib "
    "__future__ horizon_plugin_pytorch mmcv mmengine scipy cv2 PIL packaging".split()
)


# Matched against a newline and the text: a pattern that begins with a letter is found much faster than
# one that begins with "start of a line".
_CLASS_LINE = re.compile(rb"\n[ \t]*class\s+\w+\s*\(([^)]*)\)")
_TRAINING_CLASS = re.compile(r"(Loss|Losses|LossBase|Criterion|Criteria|Assigner|Metric|Metrics|Matcher)\d*$")
_WRITE = re.compile(rb"\n[ \t]*(?!self\b|cls\b)(\w+(?:\[[^\]\n]*\])?)\.(\w+)[ \t]*=(?!=)")
_WRITE_BY_NAME = re.compile(
    rb"""(?:setattr\(\s*(?!self\b|cls\b)[^,()]+,\s*|(?<!self)\._modules\[\s*)["'](\w+)["']"""
)
_WORD = re.compile(rb"[A-Za-z_]\w*")

Topic = tuple[str, str]
"""What the linted files are asked about as a whole: ("base", name of a class) or ("write", attribute)."""


class Project:
    """All files that can be reached, by path and by module name."""

    def __init__(self, loader: Loader, source_roots: Sequence[str] = ()) -> None:
        self.loader = loader
        self._source_roots = [root.rstrip("/") or "/" for root in source_roots]
        self._by_path: dict[str, ModuleFile | Unreadable | OSError] = {}
        self._packages: dict[str, tuple[str, str]] = {}
        self._located: dict[tuple[str, str], str] = {}
        self._exists: dict[str, bool] = {}
        self._resolving: set[tuple[str, str]] = set()
        self.linted: Sequence[str] = ()
        """The files findings are asked for: where subclasses are looked for."""
        self.shared_values: dict[tuple[str, str], Any] = {}
        """For the interpreter: values of module-level names that mean the same to every class."""
        self.before_parse: Callable[[], object] | None = None
        self.after_parse: Callable[[], object] | None = None
        """Called around the parsing of each file, for whoever manages memory."""
        self.used: dict[str, set[str]] = {}
        """File -> files its imports led to."""
        self.asked: set[Topic] = set()
        """What the linted files were asked about."""
        self._bases: dict[str, list[str]] | None = None
        self._writes: dict[str, list[tuple[str, int]]] | None = None

    def file(self, path: str) -> ModuleFile:
        """The parsed file. Raises `Unreadable` or OSError."""
        known = self._by_path.get(path)
        if known is None:
            try:
                data = self.loader.read(path)
                if self.before_parse is not None:
                    self.before_parse()
                source = Source(path, data)
                if self.after_parse is not None:
                    self.after_parse()
                name, root, is_package = self._name_of(path)
                known = ModuleFile(source, name, root, is_package)
            except RecursionError:
                known = Unreadable("too deeply nested")
            except (Unreadable, OSError) as error:
                known = error
            self._by_path[path] = known
        if isinstance(known, ModuleFile):
            return known
        raise known

    def module(self, name: str, importer: ModuleFile) -> ModuleFile | None:
        """The file of an absolute module name as seen from `importer`; None outside the project."""
        path = self._locate(name, importer)
        if not path:
            return None
        self.used.setdefault(importer.path, set()).add(path)
        try:
            return self.file(path)
        except (Unreadable, OSError):
            return None

    def is_imported_class(self, file: ModuleFile, name: str) -> bool:
        """Whether a name is imported from a file of the project and spelt like a class."""
        bound = file.bindings.get(name)
        if not isinstance(bound, tuple) or not bound[1][:1].isupper() or bound[1].isupper():
            return False
        return bool(self._locate(bound[0], file))

    def resolve(self, file: ModuleFile, name: str, depth: int = 0) -> Found | ModuleFile | str | None:
        """What a top-level name of `file` means: something of the project, or the dotted name of a
        library object; None when the file does not bind it."""
        bound = file.bindings.get(name)
        if bound is None:
            if file.stars and depth < 12:
                return self._from_stars(file, name, depth)
            return None
        if not isinstance(bound, tuple):
            return bound
        module, attribute = bound
        return self.imported(file, module, attribute, depth)

    def imported(
        self, file: ModuleFile, module: str, attribute: str, depth: int = 0
    ) -> Found | ModuleFile | str | None:
        """What `from module import attribute` (or `import module` with "") means in `file`."""
        target = self.module(module, file)
        if not attribute:
            return target if target is not None else module
        if target is None:
            submodule = self.module(f"{module}.{attribute}", file)
            return submodule if submodule is not None else f"{module}.{attribute}"
        key = (target.path, attribute)
        if depth > 12 or key in self._resolving:
            # A package that imports its own submodule: `from . import base` in `__init__.py`.
            submodule = self.module(f"{module}.{attribute}", file)
            return submodule if submodule is not None else f"{module}.{attribute}"
        self._resolving.add(key)
        try:
            found = self.resolve(target, attribute, depth + 1)
        finally:
            self._resolving.discard(key)
        if found is not None:
            return found
        submodule = self.module(f"{module}.{attribute}", file)
        return submodule if submodule is not None else f"{module}.{attribute}"

    def _from_stars(self, file: ModuleFile, name: str, depth: int) -> Found | ModuleFile | str | None:
        for module in reversed(file.stars):
            target = self.module(module, file)
            if target is not None and target is not file:
                key = (target.path, name)
                if key in self._resolving:
                    continue
                self._resolving.add(key)
                try:
                    found = self.resolve(target, name, depth + 1)
                finally:
                    self._resolving.discard(key)
                if found is not None:
                    return found
        return None

    def mro(self, cls: ClassDef) -> tuple[Linear, ...]:
        """The linearisation of a class; bases outside the project appear as `Unknown`."""
        if cls.known_mro is None:
            cls.known_mro = (cls,)  # cuts cycles
            lines = [list(self._line(base, cls)) for base in cls.node.bases]
            cls.known_mro = (cls, *_merge(lines))
        return cls.known_mro

    def _line(self, base: ast.expr, cls: ClassDef) -> Iterator[Linear]:
        if isinstance(base, ast.Subscript):
            base = base.value
        found = self.expression(base, cls.file)
        seen = 0
        while isinstance(found, ExpressionFound) and seen < 5:
            found = self.expression(found.node, found.file)
            seen += 1
        if isinstance(found, ClassDef):
            if found is not cls:
                yield from self.mro(found)
        elif isinstance(found, str):
            yield Unknown(found)
        else:
            yield Unknown(ast.unparse(base))

    def expression(self, node: ast.expr, file: ModuleFile) -> Found | ModuleFile | str | None:
        """What a dotted expression at module level means (names and attributes only)."""
        if isinstance(node, ast.Name):
            return self.resolve(file, node.id)
        if isinstance(node, ast.Attribute):
            base = self.expression(node.value, file)
            if isinstance(base, str):
                # `import a.b` binds `a`; `a.b.c` may still be a module of the project.
                module = self.module(f"{base}.{node.attr}", file) if base not in _LIBRARIES else None
                return module if module is not None else f"{base}.{node.attr}"
            if isinstance(base, ModuleFile):
                return self.imported(base, base.name, node.attr)
            if isinstance(base, ClassDef):
                for inner in base.file.classes:
                    if inner.qualname == f"{base.qualname}.{node.attr}":
                        return inner
        return None

    def is_module(self, cls: ClassDef) -> bool:
        """Whether instances are `nn.Module`s, as far as the source tells."""
        if cls.is_module is None:
            cls.is_module = self._looks_like_module(cls)
        return cls.is_module

    def _looks_like_module(self, cls: ClassDef) -> bool:
        unknown_base = False
        for entry in self.mro(cls):
            if isinstance(entry, ClassDef):
                continue
            dotted = entry.dotted
            last = dotted.rpartition(".")[2]
            if dotted.startswith(("torch.nn.", "torch.ao.nn.", "horizon_plugin_pytorch.nn")):
                return True
            if last in MODULE_BASES:
                return True
            first = dotted.partition(".")[0]
            if first not in _LIBRARIES or first in ("mmcv", "mmengine", "horizon_plugin_pytorch"):
                if last not in ("object", "ABC", "Protocol", "Generic", "Enum", "dict", "list", "Exception"):
                    unknown_base = True
        if not unknown_base:
            return False
        return any(
            isinstance(entry, ClassDef) and "forward" in entry.methods for entry in self.mro(cls)
        ) or any(
            isinstance(entry, ClassDef) and "__init__" in entry.methods and _assigns_module(entry)
            for entry in self.mro(cls)
        )

    def subclasses(self, cls: ClassDef) -> list[ClassDef]:
        """Classes of the linted files that inherit from `cls`, directly or not."""
        result: list[ClassDef] = []
        names, done = [cls.name], set()
        while names:
            name = names.pop()
            if name in done:
                continue
            done.add(name)
            self.asked.add(("base", name))
            for path in self._files_with_base().get(name, ()):
                try:
                    file = self.file(path)
                except (Unreadable, OSError):
                    continue
                for candidate in file.classes:
                    if candidate is not cls and candidate not in result and cls in self.mro(candidate):
                        result.append(candidate)
                        names.append(candidate.name)
        return result

    def outside_writes(self, attribute: str) -> list[tuple[str, int]]:
        """Places of the linted files that assign `<something but self>.<attribute>`, also as
        `setattr(m, "<attribute>", ...)` or `m._modules["<attribute>"]`: (path, line)."""
        self.asked.add(("write", attribute))
        if self._writes is None:
            self._writes = {}
            for path, data in self._linted_texts():
                for written, line in _writes_in(data):
                    self._writes.setdefault(written, []).append((path, line))
        return self._writes.get(attribute, [])

    def _files_with_base(self) -> dict[str, list[str]]:
        """Linted files by the names of the base classes written in them."""
        if self._bases is None:
            self._bases = {}
            for path, data in self._linted_texts():
                for name in _bases_in(data):
                    self._bases.setdefault(name, []).append(path)
        return self._bases

    def _linted_texts(self) -> Iterator[tuple[str, bytes]]:
        for path in self.linted:
            try:
                yield path, self.loader.read(path)
            except OSError:
                continue

    def _name_of(self, path: str) -> tuple[str, str, bool]:
        """(dotted name, import root, whether it is a package) from the chain of `__init__.py`."""
        folder, base = posixpath.split(path)
        package, root = self._package_of(folder)
        stem = base[:-3] if base.endswith(".py") else base
        if stem == "__init__":
            return package or posixpath.basename(folder) or stem, root, True
        return (f"{package}.{stem}" if package else stem), root, False

    def _package_of(self, folder: str) -> tuple[str, str]:
        """(dotted package of the files in `folder`, folder from which it is imported)."""
        known = self._packages.get(folder)
        if known is None:
            parent, base = posixpath.split(folder)
            if base and base not in (".", "..") and self._is_file(posixpath.join(folder, "__init__.py")):
                outer, root = self._package_of(parent)
                known = (f"{outer}.{base}" if outer else base, root)
            else:
                known = ("", folder)
            self._packages[folder] = known
        return known

    def _locate(self, name: str, importer: ModuleFile) -> str:
        """Path of an absolute module name, or ""."""
        first = name.partition(".")[0]
        if first in _LIBRARIES and first != importer.name.partition(".")[0]:
            return ""
        key = (name, importer.root)
        known = self._located.get(key)
        if known is None:
            known = ""
            for root in self._roots(importer.root):
                base = posixpath.join(root, *name.split("."))
                if self._is_file(base + ".py"):
                    known = base + ".py"
                elif self._is_file(posixpath.join(base, "__init__.py")):
                    known = posixpath.join(base, "__init__.py")
                if known:
                    break
            self._located[key] = known
        return known

    def _roots(self, root: str) -> Iterator[str]:
        """Where absolute imports are looked for: the import root, configured roots, folders above."""
        yield root
        yield from self._source_roots
        for _ in range(6):
            parent = posixpath.dirname(root)
            if parent == root:
                return
            root = parent
            yield root

    def _is_file(self, path: str) -> bool:
        known = self._exists.get(path)
        if known is None:
            known = self.loader.exists(path)
            self._exists[path] = known
        return known


def is_training_code(cls: ClassDef) -> bool:
    """Whether a class is a loss, an assigner or a metric by its name: never part of a deployed forward."""
    return _TRAINING_CLASS.search(cls.name) is not None


def topics_of(data: bytes) -> set[Topic]:
    """What a linted file has to say about others, if they ask: see `Project.asked`."""
    bases: set[Topic] = {("base", name) for name in _bases_in(data)}
    return bases | {("write", attribute) for attribute, _ in _writes_in(data)}


def _bases_in(data: bytes) -> list[str]:
    """Names of the base classes written in a file, each once."""
    found = (name for bases in _CLASS_LINE.findall(b"\n" + data) for name in _WORD.findall(bases))
    return [name.decode() for name in dict.fromkeys(found)]


def _writes_in(data: bytes) -> Iterator[tuple[str, int]]:
    """The assignments to `<something but self>.<attribute>` in a file: (attribute, line)."""
    for match in _WRITE.finditer(b"\n" + data):
        yield match[2].decode(), data.count(b"\n", 0, match.start(2) - 1) + 1
    for match in _WRITE_BY_NAME.finditer(data):
        yield match[1].decode(), data.count(b"\n", 0, match.start(1)) + 1


def _merge(lines: list[list[Linear]]) -> list[Linear]:
    """C3 linearisation; where it fails, bases in order of appearance."""
    result: list[Linear] = []
    lines = [line for line in lines if line]
    while lines:
        for line in lines:
            head = line[0]
            if not any(_contains(other[1:], head) for other in lines):
                break
        else:
            head = lines[0][0]
        if not _contains(result, head):
            result.append(head)
        lines = [[e for e in line if not _same(e, head)] for line in lines]
        lines = [line for line in lines if line]
    return result


def _same(a: Linear, b: Linear) -> bool:
    if isinstance(a, Unknown) and isinstance(b, Unknown):
        return a.dotted == b.dotted
    return a is b


def _contains(line: list[Linear], entry: Linear) -> bool:
    return any(_same(e, entry) for e in line)


def _assigns_module(cls: ClassDef) -> bool:
    """Whether a method assigns `self.x = nn.Something(...)`."""
    for method in cls.methods.values():
        for node in nodes(method):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                if ast.unparse(node.value.func).startswith(("nn.", "torch.nn.")):
                    if any(isinstance(t, ast.Attribute) for t in node.targets):
                        return True
    return False
