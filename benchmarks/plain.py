"""Is anything missed by not interpreting plain classes (`qatlint/static/plain.py`), and what does it save?

Interprets every class of the given folders all the same, and lists the findings in classes that are called
plain and are not found without counting their modules: there must be none. Exits with 1 if there are.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from helpers import table

from qatlint.engine import judge, open_project
from qatlint.files import DiskLoader
from qatlint.registry import all_rules
from qatlint.static.plain import is_plain
from qatlint.static.project import is_training_code
from qatlint.static.source import Unreadable
from qatlint.static.tracing import trace_class


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="folders of Python source")
    rows = []
    missed: list[str] = []
    gc.disable()
    for folder in parser.parse_args().folders:
        paths = [str(path) for path in sorted(folder.rglob("*.py"))]
        project = open_project(paths, DiskLoader())
        classes = plain = 0
        looking = saved = interpreting = 0.0
        for path in paths:
            try:
                found = project.file(path).classes
            except (Unreadable, OSError):
                continue
            for cls in found:
                if not project.is_module(cls) or is_training_code(project, cls):
                    continue
                classes += 1
                start = time.process_time()
                called_plain = is_plain(project, cls)
                looked = time.process_time()
                trace = trace_class(project, cls, for_people=True)
                spent = time.process_time() - looked
                looking += looked - start
                interpreting += spent
                if called_plain:
                    plain += 1
                    again = time.process_time()
                    known = set(judge(trace_class(project, cls), all_rules()))
                    saved += spent - (time.process_time() - again)
                    told = [f for f in judge(trace, all_rules()) if f not in known]
                    missed += [f"{f.span.path}:{f.span.line}: {f.code} {f.message}" for f in told]
        rows.append(
            [folder.name, str(classes), str(plain), f"{looking:.2f}", f"{saved:.2f}", f"{interpreting:.2f}"]
        )
    print(table(["source", "classes", "plain", "looking s", "saved s", "of s"], rows))
    print("\n".join(missed) if missed else "nothing is missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
