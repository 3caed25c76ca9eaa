"""Dynamic code in what forward leads to: functions, objects, methods by name; and where none is looked for."""

from __future__ import annotations

import pytest

from qatlint.static.plain import is_plain
from qatlint.static.prospects import may_be_dynamic
from qatlint.static.tracing import trace_class
from tests.static.dynamic import HELPERS, INIT, op_of, regions, traced
from tests.static.sources import findings_in, model, project_of, trace_in, trace_of


def test_an_op_in_a_helper_knows_the_way() -> None:
    trace = traced("for f in xs:\n    y = f[0]\n    x = helper(x, y)\nreturn x")
    (standing,) = op_of(trace, "+").inside
    (region,) = trace.regions
    assert standing.statement is not None and standing.statement.line == region.header.line + 2
    assert len(op_of(trace, "+").via) == 1 and op_of(trace, "+").function == "helper"


def test_functions_that_save_memory_in_training_are_not_followed_but_what_they_run_is() -> None:
    assert regions("return checkpoint_each(self.layers, x, x.shape[0])") == []
    inner = "def inner(self, x, n):\n    for _ in range(n):\n        x = x * 2\n    return x"
    forward = "return checkpoint_one(self.inner, x, x.shape[0])"
    assert [head for head, _, _ in regions(forward, methods=inner)] == ["for"]


def test_a_class_without_dynamic_code_is_not_looked_at() -> None:
    trace = traced("for m in self.layers:\n    x = m(x) + x\nreturn x")
    assert not trace.ops and not trace.regions and not trace.blocks


def test_where_modules_need_not_be_counted_dynamic_code_is_found_all_the_same() -> None:
    source = model(
        "self.conv = nn.Conv2d(3, 3, 1)", "if x.max() > 1:\n    x = x / 2 + y\nreturn self.conv(x)"
    )
    project = project_of({"m.py": source})
    (cls,) = project.file("m.py").classes
    assert is_plain(project, cls) and not trace_class(project, cls).modules
    for_people, for_rules = trace_class(project, cls, for_people=True), trace_class(project, cls)
    assert for_people.modules and for_rules.ops
    assert (for_rules.ops, for_rules.regions) == (for_people.ops, for_people.regions)


@pytest.mark.parametrize(
    ("asked", "found"), [("'refine'", True), ("'other', None", False), ("f'ref{y}'", True)]
)
def test_a_method_that_is_asked_for_by_name(asked: str, found: bool) -> None:
    refine = "def refine(self, x):\n    while x.max() > 1:\n        x = x / 2 + 1\n    return x\n"
    forward = f"f = getattr(self, {asked})\nreturn f(x)"
    source = model(INIT, forward, HELPERS, "", refine)
    project = project_of({"m.py": source})
    (cls,) = project.file("m.py").classes
    assert may_be_dynamic(project, cls) is found


LIBRARY = """
    def step(x, n):
        return x * n

    def refine(x):
        for i in range(x.shape[0]):
            x = step(x, i)
        return x

    def outer(x):
        return refine(x)

    def fixed(x):
        for i in range(3):
            x = step(x, i)
        return x
"""


@pytest.mark.parametrize(
    ("line", "call", "found"),
    [
        ("from pkg.lib import refine", "refine(x)", 1),
        ("from pkg.lib import outer as run", "run(x)", 1),
        ("from pkg import lib", "lib.refine(x)", 1),
        ("import pkg.lib as L", "L.outer(x)", 1),
        ("import pkg.lib", "pkg.lib.refine(x)", 1),
        ("import pkg.lib", "pkg.lib.fixed(x)", 0),
        ("from pkg.lib import *", "outer(x)", 1),
        ("from pkg import outer", "outer(x)", 1),
        ("from pkg.lib import fixed", "fixed(x)", 0),
        ("from pkg.lib import step", "step(x, 2)", 0),
    ],
)
def test_a_loop_in_a_function_of_another_file(line: str, call: str, found: int) -> None:
    texts = {
        "pkg/__init__.py": "from pkg.lib import outer\n",
        "pkg/lib.py": LIBRARY,
        "model.py": (
            f"from torch import nn\n{line}\n\nclass Model(nn.Module):\n"
            f"    def forward(self, x):\n        return {call}\n"
        ),
    }
    trace = trace_in(texts, "model.py")
    assert [(r.function, r.varies.value) for r in trace.regions] == [("refine", "shape")] * found


def test_a_call_into_a_package_may_run_ops() -> None:
    texts = {
        "pkg/__init__.py": "",
        "pkg/lib.py": "def step(x):\n    return x * 2\n",
        "model.py": (
            "import pkg.lib\nfrom torch import nn\n\nclass Model(nn.Module):\n    def forward(self, x):\n"
            "        for i in range(x.shape[0]):\n            x = pkg.lib.step(x)\n        return x\n"
        ),
    }
    assert [op.written for op in trace_in(texts, "model.py").ops] == ["*"]


OBJECT = """
class Plain:
    def __init__(self, gain):
        self.gain = gain

    def run(self, a):
        for i in range(a.shape[0]):
            a = a * self.gain
        return a

    def handed_on(self, a):
        return self.run(a)

    def one(self, a):
        return a - 1

    @staticmethod
    def apart(a):
        for i in range(a.shape[0]):
            a = a * 2
        return a

class Called(Plain):
    def __call__(self, a):
        return self.run(a)

class Holder:
    def __init__(self):
        self.inner = Plain(3)

    def run_inner(self, a):
        return self.inner.run(a)
"""


@pytest.mark.parametrize(
    ("forward", "found"),
    [
        (
            "def inner(a):\n    for i in range(a.shape[0]):\n        a = a * 2\n    return a\nreturn inner(x)",
            ["*"],
        ),
        (
            "def inner():\n    y = x\n    for t in x.unbind(0):\n        y = y * t\n    return y\nreturn inner()",
            ["*"],
        ),
        (
            "def inner(a, flag):\n    while flag:\n        a = a * 2\n    return a\nreturn inner(x, x.max() > 1)",
            ["*"],
        ),
        ("def inner(a):\n    for i in range(4):\n        a = a * 2\n    return a\nreturn inner(x)", []),
        ("return self.plain.run(x)", ["*"]),
        ("return self.plain.handed_on(x)", ["*"]),
        ("return self.called(x)", ["*"]),
        ("return self.holder.run_inner(x)", ["*"]),
        ("return Plain.apart(x)", ["*"]),
        ("other = Plain(4)\nreturn other.run(x)", ["*"]),
        ("for i in range(x.shape[0]):\n    x = self.plain.one(x)\nreturn x", ["-"]),
        ("for i in range(x.shape[0]):\n    x = self.called(x)\nreturn x", ["*"]),
        ("return self.plain.one(x)", []),
    ],
)
def test_functions_and_objects_that_forward_runs_are_a_part_of_it(forward: str, found: list[str]) -> None:
    init = "self.plain = Plain(2)\nself.called = Called(2)\nself.holder = Holder()"
    trace = trace_of(model(init, forward, OBJECT), "Model")
    assert [op.written for op in trace.ops if not op.is_module and op.inside] == found


def test_an_object_of_another_file() -> None:
    texts = {
        "lib.py": OBJECT,
        "model.py": (
            "from torch import nn\nfrom lib import Plain\n\nclass Model(nn.Module):\n    def __init__(self):\n"
            "        super().__init__()\n        self.plain = Plain(2)\n\n    def forward(self, x):\n"
            "        return self.plain.run(x)\n"
        ),
    }
    assert [(r.function, r.varies.value, r.receiver) for r in trace_in(texts, "model.py").regions] == [
        ("run", "shape", "")
    ]


def test_an_op_of_a_helper_that_is_entered_twice_is_said_once() -> None:
    forward = "for i in range(x.shape[0]):\n    x = helper(helper(x, x), x)\nreturn x"
    (found,) = findings_in({"m.py": model(INIT, forward, HELPERS)}, "QAT201")
    places = [(r.span.line, r.message) for r in found.related]
    assert places and len(places) == len(set(places))
