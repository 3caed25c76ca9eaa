"""How long qatlint takes, as whole processes, beside reading and parsing the same files.

    python benchmarks/speed.py --sources FOLDER --tools /path/to/venv/bin
    python benchmarks/speed.py --sources FOLDER --parts package --runs 3
    python benchmarks/speed.py --download --parts package file

FOLDER holds the libraries, one folder each (`pip download --no-deps`, unpacked). The baseline is one Python
process that reads every file and gives it to `ast.parse`. The runs of the contestants are interleaved (one of
each, then again), so that a slow minute of the machine hits all. The parts:

    package    timm, cold and warm, beside ruff, Fixit and TorchFix where --tools holds them
    file       one file of about 1,500 lines, without a cache, beside `python -c pass` and the same tools
    libraries  all libraries in one run, cold and warm, beside ruff
    memory     what such a cold run and its workers hold at the most
    flat       cold runs over some hundred files, more, and all: the same time per file, beside parsing them

Cold means with a cache that is empty and is written, warm with one that holds everything. Exit code 0 when
all parts that were asked for stay within what is written in `ALLOWED`.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import contest
import helpers
from contest import Contestant

LIBRARIES = ("timm", "torchvision", "transformers", "mmdet", "mmdet3d", "mmcv-lite", "ultralytics")
PARTS = ("package", "file", "libraries", "memory", "flat")
ALLOWED = {
    "package cold": (1.3, "times the baseline"),
    "package warm": (0.15, "times the baseline"),
    "one file": (120.0, "ms more than `python -c pass`"),
    "libraries cold": (1.2, "times the baseline"),
    "libraries warm": (0.1, "times the baseline"),
    "memory": (600.0, "MB"),
    "flat": (1.15, "times the ratio of the smallest set"),
}
SINGLE_FILE_LINES = 1500
SMALLEST = 300


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sources", type=Path, help="the folder that holds the libraries' folders")
    parser.add_argument("--libraries", nargs="+", default=LIBRARIES, help="those of them to take")
    parser.add_argument("--source", type=Path, help="the package's folder (default: that of --sources)")
    parser.add_argument("--requirement", default="timm==1.0.31", help="what --download fetches")
    parser.add_argument(
        "--download", action="store_true", help="fetch the wheel's source with pip when needed"
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--file", type=Path, help="the single file (default: the one nearest to 1,500 lines)")
    parser.add_argument("--tools", type=Path, help="folder with ruff, fixit and flake8 with TorchFix")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument(
        "--slow-each", type=int, default=5, help="Fixit and TorchFix run every so many rounds"
    )
    parser.add_argument("--qatlint", default=helpers.default_qatlint(), help="the command to run")
    options = parser.parse_args()
    measured: dict[str, float] = {}
    try:
        for part in options.parts:
            measured |= _MEASURES[part](options)
    except helpers.BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        contest.clean_up()
    good = {name: value <= ALLOWED[name][0] for name, value in measured.items()}
    rows = [
        ("PASS" if good[name] else "FAIL", name, f"{value:.2f}", f"{most:g} {unit}")
        for name, value in measured.items()
        for most, unit in [ALLOWED[name]]
    ]
    print("\n" + helpers.table(("", "part", "measured", "allowed"), rows))
    return 0 if all(good.values()) else 1


def package(options: argparse.Namespace) -> dict[str, float]:
    """One package, cold and warm, and the other tools."""
    folder = _package_folder(options)
    files = _files([folder])
    _say(f"{folder.name}", files)
    runners = _three(options, [folder], files)
    contest.contest([*runners, *_others(options, [folder])], options.runs)
    return {
        "package cold": runners[1].median / runners[0].median,
        "package warm": runners[2].median / runners[0].median,
    }


def single_file(options: argparse.Namespace) -> dict[str, float]:
    """One file, where starting is most of it."""
    file = options.file or typical_file(_files([_package_folder(options)]))
    _say(file.name, [file])
    nothing = Contestant("python -c pass", [sys.executable, "-c", "pass"])
    quiet = ["--no-cache", "--isolated", "--exit-zero", "--output-format", "json"]
    ours = Contestant("qatlint", [*shlex.split(options.qatlint), "check", str(file), *quiet])
    contest.contest([nothing, contest.parsing([file]), ours, *_others(options, [file])], options.runs)
    return {"one file": (ours.median - nothing.median) * 1000}


def libraries(options: argparse.Namespace) -> dict[str, float]:
    """All libraries in one run."""
    folders = _library_folders(options)
    files = _files(folders)
    _say(", ".join(folder.name for folder in folders), files)
    runners = _three(options, folders, files)
    fast = [other for other in _others(options, folders) if other.name == "ruff"]
    contest.contest([*runners, *fast], options.runs)
    return {
        "libraries cold": runners[1].median / runners[0].median,
        "libraries warm": runners[2].median / runners[0].median,
    }


def memory(options: argparse.Namespace) -> dict[str, float]:
    """The memory of one cold run over all libraries."""
    folders = _library_folders(options)
    _say("memory over " + ", ".join(folder.name for folder in folders), _files(folders))
    ours = contest.linting(shlex.split(options.qatlint), folders, "qatlint cold", warm=False)
    most = contest.peak_memory(ours)
    print(f"{most:.0f} MB at the most, all processes together")
    return {"memory": most}


def flat(options: argparse.Namespace) -> dict[str, float]:
    """Larger and larger parts of all libraries, whole folders by chance: each the beginning of the next."""
    files = _files(_library_folders(options))
    by_folder: dict[Path, list[Path]] = {}
    for file in files:
        by_folder.setdefault(file.parent, []).append(file)
    folders = sorted(by_folder)
    random.Random(5).shuffle(folders)
    shuffled = [file for folder in folders for file in by_folder[folder]]
    ratios: list[float] = []
    rows: list[tuple[object, ...]] = []
    size = SMALLEST
    while not rows or size < 2 * len(shuffled):
        part = sorted(shuffled[:size])
        _say("flatness", part)
        base = contest.parsing(part)
        ours = contest.linting(shlex.split(options.qatlint), part, "qatlint cold", warm=False)
        contest.contest([base, ours], max(options.runs // 2, 1))
        ratios.append(ours.median / base.median)
        each = ours.median / len(part) * 1000
        rows.append((len(part), f"{each:.2f}", f"{ratios[-1]:.2f}", f"{ratios[-1] / ratios[0]:.2f}"))
        size *= 2
    print("\n" + helpers.table(("files", "ms per file", "ratio to parsing", "to the smallest"), rows))
    return {"flat": ratios[-1] / ratios[0]}


_MEASURES = {
    "package": package,
    "file": single_file,
    "libraries": libraries,
    "memory": memory,
    "flat": flat,
}


def _three(options: argparse.Namespace, targets: Sequence[Path], files: Sequence[Path]) -> list[Contestant]:
    command = shlex.split(options.qatlint)
    return [
        contest.parsing(files),
        contest.linting(command, targets, "qatlint cold", warm=False),
        contest.linting(command, targets, "qatlint warm", warm=True),
    ]


def typical_file(files: Sequence[Path]) -> Path:
    """The model file whose length is nearest to 1,500 lines."""
    models = [path for path in files if path.parent.name == "models"] or files
    return min(models, key=lambda path: (abs(_lines(path) - SINGLE_FILE_LINES), path))


def _others(options: argparse.Namespace, targets: Sequence[Path]) -> list[Contestant]:
    """The other tools that are installed; what is missing is said."""
    if options.tools is None:
        print("ruff, Fixit and TorchFix skipped: no --tools folder")
        return []
    each = min(options.slow_each, options.runs)
    paths = [str(target) for target in targets]
    others = [
        Contestant("ruff", ["ruff", "check", "--no-cache", "--isolated", "--quiet", *paths]),
        Contestant("TorchFix", ["torchfix", "--select=ALL", *paths], each),
        Contestant("TorchFix in flake8", ["flake8", "--isolated", "--select=TOR", *paths], each),
        Contestant("Fixit", ["fixit", "--quiet", "lint", *paths], each),
    ]
    found = []
    for other in others:
        program = options.tools / other.command[0]
        if program.exists():
            other.command[0] = str(program)
            found.append(other)
        else:
            print(f"{other.name} skipped: no {program}")
    return found


def _package_folder(options: argparse.Namespace) -> Path:
    given: Path | None = options.source
    if given is None and options.sources is not None:
        given = options.sources / options.requirement.partition("==")[0]
    return helpers.library_source(options.requirement, given, options.download)


def _library_folders(options: argparse.Namespace) -> list[Path]:
    if options.sources is None:
        raise helpers.BenchmarkError("no --sources: the folder that holds the libraries' folders")
    folders = [options.sources / name for name in options.libraries]
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        raise helpers.BenchmarkError(f"no such folder: {', '.join(missing)}")
    return folders


def _files(folders: Sequence[Path]) -> list[Path]:
    """What qatlint would lint there."""
    sys.path.insert(0, str(helpers.ROOT))
    from qatlint.config import Finder, Overrides
    from qatlint.files import discover

    finder = Finder(Overrides(), isolated=True)
    return [Path(path) for path in discover([str(f.absolute()) for f in folders], finder.for_folder).files]


def _say(what: str, files: Sequence[Path]) -> None:
    lines = sum(map(_lines, files))
    print(f"\n{what}: {len(files):,} files, {lines:,} lines; {os.cpu_count()} cores", flush=True)


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


if __name__ == "__main__":
    sys.exit(main())
