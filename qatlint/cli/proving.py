"""`check --fix --verify`: new texts are written only when a proof says that they change nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

import click

from qatlint.cli import base
from qatlint.cli.running import RunOptions

HOLDS, FAILS, TROUBLE = 0, 1, 2


class Claim(NamedTuple):
    """What is to be run for the proof, as written on the command line."""

    target: str
    how: RunOptions


def claim_of(verify: str | None, how: RunOptions, fix: bool, diff: bool, stdin: bool) -> Claim | None:
    """The claim that the options make. Raises `click.UsageError` when they do not go together."""
    if verify is None:
        if how.given:
            raise click.UsageError(f"{how.given[0]} goes with --verify")
        return None
    if not fix or diff:
        raise click.UsageError("--verify is for --fix without --diff: it decides whether files are written")
    if stdin:
        raise click.UsageError("--verify needs files: standard input cannot be imported")
    return Claim(verify, how)


def prove(claim: Claim, texts: Mapping[str, bytes], *, unsafe: bool, colour: str) -> int:
    """Run the model as it is and with the new texts, and say on standard error what came of it.

    Safe fixes have to keep the weights as they are, so they are held to that unless `unsafe`.
    """
    from qatlint.cli import running
    from qatlint.cli.knowing import linter
    from qatlint.report import proof
    from qatlint.runtime.launch import ChildFailed
    from qatlint.runtime.overlay import NOTHING
    from qatlint.runtime.verify import Question, verify

    after = {os.path.abspath(path): text for path, text in texts.items()}
    subject = claim.how.subject(claim.target)
    question = Question(
        subject,
        before=NOTHING,
        after=after,
        modes=tuple(claim.how.modes.split(",")),
        march=claim.how.chip,
        strict=not unsafe,
        unsafe=unsafe,
    )
    try:
        report = verify(question, claim.how.limits, linter(after, subject.roots))
    except ChildFailed as error:
        running.show_failure(error)
        base.warn("nothing was written, since nothing could be proved")
        return TROUBLE
    style = base.style_for(colour, sys.stderr)
    told = (f"{claim.target} as it is", "as it would be")
    base.out(proof.render(report, *told, style) + "\n", err=True, colour=style.colour)
    if not report.holds:
        base.warn("nothing was written, since not all of the proof holds")
    return HOLDS if report.holds else FAILS
