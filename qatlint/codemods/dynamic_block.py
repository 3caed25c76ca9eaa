"""Put statements of a loop or branch into `with Tracer.dynamic_block(self, "name"):`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import libcst as cst

from qatlint.codemods.edits import Edits
from qatlint.codemods.locate import Tree, method_of, own_class, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.finding import BlockSite, WrapInBlock
from qatlint.trace import Span

_Home = cst.For | cst.While | cst.If | cst.With | cst.Try | cst.Match | cst.MatchCase
_Body = cst.IndentedBlock | cst.SimpleStatementSuite
_SHORT = re.compile(r"[A-Z][a-z][A-Z](?=[A-Z][a-z]|$|_)")
"""`RoI`, `IoU`: one word of three letters."""
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])")


def plan_blocks(file: OpenedFile, intent: WrapInBlock) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    tree, edits = file.tree, Edits()
    found = [(site, _home(tree, site.home)) for site in intent.sites]
    cls = own_class(tree, found[0][1])
    for site, home in found:
        method = method_of(tree, cls, home)
        if method is None:
            raise Refused("the code does not stand in a method")
        body = _body(tree, home, site.branch)
        runs = _runs(tree, body, site)
        spelled = file.imports.dynamic_block(method, intent.tracer, edits)
        heads = [
            entering(spelled, intent.receiver, block_name(file, cls, method, intent.prefix)) for _ in runs
        ]
        items = [cst.WithItem(file.expression(head)) for head in heads]
        edits.wrap.setdefault(body, {}).update(zip(runs, items, strict=True))
    return edits, cls


def entering(spelled: str, receiver: str, name: str) -> str:
    """The call that enters a block; the unnamed form takes no arguments."""
    return f"{spelled}({receiver}, {name})" if spelled.endswith(".dynamic_block") else f"{spelled}()"


def block_name(file: OpenedFile, cls: cst.ClassDef, method: cst.FunctionDef, prefix: str = "") -> str:
    """A literal that becomes `"<class>_<method>_<n>"`, which nothing in the file has yet; `prefix` comes
    first."""
    base = "_".join(map(_snake, filter(None, (prefix, cls.name.value, method.name.value))))
    return f"{file.quote}{file.numbering.take(file.names_for(cls), base)}{file.quote}"


def _home(tree: Tree, span: Span) -> _Home:
    for node in walk(tree.module):
        if isinstance(node, _Home):
            # A `case` is known by its pattern.
            if tree.begins_at(node.pattern if isinstance(node, cst.MatchCase) else node, span):
                return node
    raise Refused(f"no loop or branch was found at line {span.line}")


def _body(tree: Tree, home: _Home, branch: str) -> cst.BaseSuite:
    if branch == "rest":
        around = tree.parent(home)
        if not isinstance(around, cst.IndentedBlock):
            raise Refused("an `elif` that returns has nothing behind it; write `else:` and `if` instead")
        return around
    if isinstance(home, cst.Match):
        raise Refused("a `match` has no statements of its own")
    if branch not in ("else", "unbroken"):
        return home.body
    if isinstance(home, cst.With | cst.MatchCase) or not isinstance(home.orelse, cst.Else):
        raise Refused("an `elif` has no statements to put into a block; write `else:` and `if` instead")
    return home.orelse.body


def _statements(body: cst.BaseSuite) -> Sequence[cst.BaseStatement | cst.BaseSmallStatement]:
    return body.body if isinstance(body, _Body) else ()


def _runs(tree: Tree, body: cst.BaseSuite, site: BlockSite) -> list[range]:
    """Which statements go into a block together: from the first that is wanted to the last, but those apart
    stay outside."""
    statements = _statements(body)
    if isinstance(body, cst.SimpleStatementSuite):
        wanted, apart, leaving = set(range(len(statements))), set[int](), set[int]()
    else:
        wanted = {k for k, s in enumerate(statements) if any(_holds(tree, s, w) for w in site.statements)}
        leaving = {k for k, s in enumerate(statements) if any(_holds(tree, s, a) for a in site.leaving)}
        apart = {k for k, s in enumerate(statements) if any(_holds(tree, s, a) for a in site.apart)}
        apart |= leaving - wanted
    runs: list[range] = []
    for k in sorted(wanted - apart):
        if runs and not apart & set(range(runs[-1].stop, k)) and runs[-1].stop - 1 not in leaving:
            runs[-1] = range(runs[-1].start, k + 1)
        else:
            runs.append(range(k, k + 1))
    if not runs:
        raise Refused("no statement of its own was found to put into a block")
    return runs


def _holds(tree: Tree, statement: cst.CSTNode, span: Span) -> bool:
    first, last = tree.lines(statement)
    return first <= span.line <= last


def _snake(name: str) -> str:
    """`BEVFormer` -> `bev_former`, `RoIHead` -> `roi_head`, `_forward` -> `forward`."""
    short = _SHORT.sub(lambda found: found[0].capitalize(), name)
    return _WORD.sub("_", short).lower().strip("_")
