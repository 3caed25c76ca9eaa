"""`qatlint doctor`: what there is to run models with."""

from __future__ import annotations

import sys

import qatlint
from qatlint.cli import base


@base.command("doctor", epilog="Exit codes: 0 models can be run, 2 they cannot.")
def command() -> int:
    """Say what qatlint runs with: Python, torch, the plugin and its chip, and which backend can be used.

    Linting needs none of them.
    """
    from qatlint.cli.running import show_failure
    from qatlint.runtime.launch import ChildFailed, Limits, launch

    base.out(f"qatlint  {qatlint.__version__}")
    base.out(f"python   {sys.version.split()[0]}  {sys.executable}")
    try:
        found = launch("doctor", {}, Limits(120))
    except ChildFailed as error:
        base.out("torch    cannot be used: `verify`, `ranges` and `trace --run` need it")
        return show_failure(error)
    base.out(f"torch    {found['torch']}")
    if found["plugin"] is None:
        base.out(f"plugin   {found['trouble'] or 'horizon_plugin_pytorch is not installed'}")
    else:
        base.out(f"plugin   horizon_plugin_pytorch {found['plugin']}, march {found['march'] or 'not set'}")
    base.out("         (qatlint's authors have not run it against the real plugin, only against a stand-in)")
    base.out("backend  reference: the toolchain's rules as documented, on the executed graph")
    if found["plugin"] is not None:
        base.out("backend  horizon: the plugin's own prepare, beside it")
    return 0
