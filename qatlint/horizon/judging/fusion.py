"""Sequences that the toolchain lists as fusable and not fused (horizon_facts C5, D)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from qatlint.horizon.judging.facts import bare, generated_of, kind_of
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.report.values import Member, ModelCheck
from qatlint.trace import Kind

_DELIBERATE = "with the newer templates (enable_optimize=True) it may be deliberate"
_BLOCK = (
    'if the loop or branch is dynamic, put these statements in `with Tracer.dynamic_block(self, "name"):` '
    f"inside it; {_DELIBERATE}"
)


def judge(check: ModelCheck) -> Iterator[Judgement]:
    """One judgement per sequence."""
    times = {count.name: count.times for count in check.counts}
    strides = _strides(check.sequences)
    for sequence in check.sequences:
        reason, step, codes = _why(sequence, times, strides)
        names = tuple(member.name + ("(shared)" if member.shared else "") for member in sequence)
        kinds = " + ".join(member.type.rpartition(".")[2] for member in sequence)
        yield Judgement(Topic.UNFUSED, Rank.CHECK, names, kinds, reason, step, codes)


def _why(
    sequence: Sequence[Member], times: Mapping[str, int], strides: Mapping[tuple[str, str], int]
) -> tuple[str, str, tuple[str, ...]]:
    again = [member for member in sequence if times.get(member.name, 1) > 1]
    made = [found for member in sequence if (found := generated_of(member.name)) is not None]
    if again == [sequence[0]] and made:
        root, runs = sequence[0], times[sequence[0].name]
        often = "twice" if runs == 2 else f"{runs} times"
        return (
            f"the `{bare(root.type)}` runs {often}, and this `{made[0].op}` once: each call of a function in "
            "the code of its owner is a module of its own, which is fused in code of changing length only "
            "inside a dynamic_block",
            f"give each call a module of its own; {_BLOCK}",
            ("QAT201", "QAT202", "QAT101", "QAT102"),
        )
    if again:
        return (
            f"a member runs several times: {_fit(sequence, times)}",
            "give each call a module of its own, or make the numbers of their calls fit",
            ("QAT101", "QAT102"),
        )
    if sequence[0].shared:
        return (
            "the result of its first member goes to several modules, which also happens where it runs "
            "several times; only a result with one user is fused",
            f"see whether the other use is needed, or whether the module runs several times; {_DELIBERATE}",
            ("QAT201", "QAT202", "QAT101", "QAT102") if made else ("QAT101", "QAT102"),
        )
    if made:
        stride = max(strides.get((found.owner, found.op), 0) for found in made)
        each = (
            f"; their numbers rise by {stride}, as in a loop with {stride} of them in each turn"
            if stride > 1
            else ""
        )
        return (
            f"the `{made[0].op}` is a call of a function in the code of its owner, which is fused in code of "
            f"changing length only inside a dynamic_block{each}",
            _BLOCK,
            ("QAT201", "QAT202"),
        )
    return (
        "no cause can be seen in this file: another user of a result in between, an order that does not "
        "fuse, or members in different scopes",
        f"see in the source what else uses the results; {_DELIBERATE}",
        ("QAT201", "QAT101", "QAT102"),
    )


def _fit(sequence: Sequence[Member], times: Mapping[str, int]) -> str:
    """Whether the numbers of calls allow to fuse, in words (horizon_facts D)."""
    root = sequence[0]
    runs = times.get(root.name, 1)
    between = {times.get(m.name, 1) for m in sequence[1:] if kind_of(m.type) is not Kind.RELU}
    relus = [times.get(m.name, 1) for m in sequence[1:] if kind_of(m.type) is Kind.RELU]
    name = f"`{bare(root.type)}`"
    if len(between) > 1:
        return "what stands behind the convolution does not run equally often, and is then not fused"
    if any(number == 0 or runs % number for number in between):
        return f"the {name} runs no multiple of the times that what it would be fused with does"
    if any(number > runs for number in relus):
        return f"the ReLU runs more often than the {name}, and is then not fused"
    return (
        "the numbers of calls fit each other, so something else is in the way, such as different members in "
        "different calls"
    )


def _strides(sequences: Sequence[Sequence[Member]]) -> dict[tuple[str, str], int]:
    """(owner, op) -> the step in which the numbers of generated modules rise; 0 where they have none."""
    numbers: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for sequence in sequences:
        for member in sequence:
            found = generated_of(member.name)
            if found is not None:
                numbers[found.owner, found.op].append(found.number)
    strides = {}
    for key, found_numbers in numbers.items():
        ordered = sorted(set(found_numbers))
        steps = {b - a for a, b in pairwise(ordered)}
        strides[key] = steps.pop() if len(steps) == 1 and len(ordered) > 2 else 0
    return strides
