"""Targets as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qatlint.runtime.target import TargetError, parse


def test_a_module_and_a_callable_in_it() -> None:
    target = parse("pkg.mod:Outer.build", "/somewhere")
    assert (target.module, target.file, target.name) == ("pkg.mod", "", "Outer.build")


def test_a_file_is_found_below_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a b.py").touch()
    target = parse("./a b.py:build", str(tmp_path))
    assert (target.module, target.file, target.name) == ("", str(tmp_path / "a b.py"), "build")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pkg.mod", "names no callable"),
        (":build", "names no callable"),
        ("pkg.mod:", "is not a name"),
        ("pkg.mod:build()", "is not a name"),
        ("nowhere.py:build", "is not a file"),
        ("pkg-mod:build", "neither a module nor a Python file"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match=says):
        parse(text, str(tmp_path))
