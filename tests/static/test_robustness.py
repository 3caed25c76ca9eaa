"""Nothing a user may have written makes the linter raise, and it says the same thing twice."""

from __future__ import annotations

import ast
import io
import random
import tokenize
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qatlint.finding import Finding
from qatlint.static.branching import Branching
from tests.static.sources import HEAD, findings_in

FIXTURES = sorted(
    path
    for path in (Path(__file__).resolve().parents[2] / "fixtures").rglob("*.py")
    if ".fixed" not in path.name
)
PROFILE = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), max_examples=100
)

EXPRESSIONS = (
    "nn.ReLU()",
    "nn.Conv2d(c, c, 3)",
    "self.a",
    "self.a.b.c",
    "self.xs[i]",
    "self.xs[-1][0]",
    "self.xs[1:]",
    "self.xs[::-1]",
    "[nn.ReLU() for i in range(n)]",
    "[nn.ReLU()] * n",
    "{k: nn.ReLU() for k in ('a', 'b')}",
    "{nn.ReLU() for _ in x}",
    "nn.Sequential(*[self.a] * 3)",
    "nn.ModuleList(self.xs)",
    "nn.ModuleDict({'a': nn.ReLU(), **kw})",
    "nn.Sequential(OrderedDict([('a', self.a)]))",
    "(self.a, self.b)[flag]",
    "self.a if flag else None",
    "self.a or self.b or x",
    "not self.a",
    "self.a(x)",
    "self.a(self.b(x))",
    "self.a(*xs, **kw)",
    "self.helper(self.a, x)",
    "self.helper(*xs)",
    "self.forward(x)",
    "super().forward(x)",
    "super(Model, self).helper(x)",
    "self.__class__(n)",
    "type(self)(n)",
    "Model(n)",
    "copy.deepcopy(self)",
    "getattr(self, f'b{i}')(x)",
    "getattr(self, name, self.a)(x)",
    "self._modules['a'](x)",
    "checkpoint(self.a, x)",
    "functools.partial(self.a, x)()",
    "(lambda y, m=self.a: m(y))(x)",
    "[m(x) for m in self.xs if m is not None]",
    "list(map(self.a, xs))",
    "sum(m(x) for m in self.children())",
    "(y := self.a(x))",
    "f'{self.a}{n!r:>{n}}'",
    "'b%d' % i",
    "'%s%s' % (i, n)",
    "'{}'.format(i)",
    "n // 0",
    "2 ** n ** n",
    "10 ** 10 ** 3",
    "'a' * 10 ** 9",
    "x.shape[0] > n > 1",
    "lambda *a, k=self.a, **kw: k(*a)",
    "await_",
    "...",
    "b'\\xff'",
    "-self.a",
    "~x",
    "x @ x",
    "torch.cat([self.a(x), *xs], dim=-1)",
    "print(self.a)",
    "len(self.xs) - i",
    "range(len(self.xs))[i]",
    "zip(*[self.xs] * 2)",
    "dict(a=self.a)['a']",
    "self.xs.pop()",
    "self.xs + self.xs",
    "hasattr(self, 'a') and isinstance(self.a, nn.ReLU)",
    "nested(x)",
)
STATEMENTS = (
    "self.a = {e}",
    "self.b = self.a = {e}",
    "self.a: nn.Module = {e}",
    "self.a, (self.b, *self.xs) = {e}",
    "self.xs[0] = {e}",
    "self.xs[i], y = {e}, {e}",
    "self.xs += {e}",
    "self.xs.append({e})",
    "self.xs.extend({e})",
    "self.xs.insert(0, {e})",
    "self.a += {e}",
    "del self.a",
    "del self.xs[0], x",
    "setattr(self, f'b{{i}}', {e})",
    "setattr(self, name, {e})",
    "self.add_module('b%d' % i, {e})",
    "self._modules['a'] = {e}",
    "self.a.b = {e}",
    "x = {e}",
    "y = x = {e}",
    "x, y = {e}",
    "x += {e}",
    "xs[n:] = {e}",
    "{e}",
    "return {e}",
    "yield {e}",
    "raise ValueError({e})",
    "assert {e}, {e}",
    "global g",
    "pass",
    "import torch.nn as nn2",
    "from . import nothing, other as another",
    "self = {e}",
    "nn = {e}",
)
BLOCKS = (
    ("if {e}:",),
    ("if {e}:", "elif {e}:", "else:"),
    ("for i in {e}:",),
    ("for i, (m, y) in enumerate({e}, {e}):", "else:"),
    ("for self.a in {e}:",),
    ("for m in range(1000000000):",),
    ("while {e}:",),
    ("while True:", "else:"),
    ("with {e} as x:",),
    ("with {e}, {e} as (x, y):",),
    ("try:", "except ValueError as error:", "finally:"),
    ("try:", "except (TypeError, OSError):", "except:", "else:"),
    ("def nested(x, m={e}):",),
    ("def nested(*xs, **kw):",),
    ("async def nested(x):",),
    ("class Inner(nn.Module):",),
    ("class Inner(Model):",),
    ("match {e}:\n    case [a, *rest]:", "    case {{'k': v}} if v:", "    case _:"),
)


@st.composite
def bodies(draw: st.DrawFn, depth: int = 2, inside_loop: bool = False) -> list[str]:
    """Statements in any order, whether they make sense or not."""
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 4 if depth == 2 else 2))):
        if depth and draw(st.integers(0, 3)) == 0:
            shape = draw(st.sampled_from(BLOCKS))
            for head in shape:
                lines += _filled(draw, head).split("\n")
                inner = "        " if head.startswith(("    ", "match")) else "    "
                loop = inside_loop or head.startswith(("for", "while"))
                if head.startswith(("def", "async", "class")):
                    loop = False
                body = draw(bodies(depth=depth - 1, inside_loop=loop))
                if loop and draw(st.booleans()):
                    body.append(draw(st.sampled_from(("break", "continue"))))
                lines += [inner + line for line in body]
        else:
            lines.append(_filled(draw, draw(st.sampled_from(STATEMENTS))))
    return lines


def _filled(draw: st.DrawFn, template: str) -> str:
    count = template.count("{e}")
    for _ in range(count):
        template = template.replace("{e}", draw(st.sampled_from(EXPRESSIONS)), 1)
    return template.replace("{{", "{").replace("}}", "}")


@st.composite
def sources(draw: st.DrawFn) -> str:
    """A file with a module class whose methods have generated bodies."""
    base = draw(st.sampled_from(("nn.Module", "nn.Sequential", "Unknown", "nn.ModuleList, Mixin", "Model")))
    init, forward, helper = (draw(bodies()) for _ in range(3))
    default = draw(st.sampled_from(EXPRESSIONS))
    lines = [
        "from collections import OrderedDict",
        f"class Model({base}):",
        f"    level = {draw(st.sampled_from(EXPRESSIONS))}",
        f"    def __init__(self, n=3, *xs, c=8, flag=None, name={default}, **kw):",
        "        super().__init__()",
        *(f"        {line}" for line in init),
        "    def helper(self, x, *xs, i=0):",
        *(f"        {line}" for line in helper),
        "    def forward(self, x, xs=(), flag=True, **kw):",
        *(f"        {line}" for line in forward),
    ]
    return HEAD + "\n".join(lines) + "\n"


def judged(text: str) -> list[Finding]:
    """Findings, the same in two runs."""
    first = findings_in({"model.py": text})
    assert findings_in({"model.py": text}) == first
    return first


@PROFILE
@given(sources())
def test_generated_classes_are_judged_without_an_error(text: str) -> None:
    judged(text)


def test_the_generator_makes_classes_that_parse_and_give_findings() -> None:
    outcomes: set[str] = set()

    @settings(PROFILE, max_examples=80)
    @given(sources())
    def collect(text: str) -> None:
        found = findings_in({"model.py": text})
        outcomes.update(f.code for f in found)
        if not any(f.code == "QAT000" for f in found):
            outcomes.add("parsed")

    collect()
    assert "parsed" in outcomes
    assert {"QAT101", "QAT102", "QAT103"} & outcomes


def mutated(text: str, seed: int) -> str:
    """The text with lines deleted, repeated, exchanged or indented, or tokens replaced by others."""
    random_ = random.Random(seed)
    lines = text.split("\n")
    for _ in range(random_.randint(1, 3)):
        at = random_.randrange(len(lines))
        other = random_.randrange(len(lines))
        what = random_.randrange(6)
        if what == 0:
            del lines[at : at + random_.randint(1, 3)]
            lines = lines or [""]
        elif what == 1:
            lines.insert(at, lines[other])
        elif what == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif what == 3:
            lines[at] = "    " + lines[at]
        else:
            lines = _exchanged("\n".join(lines), random_).split("\n")
    return "\n".join(lines)


def _exchanged(text: str, random_: random.Random) -> str:
    """The text with one name, number or operator replaced by another one of the same sort from it."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return text
    sort = random_.choice((tokenize.NAME, tokenize.NAME, tokenize.NUMBER, tokenize.OP))
    same = [t for t in tokens if t.type == sort and t.start[0] == t.end[0]]
    if not same:
        return text
    old, new = random_.choice(same), random_.choice(same)
    lines = text.split("\n")
    line = lines[old.start[0] - 1]
    lines[old.start[0] - 1] = line[: old.start[1]] + new.string + line[old.end[1] :]
    return "\n".join(lines)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.name)
def test_damaged_fixtures_are_judged_without_an_error(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for seed in range(2):
        judged(mutated(text, seed))


def test_damage_breaks_some_files_and_leaves_others_readable() -> None:
    text = FIXTURES[0].read_text(encoding="utf-8")
    texts = [mutated(text, seed) for seed in range(20)]
    broken = [any(f.code == "QAT000" for f in findings_in({"model.py": t})) for t in texts]
    assert len(set(texts)) > 15
    assert any(broken) and not all(broken)


@pytest.mark.parametrize("many", [300, 900])
@pytest.mark.parametrize("test", ["self.mode == {}", "x.sum() > {}"])
def test_hundreds_of_elifs_do_not_end_the_run(test: str, many: int) -> None:
    tests = [f"if {test.format(n)}:\n            x = self.other(x)" for n in range(many)]
    assert shared_before("\n        el".join(tests)) == ["act"]


def test_a_sum_of_hundreds_does_not_end_the_run() -> None:
    assert shared_before(f"if {' + '.join(['x'] * 900)} > 0:\n            x = self.other(x)") == ["act"]


def test_what_follows_hundreds_of_returns_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    is_op = Branching._is_op

    def counted(self: Branching, node: ast.AST) -> bool:
        looked_at.append(node)
        return is_op(self, node)

    monkeypatch.setattr(Branching, "_is_op", counted)
    returns = "\n        ".join(f"if x == {n}:\n            return self.other(x)" for n in range(300))
    assert shared_before(returns) == ["act"]
    assert 300 < len(looked_at) < 300 * 40, "each of the 300 returns is followed by thousands of nodes"


def shared_before(statement: str) -> list[str]:
    """What is said to be shared where `act` runs twice before the statement."""
    text = HEAD + (
        "class Model(nn.Module):\n    def __init__(self, mode):\n        super().__init__()\n"
        "        self.mode = mode\n        self.act = nn.ReLU()\n        self.other = nn.ReLU()\n"
        "    def forward(self, x):\n        x = self.act(self.act(x))\n"
        f"        {statement}\n        return x\n"
    )
    return [f.subject for f in findings_in({"model.py": text}, "QAT101")]
