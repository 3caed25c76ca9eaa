"""How a file spells `copy.deepcopy` and `torch.nn`, and where a missing import goes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import libcst as cst
from libcst.helpers import get_full_name_for_node

from qatlint.codemods.edits import Edits
from qatlint.codemods.locate import Tree, walk
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_in, bound_in_module

JIT = "horizon_plugin_pytorch.fx.jit_scheme"
"""The module of the plugin that has `Tracer` and `dynamic_block`."""
STUB_HOMES = (
    "horizon_plugin_pytorch.quantization",
    "horizon_plugin_pytorch.quantization.stubs",
    "torch.quantization",
    "torch.ao.quantization",
)
"""The modules that have a QuantStub, the one to import from first."""
_Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement


class Imports:
    """The module-level imports of a file, as dotted name -> local name."""

    def __init__(self, tree: Tree) -> None:
        self._known: dict[str, str] = {}
        self._bound = bound_in_module(tree.module)
        self._tried: dict[str, str] = {}
        """The same of imports that `try` runs: what they import may be missing."""
        self._module = tree.module
        for line in tree.module.body:
            if isinstance(line, cst.SimpleStatementLine):
                for small in line.body:
                    self._learn(small, self._known)
            elif isinstance(line, cst.Try):
                for inner in line.body.body:
                    for small in inner.body if isinstance(inner, cst.SimpleStatementLine) else ():
                        self._learn(small, self._tried)

    def _learn(self, small: cst.BaseSmallStatement, known: dict[str, str]) -> None:
        if isinstance(small, cst.Import):
            for alias in small.names:
                name = get_full_name_for_node(alias.name) or ""
                if alias.asname is None:
                    # `import torch.nn` makes `torch` known, and `torch.nn` spells itself.
                    known.setdefault(name, name)
                    known.setdefault(name.partition(".")[0], name.partition(".")[0])
                elif isinstance(alias.asname.name, cst.Name):
                    known[name] = alias.asname.name.value
        elif isinstance(small, cst.ImportFrom) and not small.relative and small.module is not None:
            module = get_full_name_for_node(small.module) or ""
            if isinstance(small.names, cst.ImportStar):
                return
            for alias in small.names:
                asname = alias.asname.name if alias.asname else alias.name
                if isinstance(asname, cst.Name):
                    name = get_full_name_for_node(alias.name) or ""
                    known[f"{module}.{name}"] = asname.value

    def deepcopy(self, function: cst.FunctionDef, edits: Edits) -> str:
        """How to write `copy.deepcopy` inside `function`; notes the import when it is missing."""
        local = bound_in(function)
        for spelled in self._spellings("copy.deepcopy"):
            if not local[spelled.partition(".")[0]]:
                return spelled
        for line, name in (("import copy", "copy"), ("from copy import deepcopy", "deepcopy")):
            if not self._bound[name] and not local[name]:
                edits.imports.add(line)
                return f"{name}.deepcopy" if name == "copy" else name
        raise Refused("the names `copy` and `deepcopy` both mean something else in this file")

    def torch_nn(self, what: str, function: cst.FunctionDef, edits: Edits) -> str:
        """How to write `torch.nn.<what>` inside `function`; notes the import when it is missing."""
        local = bound_in(function)
        for spelled in self._spellings(f"torch.nn.{what}"):
            if not local[spelled.partition(".")[0]]:
                return spelled
        if self._bound["nn"] or local["nn"]:
            raise Refused("the name `nn` means something other than torch.nn in this file")
        edits.imports.add("from torch import nn")
        return f"nn.{what}"

    def quant_stub(self, function: cst.FunctionDef, edits: Edits) -> str:
        """How to write a class of QuantStubs inside `function`: as the file does, else the plugin's, whose
        import is noted."""
        local = bound_in(function)
        for home in STUB_HOMES:
            for spelled in self._spellings(f"{home}.QuantStub", {**self._tried, **self._known}, 2):
                if not local[spelled.partition(".")[0]]:
                    return spelled
        if self._bound["QuantStub"] or local["QuantStub"]:
            raise Refused("the name `QuantStub` means something other than the plugin's in this file")
        edits.imports.add(f"from {STUB_HOMES[0]} import QuantStub")
        return "QuantStub"

    def dynamic_block(self, function: cst.FunctionDef, tracer: str, edits: Edits) -> str:
        """How to write the plugin's `dynamic_block` inside `function`; notes a missing import of `tracer`.

        Ends in `.dynamic_block` where it takes a module and a name.
        """
        local = bound_in(function)
        for dotted in (f"{tracer}.dynamic_block", f"{JIT}.Tracer.dynamic_block", f"{JIT}.dynamic_block"):
            # `import horizon_plugin_pytorch` alone does not say that its parts are there, too.
            module = dotted.removesuffix(".dynamic_block").removesuffix(".Tracer").count(".")
            for spelled in self._spellings(dotted, {**self._tried, **self._known}, module + 1):
                if not local[spelled.partition(".")[0]]:
                    return spelled
        for name in _entered(self._module):
            # From wherever it comes: the file enters blocks with it.
            if self._bound[name] and not local[name]:
                return f"{name}.dynamic_block"
        name = tracer.rpartition(".")[2]
        if local[name] or self._bound[name]:
            name = f"Horizon{name}"  # theirs means something else
        if local[name]:
            raise Refused(f"the name `{name}` means something other than the plugin's in this function")
        self.add_tracer(tracer, name, edits)
        return f"{name}.dynamic_block"

    def add_tracer(self, tracer: str, name: str, edits: Edits) -> None:
        """Note an import that gives `name` the meaning `tracer`. Raises `Refused`."""
        if self._bound[name]:
            raise Refused(f"the name `{name}` means something other than the plugin's in this file")
        module, _, last = tracer.rpartition(".")
        edits.imports.add(f"from {module} import {last}" + (f" as {name}" if name != last else ""))

    def _spellings(self, dotted: str, known: dict[str, str] | None = None, least: int = 1) -> list[str]:
        """Ways to write `dotted` with what is imported; the whole name first, then its modules
        that have at least `least` parts.

        A name that is bound more than once may mean something else by then and is not used.
        """
        found = []
        parts = dotted.split(".")
        for length in range(len(parts), least - 1, -1):
            local = (self._known if known is None else known).get(".".join(parts[:length]))
            if local is not None and self._bound[local.partition(".")[0]] >= 1:
                found.append(".".join([local, *parts[length:]]))
        return found


def _entered(module: cst.Module) -> list[str]:
    """Names in `with Name.dynamic_block(`."""
    found: dict[str, None] = {}
    for node in walk(module):
        for item in node.items if isinstance(node, cst.With) else ():
            called = item.item.func if isinstance(item.item, cst.Call) else None
            if isinstance(called, cst.Attribute) and called.attr.value == "dynamic_block":
                if isinstance(called.value, cst.Name):
                    found[called.value.value] = None
    return list(found)


def insert_import(module: cst.Module, line: str) -> cst.Module:
    """Put an import where it belongs in the first block of imports.

    The standard library comes first, sorted, in a group of its own; other imports go to the end of the
    block. Without any import, the line follows the docstring and the `__future__` imports.
    """
    body = list(module.body)
    new = cst.ensure_type(
        cst.parse_statement(line, config=module.config_for_parsing), cst.SimpleStatementLine
    )
    start = _first_place(body)
    stop = start
    while stop < len(body) and _modules_of(body[stop]):
        stop += 1
    if start == stop:
        above = [_blank()] if start else []
        below = [] if start else [_blank(), _blank()]
        return module.with_changes(body=_put(body, start, new.with_changes(leading_lines=above), below))
    if not _is_stdlib(new):
        return module.with_changes(body=[*body[:stop], new, *body[stop:]])
    group = _first_group(body[start:stop])
    if not all(_is_stdlib(statement) for statement in group):
        return module.with_changes(body=_put(body, start, new, [_blank()]))
    later = [k for k, statement in enumerate(group) if _sort_key(statement) > _sort_key(new)]
    place = start + (later[0] if later else len(group))
    if place > start:
        return module.with_changes(body=[*body[:place], new, *body[place:]])
    return module.with_changes(body=_put(body, place, new, []))


def _put(
    body: Sequence[_Statement], place: int, new: cst.SimpleStatementLine, below: list[cst.EmptyLine]
) -> list[_Statement]:
    """Insert `new` before the statement at `place`: blank lines above that one stay above `new`."""
    following = body[place]
    lines = list(following.leading_lines)
    blank = next((k for k, empty in enumerate(lines) if empty.comment is not None), len(lines))
    if isinstance(following, cst.SimpleStatementLine) and _modules_of(following):
        new = new.with_changes(leading_lines=lines[:blank])
        lines = lines[blank:]
    following = following.with_changes(leading_lines=[*below, *lines])
    return [*body[:place], new, following, *body[place + 1 :]]


def _first_place(body: Sequence[_Statement]) -> int:
    """Index of the first statement after the docstring and the `__future__` imports."""
    place = 0
    for position, statement in enumerate(body):
        if not isinstance(statement, cst.SimpleStatementLine):
            break
        first = statement.body[0]
        is_docstring = (
            position == 0
            and isinstance(first, cst.Expr)
            and isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)
        )
        if not is_docstring and _modules_of(statement) != ["__future__"]:
            break
        place = position + 1
    return place


def _first_group(block: Sequence[_Statement]) -> Sequence[_Statement]:
    """The imports up to the first blank line or comment between two of them."""
    for position, statement in enumerate(block[1:], start=1):
        if isinstance(statement, cst.SimpleStatementLine) and statement.leading_lines:
            return block[:position]
    return block


def _modules_of(statement: cst.BaseStatement) -> list[str]:
    """Dotted names of the modules that a line of imports names; empty for any other statement."""
    if not isinstance(statement, cst.SimpleStatementLine):
        return []
    found: list[str] = []
    for small in statement.body:
        if isinstance(small, cst.Import):
            found.extend(get_full_name_for_node(alias.name) or "" for alias in small.names)
        elif isinstance(small, cst.ImportFrom):
            name = get_full_name_for_node(small.module) if small.module is not None else ""
            found.append("." * len(small.relative) + (name or ""))
        else:
            return []
    return found


def _is_stdlib(statement: cst.BaseStatement) -> bool:
    return all(name.partition(".")[0] in sys.stdlib_module_names for name in _modules_of(statement))


def _sort_key(statement: cst.BaseStatement) -> tuple[bool, str]:
    """Plain imports before `from` imports, each by module, as isort and ruff sort them."""
    plain = isinstance(statement, cst.SimpleStatementLine) and isinstance(statement.body[0], cst.Import)
    return (not plain, _modules_of(statement)[0])


def _blank() -> cst.EmptyLine:
    return cst.EmptyLine(indent=False)
