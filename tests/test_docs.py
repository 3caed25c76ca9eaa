"""The documentation: its examples are what the tools that read them expect, and its commands exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from qatlint.cli.app import app, names
from tests.schemas import validate

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORKFLOW = "https://json.schemastore.org/github-workflow.json"
GITLAB = "https://gitlab.com/.gitlab-ci.yml"

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def load(text: str) -> Any:
    return pytest.importorskip("yaml").safe_load(text)


def commands(page: Path) -> list[list[str]]:
    """The lines of code on a page that run qatlint, as words."""
    text = page.read_text(encoding="utf-8")
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    indented = re.findall(
        r"^    +(.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.M
    )
    lines = [line for block in fenced for line in block.splitlines()] + indented
    found = []
    for line in lines:
        match = re.match(r"\s*(?:- )?(?:run: |entry: )?qatlint (.*)", line)
        if match and not match[1].startswith("@"):
            found.append(shlex.split(match[1], comments=True))
    return found


def test_the_workflow_is_one() -> None:
    (text,) = (block for block in blocks(ROOT / "docs/ci.md", "yaml") if "runs-on" in block)
    # YAML 1.1 takes the key `on` for a truth value.
    workflow = {"on" if key is True else key: value for key, value in load(text).items()}
    validate(workflow, WORKFLOW)


def test_the_job_is_one() -> None:
    (text,) = (block for block in blocks(ROOT / "docs/ci.md", "yaml") if "codequality" in block)
    validate(load(text), GITLAB)


@pytest.mark.parametrize(
    "page", [ROOT / "docs/pre-commit.md", ROOT / "README.md"], ids=lambda page: page.name
)
def test_the_hooks_exist(page: Path) -> None:
    hooks = {hook["id"]: hook for hook in load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    used = [hook for block in blocks(page, "yaml") for repo in load(block)["repos"] for hook in repo["hooks"]]
    assert used
    for hook in used:
        parse([*shlex.split(hooks[hook["id"]]["entry"])[1:], *hook.get("args", []), "a.py"])


def parse(args: list[str]) -> None:
    """Fail where qatlint would refuse a command line for its options."""
    name, rest = (args[0], args[1:]) if args[0] in names() else ("check", args)
    command = app.get_command(click.Context(app), name)
    assert command is not None
    try:
        command.make_context(name, rest)
    except click.MissingParameter:
        pass  # What a line leaves out may stand in another one.
    except click.BadParameter as error:
        if error.param is None or not isinstance(error.param.type, click.Path):
            raise  # A file of an example need not exist.


@each_page
def test_every_command_has_the_options_it_uses(page: Path) -> None:
    for args in commands(page):
        try:
            parse(args)
        except click.ClickException as error:
            pytest.fail(f"qatlint {' '.join(args)}: {error.format_message()}")


def test_the_check_sees_commands_and_wrong_options(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("    qatlint src --bogus  # why\n\n```yaml\n- run: qatlint rules\n```\n")
    assert commands(page) == [["rules"], ["src", "--bogus"]]
    with pytest.raises(click.NoSuchOption):
        parse(["src", "--bogus"])
    with pytest.raises(click.BadParameter):
        parse(["src", "--output-format", "xml"])
    assert sum(len(commands(page)) for page in PAGES) > 15
