"""From the bytes of a file to its text: encodings, and what is no text at all."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from io import SEEK_END, BytesIO
from typing import BinaryIO

MOST_BYTES = 256 * 1024 * 1024
"""A report of ten thousand layers with long observers has a tenth of it; a log may be longer."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PROBE = 4096
_PIECE = 1 << 18
_LONGEST_LINE = 1 << 20
_CONTROL = bytes({*range(32)} - {*b"\t\n\r\f\x1b"})
"""Bytes that no text has."""
_STRAY = 0.02
"""Of these in a text that was damaged."""


class NotText(Exception):
    """Bytes that are no text; the message says why."""


def pieces(file: BinaryIO) -> Iterator[str]:
    """The text of a file in UTF-8, UTF-16, UTF-32 or GB 18030 (Chinese Windows), in pieces that end where
    lines do, unless these are very long; bytes that fit none of them are read one by one. A character that is
    cut off at the end is left out. The file has to be seekable. Raises `NotText` for what is no text."""
    encoding, begin, has_holes = _encoding(file)
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    file.seek(begin)
    rest = ""
    while data := file.read(_PIECE):
        text = rest + decoder.decode(data.replace(b"\0", b"") if has_holes else data)
        end = max(text.rfind("\n"), text.rfind("\r")) + 1 if len(text) < _LONGEST_LINE else len(text)
        yield text[:end]
        rest = text[end:]
    yield rest


def decode(data: bytes) -> str:
    """The text of these bytes, as `pieces` has it. Raises `NotText`."""
    return "".join(pieces(BytesIO(data)))


def _encoding(file: BinaryIO) -> tuple[str, int, bool]:
    """(encoding, where the text begins, whether bytes that were never written stand in it)."""
    if file.seek(0, SEEK_END) > MOST_BYTES:
        raise NotText(f"larger than {MOST_BYTES // 1024 // 1024} MB, which no report is")
    file.seek(0)
    probe = file.read(_PROBE)
    for mark, encoding in _MARKS:
        if probe.startswith(mark):
            return encoding, len(mark), False
    has_holes = b"\0" in probe
    if has_holes:
        encoding = _wide(probe)
        if encoding:
            return encoding, 0, False
        if len(probe) - len(probe.translate(None, _CONTROL)) > len(probe) * _STRAY:
            raise NotText("not a text file")
    return next((name for name in ("utf-8", "gb18030") if _fits(file, name)), "latin-1"), 0, has_holes


def _fits(file: BinaryIO, encoding: str) -> bool:
    """Whether the whole file is in an encoding, but for a character that is cut off at its end."""
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while data := file.read(_PIECE):
            decoder.decode(data)
    except UnicodeDecodeError:
        return False
    return True


def _wide(probe: bytes) -> str:
    """The encoding of text without a mark that has two bytes to a character; "" for other bytes."""
    even, odd = probe[0::2].count(0), probe[1::2].count(0)
    half = len(probe) // 2
    if odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.05:
        return "utf-16-be"
    return ""
