"""What the commands that run a model share: their options, and how a failure is shown.

Linting knows these options too (`--verify`), so nothing of what runs a model is imported before it is used.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.core import ParameterSource

from qatlint.cli import base

if TYPE_CHECKING:
    from qatlint.runtime.launch import ChildFailed, Limits
    from qatlint.runtime.subject import Subject
    from qatlint.runtime.target import Target

TIMEOUT = 600.0
_ENDS = 8
"""Lines of a traceback shown from its beginning and its end."""
_LONGEST = 2_000
"""Characters of a message that are shown."""

FORMAT = click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the report is shown.",
)


class RunOptions(NamedTuple):
    """How a model is to be run, as written on the command line."""

    inputs: str | None
    src: tuple[str, ...]
    seed: int
    timeout: float
    memory: int | None
    modes: str = "eval,train"
    march: str | None = None
    given: tuple[str, ...] = ()
    """The options that were written, as they are spelled."""

    @property
    def chip(self) -> str:
        """The chip that is meant: as written, else that of the settings of the current folder. Raises
        `ConfigError`."""
        from qatlint.config import Finder, Overrides

        return self.march or Finder(Overrides()).for_folder(".").march or "nash-e"

    @property
    def limits(self) -> Limits:
        """The limits that the options set."""
        from qatlint.runtime.launch import Limits

        return Limits(self.timeout, self.memory)

    def subject(self, target: str) -> Subject:
        """The model that `target` names, with its inputs; wrong usage when one of them cannot be meant."""
        from qatlint.runtime.subject import Subject
        from qatlint.runtime.target import FORMS

        parsed = _target_of(target)
        if self.inputs is None:
            raise click.UsageError(
                f"--inputs is needed: {FORMS}, a function without arguments that returns what forward is "
                "given, such as `return torch.randn(1, 3, 224, 224)`"
            )
        roots = tuple(os.path.abspath(folder) for folder in self.src)
        return Subject(parsed, _target_of(self.inputs), os.getcwd(), roots, self.seed)


def options(*, lead: str = "", proof: bool = False) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Add the options of a command that runs a model, which is given them as `how`. Those of a proof are two
    more. `lead` is put before what they do, where they go with another option."""

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        chosen = _options(lead, proof)

        @functools.wraps(command)
        def gathered(*args: Any, **kwargs: Any) -> int:
            context = click.get_current_context()
            names = [parameter.name for parameter in context.command.params if parameter.name in chosen]
            written = tuple(
                f"--{name}"
                for name in names
                if name and context.get_parameter_source(name) is not ParameterSource.DEFAULT
            )
            how = RunOptions(**{name: kwargs.pop(name) for name in chosen}, given=written)
            return command(*args, how=how, **kwargs)

        result: Callable[..., int] = gathered
        for option in reversed(chosen.values()):
            result = option(result)
        return result

    return decorate


Option = Callable[[Callable[..., int]], Callable[..., int]]


def _options(lead: str, proof: bool) -> dict[str, Option]:
    def described(text: str) -> str:
        return f"{lead}{text[0].lower()}{text[1:]}" if lead else text

    found: dict[str, Option] = {
        "inputs": click.option(
            "--inputs",
            metavar="CALLABLE",
            help=described(
                "What makes the inputs: it gives args, (args, kwargs), or a list of such for several samples."
            ),
        ),
        "src": click.option(
            "--src", multiple=True, metavar="DIR", help=described("More folders for the import path.")
        ),
        "seed": click.option(
            "--seed",
            type=int,
            default=0,
            show_default=True,
            help=described("For weights, inputs and dropout."),
        ),
        "timeout": click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            default=TIMEOUT,
            show_default=True,
            metavar="SECONDS",
            help=described("How long the model's code may run, each time it does."),
        ),
        "memory": click.option(
            "--memory",
            type=click.IntRange(min=1),
            metavar="MB",
            help=described("How much memory it may take (Linux)."),
        ),
    }
    if proof:
        found["modes"] = click.option(
            "--modes",
            type=click.Choice(["eval", "train", "eval,train"]),
            default="eval,train",
            show_default=True,
            metavar="MODES",
            help=described("The modes in which outputs are compared: eval, train or both."),
        )
        found["march"] = click.option(
            "--march",
            metavar="CHIP",
            help=described(
                "Where the plugin is installed: the chip that its own prepare is run for.  "
                "[default: `march` of the settings that hold for the current folder, else nash-e]"
            ),
        )
    return found


def _target_of(text: str) -> Target:
    """The target that an argument names, as wrong usage when it names none."""
    from qatlint.runtime.target import TargetError, parse

    try:
        return parse(text, os.getcwd())
    except TargetError as error:
        raise click.UsageError(str(error)) from None


def show_failure(error: ChildFailed, output_format: str = "text") -> int:
    """Say what the model's code did, at which of its lines, and what may help. Gives the exit code.

    As JSON, programs are told the same on standard output.
    """
    from qatlint.report.width import one_line

    if output_format == "json":
        base.out(_as_json(error))
    lines = [*_short(error.message)]
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
    base.warn("\n".join(map(one_line, lines)))
    return 2


def _as_json(error: ChildFailed) -> str:
    import json

    frames = [frame._asdict() for frame in error.frames]
    told = {"message": error.message, "hint": error.hint, "frames": frames, "printed": error.said}
    return json.dumps({"error": told}, indent=2)


def _short(message: str) -> list[str]:
    """The lines of a message that a person wants to see."""
    shown = message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ... ({len(message)} characters)"
    return shown.splitlines()
