"""The process: `qatlint` on the command line."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run qatlint on the arguments of the process, and end the process with its exit code."""
    try:
        gc.disable()  # Importing makes many objects and no garbage.
        from qatlint.cli.run import run

        gc.enable()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.stdout.flush()
    sys.stderr.flush()
    # Taking down what a run has built, tree by tree, would take longer than linting a small file.
    os._exit(code)


if __name__ == "__main__":
    main()
