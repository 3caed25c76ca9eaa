"""Start a child process that runs the user's code, within limits, and read what it reports.

    answer = launch("record", {"target": [...], ...}, Limits(seconds=60))

The child answers in a file of its own, so whatever the user's code prints is not in the way; it is kept and
shown when something goes wrong. The child leads a process group, which is ended with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from qatlint.runtime.overlay import NOTHING, Overlay

_ROOT = str(Path(__file__).resolve().parents[2])
# Our own package is imported first, whatever the user's folders hold; then the path is the user's.
_START = (
    "import sys; sys.path[:] = [sys.argv[1], *filter(None, sys.path)]\n"
    "from qatlint.runtime.child.main import main\n"
    "del sys.path[0]; main(sys.argv[2])"
)
_TICK = 0.05
_TURNS = 10
_WEIGH_EVERY = 0.5
_SAID_LINES = 12
_SAID_WIDTH = 200
_SAID_BYTES = 16 << 20
_SAID_END = 20_000
"""Bytes that hold the last lines."""
_ENDED: dict[int, str] = {
    signal.SIGKILL: "the system may have run out of memory: try smaller inputs, or --memory to see",
    signal.SIGSEGV: "native code crashed: python -X faulthandler on the same code says where",
    signal.SIGABRT: "native code gave up: what it printed says why",
    signal.SIGALRM: "the model's code set an alarm (signal.alarm), which went off",
}
_MARK = "QATLINT_RUN"
"""A variable in the environment that all processes inherit which the model's code starts."""


class Limits(NamedTuple):
    """What the child may use."""

    seconds: float = 600.0
    megabytes: int | None = None
    """Resident memory of the child and all its children (Linux only); None: no limit."""


class Frame(NamedTuple):
    """A line of the user's code on the way to an error."""

    path: str
    line: int
    function: str
    text: str


class ChildFailed(Exception):
    """The user's code did not get through; everything that is known about it."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        frames: tuple[Frame, ...] = (),
        said: str = "",
        kind: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.frames = frames
        self.said = said
        """The last lines that the code printed."""
        self.kind = kind
        """`inputs`: they are not there in this version, or are not those of the other."""

    def of(self, what: str) -> ChildFailed:
        """The same, said to be about `what`."""
        about = f"{what}: {self.message}"
        return ChildFailed(about, hint=self.hint, frames=self.frames, said=self.said, kind=self.kind)


def launch(
    job: str,
    request: Mapping[str, Any],
    limits: Limits,
    *,
    folder: str = "",
    overlay: Overlay = NOTHING,
    scratch: str = "",
) -> dict[str, Any]:
    """Run `job` of `qatlint.runtime.child` and give its answer. Raises `ChildFailed`.

    `folder` is where the code runs (the current one by default) and is first on its import path; `overlay`
    stands for files on disk; `scratch` is a folder that outlives the child, for what it leaves to the next.
    """
    # The model's code may remove it.
    with tempfile.TemporaryDirectory(prefix="qatlint-", ignore_cleanup_errors=True) as own:
        texts = _write_overlay(overlay, Path(own))
        whole = {
            "job": job,
            "folder": folder or os.getcwd(),
            "overlay": texts,
            "answer": os.path.join(own, "answer"),
            "scratch": scratch or own,
            **request,
        }
        asked = Path(own, "request")
        asked.write_text(json.dumps(whole), encoding="utf-8")
        said = Path(own, "said")
        # Appended to, so that it can be cut while the code goes on printing.
        with said.open("a+b") as output:
            ended = _run(str(asked), output.fileno(), whole["folder"], limits)
        return _answer(Path(whole["answer"]), ended, limits, _last_lines(said))


def _write_overlay(overlay: Overlay, folder: Path) -> dict[str, str | None]:
    """The overlay as files: path -> where its text is, None for a file that is not there."""
    texts: dict[str, str | None] = {}
    for number, (path, text) in enumerate(overlay.items()):
        texts[path] = None
        if text is not None:
            written = folder / f"text{number}"
            written.write_bytes(text)
            texts[path] = str(written)
    return texts


class Child(Protocol):
    """What is asked of the child process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def kill(self) -> None: ...


def start(asked: str, output: int, folder: str, environment: Mapping[str, str]) -> Child:
    """Start a process, in a session of its own, that does what the request file `asked` says and prints to
    the descriptor `output`."""
    return subprocess.Popen(
        [sys.executable, "-c", _START, _ROOT, asked],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        env=environment,
    )


def _run(asked: str, output: int, folder: str, limits: Limits) -> int | str:
    """The exit code of the child, or the limit it went over: `time`, `memory`."""
    mark = uuid.uuid4().hex
    child = start(asked, output, folder, {**os.environ, "PYTHONUNBUFFERED": "1", _MARK: mark})
    try:
        return _watch(child, limits, output)
    finally:
        _end_group(child)
        _end_marked(f"{_MARK}={mark}".encode())


def _watch(child: Child, limits: Limits, output: int) -> int | str:
    end = time.monotonic() + limits.seconds
    weigh = time.monotonic() + _WEIGH_EVERY
    while True:
        try:
            return child.wait(_TICK)
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if now > end:
            return "time"
        if now < weigh:
            continue
        weigh = now + _WEIGH_EVERY
        if os.fstat(output).st_size > _SAID_BYTES:
            _cut(output)
        if limits.megabytes is not None:
            if sum(p.memory for p in _family(child.pid)) > limits.megabytes << 20:
                return "memory"


def _cut(output: int) -> None:
    """Keep the end of what was printed: it may be what the code says before it dies."""
    end = os.pread(output, _SAID_END, os.fstat(output).st_size - _SAID_END)
    os.ftruncate(output, 0)
    os.write(output, end)


def _end_group(child: Child) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    child.wait()


def _end_marked(mark: bytes) -> None:
    """End what the child started in groups and sessions of their own (Linux only)."""
    # What was started meanwhile by what is ended now is found in the next turn.
    for _ in range(_TURNS):
        found = [entry for entry in Path("/proc").glob("[0-9]*") if _is_marked(entry, mark)]
        for entry in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)
        if not found:
            return


def _is_marked(entry: Path, mark: bytes) -> bool:
    try:
        return mark in (entry / "environ").read_bytes().split(b"\0")
    except OSError:
        return False  # It has ended, or is another user's.


class _Process(NamedTuple):
    number: int
    parent: int
    group: int
    memory: int


def _processes() -> list[_Process]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name of the program, in brackets, may hold anything.
            fields = [int(f) for f in (entry / "stat").read_text().rpartition(")")[2].split()[1:22]]
            memory = fields[20] * os.sysconf("SC_PAGE_SIZE")
            found.append(_Process(int(entry.name), fields[0], fields[1], memory))
        except (OSError, IndexError, ValueError):
            continue  # It has ended meanwhile.
    return found


def _family(child: int) -> list[_Process]:
    """The child's process group, and its descendants that went into groups of their own (Linux only)."""
    everybody = _processes()
    found = {process.number for process in everybody if process.group == child}
    size = -1
    while size != len(found):
        size = len(found)
        found |= {process.number for process in everybody if process.parent in found}
    return [process for process in everybody if process.number in found]


def _last_lines(said: Path) -> str:
    try:
        with said.open("rb") as file:
            file.seek(max(0, said.stat().st_size - _SAID_END))
            text = file.read().decode("utf-8", "replace")
    except OSError:  # the code has removed it
        return ""
    return "\n".join(line[:_SAID_WIDTH] for line in text.rstrip().splitlines()[-_SAID_LINES:])


def _answer(path: Path, ended: int | str, limits: Limits, said: str) -> dict[str, Any]:
    if ended == "time":
        raise ChildFailed(
            f"the model's code did not end within {limits.seconds:g} s",
            hint="give it more with --timeout, or smaller inputs",
            said=said,
        )
    if ended == "memory":
        raise ChildFailed(
            f"the model's code needed more than {limits.megabytes} MB of memory",
            hint="give it more with --memory, or smaller inputs",
            said=said,
        )
    try:
        answer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        if not path.parent.is_dir():
            raise ChildFailed(f"the model's code removed {path.parent}, where its answer was to be") from None
        hint = _ENDED.get(-int(ended), "")
        raise ChildFailed(_without_answer(int(ended)), hint=hint, said=said) from None
    error = answer.get("error")
    if error is None:
        return answer
    frames = tuple(Frame(*frame) for frame in error["frames"])
    kind = error.get("kind", "")
    raise ChildFailed(error["message"], hint=error["hint"], frames=frames, said=said, kind=kind)


def _without_answer(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        return f"the process that ran the model's code was ended by {name}"
    return f"the model's code ended its process with exit code {code}: something in it calls os._exit"
