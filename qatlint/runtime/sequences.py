"""Which ops of a recording stand in a row that the toolchain's table of fusable patterns knows.

A root (convolution or linear layer), then at most one batch norm, one add of two tensors and one ReLU, in
this order [V]. Here only data flow is looked at; what stands against fusing is judged by `fuse`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from qatlint.horizon.ops import Role
from qatlint.runtime.flow import Flow, is_floating

_AFTER: dict[Role, tuple[Role, ...]] = {
    Role.ROOT: (Role.BATCH_NORM, Role.ADD, Role.RELU),
    Role.BATCH_NORM: (Role.ADD, Role.RELU),
    Role.ADD: (Role.RELU,),
    Role.RELU: (),
}


class Chain(NamedTuple):
    """Ops in a row. All indices are numbers of ops."""

    members: tuple[int, ...]
    """In order of execution. Only the last one may have several users."""
    barred: int | None = None
    """The op that would be next, but the last member has other users as well."""
    misplaced: int | None = None
    """The member whose place is against the order of the table, so that it does not join the others."""

    @property
    def wanted(self) -> tuple[int, ...]:
        """What would be one module if nothing stood against it."""
        return self.members if self.barred is None else (*self.members, self.barred)


def chains(flow: Flow) -> list[Chain]:
    """All rows of two or more ops inside the quantised region, in the order of their last member."""
    finder = _Finder(flow)
    in_order = finder.in_order()
    return sorted([*in_order, *finder.misplaced(in_order)], key=lambda c: c.wanted[-1])


def role_of(flow: Flow, number: int) -> Role | None:
    """What an op may be in a sequence; None for what can be in none, and outside of the quantised region."""
    meaning = flow.meanings[number]
    if meaning is None or meaning.fuses is None or number not in flow.inside:
        return None
    op = flow.ops[number]
    if meaning.fuses is Role.ADD:
        # Adding a number is no pattern [D], and `x + x` has one input that would have to be absorbed.
        two = len(op.inputs) == 2 and op.inputs[0] != op.inputs[1]
        # `torch.add(x, y, alpha=2)` multiplies as well; what adds plainly knows no such argument [D].
        plain = two and "alpha" not in op.named
        if not plain or not all(is_floating(facts) for facts in op.input_facts):
            return None
    return meaning.fuses


class _Finder:
    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._roles = [role_of(flow, number) for number in range(len(flow.ops))]

    def in_order(self) -> list[Chain]:
        """The rows that keep the order of the table."""
        heads = [self._head(n) for n, role in enumerate(self._roles) if role is Role.ROOT]
        adds = self._absorbing(heads)
        found = []
        for head in heads:
            following = self._next(head.members[-1]) if head.barred is None else None
            if following is not None and self._roles[following] is Role.ADD:
                if adds[following] is not head:
                    following = None  # the other operand is absorbed
            elif head.barred is not None and self._roles[head.barred] is Role.ADD:
                if adds[head.barred] is not head:
                    head = head._replace(barred=None)
            chain = head if following is None else self._grown(head, following)
            if len(chain.wanted) > 1:
                found.append(chain)
        return found

    def _head(self, root: int) -> Chain:
        """A root with its batch norm."""
        following = self._next(root)
        if following is None:
            return Chain((root,))
        if len(self._flow.users[root]) > 1:
            return Chain((root,), barred=following)
        if self._roles[following] is not Role.BATCH_NORM:
            return Chain((root,))
        several = len(self._flow.users[following]) > 1
        return Chain((root, following), barred=self._next(following) if several else None)

    def _grown(self, chain: Chain, following: int | None) -> Chain:
        """The chain with what follows, as far as results have one user."""
        while following is not None:
            chain = Chain((*chain.members, following))
            users = self._flow.users[following]
            following = self._next(following)
            if len(users) > 1:
                return chain._replace(barred=following)
        return chain

    def _next(self, number: int) -> int | None:
        """The user of a result that may come next by the table, whatever other users there are."""
        role = self._roles[number]
        assert role is not None
        for wanted in _AFTER[role]:
            for user in self._flow.users[number]:
                if self._roles[user] is wanted and (
                    wanted is not Role.BATCH_NORM or self._fits(number, user)
                ):
                    return user
        return None

    def _fits(self, root: int, norm: int) -> bool:
        left, right = self._flow.meanings[root], self._flow.meanings[norm]
        return left is not None and right is not None and bool(left.dims & right.dims)

    def _absorbing(self, heads: list[Chain]) -> dict[int, Chain]:
        """Which head each add absorbs: only one operand is [V], the first that can be [D]."""
        arriving: dict[int, list[Chain]] = {}
        for head in heads:
            following = head.barred if head.barred is not None else self._next(head.members[-1])
            if following is not None and self._roles[following] is Role.ADD:
                arriving.setdefault(following, []).append(head)
        return {
            add: min(
                candidates,
                key=lambda h: (h.barred is not None, self._flow.ops[add].inputs.index(h.members[-1])),
            )
            for add, candidates in arriving.items()
        }

    def misplaced(self, in_order: list[Chain]) -> Iterator[Chain]:
        """Batch norms and adds that stand beside a row, in the wrong order."""
        joined = {number for chain in in_order for number in chain.wanted}
        by_end = {chain.members[-1]: chain for chain in in_order if chain.barred is None}
        for number, role in enumerate(self._roles):
            if number in joined or role not in (Role.BATCH_NORM, Role.ADD):
                continue
            before = [by_end[p] for p in self._flow.ops[number].inputs if p in by_end]
            if role is Role.ADD:
                before = [c for c in before if self._roles[c.members[-1]] is Role.RELU]
            if before:
                yield Chain((*before[0].members, number), misplaced=number)
            elif role is Role.BATCH_NORM:
                yield from self._before_a_root(number)

    def _before_a_root(self, norm: int) -> Iterator[Chain]:
        for user in self._flow.users[norm]:
            if self._roles[user] is Role.ROOT:
                yield Chain((norm, user), misplaced=norm)
                return
            if self._roles[user] is Role.RELU:
                for root in self._flow.users[user]:
                    if self._roles[root] is Role.ROOT:
                        yield Chain((norm, user, root), misplaced=norm)
                        return
