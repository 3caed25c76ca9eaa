"""`qatlint trace`: what the tool understood of a class."""

from __future__ import annotations

import os
import sys

import click

from qatlint import engine
from qatlint.cli import base
from qatlint.files import DiskLoader
from qatlint.static.source import Unreadable


@base.command(
    "trace",
    epilog="A `*` in a path is a list position, `×` is the number of executions in one forward.",
)
@click.argument("target", metavar="FILE[:CLASS]")
@click.option("--src", multiple=True, help="A folder in which absolute imports are looked for.")
@base.COLOUR
def command(target: str, src: tuple[str, ...], colour: str) -> int:
    """Print what one forward of a class executes, and where.

    The source is read, never imported. Without CLASS, all module classes of the file are shown.
    """
    path, class_name = _split(target)
    try:
        traces = engine.traces(path, class_name, DiskLoader(), src)
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
