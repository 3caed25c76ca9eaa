"""How many of the fixes that are offered work, why the others do not, and what a fix run costs.

    python benchmarks/offers.py FOLDER...
    python benchmarks/offers.py --classes 50 100 200 400

For each folder all fixes, unsafe ones too, are tried as `qatlint check FOLDER --fix --unsafe-fixes --diff`
does; nothing is written. Reasons of what was refused or taken back are listed by frequency, names left
out. With --classes a file of so many classes, one fix each, is made and fixed: the time per class should
not grow. The library is used, not the command: JSON does not say why a fix was refused. Exit code 0 when
at most one offer in twenty fails.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import helpers

from qatlint.codemods.fixer import fix
from qatlint.config import Finder, Overrides
from qatlint.files import DiskLoader, discover, snapshot
from qatlint.finding import Finding, Severity
from qatlint.linting import Linter
from qatlint.loader import OverlayLoader
from qatlint.relinting import Relinter

MOST_FAILING = 0.05
CLASS = """

class Block{0}(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        return self.relu(self.conv2(x))
"""

Row = tuple[str, int, int, int, int, str, str, str]


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="sources to try all fixes on")
    parser.add_argument("--classes", nargs="+", type=int, default=[], help="also files of so many classes")
    parser.add_argument("--examples", type=int, default=2, help="how many to name per reason")
    options = parser.parse_args()
    rows: list[Row] = []
    failed: list[Finding] = []
    for folder in options.folders:
        row, left = measure(folder)
        rows.append(row)
        failed += left
    with tempfile.TemporaryDirectory(prefix="qatlint-offers-") as scratch:
        for number in options.classes:
            file = Path(scratch) / f"{number}-classes.py"
            file.write_text("from torch import nn\n" + "".join(CLASS.format(k) for k in range(number)))
            row, left = measure(file)
            rows.append(row)
            failed += left
    head = ("source", "files", "offered", "applied", "failed", "lint s", "fix s", "s per fix")
    print(helpers.table(head, rows))
    show_reasons(failed, options.examples)
    offered = sum(row[2] for row in rows)
    good = len(failed) <= MOST_FAILING * offered
    print(f"\n{'PASS' if good else 'FAIL'}: {len(failed)} of {offered} offers failed")
    return 0 if good else 1


def measure(source: Path) -> tuple[Row, list[Finding]]:
    """One row of the table, and the findings whose fix was offered and failed."""
    finder = Finder(Overrides(min_severity=Severity.NOTE), isolated=True)
    files = discover([str(source)], finder.for_folder).files
    loader = OverlayLoader(snapshot(files, DiskLoader()), DiskLoader())
    relinter = Relinter(Linter(finder), files)
    began = time.perf_counter()
    before = relinter.check(loader)
    linted = time.perf_counter()
    result = fix(files, loader, relinter.check, unsafe=True)
    fixed = time.perf_counter()
    offered = {key(f) for f in before if f.fix is not None}
    failed = [f for f in result.findings if f.fix is None and key(f) in offered]
    took = fixed - linted
    row = (
        source.name,
        len(files),
        len(offered),
        result.applied,
        len(failed),
        f"{linted - began:.1f}",
        f"{took:.1f}",
        f"{took / result.applied:.3f}" if result.applied else "-",
    )
    return row, failed


def key(finding: Finding) -> tuple[str, str, str, str]:
    """What a finding is about, whatever its line is now."""
    return finding.code, finding.owner, finding.subject, finding.span.path


def show_reasons(failed: Sequence[Finding], examples: int) -> None:
    """The reasons, the most frequent first."""
    by_reason: dict[str, list[Finding]] = {}
    for finding in failed:
        by_reason.setdefault(re.sub(r"`[^`]*`", "`_`", finding.no_fix), []).append(finding)
    counts = Counter({reason: len(found) for reason, found in by_reason.items()})
    for reason, number in counts.most_common():
        print(f"\n{number} {reason}")
        for finding in by_reason[reason][:examples]:
            print(f"    {finding.span.path}:{finding.span.line} {finding.code} {finding.subject}")


if __name__ == "__main__":
    sys.exit(main())
