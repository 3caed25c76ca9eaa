"""`entry-points` and `march` in the settings, as the command sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NET = "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pkg").mkdir()
    Path("pkg/__init__.py").touch()
    Path("pkg/net.py").write_text(NET)


def run(settings: str, *arguments: str) -> tuple[int, str]:
    """(exit code, everything printed), with these settings."""
    Path("qatlint.toml").write_text(settings)
    command = [sys.executable, "-m", "qatlint", "check", "pkg", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("point", ["pkg.net:Net", 'pkg.net:Net", "pkg.net:Net'])
@pytest.mark.parametrize("march", ["nash-e", "nash-m", "nash-p", "nash-b", "nash-h", "bayes"])
def test_classes_and_chips_that_exist(point: str, march: str) -> None:
    assert run(f'march = "{march}"\nentry-points = ["{point}"]')[0] == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            'march = "nash"',
            "qatlint.toml:1: `march` must be one of nash-e, nash-m, nash-p, nash-b, nash-h, bayes",
        ),
        ("tracer-import = 3", "`tracer-import` must be a string that is not empty, not a number"),
        ('tracer-import = "Tracer"', "`Tracer` must say where the class is, as `package.module.Tracer`"),
        ('tracer-import = "a.class.Tracer"', "must say where the class is, as `package.module.Tracer`"),
        ('tracer-import = "a.b.dynamic_block"', "must say where the class is, as `package.module.Tracer`"),
        ('tracer-imports = "a.b.Tracer"', "unknown key `tracer-imports`; did you mean `tracer-import`?"),
        ("march = 3", "qatlint.toml:1: `march` must be a string that is not empty, not a number"),
        ('entry-points = "pkg.net:Net"', "`entry-points` must be a list of strings, not a string"),
        ('entry-points = ["pkg/net.py:Net"]', "did you mean `pkg.net:Net`?"),
        ('entry-points = ["pkg.net.Net"]', "did you mean `pkg.net:Net`?"),
        ('entry-points = ["pkg.net:"]', "must have the form `package.module:Class`"),
        ('entry-points = ["pkg.net:Nett"]', "has no class `Nett`; did you mean `Net`?"),
        ('entry-points = ["pkg.other:Net"]', "there is no module `pkg.other`"),
        ('entrypoints = ["pkg.net:Net"]', "unknown key `entrypoints`; did you mean `entry-points`?"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--no-cache",), ("--diff",)])
def test_what_cannot_be_meant_is_said_and_ends_the_run(
    settings: str, said: str, arguments: tuple[str, ...]
) -> None:
    code, output = run(settings, *arguments)
    assert code == 2
    assert said in output
    assert "Traceback" not in output
