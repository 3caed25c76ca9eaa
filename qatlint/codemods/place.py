"""Where in the method that makes a module a further statement may stand."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from qatlint.codemods.bindings import Binding
from qatlint.codemods.locate import Tree, method_of, self_attribute, self_name, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_by

_MUTATORS = frozenset("append extend insert pop clear remove update add_module register_module".split())


class Placement:
    """Judges places behind one binding of an attribute."""

    def __init__(self, file: OpenedFile, cls: cst.ClassDef, attribute: str, binding: Binding) -> None:
        self._tree = file.tree
        self._mentioned = file.mentions
        self._cls = cls
        self._attribute = attribute
        self._binding = binding
        self._method = binding.method

    def after(self, needs: frozenset[str], *, tied: bool) -> cst.BaseStatement | None:
        """The statement behind which a clone may be made: the binding itself, or a later one of its block.

        A clone that counts turns needs the attributes `needs`. A tied clone copies what the original is
        at that moment, so it comes after whatever the method still does to the original. None means
        right behind the binding in its one-line suite. Raises `Refused`.
        """
        last: cst.CSTNode = self._binding.holder
        for need in sorted(needs):
            last = self._later(last, self._last_use(need))
        if tied:
            last = self._later(last, self._last_change())
        if last is self._binding.holder and isinstance(last, cst.SimpleStatementSuite):
            return None
        assert isinstance(last, cst.BaseStatement)
        return last

    def between(self, last: cst.BaseStatement | None) -> list[cst.BaseStatement]:
        """The statements of the block behind the binding, up to and with `last`."""
        if last is None or last is self._binding.holder:
            return []
        body = self._block()
        first = next(k for k, s in enumerate(body) if s is self._binding.holder)
        stop = next(k for k, s in enumerate(body) if s is last)
        return body[first + 1 : stop + 1]

    def refuse_rebinding(self, value: cst.BaseExpression, last: cst.BaseStatement | None) -> None:
        """Refuse when a name that `value` reads gets another value on the way to `last`."""
        between = self.between(last)
        for node in walk(value):
            if isinstance(node, cst.Name) and any(node.value in bound_by(s) for s in between):
                raise Refused(f"`{node.value}` changes before `{self._attribute}` could be made again")
            attribute = self_attribute(node, self._binding.receiver)
            if attribute and any(self._stores(n, attribute) for s in between for n in walk(s)):
                raise Refused(f"`self.{attribute}` changes before `{self._attribute}` could be made again")

    def _block(self) -> list[cst.BaseStatement]:
        parent = self._tree.parent(self._binding.holder)
        if not isinstance(parent, cst.IndentedBlock):
            raise Refused(f"`{self._attribute}` is not made on a line of its own")
        return list(parent.body)

    def _later(self, one: cst.CSTNode, other: cst.CSTNode | None) -> cst.CSTNode:
        return other if other is not None and self._tree.before(one, other) else one

    def _in_block(self, node: cst.CSTNode) -> cst.BaseStatement | None:
        """The statement of the binding's block that holds `node`; None when it stands elsewhere."""
        if isinstance(self._binding.holder, cst.SimpleStatementSuite):
            return None
        return next((s for s in self._block() if self._tree.contains(s, node)), None)

    def _behind(self, node: cst.CSTNode) -> bool:
        return self._tree.before(self._binding.holder, node) and not self._tree.contains(
            self._binding.holder, node
        )

    def _last_use(self, need: str) -> cst.BaseStatement | None:
        """The last statement of the block that has to do with `self.<need>`."""
        stores = [n for n in self._mentions(self._cls, need) if self._stores(n, need)]
        if not any(method_of(self._tree, self._cls, n) is self._method for n in stores):
            self._refuse_made_elsewhere(need, stores)
            return None
        self._refuse_changed_elsewhere(need)
        if any(method_of(self._tree, self._cls, n) is not self._method for n in stores):
            raise Refused(f"`self.{need}` is assigned outside of `{self._method.name.value}`, too")
        names = {need, *self._aliases(need)}
        last: cst.BaseStatement | None = None
        for node in walk(self._method):
            name = node.value if isinstance(node, cst.Name) else self_attribute(node, self._binding.receiver)
            if name not in names or not self._behind(node) or not self._is_use(node, need):
                continue
            statement = self._in_block(node)
            if statement is not None:
                last = statement
            elif self._stores(node, need) or self._mutates(node):
                raise Refused(
                    f"`self.{need}` is still made after the branch in which `{self._attribute}` is made"
                )
        return last

    def _is_use(self, node: cst.CSTNode, need: str) -> bool:
        """A mention of the attribute, or of a local name that it was given under (not of its own name)."""
        if isinstance(node, cst.Name):
            return node.value in self._aliases(need)
        return isinstance(node, cst.Attribute)

    def _aliases(self, need: str) -> set[str]:
        """Local names whose value `self.<need>` is: a list that may still grow under that name."""
        found = set()
        for node in walk(self._method):
            if isinstance(node, cst.Assign) and isinstance(node.value, cst.Name):
                if any(self_attribute(t.target, self._binding.receiver) == need for t in node.targets):
                    found.add(node.value.value)
        return found

    def _refuse_made_elsewhere(self, need: str, stores: list[cst.CSTNode]) -> None:
        """`self.<need>` is not assigned in the maker: it must be there before the maker runs."""
        refusal = Refused(f"`self.{need}` is not available where `{self._attribute}` is made")
        self._refuse_changed_elsewhere(need)
        methods = {method_of(self._tree, self._cls, n) for n in stores} - {None}
        if not methods:
            in_body = any(need in bound_by(s) for s in self._cls.body.body)
            if not in_body and not _has_own_base(self._cls):
                raise refusal
            return
        if len(methods) > 1 or self._method.name.value == "__init__":
            raise refusal
        (method,) = methods
        if method is None or method.name.value != "__init__":
            raise refusal
        receiver = self_name(method)
        calls = [
            n
            for n in walk(method)
            if isinstance(n, cst.Call) and self_attribute(n.func, receiver) == self._method.name.value
        ]
        # Called by a base class, the maker may run at any time.
        if not calls or any(not self._tree.before(n, calls[0]) for n in stores):
            raise refusal

    def _refuse_changed_elsewhere(self, need: str) -> None:
        for node in self._mentions(self._cls, need):
            if method_of(self._tree, self._cls, node) is not self._method and self._mutates(node):
                raise Refused(f"`self.{need}` is changed outside of `{self._method.name.value}`")
        for node in self._mentioned.attributes(need):
            if self._stores(node, need):
                if not (isinstance(node.value, cst.Name) and node.value.value in ("self", "cls")):
                    if self_attribute(node, self_name(self._method)) is None:
                        raise Refused(f"`{self._tree.short(node)}` is assigned from outside the class")

    def _last_change(self) -> cst.BaseStatement | None:
        """The last statement of the block that mentions the original."""
        last: cst.BaseStatement | None = None
        for node in self._mentions(self._method, self._attribute):
            if not self._behind(node) or self._stores(node, self._attribute):
                continue
            statement = self._in_block(node)
            if statement is not None:
                last = statement
            elif changes_below(self._tree, node) or isinstance(self._tree.parent(node), cst.Arg):
                raise Refused(f"`{self._attribute}` is changed after the branch in which it is made")
        return last

    def _mentions(self, root: cst.CSTNode, attribute: str) -> Iterator[cst.CSTNode]:
        for node in walk(root):
            if isinstance(node, cst.Attribute) and node.attr.value == attribute:
                method = method_of(self._tree, self._cls, node)
                if method is not None and self_attribute(node, self_name(method)) == attribute:
                    yield node

    def _stores(self, node: cst.CSTNode, attribute: str) -> bool:
        """Whether `node` is `self.<attribute>` where it is assigned."""
        if not isinstance(node, cst.Attribute) or node.attr.value != attribute:
            return False
        parent = self._tree.parent(node)
        if isinstance(parent, cst.Element):
            parent = self._tree.parent(self._tree.parent(parent))
        if isinstance(parent, cst.AssignTarget):
            return True
        return isinstance(parent, cst.AugAssign | cst.AnnAssign | cst.For) and parent.target is node

    def _mutates(self, node: cst.CSTNode) -> bool:
        parent = self._tree.parent(node)
        if isinstance(parent, cst.AugAssign):
            return parent.target is node
        if isinstance(parent, cst.Attribute) and parent.value is node and parent.attr.value in _MUTATORS:
            return isinstance(self._tree.parent(parent), cst.Call)
        return False


def changes_below(tree: Tree, node: cst.CSTNode) -> bool:
    """Whether something below `node` is assigned or deleted: `self.conv.weight = w`, `del self.a[0]`."""
    child = node
    parent = tree.parent(node)
    depth = 0
    while isinstance(parent, cst.Attribute | cst.Subscript) and parent.value is child:
        child, parent, depth = parent, tree.parent(parent), depth + 1
    if not depth:
        return False
    if isinstance(parent, cst.Element):
        parent = tree.parent(tree.parent(parent))
    if isinstance(parent, cst.AssignTarget | cst.Del):
        return True
    return isinstance(parent, cst.AugAssign | cst.AnnAssign | cst.For) and parent.target is child


def _has_own_base(cls: cst.ClassDef) -> bool:
    """Whether the class inherits from something else than torch's Module."""
    names = []
    for arg in cls.bases:
        base = arg.value
        names.append(base.attr.value if isinstance(base, cst.Attribute) else getattr(base, "value", ""))
    return any(name not in ("Module", "object") for name in names)
