"""Another version of a project, as the files in which it differs from what is on disk.

Both versions of a model run in the same environment and in the same folder; only these files are read from
elsewhere. So nothing has to be checked out or installed twice, and data files are those that are there.
"""

from __future__ import annotations

import filecmp
import os
import subprocess
from collections.abc import Mapping, Sequence

from qatlint.runtime.target import Target, files_of

Overlay = Mapping[str, "bytes | None"]
"""Absolute path -> the text that stands for the file; None: the file is not there."""

NOTHING: Overlay = {}


class OverlayError(Exception):
    """The other version cannot be had; the text says why."""


_INSTEAD = "name the older version with --before FILE, or a folder of files"


def parse(text: str, target: Target, folders: Sequence[str]) -> Overlay:
    """What `git:REV`, a folder or a file says of another version. Raises `OverlayError`.

    `target` is what is run, since a single file stands for its file; relative paths are below the first of
    `folders`, and modules are looked for in all.
    """
    files = [file for file in files_of(target, folders) if os.path.isfile(file)]
    if text.startswith("git:"):
        revision = text.removeprefix("git:")
        return from_git(revision, os.path.dirname(files[0]) if files else folders[0], files)
    path = os.path.normpath(os.path.join(folders[0], text))
    if os.path.isdir(path):
        return from_folder(path, folders[0])
    if os.path.isfile(path):
        if not files:
            raise OverlayError(f"`{text}` is one file, so the target must name the file it stands for")
        return {files[0]: _read(path)}
    raise OverlayError(f"`{text}` is neither `git:REV`, a folder nor a file")


def from_folder(path: str, folder: str) -> Overlay:
    """The files of `path` stand for those with the same relative paths below `folder`: Python files, and
    others that `folder` has too. Those that are the same are left out."""
    found: dict[str, bytes | None] = {}
    any_source = False
    for above, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not _is_no_source(above, name)]
        for name in names:
            source = os.path.join(above, name)
            aim = os.path.join(folder, os.path.relpath(source, path))
            is_source = name.endswith(".py")
            any_source |= is_source
            there = os.path.isfile(aim)
            if (is_source and not there) or (there and not filecmp.cmp(source, aim, shallow=False)):
                found[aim] = _read(source)
    if not any_source:
        raise OverlayError(f"`{path}` holds no Python file")
    return found


def _is_no_source(above: str, name: str) -> bool:
    """Whether a folder belongs to tools: git, caches, environments."""
    return (
        name.startswith(".")
        or name == "__pycache__"
        or os.path.exists(os.path.join(above, name, "pyvenv.cfg"))
    )


def from_git(revision: str, folder: str, files: Sequence[str] = ()) -> Overlay:
    """The files of the repository around `folder` that were different in `revision`. Raises `OverlayError`.

    Of files that are new since then only Python ones count: to be read, others have to be named by something
    that changed as well, and samples and weights often lie about. One of `files` must have been there, if any
    are named.
    """
    try:
        top = _git(folder, "rev-parse", "--show-toplevel").decode().strip()
    except OverlayError as error:
        if "not a git repository" in str(error):
            raise OverlayError(f"{folder} is in no git repository: {_INSTEAD}") from None
        raise
    name = _commit(revision, folder)
    if files and not any(_is_in(name, file, top) for file in files):
        raise OverlayError(_absence(revision, name, files[0], top))
    found: dict[str, bytes | None] = {}
    changed = _git(top, "diff", "--name-status", "--no-renames", "--ignore-submodules", "-z", name).split(
        b"\0"
    )
    for status, path in zip(changed[::2], changed[1::2], strict=False):
        if status != b"A":
            found[_below(top, path)] = _git(top, "cat-file", "blob", f"{name}:{os.fsdecode(path)}")
        elif path.endswith(b".py"):
            found[_below(top, path)] = None
    untracked = _git(top, "ls-files", "--others", "--exclude-standard", "-z", "--", "*.py")
    for path in filter(None, untracked.split(b"\0")):
        found[_below(top, path)] = None
    return found


def _commit(revision: str, folder: str) -> str:
    try:
        found = _git(folder, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except OverlayError:
        try:
            _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
        except OverlayError:
            raise OverlayError(f"the git repository has no commit yet: {_INSTEAD}") from None
        raise OverlayError(f"git knows no revision `{revision}` here") from None
    return found.decode().strip()


def _inside(file: str, top: str) -> str:
    return os.path.relpath(os.path.realpath(file), os.path.realpath(top)).replace(os.sep, "/")


def _is_in(commit: str, file: str, top: str) -> bool:
    try:
        _git(top, "cat-file", "-e", f"{commit}:{_inside(file, top)}")
    except OverlayError:
        return False
    return True


def _absence(revision: str, commit: str, file: str, top: str) -> str:
    """What to say of a target that is not in `revision`: it may have another name there."""
    said = f"`{os.path.relpath(file)}` is not in git at {revision}"
    renamed = _git(top, "diff", "--name-status", "--find-renames", "--diff-filter=R", "-z", commit).split(
        b"\0"
    )
    for old, new in zip(renamed[1::3], renamed[2::3], strict=False):
        if os.fsdecode(new) == _inside(file, top):
            source = os.fsdecode(old)
            return (
                f"{said}, where it is `{source}`: write that to a file (git show {revision}:{source} > FILE) "
                "and name it with --before FILE"
            )
    return f"{said}: {_INSTEAD}"


def keeping(overlay: Overlay, target: Target, folders: Sequence[str]) -> Overlay:
    """The same, but a file that makes inputs is there even if that version had none.

    Inputs are the same for both versions, and their file is often written for the proof.
    """
    files = {os.path.realpath(file) for file in files_of(target, folders)}
    return {p: text for p, text in overlay.items() if text is not None or os.path.realpath(p) not in files}


def _below(top: str, path: bytes) -> str:
    return os.path.join(top, os.fsdecode(path))


def _git(folder: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)
    except OSError as error:
        raise OverlayError(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise OverlayError(f"git says: {said[-1] if said else 'nothing'}")
    return done.stdout


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise OverlayError(f"cannot read `{path}`: {error.strerror}") from None
