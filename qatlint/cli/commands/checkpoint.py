"""`qatlint checkpoint`: give a checkpoint the keys that a fix has added."""

from __future__ import annotations

import json
import os
from typing import Any

import click

from qatlint.cli import base, running


@base.command("checkpoint", epilog="Exit codes: 0 written, 2 not written.")
@click.argument("old", type=click.Path(exists=True, dir_okay=False))
@click.argument("new", type=click.Path(dir_okay=False))
@click.option(
    "--map",
    "keys",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="The map of new keys that `qatlint verify` wrote.",
)
@click.option("--force", is_flag=True, help="Replace NEW when it is there already.")
def command(old: str, new: str, keys: str, force: bool) -> int:
    """Write checkpoint NEW: OLD, with the tensors of old keys under new ones too.

    Files of torch.save and safetensors are read; nothing in them is executed. OLD is not touched.
    """
    from qatlint.runtime.launch import ChildFailed, Limits, launch

    if os.path.lexists(new):
        if os.path.exists(new) and os.path.samefile(old, new):
            raise click.UsageError("OLD and NEW are the same file: the original is never changed")
        if os.path.exists(new) and not os.path.isfile(new):
            raise click.UsageError(f"{new} is no regular file, and is not replaced")
        if not force:
            raise click.UsageError(f"{new} is there already: --force replaces it")
    if old.endswith(".safetensors") != new.endswith(".safetensors"):
        raise click.UsageError("OLD and NEW must be of the same format: the format is not changed")
    request = {"old": os.path.abspath(old), "new": os.path.abspath(new), "copies": _copies(keys)}
    try:
        answer: dict[str, Any] = launch("checkpoint", request, Limits(running.TIMEOUT))
    except ChildFailed as error:
        return running.show_failure(error)
    added = answer["added"]
    base.out(
        f"{new}: {len(added)} key{'' if len(added) == 1 else 's'} added"
        if added
        else f"{new}: all keys were there already"
    )
    return 0


def _copies(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} is not a map of keys: {error}") from None
    copies = content.get("copies") if isinstance(content, dict) and content.get("version") == 1 else None
    if not isinstance(copies, dict) or not all(isinstance(value, str) for value in copies.values()):
        raise click.UsageError(f"{path} is not a map of keys as this version of `qatlint verify` writes it")
    if not copies:
        raise click.UsageError(f"{path} names no keys: there is nothing to convert")
    return copies
