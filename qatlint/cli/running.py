"""What the commands that run a model share: their options, and how a failure is shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import click

from qatlint.cli import base
from qatlint.runtime.launch import ChildFailed, Limits
from qatlint.runtime.target import FORMS, Target, TargetError, parse

TIMEOUT = 600.0
_ENDS = 8
"""Lines of a traceback shown from its beginning and its end."""

_OPTIONS = (
    click.option(
        "--inputs",
        metavar="CALLABLE",
        help="What makes the inputs: it gives args, (args, kwargs), or a list of such for several samples.",
    ),
    click.option("--src", multiple=True, metavar="DIR", help="More folders for the import path."),
    click.option("--seed", type=int, default=0, show_default=True, help="For weights, inputs and dropout."),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="How long the model's code may run, each time it does.",
    ),
    click.option(
        "--memory", type=click.IntRange(min=1), metavar="MB", help="How much memory it may take (Linux)."
    ),
)


def options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of a command that runs a model."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def target_of(text: str) -> Target:
    """The target that an argument names, as wrong usage when it names none."""
    try:
        return parse(text, os.getcwd())
    except TargetError as error:
        raise click.UsageError(str(error)) from None


def inputs_of(text: str | None) -> Target:
    """The callable that makes the inputs; wrong usage when none is named."""
    if text is None:
        raise click.UsageError(
            f"--inputs is needed: {FORMS}, a function without arguments that returns what forward is given, "
            "such as `return torch.randn(1, 3, 224, 224)`"
        )
    return target_of(text)


def limits_of(timeout: float, memory: int | None) -> Limits:
    """The limits that the options set."""
    return Limits(timeout, memory)


def request_of(target: Target, inputs: Target, src: tuple[str, ...], seed: int) -> dict[str, Any]:
    """The part of a child's request that all jobs have in common."""
    return {"target": target, "inputs": inputs, "roots": [os.path.abspath(s) for s in src], "seed": seed}


def show_failure(error: ChildFailed) -> int:
    """Say what the model's code did, at which of its lines, and what may help. Gives the exit code."""
    lines = [error.message]
    for number, frame in enumerate(error.frames):
        # Recursion without end has a thousand of them.
        if _ENDS <= number < len(error.frames) - _ENDS:
            if number == _ENDS:
                lines.append(f"  and {len(error.frames) - 2 * _ENDS} more, then")
            continue
        path = os.path.relpath(frame.path) if frame.path.startswith(os.getcwd() + os.sep) else frame.path
        where = f" in {frame.function}" if frame.function else ""
        lines.append(f"  {path}:{frame.line}{where}")
        if frame.text:
            lines.append(f"      {frame.text}")
    if error.hint:
        lines.append(f"hint: {error.hint}")
    if error.said.strip() and not error.frames:
        lines += ["the last it printed:", *(f"  {line}" for line in error.said.splitlines())]
    base.warn("\n".join(lines))
    return 2
