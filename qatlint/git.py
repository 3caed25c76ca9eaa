"""What git says about the files of a repository: which lines changed since a revision."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class GitError(Exception):
    """git cannot tell. The message says why."""


class Changes(NamedTuple):
    """The lines that differ from a revision."""

    root: str
    """The real path of the repository."""
    lines: dict[str, list[range] | None]
    """Path in the repository -> the new or changed lines; None for a new file, all of which is new."""

    def touch(self, path: str, first: int, last: int) -> bool:
        """Whether one of the lines `first` to `last` of the file `path` changed."""
        name = os.path.relpath(os.path.realpath(path), self.root).replace(os.sep, "/")
        if name not in self.lines:
            return False
        changed = self.lines[name]
        return changed is None or any(lines.start <= last and first < lines.stop for lines in changed)


def changes_since(revision: str, folder: str = ".") -> Changes:
    """What differs in the working tree from where it parted from `revision`. Raises `GitError`.

    Staged or not, committed or not, and files that git does not know yet: what somebody would review. A file
    that was moved keeps its unchanged lines.
    """
    root = _git(folder, "rev-parse", "--show-toplevel").decode(errors="surrogateescape").rstrip("\n")
    try:
        _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    except GitError:
        raise GitError(f"git knows no revision `{revision}`") from None
    try:
        base = _git(root, "merge-base", "--end-of-options", revision, "HEAD").decode().strip()
    except GitError:
        raise GitError(
            f"`{revision}` and HEAD have no common commit; a shallow clone needs more of the history"
        ) from None
    diff = _git(
        root,
        *("-c", "core.quotePath=true", "-c", "diff.noPrefix=false", "-c", "diff.mnemonicPrefix=false"),
        *("diff", "--unified=0", "--find-renames", "--no-color", "--no-ext-diff", "--no-textconv"),
        *("--ignore-submodules", "--src-prefix=a/", "--dst-prefix=b/", base, "--"),
    )
    lines: dict[str, list[range] | None] = {}
    for path, changed in _hunks(diff.decode("utf-8", "surrogateescape").split("\n")):
        here = lines.setdefault(path, [])
        if here is not None:
            here.append(changed)
    for name in _git(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0"):
        if name:
            lines[os.fsdecode(name)] = None
    return Changes(os.path.realpath(root), lines)


def _hunks(diff: list[str]) -> Iterator[tuple[str, range]]:
    """Path and new lines of each hunk. Its body is passed over by count: it may look like anything."""
    path = ""
    number = 0
    while number < len(diff):
        line = diff[number]
        number += 1
        if line.startswith("+++ "):
            path = _path(line[4:])
        elif hunk := _HUNK.match(line):
            old, start, new = int(hunk[1] or 1), int(hunk[2]), int(hunk[3] or 1)
            left = old + new
            while left and number < len(diff):
                left -= not diff[number].startswith("\\")
                number += 1
            yield path, range(start, start + new)


def _path(text: str) -> str:
    """The path of a `+++` line, which is quoted as in C where it holds odd characters."""
    text = text.rstrip("\t\r")
    if text.startswith('"'):
        text = os.fsdecode(ast.literal_eval("b" + text))
    return text.removeprefix("b/")


def _git(folder: str, *arguments: str) -> bytes:
    """What a git command prints. Raises `GitError` with what it complains about."""
    try:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    if done.returncode:
        complaint = done.stderr.decode(errors="replace").strip().partition("\n")[0].removeprefix("fatal: ")
        raise GitError(complaint or f"`git {arguments[0]}` failed")
    return done.stdout
