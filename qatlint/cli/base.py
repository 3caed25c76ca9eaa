"""What all commands share: click classes whose help is rich, and output that cannot fail on odd text.

Importing rich_click costs as much as linting a file, so it happens only when help is really shown.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
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


NARROWEST = 24
"""Text is never broken into lines shorter than this, even where a terminal has less."""

_WIDTH_OF_TABLES = 64


class ReaderGone(Exception):
    """Nobody reads our output any more (`| head`)."""


class QatlintCommand(click.Command):
    """A command whose `--help` is rendered by rich-click, where there is room."""

    def get_help(self, ctx: click.Context) -> str:
        if make_narrow(ctx):
            return super().get_help(ctx)
        import rich_click

        command = rich_click.RichCommand(
            name=self.name, params=self.params, help=self.help, epilog=self.epilog
        )
        return command.get_help(rich_click.RichContext(command, parent=ctx.parent, info_name=ctx.info_name))


class _NarrowFormatter(click.HelpFormatter):
    """Puts what an option does below its name, where there is no room beside it."""

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 4, col_spacing: int = 2) -> None:
        super().write_dl(list(rows), min(col_max, 4), col_spacing)


def make_narrow(ctx: click.Context) -> bool:
    """Whether there is too little room for tables in the help, which is then plain and fits."""
    width = style_for("never", sys.stdout, unknown=80).width
    if width >= _WIDTH_OF_TABLES:
        return False
    ctx.formatter_class, ctx.terminal_width = _NarrowFormatter, width
    return True


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


def style_for(choice: str, stream: TextIO, *, unknown: int = 100) -> Style:
    """Colour and width for a stream; `choice` is what `--color` says.

    `unknown` columns are used for a pipe or a file, where nothing would cut a line.
    """
    terminal = stream.isatty()
    if choice == "auto":
        colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    else:
        colour = choice == "always"
    return Style(colour, _width(stream) if terminal else _said_width() or unknown)


def _width(terminal: TextIO) -> int:
    said = _said_width()
    if said:
        return said
    try:
        # A terminal that does not know its size says 0.
        return max(os.get_terminal_size(terminal.fileno()).columns or 80, NARROWEST)
    except OSError:
        return 80


def _said_width() -> int:
    """What COLUMNS says, 0 when it says nothing."""
    said = os.environ.get("COLUMNS", "")
    return max(int(said), NARROWEST) if said.isascii() and said.isdecimal() and int(said) else 0
