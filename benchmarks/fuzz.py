"""Do texts that somebody is in the middle of editing survive lint and fix?

    python benchmarks/fuzz.py site-packages/timm --rounds 2000

Takes real files, changes some lines or tokens of each, and demands of the result what the tests demand of the
fixtures (`tests/fuzzing.py`): the same findings twice, fixes that parse and settle, `QAT000` for what is no
program, no crash. Prints each text that fails, with its seed. Exit code 0 when none did.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

import helpers

sys.path.insert(0, str(helpers.ROOT))

from qatlint.files import DiskLoader
from tests.fuzzing import examined, parses
from tests.mutations import mutated


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = [file for folder in options.folders for file in sorted(folder.rglob("*.py"))]
    seen: Counter[str] = Counter()
    slowest = (0.0, "")
    for number in range(options.rounds):
        chance = random.Random(f"{options.seed} {number}")
        file = chance.choice(files)
        data = mutated(file.read_text(errors="replace"), chance).encode("utf-8", "surrogatepass")
        begin = time.perf_counter()
        try:
            found, fixed = examined(str(file), data, DiskLoader())
        except Exception:
            seen["failed"] += 1
            print(f"round {number}: {file}\n{traceback.format_exc()}")
            continue
        slowest = max(slowest, (time.perf_counter() - begin, f"round {number}: {file}"))
        seen["programs" if parses(data) else "no programs"] += 1
        seen["with findings"] += bool(found)
        seen["fixed"] += fixed != data
    print(", ".join(f"{count} {what}" for what, count in sorted(seen.items())))
    print(f"slowest {slowest[0]:.1f} s, {slowest[1]}")
    return 1 if seen["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
