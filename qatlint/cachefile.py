"""What a run leaves on disk for the next one: one file per kind of run, replaced as a whole.

A kind of run is the tool with its rules, the Python it runs on, the settings that change findings, and the
folder that paths are relative to. Nobody depends on the file: one that is damaged, cannot be read or cannot
be written costs time, never a finding. Runs side by side each replace it with what they know to be right.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import qatlint
from qatlint.aim import Aim

_KINDS_KEPT = 16
"""Older files are removed: each new version of the tool begins one of its own."""
_HEAD = b"qatlint cache, format 2, blake2b "
_OURS = re.compile(r"[0-9a-f]{24}\.json|\.qatlint-new-\w+")
_SIGNS = {
    ".gitignore": "*\n",
    "CACHEDIR.TAG": "Signature: 8a477f597d28d172789f06886806bc55\n# A cache of qatlint; may be removed.\n",
}
"""Files that tell others what the folder is, and what stands in them."""


class Facts(NamedTuple):
    """What is known of a file that was read."""

    digest: str
    """Of its bytes; "" for a file that cannot be read."""
    name: tuple[str, str, bool]
    """As `Layout.name_of` gives it."""
    lookups: dict[str, str]
    """See `Examined.lookups`."""
    topics: list[str] | None
    """What it has to say about other files (`survey.topics_of`); None when it was not linted."""


class Entry(NamedTuple):
    """What was found on the classes of a file."""

    asked: dict[str, str]
    """Topic that the linted files were asked about -> digest of the answer."""
    judged: list[Any]
    """As `stored.to_lists` makes them."""
    unknown: dict[str, int]
    """See `Examined.unknown`."""


class Kept(NamedTuple):
    """The content of a cache file. All entries are right as long as all facts are."""

    files: dict[str, Facts]
    entries: dict[str, Entry]
    linted: str = ""
    """Digest of the paths of the files that were linted when this was saved: all entries of these are right
    when these are linted again and all facts are the same."""


class CacheFile:
    """One kind of run, in the folder `folder`, which is made when something is saved."""

    def __init__(self, folder: str, codes: Sequence[str], aim: Aim) -> None:
        kind = (_tool(), sys.version_info, tuple(sorted(codes)), aim, os.getcwd())
        self.folder = folder
        self._path = os.path.join(folder, blake2b(repr(kind).encode(), digest_size=12).hexdigest() + ".json")
        self.damaged = False
        """Whether `load` found a file that nobody can use."""

    def load(self) -> Kept:
        """What was kept, nothing when there is no file or it cannot be used."""
        try:
            with open(self._path, "rb") as file:
                data = file.read()
        except OSError:
            return Kept({}, {})
        head, _, body = data.partition(b"\n")
        if head == _HEAD + _sum(body):
            with contextlib.suppress(ValueError, TypeError, LookupError, AttributeError, RecursionError):
                files, entries, linted = json.loads(body)
                return Kept(
                    {
                        path: Facts(digest, (name[0], name[1], name[2]), lookups, topics)
                        for path, (digest, name, lookups, topics) in files.items()
                    },
                    {path: Entry(*entry) for path, entry in entries.items()},
                    linted,
                )
        self.damaged = True
        return Kept({}, {})

    def save(self, kept: Kept) -> None:
        """Replace the file in one step. Where that cannot be done, all stays as it is."""
        # Paths may hold bytes that are no text.
        body = json.dumps(kept, separators=(",", ":")).encode()
        with contextlib.suppress(OSError):
            self._prepare_folder()
            # The library's temporary files take longer to import than all the rest of this takes.
            temporary = os.path.join(self.folder, f".qatlint-new-{os.getpid()}_{time.monotonic_ns()}")
            try:
                with open(temporary, "xb") as file:
                    file.write(_HEAD + _sum(body) + b"\n" + body)
                os.replace(temporary, self._path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            self._remove_old()

    def _prepare_folder(self) -> None:
        if os.path.isdir(self.folder):
            return
        os.makedirs(self.folder, exist_ok=True)
        for name, text in _SIGNS.items():
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                file.write(text)

    def _remove_old(self) -> None:
        by_age = sorted(_caches(self.folder), key=os.path.getmtime)
        for path in by_age[:-_KINDS_KEPT]:
            os.unlink(path)


def digest_of(data: bytes) -> str:
    """What tells one text from another."""
    return blake2b(data, digest_size=16).hexdigest()


def _sum(body: bytes) -> bytes:
    return digest_of(body).encode()


def _tool() -> str:
    """The version, and what tells one state of a checkout from another."""
    from qatlint import rules

    stamps = []
    pending = [os.path.dirname(os.path.abspath(__file__)), *rules.__path__]
    while pending:
        for entry in os.scandir(pending.pop()):
            if entry.is_dir():
                pending.append(entry.path)
            elif entry.name.endswith((".py", ".toml")):
                status = entry.stat()
                stamps.append(f"{entry.path} {status.st_size} {status.st_mtime_ns}")
    return f"{qatlint.__version__} {digest_of(' '.join(sorted(stamps)).encode())}"


def remove(folder: str) -> int:
    """Remove what `CacheFile` has put into `folder`, and the folder if nothing else is in it.

    Gives the number of caches removed. Raises OSError.
    """
    if not os.path.isdir(folder):
        return 0
    caches = _caches(folder)
    for path in caches:
        os.unlink(path)
    for name, text in _SIGNS.items():
        path = os.path.join(folder, name)
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8", errors="replace") as file:
            if file.read() == text:
                os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return len(caches)


def _caches(folder: str) -> list[str]:
    """Paths of the cache files in a folder, which may hold other things, and of what killed runs left."""
    return [entry.path for entry in os.scandir(folder) if _OURS.fullmatch(entry.name)]
