"""Small sources for the tests of the static side: in memory, interpreted, judged."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from qatlint import engine
from qatlint.aim import Aim
from qatlint.engine import check
from qatlint.finding import Finding
from qatlint.registry import all_rules
from qatlint.static.project import Project
from qatlint.static.tracing import trace_class
from qatlint.trace import Module, Times, Trace, Usage
from qatlint.usage import usage

PATH = "model.py"
HEAD = "import copy\nimport functools\nimport torch\nfrom torch import nn\nfrom torch.utils.checkpoint import checkpoint\n"


class Memory:
    """A loader over texts; what is not among them does not exist."""

    def __init__(self, texts: Mapping[str, str | bytes]) -> None:
        self.texts = {p: t.encode() if isinstance(t, str) else t for p, t in texts.items()}

    def read(self, path: str) -> bytes:
        try:
            return self.texts[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    def exists(self, path: str) -> bool:
        return path in self.texts


def clean(text: str) -> str:
    """A text without the indentation of the test."""
    return textwrap.dedent(text).lstrip("\n")


def project_of(texts: Mapping[str, str | bytes], roots: Sequence[str] = ()) -> Project:
    """A project over texts, all of them linted."""
    return engine.open_project(sorted(texts), Memory(texts), Aim(tuple(roots)))


def trace_in(texts: Mapping[str, str | bytes], path: str, name: str = "", roots: Sequence[str] = ()) -> Trace:
    """The trace of a class of several files: the one called `name`, else the last of the file."""
    project = project_of({p: clean(t) if isinstance(t, str) else t for p, t in texts.items()}, roots)
    classes = [c for c in project.file(path).classes if name in ("", c.qualname)]
    return trace_class(project, classes[-1], for_people=True)


def trace_of(text: str, name: str = "") -> Trace:
    """The trace of a class of one file, which starts with the usual imports."""
    return trace_in({PATH: HEAD + clean(text)}, PATH, name)


def model(init: str, forward: str, before: str = "", parameters: str = "", methods: str = "") -> str:
    """A file with one class `Model`."""
    return (
        f"{clean(before)}\n\nclass Model(nn.Module):\n"
        f"    def __init__(self{parameters and ', ' + parameters}):\n"
        f"        super().__init__()\n{textwrap.indent(clean(init), ' ' * 8)}\n"
        f"    def forward(self, x, xs, flag=False):\n{textwrap.indent(clean(forward), ' ' * 8)}\n"
        f"{textwrap.indent(clean(methods), ' ' * 4)}"
    )


def module_at(trace: Trace, path: str) -> Module:
    """The only module with this path."""
    (found,) = [m for m in trace.modules if m.path == path]
    return found


def used(trace: Trace, path: str) -> Usage:
    """How often the only module with this path runs."""
    return usage(trace, module_at(trace, path))


def times(trace: Trace, path: str) -> tuple[int, int | None]:
    """(least, most) of the only module with this path."""
    counted: Times = used(trace, path).times
    return counted.least, counted.most


def paths(trace: Trace) -> list[str]:
    """Paths of all modules, in order."""
    return [m.path for m in trace.modules]


def executed(trace: Trace) -> set[str]:
    """Paths of the modules that are called."""
    return {m.path for m in trace.modules if trace.calls_of(m)}


def findings(text: str, *codes: str) -> list[Finding]:
    """Findings in one file (with the usual imports), of all rules or of those with these codes."""
    return findings_in({PATH: HEAD + clean(text)}, *codes)


def findings_in(
    texts: Mapping[str, str | bytes], *codes: str, tracer: str = "", toolchain: str = ""
) -> list[Finding]:
    """Findings in several files; `tracer` and `toolchain` are settings."""
    rules = [r for r in all_rules() if not codes or r.code in codes]
    prepared = {p: clean(t) if isinstance(t, str) else t for p, t in texts.items()}
    return check(sorted(prepared), Memory(prepared), rules, Aim(tracer=tracer, toolchain=toolchain))


def said(found: Sequence[Finding]) -> set[tuple[str, str]]:
    """(code, subject) of findings."""
    return {(f.code, f.subject) for f in found}


def counted(trace: Trace, path: str) -> str:
    """Times of the modules with this path, in order: `2`, `0-1`, `many`."""
    return " ".join(str(usage(trace, m).times) for m in trace.modules if m.path == path)


def check_counts(text: str, expected: Mapping[str, str], name: str = "Model") -> None:
    """Assert how often modules run; a path that is no module counts as ""."""
    trace = trace_of(text, name)
    assert {path: counted(trace, path) for path in expected} == dict(expected), paths(trace)
