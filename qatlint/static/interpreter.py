"""Interpret a class: build it with unknown arguments, then run its forward."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager

from qatlint.condition import TRUE, Condition, literal
from qatlint.static.library import Library, is_library_module
from qatlint.static.machine import NOWHERE, Frame, OutOfSteps
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.project import Project
from qatlint.static.values import (
    Args,
    ClassValue,
    External,
    Function,
    Instance,
    Item,
    Method,
    Partial,
    Symbol,
    Value,
)

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Interpreter(Library):
    """One class, interpreted: `calls` and `root` hold what was learnt."""

    def __init__(self, project: Project, cls: ClassDef, opened: frozenset[int] = frozenset()) -> None:
        """`opened`: numbers of the children whose forward is followed (see `opened_by`)."""
        super().__init__(project)
        self.cls = cls
        self.opened = opened
        self.has_forward = False

    def interpret(self) -> None:
        """Build an instance with unknown arguments and run its forward."""
        root = self.make_root()
        with self._bounded():
            self.build(root)
            self.phase = "forward"
            self.run_forward(root)
        if root.open:
            self.incomplete = True

    def only_build(self) -> None:
        """Only build the instance: its forward is not asked about, or run in another way."""
        with self._bounded():
            self.build(self.make_root())

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        try:
            yield
        except (OutOfSteps, RecursionError):
            self.incomplete = True
            self.notes.add("too large: only the first part was followed")

    def make_root(self) -> Instance:
        """The instance whose forward is to run, which is not built yet."""
        root = Instance(
            next(self.numbers),
            cls=self.cls,
            dotted="",
            is_module=True,
            args=None,
            node=self.cls.node,
            file=self.cls.file,
            creator=None,
            loops=frozenset(),
            when=TRUE,
        )
        self.root = root
        self.instances.append(root)
        found = self.lookup(self.cls, "__init__", None)
        if found is not None and isinstance(found[1], _FunctionNode):
            root.args = self._parameters(Function(found[1], found[0].file, None, found[0]), "config")
        else:
            root.args = Args([], {}, True)
        return root

    def opened_by(self) -> frozenset[int]:
        """Children that are executed and of which a part is executed from outside as well.

        A second interpretation follows their forward too, so that the part's calls add up. Numbers are
        given in order of creation, so they mean the same objects again.
        """
        executed = {c.target.number for c in self.calls if isinstance(c.target, Instance)}
        makers = {
            c.target.creator.number
            for c in self.calls
            if c.target.creator is not None and c.target.creator is not self.root
        }
        return frozenset(executed & makers) - self.opened

    def gives_back(self, target: Instance, when: Condition) -> bool:
        """Whether the forward of a module, under a condition, returns its argument as it is."""
        found = self.lookup(target.cls, "forward", None) if target.cls is not None else None
        if found is None or not isinstance(found[1], _FunctionNode):
            return False
        argument = Symbol(("probe", target.number), origin="input")
        cls, function = found[0], Function(found[1], found[0].file, None, found[0])
        frame = Frame(cls.file, name="forward", cls=cls, me=target, owner=target, guard=when)
        phase, touched, handed = self.phase, dict(self.touched), dict(self.handed_on)
        self.phase, self.probing = "forward", True
        self.supposing += 1
        try:
            value = self.enter(function, Args([Item(argument)], {}, False), NOWHERE, frame, target, target)
        except (OutOfSteps, RecursionError):
            return False
        finally:
            self.phase, self.probing, self.touched, self.handed_on = phase, False, touched, handed
            self.supposing -= 1
        return self.narrow(value, when) is argument

    def run_forward(self, root: Instance) -> None:
        """Run the forward of an object that was built."""
        entry = self.lookup(self.cls, "forward", None)
        if entry is not None and isinstance(entry[1], _FunctionNode) and not _abstract(entry[1]):
            self.has_forward = True
            self._run_entry_point(root, entry[0], entry[1], None)
            return
        # Without a forward to read (it is inherited from a library): every method that looks like a
        # part of it, each on its own.
        if not root.open:
            return
        for base in self.project.mro(self.cls):
            if not isinstance(base, ClassDef):
                continue
            for name, method in base.methods.items():
                if name.startswith("forward") and not _abstract(method):
                    self._run_entry_point(root, base, method, name)

    def _run_entry_point(
        self, root: Instance, cls: ClassDef, method: _FunctionNode, alone: str | None
    ) -> None:
        guard = TRUE
        if alone is not None:
            guard = literal(self.atom(("entry", alone), None, group="entry"))
        self.run_as_forward(root, Function(method, cls.file, None, cls), guard)

    def run_as_forward(self, root: Instance, function: Function, guard: Condition) -> None:
        """Run a method as the forward of an object, with inputs for arguments."""
        assert isinstance(function.node, _FunctionNode)
        frame = Frame(function.file, name="forward", cls=function.cls, me=root, owner=root, guard=guard)
        args = self._parameters(function, "input")
        self.enter(
            self.decorated(function) if function.node.decorator_list else function, args, NOWHERE, frame, root
        )

    def _parameters(self, function: Function, origin: str) -> Args:
        """A symbol for every parameter of a method, with what its default and annotation tell."""
        method = function.node
        spec = method.args
        names = [*spec.posonlyargs, *spec.args][1:]
        defaults: list[ast.expr | None] = [None] * (len(names) - len(spec.defaults))
        defaults += list(spec.defaults)[-len(names) :] if names else []
        keywords: dict[str, Value] = {}
        pairs = list(zip(names, defaults, strict=False))
        pairs += zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
        for argument, default in pairs:
            keywords[argument.arg] = self._parameter(argument, default, function, origin)
        return Args([], keywords, spec.vararg is not None or spec.kwarg is not None)

    def _parameter(
        self,
        argument: ast.arg,
        default: ast.expr | None,
        function: Function,
        origin: str,
    ) -> Value:
        file = function.file
        symbol = Symbol(
            ("param", origin, argument.arg), origin=origin, text=argument.arg, node=argument, file=file
        )
        if argument.annotation is not None:
            text = _annotation(argument.annotation, file)
            if "Module" in text and "Type[" not in text and "type[" not in text and "Callable" not in text:
                symbol.callable_hint = "module"
        if default is None:
            return symbol
        if isinstance(default, ast.Constant):
            symbol.optional = default.value is None
            symbol.hint = default.value if isinstance(default.value, (int, str)) else None
            symbol.given = f"{argument.arg}={default.value!r}"
            return symbol
        if isinstance(default, (ast.Tuple, ast.List)):
            if origin != "config":
                return symbol
            written = ast.unparse(default)
            symbol.given = f"{argument.arg}={written if len(written) < 40 else '...'}"
            try:
                symbol.hint = tuple(ast.literal_eval(default))
            except ValueError:
                symbol.hint = tuple(default.elts)
            return symbol
        if origin == "config" and isinstance(default, (ast.Name, ast.Attribute, ast.Call)):
            value = self.default_of(function, default)
            symbol.callable_hint = symbol.callable_hint or _hint_of(value)
            symbol.hint = value
        return symbol


def _annotation(node: ast.expr, file: ModuleFile) -> str:
    """The text of an annotation; "" when its lines do not name a module (`ast.unparse` is slow)."""
    if isinstance(node, ast.Name):
        return node.id
    lines = file.source.lines[node.lineno - 1 : node.end_lineno]
    return ast.unparse(node) if any("Module" in line for line in lines) else ""


def _hint_of(value: Value) -> str:
    """`function`, `module` or "" for what a default argument is."""
    if isinstance(value, (Function, Method)):
        return "function"
    if isinstance(value, Partial):
        return _hint_of(value.function)
    if isinstance(value, External):
        if is_library_module(value.dotted):
            return ""
        first = value.dotted.rpartition(".")[2][:1]
        return "function" if value.dotted.startswith("torch.") and first.islower() else ""
    if isinstance(value, Instance):
        return "module" if value.is_module else ""
    if isinstance(value, ClassValue):
        return ""
    return ""


def _abstract(method: _FunctionNode) -> bool:
    """A body that only raises, passes, or is a docstring."""
    body = [s for s in method.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return all(isinstance(s, (ast.Raise, ast.Pass)) for s in body)
