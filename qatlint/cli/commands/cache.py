"""`qatlint cache`: where the cache of findings is, and how to be rid of it."""

from __future__ import annotations

import os

import click

from qatlint.cachefile import remove
from qatlint.cli import base
from qatlint.config import Finder, Overrides, cache_folder


@base.command("cache", epilog="Exit codes: 0 done, 2 wrong usage, or a cache that cannot be removed.")
@click.argument("action", type=click.Choice(["path", "clear"]))
@click.option("--config", metavar="FILE", help="Settings from this file, as for `qatlint check`.")
@click.option("--isolated", is_flag=True, help="Read no settings from files.")
def command(action: str, config: str | None, isolated: bool) -> int:
    """Show the folder of the cache (`path`) or remove the cache (`clear`).

    It is the one that a check of the current folder uses. Nothing is lost with it but time.
    """
    if config is not None and isolated:
        raise click.UsageError("--config and --isolated exclude each other")
    folder = cache_folder(Finder(Overrides(), explicit=config, isolated=isolated).for_folder("."))
    if action == "path":
        base.out(os.path.abspath(folder))
    else:
        removed = remove(folder)
        base.out(f"{folder}: {removed} file{'' if removed == 1 else 's'} removed")
    return 0
