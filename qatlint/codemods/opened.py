"""A file opened for rewriting: its tree and what is known about its names."""

from __future__ import annotations

from collections import Counter

import libcst as cst

from qatlint.codemods.imports import Imports
from qatlint.codemods.locate import Tree, walk
from qatlint.codemods.mentions import Mentions
from qatlint.codemods.names import Names
from qatlint.codemods.numbering import Numbering
from qatlint.codemods.purity import Purity
from qatlint.codemods.scope import bound_in_module


class OpenedFile:
    """What all rewrites of one file share."""

    def __init__(self, text: str) -> None:
        """Parse `text`. Raises `Refused`."""
        self.tree = Tree(text)
        self._purity: dict[cst.FunctionDef, Purity] = {}
        self._names: dict[cst.ClassDef, Names] = {}
        self._locals: dict[cst.FunctionDef, set[str]] = {}
        self.mentions = Mentions(self.tree.module)
        self.imports = Imports(self.tree)
        self.bound: Counter[str] = bound_in_module(self.tree.module)
        self.quote = _quote(self.tree.module)
        self.numbering = Numbering(text)

    def names_for(self, cls: cst.ClassDef) -> Names:
        """The names of a class; those given out to it or its kin stay taken for all rewrites of this file."""
        if cls not in self._names:
            names = Names(self.mentions, cls)
            for kin in self.mentions.kin(cls):
                if kin in self._names:
                    names.share(self._names[kin])
            self._names[cls] = names
        return self._names[cls]

    def locals_in(self, method: cst.FunctionDef) -> set[str]:
        """The names that a method mentions. Those given out since belong there, too."""
        if method not in self._locals:
            self._locals[method] = {n.value for n in walk(method) if isinstance(n, cst.Name)}
        return self._locals[method]

    def purity_in(self, cls: cst.ClassDef, method: cst.FunctionDef) -> Purity:
        """The judge of expressions in a method of `cls`."""
        if method not in self._purity:
            self._purity[method] = Purity(self.tree, cls, method)
        return self._purity[method]

    def statement(self, text: str) -> cst.BaseStatement:
        """Parse one statement, its lines separated by a newline, for insertion into this file."""
        newline = self.tree.module.default_newline
        text = text.replace("\r\n", "\n").replace("\n", newline) if newline != "\n" else text
        parsed = cst.parse_statement(text, config=self.tree.module.config_for_parsing)
        assert isinstance(parsed, cst.BaseStatement)
        return parsed

    def expression(self, text: str) -> cst.BaseExpression:
        """Parse an expression for insertion into this file."""
        return cst.parse_expression(text, config=self.tree.module.config_for_parsing)


def _quote(module: cst.Module) -> str:
    """The quotation mark that the file uses most."""
    counts = Counter(n.quote for n in walk(module) if isinstance(n, cst.SimpleString))
    return "'" if counts["'"] > counts['"'] else '"'


class _WithoutComments(cst.CSTTransformer):
    def leave_TrailingWhitespace(  # noqa: N802  # the name that libcst calls
        self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        if updated_node.comment is None:
            return updated_node
        return updated_node.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))

    def leave_EmptyLine(  # noqa: N802
        self, original_node: cst.EmptyLine, updated_node: cst.EmptyLine
    ) -> cst.EmptyLine | cst.RemovalSentinel:
        return updated_node if updated_node.comment is None else cst.RemoveFromParent()


def without_comments(node: cst.BaseExpression) -> cst.BaseExpression:
    """The same expression without the comments on its lines: they are about the first copy."""
    stripped = node.visit(_WithoutComments())
    assert isinstance(stripped, cst.BaseExpression)
    return stripped
