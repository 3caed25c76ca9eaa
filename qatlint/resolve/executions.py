"""How often the modules of a report ran, as far as it says so, for what follows from that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from qatlint.horizon.judging.facts import bare, kind_of
from qatlint.horizon.report import ModelCheck
from qatlint.horizon.report.cells import name_of
from qatlint.horizon.report.whole import is_whole
from qatlint.trace import Kind

FUSED_AWAY = frozenset({Kind.GEMM, Kind.BATCH_NORM, Kind.RELU})
"""What prepare may make a part of another module: then the report has no row of it (horizon_facts D)."""


class Times(NamedTuple):
    """How often something ran, or turned."""

    least: int
    is_exact: bool = False


class Executions:
    """The calls of modules in one report."""

    def __init__(
        self,
        exact: Mapping[str, int],
        least: Mapping[str, int],
        has_all: Callable[[str], bool],
        joined: int | None = None,
    ) -> None:
        """`exact`, `least`: by name, how often it ran, and where that is not known how often it did at
        least. `has_all`: whether all modules have a name that ran and are like the one of a name."""
        self._exact, self._least, self._has_all = exact, least, has_all
        self.joined = joined
        """How many layers, at most, have no row since an add that they are fused with has theirs; None where
        nobody knows."""
        self._names = list({**least, **exact})
        self._found: dict[str, Times | None] = {}

    def of(self, pattern: str) -> Times | None:
        """That of a module, or of all together that a pattern with `*` stands for; None where the report has
        none of them."""
        if pattern not in self._found:
            self._found[pattern] = self._of_all(pattern) if "*" in pattern else self._of(pattern)
        return self._found[pattern]

    def _of(self, name: str) -> Times | None:
        if name in self._exact:
            return Times(self._exact[name], True)
        least = self._least.get(name)
        return Times(least) if least else None

    def _of_all(self, pattern: str) -> Times | None:
        matching = _matching(pattern)
        names = [name for name in self._names if matching.fullmatch(name)]
        if not names:
            return None
        found = [one for name in names if (one := self._of(name)) is not None]
        is_exact = all(one.is_exact for one in found) and self._has_all(names[0])
        return Times(sum(one.least for one in found), is_exact)

    def renamed(self, rename: Callable[[str], str]) -> Executions:
        """The same by other names."""
        exact = {rename(name): times for name, times in self._exact.items()}
        least = {rename(name): times for name, times in self._least.items()}
        known = {rename(name): name for name in self._names}
        return Executions(exact, least, lambda name: self._has_all(known.get(name, name)), self.joined)


def executions(check: ModelCheck) -> Executions:
    """Those of one report."""
    is_all = is_whole(check)
    rows = _calls(layer.label for layer in check.layers)
    exact = dict.fromkeys(rows, 1) if check.all_once else dict(rows) if is_all else {}
    others = [*(row.name for row in check.suspicious), *(row.name for row in check.unusual)]
    least = {**_calls(others), **rows}
    has_graph = any(node.opcode == "output" for node in check.graph)
    if has_graph:
        exact.update(Counter(node.target for node in check.graph if node.opcode == "call_module"))
    exact.update((count.name, count.times) for count in check.counts)
    types = {layer.name: layer.type for layer in check.layers}

    def has_all(name: str) -> bool:
        fuses = kind_of(types.get(name, "")) in FUSED_AWAY or name not in types
        return is_all and (has_graph or not fuses)

    joined = sum("Add" in bare(kind) and kind_of(kind) is Kind.GEMM for kind in types.values())
    return Executions(exact, least, has_all, joined if is_all and check.layers else None)


def _calls(labels: Iterable[str]) -> dict[str, int]:
    """Module -> how many calls of it are named at least."""
    found: dict[str, int] = {}
    for label in labels:
        name, _, call = name_of(label)
        found[name] = max(found.get(name, 0), call + 1)
    return found


@lru_cache(maxsize=256)
def _matching(pattern: str) -> re.Pattern[str]:
    parts = [re.escape(part).replace(r"\*", r"[^.]*") for part in pattern.split(".")]
    return re.compile(r"\.".join(parts))
