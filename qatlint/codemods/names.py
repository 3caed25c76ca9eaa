"""Free names: attributes for new instances, counters for loops."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import libcst as cst

from qatlint.codemods.locate import children, walk
from qatlint.codemods.references import strangers_of

_COUNTERS = ("i", "j", "k", "idx", "index", "turn")
_MANY = 100
_PLACEHOLDER = re.compile(r"%[-+ #0-9.]*[a-zA-Z]|\{[^{}]*\}")


class Names:
    """Every name, attribute and string that one class may meet, and those given out since.

    The whole file is looked at, a base or a subclass may hold the attribute; but not the classes that
    have nothing to do with this one.
    """

    def __init__(self, module: cst.Module, cls: cst.ClassDef) -> None:
        self._used: set[str] = set()
        self._patterns: list[re.Pattern[str]] = []
        self._counters: dict[cst.FunctionDef, set[str]] = {}
        strangers = strangers_of(module, cls)
        for node in _walk_without(module, strangers):
            if isinstance(node, cst.Name):
                self._used.add(node.value)
            elif isinstance(node, cst.SimpleString):
                self._add_string(node)
            elif isinstance(node, cst.FormattedString):
                self._add_pattern(
                    "".join(
                        re.escape(part.value) if isinstance(part, cst.FormattedStringText) else ".*"
                        for part in node.parts
                    )
                )

    def _add_string(self, node: cst.SimpleString) -> None:
        value = node.evaluated_value
        if not isinstance(value, str):
            return
        self._used.add(value)
        self._used.update(value.split("."))
        if len(value) < 80 and _PLACEHOLDER.search(value):
            self._add_pattern(".*".join(re.escape(part) for part in _PLACEHOLDER.split(value)))

    def _add_pattern(self, pattern: str) -> None:
        if pattern.startswith(".*"):
            return  # it would match everything: a message, or a name nobody can predict
        self._patterns.append(re.compile(pattern, re.DOTALL))

    def is_free(self, name: str) -> bool:
        """Whether nothing in the file is, or may become by formatting, called `name`."""
        return name not in self._used and not any(p.fullmatch(name) for p in self._patterns)

    def take_numbered(self, base: str) -> str:
        """A free `<base>_<k>`, the smallest k from 1 on; it is not given out again."""
        for number in range(1, _MANY):
            name = f"{base}_{number}"
            if self.is_free(name):
                self._used.add(name)
                return name
        return self.take_numbered(f"more_{base}")  # `f"{base}_{i}"` stands in the file and takes them all

    def take_family(self, base: str) -> str:
        """A prefix such that `<prefix>_0`, `<prefix>_1`, ... are all free; not given out again."""
        member = re.compile(re.escape(base) + r"_\d.*", re.DOTALL)
        taken = any(member.fullmatch(name) for name in self._used)
        if taken or not all(self.is_free(f"{base}_{k}") for k in range(_MANY)):
            return self.take_family(f"more_{base}")
        self._patterns.append(member)
        return base

    def take_counter(self, function: cst.FunctionDef) -> str:
        """A loop counter that `function` does not mention; not given out again for this function."""
        (counter,) = self.counters(function, 1)
        self._counters.setdefault(function, set()).add(counter)
        return counter

    def counters(self, function: cst.FunctionDef, number: int) -> list[str]:
        """Names for the counters of `number` nested loops in a new statement of `function`."""
        mentioned = {n.value for n in walk(function) if isinstance(n, cst.Name)}
        mentioned |= self._counters.get(function, set())
        numbered = (f"turn_{k}" for k in itertools.count(1))
        free = (name for name in itertools.chain(_COUNTERS, numbered) if name not in mentioned)
        return list(itertools.islice(free, number))


def _walk_without(node: cst.CSTNode, left_out: set[cst.ClassDef]) -> Iterator[cst.CSTNode]:
    yield node
    for child in children(node):
        if child not in left_out:
            yield from _walk_without(child, left_out)
