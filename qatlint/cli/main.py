"""The process: `qatlint` on the command line."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn


def main() -> NoReturn:
    """Run qatlint on the arguments of the process, and end the process with its exit code."""
    _open_missing_streams()
    try:
        # An exception lets go of what is half done: workers, a temporary file.
        signal.signal(signal.SIGTERM, _end)
        gc.disable()  # Importing makes many objects and no garbage.
        from qatlint.cli.run import run

        gc.enable()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except _Terminated:
        code = 128 + signal.SIGTERM
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking down what a run has built, tree by tree, would take longer than linting a small file.
    os._exit(code)


def _open_missing_streams() -> None:
    """A process may be started without standard output (`>&-`): what it prints then goes nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # until the end


class _Terminated(BaseException):
    """Somebody wants this process to end."""


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # once is enough
    raise _Terminated


if __name__ == "__main__":
    main()
