"""What hovering and inlay hints show: how often the modules of a class run, and what tensors they take."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from lsprotocol import types

from qatlint import catalogue, explaining
from qatlint.crossing import ASSUMED, Crossing, crossing
from qatlint.lsp.places import Places
from qatlint.registry import UnknownRule
from qatlint.trace import Call, Module, On, Span, Times, Trace
from qatlint.usage import bounds, usage
from qatlint.words import class_words, times_sign

_CODE = re.compile(r"QAT\d{3}")
_IGNORE = re.compile(r"#\s*qatlint:")
_ATTRIBUTE = re.compile(r"\bself\.(\w+)")
_PLACES = 12
_WHEN = {On.ALWAYS: "", On.SOME_PATH: ", on some path", On.TRAINING: ", in training"}


def code_at(line: str, column: int, language: str) -> str | None:
    """The documentation of the code at a column (from 1) of a comment for us, as Markdown."""
    comment = _IGNORE.search(line)
    if comment is None:
        return None
    for match in _CODE.finditer(line, comment.end()):
        if match.start() < column <= match.end():
            try:
                return explaining.page_of(catalogue.find(match[0]), language)
            except UnknownRule:
                return None
    return None


def module_at(traces: Sequence[Trace], path: str, line: int, column: int, text: str) -> str | None:
    """What is known of the module that is made, named or called at a place, as Markdown.

    `text` is the text of the line; line and column count from 1.
    """
    found = min(
        (
            (_size(span), number, trace, module)
            for number, trace in enumerate(traces)
            for span, module in _mentions(trace)
            if span.path == path and _holds(span, line, column)
        ),
        key=lambda entry: entry[:2],
        default=None,
    )
    if found is not None:
        return _about(found[2], found[3])
    # The target of an assignment is no place of a trace.
    attribute = next((m[1] for m in _ATTRIBUTE.finditer(text) if m.start() < column <= m.end() + 1), "")
    above = [trace for trace in traces if trace.span.path == path and trace.span.line <= line]
    for trace in sorted(above, key=lambda trace: -trace.span.line)[:1]:
        for module in trace.modules:
            if any(name.path == attribute for name in module.names):
                return _about(trace, module)
    return None


def hints(traces: Sequence[Trace], path: str, first: int, last: int, places: Places) -> list[types.InlayHint]:
    """`×6` behind each mention of a shared module that is called in these lines (from 1, both included)."""
    result: dict[Span, types.InlayHint] = {}
    for trace in traces:
        for module in trace.modules:
            used = usage(trace, module)
            if not used.shared:
                continue
            for call in trace.calls_of(module):
                span = call.callee
                if call.implied or span.path != path or not first <= span.end_line <= last:
                    continue
                result.setdefault(
                    span,
                    types.InlayHint(
                        places.position(span.end_line, span.end_column),
                        times_sign(bounds(used, module)),
                        tooltip=f"`{module.path}`: {_executed(trace, bounds(used, module), used.on)}",
                        padding_left=False,
                        padding_right=True,
                    ),
                )
    return [result[span] for span in sorted(result)]


def _mentions(trace: Trace) -> Iterator[tuple[Span, Module]]:
    """The places that speak of each module."""
    for module in trace.modules:
        yield module.definition, module
        for name in module.names:
            yield name.span, module
        for call in trace.calls_of(module):
            if not call.implied:
                yield call.callee, module


def _about(trace: Trace, module: Module) -> str:
    used = usage(trace, module)
    calls = [call for call in trace.calls_of(module) if not call.implied]
    lines = [f"`{module.path}` — {class_words(module)}", ""]
    if calls or used.times != Times(0, 0):
        shared = "**shared**: " if used.shared else ""
        lines.append(shared + _executed(trace, bounds(used, module), used.on))
    else:
        lines.append("not executed by forward" + (f" ({module.used})" if module.used else ""))
    crossings = [crossing(trace, call) for call in calls]
    states = list(dict.fromkeys(str(one) for one in crossings if one is not None))
    differ = len(states) > 1
    if states:
        assumed = f" ({ASSUMED})" if any(one is not None and one.assumed for one in crossings) else ""
        lines += ["", f"quant state: {'differs' if differ else states[0]}{assumed}"]
    if len(calls) > 1 or used.shared:
        places = list(dict.fromkeys(map(_place, calls, crossings if differ else [None] * len(calls))))
        lines += ["", *(f"* {place}" for place in places[:_PLACES])]
        if len(places) > _PLACES:
            lines.append(f"* and {len(places) - _PLACES} more")
    others = [name.path for name in module.names[1:]]
    if others:
        lines += ["", f"also known as {', '.join(f'`{other}`' for other in others)}"]
    if not trace.complete:
        lines += ["", "*Not everything could be followed: counts are what was seen.*"]
    return "\n".join(lines)


def _executed(trace: Trace, times: Times, on: On) -> str:
    owner = trace.owner.rpartition(":")[2]
    return f"{times_sign(times)} in one forward of `{owner}`{_WHEN[on]}"


def _place(call: Call, crosses: Crossing | None) -> str:
    loop = call.loops[-1] if call.loops else None
    over = f", in a loop over `{loop.over}`" if loop is not None and loop.over else ""
    block = f", in block `{call.scope.name}`" if call.scope is not None else ""
    state = f": {crosses}" if crosses is not None else ""
    return f"{posixpath.basename(call.span.path)}:{call.span.line} in `{call.function}`{over}{block}{state}"


def _holds(span: Span, line: int, column: int) -> bool:
    return (span.line, span.column) <= (line, column) <= (span.end_line, span.end_column)


def _size(span: Span) -> tuple[int, int]:
    return (span.end_line - span.line, span.end_column - span.column)
