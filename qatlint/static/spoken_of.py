"""How texts speak of modules from outside of their class: by names in strings, as arguments, through
other names, one by one in a loop. Patterns over bytes, for `survey.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator

_PICKS = re.compile(rb"get_submodule\(|named_(?:modules|children)\(")
_ASKED = re.compile(rb"[!=]=|\bin\b|(?:with|match|search|get|getattr|get_submodule)\(|\w\[")
_LITERAL = re.compile(rb"""["'](?<![^=!]=["'])\.?([A-Za-z_][\w.]*)["']""")
_PART = re.compile(rb"(starts|ends)with\([^\n]*$")
# Several patterns, since the search for a text that all matches begin with is many times faster.
_ARGUMENTS = [
    re.compile(mark + rb"(?!self\.\w+[,)])[A-Za-z_][\w.\[\]]*\.([a-z_]\w*)[,)]")
    for mark in (rb"\(", rb", ", rb"=")
]
_ATTRIBUTE = re.compile(rb"""\.(\w+)\b(?!\()|["'](\w+)["']""")
_DRAW = re.compile(
    rb"\b(?:rand|randn|randint|random|uniform|normal|randperm|choice|bernoulli|multinomial|rand_like|randn_like"
    rb"|\w*(?:normal|uniform|bernoulli|orthogonal|exponential|random)_)\("
)
_FILTER = re.compile(rb"\bif\b")
_CLASSES = re.compile(rb"isinstance\([^,\n]*,([^\n]*)")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_INDENT = re.compile(rb"[ \t]*")
_APPLIED = re.compile(rb"\.apply\((?:\w+\.)*(\w+)\)")
_USE = re.compile(rb"\.(?<!\bself\.)(\w+)[(\[.]")
_SCRIPTS = [
    re.compile(rb"jit\.(?<!\wjit\.)(?:script\(|script_method\b|export\b)"),
    re.compile(rb"ScriptModule\b(?<!\wScriptModule)"),
]
_KEPT = re.compile(rb"self\.(\w+) = (\w+)\n")
_FAR = 4000
"""How many bytes a function is looked through."""


def names_in_strings(data: bytes) -> Iterator[tuple[str, int]]:
    """Names in strings that stand where modules are picked by name, and where each stands: `act`, `*act` for
    what ends so, `act*` for what begins so."""
    if b"get_submodule(" not in data and b"named_modules(" not in data and b"named_children(" not in data:
        return
    looked_to = 0
    for match in _PICKS.finditer(data):
        start, end = _region(data, match)
        start, looked_to = max(start, looked_to), max(end, looked_to)
        for literal in _LITERAL.finditer(data, start, end):
            line_start = data.rfind(b"\n", 0, literal.start()) + 1
            line_end = data.find(b"\n", literal.end())
            if _ASKED.search(data, line_start, line_end if line_end >= 0 else len(data)) is None:
                continue
            part = _PART.search(data, line_start, literal.start())
            words = literal[1].decode().strip(".").split(".")
            if part is not None:
                words[-1] = f"{words[-1]}*" if part[1] == b"starts" else f"*{words[-1]}"
            for word in words:
                yield word, literal.start()


def _region(data: bytes, match: re.Match[bytes]) -> tuple[int, int]:
    """Where names may stand that tell which modules are meant: the loop, else the function."""
    line = data.rfind(b"\n", 0, match.start()) + 1
    if match[0] != b"get_submodule(" and data[line : match.start()].lstrip().startswith(b"for "):
        body = _body(data, line)
        return line, data.find(b"\n", line) + 1 + len(body)
    # The names may have been put in a list before.
    start = max(data.rfind(b"def ", 0, line), 0) if match[0] == b"get_submodule(" else line
    return start, _end_of_function(data, match.end())


def handed_on(data: bytes) -> Iterator[tuple[str, int]]:
    """Attributes of other objects that are arguments of calls: `tune(net.act)`, and where."""
    for pattern in _ARGUMENTS:
        for match in pattern.finditer(data):
            yield match[1].decode(), match.start(1)


def scripts_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Calls of `torch.jit.script`, and methods that are made for it. (A function that it decorates runs no
    module.)"""
    for pattern in _SCRIPTS:
        for match in pattern.finditer(data):
            yield "", match.start()


def uses_in(data: bytes) -> Iterator[tuple[str, int]]:
    """Attributes of other objects that are called, indexed, or of which something is read: once each."""
    seen = set()
    for match in _USE.finditer(data):
        if match[1] not in seen:
            seen.add(match[1])
            yield match[1].decode(), match.start(1)


def meant_by(name: bytes, data: bytes, position: int) -> Iterator[str]:
    """Attributes that a local name may stand for, as the lines before `position` say: `act = net.act`,
    `for act in (net.a, net.b)`, `act = getattr(net, "act")`."""
    if not _WORD.fullmatch(name):
        return
    start = max(
        0, position - _FAR, data.rfind(b"\ndef ", 0, position), data.rfind(b"\n    def ", 0, position)
    )
    for mark in (b" = ", b" in "):
        said = data.rfind(b" %b%b" % (name, mark), start, position)
        if said >= 0:
            value = said + len(name) + len(mark)
            line_end = data.find(b"\n", value)
            for attribute in _ATTRIBUTE.finditer(data, value, line_end if line_end >= 0 else len(data)):
                yield (attribute[1] or attribute[2]).decode()


def draws_for_each(data: bytes, position: int) -> tuple[bool, bytes]:
    """Whether the loop whose header holds `position` draws random numbers for the modules that it meets, and
    the words that say which classes are meant (b"" for all)."""
    return _draws(_body(data, position))


def drawing_functions(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Where functions are applied to all modules that draw random numbers, with the classes they mean."""
    if b".apply(" not in data:
        return
    for match in _APPLIED.finditer(data):
        start = data.find(b"def %b(" % match[1])
        if start >= 0:
            draws, meant = _draws(_body(data, start))
            if draws:
                yield meant, match.start()


def runs_what_it_is_handed(data: bytes, position: int) -> bool:
    """Whether the class around `position` keeps an argument of its constructor and calls it: the modules in
    it are then of classes that its file need not name."""
    start = max(data.rfind(b"\nclass ", 0, position), 0)
    end = data.find(b"\nclass ", position)
    end = end if end >= 0 else len(data)
    made = data.find(b"def __init__(", start, end)
    if made < 0:
        return False
    parameters = _WORD.findall(data[made : data.find(b"):", made, end)])
    return any(
        kept[2] in parameters and data.find(b"self.%b(" % kept[1], start, end) >= 0
        for kept in _KEPT.finditer(data, made, end)
    )


def _draws(body: bytes) -> tuple[bool, bytes]:
    drawn = _DRAW.search(body)
    if drawn is None:
        return False, b""
    test = _FILTER.search(body, 0, drawn.start())
    if test is None:
        return True, b""
    classes = [word for found in _CLASSES.finditer(body) for word in _WORD.findall(found[1])]
    # What another test lets through has weights to draw, or a name that is spoken of elsewhere.
    return bool(classes), b" ".join(classes)


def _body(data: bytes, position: int) -> bytes:
    """The lines below that of `position` that are indented deeper."""
    start = data.rfind(b"\n", 0, position) + 1
    depth = _depth(data, start)
    first = end = data.find(b"\n", position) + 1 or len(data)
    while end < len(data) and end - first < _FAR:
        line_end = data.find(b"\n", end) + 1 or len(data)
        if data[end:line_end].strip() and _depth(data, end) <= depth:
            break
        end = line_end
    return data[first:end]


def _depth(data: bytes, position: int) -> int:
    indent = _INDENT.match(data, position)
    return len(indent[0]) if indent is not None else 0


def _end_of_function(data: bytes, position: int) -> int:
    ends = (data.find(mark, position, position + _FAR) for mark in (b"\ndef ", b"\nclass ", b"\n    def "))
    return min((end for end in ends if end >= 0), default=position + _FAR)
