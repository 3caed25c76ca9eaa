"""One run: arguments to an exit code, and every way it can end early."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

TROUBLE, INTERRUPTED, BROKEN_PIPE = 2, 130, 141

TRACEBACK = "QATLINT_TRACEBACK"


def run(arguments: Sequence[str]) -> int:
    """Run qatlint and give its exit code.

    0: nothing at or above the threshold; 1: findings; 2: wrong usage, wrong configuration, an internal error.
    """
    from qatlint.cli.app import Interrupted, app
    from qatlint.cli.base import ReaderGone

    _never_fail_on_text()
    try:
        result = app.main(args=list(arguments), prog_name="qatlint", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        return TROUBLE
    except (Interrupted, click.Abort):
        return INTERRUPTED  # silently: who pressed the keys knows
    except ReaderGone:
        # Python must not complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            click.echo(f"qatlint: {_in_short(error)}", err=True)
        else:
            click.echo(f"qatlint: cannot write: {error.strerror}", err=True)
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return TROUBLE
    except Exception as error:
        click.echo(f"qatlint: {_in_short(error)}", err=True)
        return TROUBLE
    return result if isinstance(result, int) else 0


def _never_fail_on_text() -> None:
    """A path or a name the terminal's encoding lacks is shown escaped."""
    import io

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _show(error: click.ClickException) -> None:
    """Wrong usage, with the usage line; in a box on a terminal."""
    if not sys.stderr.isatty():
        error.show()
        return
    from rich_click import RichHelpFormatter

    formatter = RichHelpFormatter()
    formatter.write_error(error)
    click.echo(formatter.getvalue().rstrip(), err=True)


def _in_short(error: Exception) -> str:
    """What happened and where, in two lines: an internal error is our bug, and says how to report it."""
    from qatlint.config import ConfigError

    if isinstance(error, ConfigError):
        return str(error)
    from qatlint.workers import WorkerLost

    if isinstance(error, WorkerLost):
        return str(error)
    if os.environ.get(TRACEBACK):
        import traceback

        return "internal error\n" + "".join(traceback.format_exception(error)).rstrip()
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    hint = f"This is a bug in qatlint. Set {TRACEBACK}=1 to see the whole traceback."
    return f"internal error{place}: {what}\n{hint}"
