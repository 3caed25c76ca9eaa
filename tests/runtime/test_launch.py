"""The child process, with user code that behaves in every bad way."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path
from typing import Any

import pytest

from qatlint.runtime.launch import ChildFailed, Limits, launch
from qatlint.runtime.overlay import Overlay
from qatlint.runtime.recording import from_json
from qatlint.runtime.target import parse

pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")

MODEL = """\
import os, sys, time
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x, scale=1):
        return self.conv(x) * scale


def inputs():
    return torch.ones(1, 3, 4, 4)


def samples():
    return [torch.ones(1, 3, 4, 4), ((torch.ones(1, 3, 2, 2),), {"scale": 2})]


def raises():
    deep = {}
    return deep["missing"]


def hangs():
    time.sleep(60)


def leaves():
    print("on my way out")
    sys.exit("no GPU")


def dies():
    os._exit(3)


def crashes():
    os.kill(os.getpid(), 11)


def forks():
    if os.fork() == 0:
        return Net()  # the fork goes on, and must not answer
    return Net()


def stays():
    if os.fork() == 0:
        time.sleep(60)
    open("pid", "w").write("x")
    return Net()


def eats():
    held = []
    while True:
        held.append(torch.ones(4_000_000))
        time.sleep(0.01)


def shouts():
    sys.stdout.write('{"error": null}\\n' * 1000)
    sys.stderr.write("noise\\n")
    os.close(1)
    return Net()


def gives_a_tensor():
    return torch.ones(1)


number = 3
"""


def run(
    folder: Path,
    build: str,
    inputs: str = "m:inputs",
    limits: Limits | None = None,
    overlay: Overlay | None = None,
) -> dict[str, Any]:
    here = str(folder)
    if not (folder / "m.py").exists():
        (folder / "m.py").write_text(MODEL)
    request = {"target": parse(build, here), "inputs": parse(inputs, here), "seed": 0}
    return launch("record", request, limits or Limits(60), folder=here, overlay=overlay or {})


def fails(folder: Path, build: str, **settings: Any) -> ChildFailed:
    with pytest.raises(ChildFailed) as caught:
        run(folder, build, **settings)
    return caught.value


def test_every_sample_is_recorded(tmp_path: Path) -> None:
    answer = run(tmp_path, "m.py:Net", "m:samples")
    first, second = (from_json(text) for text in answer["recordings"])
    assert [op.target for op in first.ops if op.kind == "function"] == ["torch.Tensor.mul"]
    assert second.ops[-2].output_facts[0].shape == (1, 4, 2, 2)
    assert answer["backend"] == "reference"


def test_an_error_comes_with_the_users_own_frames(tmp_path: Path) -> None:
    error = fails(tmp_path, "m.py:raises")
    assert error.message == "building the model with `m.py:raises`: KeyError: 'missing'"
    assert [(os.path.basename(f.path), f.function, f.text) for f in error.frames] == [
        ("m.py", "raises", 'return deep["missing"]')
    ]


def test_time_is_limited_and_nothing_is_left_running(tmp_path: Path) -> None:
    start = time.monotonic()
    error = fails(tmp_path, "m:hangs", limits=Limits(5))
    assert "did not end within 5 s" in error.message
    assert "--timeout" in error.hint
    assert time.monotonic() - start < 20


def test_memory_is_limited(tmp_path: Path) -> None:
    error = fails(tmp_path, "m:eats", limits=Limits(60, 900))
    assert "more than 900 MB" in error.message


@pytest.mark.parametrize(
    ("build", "says"),
    [
        ("m:leaves", "the code called sys.exit('no GPU')"),
        ("m:dies", "ended its process with exit code 3"),
        ("m:crashes", "was ended by SIGSEGV"),
        ("m:gives_a_tensor", "gave a Tensor, not an nn.Module"),
        ("m:number", "is a int, which cannot be called"),
        ("m:nothing", "there is no `nothing` in it"),
    ],
)
def test_what_went_wrong_is_said_in_one_sentence(tmp_path: Path, build: str, says: str) -> None:
    assert says in fails(tmp_path, build).message


def test_what_the_code_printed_last_is_kept(tmp_path: Path) -> None:
    assert fails(tmp_path, "m:leaves").said.endswith("on my way out")


@pytest.mark.parametrize("build", ["m:shouts", "m:forks", "m:stays"])
def test_noise_and_forks_do_not_reach_the_answer(tmp_path: Path, build: str) -> None:
    start = time.monotonic()
    assert len(run(tmp_path, build)["recordings"]) == 1
    assert time.monotonic() - start < 40  # `stays` left a child that sleeps for a minute


def test_a_file_that_does_not_parse_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("x = 1\nif x\n")
    error = fails(tmp_path, "m:Net")
    assert "SyntaxError" in error.message
    assert [(os.path.basename(f.path), f.line) for f in error.frames][-1] == ("m.py", 2)


def test_the_overlay_is_what_runs(tmp_path: Path) -> None:
    """Also for packages, for files that only one version has, and in what tracebacks show."""
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "extra.py").write_text("raise RuntimeError('not in this version')\n")
    (package / "net.py").write_text("from .extra import Net\n")
    (tmp_path / "m.py").write_text(MODEL)
    overlay: dict[str, bytes | None] = {
        str(package / "net.py"): b"from .other import Net, broken\n",
        str(package / "other.py"): MODEL.encode() + b"\n\ndef broken():\n    return 1 / 0\n",
        str(package / "extra.py"): None,
    }
    assert run(tmp_path, "pkg/net.py:Net", overlay=overlay)["recordings"]
    error = fails(tmp_path, "pkg.net:broken", overlay=overlay)
    assert error.frames[-1].text == "return 1 / 0"
    error = fails(tmp_path, "pkg.extra:Net", overlay=overlay)
    assert "is not there in this version" in error.message
    assert not list(package.glob("__pycache__/net*")), "byte code of another version was left behind"
