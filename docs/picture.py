"""Make `docs/terminal.svg`, the picture in the README, from what the tool really prints.

python docs/picture.py
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["qatlint", "examples/decoder.py"]


def main() -> None:
    """Run the command in colour, 80 columns wide, and save what it prints."""
    shown = subprocess.run(
        [sys.executable, "-m", *COMMAND, "--color", "always", "--isolated"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
    )
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(Text("$ " + " ".join(COMMAND), style="bold"))
    console.print(Text.from_ansi(shown.stdout))
    console.save_svg(str(ROOT / "docs" / "terminal.svg"), title="qatlint")


if __name__ == "__main__":
    main()
