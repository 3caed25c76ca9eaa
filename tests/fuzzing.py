"""What must hold of every text, however odd: checked by the tests on fixtures, by a benchmark on libraries."""

from __future__ import annotations

import ast
import warnings

from qatlint.codemods.fixer import fix
from qatlint.config import Finder, Overrides
from qatlint.finding import Finding, Severity
from qatlint.linting import Linter
from qatlint.loader import Loader, OverlayLoader


def parses(data: bytes) -> bool:
    """Whether Python takes it for a program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False
    return True


def examined(path: str, data: bytes, below: Loader) -> tuple[list[Finding], bytes]:
    """Findings in a text that stands for the file, and the text with all fixes. Raises AssertionError when
    they are not the same twice, when fixes break the text, or when they do not settle."""
    linter = Linter(Finder(Overrides(min_severity=Severity.NOTE), isolated=True))

    def check(loader: Loader) -> list[Finding]:
        return linter.check([path], loader)

    loader = OverlayLoader({path: data}, below)
    found = check(loader)
    assert check(loader) == found, "other findings when linted again"
    if not parses(data):
        assert [f.code for f in found] == ["QAT000"], "findings in what is no program"
    fixed = dict(fix([path], loader, check, unsafe=True).texts)
    assert set(fixed) <= {path}, "another file was changed"
    new = fixed.get(path, data)
    if new != data:
        assert parses(new), "a fix broke the text"
        again = fix([path], OverlayLoader({path: new}, below), check, unsafe=True)
        assert not again.texts, "fixed again, it changed again"
    return found, new
