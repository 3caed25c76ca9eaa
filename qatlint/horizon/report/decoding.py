"""From the bytes of a file to its text: encodings, and what is no text at all."""

from __future__ import annotations

import codecs

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
_CONTROL = bytes({*range(32)} - {*b"\t\n\r\f\x1b"})
"""Bytes that no text has."""
_STRAY = 0.02
"""Of these in a text that was damaged."""


class NotText(Exception):
    """Bytes that are no text; the message says why."""


def decode(data: bytes) -> str:
    """The text of a file in UTF-8, UTF-16, UTF-32 or GB 18030 (Chinese Windows); bytes that fit none of them
    are read one by one. Raises `NotText` for what is no text."""
    if len(data) > MOST_BYTES:
        raise NotText(f"larger than {MOST_BYTES // 1024 // 1024} MB, which no report is")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    probe = data[:_PROBE]
    if b"\0" in probe:
        encoding = _wide(probe)
        if encoding:
            return data.decode(encoding, errors="replace")
        if len(probe) - len(probe.translate(None, _CONTROL)) > len(probe) * _STRAY:
            raise NotText("not a text file")
        data = data.replace(b"\0", b"")  # a block that was never written
    for encoding in ("utf-8", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            if encoding == "utf-8" and error.start >= len(data) - 3:
                return data[: error.start].decode(encoding)  # cut off inside a character
    return data.decode("latin-1")


def _wide(probe: bytes) -> str:
    """The encoding of text without a mark that has two bytes to a character; "" for other bytes."""
    even, odd = probe[0::2].count(0), probe[1::2].count(0)
    half = len(probe) // 2
    if odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.05:
        return "utf-16-be"
    return ""
