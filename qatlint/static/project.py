"""The files of a project as the interpreter needs them: modules, imports, classes, linearisation.

Files are read, and parsed as far as needed, when they are first asked for; nothing is imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qatlint.aim import NOTHING, Aim
from qatlint.examined import Topic
from qatlint.horizon.ops import is_stub
from qatlint.loader import Loader
from qatlint.static.carried import Carried, Moved, moves
from qatlint.static.layout import LIBRARIES, Layout
from qatlint.static.modulefile import (
    ClassDef,
    ExpressionFound,
    Found,
    Linear,
    ModuleFile,
    Unknown,
)
from qatlint.static.opened import Opened
from qatlint.static.source import nodes
from qatlint.static.survey import Place, Said, Survey
from qatlint.trace import Flow

if TYPE_CHECKING:
    from qatlint.static.reassigned import Reassigned

# The bases that make a class a module, by the last part of their dotted name.
MODULE_BASES = frozenset(
    "Module BaseModule LightningModule ModuleList Sequential ModuleDict BaseModel ScriptModule "
    "PreTrainedModel BaseDetector BaseDenseHead".split()
)
_OTHER_FRAMEWORKS = frozenset(
    "paddle tensorflow keras flax jax haiku equinox mindspore mxnet oneflow megengine jittor tinygrad mlx "
    "chainer nnabla".split()
)
_TRAINING_CLASS = re.compile(
    r"((?<!With)Loss|Losses|CrossEntropy|Criterion|Criteria|Assigner|Metric|Metrics|Matcher|Preprocessor|"
    r"^(?:Base|Random)?Transform|Accuracy|PSNR|SSIM|LPIPS|MeanAveragePrecision|MeanIoU|ConfusionMatrix|"
    r"JaccardIndex|AverageMeter)v?\d*$"
)
_SPEAKS_OF_LOSS = re.compile(r"Loss(?![a-z])")
_TARGET = re.compile(r"(^|_)(y|gts?|targets?|labels?|truth)(_|$)")
# Packages of which no class is part of a deployed forward.
TRAINING_HOME = re.compile(
    r"(^|\.)(losses|metrics|torchmetrics|albumentations|transforms|augmentations?|datasets)\."
)


class Project:
    """All files that can be reached, by path and by module name."""

    def __init__(self, loader: Loader, aim: Aim = NOTHING) -> None:
        self.loader = loader
        self.aim = aim
        self._layout = Layout(loader, aim.source_roots)
        self._opened = Opened(loader, self._layout)
        self._survey: Survey | None = None
        self._resolving: set[tuple[str, str]] = set()
        self.linted: Sequence[str] = ()
        """The files findings are asked for: where subclasses are looked for."""
        self.said: Mapping[str, Said] = {}
        """For the survey: what has been found in some of them already."""
        self.shared_values: dict[tuple[str, str], Any] = {}
        """For the interpreter: values of module-level names that mean the same to every class."""
        self.loop_names: dict[int, tuple[list[ast.stmt], dict[str, Carried]]] = {}
        """For the interpreter: what loop bodies change, by id of the body (which keeps the id its own)."""
        self.dynamic_functions: dict[tuple[str, str], bool] = {}
        """For `prospects`: (path, name of a function there) -> whether it may be dynamic."""
        self.computing: dict[tuple[str, int], bool] = {}
        """For `plain_numbers`: (path, line of a function there) -> whether it makes no module."""
        self.callables: dict[str, tuple[list[str], list[str]]] = {}
        """For `prospects`: path -> names of functions there, and of what is imported from the project."""
        self.class_names: dict[str, list[str]] = {}
        """For `prospects`: path -> names there that are spelt like classes and may be the project's."""
        self.prepared: Mapping[tuple[str, str], Place] | None = None
        """For `roots`: (path, qualified name) of the classes that are given to `prepare`, and where."""
        self.flows: dict[tuple[str, str, bool], tuple[Flow, frozenset[Topic]]] = {}
        """For `reached`: (path, qualified name, whether inputs are taken for quantised) -> what was followed,
        and what that asked about the linted files."""
        self.reassigned: Reassigned | None = None
        """For `reached`: what other code sets again, where models are followed for a report of one that may
        have been built in another way; None where they are taken as they are built."""
        self.lookups: dict[str, dict[str, str]] = {}
        """File -> module names that were looked up in it -> the path of each, "" outside the project."""
        self.asked: set[Topic] = set()
        """What the linted files were asked about."""

    def file(self, path: str) -> ModuleFile:
        """The file with all its classes. Raises `Unreadable` or OSError."""
        return self._opened.whole(path)

    def part(self, path: str) -> ModuleFile | None:
        """The file, of which only what is asked for is parsed; None where it cannot be read."""
        return self._opened.part(path)

    def expect(self, paths: Iterable[str]) -> None:
        """`file` will be asked for these next: there is no sense in looking at parts of them before."""
        self._opened.expected = frozenset(paths)

    def lines_parsed(self) -> int:
        """Lines of the syntax trees that are held, as a measure of memory."""
        return self._opened.lines_parsed()

    def forget(self) -> None:
        """Let go of all trees, and of all that refers to them; what was learnt about paths stays."""
        self._forget_values()
        self._opened.close()

    def renew(self, changed: Collection[str], importers: Collection[str]) -> None:
        """The texts of the files `changed` are other ones now; the imports of `importers` lead to them.

        No file is new or gone: that would be another project.
        """
        self._forget_values()
        self._opened.drop({*changed, *importers})
        self.prepared = None
        self.flows.clear()
        if self._survey is not None:
            self._survey.renew(changed)

    def _forget_values(self) -> None:
        self.shared_values.clear()
        self.loop_names.clear()
        self.dynamic_functions.clear()
        self.computing.clear()
        self.callables.clear()
        self.class_names.clear()

    def module(self, name: str, importer: ModuleFile) -> ModuleFile | None:
        """The file of an absolute module name as seen from `importer`; None outside the project."""
        path = self._locate(name, importer)
        return self._opened.part(path) if path else None

    def _locate(self, name: str, importer: ModuleFile) -> str:
        """Path of an absolute module name as seen from `importer`; "" outside the project."""
        path = self._layout.locate(name, importer)
        self.lookups.setdefault(importer.path, {})[name] = path
        return path

    def is_own_import(self, file: ModuleFile, name: str) -> bool:
        """Whether a name is imported from a file of the project, or is a module of it."""
        bound = file.binding(name) if file.imports(name) else None
        if not isinstance(bound, tuple):
            return False
        module, attribute = bound
        return bool(self._locate(module, file) or (attribute and self._locate(f"{module}.{attribute}", file)))

    def is_imported_class(self, file: ModuleFile, name: str) -> bool:
        """Whether a name is imported from a file of the project and spelt like a class."""
        bound = file.binding(name) if file.imports(name) else None
        if not isinstance(bound, tuple) or not bound[1][:1].isupper() or bound[1].isupper():
            return False
        return bool(self._locate(bound[0], file))

    def imported_module(self, file: ModuleFile, name: str) -> ModuleFile | None:
        """The module that an imported name is by its path, for a name that is used as a module: whatever star
        imports of the package bind under it need not be looked for, which may mean to read thousands of
        files."""
        bound = file.binding(name)
        if not isinstance(bound, tuple):
            return None
        module, attribute = bound
        return self.module(f"{module}.{attribute}" if attribute else module, file)

    def resolve(self, file: ModuleFile, name: str, depth: int = 0) -> Found | ModuleFile | str | None:
        """What a top-level name of `file` means: something of the project, or the dotted name of a
        library object; None when the file does not bind it."""
        bound = file.binding(name)
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
            path = self._locate(module, file)
            if not path or not self._opened.may_bind(path, name):
                continue
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

    def stub_base(self, cls: ClassDef) -> str:
        """The QuantStub or DeQuantStub of a library that a class is made of, "" for others: what passes it
        is taken to be quantised as by that."""
        names = (base.dotted for base in self.mro(cls) if isinstance(base, Unknown))
        return next((name for name in names if is_stub(name)), "")

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
                module = self.module(f"{base}.{node.attr}", file) if base not in LIBRARIES else None
                return module if module is not None else f"{base}.{node.attr}"
            if isinstance(base, ModuleFile):
                return self.imported(base, base.name, node.attr)
            if isinstance(base, ClassDef):
                return base.inner(node.attr)
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
            first = dotted.partition(".")[0]
            if first in _OTHER_FRAMEWORKS:
                return False
            if last in MODULE_BASES or is_stub(dotted):
                return True
            if first not in LIBRARIES or first in ("mmcv", "mmengine", "horizon_plugin_pytorch"):
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

    def moved_in(self, cls: ClassDef, attribute: str) -> list[Moved]:
        """Where methods of a class or its bases assign `self.<attribute>` after construction."""
        return [
            moved
            for entry in self.mro(cls)
            if isinstance(entry, ClassDef)
            for moved in moves(entry, attribute)
        ]

    def makers(self, cls: ClassDef) -> list[ClassDef]:
        """Module classes of the linted files whose bodies make an instance of `cls`."""
        found = dict.fromkeys(maker for maker in self._making(cls) if maker is not None)
        return [maker for maker in found if self.is_module(maker)]

    def is_made_elsewhere(self, cls: ClassDef) -> bool:
        """Whether anything but the bodies of module classes makes an instance of `cls`, or a class inherits
        from it: others than its `makers` may run it then."""
        others = any(maker is None or not self.is_module(maker) for maker in self._making(cls))
        return others or bool(self.subclasses(cls))

    def _making(self, cls: ClassDef) -> Iterator[ClassDef | None]:
        """For each place that makes a `cls` the other class around it; None outside of classes."""
        self.asked.add(("make", cls.name))
        for path, line in self._surveyed().makers(cls.name):
            file = self._opened.part(path)
            if file is None:
                continue
            file.class_at(line)  # parses what stands there
            maker = file.class_around(line)
            if maker is not cls:
                found = [self.resolve(file, cls.name), *self._dotted_at(file, maker, line, cls.name)]
                if any(isinstance(one, ClassDef) and one.full_name == cls.full_name for one in found):
                    yield maker

    def _dotted_at(self, file: ModuleFile, around: ClassDef | None, line: int, name: str) -> list[object]:
        """What is called on a line of a class under a dotted name: `blocks.Stem(8)`."""
        calls = [n for n in nodes(around.node) if isinstance(n, ast.Call)] if around is not None else []
        called = [call.func for call in calls if isinstance(call.func, ast.Attribute)]
        here = [func for func in called if func.attr == name and func.end_lineno == line]
        return [self.expression(func, file) for func in here]

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
            for path, line in self._surveyed().with_base(name):
                file = self._opened.part(path)
                candidate = file.class_at(line) if file is not None else None
                if candidate is None or candidate is cls or candidate in result:
                    continue
                if cls in self.mro(candidate):
                    result.append(candidate)
                    names.append(candidate.name)
        return result

    def outside_writes(self, attribute: str) -> Sequence[Place]:
        """Places of the linted files that assign an attribute of another object (see `Survey.writes`)."""
        self.asked.add(("write", attribute))
        return self._surveyed().writes(attribute)

    def identity_tests(self, attribute: str) -> Sequence[Place]:
        """Places of the linted files that ask which object an attribute is (see `Survey.identities`)."""
        self.asked.add(("identity", attribute))
        return self._surveyed().identities(attribute)

    def picked_by_name(self, attribute: str) -> Sequence[Place]:
        """Places of the linted files that pick modules by a name like an attribute (see `Survey.picks`)."""
        self.asked.add(("pick", ""))
        return self._surveyed().picks(attribute)

    def as_argument(self, attribute: str) -> Sequence[Place]:
        """Places of the linted files that hand on an attribute of another object (`Survey.arguments`)."""
        self.asked.add(("argument", attribute))
        return self._surveyed().arguments(attribute)

    def scripted(self, cls: ClassDef) -> Place | None:
        """A place of the linted files that hands the class, or what may hold it, to TorchScript."""
        self.asked.add(("script", ""))
        found = self._surveyed().scripts()
        kin = [cls, *self.subclasses(cls)]
        return next((place for place in found if self._speaks_of(place[0], kin)), None)

    def used_elsewhere(self, cls: ClassDef, attribute: str) -> Place | None:
        """A place in another of the linted files that uses an attribute of another object, where the file
        speaks of the class, of a subclass, or of the module that defines it."""
        self.asked.add(("use", attribute))
        names = {cls.name, cls.file.name.rpartition(".")[2], *(c.name for c in self.subclasses(cls))}
        return self._surveyed().use_near(attribute, names, cls.file.path)

    def listing_of(self, cls: ClassDef, kind: str) -> Place | None:
        """A place of the linted files that lists what a module holds, in a file that speaks of the class, of
        a subclass, or of the module that defines it. Not where only modules of other classes than `kind`
        are meant."""
        self.asked.add(("listing", ""))
        if not self._surveyed().has_listings:
            return None
        subclasses = self.subclasses(cls)
        kin = {c.name for c in (*self.mro(cls), *subclasses) if isinstance(c, ClassDef)}
        home = cls.file.name.rpartition(".")[2].encode()
        for place, sure in self._surveyed().listings(kin, kind):
            if sure or self._speaks_of(place[0], [cls, *subclasses], home):
                return place
        return None

    def _speaks_of(self, path: str, classes: Sequence[ClassDef], home: bytes = b"") -> bool:
        """Whether a linted file has the name of one of the classes, which means no other class there, or the
        word `home`."""
        words = self._surveyed().words_of(path)
        if home in words:
            return True
        return any(cls.name.encode() in words and self._may_mean(path, cls) for cls in classes)

    def _may_mean(self, path: str, cls: ClassDef) -> bool:
        """Whether the name of a class, in another file, may mean that class."""
        if f".{cls.name}".encode() in self.loader.read(path):
            return True
        self.asked.add(("meant", ""))
        file = self._opened.part(path)
        meant = self.resolve(file, cls.name) if file is not None else None
        return not isinstance(meant, ClassDef) or meant.full_name == cls.full_name

    def uses_plugin(self, path: str) -> bool:
        """Whether a linted file imports the plugin; cheapest to answer where the file `path` does."""
        self.asked.add(("plugin", ""))
        return self._surveyed().uses_plugin(path)

    def prepare_calls(self) -> Sequence[Place]:
        """Places of the linted files that may call the plugin's `prepare` (see `static.roots`)."""
        self.asked.add(("prepare", ""))
        return self._surveyed().prepares()

    def _surveyed(self) -> Survey:
        if self._survey is None:
            self._survey = Survey(self.loader, self.linted, self.said)
        return self._survey


def is_training_code(project: Project, cls: ClassDef) -> bool:
    """Whether a class is a loss, an assigner, a metric or a transform of data, by its name, by a base or by
    the package it is from: never part of a deployed forward."""
    for entry in project.mro(cls):
        if isinstance(entry, ClassDef):
            name, home = entry.name, f"{entry.file.name}."
        else:
            home, _, name = entry.dotted.rpartition(".")
            home = f"{home}."
        if _TRAINING_CLASS.search(name) is not None or TRAINING_HOME.search(home) is not None:
            return True
        if _SPEAKS_OF_LOSS.search(name) is not None and _wants_targets(entry):
            return True
    return False


def _wants_targets(cls: Linear) -> bool:
    """Whether forward must be given what it should have predicted; one with layers of its own need not."""
    if not isinstance(cls, ClassDef) or "forward" not in cls.methods:
        return False
    spec = cls.methods["forward"].args
    parameters = spec.posonlyargs + spec.args
    if _assigns_module(cls):
        parameters = parameters[: len(parameters) - len(spec.defaults)]
    return any(_TARGET.search(parameter.arg) is not None for parameter in parameters)


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
