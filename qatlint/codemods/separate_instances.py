"""Where one instance has several names or places, make one instance for each.

The first use keeps the original, unless it stands where it is repeated (`[act] * 3`, a loop).
"""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from qatlint.codemods.constructor import written_again
from qatlint.codemods.edits import Edits, always
from qatlint.codemods.locate import COMPREHENSIONS, method_of, own_class, self_attribute, self_name, walk
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_in
from qatlint.codemods.tied import tied_copy
from qatlint.finding import SeparateInstances


def plan_separation(file: OpenedFile, intent: SeparateInstances) -> tuple[Edits, cst.ClassDef]:
    """The edits that carry out `intent`, and the class they are in. Raises `Refused`."""
    plan = _Plan(file, intent)
    plan.make()
    return plan.edits, plan.cls


@dataclass(frozen=True, slots=True)
class _Repetition:
    """`[act] * 3`."""

    whole: cst.BinaryOperation
    display: cst.List | cst.Tuple
    count: cst.BaseExpression


class _Plan:
    def __init__(self, file: OpenedFile, intent: SeparateInstances) -> None:
        self.edits = Edits()
        self._file = file
        self._tree = file.tree
        self._tied = intent.tied
        if intent.definition.path != intent.path or any(u.path != intent.path for u in intent.uses):
            raise Refused("the instance is made in another file than it is used")
        self._definition = self._tree.expression(intent.definition)
        self.cls = own_class(self._tree, self._definition)
        maker = method_of(self._tree, self.cls, self._definition)
        if maker is None:
            raise Refused("the instance is made in the class body, for all instances of the class")
        self._maker = maker
        self._uses = [self._tree.expression(span) for span in intent.uses]
        for use in self._uses:
            if own_class(self._tree, use) is not self.cls:
                raise Refused("the instance is used in another class than it is made")
            if method_of(self._tree, self.cls, use) is not maker:
                raise Refused(f"the instance is used outside of `{maker.name.value}`, which makes it")
        self._text = self._tree.short(self._definition)

    def make(self) -> None:
        """Fill `edits`. Raises `Refused`."""
        targets = self._several_targets()
        if targets is not None:
            self._split(*targets)
        single = [use for use in self._uses if not self._is_repeated(use)]
        # The definition itself, or the first use, keeps the instance. A use that stands alone is one more.
        kept = single[0] if len(single) > 1 or (single and single[0] is self._definition) else None
        rewritten = [use for use in self._uses if use is not kept]
        if not rewritten and targets is None:
            raise Refused(f"no second use of `{self._text}` was found")
        for use in rewritten:
            self._rewrite(use)
        if not self._tied:
            self._drop_local(rewritten)

    # What to change.

    def _several_targets(self) -> tuple[cst.SimpleStatementLine, cst.Assign] | None:
        """The line `self.a = self.b = M()` that makes the instance."""
        assign = self._tree.parent(self._definition)
        if not isinstance(assign, cst.Assign) or len(assign.targets) < 2:
            return None
        attributes = [self_attribute(t.target, self_name(self._maker)) for t in assign.targets]
        if sum(name is not None for name in attributes) < 2:
            return None
        line = self._tree.parent(assign)
        if not isinstance(line, cst.SimpleStatementLine):
            raise Refused(f"`{self._text}` does not stand on a line of its own")
        return line, assign

    def _split(self, line: cst.SimpleStatementLine, assign: cst.Assign) -> None:
        """One statement per attribute; a local name stays with the first."""
        receiver = self_name(self._maker)
        first = next(t for t in assign.targets if self_attribute(t.target, receiver) is not None)
        stay = [t for t in assign.targets if t is first or self_attribute(t.target, receiver) is None]
        self.edits.replace[assign] = lambda updated: updated.with_changes(targets=stay)
        for target in assign.targets:
            if any(target is t for t in stay):
                continue
            start = f"{self._tree.code(target.target)} = "
            original = self._tree.code(first.target)
            value = self._one_more(original, self._tree.column(assign) + len(start))
            self.edits.insert_after(line, self._file.statement(start + value))

    def _is_repeated(self, use: cst.BaseExpression) -> bool:
        """Whether the place of `use` gets the instance several times."""
        if self._repetition(use) is not None:
            return True
        inner: cst.CSTNode = use
        for around in self._tree.ancestors(use):
            if around is self._maker:
                return False
            turns = (isinstance(around, cst.For | cst.While) and inner is around.body) or (
                isinstance(around, COMPREHENSIONS) and inner is not around.for_in
            )
            if turns and not self._tree.contains(around, self._definition):
                return True
            inner = around
        return False

    def _repetition(self, use: cst.BaseExpression) -> _Repetition | None:
        whole = use if isinstance(use, cst.BinaryOperation) else None
        display: cst.CSTNode = use
        if whole is None:
            element = self._tree.parent(use)
            if not isinstance(element, cst.Element):
                return None
            display = self._tree.parent(element)
            above = self._tree.parent(display)
            whole = above if isinstance(above, cst.BinaryOperation) else None
        if whole is None or not isinstance(whole.operator, cst.Multiply):
            return None
        for display, count in ((whole.left, whole.right), (whole.right, whole.left)):
            if isinstance(display, cst.List | cst.Tuple):
                if len(display.elements) != 1:
                    raise Refused(f"`{self._tree.short(whole)}` repeats several entries")
                return _Repetition(whole, display, count)
        return None

    def _rewrite(self, use: cst.BaseExpression) -> None:
        repetition = self._repetition(use)
        if repetition is not None:
            self._rewrite_repetition(repetition)
            return
        if use is self._definition:
            raise Refused(f"`{self._text}` is used again where it is made")
        if not isinstance(use, cst.Name | cst.Attribute | cst.Subscript):
            raise Refused(f"`{self._tree.short(use)}` is not a name of the instance")
        if any(isinstance(node, cst.Call) for node in walk(use)):
            raise Refused(f"`{self._tree.short(use)}` may be something else the second time")
        text = self._one_more(self._tree.code(use), self._tree.column(use))
        self.edits.replace[use] = always(self._file.expression(text))

    def _rewrite_repetition(self, repetition: _Repetition) -> None:
        """`[act] * 3` -> `[nn.ReLU() for _ in range(3)]`."""
        element = repetition.display.elements[0].value
        count = self._tree.code(repetition.count)
        column = self._tree.column(repetition.whole)
        if self._tied and element is self._definition:
            # The weights must be made once: copy what the old expression gives.
            name = "m" if not bound_in(self._maker)["m"] else "module"
            whole = self._tree.code(repetition.whole)
            body = f"{self._one_more(name, column)} for {name} in {whole}"
        else:
            body = f"{self._one_more(self._tree.code(element), column)} for _ in range({count})"
        is_list = isinstance(repetition.display, cst.List)
        text = f"[{body}]" if is_list else f"tuple({body})"
        self.edits.replace[repetition.whole] = always(self._file.expression(text))

    def _one_more(self, original: str, column: int) -> str:
        """Source of one more instance; `original` is how the first is called there."""
        if self._tied:
            return tied_copy(
                self._file,
                self._maker,
                original,
                self.edits,
                certain=isinstance(self._definition, cst.Call),
                column=column,
            )
        self._refuse_other_values()
        return written_again(self._file, self.cls, self._maker, self._definition, self._text)

    def _refuse_other_values(self) -> None:
        """Refuse when a name in the constructor means something else where it is written again."""
        bound = bound_in(self._maker)
        around = [a for a in self._tree.ancestors(self._definition) if isinstance(a, COMPREHENSIONS)]
        in_comprehension = {n.value for a in around for n in walk(a.for_in.target) if isinstance(n, cst.Name)}
        for node in walk(self._definition):
            if isinstance(node, cst.Name) and (bound[node.value] > 1 or node.value in in_comprehension):
                raise Refused(f"`{node.value}` may have changed where `{self._text}` would be written again")
            attribute = self_attribute(node, self_name(self._maker))
            if attribute is not None and self._is_reassigned(attribute):
                raise Refused(
                    f"`self.{attribute}` may have changed where `{self._text}` would be written again"
                )

    def _is_reassigned(self, attribute: str) -> bool:
        receiver = self_name(self._maker)
        stores = [
            node
            for node in walk(self._maker)
            if isinstance(node, cst.AssignTarget | cst.AugAssign | cst.AnnAssign)
            and self_attribute(node.target, receiver) == attribute
        ]
        return len(stores) > 1 or any(isinstance(node, cst.AugAssign) for node in stores)

    def _drop_local(self, rewritten: list[cst.BaseExpression]) -> None:
        """Remove `act = nn.ReLU()` when nothing reads `act` any more and no comment belongs to it."""
        assign = self._tree.parent(self._definition)
        if not isinstance(assign, cst.Assign) or len(assign.targets) != 1:
            return
        local = assign.targets[0].target
        line = self._tree.parent(assign)
        if not isinstance(local, cst.Name) or not isinstance(line, cst.SimpleStatementLine):
            return
        block = self._tree.parent(line)
        if len(line.body) != 1 or not isinstance(block, cst.IndentedBlock) or len(block.body) < 2:
            return
        if line.trailing_whitespace.comment or any(empty.comment for empty in line.leading_lines):
            return
        gone = [local, *rewritten]
        for node in walk(self._maker):
            if isinstance(node, cst.Name) and node.value == local.value:
                if not any(self._tree.contains(g, node) for g in gone):
                    return
        self.edits.remove.add(line)
