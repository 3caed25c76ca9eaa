"""The hooks, run by the real pre-commit on a repository of a user, in the environment that it makes for them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = (".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE", "qatlint", "rules")

BLOCK = """\
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def step(self, x):
        return self.relu(x)

    def forward(self, x):
        return self.step(x)
"""
TWICE = BLOCK.replace("return self.step(x)", "return self.relu(self.relu(x))")
HEIR = """\
from base import Block


class Heir(Block):
    def forward(self, x):
        return self.step(self.step(x))
"""


class Repository:
    """A git repository, and pre-commit in it."""

    def __init__(self, folder: Path, home: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._environment = {
            **os.environ,
            "PRE_COMMIT_HOME": str(home),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PIP_NO_COMPILE": "1",  # most of what is installed is never imported
            "COLUMNS": "200",
        }
        for role in ("AUTHOR", "COMMITTER"):
            self._environment[f"GIT_{role}_NAME"] = "a"
            self._environment[f"GIT_{role}_EMAIL"] = "a@example.org"
        self._environment.pop("PYTHONPATH", None)  # the hook brings its own
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        return self._run(["git", *args], check=True).stdout.strip()

    def commit(self) -> str:
        """Commit all there is, past any hook, and give the revision."""
        self.git("add", ".")
        self.git("commit", "-qm", "x", "--no-verify")
        return self.git("rev-parse", "HEAD")

    def write(self, **texts: str) -> None:
        """Write and stage files, `a` being a.py."""
        for name, text in texts.items():
            (self.folder / f"{name}.py").write_text(text)
            self.git("add", f"{name}.py")

    def pre_commit(self, hook: str) -> tuple[int, str]:
        """Exit code and output of a hook on what is staged."""
        done = self._run([sys.executable, "-m", "pre_commit", "run", hook], check=False)
        return done.returncode, done.stdout + done.stderr

    def _run(self, command: list[str], *, check: bool) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            check=check,
            capture_output=True,
            text=True,
            timeout=300,
        )


def test_the_hooks_fail_fix_and_pass(tmp_path: Path) -> None:
    """One environment for all of it: making it is what takes the time."""
    pytest.importorskip("pre_commit")
    home = tmp_path / "home"
    hooks = Repository(tmp_path / "hooks", home)
    for name in SHIPPED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, hooks.folder / name)
    (hooks.folder / ".gitignore").write_text("__pycache__/\n")
    revision = hooks.commit()

    user = Repository(tmp_path / "user", home)
    config = f"repos:\n- repo: {hooks.folder}\n  rev: {revision}\n  hooks: [{{id: qatlint}}, {{id: qatlint-fix}}]\n"
    (user.folder / ".pre-commit-config.yaml").write_text(config)
    (user.folder / "qatlint.toml").write_text('extend-exclude = ["old.py"]\n')
    user.write(base=BLOCK, heir=HEIR, unrelated=TWICE)
    user.commit()

    # Nothing staged; nothing that is ours.
    code, out = user.pre_commit("qatlint")
    assert (code, "Skipped" in out) == (0, True), out
    user.write(old=TWICE)
    code, out = user.pre_commit("qatlint")
    assert (code, "Passed" in out) == (0, True), out
    user.commit()

    # Fails, and says nothing of files that are not staged.
    user.write(a=TWICE)
    code, out = user.pre_commit("qatlint")
    assert code == 1 and "a.py:13:16" in out and "Found 1 finding" in out, out

    # Fixes; passes when the fix is staged.
    code, out = user.pre_commit("qatlint-fix")
    assert code == 1 and "files were modified by this hook" in out, out
    assert "self.relu_1 = nn.ReLU()" in (user.folder / "a.py").read_text()
    assert (user.folder / "unrelated.py").read_text() == TWICE
    user.git("add", ".")
    for hook in ("qatlint", "qatlint-fix"):
        code, out = user.pre_commit(hook)
        assert (code, "Passed" in out) == (0, True), out
    user.commit()

    # What another file says of a staged class counts.
    user.write(base=BLOCK + "\n# changed\n")
    code, out = user.pre_commit("qatlint")
    assert code == 1 and "base.py:10:16" in out and "`Heir`, which inherits this" in out, out

    assert not list(home.glob("*/py_env-*/lib/*/site-packages/torch")), "the hooks need no torch"
