"""Split shared modules in a copy of torchvision, and run its classification models before and after.

    python benchmarks/fixes.py --python /venv/with/torchvision/bin/python
    python benchmarks/fixes.py --python ... --all

The installed package is copied whole, compiled parts included; `qatlint check COPY/models --fix
--unsafe-fixes` rewrites the copy, and a child process that finds it before the installed one runs the
fixed models with the weights and inputs of the originals. Per model it prints the shared edges before and
after, by execution, whether the outputs are equal bit for bit (eval mode, and train mode under one seed),
and whether the original state_dict loads: strictly, or with new keys whose tensors are all tied to
loaded ones. An edge is *fixable* when its QAT101 finding had a fix. Exit code 0 when every model runs,
is equal and loads, and no fixable edge is left.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import helpers

CHILD = Path(__file__).with_name("run_models.py")
# Rules of sharing only: what is said of dynamic code needs the plugin, which no model here has.
_LOOSE = ("--select", "QAT1", "--min-severity", "note", "--exit-zero", "--isolated", "--no-cache")

Key = tuple[str, str]
"""Owner and child path."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The QAT101 findings of one state of the source, by owner and child."""

    fixable: frozenset[Key]
    unfixable: frozenset[Key]


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", required=True, help="a Python that has torch and torchvision")
    parser.add_argument(
        "--all", action="store_true", help="all variants, not only those with classes of their own"
    )
    parser.add_argument("--family", help="only the models of this file, e.g. resnet")
    parser.add_argument("--keep", type=Path, help="leave the fixed copy in this new folder")
    parser.add_argument("--diff", action="store_true", help="print what the fixes changed")
    parser.add_argument("--qatlint", default=helpers.default_qatlint(), help="the command to run")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="qatlint-fixes-") as scratch:
        place = options.keep or Path(scratch) / "site"
        try:
            installed = installed_package(options.python)
            package = copy_package(installed, place)
            before, after = fix(options.qatlint, package / "models")
        except (helpers.BenchmarkError, OSError) as error:
            print(error, file=sys.stderr)
            return 2
        show_changes(installed, package, options.diff)
        families = json.loads(child(options.python, None, "list", "all" if options.all else "distinct"))
        chosen = {f: names for f, names in families.items() if options.family in (None, f)}
        rows: list[tuple[object, ...]] = []
        good = bool(chosen)
        for family, names in chosen.items():
            first = run(options.python, None, "original", Path(scratch), names)
            second = run(options.python, place, "fixed", Path(scratch), names)
            for name in names:
                row, fine = judge(family, name, first[name], second[name], before, after)
                rows.append(row)
                good &= fine
                print(f"{name}: {'good' if fine else 'NOT GOOD'}", file=sys.stderr)
    head = ("family", "model", "shared", "fixable", "left", "fixable left", "eval", "train", "state_dict", "")
    print(helpers.table(head, rows))
    print(f"\n{'PASS' if good else 'FAIL'}: {len(rows)} models")
    return 0 if good else 1


def installed_package(python: str) -> Path:
    """The folder of the installed torchvision, found without importing it."""
    code = "import importlib.util as u; print(u.find_spec('torchvision').submodule_search_locations[0])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        raise helpers.BenchmarkError(f"no torchvision in {python}:\n{done.stderr[-500:]}")
    return Path(done.stdout.strip())


def copy_package(package: Path, place: Path) -> Path:
    """Copy the package, and the libraries beside it that its compiled parts load, into a new folder."""
    place.mkdir(parents=True)
    no_bytecode = shutil.ignore_patterns("__pycache__")
    shutil.copytree(package, place / package.name, ignore=no_bytecode)
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, place / libraries.name)
    return place / package.name


def fix(qatlint: str, models: Path) -> tuple[Findings, Findings]:
    """Apply all fixes to a folder; the findings before and after."""
    before = findings(qatlint, models)
    line = [*shlex.split(qatlint), "check", str(models), "--fix", "--unsafe-fixes", *_LOOSE]
    done = subprocess.run(line, capture_output=True, text=True, cwd=helpers.ROOT, check=False)
    if done.returncode != 0:
        raise helpers.BenchmarkError(
            f"`{shlex.join(line)}` failed:\n{done.stdout[-500:]}{done.stderr[-1500:]}"
        )
    if done.stderr.strip():
        print(done.stderr.strip()[-1500:])
    return before, findings(qatlint, models)


def findings(qatlint: str, models: Path) -> Findings:
    """What QAT101 says about a folder."""
    result = helpers.qatlint(qatlint, [models, *_LOOSE, "--select", "QAT101"])
    keys = [((i["owner"], i["subject"]), i["fix"] is not None) for i in result.items if i["code"] == "QAT101"]
    return Findings(frozenset(k for k, f in keys if f), frozenset(k for k, f in keys if not f))


def show_changes(installed: Path, package: Path, in_full: bool) -> None:
    """Print which files the fixes changed and by how many lines, or the differences themselves."""
    for new in sorted(package.rglob("*.py")):
        old = installed / new.relative_to(package)
        before, after = (p.read_text(encoding="utf-8").splitlines(keepends=True) for p in (old, new))
        if before != after:
            name = str(new.relative_to(package.parent))
            difference = list(difflib.unified_diff(before, after, name, name))
            changes = [d for d in difference[2:] if d[0] in "+-"]
            added = sum(d[0] == "+" for d in changes)
            print(f"changed {name}: +{added} -{len(changes) - added} lines")
            if in_full:
                print("".join(difference))
    print()


def child(python: str, shadow: Path | None, *arguments: str) -> str:
    """Run the child script; `shadow` is a folder whose packages come before the installed ones."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if shadow is not None:
        environment["PYTHONPATH"] = str(shadow.resolve())
    done = subprocess.run(
        [python, str(CHILD), *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise helpers.BenchmarkError(f"{CHILD.name} {arguments[0]} ended with {done.returncode}")
    return done.stdout


def run(python: str, shadow: Path | None, verb: str, scratch: Path, names: list[str]) -> dict[str, Any]:
    """What the child says about each model."""
    said = child(python, shadow, verb, str(scratch), *names)
    entries = [json.loads(line) for line in said.splitlines()]
    return {entry["name"]: entry for entry in entries}


def judge(
    family: str, name: str, first: dict[str, Any], second: dict[str, Any], before: Findings, after: Findings
) -> tuple[tuple[object, ...], bool]:
    """One row of the table, and whether all is well with this model."""
    error = first.get("error") or second.get("error")
    if error:
        return (family, name, *["-"] * 7, error[:150]), False

    def can(edge: list[Any], found: Findings) -> bool:
        """Whether the finding that speaks of the edge has a fix; the owner's own goes before its bases'."""
        for owner in (edge[0], *edge[4]):
            if (owner, edge[1]) in found.fixable | found.unfixable:
                return (owner, edge[1]) in found.fixable
        return False

    known = {(e[0], e[1]) for e in first["shared"]}
    fixable = [e for e in first["shared"] if can(e, before)]
    # An edge that is shared only since the fixes is one the fixes have made: it counts as left.
    left = [e for e in second["shared"] if can(e, before) or can(e, after) or (e[0], e[1]) not in known]
    other = [f"{e[0].rpartition(':')[2]}.{e[1]} runs {e[3]} times" for e in second["shared"]]
    notes = [*other, *(f"new key {key}" for key in second["new_keys"])]
    if not first["varied"]:
        notes.append("the outputs are constant, so equality says little")
    fine = not left and all(second["equal"].values()) and second["loads"] != "no"
    row = (
        family,
        name,
        len(first["shared"]),
        len(fixable),
        len(second["shared"]),
        len(left),
        *("equal" if second["equal"][mode] else "DIFFERS" for mode in ("eval", "train")),
        second["loads"],
        "; ".join(notes)[:150],
    )
    return row, fine


if __name__ == "__main__":
    sys.exit(main())
