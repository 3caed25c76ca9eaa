"""The child process, with user code that behaves in every bad way."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from qatlint.runtime.launch import ChildFailed, Limits, launch
from qatlint.runtime.overlay import Overlay
from qatlint.runtime.recording import from_json
from qatlint.runtime.target import parse

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch"),
    pytest.mark.usefixtures("forked"),
]

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


def flees():
    # As a daemon does it: nobody knows its parent any more, and it was never seen to run.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            open("pid", "w").write(str(os.getpid()))
            time.sleep(60)
        os._exit(0)
    while not os.path.exists("pid") or not open("pid").read():
        time.sleep(0.01)
    raise ValueError


def floods():
    print("the beginning")
    for _ in range(40):
        sys.stdout.write(("x" * 1000 + "\\n") * 1000)
        time.sleep(0.02)
    raise ValueError


def closes():
    import threading
    threading.Thread(target=time.sleep, args=(60,)).start()
    sys.stdout = None
    return Net()


def lacks(size):
    return Net()


def falls():
    return falls()


def lazy():
    return nn.LazyLinear(3)


def gives_up():
    raise KeyboardInterrupt


def of_another_model():
    return nn.Conv2d(3, 3, 1)(torch.ones(1, 3, 4, 4)), 2


def a_lock():
    import threading
    return {"lock": threading.Lock()}


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


def vandal():
    # Its error cannot be printed, and what it would be printed with is gone.
    import json
    class Mute(Exception):
        def __str__(self):
            raise ValueError
    json.dumps = None
    sys.modules.clear()
    raise Mute


def tidies():
    import glob, shutil
    for folder in glob.glob(os.path.join(os.environ["TMPDIR"], "qatlint-*")):
        shutil.rmtree(folder)
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


@pytest.mark.own_child
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
    error = fails(tmp_path, "m:hangs", limits=Limits(1))
    assert "did not end within 1 s" in error.message
    assert "--timeout" in error.hint
    assert time.monotonic() - start < 20


@pytest.mark.own_child
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
        ("m:lazy", "weights that its first forward makes"),
        ("m:gives_up", "building the model with `m:gives_up`: KeyboardInterrupt"),
        ("m:vandal", "building the model with `m:vandal`: Mute: (its text cannot be had: ValueError)"),
    ],
)
def test_what_went_wrong_is_said_in_one_sentence(tmp_path: Path, build: str, says: str) -> None:
    assert says in fails(tmp_path, build).message


def test_a_model_that_removes_the_answer_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert "where its answer was to be" in fails(tmp_path, "m:tidies").message


def test_what_the_code_printed_last_is_kept(tmp_path: Path) -> None:
    assert fails(tmp_path, "m:leaves").said.endswith("on my way out")


def test_lines_are_shown_of_the_users_code_only(tmp_path: Path) -> None:
    """An error at the call itself has no line of the user's: ours are nobody's business."""
    error = fails(tmp_path, "m.py:lacks")
    assert "missing 1 required positional argument" in error.message
    assert error.frames == ()
    assert "a class must need no arguments" in error.hint
    assert {os.path.basename(frame.path) for frame in fails(tmp_path, "m.py:falls").frames} == {"m.py"}


@pytest.mark.own_child
def test_a_crash_comes_with_a_hint(tmp_path: Path) -> None:
    assert "native code crashed" in fails(tmp_path, "m:crashes").hint


@pytest.mark.own_child
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_daemon_is_ended_too(tmp_path: Path) -> None:
    assert fails(tmp_path, "m:flees").message.endswith("ValueError")
    number = (tmp_path / "pid").read_text()
    # It may be left as a zombie for a moment, until it is waited for.
    end = time.monotonic() + 5
    while _runs(number) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _runs(number)


def _runs(number: str) -> bool:
    try:
        return Path("/proc", number, "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_code_that_prints_very_much_fills_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qatlint.runtime import launch as module

    monkeypatch.setattr(module, "_SAID_BYTES", 1 << 20)
    monkeypatch.setattr(module, "_WEIGH_EVERY", 0.1)
    kept: list[bool] = []
    last_lines = module._last_lines

    def watched(said: Path) -> str:
        kept.append(b"the beginning" in said.read_bytes())
        return last_lines(said)

    monkeypatch.setattr(module, "_last_lines", watched)
    said = fails(tmp_path, "m:floods").said
    assert kept == [False]
    assert said.splitlines()[-2] == "x" * 200


def test_inputs_may_come_from_another_model(tmp_path: Path) -> None:
    assert run(tmp_path, "m:Net", "m:of_another_model")["recordings"]


def test_inputs_that_cannot_be_copied_are_refused(tmp_path: Path) -> None:
    error = fails(tmp_path, "m:Net", inputs="m:a_lock")
    assert error.message.startswith("copying the inputs: TypeError")


@pytest.mark.own_child
def test_without_torch_that_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = "import sys\nsys.modules['torch'] = None\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    error = fails(tmp_path, "m:Net")
    assert error.message.startswith("torch cannot be imported by ")
    assert "qatlint[verify]" in error.hint
    assert error.frames == ()


@pytest.mark.own_child
def test_a_torch_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "torch.py").write_text("__version__ = '1.13.1+cu117'\n")
    monkeypatch.setenv("PYTHONPATH", str(installed))
    assert "torch 1.13.1+cu117 is too old" in fails(tmp_path, "m:Net").message


@pytest.mark.parametrize("build", ["m:shouts", "m:forks", "m:stays", "m:closes"])
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


READER = """\
import importlib.util, io, os, pathlib, pkgutil, runpy, shutil, sys, tokenize
from m import Net, inputs

HERE = os.path.dirname(__file__)
other = os.path.join(HERE, "other.py")


def by_path():
    spec = importlib.util.spec_from_file_location("elsewhere", other)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.version


def by_a_finder():
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return importlib.util.spec_from_file_location(name, other) if name == "mapped" else None

    sys.meta_path.insert(0, Finder)
    import mapped
    return mapped.version


def executed(text):
    names = {}
    exec(text, names)
    return names["version"]


def opened():
    with open(other) as file:
        return executed(file.read())


def by_pathlib():
    return executed(pathlib.Path(other).read_text())


def copied():
    shutil.copyfile(other, "copy.py")
    return executed(pathlib.Path("copy.py").read_text())


def of_a_package():
    return executed(pkgutil.get_data("m", "other.py"))


def past_everything():
    number = os.open(other, os.O_RDONLY)
    assert executed(os.read(number, 1000)) == "new"
    return "old"  # what it makes of it is not the point


def of_the_interpreter():
    assert runpy.run_path(other)["version"] == "new"
    return "old"


def there():
    try:
        open(os.path.join(HERE, "later.txt"))
    except FileNotFoundError:
        return "old"
    return "new"


def model(how):
    def build():
        assert how() == "old", "the version on disk was read"
        return Net()
    return build


models = {name: model(value) for name, value in list(globals().items()) if callable(value)}
globals().update({f"with_{name}": build for name, build in models.items()})
"""


def read_in(folder: Path, build: str) -> dict[str, Any]:
    """Run a model that reads `other.py`, which the version to be run has otherwise than the disk."""
    (folder / "reader.py").write_text(READER)
    (folder / "other.py").write_text("version = 'new'\n")
    (folder / "later.txt").touch()
    subprocess.run([sys.executable, "-m", "compileall", "-q", "."], cwd=folder, check=True)
    overlay = {str(folder / "other.py"): b"version = 'old'\n", str(folder / "later.txt"): None}
    return run(folder, f"reader:with_{build}", overlay=overlay)


@pytest.mark.parametrize(
    "build", ["by_path", "by_a_finder", "opened", "by_pathlib", "copied", "of_a_package", "there"]
)
def test_the_overlay_is_read_in_every_usual_way(tmp_path: Path, build: str) -> None:
    """Byte code of the version on disk does not get in its way."""
    assert read_in(tmp_path, build)["recordings"]


@pytest.mark.parametrize("build", ["past_everything", "of_the_interpreter"])
def test_reading_past_the_overlay_is_never_a_proof(tmp_path: Path, build: str) -> None:
    with pytest.raises(ChildFailed, match=r"other\.py was read past"):
        read_in(tmp_path, build)


def test_code_that_looks_at_its_own_source_is_fine(tmp_path: Path) -> None:
    """Tracebacks, `inspect` and TorchScript see the served text, without opening the file."""
    (tmp_path / "looker.py").write_text("raise RuntimeError('not this version')\n")
    text = (
        MODEL
        + """
import inspect, traceback, warnings


class Looker(Net):
    def forward(self, x):
        try:
            raise ValueError
        except ValueError:
            assert "raise ValueError" in traceback.format_exc()
        assert "class Looker" in inspect.getsource(Looker)
        warnings.warn("something")
        return super().forward(x)


@torch.jit.script
def scripted(x: torch.Tensor):
    return x + 1
"""
    )
    assert run(tmp_path, "looker:Looker", overlay={str(tmp_path / "looker.py"): text.encode()})["recordings"]


@pytest.mark.own_child
def test_a_file_named_like_a_module_that_we_need_is_not_taken_for_it(tmp_path: Path) -> None:
    for name in ("json", "types", "queue"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong one')\n")
    assert len(run(tmp_path, "m:Net")["recordings"]) == 1


@pytest.mark.parametrize("then", ["pass", "raise ValueError"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_that_comes_out_of_the_users_code_ends_there(then: str) -> None:
    """Both would write the files that the versions of a proof are compared by."""
    code = (
        "import os\nfrom qatlint.runtime.child.trouble import stage\n"
        f"with stage('running'):\n    one = os.fork()\n    if not one:\n        {then}\n"
        "print('here', os.waitpid(one, 0)[1] if one else 'too', flush=True)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("here 0\n", "")
