"""The disk: which files to lint, how they are read, how a changed one is written.

Paths stay as they were given (`src` gives `src/a.py`), with forward slashes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qatlint.config import DEFAULT_EXCLUDES, Settings, globs, relative_to
from qatlint.loader import Loader

if TYPE_CHECKING:
    import pathspec


_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class DiskLoader:
    """Reads sources from the disk."""

    def read(self, path: str) -> bytes:
        if is_notebook(path):
            # JSON is almost Python: it would parse, and pass.
            raise OSError(errno.EINVAL, "is a notebook, not a Python file")
        # A run that finds all in its cache does little but read: a file object takes as long again.
        handle = os.open(path, _READ)
        try:
            about = os.fstat(handle)
            if stat.S_ISFIFO(about.st_mode):
                # Nobody may ever write to it, and reading would wait for that.
                raise OSError(errno.EINVAL, "is a named pipe, not a file")
            data = os.read(handle, about.st_size + 1)
            if len(data) != about.st_size:
                while part := os.read(handle, 1 << 20):
                    data += part
            return data
        finally:
            os.close(handle)

    def exists(self, path: str) -> bool:
        return os.path.isfile(path)


def is_notebook(path: str) -> bool:
    """Whether a path is that of a notebook."""
    return path.endswith(".ipynb")


def snapshot(paths: Iterable[str], loader: Loader) -> dict[str, bytes]:
    """The bytes of the files that can be read: what is linted, fixed and compared must be the same text."""
    texts = {}
    for path in paths:
        with contextlib.suppress(OSError):
            texts[path] = loader.read(path)
    return texts


class Discovery(NamedTuple):
    """What `discover` found: the files in order, and the paths that do not exist."""

    files: list[str]
    missing: list[str]


def discover(
    paths: Sequence[str], settings_for: Callable[[str], Settings], *, exclude_named: bool = False
) -> Discovery:
    """Files meant by `paths`.

    A file is taken whatever its name, unless `exclude_named` asks for what the settings say; a folder gives
    its `*.py` files, less what the settings of each folder exclude and, inside a git repository, what its
    `.gitignore` files name. Links to folders are not followed, so loops cannot happen. A file reached twice
    is taken once. Raises `ConfigError`.
    """
    found = Discovery([], [])
    seen: set[str] = set()
    links: list[str] = []
    folders: dict[str, str] = {}
    for path in paths:
        if not path:
            found.missing.append('""')  # an unset variable of a script, not the current folder
            continue
        path = normal(path)
        if os.path.isdir(path):
            candidates: Iterator[tuple[str, bool]] = _walk(path, settings_for)
        elif os.path.lexists(path):
            excluded = exclude_named and _lies_in_excluded(path, settings_for)
            candidates = iter(() if excluded else ((path, os.path.islink(path)),))
        else:
            found.missing.append(path)
            continue
        for file, is_link in candidates:
            if is_link:
                links.append(file)
            elif (real := _real(file, folders)) not in seen:
                seen.add(real)
                found.files.append(file)
    # A link is the second name of a file that is linted anyway, unless it points elsewhere.
    for file in links:
        real = os.path.realpath(file)
        if real not in seen:
            seen.add(real)
            found.files.append(file)
    return found


def normal(path: str) -> str:
    """`path` without `./` and double slashes, separated by forward slashes."""
    return os.path.normpath(path).replace(os.sep, "/")


def repository_of(folder: str) -> str | None:
    """The root of the git repository that holds `folder`, absolute; None outside of one."""
    root = os.path.abspath(folder)
    while not os.path.exists(os.path.join(root, ".git")):
        parent = os.path.dirname(root)
        if parent == root:
            return None
        root = parent
    return root


def named_from(root: str, path: str) -> str:
    """`path` as it is called in the folder `root`; absolute when it lies outside. `-` stays what it is.

    Links above it are followed, so that there is one name; a file that is a link has its own.
    """
    if path == "-":
        return path
    folder, name = os.path.split(os.path.abspath(path))
    real = os.path.join(os.path.realpath(folder), name)
    return relative_to(os.path.realpath(root), real) or os.path.abspath(path)


def write_new(path: str, data: bytes) -> None:
    """Make or replace a file of ours in one step. Raises `OSError`.

    A link, and what is no file (`/dev/stdout`), is written to as it is.
    """
    import tempfile

    if os.path.islink(path) or (os.path.exists(path) and not os.path.isfile(path)):
        with open(path, "wb") as file:
            file.write(data)
        return
    handle, temporary = tempfile.mkstemp(prefix=".qatlint-", dir=os.path.dirname(path) or ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_atomic(path: str, old: bytes, new: bytes) -> None:
    """Replace the content `old` of `path` in one step: a reader sees the old text or the new one, never half.

    Keeps the file's mode and, where allowed, its owner; a link stays a link. Raises `OSError`, also when
    the content is not `old` any more, and then the file is as it was.
    """
    import stat
    import tempfile

    real = os.path.realpath(path)
    before = os.stat(real)
    if not os.access(real, os.W_OK):
        # Replacing needs a right on the folder only; a file its owner made read-only stays as it is.
        raise PermissionError(13, "the file is read-only", path)
    with open(real, "rb") as file:
        if file.read() != old:
            raise OSError(errno.EBUSY, "the file has changed meanwhile")
    handle, temporary = tempfile.mkstemp(prefix=".qatlint-", dir=os.path.dirname(real))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        _keep_owner(temporary, before)
        os.chmod(temporary, stat.S_IMODE(before.st_mode))
        os.replace(temporary, real)
    except BaseException:
        os.unlink(temporary)
        raise


def _keep_owner(path: str, before: os.stat_result) -> None:
    if not hasattr(os, "chown"):
        return
    now = os.stat(path)
    if (now.st_uid, now.st_gid) == (before.st_uid, before.st_gid):
        return
    # Only root may give files away; the content matters more than the owner.
    with contextlib.suppress(PermissionError):
        os.chown(path, before.st_uid, before.st_gid)


def _real(file: str, folders: dict[str, str]) -> str:
    """Real path of a file that is no link itself; each folder is resolved once."""
    folder, name = os.path.split(file)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)


# --- walking ----------------------------------------------------------------------------------------


def _walk(top: str, settings_for: Callable[[str], Settings]) -> Iterator[tuple[str, bool]]:
    """The files below a folder, and whether each is a link."""
    ignores = _GitIgnores.around(top)
    pending = [top]
    while pending:
        folder = pending.pop()
        if ignores is not None:
            ignores.enter(folder)
        settings = settings_for(folder)
        inner: list[str] = []
        files: list[tuple[str, bool]] = []
        prefix = "" if folder == "." else f"{folder.rstrip('/')}/"
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue  # A folder we may not read holds nothing we could report on.
        for entry in entries:
            path = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if not is_folder and not (entry.name.endswith(".py") and _leads_to_file(entry)):
                continue
            if _excluded(path, entry.name, is_folder, settings):
                continue
            if ignores is not None and ignores.match(path, is_folder):
                continue
            if is_folder:
                inner.append(path)
            else:
                files.append((path, entry.is_symlink()))
        yield from files
        pending.extend(reversed(inner))


def _leads_to_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False  # a link to itself


def _excluded(path: str, name: str, is_folder: bool, settings: Settings) -> bool:
    if settings.exclude is None and is_folder and name in DEFAULT_EXCLUDES:
        return True
    patterns = (*(settings.exclude or ()), *settings.extend_exclude)
    if not patterns:
        return False
    relative = relative_to(settings.root, path)
    return relative is not None and globs(patterns).match_file(relative + "/" * is_folder)


def _lies_in_excluded(path: str, settings_for: Callable[[str], Settings]) -> bool:
    """Whether a walk from the current folder would leave out the file `path` or a folder above it."""
    parts = normal(path).split("/")
    for number in range(1, len(parts) + 1):
        above = "/".join(parts[:number]) or "/"
        settings = settings_for(os.path.dirname(above) or ".")
        if _excluded(above, parts[number - 1], number < len(parts), settings):
            return True
    return False


class _GitIgnores:
    """The `.gitignore` files that hold in a walk, by folder (absolute)."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._specs: dict[str, pathspec.GitIgnoreSpec] = {}

    @classmethod
    def around(cls, top: str) -> _GitIgnores | None:
        """Those of the repository that holds `top`; None outside of one."""
        here = os.path.abspath(top)
        root = repository_of(here)
        if root is None:
            return None
        ignores = cls(root)
        ignores._load(root, os.path.join(root, ".git", "info", "exclude"))
        folder = root
        for part in os.path.relpath(here, root).split(os.sep):
            ignores.enter(folder)
            folder = os.path.join(folder, part)
            if part != os.curdir and ignores.match(folder, True):
                # Who names an ignored folder wants it linted; only ignore files inside it count.
                return cls(here)
        return ignores

    def enter(self, folder: str) -> None:
        """Read the folder's own `.gitignore`."""
        folder = os.path.abspath(folder)
        self._load(folder, os.path.join(folder, ".gitignore"))

    def match(self, path: str, is_folder: bool) -> bool:
        """Whether git would ignore the path. The deepest file with an opinion decides."""
        if not self._specs:
            return False
        path = os.path.abspath(path)
        folder = os.path.dirname(path)
        while True:
            spec = self._specs.get(folder)
            if spec is not None:
                relative = os.path.relpath(path, folder).replace(os.sep, "/")
                verdict = spec.check_file(relative + "/" * is_folder).include
                if verdict is not None:
                    return verdict
            if folder == self._root or os.path.dirname(folder) == folder:
                return False
            folder = os.path.dirname(folder)

    def _load(self, folder: str, path: str) -> None:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except OSError:
            return
        lines = [line for line in lines if line.strip() and not line.startswith("#")]
        if not lines:
            return
        try:
            spec = globs(tuple(lines))
        except ValueError:
            return  # A pattern git does not know either excludes nothing.
        known = self._specs.get(folder)
        self._specs[folder] = spec if known is None else known + spec
