"""Quantise one tensor: a QuantStub in the constructor, and one use of it."""

from __future__ import annotations

import re

import libcst as cst

from qatlint.codemods.edits import Edits, Rewrite, always
from qatlint.codemods.locate import Tree, method_of, own_class, self_attribute, self_name, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.finding import AddQuantStub

_PREFIX = "quant_"
_HOMES = ("self", "torch", "F")
"""What stands before a name and says nothing of what it is."""
_WORD = re.compile(r"[A-Za-z_]\w*")


def plan_stub(file: OpenedFile, intent: AddQuantStub) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    node = _parameter(tree, intent) if intent.parameter else tree.expression(intent.target)
    cls = own_class(tree, node)
    method = method_of(tree, cls, node)
    receiver = self_name(method) if method is not None else None
    if method is None or receiver is None:
        raise Refused("`self` is not available where the tensor is used")
    for around in tree.ancestors(node):
        if around is method:
            break
        if isinstance(around, cst.Lambda | cst.FunctionDef | cst.CompFor):
            raise Refused("the tensor is used in a function inside the method, or in a comprehension")
    names = file.names_for(cls)
    names.reserve(intent.taken)
    name = names.take(_PREFIX + _name(tree, node, intent.hint))
    _make(file, cls, method, name, edits)
    stub = file.expression(f"{receiver}.{name}")
    if intent.others:
        _in_front(file, method, [tree.expression(span) for span in intent.others], stub, edits)
    elif intent.parameter:
        text = f"{intent.parameter} = {receiver}.{name}({intent.parameter})"
        edits.replace[method.body] = _first(file.statement(text))
    else:
        edits.replace[node] = _wrapped(stub)
    return edits, cls


def _make(file: OpenedFile, cls: cst.ClassDef, method: cst.FunctionDef, name: str, edits: Edits) -> None:
    """A line of the constructor that makes the stub; a constructor, where there is none."""
    maker = next((s for s in cls.body.body if _is_constructor(s)), None)
    if maker is None:
        spelled = file.imports.quant_stub(method, edits)
        edits.insert_before(_first_method(cls), _constructor(file, cls, f"self.{name} = {spelled}()"))
        edits.replace[cls.name] = always(cls.name)  # one constructor at a time
        return
    if not isinstance(maker, cst.FunctionDef) or maker is method:
        raise Refused(f"the QuantStub cannot be made in the `__init__` of `{cls.name.value}`")
    owner = self_name(maker)
    line = _place(file.tree, maker, owner)
    spelled = file.imports.quant_stub(maker, edits)
    edits.insert_after(line, file.statement(f"{owner}.{name} = {spelled}()"))


def _first_method(cls: cst.ClassDef) -> cst.FunctionDef:
    return next(s for s in cls.body.body if isinstance(s, cst.FunctionDef))


def _constructor(file: OpenedFile, cls: cst.ClassDef, statement: str) -> cst.BaseStatement:
    """One that hands on what it is given."""
    head = "def __init__(self, *args, **kwargs):"
    body = ["super().__init__(*args, **kwargs)", statement]
    indent = file.tree.module.default_indent
    made = file.statement("\n".join([head, *(indent + line for line in body), ""]))
    is_first = isinstance(cls.body.body[0], cst.FunctionDef)
    return made if is_first else made.with_changes(leading_lines=[cst.EmptyLine(indent=False)])


def _in_front(
    file: OpenedFile,
    method: cst.FunctionDef,
    uses: list[cst.BaseExpression],
    stub: cst.BaseExpression,
    edits: Edits,
) -> None:
    """A variable in front of the loops around `uses`, with what the stub makes of the attribute."""
    tree = file.tree
    written = tree.code(uses[0])
    receiver = self_name(method)
    if any(tree.code(use) != written or not _is_of(use, receiver) for use in uses):
        raise Refused(f"`{written}` is not written alike wherever it is used")
    if any(isinstance(n, _STORES) and tree.code(t) == written for n in walk(method) for t in _targets(n)):
        raise Refused(f"`{written}` is assigned in the method")
    base = _attribute_name(uses[0])
    taken = _variables(method)
    name = next(n for n in (base, f"{base}_quant", *(f"{base}_{k}" for k in range(1, 100))) if n not in taken)
    line = _before_all(tree, method, uses)
    edits.insert_before(line, file.statement(f"{name} = {file.tree.code(stub)}({written})"))
    for use in uses:
        edits.replace[use] = always(file.expression(name))


def _variables(method: cst.FunctionDef) -> set[str]:
    """The names of variables, and of all else that is written without a dot before it."""
    attributes = {n.attr for n in walk(method) if isinstance(n, cst.Attribute)}
    return {n.value for n in walk(method) if isinstance(n, cst.Name) and n not in attributes}


_STORES = (cst.Assign, cst.AugAssign, cst.AnnAssign)


def _targets(node: cst.CSTNode) -> list[cst.BaseExpression]:
    if isinstance(node, cst.Assign):
        return [target.target for target in node.targets]
    return [node.target] if isinstance(node, cst.AugAssign | cst.AnnAssign) else []


def _is_of(node: cst.BaseExpression, receiver: str | None) -> bool:
    """Whether it is an attribute of `self`, or of one."""
    while isinstance(node, cst.Attribute):
        node = node.value
    return isinstance(node, cst.Name) and node.value == receiver


def _before_all(tree: Tree, method: cst.FunctionDef, uses: list[cst.BaseExpression]) -> cst.CSTNode:
    """The innermost statement in no loop of the method that stands at or in front of all of them, in a body
    that is around all of them."""
    chains = []
    for use in uses:
        around = [use, *tree.ancestors(use)]
        around = around[: around.index(method)]
        loops = [n for n, node in enumerate(around) if isinstance(node, cst.For | cst.While)]
        chains.append(around[loops[-1] if loops else 0 :])
    for node in chains[0]:
        block = tree.parent(node)
        if isinstance(block, cst.IndentedBlock) and all(block in chain for chain in chains):
            return next(s for s in block.body if any(s in chain for chain in chains))
    raise Refused("no line was found in front of all that use it")


def _is_constructor(statement: cst.CSTNode) -> bool:
    return isinstance(statement, cst.FunctionDef) and statement.name.value == "__init__"


def _wrapped(stub: cst.BaseExpression) -> Rewrite:
    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        assert isinstance(node, cst.BaseExpression)
        inner = node.with_changes(lpar=[], rpar=[]) if len(node.lpar) == 1 else node
        return cst.Call(stub, [cst.Arg(inner)])

    return rewrite


def _first(new: cst.BaseStatement) -> Rewrite:
    """A statement put before all others of a body, behind the docstring."""

    def rewrite(node: cst.CSTNode) -> cst.CSTNode:
        if isinstance(node, cst.SimpleStatementSuite):  # the method is written on one line
            line = cst.SimpleStatementLine(node.body, trailing_whitespace=node.trailing_whitespace)
            return cst.IndentedBlock([new, line])
        assert isinstance(node, cst.IndentedBlock)
        at = 1 if _is_docstring(node.body[0]) else 0
        return node.with_changes(body=[*node.body[:at], new, *node.body[at:]])

    return rewrite


def _is_docstring(statement: cst.CSTNode) -> bool:
    if not isinstance(statement, cst.SimpleStatementLine):
        return False
    first = statement.body[0]
    return isinstance(first, cst.Expr) and isinstance(first.value, cst.SimpleString | cst.ConcatenatedString)


def _place(tree: Tree, maker: cst.FunctionDef, owner: str | None) -> cst.SimpleStatementLine:
    """The line of the constructor behind which the stub is made: the last that makes a QuantStub, else the
    one that runs the base's."""
    stubs = base = None
    for line in maker.body.body:
        if not isinstance(line, cst.SimpleStatementLine):
            continue
        for small in line.body:
            if isinstance(small, cst.Assign) and self_attribute(small.targets[0].target, owner) is not None:
                if "QuantStub(" in tree.code(small) and "DeQuantStub(" not in tree.code(small):
                    stubs = line
            elif isinstance(small, cst.Expr) and "__init__(" in tree.code(small):
                base = line
    found = stubs or base
    if found is None or owner is None:
        raise Refused("no line of the constructor runs that of the base class")
    return found


def _parameter(tree: Tree, intent: AddQuantStub) -> cst.Param:
    for node in walk(tree.module):
        if isinstance(node, cst.Param) and tree.begins_at(node, intent.target):
            return node
    raise Refused(f"no parameter was found at line {intent.target.line}")


def _name(tree: Tree, node: cst.CSTNode, hint: str) -> str:
    """What to call the tensor: by its own name, or by that of the variable it is assigned to."""
    if isinstance(node, cst.Param):
        return node.name.value
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        return _attribute_name(node)
    parent = tree.parent(node)
    if isinstance(parent, cst.Assign) and len(parent.targets) == 1:
        target = parent.targets[0].target
        if isinstance(target, cst.Name):
            return target.value
    if "(" in hint or hint.startswith("self."):
        # Not what an expression happens to mention: what is called, or whose method is.
        peeled = _peeled(node)
        if peeled and len(peeled) < 30:
            return peeled
    inside = [n for n in walk(node) if isinstance(n, cst.SimpleString)]
    words = _WORD.findall(inside[0].value) if isinstance(node, cst.Subscript) and inside else []
    words = words or [w for w in _WORD.findall(hint) if w not in ("self", "torch")]
    return words[-1] if words and len(words[-1]) < 30 else "constant"


def _attribute_name(node: cst.BaseExpression) -> str:
    """`query` of `self.query`, and of `self.query.weight`."""
    names = []
    while isinstance(node, cst.Attribute):
        names.append(node.attr.value)
        node = node.value
    return next((name for name in names if name not in ("weight", "data")), names[0] if names else "constant")


def _peeled(node: cst.CSTNode) -> str:
    """`table` of `self.table(4)`, `q` of `q.permute(0, 2, 1) * 2`, `zeros` of `torch.zeros(n)`; "" where
    there is no name."""
    while True:
        if isinstance(node, cst.BinaryOperation):
            node = node.left
        elif isinstance(node, cst.UnaryOperation):
            node = node.expression
        elif isinstance(node, cst.Call):
            node = node.func
        elif isinstance(node, cst.Subscript):
            node = node.value
        elif isinstance(node, cst.Attribute):
            if isinstance(node.value, cst.Name) and node.value.value in _HOMES:
                return node.attr.value
            node = node.value
        else:
            return node.value if isinstance(node, cst.Name) else ""
