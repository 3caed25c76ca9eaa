"""What a client may set, as initialization options or as settings under `qatlint`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from qatlint.config import Overrides
from qatlint.explaining import LANGUAGES
from qatlint.finding import Severity


class Options(NamedTuple):
    """Settings of the client. What files say holds where these are silent."""

    overrides: Overrides = Overrides()
    configuration: str | None = None
    """A settings file that holds everywhere."""
    isolated: bool = False
    inlay_hints: bool = False
    open_files_only: bool = False
    debounce: float = 0.15
    """Seconds without a keystroke before a text is examined."""
    language: str = "en"


def read(values: object) -> tuple[Options, list[str]]:
    """The options in what a client sent, and what is wrong with it, in words. Wrong values are left out."""
    options, problems = Options(), []
    if values is None:
        return options, []
    if not isinstance(values, Mapping):
        return options, ["the settings are not an object"]
    for key, value in values.items():
        reader = _READERS.get(key)
        if reader is None:
            close = difflib.get_close_matches(str(key), _READERS, n=1, cutoff=0.5)
            hint = f"did you mean `{close[0]}`?" if close else f"known are {', '.join(_READERS)}"
            problems.append(f"unknown setting `{key}`; {hint}")
        elif value is not None:
            try:
                options = reader(options, value)
            except _Wrong as wrong:
                problems.append(f"setting `{key}` must be {wrong}")
    return options, problems


class _Wrong(Exception):
    """Says what a value must be."""


def _names(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise _Wrong("a list of codes or names of rules")
    return tuple(value)


def _select(options: Options, value: object) -> Options:
    return options._replace(overrides=options.overrides._replace(select=_names(value)))


def _ignore(options: Options, value: object) -> Options:
    return options._replace(overrides=options.overrides._replace(ignore=_names(value)))


def _severity(options: Options, value: object) -> Options:
    labels = {severity.label: severity for severity in Severity}
    if not isinstance(value, str) or value not in labels:
        raise _Wrong(f"one of {', '.join(labels)}")
    return options._replace(overrides=options.overrides._replace(min_severity=labels[value]))


def _configuration(options: Options, value: object) -> Options:
    if not isinstance(value, str):
        raise _Wrong("the path of a settings file")
    return options._replace(configuration=value or None)


def _flag(field: str) -> Callable[[Options, Any], Options]:
    def read_flag(options: Options, value: object) -> Options:
        if not isinstance(value, bool):
            raise _Wrong("true or false")
        return options._replace(**{field: value})  # type: ignore[arg-type]

    return read_flag


def _debounce(options: Options, value: object) -> Options:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 10_000:
        raise _Wrong("a number of milliseconds, at most 10000")
    return options._replace(debounce=value / 1000)


def _language(options: Options, value: object) -> Options:
    if value not in LANGUAGES:
        raise _Wrong(f"one of {', '.join(LANGUAGES)}")
    return options._replace(language=str(value))


_READERS: Mapping[str, Callable[[Options, Any], Options]] = {
    "select": _select,
    "ignore": _ignore,
    "minSeverity": _severity,
    "configuration": _configuration,
    "isolated": _flag("isolated"),
    "inlayHints": _flag("inlay_hints"),
    "openFilesOnly": _flag("open_files_only"),
    "debounce": _debounce,
    "language": _language,
}
