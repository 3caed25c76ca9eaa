"""How often modules were called: several times, or never (horizon_facts C6, E)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator
from math import gcd

from qatlint.horizon.judging.counted import Counted, all_counts
from qatlint.horizon.judging.facts import InSource, generated_of, kind_by_name
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.judging.producers import Producers
from qatlint.horizon.report.values import CallCount, ModelCheck
from qatlint.horizon.report.whole import is_whole
from qatlint.trace import Kind

_SPLIT = "one instance per call (`qatlint --fix` does it where it is safe)"
_WEIGHTED = (
    "it holds weights: a split ties them and adds keys to the state dict, so it pays only where a call loses "
    "by the common scale",
    "split it when the sensitivity list or `qatlint ranges` names it, else leave it",
    Rank.KNOW,
)
_FREE = (
    "all its calls get one scale, made from their ranges together; it has no weights, so a split costs "
    "nothing",
    _SPLIT,
    Rank.CHECK,
)
_HARMLESS = ("it keeps no scale of its own, or none that matters", "nothing to do", Rank.KNOW)
_BY_KIND: dict[Kind, tuple[str, str, Rank]] = {
    Kind.QUANT_STUB: (
        "several tensors are quantised with one scale, made from their ranges together",
        "one QuantStub per tensor: a split is advised in any case",
        Rank.FIRST,
    ),
    Kind.DEQUANT_STUB: (
        "no effect on accuracy; its calls cannot be told apart when debugging",
        "one DeQuantStub per output makes the tables readable",
        Rank.KNOW,
    ),
    **dict.fromkeys(
        (
            Kind.FLOAT_FUNCTIONAL,
            Kind.LUT_ACTIVATION,
            Kind.ACTIVATION,
            Kind.RELU,
            Kind.SOFTMAX,
            Kind.OTHER,
        ),
        _FREE,
    ),
    **dict.fromkeys(
        (Kind.GEMM, Kind.BATCH_NORM, Kind.NORM, Kind.EMBEDDING, Kind.RECURRENT, Kind.ATTENTION), _WEIGHTED
    ),
    **dict.fromkeys((Kind.DROPOUT, Kind.IDENTITY, Kind.POOLING, Kind.RESHAPE), _HARMLESS),
}
_SAME = (
    "all its calls quantise the same constant, `{}`: one scale is right for it, and nothing is lost but time",
    "quantise it once and use the result at each call",
    Rank.KNOW,
)
_FROM_ONE = (
    "all its calls quantise what is made of one constant, `{}`: nothing is lost by the one scale where that "
    "is the same each time",
    "quantise it once and use the result at each call; one QuantStub per tensor only where calls get "
    "different parts of it",
    Rank.CHECK,
)
_GENERATED = (
    "prepare made it of a call of a function; the module whose forward calls the function, or a "
    "dynamic_block around the call, runs several times, and all its calls get one scale",
    "one instance per call of the module that owns it",
)
_OWN = "the model's own forward,"
_IN_A_BLOCK = (
    "prepare made it of a call of a function in {} in code that runs several times as "
    "a dynamic_block does; all its calls get one scale",
    "right where the number of turns changes; where it is fixed, the code without the block gets a module "
    "for each call",
)
_UNKNOWN = (
    "all its calls get one scale; the file does not say what it is",
    "without weights: one instance per call; with weights: only where the sensitivity list or "
    "`qatlint ranges` names it",
    Rank.CHECK,
)


def judge(check: ModelCheck, known: InSource) -> Iterator[Judgement]:
    """One judgement per module that ran several times or never."""
    # Some forms of the file do not count what runs once.
    counts, are_all = all_counts(check), is_whole(check)
    producers = Producers(check)
    owners = _repeated_owners(counts)
    counted = Counted(check)
    named = {around for count in counts for around in _around_names(count.name)}
    for count in check.counts:
        if count.times > 1:
            owner = owners.get(count.name)
            around = _through(*owner, are_all, named) if owner is not None else ""
            kind = kind_by_name(count.name, known.kinds)
            words = None
            if kind is Kind.QUANT_STUB:
                words = _of_constant(
                    producers.constant(count.name, count.times), known.constants.get(count.name, "")
                )
            yield _shared(count, kind, around, words or _BY_KIND.get(kind, _UNKNOWN), counted)
        elif count.times == 0:
            yield Judgement(
                Topic.NEVER,
                Rank.CHECK,
                (count.name,),
                "0 times",
                "prepare did not see it run: its keys will be missing in calibration, QAT and export "
                "(miss_key)",
                "prepare with inputs and a mode that run it, if the deployed model does; else remove it, "
                "unless something reads its weights",
                ("QAT103",),
            )


def _of_constant(same: str, origin: str) -> tuple[str, str, Rank] | None:
    """What is said of a QuantStub whose calls are given the same constant, by the graph, or what is made of
    one, by the source."""
    words, constant = (_SAME, same) if same else (_FROM_ONE, origin)
    return (words[0].format(constant), *words[1:]) if constant else None


def _shared(
    count: CallCount, kind: Kind, around: str, words: tuple[str, str, Rank], counted: Counted
) -> Judgement:
    reason, step, rank = words
    made = generated_of(count.name)
    if made is not None:
        # What stands beside it runs once, and so does the module around both.
        is_once = not made.owner or counted.runs_of_all_below(made.owner) == 1
        reason, step = _IN_A_BLOCK if is_once else _GENERATED
        name = made.owner.rpartition(".")[2]
        reason = reason.format(f"the forward of `{name}`, which runs once by the counts," if name else _OWN)
    return Judgement(
        Topic.SHARED,
        rank,
        (count.name,),
        f"{count.times} times",
        reason + around,
        step,
        ("QAT101", "QAT102"),
        "" if kind in (Kind.UNKNOWN, Kind.PROJECT) else kind.value,
    )


def _through(owner: str, runs: int, are_all: bool, named: Container[str]) -> str:
    """What the counts say of the module around, in words."""
    # A list has only numbers below it, and never runs itself.
    what = f"{'' if owner in named else 'each entry of '}`{owner.rpartition('.')[2]}`"
    if are_all:
        return f"; by the counts, {what} runs {runs} times with all its parts"
    return (
        f"; {what} may run {runs} times with all its parts, but this text does not have all modules: some "
        "may run once"
    )


def _around_names(name: str) -> Iterator[str]:
    """The modules around one that hold what is in them by another name than a number."""
    while "." in name:
        name, _, last = name.rpartition(".")
        if not last.isdecimal():
            yield name


def _repeated_owners(all_counts: Iterable[CallCount]) -> dict[str, tuple[str, int]]:
    """Name of a module -> the module around it that seems to run several times, and how often.

    Where the counts of all that ran below a module have a common divisor, it runs that often, or something
    around it does: the lowest module that all of them are below is named.
    """
    below: defaultdict[str, list[CallCount]] = defaultdict(list)
    for count in all_counts:
        parts = count.name.split(".")
        for cut in range(1, len(parts)):
            if count.times:
                below[".".join(parts[:cut])].append(count)
    found: dict[str, tuple[str, int]] = {}
    for owner in sorted(below, key=lambda name: name.count(".")):
        counts = below[owner]
        runs = gcd(*(count.times for count in counts))
        if len(counts) > 1 and runs > 1:
            for count in counts:
                known = found.get(count.name)
                # What stands higher is kept, unless just the same modules are below both.
                if known is None or len(below[known[0]]) == len(counts):
                    found[count.name] = (owner, runs)
    return found
