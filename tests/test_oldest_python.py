"""What newer Pythons than the oldest we run on allow, found where tests run on a newer one only."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*ROOT.glob("qatlint/**/*.py"), *ROOT.glob("rules/*.py"), *ROOT.glob("tests/**/*.py")])

TOO_NEW = {
    ("typing", name)
    for name in "Self Never LiteralString assert_never assert_type reveal_type override Unpack TypeVarTuple "
    "Required NotRequired dataclass_transform".split()
} | {("enum", "StrEnum"), ("datetime", "UTC"), ("contextlib", "chdir"), ("itertools", "batched")}


def too_new(text: str) -> list[str]:
    """What the file needs of Python 3.11 or later."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            if "NamedTuple" in bases and len(node.bases) > 1:
                found.append(f"{node.lineno}: a named tuple with another base")
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.lineno}: {n.name}" for n in node.names if (node.module, n.name) in TOO_NEW]
        elif isinstance(node, ast.Name) and node.id in ("ExceptionGroup", "BaseExceptionGroup"):
            found.append(f"{node.lineno}: {node.id}")
        elif type(node).__name__ == "TryStar":
            found.append(f"{getattr(node, 'lineno', 0)}: except*")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_too_new(path: Path) -> None:
    assert too_new(path.read_text(encoding="utf-8")) == []


def test_what_is_too_new_is_seen() -> None:
    text = (
        "from typing import NamedTuple, Self\nclass A(NamedTuple, Generic[T]):\n    x: int\nExceptionGroup\n"
    )
    if sys.version_info >= (3, 11):
        text += "try:\n    pass\nexcept* ValueError:\n    pass\n"
    assert len(too_new(text)) == (4 if sys.version_info >= (3, 11) else 3)
