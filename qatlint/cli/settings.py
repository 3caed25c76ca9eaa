"""The options that say which settings hold, for every command that lints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from qatlint.config import Finder, Overrides
from qatlint.finding import Severity

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--select",
        multiple=True,
        metavar="RULES",
        help="Only these rules: codes, names, prefixes such as QAT1, ALL; separated by commas.",
    ),
    click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules."),
    click.option(
        "--min-severity",
        type=click.Choice([s.label for s in Severity]),
        help="Hide findings below this, and do not fail for them.  [default: warning]",
    ),
    click.option(
        "--config",
        metavar="FILE",
        help="Settings from this file: a qatlint.toml, or a pyproject.toml with [tool.qatlint].",
    ),
    click.option("--isolated", is_flag=True, help="Read no settings from files."),
)


def options(function: F) -> F:
    """Give a command the options; it passes their values to `finder`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def finder(
    select: Sequence[str], ignore: Sequence[str], min_severity: str | None, config: str | None, isolated: bool
) -> Finder:
    """What finds the settings of a file. Raises `UsageError` and `ConfigError`."""
    if config is not None and isolated:
        raise click.UsageError("--config and --isolated exclude each other")
    overrides = Overrides(
        select=_split(select),
        ignore=_split(ignore),
        min_severity=Severity[min_severity.upper()] if min_severity else None,
    )
    return Finder(overrides, explicit=config, isolated=isolated)


def _split(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())
