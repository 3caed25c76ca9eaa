"""Branches, early exits, `try`, `with`, `match`, modes: which calls can run in the same forward."""

from __future__ import annotations

import pytest

from qatlint.trace import On
from tests.static.sources import check_counts, executed, findings, model, said, trace_of, used

LISTS = """
self.flag = f
self.mode = mode
self.n = n
self.relu = nn.ReLU()
self.other = nn.Sigmoid()
self.maybe = nn.Tanh() if f else None
self.one = nn.GELU() if mode == "a" else nn.ELU()
"""
PARAMETERS = "f, mode='a', n=2"

CASES = {
    "if and else": ("if flag:\n    x = self.relu(x)\nelse:\n    x = self.relu(x)", "1"),
    "if without else": ("if flag:\n    x = self.relu(x)\nx = self.relu(x)", "1-2"),
    "early return": ("if flag:\n    return self.relu(x)\nreturn self.relu(x)", "1"),
    "early raise": ("if flag:\n    raise ValueError(self.relu(x))\nreturn self.relu(x)", "1"),
    "the same flag twice": ("if self.flag:\n    x = self.relu(x)\nif not self.flag:\n    x = self.relu(x)", "1"),
    "the same flag agrees": ("if self.flag:\n    x = self.relu(x)\nif self.flag:\n    x = self.relu(x)", "0-2"),
    "modes exclude each other": (
        "if self.mode == 'a':\n    x = self.relu(x)\nif self.mode == 'b':\n    x = self.relu(x)",
        "0-1",
    ),
    "elif of modes": (
        "if self.mode == 'a':\n    x = self.relu(x)\nelif self.mode == 'b':\n    x = self.relu(x)\n"
        "else:\n    x = self.relu(x)",
        "1",
    ),
    "in a tuple of modes": (
        "if self.mode in ('a', 'b'):\n    x = self.relu(x)\nif self.mode not in ('a', 'b'):\n    x = self.relu(x)",
        "1",
    ),
    "none or not": ("if xs is None:\n    x = self.relu(x)\nif xs is not None:\n    x = self.relu(x)", "1"),
    "equal to none": ("if xs == None:\n    x = self.relu(x)\nif xs != None:\n    x = self.relu(x)", "1"),
    "less or not": ("if self.n < 2:\n    x = self.relu(x)\nif self.n >= 2:\n    x = self.relu(x)", "1"),
    "chained comparison": ("if 0 < self.n < 9:\n    x = self.relu(x)\nx = self.relu(x)", "1-2"),
    "constants decide": ("if 1 + 1 == 2 and not 2 > 3:\n    x = self.relu(x)\nelse:\n    x = self.relu(x)", "1"),
    "constants of different types": ("if 1 < 'a':\n    x = self.relu(x)", "0-1"),
    "and": ("if self.flag and flag:\n    x = self.relu(x)\nelif self.flag:\n    x = self.relu(x)", "0-1"),
    "or": ("if self.flag or flag:\n    x = self.relu(x)\nelse:\n    x = self.relu(x)", "1"),
    "value of and": ("g = self.flag and flag\nif g:\n    x = self.relu(x)\nif not g:\n    x = self.relu(x)", "1"),
    "value of two comparisons": (
        "g = self.n == 1 and self.mode == 'b'\nx = self.relu(x)\nif g:\n    x = self.relu(x)",
        "1-2",
    ),
    "either value of two comparisons": (
        "g = self.n == 1 or self.mode == 'b'\nif g:\n    x = self.relu(x)\nelse:\n    x = self.relu(x)",
        "1",
    ),
    "a value that two branches of three choose": (
        "m = self.relu if flag else self.other if self.n == 1 else self.relu\nx = m(x)\n"
        "if not flag and self.n == 1:\n    x = self.relu(x)\nx = self.relu(x)",
        "2",
    ),
    "value of or": ("g = xs or flag\nif g:\n    x = self.relu(x)\nif not g:\n    x = self.relu(x)", "1"),
    "is true": ("if self.flag is True:\n    x = self.relu(x)\nif not self.flag:\n    x = self.relu(x)", "1"),
    "compared with false": ("if self.flag == False:\n    x = self.relu(x)\nelse:\n    x = self.relu(x)", "1"),
    "a local flag": ("g = self.flag\nif g:\n    return self.relu(x)\nreturn self.relu(x)", "1"),
    "a negated local flag": ("g = not self.flag\nif g:\n    x = self.relu(x)\nif self.flag:\n    x = self.relu(x)", "1"),
    "conditional expression": ("x = self.relu(x) if flag else self.relu(x)", "1"),
    "conditional module": ("x = (self.relu if flag else self.other)(x)", "0-1"),
    "a module chosen before": ("m = self.relu if flag else self.other\nx = m(m(x))", "0-2"),
    "a module bound in branches": (
        "if flag:\n    m = self.relu\nelse:\n    m = self.other\nx = m(x)\nx = self.relu(x)",
        "1-2",
    ),
    "a bool as an index": ("x = (self.other, self.relu)[flag](x)", "0-1"),
    "short circuit": ("x = flag and self.relu(x)", "0-1"),
    "walrus": ("if (y := self.relu(x)) is not None:\n    x = y", "1"),
    "assert": ("assert self.relu(x) is not None\nx = self.relu(x)", "2"),
    "an assertion excludes a branch": ("assert self.flag\nif not self.flag:\n    x = self.relu(x)\nx = self.relu(x)", "1"),
    "a raise excludes a branch": (
        "if self.flag:\n    raise ValueError\nif self.flag:\n    x = self.relu(x)\nx = self.relu(x)",
        "1",
    ),
    "try": ("try:\n    x = self.relu(x)\nexcept ValueError as e:\n    x = self.relu(x)", "1"),
    "try with else and finally": (
        "try:\n    pass\nexcept ValueError:\n    raise\nelse:\n    x = self.relu(x)\nfinally:\n    x = self.relu(x)",
        "2",
    ),
    "finally alone": ("try:\n    x = self.relu(x)\nfinally:\n    x = self.relu(x)", "2"),
    "finally after a return": ("try:\n    return x\nfinally:\n    x = self.relu(x)", "1"),
    "with": ("with torch.no_grad() as g:\n    x = self.relu(x)\nx = self.relu(x)", "2"),
    "async with": ("async def run():\n    async with x as y:\n        return self.relu(y)\nx = run()", "1"),
    "nothing after a return": ("return x\nx = self.relu(x)", "0"),
    "lambda": ("f = lambda y: self.relu(y)\nx = f(f(x))", "2"),
    "lambda default": ("f = lambda y, m=self.relu: m(y)\nx = f(f(x))", "2"),
    "nested function": ("def f(y):\n    return self.relu(y)\nx = f(f(x))", "2"),
    "nested function with a default": ("def f(y, m=self.relu):\n    return m(y)\nx = f(x)", "1"),
    "nested function not called": ("def f(y):\n    return self.relu(y)", "0"),
    "nested class": ("class A:\n    pass\nx = self.relu(x)", "1"),
    "local import": ("import math as m\nfrom torch import cat as c\nx = self.relu(c(x, m.pi))", "1"),
    "recursion": ("if flag:\n    x = self.forward(x, xs)\nx = self.relu(x)", "1-2"),
    "del of a local": ("m = self.relu\nx = m(x)\ndel m", "1"),
    "generator": ("yield self.relu(x)\nyield self.relu(x)", "2"),
    "await": ("x = self.relu(x)\nreturn x", "1"),
    "scripting only": ("if torch.jit.is_scripting():\n    x = self.relu(x)\nx = self.relu(x)", "1"),
    "augmented": ("x += self.relu(x)\nx *= self.relu(x)", "2"),
    "annotated": ("y: torch.Tensor = self.relu(x)\nz: int\nreturn y", "1"),
    "starred arguments": ("x = torch.cat([*[self.relu(y) for y in (x, x)]])", "2"),
    "keyword arguments": ("x = self.relu(input=x, **{'inplace': self.relu(x)})", "2"),
    "f-string": ("print(f'{self.relu(x)!r:>10}')", "1"),
    "decided by a length": ("if len((1, 2)) == 2:\n    x = self.relu(x)\nelse:\n    x = self.relu(self.relu(x))", "1"),
    "undecided by a shape": ("if x.shape[0] > 1:\n    x = self.relu(x)\nif x.shape[0] > 1:\n    x = self.relu(x)", "0-2"),
    "an empty list is false": ("if []:\n    x = self.relu(x)\nif [1]:\n    x = self.relu(x)", "1"),
    "an empty dict is false": ("if {}:\n    x = self.relu(x)\nif {'a': 1}:\n    x = self.relu(x)", "1"),
    "membership in a dict": ("if 'a' in {'a': 1}:\n    x = self.relu(x)\nif 'b' in {'a': 1}:\n    x = self.relu(x)", "1"),
    "membership in an argument": ("if 'a' in xs:\n    x = self.relu(x)\nif 'a' not in xs:\n    x = self.relu(x)", "1"),
}  # fmt: skip


@pytest.mark.parametrize(("forward", "expected"), CASES.values(), ids=list(CASES))
def test_path(forward: str, expected: str) -> None:
    check_counts(model(LISTS, forward, parameters=PARAMETERS), {"relu": expected})


def test_cases_of_a_match_exclude_each_other() -> None:
    forward = """
    match flag:
        case 1:
            x = self.relu(x)
        case [a, *rest]:
            x = self.relu(a)
        case {"k": v}:
            x = self.relu(v)
        case _:
            x = self.other(x)
    return x
    """
    text = model(LISTS, forward, parameters=PARAMETERS)
    check_counts(text, {"relu": "0-1", "other": "0-1"})


def test_a_module_may_be_none() -> None:
    forward = "if self.maybe is not None:\n    x = self.maybe(x)\nif self.maybe:\n    x = self.maybe(x)"
    usage = used(trace_of(model(LISTS, forward, parameters=PARAMETERS)), "maybe")
    assert (usage.shared, usage.on) == (True, On.ALWAYS)  # whenever it exists


def test_alternatives_of_one_name_run_on_their_own_condition() -> None:
    trace = trace_of(model(LISTS, "return self.one(self.one(x))", parameters=PARAMETERS))
    assert [m.class_name.rpartition(".")[2] for m in trace.modules if m.path == "one"] == ["GELU", "ELU"]
    found = findings(model(LISTS, "return self.one(self.one(x))", parameters=PARAMETERS), "QAT101")
    assert said(found) == {("QAT101", "one")}


def test_sharing_in_training_only_says_so() -> None:
    text = model(LISTS, "x = self.relu(x)\nif self.training:\n    x = self.relu(x)", parameters=PARAMETERS)
    assert used(trace_of(text), "relu").on is On.TRAINING
    assert [f.on for f in findings(text, "QAT101")] == [On.TRAINING]


def test_sharing_outside_training_is_on_some_path() -> None:
    text = model(
        LISTS, "x = self.relu(x)\nif not self.training:\n    x = self.relu(x)", parameters=PARAMETERS
    )
    assert used(trace_of(text), "relu").on is On.SOME_PATH


def test_training_and_inference_exclude_each_other() -> None:
    text = model(
        LISTS, "if self.training:\n    return self.relu(x)\nreturn self.relu(x)", parameters=PARAMETERS
    )
    assert not used(trace_of(text), "relu").shared


@pytest.mark.parametrize(
    ("test", "runs"),
    [
        ("hasattr(self, 'relu')", True),
        ("hasattr(self, 'forward')", True),
        ("hasattr(self, 'nothing')", False),
        ("isinstance(self.relu, nn.ReLU)", True),
        ("isinstance(self.relu, (nn.Sigmoid, nn.ReLU))", True),
        ("isinstance(self.relu, nn.Module)", True),
        ("isinstance(self.relu, nn.Sigmoid)", False),
        ("isinstance(self, Model)", True),
        ("isinstance(self, Other)", False),
        ("isinstance([1], list)", True),
        ("isinstance(1, int)", True),
        ("isinstance('a', int)", False),
        ("isinstance(1, nn.Module)", False),
        ("isinstance(True, int)", True),
        ("isinstance('a', (list, tuple))", False),
        ("isinstance(None, dict)", False),
        ("isinstance((1,), torch.Tensor)", False),
        ("isinstance({}, dict) and not isinstance({}, list)", True),
        ("isinstance(nn.ReLU, str)", False),
        ("isinstance(nn.ReLU, type) and isinstance(Other, type)", True),
        ("isinstance(Other, (str, int))", False),
        ("isinstance(lambda y: y, str)", False),
        ("isinstance([1], collections.abc.Iterable)", True),
        ("isinstance(1, collections.abc.Iterable)", False),
        ("isinstance(1, numbers.Integral)", True),
        ("any([1 == 2, isinstance(1, int)])", True),
        ("any([1 == 2, isinstance(1, list)])", False),
        ("any(isinstance(k, tuple) for k in [3, 1])", False),
        ("any([])", False),
        ("all([1, 2])", True),
        ("all([1, 0])", False),
        ("callable(self.relu)", True),
        ("callable(1)", False),
        ("type(self.relu)", True),
        ("getattr(self, 'nothing', False)", False),
        ("getattr(self, 'relu', False)", True),
        ("self.relu is self.relu", True),
        ("self.relu is self.other", False),
        ("not int('0')", True),
        ("bool('')", False),
        ("max(1, 2) == 2", True),
        ("min(1, 2) == 2", False),
        ("'a'.upper() == 'A'", True),
        ("'abc'.startswith('b')", False),
        ("'abc'[1:] == 'bc'", True),
        ("{'a': 1}.get('a') == 1", True),
        ("{'a': 1}.get('b') is None", True),
        ("{'a': 1}.get('b', 2) == 2", True),
        ("len({'a': 1}) == 1", True),
        ("len('ab') == 2", True),
        ("len([1, 2][1:]) == 1", True),
        ("len(range(3)) == 3", True),
        ("-1 < +1", True),
        ("7 // 2 == 3 and 7 % 2 == 1", True),
        ("'%s%d' % ('a', 1) == 'a1'", True),
        ("'a' + 'b' == 'ab'", True),
        ("(1, 2)[1] == 2", True),
        ("3 is None", False),
        ("True if 1 else False", True),
    ],
)
def test_what_a_test_decides(test: str, runs: bool) -> None:
    text = model(
        LISTS,
        f"if {test}:\n    x = self.relu(x)\nreturn self.other(x)",
        before="import collections\nimport numbers\n\nclass Other(nn.Module):\n    pass",
        parameters=PARAMETERS,
    )
    usage = used(trace_of(text), "relu")
    assert str(usage.times) == ("1" if runs else "0")


@pytest.mark.parametrize(
    "test",
    [
        "hasattr(x, 'y')",
        "isinstance(x, nn.Module)",
        "isinstance(self.given, nn.ReLU)",
        "isinstance(1, library.Number)",
        "isinstance(F.relu, str)",
        "any([1 == 2, x])",
        "all([1 == 1, x])",
        "any(y for y in x)",
        "callable(self.given)",
        "len(x) == 2",
        "max(x, 2)",
        "2 ** 10000000 > 1",
        "'a' * 10000000",
        "1 // 0",
        "'%d' % 'a'",
        "int('a')",
        "~x",
        "x @ x",
        "int(x) == 3",
        "str(x) == 'a'",
        "x[0] in (1, 2)",
        "next(x)",
        "type(x)",
        "'abc'[9]",
    ],
)
def test_what_a_test_leaves_open(test: str) -> None:
    text = model(
        LISTS + "self.given = given\n",
        f"if {test}:\n    x = self.relu(x)",
        before="import library\nimport torch.nn.functional as F\n",
        parameters=f"given, {PARAMETERS}",
    )
    assert str(used(trace_of(text), "relu").times) == "0-1"


def test_an_attribute_that_only_one_branch_sets() -> None:
    init = "if f:\n    self.a = nn.ReLU()"
    forward = "if hasattr(self, 'a'):\n    x = self.a(x)\nreturn x"
    trace = trace_of(model(init, forward, parameters="f"))
    assert executed(trace) == {"a"}
    assert str(used(trace, "a").times) == "1"
