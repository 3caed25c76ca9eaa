"""`qatlint check` with rules and an engine of the tests: what it prints, writes and returns."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from qatlint.cli import base
from qatlint.cli.run import run as main
from qatlint.loader import Loader
from tests import fakes


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "QATLINT_TRACEBACK"):
        monkeypatch.delenv(name, raising=False)


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))


# --- findings, formats, exit codes ------------------------------------------------------------------


def test_clean_files_pass(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "x = 1\n")
    assert main(["a.py"]) == 0
    assert capsys.readouterr() == ("All checks passed.\n", "")


@pytest.mark.parametrize("args", [["check", "src"], ["src"], ["--output-format", "full", "src"], []])
def test_check_is_the_default_and_the_current_folder_too(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write("src/a.py", "x = shared_module\n")
    assert main(args) == 1
    assert capsys.readouterr().out.splitlines() == [
        "warning[QAT101]: found shared-module",
        " --> src/a.py:1:5",
        "  |",
        "1 | x = shared_module",
        "  |     ^^^^^^^^^^^^^",
        "  |",
        "  = no fix: nobody knows how",
        "",
        "Found 1 finding.",
    ]


def test_a_file_called_like_a_command_is_reached_with_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    write("rules/a.py", "shared_module\n")
    assert main(["./rules"]) == 1
    assert main(["check", "rules"]) == 1


def test_concise(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "\n  shared_module ?shared_instance\n")
    assert main(["a.py", "--output-format", "concise"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "a.py:2:3: QAT101 warning found shared-module",
        "a.py:2:17: QAT102 warning found shared-instance",
        "Found 2 findings (1 fixable with --fix).",
    ]


def test_json_is_an_array_on_stdout_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "shared_module\n")
    assert main(["a.py", "--output-format", "json"]) == 1
    out, err = capsys.readouterr()
    assert [item["code"] for item in json.loads(out)] == ["QAT101"]
    assert err == ""


def test_statistics_replace_the_findings(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "shared_module shared_module ?shared_instance\n")
    assert main(["a.py", "--statistics"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "2  QAT101  shared-module    no fix",
        "1  QAT102  shared-instance  fixable: 1 safe",
        "Found 3 findings (1 fixable with --fix).",
    ]
    main(["a.py", "--statistics", "--output-format", "json"])
    assert [item["count"] for item in json.loads(capsys.readouterr().out)] == [2, 1]
    write("b.py", "")
    assert main(["b.py", "--statistics"]) == 0
    assert capsys.readouterr().out == "All checks passed.\n"


def test_findings_below_the_threshold_are_hidden_and_do_not_fail(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "!shared_module\n")
    assert main(["a.py"]) == 0
    assert capsys.readouterr().out == "All checks passed.\n1 note hidden; --min-severity note shows it.\n"
    assert main(["a.py", "--min-severity", "note"]) == 1
    write("b.py", "shared_module\n")
    assert main(["b.py", "--min-severity", "error"]) == 0


def test_exit_zero_forgives_findings_but_not_trouble() -> None:
    write("a.py", "shared_module\n")
    assert main(["a.py", "--exit-zero"]) == 0
    assert main(["a.py", "gone.py", "--exit-zero"]) == 2


def test_select_and_ignore_take_codes_names_and_lists(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "shared_module shared_instance unused_thing\n")

    def codes(*args: str) -> list[str]:
        main(["a.py", "--output-format", "json", *args])
        return [item["code"] for item in json.loads(capsys.readouterr().out)]

    assert codes("--select", "QAT101,unused-thing") == ["QAT101", "QAT201"]
    assert codes("--select", "QAT101", "--select", "QAT201") == ["QAT101", "QAT201"]
    assert codes("--ignore", "QAT1") == ["QAT201"]
    assert codes("--select", "QAT1", "--ignore", "shared-module") == ["QAT102"]


def test_suppressions_and_per_file_ignores_apply(capsys: pytest.CaptureFixture[str]) -> None:
    write("qatlint.toml", '[per-file-ignores]\n"tests/" = ["QAT101"]\n')
    write("tests/a.py", "shared_module shared_instance\n")
    write("a.py", "shared_module  # qatlint: ignore[QAT101] why\nx  # qatlint: ignore[QAT102]\n")
    main(["--output-format", "concise"])
    assert capsys.readouterr().out.splitlines()[:-1] == [
        "a.py:2:4: QAT001 warning unused suppression: `QAT102` reports nothing here",
        "tests/a.py:1:15: QAT102 warning found shared-instance",
    ]


def test_each_file_is_judged_by_its_nearest_settings(capsys: pytest.CaptureFixture[str]) -> None:
    write("one/qatlint.toml", 'select = ["QAT101"]\n')
    write("two/qatlint.toml", 'min-severity = "note"\n')
    for folder in ("one", "two"):
        write(f"{folder}/a.py", "!shared_instance shared_module\n")
    main(["--output-format", "concise"])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[:-1]] == [
        "one/a.py:1:18:",
        "two/a.py:1:1:",
        "two/a.py:1:18:",
    ]


def test_isolated_and_config_choose_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    write("qatlint.toml", 'ignore = ["ALL"]\n')
    write("other.toml", 'select = ["QAT102"]\n')
    write("a.py", "shared_module shared_instance\n")
    assert main(["a.py"]) == 0
    assert main(["a.py", "--isolated", "--output-format", "concise"]) == 1
    assert main(["a.py", "--config", "other.toml", "--output-format", "concise"]) == 1
    assert capsys.readouterr().out.count("QAT102") == 2
    assert main(["a.py", "--isolated", "--config", "other.toml"]) == 2


# --- trouble ----------------------------------------------------------------------------------------


def test_a_missing_path_is_named_and_the_rest_is_linted(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "shared_module\n")
    assert main(["gone.py", "a.py", "--output-format", "concise"]) == 2
    out, err = capsys.readouterr()
    assert "QAT101" in out
    assert err == "qatlint: gone.py: no such file or folder\n"


def test_nothing_to_lint_is_not_called_passed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(["empty"]) == 0
    assert capsys.readouterr() == ("", "qatlint: no Python files found\n")
    assert main(["gone"]) == 2
    assert capsys.readouterr().out == ""
    assert main(["empty", "--output-format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_misspelt_command_gets_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek", "a.py"]) == 2
    assert "(did you mean the command `check`?)" in capsys.readouterr().err


def test_an_unreadable_file_is_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.py", "")
    monkeypatch.setattr("qatlint.files.DiskLoader.read", refuse)
    assert main(["a.py", "--select", "QAT101"]) == 1
    assert "error[QAT000]: Permission denied" in capsys.readouterr().out


def refuse(self: object, path: str) -> bytes:
    raise PermissionError(13, "Permission denied", path)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--select", "QAT1O1"], "--select: unknown rule `QAT1O1`; did you mean `QAT101`?"),
        (["--config", "gone.toml"], "gone.toml: no such file"),
        (["--bogus"], "No such option"),
        (["--min-severity", "info"], "'info' is not one of 'note', 'warning', 'error'"),
        (["-", "a.py"], "`-` cannot be mixed with other paths"),
    ],
)
def test_wrong_usage_is_said_and_exits_with_2(
    args: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.py", "")
    assert main(["check", *args]) == 2
    out, err = capsys.readouterr()
    assert expected in err
    assert out == ""


def test_broken_settings_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "")
    write("qatlint.toml", "selct = []\n")
    assert main(["a.py"]) == 2
    assert capsys.readouterr().err == "qatlint: qatlint.toml:1: unknown key `selct`; did you mean `select`?\n"


def test_an_internal_error_is_short_and_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.py", "")

    def fail(*args: object) -> None:
        raise KeyError("boom")

    monkeypatch.setattr("qatlint.engine.examine", fail)
    assert main(["a.py"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("qatlint: internal error at ") and first.endswith("KeyError: 'boom'")
    assert f"{Path(__file__).name}:" in first
    assert "QATLINT_TRACEBACK=1" in second
    monkeypatch.setenv("QATLINT_TRACEBACK", "1")
    assert main(["a.py"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("qatlint: internal error\nTraceback") and err.endswith("KeyError: 'boom'\n")


def test_an_interrupt_exits_with_130_and_says_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.py", "")

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("qatlint.engine.examine", interrupt)
    assert main(["a.py"]) == 130
    assert capsys.readouterr() == ("", "")


# --- standard input ---------------------------------------------------------------------------------


def test_source_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "shared_module\n")
    assert main(["-", "--output-format", "concise"]) == 1
    assert capsys.readouterr().out.startswith("-:1:1: QAT101")


def test_standard_input_goes_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("src/qatlint.toml", '[per-file-ignores]\n"a.py" = ["QAT102"]\n')
    write("src/a.py", "on disk\n")
    type_in(monkeypatch, "shared_module shared_instance\n")
    assert main(["-", "--stdin-filename", "./src/a.py"]) == 1
    out = capsys.readouterr().out
    assert "src/a.py:1:1" in out and "shared_module shared_instance" in out and "QAT102" not in out


# --- fixes ------------------------------------------------------------------------------------------


@pytest.fixture
def fixer(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A fixer that removes the words marked `?` and remembers whether it may be unsafe."""
    calls: list[bool] = []

    def fix(paths: Sequence[str], loader: Loader, check: object, *, unsafe: bool) -> SimpleNamespace:
        assert callable(check)
        calls.append(unsafe)
        fixable = [f for f in check(loader) if f.fix is not None]
        texts = {f.span.path: loader.read(f.span.path).replace(b"?shared_module", b"ok") for f in fixable}

        class Fixed:
            def read(self, path: str) -> bytes:
                return texts.get(path) or loader.read(path)

            def exists(self, path: str) -> bool:
                return loader.exists(path)

        problems = ("b.py: left alone because",) if "b.py" in paths else ()
        return SimpleNamespace(texts=texts, applied=len(fixable), findings=check(Fixed()), problems=problems)

    module = ModuleType("qatlint.codemods.fixer")
    module.fix = fix  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "qatlint.codemods.fixer", module)
    return calls


def test_fix_writes_and_reports_what_remains(fixer: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "?shared_module\nshared_instance\n")
    assert main(["a.py", "--fix"]) == 1
    assert Path("a.py").read_text() == "ok\nshared_instance\n"
    out = capsys.readouterr().out
    assert "2 | shared_instance" in out
    assert out.endswith("Fixed 1 finding, 1 remains.\n")
    assert fixer == [False]


def test_fix_of_everything_exits_with_0(fixer: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "?shared_module\n")
    assert main(["a.py", "--fix", "--unsafe-fixes"]) == 0
    assert capsys.readouterr().out == "Fixed 1 finding; none remains.\n"
    assert fixer == [True]


def test_hidden_findings_are_not_fixed(fixer: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "!?shared_module\n".replace("!?", "?!"))
    write("qatlint.toml", 'min-severity = "error"')
    assert main(["a.py", "--fix"]) == 0
    assert Path("a.py").read_text() == "?!shared_module\n"


def test_fix_keeps_json_clean(fixer: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    write("a.py", "?shared_module\n")
    assert main(["a.py", "--fix", "--output-format", "json"]) == 0
    assert capsys.readouterr() == ("[]\n", "Fixed 1 finding; none remains.\n")


def test_what_the_fixer_could_not_do_is_said(fixer: list[bool], capsys: pytest.CaptureFixture[str]) -> None:
    write("b.py", "")
    main(["b.py", "--fix"])
    assert "qatlint: b.py: left alone because" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_trouble(
    fixer: list[bool], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("a.py", "?shared_module\n")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert main(["a.py", "--fix"]) == 2
    assert "qatlint: a.py: cannot be written: the file is read-only" in capsys.readouterr().err


def test_diff_shows_and_writes_nothing(fixer: list[bool], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write("a.py", "x\r\n?shared_module")
    write("c.py", "y\n")
    assert main([".", "--diff"]) == 1
    assert Path("a.py").read_bytes() == b"x\r\n?shared_module"
    assert capfdbinary.readouterr().out == (
        b"--- a.py\n+++ a.py\n@@ -1,2 +1,2 @@\n x\r\n-?shared_module\n\\ No newline at end of file\n"
        b"+ok\n\\ No newline at end of file\n"
    )
    assert main(["c.py", "--diff"]) == 0
    assert capfdbinary.readouterr().out == b""


def test_diff_can_be_coloured(fixer: list[bool], capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write("a.py", "?shared_module\n")
    main(["a.py", "--diff", "--color", "always"])
    assert b"\x1b[31m-?shared_module\x1b[0m\n\x1b[32m+ok\x1b[0m\n" in capfdbinary.readouterr().out


def test_fixed_standard_input_goes_to_standard_output(
    fixer: list[bool], monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    type_in(monkeypatch, "é ?shared_module shared_instance\r\n")
    assert main(["-", "--fix", "--output-format", "concise"]) == 1
    out, err = capfdbinary.readouterr()
    assert out == "é ok shared_instance\r\n".encode()
    assert b"QAT102" in err
    type_in(monkeypatch, "clean\n")
    assert main(["-", "--fix"]) == 0
    assert capfdbinary.readouterr().out == b"clean\n"


def test_diff_of_standard_input(
    fixer: list[bool], monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    type_in(monkeypatch, "?shared_module\n")
    assert main(["-", "--diff"]) == 1
    assert b"+ok\n" in capfdbinary.readouterr().out


# --- colour -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "no_colour", "coloured"),
    [("auto", False, False), ("always", False, True), ("always", True, True), ("never", False, False)],
)
def test_colour_is_chosen(
    choice: str,
    no_colour: bool,
    coloured: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write("a.py", "shared_module\n")
    if no_colour:
        monkeypatch.setenv("NO_COLOR", "1")
    main(["a.py", "--color", choice])
    assert ("\x1b[" in capsys.readouterr().out) is coloured


@pytest.mark.parametrize(("variable", "coloured"), [("", True), ("NO_COLOR", False)])
def test_on_a_terminal_colour_is_on_unless_no_color_is_set(
    variable: str, coloured: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.py", "shared_module\n")
    monkeypatch.setenv("TERM", "xterm")
    if variable:
        monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    main(["a.py"])
    assert ("\x1b[" in capsys.readouterr().out) is coloured


@pytest.mark.parametrize("columns", [1, 24, 30, 40, 60, 120])
def test_columns_set_the_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a.py", "x" * 200 + " shared_module\n" + "y = 1\n" * 1000 + "  ?shared_instance\n")
    monkeypatch.setenv("COLUMNS", str(columns))
    main(["a.py"])
    *report, _ = capsys.readouterr().out.splitlines()
    assert max(map(len, report)) == max(columns, 24)


def test_a_terminal_without_a_size_gets_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    first, second = os.openpty()
    with os.fdopen(first, "rb"), os.fdopen(second, "w") as terminal:
        assert base.style_for("auto", terminal).width == 80
