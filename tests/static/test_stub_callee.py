"""Calls of stubs that a fix can write at another place, and what keeps the others where they are."""

from __future__ import annotations

import ast

import pytest

from qatlint.static.stub_callee import NO_ATTRIBUTE, is_picked, why_bound

ELSEWHERE = "another stub, or none"


def judged(body: str, parameters: str = "self, x, i=0") -> tuple[str, bool]:
    """(why the call marked by `(y)` stays where it is, whether it picks the stub out of several)."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    method = ast.parse(f"def forward({parameters}):\n{lines}").body[0]
    assert isinstance(method, ast.FunctionDef)
    (call,) = [n for n in ast.walk(method) if isinstance(n, ast.Call) and ast.unparse(n).endswith("(y)")]
    return why_bound(call, method), is_picked(call)


MOVABLE = {
    "an attribute": ("self.stub(y)", False),
    "a constant position": ("self.stubs[0](y)", True),
    "a parameter": ("self.stubs[i](y)", True),
    "the counter of a loop": ("for k in range(2):\n    self.stubs[k + 1](y)", True),
    "the name of a loop": ("for k in self.names:\n    getattr(self, f'stub_{k}')(y)", True),
    "a number in a name": ("for k in range(2):\n    getattr(self, 'stub' + str(k))(y)", True),
    "by method": ("for k in self.names:\n    self.__getattr__(k + '_stub')(y)", True),
    "in a comprehension": ("[self.stubs[k](y) for k in range(2)]", True),
    "a name of the module": ("getattr(self, NAME)(y)", True),
}


@pytest.mark.parametrize(("body", "picked"), MOVABLE.values(), ids=MOVABLE)
def test_what_can_be_written_elsewhere(body: str, picked: bool) -> None:
    assert judged(body) == ("", picked)


BOUND = {
    "a position that is set in the method": ("k = 1\nself.stubs[k](y)", ELSEWHERE),
    "a parameter that is set again": ("i = i + 1\nself.stubs[i](y)", ELSEWHERE),
    "the counter of a loop, behind it": ("for k in range(2):\n    pass\nself.stubs[k](y)", ELSEWHERE),
    "a counter that its loop sets": ("for k in range(2):\n    k = k + 1\n    self.stubs[k](y)", ELSEWHERE),
    "what a function gives": ("self.stubs[next(ks)](y)", ELSEWHERE),
    "a name that is asked of a method": ("getattr(self, self.name())(y)", ELSEWHERE),
    "an assignment in it": ("self.stubs[(k := 1)](y)", ELSEWHERE),
    "imported there": ("from names import k\ngetattr(self, k)(y)", ELSEWHERE),
    "a local name": ("stub = self.stub\nstub(y)", NO_ATTRIBUTE),
    "a part of a part": ("self.tail.stub(y)", NO_ATTRIBUTE),
    "a list of a part": ("self.tail.stubs[0](y)", NO_ATTRIBUTE),
    "a name of another object": ("getattr(x, 'stub')(y)", NO_ATTRIBUTE),
    "with a default": ("getattr(self, 'stub', None)(y)", NO_ATTRIBUTE),
    "what a method gives": ("self.stub_of(0)(y)", NO_ATTRIBUTE),
}


@pytest.mark.parametrize(("body", "reason"), BOUND.values(), ids=BOUND)
def test_what_stays(body: str, reason: str) -> None:
    assert reason in judged(body)[0]


@pytest.mark.parametrize("call", ["self.stub(x, y)", "self.stub(input=y)", "self.stub(*y)"])
def test_more_than_one_tensor(call: str) -> None:
    method = ast.parse(f"def forward(self, x):\n    return {call}").body[0]
    assert isinstance(method, ast.FunctionDef)
    made = method.body[0]
    assert isinstance(made, ast.Return) and made.value is not None
    assert "one tensor" in why_bound(made.value, method)


def test_a_static_method_and_no_method() -> None:
    (method,) = ast.parse("@staticmethod\ndef run(self, x):\n    return self.stub(x)").body
    assert isinstance(method, ast.FunctionDef)
    (call,) = [n for n in ast.walk(method) if isinstance(n, ast.Call)]
    assert why_bound(call, method) == why_bound(call, None) == NO_ATTRIBUTE
