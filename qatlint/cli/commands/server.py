"""`qatlint server`: the language server, for editors."""

from __future__ import annotations

import sys

import click

from qatlint.cli import base


@base.command("server", epilog="Exit codes: 0 the editor said goodbye, 2 what it needs is not installed.")
@click.option("--stdio", is_flag=True, expose_value=False, help="Accepted, since many editors add it.")
def command() -> int:
    """Serve an editor over standard input and output (Language Server Protocol).

    Editors start it by themselves; see docs/editors.md.
    """
    try:
        from qatlint.lsp.server import serve
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        raise click.ClickException("the server needs pygls: pip install 'qatlint[lsp]'") from None
    if sys.stdin.isatty():
        base.warn("waiting for an editor on standard input (Ctrl-C ends this)")
    serve()
    return 0
