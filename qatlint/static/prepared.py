"""Which classes are given to the plugin's `prepare`, as far as the source tells.

Scripts that call `prepare` are read, and the model they give it is followed back to the class it is made
of: through variables, attributes of self, functions of the project that return it, arguments of functions
in the same file, and what gives back the model it gets (`.to(...)`, `deepcopy`, `fuse_modules`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import Unreadable, nodes
from qatlint.static.survey import Place

_PLUGIN = "horizon_plugin_pytorch."
_PREPARES = frozenset("prepare prepare_qat prepare_qat_fx prepare_calibration prepare_calibration_fx".split())
# What gives back the module it is called on, or the one it is given.
_SAME_METHOD = frozenset("to cuda cpu eval train float half double requires_grad_ share_memory".split())
_SAME_FUNCTION = frozenset(
    "deepcopy copy fuse_modules fuse_fx fuse_known_modules DataParallel DistributedDataParallel "
    "convert_sync_batchnorm".split()
)
_STEPS = 12
"""How far a model is followed back."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def prepared_classes(project: Project) -> Mapping[tuple[str, str], Place]:
    """(path, qualified name) of the classes that linted files give to `prepare`, and where they do."""
    found: dict[tuple[str, str], Place] = {}
    for path in dict.fromkeys(path for path, _ in project.prepare_calls()):
        try:
            file = project.file(path)
        except (Unreadable, OSError):
            continue
        reader = _Reader(project, file)
        for call, where in reader.prepare_calls():
            for cls in reader.classes(_model_of(call), where, _STEPS):
                found.setdefault((cls.file.path, cls.qualname), (path, call.lineno))
    return found


class _Where(NamedTuple):
    """The place of an expression: the functions around it, innermost last, and its line."""

    functions: tuple[_Function, ...]
    line: int


class _Reader:
    """One file that calls `prepare`."""

    def __init__(self, project: Project, file: ModuleFile) -> None:
        self._project = project
        self._file = file
        self._calls: list[tuple[ast.Call, _Where]] = []
        # No recursion: expressions may be nested deeper than that allows.
        pending: list[tuple[ast.AST, tuple[_Function, ...]]] = [(file.source.tree, ())]
        while pending:
            node, functions = pending.pop()
            if isinstance(node, ast.Call):
                self._calls.append((node, _Where(functions, node.lineno)))
            elif isinstance(node, _Function):
                functions = (*functions, node)
            pending += [(child, functions) for child in ast.iter_child_nodes(node)]
        self._calls.sort(key=lambda entry: (entry[0].lineno, entry[0].col_offset))

    def prepare_calls(self) -> Iterator[tuple[ast.Call, _Where]]:
        """The calls of the plugin's `prepare` in the file."""
        for call, where in self._calls:
            dotted = self._dotted(call.func, where)
            if dotted.startswith(_PLUGIN) and dotted.rpartition(".")[2] in _PREPARES:
                yield call, where

    def classes(self, node: ast.expr | None, where: _Where, steps: int) -> Iterator[ClassDef]:
        """The module classes of which an expression may be an instance."""
        if node is None or steps <= 0:
            return
        if isinstance(node, ast.Call):
            yield from self._made(node, where, steps - 1)
        elif isinstance(node, ast.Name):
            yield from self._named(node.id, where, steps - 1)
        elif isinstance(node, ast.Attribute):
            yield from self._attribute(node, where, steps - 1)
        elif isinstance(node, ast.IfExp):
            yield from self.classes(node.body, where, steps - 1)
            yield from self.classes(node.orelse, where, steps - 1)
        elif isinstance(node, ast.NamedExpr):
            yield from self.classes(node.value, where, steps - 1)

    def _made(self, call: ast.Call, where: _Where, steps: int) -> Iterator[ClassDef]:
        func = call.func
        name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
        if isinstance(func, ast.Attribute) and name in _SAME_METHOD:
            yield from self.classes(func.value, where, steps)
            return
        if name in _SAME_FUNCTION or name in _PREPARES:
            yield from self.classes(_model_of(call), where, steps)
            return
        found = self._meaning(func, where)
        if isinstance(found, ClassDef):
            if self._project.is_module(found):
                yield found
        elif isinstance(found, FunctionFound):
            yield from self._returned(found, steps)
        elif isinstance(func, ast.Attribute):
            # `Model.of(settings)`
            holder = self._meaning(func.value, where)
            if isinstance(holder, ClassDef) and self._project.is_module(holder) and _makes(holder, name):
                yield holder

    def _returned(self, function: FunctionFound, steps: int) -> Iterator[ClassDef]:
        reader = self if function.file is self._file else self._of(function.file)
        if reader is None:
            return
        annotated = list(reader._annotated(function.node.returns, _Where((), 0)))
        yield from annotated
        for node in nodes(function.node) if not annotated else ():
            if isinstance(node, ast.Return):
                yield from reader.classes(node.value, _Where((function.node,), node.lineno), steps)

    def _of(self, file: ModuleFile) -> _Reader | None:
        try:
            return _Reader(self._project, self._project.file(file.path))
        except (Unreadable, OSError):
            return None

    def _named(self, name: str, where: _Where, steps: int) -> Iterator[ClassDef]:
        for depth in range(len(where.functions), 0, -1):
            function = where.functions[depth - 1]
            around = where.functions[:depth]
            values = list(_assigned(function, name, where.line))
            if values:
                for value in values:
                    yield from self.classes(value, _Where(around, value.lineno), steps)
                return
            for argument in _arguments(function):
                if argument.arg == name:
                    annotated = list(self._annotated(argument.annotation, where))
                    yield from annotated
                    if not annotated:
                        yield from self._passed(function, name, steps)
                    return
        if name == "self":
            return
        found = self._project.resolve(self._file, name)
        if isinstance(found, ExpressionFound) and found.file is self._file:
            yield from self.classes(found.node, _Where((), found.node.lineno), steps)

    def _passed(self, function: _Function, name: str, steps: int) -> Iterator[ClassDef]:
        """What calls in this file give for a parameter."""
        names = [argument.arg for argument in _arguments(function)]
        for call, where in self._calls:
            func = call.func
            bound = isinstance(func, ast.Attribute)
            called = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            if called != function.name:
                continue
            position = names.index(name) - (bound and names[0] in ("self", "cls"))
            given = next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
            if given is None and 0 <= position < len(call.args):
                given = call.args[position]
            yield from self.classes(given, where, steps)

    def _attribute(self, node: ast.Attribute, where: _Where, steps: int) -> Iterator[ClassDef]:
        """`self.model`: what the methods of the class assign to it."""
        if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            return
        cls = self._file.class_around(where.line)
        for method in cls.methods.values() if cls is not None else ():
            for value in _assigned(method, f"self.{node.attr}", None):
                if value is not node:
                    yield from self.classes(value, _Where((method,), value.lineno), steps)

    def _annotated(self, annotation: ast.expr | None, where: _Where) -> Iterator[ClassDef]:
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            try:
                annotation = ast.parse(annotation.value, mode="eval").body
            except SyntaxError:
                return
        found = self._meaning(annotation, where) if annotation is not None else None
        if isinstance(found, ClassDef) and self._project.is_module(found):
            yield found

    def _dotted(self, func: ast.expr, where: _Where) -> str:
        found = self._meaning(func, where)
        return found if isinstance(found, str) else ""

    def _meaning(self, node: ast.expr, where: _Where) -> object:
        """What a dotted name means here: imports inside the functions around it come first."""
        first = node
        while isinstance(first, ast.Attribute):
            first = first.value
        if not isinstance(first, ast.Name):
            return None
        local = self._imported(first.id, where)
        if local is None:
            return self._project.expression(node, self._file)
        module, attribute = local
        found: object = self._project.imported(self._file, module, attribute)
        if isinstance(found, str):
            return found + ast.unparse(node)[len(first.id) :]
        return found if node is first else None

    def _imported(self, name: str, where: _Where) -> tuple[str, str] | None:
        for function in reversed(where.functions):
            for node in nodes(function):
                if isinstance(node, ast.ImportFrom):
                    for alias in node.names:
                        if (alias.asname or alias.name) == name:
                            return self._file.absolute(node), alias.name
                elif isinstance(node, ast.Import):
                    for alias in node.names:
                        if alias.asname == name:
                            return alias.name, ""
                        if alias.asname is None and alias.name.partition(".")[0] == name:
                            return name, ""
        return None


def _makes(cls: ClassDef, name: str) -> bool:
    """Whether a method is one of the class, not of its instances, and gives one back: `return cls(...)`."""
    method = cls.methods.get(name)
    decorators = method.decorator_list if method is not None else []
    if method is None or not any(isinstance(d, ast.Name) and d.id == "classmethod" for d in decorators):
        return False
    first = method.args.args[0].arg if method.args.args else ""
    return any(
        isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id in (first, cls.name)
        for n in nodes(method)
    )


def _model_of(call: ast.Call) -> ast.expr | None:
    """The argument that is the model."""
    if call.args:
        return call.args[0]
    return next((k.value for k in call.keywords if k.arg in ("model", "module")), None)


def _arguments(function: _Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def _assigned(function: _Function, name: str, before: int | None) -> Iterator[ast.expr]:
    """Values that a function gives to `name` (or to `self.x`), in lines up to `before`."""
    for node in nodes(function):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            targets = [node.target]
        if not targets or (before is not None and node.lineno >= before):  # type: ignore[attr-defined]
            continue
        value = node.value  # type: ignore[attr-defined]
        if value is not None and any(_spelt(target) == name for target in targets):
            yield value


def _spelt(target: ast.expr) -> str:
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        return f"{target.value.id}.{target.attr}"
    return ""
