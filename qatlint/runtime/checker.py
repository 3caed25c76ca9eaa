"""Which sequences the toolchain's own check lists as fusable, once prepare has fused what it can.

The check knows less than prepare: it looks at leaf modules and at who is given whose results, over all their
calls together, and holds their classes against the table of fusable patterns, the longest first [V: SRC-chk,
horizon_facts C5]. So it is followed here step by step, also where it misses sequences: behind a function,
where a member of it other than the first takes results of several modules, or is used by several.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from qatlint.horizon.ops import Role
from qatlint.runtime.flow import Flow
from qatlint.runtime.fuse import Fusion
from qatlint.runtime.sequences import role_of

_MIDDLE = ((Role.BATCH_NORM,), (Role.ADD,), (Role.BATCH_NORM, Role.ADD))
_PATTERNS = sorted(
    [
        *((Role.ROOT, *middle) for middle in _MIDDLE),
        *((Role.ROOT, *middle, Role.RELU) for middle in ((), *_MIDDLE)),
    ],
    key=len,
    reverse=True,
)
_MOST_SOURCES = {Role.ADD: 2}
"""Modules that may give a member its input, where that is more than one."""
_ELSEWHERE = ""
"""Stands for what is no leaf module: inputs, constants, results of functions."""


class Listed(NamedTuple):
    """A module of a sequence."""

    number: int
    """One of its ops."""
    shared: bool
    """Whether its results go to several modules: the toolchain marks the first member so."""


def freed(flow: Flow, fusions: Iterable[Fusion]) -> frozenset[str]:
    """The modules that prepare leaves an Identity of, since another one does their work."""
    taken = {path for fusion in fusions for path in _paths(flow, fusion)}
    return frozenset(taken - {fusion.path for fusion in fusions})


def listed(flow: Flow, fusions: Sequence[Fusion]) -> tuple[tuple[Listed, ...], ...]:
    """The sequences, in the order in which the check meets them."""
    return tuple(_Check(flow, fusions).sequences())


def _paths(flow: Flow, fusion: Fusion) -> Iterator[str]:
    for number in fusion.members[: fusion.fused]:
        unit = flow.units[number]
        if unit is not None:
            yield unit.path


class _Module:
    def __init__(self, number: int) -> None:
        self.number = number
        self.role: Role | None = None
        self.sources: dict[str, None] = {}
        self.targets: dict[str, None] = {}
        self.is_matched = False


class _Check:
    def __init__(self, flow: Flow, fusions: Sequence[Fusion]) -> None:
        self._flow = flow
        self._modules: dict[str, _Module] = {_ELSEWHERE: _Module(-1)}
        for op, unit in zip(flow.ops, flow.units, strict=True):
            if unit is None:
                continue
            module = self._modules.setdefault(unit.path, _Module(op.number))
            module.role = role_of(flow, op.number)  # of several methods the last counts
            for producer in op.inputs:
                before = flow.units[producer]
                source = before.path if before is not None else _ELSEWHERE
                module.sources[source] = None
                self._modules[source].targets[unit.path] = None
        for path in freed(flow, fusions):
            self._modules[path].role = None
        for fusion in fusions:
            if fusion.fused and not self._is_root_alone(fusion):
                self._modules[fusion.path].role = None  # its class is in no pattern

    def _is_root_alone(self, fusion: Fusion) -> bool:
        """Whether only a batch norm was folded, which leaves the class of the root at its place."""
        first = self._flow.units[fusion.members[0]]
        last = role_of(self._flow, fusion.members[fusion.fused - 1])
        return last is Role.BATCH_NORM and first is not None and first.path == fusion.path

    def sequences(self) -> Iterator[tuple[Listed, ...]]:
        """Those of which all members but the first have one user, and one source (an add two)."""
        for row in self._found():
            modules = [self._modules[path] for path in row]
            if all(
                len(module.targets) <= 1 and len(module.sources) <= _MOST_SOURCES.get(role, 1)
                for module in modules[1:]
                if (role := module.role) is not None
            ):
                yield tuple(
                    Listed(module.number, not position and len(module.targets) > 1)
                    for position, module in enumerate(modules)
                )

    def _found(self) -> Iterator[list[str]]:
        visited: set[str] = set()
        roots = [_ELSEWHERE]
        while roots:
            following: dict[str, None] = {}
            for path in roots:
                if not self._modules[path].is_matched:
                    rows = (self._match(path, pattern) for pattern in _PATTERNS)
                    yield from next(filter(None, rows), [])
                following.update(dict.fromkeys(self._unmatched_behind(path, visited)))
            if roots == list(following):
                return
            roots = list(following)

    def _match(self, path: str, pattern: Sequence[Role]) -> list[list[str]]:
        """All rows that begin with a module, which are matched from then on."""
        module = self._modules[path]
        if module.is_matched or module.role is not pattern[0]:
            return []
        if len(pattern) == 1:
            module.is_matched = True
            return [[path]]
        rows = [
            [path, *row]
            for target in module.targets
            if pattern[1] is not Role.BATCH_NORM or self._fits(module, self._modules[target])
            for row in self._match(target, pattern[1:])
        ]
        module.is_matched = bool(rows)
        return rows

    def _fits(self, root: _Module, norm: _Module) -> bool:
        left, right = self._flow.meanings[root.number], self._flow.meanings[norm.number]
        return left is not None and right is not None and bool(left.dims & right.dims)

    def _unmatched_behind(self, path: str, visited: set[str]) -> Iterator[str]:
        """The next modules that are in no row, behind those that are."""
        waiting = [path]
        while waiting:
            path = waiting.pop()
            if path in visited:
                continue
            visited.add(path)
            for target in self._modules[path].targets:
                if self._modules[target].is_matched:
                    waiting.append(target)
                elif target not in visited:
                    yield target
