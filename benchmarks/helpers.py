"""What the benchmarks share: finding sources, running qatlint as a user would, printing tables."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(__file__).resolve().parent / ".cache"


class BenchmarkError(Exception):
    """A benchmark cannot go on; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one run of qatlint gave."""

    exit_code: int
    items: list[dict[str, Any]]
    errors: str


def default_qatlint() -> str:
    """The command line of this checkout's qatlint."""
    return shlex.join([sys.executable, "-m", "qatlint"])


def qatlint(command: str, arguments: Sequence[str | Path], timeout: float | None = None) -> Result:
    """Run `command check ARGUMENTS --output-format json` in the checkout and read its JSON.

    Raises `BenchmarkError` when the output is no JSON, `subprocess.TimeoutExpired` after `timeout` seconds.
    """
    line = [*shlex.split(command), "check", *map(str, arguments), "--output-format", "json"]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=timeout, check=False)
    try:
        items = json.loads(done.stdout)
    except ValueError as error:
        said = done.stdout[:500] + done.stderr[-2000:]
        raise BenchmarkError(
            f"no JSON from `{shlex.join(line)}`, exit code {done.returncode}:\n{said}"
        ) from error
    return Result(done.returncode, items, done.stderr)


def library_source(requirement: str, given: Path | None, download: bool) -> Path:
    """The folder that holds the source of `requirement` (`name==version`).

    `given` is taken as it is. Otherwise the wheel's source is looked for in the cache folder, and
    fetched with pip when `download` is set. Raises `BenchmarkError` when there is none.
    """
    if given is not None:
        if not given.exists():
            raise BenchmarkError(f"no such folder: {given}")
        return given
    name, _, version = requirement.partition("==")
    folder = CACHE / f"{name}-{version}"
    if not folder.is_dir():
        if not download:
            raise BenchmarkError(f"no source of {requirement}: give --source FOLDER, or --download")
        _download(requirement, folder)
    return folder / name


def _download(requirement: str, folder: Path) -> None:
    """Fetch one wheel and unpack its Python files; nothing is installed and nothing of it is run."""
    import zipfile

    CACHE.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run([*pip, "--dest", str(CACHE), requirement], check=False)
    wheels = sorted(CACHE.glob(requirement.replace("==", "-") + "-*.whl"))
    if done.returncode or not wheels:
        raise BenchmarkError(f"pip could not download {requirement}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(folder, [n for n in wheel.namelist() if n.endswith(".py")])
    wheels[0].unlink()


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A plain text table; columns that hold only numbers stand right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(r[i]) for r in [list(head), *cells]) for i in range(len(head))]
    right = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
        ).rstrip()

    return "\n".join([line(head), line(["-" * w for w in widths]), *map(line, cells)])
