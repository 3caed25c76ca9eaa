"""One method, read once from top to bottom."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from functools import partial

from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound, ModuleFile
from qatlint.static.plain_values import Values
from qatlint.static.plain_words import (
    ADDING,
    ANNOTATIONS,
    COUNT,
    HELD,
    OPEN,
    PLAIN,
    SETTING,
    SETUP,
    TELLING,
    Counts,
    Function,
    NotPlainError,
    Owner,
    last,
    root,
)
from qatlint.static.project import Project
from qatlint.static.source import nodes


class Method(Values):
    """One execution of a method: what it uses of the attributes, what it gives them, and what it returns."""

    def __init__(
        self, project: Project, owner: Owner, cls: ClassDef, node: Function, number: int, constructing: bool
    ) -> None:
        """`number` is the place of `cls` in the line of classes; `constructing` whether the constructor runs
        it. Raises `NotPlainError`."""
        super().__init__(project, owner, cls, node, number, constructing)
        if not all(_is_harmless(decorator) for decorator in node.decorator_list):
            raise NotPlainError("decorator")
        arguments = node.args
        names = [*arguments.posonlyargs, *arguments.args]
        defaults: list[ast.expr | None] = [None] * (len(names) - len(arguments.defaults))
        defaults += arguments.defaults
        pairs = [*zip(names, defaults, strict=True)][1:]
        pairs += zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        for argument, default in pairs:
            self.kinds[argument.arg] = self._parameter(argument, default)
        for extra in (arguments.vararg, arguments.kwarg):
            if extra is not None:
                self.kinds[extra.arg] = PLAIN

    def read(self) -> tuple[Counts, int]:
        """How often each attribute is used (`self.x`), and what is returned. Raises `NotPlainError`."""
        self._run(self.node.body)
        counts: Counts = {}
        for key, count in self.counts.items():
            if key.startswith("self."):
                counts[key] = count
            elif count > 1:
                raise NotPlainError(f"{key} twice")
        return counts, self.returned

    def _parameter(self, argument: ast.arg, default: ast.expr | None) -> int:
        if not self.constructing or COUNT.search(argument.arg) or SETTING.search(argument.arg):
            return PLAIN
        if argument.annotation is not None and self._tells_no_module(argument.annotation, self.file):
            return PLAIN
        if default is None or (isinstance(default, ast.Constant) and default.value is None):
            return OPEN
        if isinstance(default, ast.Name):
            self._global(default.id)
        if isinstance(default, (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp)):
            return PLAIN
        if isinstance(default, (ast.Tuple, ast.List, ast.Dict)):
            if not any(isinstance(n, ast.Call) for n in nodes(default)):
                return PLAIN
        if isinstance(default, ast.Call) and last(default.func) in ("partial", "dict"):
            return PLAIN
        raise NotPlainError("a default that is made")

    def _tells_no_module(self, node: ast.expr, file: ModuleFile, depth: int = 0) -> bool:
        for part in nodes(node):
            if isinstance(part, ast.Name) and part.id not in ANNOTATIONS:
                if part.id in ("nn",) or depth > 2:
                    continue
                found = self.project.resolve(file, part.id)
                if isinstance(found, ClassDef) and not self.project.is_module(found):
                    continue
                if not isinstance(found, ExpressionFound):
                    return False
                if not self._tells_no_module(found.node, found.file, depth + 1):
                    return False
            elif isinstance(part, ast.Attribute) and part.attr == "Module":
                if not any(
                    isinstance(n, ast.Name) and n.id in ("Type", "type", "Callable") for n in nodes(node)
                ):
                    return False
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                return False
        return True

    def _run(self, body: Sequence[ast.stmt]) -> bool:
        """Whether what follows the statements is not reached from them."""
        for number, statement in enumerate(body):
            if isinstance(statement, ast.Assign):
                self._assign(statement.targets, statement.value)
            elif isinstance(statement, ast.Expr):
                if not isinstance(statement.value, ast.Constant):
                    self._drop(statement.value)
            elif isinstance(statement, ast.If):
                self._look(statement.test)
                ends, is_rest_read = self._branch(statement, body[number + 1 :])
                if ends or is_rest_read:
                    return ends
            elif isinstance(statement, ast.Return):
                if statement.value is not None:
                    self.returned = max(self.returned, self._value(statement.value))
                return True
            elif isinstance(statement, (ast.For, ast.AsyncFor)):
                if statement.orelse:
                    raise NotPlainError("else of a loop")
                if self.constructing and self._initialises(statement):
                    continue
                body_of_loop = partial(self._run, statement.body)
                self._iterate(statement.target, statement.iter, body_of_loop, _bound(statement.body))
            elif isinstance(statement, ast.AugAssign):
                self._augment(statement)
            elif isinstance(statement, ast.AnnAssign):
                if statement.value is not None:
                    self._assign([statement.target], statement.value)
            elif isinstance(statement, (ast.With, ast.AsyncWith)):
                for item in statement.items:
                    self._look(item.context_expr)
                if self._run(statement.body):
                    return True
            elif isinstance(statement, ast.Assert):
                self._look(statement.test)
            elif isinstance(statement, (ast.Raise, ast.Continue, ast.Break)):
                return True
            elif isinstance(statement, (ast.Pass, ast.Import, ast.ImportFrom)):
                pass
            elif isinstance(statement, ast.FunctionDef) and self._stands_alone(statement):
                self.kinds[statement.name] = PLAIN
            else:
                raise NotPlainError(f"statement {type(statement).__name__}")
        return False

    def _stands_alone(self, function: ast.FunctionDef) -> bool:
        """Whether a nested function uses nothing around it that may be a module."""
        return not function.decorator_list and not any(
            isinstance(n, ast.Name) and (n.id == self.me or self.kinds.get(n.id, PLAIN) is not PLAIN)
            for n in nodes(function)
        )

    def _initialises(self, loop: ast.For | ast.AsyncFor) -> bool:
        """Whether a loop of the constructor goes over all modules and changes their weights only."""
        over = loop.iter
        if not isinstance(over, ast.Call) or not isinstance(over.func, ast.Attribute):
            return False
        if over.func.attr not in ("modules", "named_modules") or not self._is_me(over.func.value):
            return False
        return not any(
            isinstance(n, ast.Name) and n.id == self.me for statement in loop.body for n in nodes(statement)
        )

    def _branch(self, statement: ast.If, rest: Sequence[ast.stmt]) -> tuple[bool, bool]:
        """Both sides; one that ends excludes what follows. Returns whether all ways end here, and whether
        what follows was read with the other side."""
        first, first_ends = self._apart(partial(self._run, statement.body))
        second, second_ends = self._apart(partial(self._run, statement.orelse))
        if first_ends != second_ends:
            after, after_ends = self._apart(partial(self._run, rest))
            longer = second if first_ends else first
            for key, count in after.items():
                longer[key] = longer.get(key, 0) + count
            self._merge(first, second)
            return after_ends, True
        self._merge(first, second)
        return first_ends, False

    def _assign(self, targets: list[ast.expr], value: ast.expr) -> None:
        if len(targets) == 1 and isinstance(targets[0], ast.Tuple) and isinstance(value, ast.Tuple):
            if len(targets[0].elts) == len(value.elts):
                for target, part in zip(targets[0].elts, value.elts, strict=True):
                    self._assign([target], part)
                return
        kind = self._value(value)
        if kind is HELD and len(targets) > 1:
            raise NotPlainError("two names")
        # What a class makes is what the class says, under any name.
        named = not (isinstance(value, ast.Call) and last(value.func)[:1].isupper())
        for target in targets:
            self._give(target, kind, named)
            if kind is not PLAIN and self.constructing:
                self._remember(target, value)

    def _remember(self, target: ast.expr, value: ast.expr) -> None:
        """Where the value of a name comes from, for `is_settled`."""
        if isinstance(target, ast.Name):
            if isinstance(value, ast.Call) and not last(value.func)[:1].isupper():
                self.from_functions.add(target.id)
        elif isinstance(target, ast.Attribute) and isinstance(value, ast.Name):
            self.owner.origins[target.attr] = self, value.id

    def _give(self, target: ast.expr, kind: int, named: bool = False) -> None:
        """`named`: whether a name that numbers are given tells that it is one."""
        if isinstance(target, ast.Name):
            self.counts.pop(target.id, None)
            self.kinds[target.id] = PLAIN if named and COUNT.search(target.id) else kind
        elif isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self._give(part, kind, named)
        elif isinstance(target, ast.Starred):
            self._give(target.value, kind, named)
        elif isinstance(target, ast.Attribute) and self._is_me(target.value):
            if not self.constructing:
                if kind is not PLAIN or self.owner.kinds.get(target.attr, PLAIN) is not PLAIN:
                    raise NotPlainError(f"{target.attr} is assigned")
            if named and COUNT.search(target.attr):
                kind = PLAIN
            known = self.owner.kinds.get(target.attr, PLAIN)
            self.owner.kinds[target.attr] = max(known, kind)
            if kind is HELD:
                self.owner.made.add(target.attr)
        elif isinstance(target, ast.Subscript):
            self._look(target.slice)
            if kind is not PLAIN:
                if not isinstance(target.value, ast.Name) or not self.constructing:
                    raise NotPlainError("kept in a list")
                self.kinds[target.value.id] = max(kind, self.kinds.get(target.value.id, PLAIN))
            self._look(target.value)
        elif kind is PLAIN and isinstance(target, ast.Attribute) and not self._is_me(root(target)):
            self._look(target.value)
        else:
            raise NotPlainError("target")

    def _augment(self, statement: ast.AugAssign) -> None:
        kind = self._value(statement.value)
        target = statement.target
        if isinstance(target, ast.Name):
            self.kinds[target.id] = max(self.kinds.get(target.id, PLAIN), kind)
        elif kind is PLAIN:
            self._look(target)
        else:
            raise NotPlainError("augmented")

    def _drop(self, node: ast.expr) -> None:
        """An expression whose value is dropped."""
        if self.constructing and isinstance(node, ast.Call):
            name = last(node.func)
            if isinstance(node.func, ast.Attribute):
                held = node.func.value
                if self._is_me(held) and (
                    name in ("apply", "register_buffer", "register_parameter") or name in SETUP
                ):
                    if name == "register_buffer" and node.args and isinstance(node.args[0], ast.Constant):
                        self.owner.kinds.setdefault(str(node.args[0].value), PLAIN)
                    return
                if self._is_me(held) and name == "add_module":
                    if len(node.args) != 2 or not isinstance(node.args[0], ast.Constant):
                        raise NotPlainError("a name that is put together")
                    attribute = str(node.args[0].value)
                    kind = max(self._value(node.args[1]), self.owner.kinds.get(attribute, PLAIN))
                    self.owner.kinds[attribute] = kind
                    self.owner.made.add(attribute)
                    return
                if name in ADDING and COUNT.search(last(held)):
                    self._look_at_all(node)
                    return
                if isinstance(held, ast.Attribute) and self._is_me(held.value) and name in ADDING:
                    kind = max([PLAIN, *(self._value(a) for a in node.args)])
                    self._give(held, max(kind, self.owner.kinds.get(held.attr, PLAIN)))
                    return
            if name != "__init__" and (name[-1:] == "_" or name.startswith(("init", "_init"))):
                return
            if any(self._is_me(argument) for argument in node.args) and self._only_reads(node.func):
                return
        self._value(node)

    def _only_reads(self, callee: ast.expr) -> bool:
        """Whether a function that is given the module assigns nothing in it, nor calls anything that does."""
        found = self.project.expression(callee, self.file)
        if isinstance(found, str):
            return found.startswith("torch.")
        if not isinstance(found, FunctionFound):
            return False
        text = "\n".join(found.file.source.lines[found.node.lineno - 1 : found.node.end_lineno])
        return not any(word in text for word in ("getattr(", *TELLING)) and not any(
            isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) for n in nodes(found.node)
        )


def _is_harmless(decorator: ast.expr) -> bool:
    names = [n.attr if isinstance(n, ast.Attribute) else getattr(n, "id", "") for n in nodes(decorator)]
    return "jit" in names or last(decorator) in ("no_grad", "property", "staticmethod")


def _bound(body: Iterable[ast.stmt]) -> set[str]:
    """Local names that every turn of a loop gives a value of its own."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                found.update(n.id for n in nodes(target) if isinstance(n, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.add(statement.target.id)
        elif isinstance(statement, ast.If):
            found |= _bound(statement.body) & _bound(statement.orelse)
        elif isinstance(statement, ast.With):
            found |= _bound(statement.body)
    return found
