"""Who may import whom. The directions are the design; this test keeps them true."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

VALUES = {"aim", "trace", "condition", "finding", "loader", "examined"}
REGISTRY = {"rule", "registry", "catalogue"}
IO = {
    "baseline",
    "config",
    "evidence",
    "explaining",
    "files",
    "git",
    "identity",
    "linting",
    "relinting",
    "suppress",
    "suppressing",
}
JUDGING = {
    "usage",
    "words",
    "clone_plan",
    "dequant_plan",
    "dynamic_homes",
    "dynamic_plan",
    "flowing",
    "fusable",
    "outputs",
    "stub_plan",
    "stub_handed",
    "stub_whole",
    "unquantised",
}
"""What a rule may ask besides the Trace: how often, in which words, cloned how."""

MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "aim": set(),
    "condition": set(),
    "loader": set(),
    "trace": {"condition"},
    "finding": {"trace", "condition"},
    "examined": {"trace", "finding"},
    "exclusive": {"condition"},
    "usage": VALUES | {"exclusive"},
    "words": VALUES,
    "clone_plan": VALUES | {"exclusive", "usage", "words"},
    "dynamic_homes": VALUES,
    "fusable": VALUES,
    "dynamic_plan": VALUES | {"dynamic_homes", "fusable"},
    "stub_plan": VALUES
    | {"dequant_plan", "flowing", "horizon", "outputs", "stub_handed", "stub_whole", "unquantised"},
    "stub_handed": VALUES | {"flowing", "horizon", "stub_whole", "unquantised"},
    "stub_whole": VALUES | {"flowing", "horizon", "unquantised"},
    "unquantised": VALUES | {"flowing", "horizon"},
    "outputs": VALUES | {"horizon"},
    "dequant_plan": VALUES | {"outputs", "unquantised"},
    "crossing": VALUES,
    "flowing": VALUES | {"horizon"},
    "horizon": VALUES,
    "static": VALUES | {"usage", "horizon"},
    "rule": VALUES,
    "rules": VALUES | JUDGING | {"rule", "horizon"},
    "registry": VALUES | {"rule"},
    "catalogue": VALUES | {"rule", "registry"},
    "engine": VALUES | REGISTRY | {"flowing", "static", "horizon"},
    "stored": VALUES,
    "cachefile": {"", "aim", "rules"},
    "cache": VALUES | {"cachefile", "parallel", "rule", "static", "stored"},
    "parallel": VALUES | REGISTRY | {"engine", "progress", "static", "workers"},
    "workers": set(),
    "progress": set(),
    "codemods": VALUES | {"engine", "static", "horizon"},
    "report": VALUES
    | REGISTRY
    | {"", "crossing", "horizon", "identity", "resolve", "usage", "words", "runtime"},
    "identity": VALUES,
    "baseline": VALUES | {"identity"},
    "explaining": VALUES | REGISTRY,
    "git": set(),
    "resolve": VALUES | {"horizon"},
    "suppressing": VALUES | {"static"},
    "suppress": VALUES | REGISTRY | {"static"},
    "config": VALUES | REGISTRY,
    "evidence": VALUES,
    "files": {"config", "engine", "loader"},
    "linting": VALUES
    | REGISTRY
    | {"cache", "cachefile", "config", "parallel", "engine", "static", "suppress"},
    "lastgood": VALUES,
    "live": VALUES | {"engine", "lastgood", "linting", "static"},
    "lsp": VALUES
    | JUDGING
    | REGISTRY
    | IO
    | {"", "codemods", "crossing", "explaining", "lastgood", "live", "parallel", "static", "suppressing"},
    "relinting": VALUES | {"engine", "linting", "parallel", "static"},
    "runtime": VALUES | JUDGING | REGISTRY | {"engine", "horizon", "linting"},
    "runtime.child": VALUES | {"horizon", "runtime"},
    "runtime.standin": set(),
    "cli": VALUES
    | {"words"}
    | REGISTRY
    | IO
    | {
        "",
        "progress",
        "lsp",
        "cachefile",
        "engine",
        "codemods",
        "horizon",
        "report",
        "resolve",
        "runtime",
        "static",
        "workers",
    },
    "__main__": {"cli"},
}
"""Part of the package -> other parts it may import. "" is `qatlint/__init__.py`."""

FENCES: dict[str, set[str]] = {
    "libcst": {"codemods"},
    "lsprotocol": {"lsp"},
    "pygls": {"lsp"},
    "torch": {"runtime.child", "runtime.standin"},
    "horizon_plugin_pytorch": {"runtime.child", "runtime.standin"},
    "safetensors": {"runtime.child"},
    "click": {"cli"},
    "rich": {"cli", "report"},
    "rich_click": {"cli"},
    "pathspec": {"config", "files"},
    "tomllib": {"config", "horizon"},
    "tomli": {"config", "horizon"},
}
"""Library -> the parts that may import it. A library that is not named here may be imported nowhere."""


def part_of(file: Path) -> str:
    """`static` for qatlint/static/x.py, `engine` for qatlint/engine.py, `rules` for the rules.

    What runs in the child process has parts of its own: `runtime.child`, `runtime.standin`.
    """
    relative = file.relative_to(ROOT)
    if relative.parts[0] == "rules":
        return "rules"
    name = relative.parts[1]
    if name == "runtime" and len(relative.parts) > 3:
        return f"runtime.{relative.parts[2]}"
    return "" if name == "__init__.py" else name.removesuffix(".py")


def files() -> list[Path]:
    return sorted([*ROOT.glob("qatlint/**/*.py"), *ROOT.glob("rules/**/*.py")])


def imported(file: Path) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of all imports, those inside functions and under TYPE_CHECKING too."""
    package = list(file.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base in ("qatlint", "rules"):
                # `from qatlint import engine`: the name may be a part, or something of `__init__`.
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, base


def target(name: str) -> str:
    """The part of qatlint that a dotted name means."""
    parts = name.split(".")
    if parts[0] == "rules":
        return "rules"
    if len(parts) == 1:
        return ""
    if parts[1] == "runtime" and len(parts) > 2 and (ROOT / "qatlint/runtime" / parts[2]).is_dir():
        return f"runtime.{parts[2]}"
    is_part = (ROOT / "qatlint" / parts[1]).is_dir() or (ROOT / "qatlint" / f"{parts[1]}.py").is_file()
    return parts[1] if is_part else ""


def broken(file: Path) -> list[str]:
    """What a file imports and may not."""
    part = part_of(file)
    found = []
    for line, name in imported(file):
        top = name.split(".")[0]
        if top in ("qatlint", "rules"):
            aim = target(name)
            # Rules are one part, and yet strangers to each other.
            fine = aim in MAY_IMPORT[part] or (aim == part != "rules")
        elif top in sys.stdlib_module_names and top != "tomllib":
            fine = True
        else:
            fine = part in FENCES.get(top, set())
        if not fine:
            found.append(f"{file.relative_to(ROOT)}:{line}: {part or 'qatlint'} must not import {name}")
    return found


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_keep_their_direction(file: Path) -> None:
    assert part_of(file) in MAY_IMPORT, f"say in {Path(__file__).name} what {part_of(file)} may import"
    assert broken(file) == []


def test_the_directions_have_no_cycle() -> None:
    open_parts: list[str] = []
    done: set[str] = set()

    def visit(part: str) -> None:
        assert part not in open_parts, " -> ".join([*open_parts, part])
        if part in done:
            return
        open_parts.append(part)
        for other in MAY_IMPORT[part]:
            visit(other)
        open_parts.pop()
        done.add(part)

    for part in MAY_IMPORT:
        visit(part)


def test_a_wrong_import_is_seen_wherever_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: every way to write an import is caught."""
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "qatlint/static").mkdir(parents=True)
    (tmp_path / "qatlint/cli").mkdir()
    file = tmp_path / "qatlint/static/a.py"
    file.write_text(
        "import ast, libcst\n"
        "from qatlint import cli\n"
        "from qatlint.cli.base import out\n"
        "def f():\n    import torch.nn\n    from ..cli import base\n"
        "from . import values\n"
    )
    assert [message.split(": ", 1)[0] for message in broken(file)] == [
        f"qatlint/static/a.py:{line}" for line in (1, 2, 3, 5, 6)
    ]
    (tmp_path / "rules").mkdir()
    (tmp_path / "qatlint/trace.py").touch()
    rule = tmp_path / "rules/qat101_a.py"
    rule.write_text(
        "from qatlint.rules.qat102_b import check\nfrom rules import qat102_b\nimport qatlint.trace\n"
    )
    assert len(broken(rule)) == 2
