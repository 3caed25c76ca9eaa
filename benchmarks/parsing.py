"""Whether parsing as little as needed changes what is found: every file of some folders, both ways.

    python benchmarks/parsing.py site-packages/timm site-packages/transformers

For each folder the findings of a run in which definitions are parsed when they are asked for, and trees are
let go of early, are compared with those of a run that parses every file whole and keeps it. Then each text's
outline is compared with its tree: the same definitions at the same lines. Exit code 0 when nothing differs.
"""

from __future__ import annotations

import argparse
import ast
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qatlint import engine, registry
from qatlint.files import DiskLoader
from qatlint.finding import Finding
from qatlint.static import opened
from qatlint.static.outline import outline_of
from qatlint.static.source import Unreadable, decode

FEW_LINES, ALL_LINES = 30_000, 10**9


def main() -> int:
    """Command line; see the text above for the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+")
    good = True
    for folder in parser.parse_args().folders:
        paths = [str(path) for path in sorted(folder.rglob("*.py"))]
        little, seconds = _findings(paths, FEW_LINES)
        with _everything_whole():
            whole, more_seconds = _findings(paths, ALL_LINES)
        wrong = [path for path in paths if not _outline_is_right(Path(path).read_bytes())]
        good = good and little == whole and not wrong
        print(
            f"{folder}: {len(paths)} files, {len(little)} findings, "
            f"{'the same' if little == whole else 'DIFFERENT'} when parsed whole; "
            f"{seconds:.1f} s and {more_seconds:.1f} s; {len(wrong)} wrong outlines"
        )
        for line in [*wrong, *map(str, set(little) ^ set(whole))][:10]:
            print(f"  {line}")
    return 0 if good else 1


def _findings(paths: list[str], lines_held: int) -> tuple[list[Finding], float]:
    began = time.process_time()
    project = engine.open_project(paths, DiskLoader(), ())
    found = engine.examine(paths, project, registry.all_rules(), lines_held).findings()
    return found, time.process_time() - began


@contextmanager
def _everything_whole() -> Iterator[None]:
    """No outlines, and no look at names before a star import is followed."""
    before = opened.outline_of, opened.Opened.may_bind
    opened.outline_of = lambda text: None
    opened.Opened.may_bind = lambda self, path, name: True  # type: ignore[method-assign]
    try:
        yield
    finally:
        opened.outline_of = before[0]
        opened.Opened.may_bind = before[1]  # type: ignore[method-assign]


def _outline_is_right(data: bytes) -> bool:
    """Whether each piece of the outline is a statement of the tree, and the rest holds the others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = decode(data)
            body = ast.parse(text).body
        except (Unreadable, SyntaxError, ValueError, RecursionError):
            return True
        outline = outline_of(text)
        if outline is None:
            return True
        try:
            rest = ast.parse(outline.rest).body
            pieces = [piece.parse(text) for piece in outline.pieces]
        except SyntaxError:
            return True  # Torn: the file would be parsed whole.
        together = sorted([*rest, *pieces], key=lambda node: (node.lineno, node.col_offset))
        return [_described(node) for node in together] == [_described(node) for node in body]


def _described(node: ast.stmt) -> str:
    return ast.dump(node, include_attributes=True)


if __name__ == "__main__":
    sys.exit(main())
