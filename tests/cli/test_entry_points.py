"""`entry-points` and `march` in the settings, as the command sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qatlint.cli.run import run as main

NET = "from torch import nn\n\nclass Net(nn.Module):\n    def forward(self, x):\n        return x\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pkg").mkdir()
    Path("pkg/__init__.py").touch()
    Path("pkg/net.py").write_text(NET)


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Check `pkg` with some settings: (exit code, everything printed)."""

    def check(settings: str, *arguments: str) -> tuple[int, str]:
        Path("qatlint.toml").write_text(settings)
        code = main(["check", "pkg", *arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return check


@pytest.mark.parametrize("point", ["pkg.net:Net", 'pkg.net:Net", "pkg.net:Net'])
@pytest.mark.parametrize("march", ["nash-e", "nash-m", "nash-p", "nash-b", "nash-h", "bayes"])
def test_classes_and_chips_that_exist(point: str, march: str, run: Run) -> None:
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
        ('toolchain = "3.2"', "`toolchain` must be one of early, current, not `3.2`"),
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
    settings: str, said: str, arguments: tuple[str, ...], run: Run
) -> None:
    code, output = run(settings, *arguments)
    assert code == 2
    assert said in output
    assert "Traceback" not in output


STUBBED = """
from torch import nn
from torch.quantization import DeQuantStub, QuantStub

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.out = nn.Linear(8, 8)
        self.dequant = DeQuantStub()

    def forward(self, x):
        return self.dequant(self.out(self.quant(x)).exp())
"""


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ("", 0, "All checks passed."),
        ('march = "nash-p"', 0, "All checks passed."),
        ('entry-points = ["pkg.net:Net"]', 1, "not with the precision of a GEMM op"),
        (
            'entry-points = ["pkg.net:Net"]\nmarch = "nash-p"',
            1,
            "on nash-p the output leaves as float16 or int8 instead of float",
        ),
        (
            'entry-points = ["pkg.net:Net"]\nmarch = "bayes"',
            1,
            "on bayes the output leaves as int8 or int16 instead of int32",
        ),
    ],
)
def test_a_model_that_is_named_is_judged_and_the_chip_is_told(
    settings: str, code: int, said: str, run: Run
) -> None:
    Path("pkg/net.py").write_text(STUBBED)
    found, output = run(settings, "--output-format", "concise", "--select", "QAT401")
    assert (found, said in output) == (code, True), output
