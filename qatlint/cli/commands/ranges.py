"""`qatlint ranges`: which shared modules hurt, by numbers."""

from __future__ import annotations

import os
import sys

import click

from qatlint.cli import base, running
from qatlint.runtime.scales import AVERAGE, FORMATS, OBSERVERS


@base.command(
    "ranges",
    epilog="Exit codes: 0 measured, 2 the model could not be run, or wrong usage.",
)
@click.argument("target", metavar="TARGET")
@running.options()
@click.option(
    "--format",
    "form",
    type=click.Choice([form.name for form in FORMATS]),
    default=FORMATS[0].name,
    show_default=True,
    help="The format that losses and verdicts are about.",
)
@click.option(
    "--observer",
    type=click.Choice(OBSERVERS),
    default=AVERAGE,
    show_default=True,
    help="The range a scale is made for: the mean of those it serves, where a moving average settles, or the "
    "widest.",
)
@click.option(
    "--scale",
    "scales",
    multiple=True,
    metavar="MODULE=SCALE",
    help="Judge a shared module by the scale (qscale) that the toolchain's tables show for it.",
)
@click.option("--all", "all_calls", is_flag=True, help="Show the calls of modules that may stay, too.")
@click.option(
    "--output",
    metavar="FILE",
    help="Write the figures as JSON to this file, for `qatlint check --select-from FILE`.",
)
@running.FORMAT
@base.COLOUR
def command(
    target: str,
    how: running.RunOptions,
    form: str,
    observer: str,
    scales: tuple[str, ...],
    all_calls: bool,
    output: str | None,
    output_format: str,
    colour: str,
) -> int:
    """Measure what one scale for all calls of a shared module costs.

    TARGET is `pkg.mod:callable` or `path/to/file.py:callable`; the callable returns the model, or is its
    class. The model runs in float, twice on every sample, in a process of its own.
    """
    from qatlint.report import ranges as text
    from qatlint.report import ranges_json
    from qatlint.runtime.launch import ChildFailed
    from qatlint.runtime.ranges import Question, ranges

    question = Question(
        how.subject(target),
        observer=observer,
        format=form,
        scales=tuple(map(_scale, scales)),
    )
    made = output is not None and _try_to_write(output)
    try:
        report = ranges(question, how.limits)
    except ChildFailed as error:
        if made and output is not None:
            os.unlink(output)
        return running.show_failure(error, output_format)
    document = ranges_json.render(report, target)
    if output is not None:
        _write(output, document + "\n")
    if output_format == "json":
        base.out(document)
    else:
        style = base.style_for(colour, sys.stdout)
        base.out(text.render(report, target, style, all_calls=all_calls), colour=style.colour)
    return 0


def _scale(text: str) -> tuple[str, float]:
    path, equals, number = text.rpartition("=")
    try:
        scale = float(number)
    except ValueError:
        scale = 0.0
    if not equals or not 0 < scale < float("inf"):
        raise click.UsageError(f"--scale: `{text}` is not MODULE=SCALE, such as decoder.div=0.0446799")
    return path, scale


def _try_to_write(path: str) -> bool:
    """Fail before the model runs, not after. What is in the file stays there until there is something new.
    Gives back whether there was no file before."""
    new = not os.path.lexists(path)
    _write(path, "", "a")
    return new


def _write(path: str, text: str, mode: str = "w") -> None:
    try:
        with open(path, mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise click.FileError(path, error.strerror or str(error)) from None
