"""The other commands, help, and the command line as a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import qatlint
from qatlint import catalogue
from qatlint.cli.app import app, names
from qatlint.cli.run import run as main
from tests import fakes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fake_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")


def run(*args: str, cwd: Path, code: str = "") -> subprocess.CompletedProcess[str]:
    """qatlint as a process; `code` runs in place of `-m qatlint`."""
    start = ["-c", code] if code else ["-m", "qatlint"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *start, *args],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.usefixtures("fake_rules")
def test_rules_are_listed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "QAT101  shared-module       error    fix  One instance runs." in lines
    assert all(len(line) <= 80 for line in lines)


def test_rules_are_listed_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "--output-format", "json"]) == 0
    items = json.loads(capsys.readouterr().out)
    assert [item["code"] for item in items] == [entry.code for entry in catalogue.entries()]
    assert set(items[0]) == {"code", "name", "severity", "fixable", "since", "summary"}


@pytest.mark.usefixtures("fake_rules")
def test_explain_takes_codes_and_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "qat101", "Unused-Suppression"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# QAT101 shared-module\n\n*error, fixable, since 0.1*\n\nOne instance runs.\n")
    assert "# QAT001 unused-suppression" in out


@pytest.mark.usefixtures("fake_rules")
def test_explain_is_rendered_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "QAT101", "--color", "always"]) == 0
    out = capsys.readouterr().out
    assert "##" not in out and "What it flags" in out and "\x1b[" in out


ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


@pytest.mark.parametrize("colour", ["always", "never"])
@pytest.mark.parametrize("columns", ["1", "30", "40", "60", "80", "200", ""])
def test_explain_wraps_prose_and_leaves_code_alone(
    columns: str, colour: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    width = {"1": 24, "": 80, "200": 100}.get(columns) or int(columns)
    for entry in catalogue.entries():
        assert main(["explain", entry.code, "--color", colour]) == 0
        shown = ESCAPE.sub("", capsys.readouterr().out)
        doc, plain = entry.doc, shown
        for code in re.findall(r"```python\n(.*?)```", doc, re.DOTALL):
            assert code.strip() in plain
            doc, plain = doc.replace(code, ""), plain.replace(code.rstrip(), "", 1)
        assert words(doc) <= words(plain)
        assert all(len(line) <= width or " " not in line.strip() for line in plain.splitlines())
        assert width > 30 or max(map(len, plain.splitlines())) < 40


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.replace("```python", "").replace("```", "")))


@pytest.mark.usefixtures("fake_rules")
@pytest.mark.parametrize("columns", [24, 30, 40, 60, 80, 200])
def test_rules_fit_where_a_row_fits(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(["rules"]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = len("QAT001  unused-suppression  warning  fix")
    assert all(len(line) <= max(columns, row if line.startswith("QAT") else 0) for line in lines)


@pytest.mark.usefixtures("fake_rules")
def test_explain_of_an_unknown_rule_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "shared-modul"]) == 2
    assert "unknown rule `shared-modul`; did you mean `shared-module`?" in capsys.readouterr().err


def test_every_file_of_the_package_is_a_command() -> None:
    assert {"check", "rules", "explain"} <= set(names())
    for name in names():
        command = app.get_command(app.make_context("qatlint", ["rules"]), name)
        assert command is not None and command.name == name and command.help, name


@pytest.mark.parametrize("columns", [24, 30, 40, 60, 64, 80, 200])
@pytest.mark.parametrize(
    "args", [["--help"], ["-h"], ["check", "--help"], ["rules", "-h"], ["explain", "-h"], ["trace", "-h"]]
)
def test_help_is_rich_and_fits(
    args: list[str], columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main(args) == 0
    out = capsys.readouterr().out
    assert ("╭" in out) is (columns >= 64)
    assert "--help" in out and (columns < 64 or "…" not in out)
    # The name of an option and its choices stay on one line.
    prose = [line.rstrip() for line in out.splitlines() if columns >= 64 or " --" not in line]
    assert all(len(line) <= columns for line in prose)


def test_help_of_the_group_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    out = capsys.readouterr().out
    assert all(name in out for name in names())


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert qatlint.__version__ in capsys.readouterr().out


def test_a_usage_error_on_a_terminal_is_rich(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["check", "--bogus"]) == 2
    err = capsys.readouterr().err
    assert "╭" in err and "--bogus" in err


def test_the_shell_can_complete_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_QATLINT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "qatlint ex")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert run(cwd=tmp_path).stdout.split() == ["plain,explain"]


def test_an_interrupted_start_is_quiet(tmp_path: Path) -> None:
    code = (
        "import sys, qatlint.cli.run\n"
        "def stop(arguments): raise KeyboardInterrupt\n"
        "qatlint.cli.run.run = stop\n"
        "from qatlint.cli.main import main\n"
        "main()\n"
    )
    done = run(cwd=tmp_path, code=code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


HEAVY = (
    "rich",
    "rich_click",
    "libcst",
    "pathspec",
    "torch",
    "typer",
    "tomllib",
    "tomli",
    "json",
    "difflib",
    "tempfile",
    "hashlib",
    "subprocess",
    "xml",
    "qatlint.baseline",
    "qatlint.codemods",
    "qatlint.git",
    "qatlint.identity",
    "qatlint.report.full",
    "qatlint.report.sarif",
    "qatlint.suppressing",
)


@pytest.mark.parametrize(("option", "needed"), [("--no-cache", []), ("--isolated", ["hashlib", "json"])])
def test_the_usual_run_imports_nothing_heavy(option: str, needed: list[str], tmp_path: Path) -> None:
    """The time of a whole process is mostly imports: these cost more than linting a file."""
    (tmp_path / "a.py").write_text("import torch\nfrom torch import nn\nx = 1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    code = (
        "import sys\n"
        "from qatlint.cli.run import run as main\n"
        f"code = main(['a.py', '--output-format', 'concise', '{option}'])\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    done = run(cwd=tmp_path, code=code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "All checks passed.\n", f"{needed}\n")


def test_a_warm_run_reads_each_file_once_and_imports_no_interpreter(tmp_path: Path) -> None:
    """What it finds in the cache it need not be able to find."""
    model = (
        "from torch import nn\nclass {0}(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
    )
    model += (
        "        self.act = nn.Sigmoid()\n    def forward(self, x):\n        return self.act(self.act(x))\n"
    )
    (tmp_path / "a.py").write_text(model.format("A"))
    (tmp_path / "b.py").write_text("from a import A\n" + model.format("B"))
    for path in tmp_path.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    code = (
        "import os, sys\n"
        "from collections import Counter\n"
        "opened = Counter()\n"
        "def hook(event, args):\n"
        "    if event == 'open' and os.path.basename(str(args[0])) in ('a.py', 'b.py'):\n"
        "        opened[os.path.basename(args[0])] += 1\n"
        "sys.addaudithook(hook)\n"
        "from qatlint.cli.run import run as main\n"
        "main(['.', '--isolated', '--exit-zero', '--output-format', 'concise'])\n"
        "print(dict(sorted(opened.items())), 'qatlint.static.interpreter' in sys.modules)\n"
    )
    cold, warm = (run(cwd=tmp_path, code=code).stdout.splitlines() for _ in range(2))
    assert len(cold) > 2
    assert cold[:-1] == warm[:-1]
    assert cold[-1].endswith("} True")
    assert warm[-1] == "{'a.py': 1, 'b.py': 1} False"


def test_importing_the_package_is_light(tmp_path: Path) -> None:
    done = run(
        cwd=tmp_path,
        code="import sys; before = set(sys.modules); import qatlint; print(set(sys.modules) - before)",
    )
    assert done.stdout == "{'qatlint'}\n"


def test_python_m_qatlint_lints_the_real_thing(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def f(:\n")
    done = run("broken.py", "--output-format", "concise", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("broken.py:1:")
    assert "QAT000 error" in done.stdout


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    for number in range(200):
        (tmp_path / f"broken{number}.py").write_text("def f(:\n" + "# filler\n" * 10)
    process = subprocess.Popen(
        [sys.executable, "-m", "qatlint"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 128 + signal.SIGPIPE


def test_names_the_terminal_cannot_show_are_escaped(tmp_path: Path) -> None:
    (tmp_path / "模型.py").write_text("def f(:\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "qatlint", "--output-format", "concise"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(b"\\u6a21\\u578b.py:1:")


def test_cache_says_where_it_is_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QATLINT_CACHE_DIR")
    (tmp_path / "a.py").write_text("x = 1\n")
    assert run("a.py", "--isolated", cwd=tmp_path).returncode == 0
    shown = run("cache", "path", "--isolated", cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, f"{tmp_path / '.qatlint_cache'}\n")
    assert Path(shown.stdout.strip()).is_dir()
    gone = run("cache", "clear", "--isolated", cwd=tmp_path)
    assert (gone.returncode, gone.stdout) == (0, "./.qatlint_cache: 1 file removed\n")
    assert os.listdir(tmp_path) == ["a.py"]
    assert run("cache", "clear", "--isolated", cwd=tmp_path).stdout == "./.qatlint_cache: 0 files removed\n"


def test_no_cache_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QATLINT_CACHE_DIR")
    (tmp_path / "a.py").write_text("x = 1\n")
    assert run("a.py", "--isolated", "--no-cache", cwd=tmp_path).returncode == 0
    assert os.listdir(tmp_path) == ["a.py"]


def test_a_damaged_cache_is_one_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QATLINT_CACHE_DIR")
    (tmp_path / "a.py").write_text("x = 1\n")
    run("a.py", "--isolated", cwd=tmp_path)
    (cache,) = (tmp_path / ".qatlint_cache").glob("*.json")
    cache.write_bytes(b"{}")
    again = run("a.py", "--isolated", cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "All checks passed.\n")
    assert again.stderr == "qatlint: ./.qatlint_cache: the cache is damaged, and was not used\n"
    assert run("a.py", "--isolated", cwd=tmp_path).stderr == ""
