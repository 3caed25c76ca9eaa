"""The command group: one file in `qatlint.cli.commands` is one command, loaded when it is asked for."""

from __future__ import annotations

import importlib
import os
from functools import cache

import click

import qatlint
from qatlint.cli import commands
from qatlint.cli.base import make_narrow

DEFAULT = "check"


@cache
def names() -> tuple[str, ...]:
    """Names of all commands: those of the files in the package."""
    found = {
        entry[:-3]
        for folder in commands.__path__
        for entry in os.listdir(folder)
        if entry.endswith(".py") and not entry.startswith("_")
    }
    return tuple(sorted(found))


class Interrupted(Exception):
    """Somebody pressed Ctrl-C."""


class QatlintGroup(click.Group):
    """Knows its commands by their files; `check` is meant when none is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = {option for parameter in self.get_params(ctx) for option in parameter.opts}
        # While a shell completes, what is not there yet may still become the name of a command.
        if not ctx.resilient_parsing and (not args or (args[0] not in own and args[0] not in names())):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            # click would print an empty line.
            raise Interrupted from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in names():
            return None
        found: click.Command = importlib.import_module(f"qatlint.cli.commands.{cmd_name}").command
        return found

    def get_help(self, ctx: click.Context) -> str:
        if make_narrow(ctx):
            return super().get_help(ctx)
        import rich_click

        loaded = {name: self.get_command(ctx, name) for name in names()}
        group = rich_click.RichGroup(
            name=self.name,
            commands={name: command for name, command in loaded.items() if command is not None},
            params=self.params,
            help=self.help,
            epilog=self.epilog,
            subcommand_metavar=self.subcommand_metavar,
        )
        rich_context = rich_click.RichContext(
            group, info_name=ctx.info_name, help_option_names=ctx.help_option_names
        )
        return group.get_help(rich_context)


@click.group(
    cls=QatlintGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="[COMMAND] [ARGS]...",
    epilog="Without a command, `check` is meant: `qatlint src/`.",
)
@click.version_option(qatlint.__version__, prog_name="qatlint")
def app() -> None:
    """Find, explain and fix what keeps a PyTorch model from quantising well on Horizon chips."""
