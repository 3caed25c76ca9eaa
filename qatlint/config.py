"""Settings: from `[tool.qatlint]` in pyproject.toml or from qatlint.toml, checked key by key.

The nearest file upward from a linted file holds for it; pyproject.toml files without the table are passed
over. Nothing is merged from files further up. Globs are gitignore patterns, relative to the file's folder
(for `--config` and `--isolated`: to the current folder).
"""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from qatlint import catalogue
from qatlint.aim import MARCHES, TOOLCHAINS
from qatlint.finding import Severity
from qatlint.registry import UnknownRule

if TYPE_CHECKING:
    import pathspec

_CLASS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""`package.module:Class`."""
_IMPORTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
"""`package.module.Name`."""

FILE_NAMES = ("qatlint.toml", "pyproject.toml")

DEFAULT_EXCLUDES = frozenset(
    ".bzr .direnv .eggs .git .hg .ipynb_checkpoints .mypy_cache .nox .pyenv .pytest_cache .ruff_cache .svn "
    ".tox .venv .vscode __pycache__ __pypackages__ _build buck-out build dist node_modules site-packages "
    "venv".split()
)
"""Names of folders that are not entered. Names, not globs: the usual run must not pay for a glob library."""


class ConfigError(Exception):
    """A setting that cannot be used. The message says where it stands and what would be right."""


class PerFileIgnore(NamedTuple):
    """Codes that are not reported in the files a glob matches."""

    glob: str
    codes: frozenset[str]


class Settings(NamedTuple):
    """What to report and where to look. `root` is the folder globs and source roots are relative to."""

    root: str = "."
    origin: str = ""
    """The file the settings come from, "" for the defaults."""
    codes: frozenset[str] = frozenset()
    min_severity: Severity = Severity.WARNING
    exclude: tuple[str, ...] | None = None
    """Replaces `DEFAULT_EXCLUDES` when it is not None."""
    extend_exclude: tuple[str, ...] = ()
    per_file_ignores: tuple[PerFileIgnore, ...] = ()
    src: tuple[str, ...] = ()
    """Further folders in which absolute imports are looked for."""
    cache_dir: str = ""
    """The folder of the cache, "" for the usual one."""
    entry_points: tuple[str, ...] = ()
    """The models of the project, as `pkg.mod:Class`."""
    march: str = ""
    """The chip that they go to, one of `MARCHES`; "" when it is not said."""
    toolchain: str = ""
    """The generation of the toolchain, one of `TOOLCHAINS`; "" when it is not said."""
    tracer_import: str = ""
    """Where fixes import `Tracer` from, as `package.module.Tracer`; "" for the plugin's own place."""

    def ignored_in(self, path: str) -> frozenset[str]:
        """Codes that `per-file-ignores` switches off in the file `path`."""
        if not self.per_file_ignores:
            return frozenset()
        relative = relative_to(self.root, path)
        hit: frozenset[str] = frozenset()
        for entry in self.per_file_ignores:
            if relative is not None and globs((entry.glob,)).match_file(relative):
                hit |= entry.codes
        return hit


class Overrides(NamedTuple):
    """What the command line says; None and () leave the file's word."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    min_severity: Severity | None = None


class _Table(NamedTuple):
    """The values of one file, before they are put together with the command line."""

    origin: str = ""
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    min_severity: Severity = Severity.WARNING
    exclude: tuple[str, ...] | None = None
    extend_exclude: tuple[str, ...] = ()
    per_file_ignores: tuple[PerFileIgnore, ...] = ()
    src: tuple[str, ...] = ()
    cache_dir: str = ""
    entry_points: tuple[str, ...] = ()
    march: str = ""
    toolchain: str = ""
    tracer_import: str = ""


class Finder:
    """Gives the settings that hold for a folder, and remembers them.

    `explicit` is the file of `--config`, which then holds everywhere; `isolated` reads no file.
    """

    def __init__(self, overrides: Overrides, *, explicit: str | None = None, isolated: bool = False) -> None:
        self._overrides = overrides
        self._by_folder: dict[str, Settings] = {}
        self._everywhere: Settings | None = None
        here = os.path.abspath(".")
        if explicit is not None:
            self._everywhere = _combine(_read(explicit, required=True) or _Table(), here, overrides)
        elif isolated:
            self._everywhere = _combine(_Table(), here, overrides)

    def for_file(self, path: str) -> Settings:
        """Settings for the file `path`. Raises `ConfigError`."""
        return self.for_folder(os.path.dirname(path))

    def for_folder(self, folder: str) -> Settings:
        """Settings for the folder: of the nearest file in it or above. Raises `ConfigError`."""
        if self._everywhere is not None:
            return self._everywhere
        return self._nearest(os.path.abspath(folder))

    def _nearest(self, folder: str) -> Settings:
        known = self._by_folder.get(folder)
        if known is None:
            table = next(filter(None, (_read(os.path.join(folder, name)) for name in FILE_NAMES)), None)
            parent = os.path.dirname(folder)
            if table is not None or parent == folder:
                known = _combine(table or _Table(), folder, self._overrides)
            else:
                known = self._nearest(parent)
            self._by_folder[folder] = known
        return known


def cache_folder(settings: Settings) -> str:
    """Where runs with these settings keep their cache: what QATLINT_CACHE_DIR says, or the file, or a folder
    beside the file, or (without a file) in the current folder."""
    beside = settings.root if settings.origin else "."
    return os.environ.get("QATLINT_CACHE_DIR") or settings.cache_dir or os.path.join(beside, ".qatlint_cache")


def relative_to(root: str, path: str) -> str | None:
    """`path` relative to the folder `root` with forward slashes; None when it lies outside."""
    relative = os.path.relpath(os.path.abspath(path), root).replace(os.sep, "/")
    return None if relative == ".." or relative.startswith("../") else relative


_compiled: dict[tuple[str, ...], pathspec.GitIgnoreSpec] = {}


def globs(patterns: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    """Compiled gitignore patterns."""
    if patterns not in _compiled:
        import pathspec

        _compiled[patterns] = pathspec.GitIgnoreSpec.from_lines(patterns)
    return _compiled[patterns]


def _combine(table: _Table, root: str, overrides: Overrides) -> Settings:
    """Put file and command line together: the latter's select replaces, its ignore is added."""
    in_file = ("ALL",) if table.select is None else table.select
    selected = _codes(overrides.select or in_file, "--select")
    if not overrides.select:
        selected |= _codes(table.extend_select, table.origin)
    ignored = _codes((*table.ignore, *overrides.ignore), "--ignore")
    return Settings(
        root=root,
        origin=table.origin,
        # A file that cannot be read is never a matter of taste.
        codes=(selected - ignored) | {catalogue.UNREADABLE.code},
        min_severity=overrides.min_severity or table.min_severity,
        exclude=table.exclude,
        extend_exclude=table.extend_exclude,
        per_file_ignores=table.per_file_ignores,
        src=tuple(os.path.join(root, folder) for folder in table.src),
        cache_dir=os.path.join(root, table.cache_dir) if table.cache_dir else "",
        entry_points=table.entry_points,
        march=table.march,
        toolchain=table.toolchain,
        tracer_import=table.tracer_import,
    )


def _codes(selectors: Sequence[str], where: str) -> frozenset[str]:
    codes: frozenset[str] = frozenset()
    for selector in selectors:
        try:
            codes |= catalogue.expand(selector)
        except UnknownRule as error:
            raise ConfigError(f"{where}: {error}") from None
    return codes


# --- reading a file ---------------------------------------------------------------------------------


def _read(path: str, *, required: bool = False) -> _Table | None:
    """The table of the file, None when there is no file or no table in it. Raises `ConfigError`."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        if required:
            raise ConfigError(f"{path}: no such file") from None
        return None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    shown = os.path.relpath(path) if not os.path.isabs(path) or _below_here(path) else path
    pyproject = os.path.basename(path) == "pyproject.toml"
    # Most pyproject.toml files do not know us; reading TOML costs more than linting a small file.
    if pyproject and b"qatlint" not in data and not required:
        return None
    values = _parse(data, shown)
    if pyproject:
        tool = values.get("tool")
        table = tool.get("qatlint") if isinstance(tool, dict) else None
        if table is None:
            if required:
                raise ConfigError(f"{shown}: there is no table [tool.qatlint] in it")
            return None
        if not isinstance(table, dict):
            raise ConfigError(f"{shown}: `tool.qatlint` must be a table")
        values = table
    return _Reader(values, shown, data.decode("utf-8", "replace").splitlines()).table()


def _below_here(path: str) -> bool:
    return relative_to(os.getcwd(), path) is not None


def _parse(data: bytes, shown: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{shown}:{line}: not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{shown}: not valid TOML: {error}") from None


class _Reader:
    """Checks the values of one file. Errors name file, line and the nearest right word."""

    def __init__(self, values: Mapping[str, Any], shown: str, lines: Sequence[str]) -> None:
        self._values = values
        self._shown = shown
        self._lines = lines

    def table(self) -> _Table:
        """All values, checked. Raises `ConfigError` at the first wrong one."""
        readers: dict[str, tuple[str, Callable[[str, Any], object]]] = {
            "select": ("select", self._selectors),
            "extend-select": ("extend_select", self._selectors),
            "ignore": ("ignore", self._selectors),
            "min-severity": ("min_severity", self._severity),
            "exclude": ("exclude", self._globs),
            "extend-exclude": ("extend_exclude", self._globs),
            "per-file-ignores": ("per_file_ignores", self._per_file),
            "src": ("src", self._strings),
            "cache-dir": ("cache_dir", self._string),
            "entry-points": ("entry_points", self._classes),
            "march": ("march", self._one_of(MARCHES)),
            "toolchain": ("toolchain", self._one_of(TOOLCHAINS)),
            "tracer-import": ("tracer_import", self._imported),
        }
        table = _Table(origin=self._shown)
        for key, value in self._values.items():
            if key not in readers:
                raise self._error(key, f"unknown key `{key}`{_did_you_mean(key, readers)}")
            field, read = readers[key]
            table = table._replace(**{field: read(key, value)})  # type: ignore[arg-type]
        return table

    def _error(self, key: str, message: str) -> ConfigError:
        line = self._line_of(key)
        place = f"{self._shown}:{line}" if line else self._shown
        return ConfigError(f"{place}: {message}")

    def _line_of(self, key: str) -> int | None:
        """Where the key is written, if that is plain to see. Another tool's table may have the same key."""
        whole = os.path.basename(self._shown) != "pyproject.toml"
        name = rf"""(?:tool\.qatlint\.)?["']?{re.escape(key)}["']?\s*"""
        header, entry = re.compile(rf"\s*\[\s*{name}\]"), re.compile(rf"\s*{name}[.=]")
        ours = whole
        for number, line in enumerate(self._lines, 1):
            if line.lstrip().startswith("["):
                ours = whole or "tool.qatlint" in line
                if ours and header.match(line):
                    return number
            elif ours and entry.match(line):
                return number
        return None

    def _string(self, key: str, value: Any) -> str:
        if not isinstance(value, str) or not value:
            raise self._error(key, f"`{key}` must be a string that is not empty, not {_kind(value)}")
        return value

    def _strings(self, key: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(key, f"`{key}` must be a list of strings, not {_kind(value)}")
        return tuple(value)

    def _globs(self, key: str, value: Any) -> tuple[str, ...]:
        patterns = self._strings(key, value)
        for pattern in patterns:
            self._check_glob(key, pattern)
        return patterns

    def _check_glob(self, key: str, glob: str) -> None:
        try:
            globs((glob,))
        except ValueError as error:
            raise self._error(key, f"`{glob}` is not a glob: {error}") from None

    def _selectors(self, key: str, value: Any) -> tuple[str, ...]:
        selectors = self._strings(key, value)
        self._expanded(key, selectors)
        return selectors

    def _expanded(self, key: str, selectors: Sequence[str]) -> frozenset[str]:
        codes: frozenset[str] = frozenset()
        for selector in selectors:
            try:
                codes |= catalogue.expand(selector)
            except UnknownRule as error:
                raise self._error(key, f"`{key}`: {error}") from None
        return codes

    def _classes(self, key: str, value: Any) -> tuple[str, ...]:
        points = self._strings(key, value)
        for point in points:
            if not _CLASS.fullmatch(point):
                hint = f"; did you mean `{_as_class(point)}`?" if _CLASS.fullmatch(_as_class(point)) else ""
                raise self._error(key, f"`{key}`: `{point}` must have the form `package.module:Class`{hint}")
        return points

    def _one_of(self, words: Sequence[str]) -> Callable[[str, Any], str]:
        def read(key: str, value: Any) -> str:
            word = self._string(key, value)
            if word not in words:
                raise self._error(key, f"`{key}` must be one of {', '.join(words)}, not `{word}`")
            return word

        return read

    def _imported(self, key: str, value: Any) -> str:
        name = self._string(key, value)
        parts = name.split(".")
        if (
            not _IMPORTED.fullmatch(name)
            or any(map(keyword.iskeyword, parts))
            or parts[-1] == "dynamic_block"
        ):
            raise self._error(
                key, f"`{key}`: `{name}` must say where the class is, as `package.module.Tracer`"
            )
        return name

    def _severity(self, key: str, value: Any) -> Severity:
        labels = {severity.label: severity for severity in Severity}
        if not isinstance(value, str):
            raise self._error(key, f"`{key}` must be one of {', '.join(labels)}, not {_kind(value)}")
        if value not in labels:
            raise self._error(key, f"`{key}` must be one of {', '.join(labels)}, not `{value}`")
        return labels[value]

    def _per_file(self, key: str, value: Any) -> tuple[PerFileIgnore, ...]:
        if not isinstance(value, dict):
            raise self._error(key, f"`{key}` must be a table of globs, not {_kind(value)}")
        entries = []
        for glob, selectors in value.items():
            codes = self._expanded(glob, self._strings(glob, selectors))
            self._check_glob(glob, glob)
            entries.append(PerFileIgnore(glob, codes))
        return tuple(entries)


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "a list with other things in it"
    if isinstance(value, bool):
        return "true or false"
    names = {str: "a string", int: "a number", float: "a number", dict: "a table"}
    return names.get(type(value), "a date or time")


def _as_class(written: str) -> str:
    """`package.module:Class` for the path of a file with a class, or for a dotted name."""
    before, colon, name = written.rpartition(":")
    if not colon:
        before, _, name = written.rpartition(".")
    return f"{before.removesuffix('.py').replace('/', '.')}:{name}"


def _did_you_mean(key: str, known: Mapping[str, object]) -> str:
    import difflib

    close = difflib.get_close_matches(key.replace("_", "-"), known, n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else f"; known are {', '.join(known)}"
