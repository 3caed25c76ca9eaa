"""`qatlint trace`: what the tool understood of a class, or what a model did when it ran."""

from __future__ import annotations

import os
import sys

import click

from qatlint import engine
from qatlint.aim import Aim
from qatlint.cli import base, running
from qatlint.files import DiskLoader
from qatlint.runtime.launch import ChildFailed, Limits, launch
from qatlint.runtime.recording import Recording
from qatlint.runtime.subject import Subject
from qatlint.static.source import Unreadable
from qatlint.trace import Trace

MODEL_CHECK = "model-check"


@base.command(
    "trace",
    epilog="A `*` in a path is a list position, `×` is the number of executions in one forward.",
)
@click.argument("target", metavar="FILE[:CLASS]")
@click.option("--run", is_flag=True, help="Execute the model that TARGET (FILE:CALLABLE) makes. Needs torch.")
@click.option("--compare", is_flag=True, help="With --run: what source says beside what ran.")
@click.option(
    "--output-format",
    type=click.Choice(["tree", MODEL_CHECK]),
    default="tree",
    show_default=True,
    help="With --run: a tree, or the toolchain's model_check_result.txt by its documented rules.",
)
@running.options()
@base.COLOUR
def command(
    target: str,
    run: bool,
    compare: bool,
    output_format: str,
    how: running.RunOptions,
    colour: str,
) -> int:
    """Print what one forward of a class executes, and where.

    The source is read, never imported; without CLASS, all module classes of the file are shown. With --run
    the model is made and executed in a child process instead, and what it did is shown in the same way.
    """
    as_report = output_format == MODEL_CHECK
    if compare and as_report:
        raise click.UsageError(f"--compare and --output-format {MODEL_CHECK} exclude each other")
    if run:
        return _executed(how.subject(target), how.limits, compare, as_report, how.src, colour)
    if compare or as_report or how.inputs is not None:
        raise click.UsageError(f"--compare, --inputs and --output-format {MODEL_CHECK} go with --run")
    path, class_name = _split(target)
    try:
        traces = engine.traces(path, class_name, DiskLoader(), Aim(how.src))
    except Unreadable as error:
        base.warn(f"{path}:{error.line}:{error.column}: {error.message}")
        return 2
    except OSError as error:
        base.warn(f"{path}: {error.strerror or error}")
        return 2
    if not traces:
        known = ", ".join(engine.module_classes(path, DiskLoader())) or "none"
        wanted = f"no module class `{class_name}`" if class_name else "no module class"
        base.warn(f"{path}: {wanted}; module classes here: {known}")
        return 2
    from qatlint.report.trace_tree import render

    style = base.style_for(colour, sys.stdout)
    base.out(render(traces, style), colour=style.colour)
    return 0


def _split(target: str) -> tuple[str, str]:
    """(path, class name or ""); a colon that is part of an existing file name is left alone."""
    if os.path.exists(target):
        return target, ""
    path, colon, class_name = target.rpartition(":")
    return (path, class_name) if colon else (target, "")


def _executed(
    subject: Subject, limits: Limits, compare: bool, as_report: bool, src: tuple[str, ...], colour: str
) -> int:
    """Run the model and show what it did, that beside its source, or as the toolchain would report it."""
    from qatlint.report import side_by_side, trace_tree
    from qatlint.runtime import executed, recording
    from qatlint.runtime.compare import compare as beside

    try:
        answer = launch("record", subject.request, limits)
    except ChildFailed as error:
        return running.show_failure(error)
    recordings = [recording.from_json(text) for text in answer["recordings"]]
    if as_report:
        return _report(recordings)
    traces = executed.traces(recordings)
    style = base.style_for(colour, sys.stdout)
    if compare:
        text = side_by_side.render(beside(_read({t.span.path for t in traces}, src), traces), style)
    else:
        text = trace_tree.render(traces, style)
    base.out(f"backend: {answer['backend']} (torch {answer['torch']})\n{text}", colour=style.colour)
    return 0


def _report(recordings: list[Recording]) -> int:
    """What the toolchain would report on the first sample: it looks at one forward."""
    from qatlint.horizon.report.writer import write, write_graph
    from qatlint.runtime.flow import Flow
    from qatlint.runtime.model_check import model_check

    if len(recordings) > 1:
        base.warn(f"the report is about the first of {len(recordings)} samples")
    check = model_check(Flow(recordings[0]))
    base.out(f"{write(check)}\n{write_graph(check)}".rstrip("\n"), colour=False)
    return 0


def _read(paths: set[str], src: tuple[str, ...]) -> list[Trace]:
    """The Traces of all classes in these files; what cannot be read is said and left out."""
    found: list[Trace] = []
    for path in sorted(paths):
        try:
            found += engine.traces(path, "", DiskLoader(), Aim(src))
        except (Unreadable, OSError) as error:
            base.warn(f"{path}: {error}")
    return found
