"""How long qatlint takes, as whole processes without a cache, beside reading and parsing the same files.

    python benchmarks/speed.py --source site-packages/timm
    python benchmarks/speed.py --download --tools /path/to/venv/bin

The baseline is one Python process that reads every file and gives it to `ast.parse`. The runs of the
contestants are interleaved (one of each, then again), so that a slow minute of the machine hits all. ruff,
Fixit and TorchFix are timed when --tools holds them; the slow ones run less often. Exit code 0 when
qatlint takes at most 2.0 times the baseline on the whole package, and on one file of about 1,500 lines
less than 120 ms more than `python -c pass`.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import helpers

MOST_TIMES_BASELINE = 2.0
MOST_SECONDS_MORE = 0.120
SINGLE_FILE_LINES = 1500

_PARSE = """
import ast, sys
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        ast.parse(file.read(), path)
"""


@dataclass(slots=True)
class Contestant:
    """One command line, and the seconds its runs took. Every `each`-th round it runs."""

    name: str
    command: list[str]
    each: int = 1
    seconds: list[float] = field(default_factory=list)
    exit_codes: set[int] = field(default_factory=set)
    said: str = ""

    def run(self) -> None:
        """One timed run, its output into a pipe that is read to the end."""
        # Bytecode is kept, as for any installed program: a machine may be set up not to write it.
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        began = time.perf_counter()
        done = subprocess.run(
            self.command, capture_output=True, text=True, cwd=helpers.ROOT, env=environment, check=False
        )
        self.seconds.append(time.perf_counter() - began)
        self.exit_codes.add(done.returncode)
        self.said = done.stderr[-500:]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", type=Path, help="the package's folder (default: the cached wheel)")
    parser.add_argument("--requirement", default="timm==1.0.31", help="what --download fetches")
    parser.add_argument(
        "--download", action="store_true", help="fetch the wheel's source with pip when needed"
    )
    parser.add_argument("--file", type=Path, help="the single file (default: the one nearest to 1,500 lines)")
    parser.add_argument("--tools", type=Path, help="folder with ruff, fixit and flake8 with TorchFix")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument(
        "--slow-each", type=int, default=7, help="Fixit and TorchFix run every so many rounds"
    )
    parser.add_argument("--qatlint", default=helpers.default_qatlint(), help="the command to run")
    options = parser.parse_args()
    try:
        source = helpers.library_source(options.requirement, options.source, options.download)
    except helpers.BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    files = sorted(source.rglob("*.py"))
    lines = {path: path.read_bytes().count(b"\n") for path in files}
    single = options.file or typical_file(lines)
    rounds = (options.runs, options.slow_each, options.tools)

    print(f"{source}: {len(files)} files, {sum(lines.values()):,} lines; {os.cpu_count()} cores")
    whole = [Contestant("read and ast.parse", [sys.executable, "-c", _PARSE, *map(str, files)])]
    ratio = contest(whole + contestants(options.qatlint, source, *rounds), options.runs)

    print(f"\n{single}: {single.read_bytes().count(10):,} lines")
    nothing = [Contestant("python -c pass", [sys.executable, "-c", "pass"])]
    runners = nothing + contestants(options.qatlint, single, *rounds)
    contest(runners, options.runs)
    more = runners[1].median - runners[0].median

    good = ratio <= MOST_TIMES_BASELINE and more < MOST_SECONDS_MORE
    print(
        f"\n{'PASS' if good else 'FAIL'}: whole package {ratio:.2f} times the baseline "
        f"({MOST_TIMES_BASELINE:.1f} allowed), single file {more * 1000:.0f} ms more than `python -c pass` "
        f"({MOST_SECONDS_MORE * 1000:.0f} allowed)"
    )
    return 0 if good else 1


def typical_file(lines: dict[Path, int]) -> Path:
    """The model file whose length is nearest to 1,500 lines."""
    models = {path: n for path, n in lines.items() if path.parent.name == "models"} or lines
    return min(models, key=lambda path: (abs(models[path] - SINGLE_FILE_LINES), path))


def contestants(
    qatlint: str, target: Path, runs: int, slow_each: int, tools: Path | None
) -> list[Contestant]:
    """qatlint, and the other tools that are installed; what is missing is said."""
    quiet = ["--no-cache", "--isolated", "--exit-zero", "--output-format", "json"]
    found = [Contestant("qatlint", [*shlex.split(qatlint), "check", str(target), *quiet])]
    if tools is None:
        print("ruff, Fixit and TorchFix skipped: no --tools folder")
        return found
    each = min(slow_each, runs)
    others = [
        Contestant("ruff", ["ruff", "check", "--no-cache", "--isolated", "--quiet", str(target)]),
        Contestant("TorchFix", ["torchfix", "--select=ALL", str(target)], each),
        Contestant("TorchFix in flake8", ["flake8", "--isolated", "--select=TOR", str(target)], each),
        Contestant("Fixit", ["fixit", "--quiet", "lint", str(target)], each),
    ]
    for other in others:
        program = tools / other.command[0]
        if program.exists():
            other.command[0] = str(program)
            found.append(other)
        else:
            print(f"{other.name} skipped: no {program}")
    return found


def contest(runners: list[Contestant], runs: int) -> float:
    """Run everyone in turns and print the table; the ratio of the second to the first."""
    for runner in runners[:2]:
        runner.run()  # once untimed: bytecode and the disk's cache
        runner.seconds.clear()
    for turn in range(runs):
        for runner in runners:
            if turn % runner.each == 0:
                runner.run()
    base = runners[0].median
    rows = [
        (
            r.name,
            f"{r.median:.3f}",
            f"{min(r.seconds):.3f}",
            f"{max(r.seconds):.3f}",
            len(r.seconds),
            f"{r.median / base:.2f}",
            f"{(r.median - base) * 1000:+.0f}",
            "/".join(map(str, sorted(r.exit_codes))),
        )
        for r in runners
    ]
    print(helpers.table(("", "median s", "min", "max", "runs", "ratio", "ms more", "exit"), rows))
    if runners[1].exit_codes != {0}:
        print(f"qatlint did not end well: {runners[1].said}", file=sys.stderr)
    return runners[1].median / base


if __name__ == "__main__":
    sys.exit(main())
