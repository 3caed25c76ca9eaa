"""What speaks against a model that has as many names of a report as another one."""

from __future__ import annotations

from collections.abc import Iterable

from qatlint.horizon.judging.facts import generated_of
from qatlint.resolve.executions import FUSED_AWAY, Executions
from qatlint.resolve.runs import Runs
from qatlint.trace import Kind


def miscounted(runs: Runs, ran: Executions, is_whole: bool) -> int:
    """Of how many modules source tells that they run more or less often than the report says, or that they
    run at all where a whole report does not have them."""
    found = hidden = 0
    for path, calls in runs.sure_calls().items():
        counted = ran.of(path)
        if calls.kind in FUSED_AWAY:
            hidden += counted is None and calls.kind is Kind.GEMM
        elif counted is None:
            found += is_whole
        else:
            found += counted.is_exact and counted.least != calls.times
    # A layer has no row where an add that it is fused with has its place; only so many adds have.
    return found + (max(hidden - ran.joined, 0) if is_whole and ran.joined is not None else 0)


def without_place(runs: Runs, missing: Iterable[str]) -> int:
    """What the names that a model does not have say against it: nothing where they are in a part that source
    leaves open, and half as much where some part may be called that as where none is."""
    return sum(_of_name(runs, name) for name in missing)


def _of_name(runs: Runs, name: str) -> int:
    made = generated_of(name)
    if runs.is_open("") if made is not None and not made.owner else runs.may_hold(name):
        return 0
    return 1 if runs.has_nameless else 2
