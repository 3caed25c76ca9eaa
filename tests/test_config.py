from __future__ import annotations

from pathlib import Path

import pytest

from qatlint.config import ConfigError, Finder, Overrides, Settings
from qatlint.finding import Severity
from tests import fakes

NOTHING = Overrides()
ALL = {"QAT000", "QAT001", "QAT101", "QAT102", "QAT201"}


@pytest.fixture(autouse=True)
def fake_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)


def settings(text: str, overrides: Overrides = NOTHING) -> Settings:
    Path("qatlint.toml").write_text(text, encoding="utf-8")
    return Finder(overrides).for_folder(".")


def complaint(text: str, name: str = "qatlint.toml") -> str:
    Path(name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Finder(Overrides()).for_folder(".")
    return str(caught.value)


def test_without_a_file_everything_is_reported_from_warnings_on() -> None:
    found = Finder(Overrides()).for_folder(".")
    assert found.codes == ALL
    assert found.min_severity is Severity.WARNING


def test_every_key_is_read() -> None:
    found = settings(
        """
        select = ["QAT1"]
        extend-select = ["unused-thing"]
        ignore = ["shared-instance"]
        min-severity = "note"
        exclude = ["old/"]
        extend-exclude = ["gen_*.py"]
        src = ["lib"]

        [per-file-ignores]
        "tests/**" = ["QAT101"]
        """
    )
    assert found.codes == {"QAT000", "QAT101", "QAT201"}
    assert found.min_severity is Severity.NOTE
    assert found.exclude == ("old/",)
    assert found.extend_exclude == ("gen_*.py",)
    assert found.src == (str(Path("lib").absolute()),)
    assert found.ignored_in("tests/deep/a.py") == {"QAT101"}
    assert found.ignored_in("src/a.py") == set()
    assert found.ignored_in("../tests/a.py") == set()


def test_pyproject_is_read_below_tool_qatlint() -> None:
    Path("pyproject.toml").write_text('[tool.black]\nselect = 3\n[tool.qatlint]\nselect = ["QAT101"]\n')
    assert Finder(Overrides()).for_folder(".").codes == {"QAT000", "QAT101"}


def test_qatlint_toml_wins_over_pyproject_beside_it() -> None:
    Path("pyproject.toml").write_text('[tool.qatlint]\nselect = ["QAT101"]\n')
    assert settings('select = ["QAT102"]').codes == {"QAT000", "QAT102"}


def test_the_nearest_file_holds_and_files_without_our_table_are_passed_over() -> None:
    Path("inner/deep").mkdir(parents=True)
    Path("inner/pyproject.toml").write_text("[project]\nname = 'qatlint-user'\n")
    Path("inner/deep/qatlint.toml").write_text('select = ["QAT102"]')
    Path("pyproject.toml").write_text('[tool.qatlint]\nselect = ["QAT101"]\n')
    finder = Finder(Overrides())
    assert finder.for_file("inner/a.py").codes == {"QAT000", "QAT101"}
    assert finder.for_file("inner/deep/a.py").codes == {"QAT000", "QAT102"}


def test_command_line_select_replaces_and_ignore_adds() -> None:
    text = 'select = ["QAT101"]\nextend-select = ["QAT201"]\nignore = ["QAT102"]\nmin-severity = "error"'
    overrides = Overrides(select=("QAT1",), ignore=("QAT201",), min_severity=Severity.NOTE)
    found = settings(text, overrides)
    assert found.codes == {"QAT000", "QAT101"}
    assert found.min_severity is Severity.NOTE
    assert settings(text, Overrides(ignore=("QAT201",))).codes == {"QAT000", "QAT101"}


def test_names_prefixes_and_all_select() -> None:
    assert settings('select = ["all"]').codes == ALL
    assert settings('select = ["QAT0"]').codes == {"QAT000", "QAT001"}
    assert settings('select = ["Shared-Module"]').codes == {"QAT000", "QAT101"}
    assert settings('ignore = ["unused-suppression"]').codes == ALL - {"QAT001"}


def test_an_unreadable_file_cannot_be_ignored() -> None:
    assert "QAT000" in settings('ignore = ["QAT000"]').codes


def test_isolated_reads_no_file_and_explicit_reads_only_that_one() -> None:
    Path("other.toml").write_text('select = ["QAT102"]')
    Path("qatlint.toml").write_text("nonsense = 1")
    assert Finder(Overrides(), isolated=True).for_folder(".").codes == ALL
    assert Finder(Overrides(), explicit="other.toml").for_folder(".").codes == {"QAT000", "QAT102"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('\nselct = ["QAT101"]', "qatlint.toml:2: unknown key `selct`; did you mean `select`?"),
        ("min_severity = 'note'", "qatlint.toml:1: unknown key `min_severity`; did you mean `min-severity`?"),
        ("zzzzzz = 1", "unknown key `zzzzzz`; known are select, "),
        ('select = "QAT101"', "`select` must be a list of strings, not a string"),
        ("ignore = [1]", "`ignore` must be a list of strings, not a list with other things in it"),
        ("exclude = true", "`exclude` must be a list of strings, not true or false"),
        ("min-severity = 2", "`min-severity` must be one of note, warning, error, not a number"),
        ("min-severity = 'info'", "`min-severity` must be one of note, warning, error, not `info`"),
        ("per-file-ignores = 2020-01-01", "must be a table of globs, not a date or time"),
        ('select = ["QAT1O1"]', "qatlint.toml:1: `select`: unknown rule `QAT1O1`; did you mean `QAT101`?"),
        (
            '[per-file-ignores]\n"a/*" = ["sharedmodule"]',
            "qatlint.toml:2: `a/*`: unknown rule `sharedmodule`",
        ),
        ("select = [\n", "qatlint.toml: not valid TOML: "),
    ],
)
def test_wrong_settings_are_refused_with_their_place(text: str, expected: str) -> None:
    assert expected in complaint(text)


def test_the_line_in_pyproject_is_that_of_our_table() -> None:
    text = "[tool.black]\nexclude = 'x'\n\n[tool.qatlint]\nexclude = 'x'\n"
    assert complaint(text, "pyproject.toml").startswith("pyproject.toml:5: ")
    text = "[tool.other]\n[tool.qatlint.unheard]\na = 1\n"
    assert complaint(text, "pyproject.toml").startswith("pyproject.toml:2: unknown key `unheard`")


def test_a_broken_file_is_named_with_the_place() -> None:
    assert "line 2" in complaint("a = 1\nb = = 2\n# qatlint", "pyproject.toml")
    Path("qatlint.toml").write_bytes(b"\n# caf\xe9")
    with pytest.raises(ConfigError, match=r"qatlint\.toml:2: not UTF-8"):
        Finder(Overrides()).for_folder(".")


def test_an_explicit_file_must_exist_and_hold_our_table() -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml: no such file"):
        Finder(Overrides(), explicit="gone.toml")
    Path("pyproject.toml").write_text("[project]\n")
    with pytest.raises(ConfigError, match=r"no table \[tool\.qatlint\]"):
        Finder(Overrides(), explicit="pyproject.toml")


def test_an_unknown_rule_on_the_command_line_is_refused() -> None:
    with pytest.raises(ConfigError, match="--select: unknown rule `QAT1O1`; did you mean `QAT101`"):
        Finder(Overrides(select=("QAT1O1",)), isolated=True)
