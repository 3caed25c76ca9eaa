"""What all commands share: click classes whose help is rich, and output that cannot fail on odd text.

Importing rich_click costs as much as linting a file, so it happens only when help is really shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

import click

from qatlint.report.style import Style

Callback = Callable[..., int]

COLOUR = click.option(
    "--color",
    "colour",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="Whether to colour; auto means on a terminal where NO_COLOR is not set.",
)


class ReaderGone(Exception):
    """Nobody reads our output any more (`| head`)."""


class QatlintCommand(click.Command):
    """A command whose `--help` is rendered by rich-click."""

    def get_help(self, ctx: click.Context) -> str:
        import rich_click

        command = rich_click.RichCommand(
            name=self.name, params=self.params, help=self.help, epilog=self.epilog
        )
        return command.get_help(rich_click.RichContext(command, parent=ctx.parent, info_name=ctx.info_name))


def command(name: str, *, epilog: str | None = None) -> Callable[[Callback], click.Command]:
    """Make a function a command of qatlint. It returns the exit code."""
    settings = {"help_option_names": ["-h", "--help"]}
    return click.command(name, cls=QatlintCommand, epilog=epilog, context_settings=settings)


def warn(text: str) -> None:
    """One line to a person, on standard error."""
    out(f"qatlint: {text}", err=True)


def out(text: str | bytes, *, err: bool = False, colour: bool = False) -> None:
    """Print text with a line end, or bytes as they are. Raises `ReaderGone`."""
    try:
        click.echo(text, err=err, color=colour, nl=isinstance(text, str))
    except BrokenPipeError:
        raise ReaderGone from None


def style_for(choice: str, stream: TextIO) -> Style:
    """Colour and width for a stream; `choice` is what `--color` says."""
    terminal = stream.isatty()
    if choice == "auto":
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    else:
        colour = choice == "always"
    return Style(colour, _width(stream if terminal else None))


def _width(terminal: TextIO | None) -> int:
    """Columns: what COLUMNS says, or the terminal; 100 for a file, where nothing would cut a line."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said) > 0:
        return max(int(said), 40)
    if terminal is None:
        return 100
    try:
        return max(os.get_terminal_size(terminal.fileno()).columns, 40)
    except OSError:
        return 80
