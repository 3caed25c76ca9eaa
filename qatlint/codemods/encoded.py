"""Source bytes <-> text, so that a rewritten file keeps its encoding, its BOM and its line endings."""

from __future__ import annotations

import io
import tokenize
from dataclasses import dataclass

from qatlint.codemods.refused import Refused


@dataclass(frozen=True, slots=True)
class EncodedText:
    """The text of a file (line endings untouched, no BOM) and how it was encoded."""

    text: str
    encoding: str

    def encode(self, text: str) -> bytes:
        """Bytes of a new text in the encoding of the old one. Raises `Refused`."""
        try:
            return text.encode(self.encoding)
        except UnicodeEncodeError:
            raise Refused(f"the new text cannot be written in the file's encoding {self.encoding}") from None


def decode(source: bytes) -> EncodedText:
    """Decode a source file as PEP 263 says. Raises `Refused`."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        return EncodedText(source.decode(encoding), encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise Refused("the file cannot be decoded") from None
