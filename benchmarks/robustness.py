"""Let qatlint loose on large trees of real code: no crash, no hang, and where the time goes.

    python benchmarks/robustness.py --venv /path/to/venv
    python benchmarks/robustness.py FOLDER FOLDER --seconds 120

Every package below the given folders (default: the site-packages of --venv) is linted by a process of its
own with a time limit. When one fails or does not end, its parts are linted again, down to the file, so
that the report names the culprit. Exit code 1 when anything crashed or hung.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import helpers


@dataclass(slots=True)
class Report:
    """What all runs together have shown."""

    findings: Counter[str] = field(default_factory=Counter)
    seconds: dict[Path, float] = field(default_factory=dict)
    crashes: list[tuple[Path, str]] = field(default_factory=list)
    hangs: list[tuple[Path, float]] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--venv", type=Path, help="lint the site-packages of this environment")
    parser.add_argument("--seconds", type=float, default=300, help="time limit of a package")
    parser.add_argument("--file-seconds", type=float, default=20, help="time limit of a file linted alone")
    parser.add_argument("--slowest", type=int, default=15, help="how many of the slowest files to name")
    parser.add_argument("--qatlint", default=helpers.default_qatlint(), help="the command to run")
    options = parser.parse_args()
    folders: list[Path] = list(options.folders)
    if options.venv:
        folders += sorted(options.venv.glob("lib/python*/site-packages"))
    if not folders:
        parser.error("give folders, or --venv")

    report = Report()
    for folder in folders:
        for part in parts(folder):
            lint(part, options.qatlint, options.seconds, options.file_seconds, report)
    show(report)
    slowest_files(report, options.qatlint, options.file_seconds, options.slowest)
    return 1 if report.crashes or report.hangs else 0


def parts(folder: Path) -> list[Path]:
    """The Python files and the folders with Python files directly in a folder; a file has no parts."""
    if not folder.is_dir():
        return []
    return [
        p
        for p in sorted(folder.iterdir())
        if p.suffix == ".py" or (p.is_dir() and next(p.rglob("*.py"), None) is not None)
    ]


def lint(target: Path, qatlint: str, seconds: float, file_seconds: float, report: Report) -> None:
    """Lint one file or folder into the report; go down into its parts when it fails."""
    limit = seconds if target.is_dir() else file_seconds
    began = time.perf_counter()
    try:
        result = helpers.qatlint(qatlint, [target, *_STRICT], timeout=limit)
    except subprocess.TimeoutExpired:
        report.hangs.append((target, limit))
        failed = True
    except helpers.BenchmarkError as error:
        report.crashes.append((target, last_lines(str(error))))
        failed = True
    else:
        failed = result.exit_code not in (0, 1) or "Traceback" in result.errors
        if failed:
            report.crashes.append((target, last_lines(result.errors)))
        for item in result.items:
            if failed:
                break
            report.findings[item["code"]] += 1
            if item["code"] == "QAT000":
                report.unreadable.append(f"{item['path']}:{item['line']}: {item['message']}")
    if failed:
        for part in parts(target):
            lint(part, qatlint, seconds, file_seconds, report)
    else:
        report.seconds[target] = time.perf_counter() - began


_STRICT = ("--min-severity", "note", "--exit-zero", "--isolated", "--no-cache")


def last_lines(text: str, count: int = 4) -> str:
    """The end of an error text, on one line."""
    return " | ".join(text.strip().splitlines()[-count:])


def show(report: Report) -> None:
    """Print what was seen."""
    total = sum(report.seconds.values())
    print(f"{len(report.seconds)} packages and files linted in {total:.0f} s")
    slow = sorted(report.seconds.items(), key=lambda entry: -entry[1])[:15]
    files = [(str(p), sum(1 for _ in p.rglob("*.py")) if p.is_dir() else 1, f"{s:.2f}") for p, s in slow]
    print("\nslowest packages\n" + helpers.table(("", "files", "s"), files))
    rules = sorted(report.findings.items())
    print("\nfindings per rule\n" + helpers.table(("code", "findings"), rules))
    print(f"\nfiles that are no Python for this interpreter, or unreadable: {len(report.unreadable)}")
    for line in report.unreadable[:20]:
        print(f"  {line}")
    print(f"\ncrashes: {len(report.crashes)}")
    for path, text in report.crashes:
        print(f"  {path}: {text}")
    print(f"\nhangs: {len(report.hangs)}")
    for path, limit in report.hangs:
        print(f"  {path}: more than {limit:g} s")


def slowest_files(report: Report, qatlint: str, file_seconds: float, count: int) -> None:
    """Lint the largest files of the slowest packages alone, and print which take longest."""
    slow = sorted(report.seconds, key=lambda path: -report.seconds[path])[:4]
    files = [f for p in slow for f in ([p] if p.is_file() else p.rglob("*.py"))]
    torch_files = [f for f in files if b"torch" in f.read_bytes()]
    largest = sorted(torch_files, key=lambda f: -f.stat().st_size)[: 4 * count]
    alone = Report()
    for file in largest:
        lint(file, qatlint, file_seconds, file_seconds, alone)
    rows = sorted(alone.seconds.items(), key=lambda entry: -entry[1])[:count]
    print(f"\nslowest of the {len(largest)} largest torch files of those packages, linted alone")
    print(
        helpers.table(
            ("file", "lines", "s"), [(str(f), f.read_bytes().count(10), f"{s:.2f}") for f, s in rows]
        )
    )
    for path, limit in alone.hangs:
        report.hangs.append((path, limit))
        print(f"  hangs: {path}: more than {limit:g} s")


if __name__ == "__main__":
    sys.exit(main())
