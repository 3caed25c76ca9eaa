"""A file of findings that are known and accepted for now: only what is not in it counts.

One finding a line, so that two branches merge and a review shows what was accepted. A finding is known by its
`Identity`; paths are relative to the folder of the file. The message is there for people, and takes no part.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from qatlint.finding import Finding
from qatlint.identity import Identity

VERSION = 1
_HALVES = re.compile("[\ud800-\udfff]")


class BaselineError(Exception):
    """A file that is no baseline. The message says what is wrong with it."""


class Known(NamedTuple):
    """How often a finding was accepted, and what it said."""

    times: int
    message: str


Baseline = Mapping[Identity, Known]


def made_of(findings: Sequence[Finding], identities: Sequence[Identity]) -> dict[Identity, Known]:
    """The baseline that knows exactly these findings."""
    counts = Counter(identities)
    messages = dict(zip(reversed(identities), (f.message for f in reversed(findings)), strict=True))
    return {identity: Known(counts[identity], messages[identity]) for identity in counts}


def known(baseline: Baseline, identities: Iterable[Identity]) -> list[bool]:
    """Whether each finding is in the baseline; of several that are alike, as many as it counts."""
    left = Counter({identity: entry.times for identity, entry in baseline.items()})
    verdicts = []
    for identity in identities:
        verdicts.append(left[identity] > 0)
        left[identity] -= 1
    return verdicts


def outdated(baseline: Baseline, identities: Iterable[Identity]) -> dict[Identity, int]:
    """The entries that match too few findings, and how many of their count match none."""
    counts = Counter(identities)
    return {
        identity: entry.times - counts[identity]
        for identity, entry in baseline.items()
        if counts[identity] < entry.times
    }


def without(baseline: Baseline, gone: Mapping[Identity, int]) -> dict[Identity, Known]:
    """The baseline less so many of each entry."""
    left = {i: entry._replace(times=entry.times - gone.get(i, 0)) for i, entry in baseline.items()}
    return {identity: entry for identity, entry in left.items() if entry.times > 0}


def render(baseline: Baseline) -> str:
    """The text of the file."""
    rows = [
        "    " + _line({**identity._asdict(), **baseline[identity]._asdict()})
        for identity in sorted(baseline)
    ]
    body = "[\n" + ",\n".join(rows) + "\n  ]" if rows else "[]"
    return f'{{\n  "tool": "qatlint",\n  "version": {VERSION},\n  "findings": {body}\n}}\n'


def parse(text: str) -> dict[Identity, Known]:
    """The baseline that a text holds. Raises `BaselineError`."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BaselineError(f"not valid JSON: {error}") from None
    if (
        not isinstance(data, dict)
        or data.get("tool") != "qatlint"
        or not isinstance(data.get("findings"), list)
    ):
        raise BaselineError("not a baseline of qatlint")
    if data.get("version") != VERSION:
        raise BaselineError(f"a baseline of another version ({data.get('version')}); write it anew")
    baseline: dict[Identity, Known] = {}
    for number, item in enumerate(data["findings"], 1):
        identity, entry = _entry(item, number)
        before = baseline.get(identity, Known(0, ""))
        baseline[identity] = Known(before.times + entry.times, entry.message)
    return baseline


def _entry(item: object, number: int) -> tuple[Identity, Known]:
    fields = item if isinstance(item, dict) else {}
    texts = [fields.get(name) for name in (*Identity._fields, "message")]
    count = fields.get("times")
    if not all(isinstance(text, str) for text in texts) or type(count) is not int or count < 1:
        raise BaselineError(f"finding {number} is not what `qatlint baseline` writes")
    *parts, message = map(str, texts)
    return Identity(*parts), Known(count, message)


def _line(entry: dict[str, object]) -> str:
    text = json.dumps(entry, ensure_ascii=False)
    # Names that are no text (bytes of a file name, half a character in a key) have no other form.
    return text if text.isascii() or not _HALVES.search(text) else json.dumps(entry)
