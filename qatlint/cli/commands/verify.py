"""`qatlint verify`: the proof that a change of the source changes nothing else."""

from __future__ import annotations

import json
import sys

import click

from qatlint.cli import base, running

KEYS_FILE = "qatlint-keys.json"


@base.command(
    "verify",
    epilog="Exit codes: 0 all points hold, 1 one does not, 2 the model could not be run, or wrong usage.",
)
@click.argument("target", metavar="TARGET")
@running.options(proof=True)
@click.option(
    "--before",
    default="git:HEAD",
    show_default=True,
    metavar="VERSION",
    help="The version to compare with: git:REV, a folder of files, or a file that stands for the target's.",
)
@click.option("--strict", is_flag=True, help="The old weights must load as they are, without new keys.")
@click.option(
    "--unsafe-fixes", is_flag=True, help="A shared module counts as fixable also when its fix is unsafe."
)
@click.option(
    "--map",
    "keys",
    metavar="FILE",
    help=f"Where the map of new keys is written, when there are some.  [default: {KEYS_FILE}]",
)
@running.FORMAT
@base.COLOUR
def command(
    target: str,
    how: running.RunOptions,
    before: str,
    strict: bool,
    unsafe_fixes: bool,
    keys: str | None,
    output_format: str,
    colour: str,
) -> int:
    """Run a model as it was and as it is, with the same weights, and compare.

    TARGET is `pkg.mod:callable` or `path/to/file.py:callable`; the callable returns the model, or is its
    class. This runs your code, in processes of its own.
    """
    from qatlint.cli.knowing import linter
    from qatlint.report import proof
    from qatlint.runtime import overlay
    from qatlint.runtime.launch import ChildFailed
    from qatlint.runtime.verify import Question, verify

    subject = how.subject(target)
    try:
        old = overlay.parse(before, subject.target, subject.folders)
    except overlay.OverlayError as error:
        raise click.UsageError(f"--before: {error}") from None
    if not old:
        base.warn(f"nothing differs from {before}: both versions are the same files")
    question = Question(
        subject,
        overlay.keeping(old, subject.inputs, subject.folders),
        modes=tuple(how.modes.split(",")),
        march=how.chip,
        strict=strict,
        unsafe=unsafe_fixes,
    )
    try:
        report = verify(question, how.limits, linter({}, subject.roots))
    except ChildFailed as error:
        return running.show_failure(error, output_format)
    if report.copies:
        _write_keys(keys or KEYS_FILE, dict(report.copies))
    style = base.style_for(colour, sys.stdout)
    told = (f"{target} at {before}", "the files as they are")
    if output_format == "json":
        base.out(proof.as_json(report, *told))
    else:
        base.out(proof.render(report, *told, style), colour=style.colour)
    return 0 if report.holds else 1


def _write_keys(path: str, copies: dict[str, str]) -> None:
    text = json.dumps({"version": 1, "copies": copies}, indent=2)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise click.FileError(path, error.strerror or str(error)) from None
    base.warn(f"the new keys and what they are copies of are in {path}: see `qatlint checkpoint`")
