"""What forward reaches: helpers, `super()`, mixins, properties, partials, callbacks, children."""

from __future__ import annotations

import pytest

from qatlint.finding import CloneModule
from qatlint.static.machine import Machine
from tests.static.sources import check_counts, clean, executed, findings, model, said, times, trace_of

RELU = "self.relu = nn.ReLU()\nself.other = nn.Sigmoid()"
METHODS = """
def helper(self, x, act=None, *more, scale=1, **kw):
    return self.relu(x)

def given(self, act, x):
    return act(x)

def each(self, acts, x):
    for act in acts:
        x = act(x)
    return x

def pair(self, x):
    return self.relu(x), self.other

def recurse(self, x, n=3):
    return self.recurse(self.relu(x), n - 1) if n else x

def spread(self, *xs, **kw):
    return [self.relu(y) for y in xs]

def flagged(self, x, twice=False):
    x = self.relu(x)
    if twice:
        x = self.relu(x)
    return x

def loss(self, x):
    return self.relu(x)

def get_targets(self, x):
    return self.relu(x)

@property
def act(self):
    return self.relu

@classmethod
def make(cls, x):
    return x

@staticmethod
def apply_to(act, x):
    return act(x)

async def later(self, x):
    return self.relu(x)

def method_of(self):
    return self.helper
"""

CASES = {
    "helper": ("return self.helper(self.helper(x))", "2"),
    "helper with arguments": ("return self.helper(x, None, 1, 2, scale=2, key=3)", "1"),
    "helper with stars": ("return self.helper(*xs, **{'scale': 1})", "1"),
    "module as an argument": ("return self.given(self.relu, self.given(self.other, x))", "1"),
    "module as a keyword": ("return self.given(act=self.relu, x=self.given(x=x, act=self.relu))", "2"),
    "modules in a list": ("return self.each([self.relu, self.other, self.relu], x)", "2"),
    "a returned module": ("y, m = self.pair(x)\nreturn m(y)", "1"),
    "recursion": ("return self.recurse(x)", "2"),
    "recursion that ends": ("if not flag:\n    x = self(x, xs, flag=True)\nreturn self.relu(x)", "1-2"),
    "recursion on two inputs": (
        "if not flag:\n    x = self(x, xs, flag=True)\n    return self.other(self(x, xs, flag=True))\nreturn self.relu(x)",
        "1-2",
    ),
    "star arguments": ("return self.spread(x, x, x)", "3"),
    "a default flag": ("return self.flagged(x)", "1"),
    "a flag given": ("return self.flagged(x, twice=True)", "2"),
    "an unknown flag": ("return self.flagged(x, flag)", "1-2"),
    "loss code is not forward": ("self.loss(x)\nself.get_targets(x)\nreturn self.relu(x)", "1"),
    "property": ("return self.act(self.act(x))", "2"),
    "classmethod": ("return self.relu(self.make(x))", "1"),
    "classmethod by the class": ("return self.relu(Model.make(x))", "1"),
    "staticmethod": ("return self.apply_to(self.relu, x)", "1"),
    "staticmethod by the class": ("return Model.apply_to(self.relu, x)", "1"),
    "method by the class": ("return Model.helper(self, x)", "1"),
    "async method": ("return self.later(x)", "1"),
    "bound method in a variable": ("f = self.helper\nreturn f(f(x))", "2"),
    "method from a method": ("return self.method_of()(x)", "1"),
    "forward by name": ("return self.relu.forward(self.relu.forward(x))", "2"),
    "call by name": ("return self.relu.__call__(x)", "1"),
    "partial": ("f = functools.partial(self.given, self.relu)\nreturn f(f(x))", "2"),
    "partial of a module": ("return functools.partial(self.relu)(x)", "1"),
    "function of a partial": ("return functools.partial(self.relu).func(x)", "1"),
    "checkpoint": ("return checkpoint(self.relu, x)", "1"),
    "checkpoint of a method": ("return checkpoint(self.helper, x, use_reentrant=False)", "1"),
    "checkpoint of a lambda": ("return checkpoint(lambda y: self.relu(self.relu(y)), x)", "2"),
    "checkpoint of a nested function": ("def run(y):\n    return self.relu(y)\nreturn checkpoint(run, x)", "1"),
    "map": ("return list(map(self.relu, xs))", "many"),
    "map over a known list": ("return list(map(self.relu, [x, x]))", "2"),
    "map of a lambda": ("return list(map(lambda y: self.relu(y), (x, x, x)))", "3"),
    "multi_apply": ("return multi_apply(self.helper, xs)", "many"),
    "multi_apply over two": ("return multi_apply(self.given, [self.relu, self.other], [x, x])", "1"),
    "multi_apply over known": ("return multi_apply(self.helper, [x, x, x])", "3"),
    "library function that may call back": ("return torch.utils.run(self.helper, x)", "0-1"),
    "a local function": ("return outside(self.relu, x)", "2"),
    "a local function that is not given a module": ("return nothing(x)", "0"),
    "nested functions share variables": ("m = self.relu\ndef f(y):\n    def g(z):\n        return m(z)\n    return g(g(y))\nreturn f(x)", "2"),
    "operator": ("x = x + self.relu(x)\nreturn -self.relu(x)", "2"),
    "torch function": ("return torch.cat([self.relu(x), self.relu(x)], dim=self.relu(x))", "3"),
    "method of a result": ("return self.relu(x).relu().sum(self.relu(x))", "2"),
    "compiled": ("return torch.compile(self.relu)(x)", "1"),
}  # fmt: skip

BEFORE = """
def multi_apply(func, *args, **kwargs):
    return tuple(map(list, zip(*map(func, *args))))

def outside(act, x):
    return act(act(x))

def nothing(x):
    return x
"""


@pytest.mark.parametrize(("forward", "expected"), CASES.values(), ids=list(CASES))
def test_reached(forward: str, expected: str) -> None:
    check_counts(model(RELU, forward, BEFORE, methods=METHODS), {"relu": expected})


SUPER = """
class Base(nn.Module):
    def __init__(self, act=nn.ReLU, **kw):
        super().__init__()
        self.act = act()
        self._make()

    def _make(self):
        self.extra = nn.ReLU()

    def forward(self, x):
        return self.act(self.step(x))

    def step(self, x):
        return self.extra(x)

class Mixin:
    def step(self, x):
        return self.act(super().step(x))

class Model(Mixin, Base):
    def __init__(self, *args, **kw):
        super().__init__(*args, act=nn.Sigmoid, **kw)
        self.own = nn.Tanh()

    def _make(self):
        super(Model, self)._make()
        self.more = nn.GELU()

    def forward(self, x):
        x = super().forward(x)
        return self.own(super(Mixin, self).forward(self.more(x)))
"""


def test_super_and_mixins_follow_the_linearisation() -> None:
    check_counts(SUPER, {"act": "4", "extra": "2", "own": "1", "more": "1"})
    assert trace_of(SUPER, "Model").bases == ("model:Mixin", "model:Base", "torch.nn.Module")


def test_what_only_the_base_does_is_reported_once_at_the_base() -> None:
    text = """
    class Base(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
        def forward(self, x):
            return self.act(self.act(x))
    class Model(Base):
        pass
    class Other(Model):
        def __init__(self):
            super().__init__()
            self.own = nn.ReLU()
    """
    (found,) = findings(text, "QAT101")
    assert (found.owner, found.subject) == ("model:Base", "act")


def test_a_base_with_holes_is_filled_by_the_subclass() -> None:
    text = """
    class Base(nn.Module):
        def forward(self, x):
            return self.act(self.act(x))
    class Model(Base):
        def __init__(self):
            super().__init__()
            self.act = nn.Sigmoid()
    """
    assert said(findings(text, "QAT101")) == {("QAT101", "act")}


CHILD = """
class Child(nn.Module):
    def __init__(self, act, n=1):
        super().__init__()
        self.act = act
        self.own = nn.ReLU()
        self.l = nn.ModuleList([nn.ReLU() for _ in range(n)])

    def forward(self, x, extra=None):
        if extra is not None:
            x = extra(x)
        return self.own(self.act(x))

    def part(self, x):
        return self.own(x)

    @property
    def first(self):
        return self.l[0]
"""


@pytest.mark.parametrize(
    ("init", "forward", "expected"),
    [
        ("self.relu = nn.ReLU()\nself.c = Child(self.relu)", "return self.c(self.relu(x))", {"relu": "2", "c": "1"}),
        ("self.relu = nn.ReLU()\nself.c = Child(nn.ReLU())", "return self.c(x, self.relu)", {"relu": "1"}),
        ("self.relu = nn.ReLU()\nself.c = Child(self.relu)", "return self.c(self.c(x))", {"relu": "2", "c": "2"}),
        ("self.c = Child(nn.ReLU())", "return self.c.own(self.c(x))", {"c.own": "2", "c": "1"}),
        ("self.c = Child(nn.ReLU())", "return self.c.part(self.c.part(x))", {"c.own": "2"}),
        ("self.c = Child(nn.ReLU())", "return self.c.first(self.c.l[0](x))", {"c.l.*": "2"}),
        ("self.c = Child(nn.ReLU())\nself.own = self.c.own", "return self.own(self.c(x))", {"own": "", "c.own": "2"}),
        ("self.c = Child(nn.ReLU(), 3)", "for m in self.c.l:\n    x = m(x)", {"c.l.*": "1 1 1"}),
        (
            "act = nn.ReLU()\nself.l = nn.ModuleList([Child(act) for _ in range(3)])",
            "for m in self.l:\n    x = m(x)",
            {"l.*.act": "3", "l.*": "1 1 1"},
        ),
        (
            "act = nn.ReLU()\nself.s = nn.Sequential(*[Child(act) for _ in range(20)])",
            "return self.s(x)",
            {"s.*": "1"},
        ),
    ],
)  # fmt: skip
def test_children(init: str, forward: str, expected: dict[str, str]) -> None:
    check_counts(model(init, forward, CHILD), expected)


def test_a_float_functional_is_executed_by_its_methods() -> None:
    init = "self.ff = torch.ao.nn.quantized.FloatFunctional()"
    forward = "x = self.ff.add(x, x)\nx = self.ff.mul(x, x)\nreturn self.ff.scale"
    text = model(init, forward)
    check_counts(text, {"ff": "2"})
    assert [c.method for c in trace_of(text).calls] == ["add", "mul"]


def test_methods_that_only_configure_execute_nothing() -> None:
    forward = (
        "self.relu.eval()\nself.relu.to(x.device)\nself.relu.state_dict()\nself.relu.requires_grad_(False)"
    )
    trace = trace_of(model("self.relu = nn.ReLU()", forward))
    assert not executed(trace)


def test_an_object_that_is_no_module_may_run_one() -> None:
    before = """
    class Runner:
        def __init__(self, act):
            self.act = act
        def __call__(self, x):
            return self.act(self.act(x))
        def __getitem__(self, i):
            return self.act
        def run(self, x):
            return self.act(x)
    """
    init = "self.relu = nn.ReLU()\nself.runner = Runner(self.relu)"
    trace = trace_of(
        model(init, "x = self.runner(x)\nx = self.runner.run(x)\nreturn self.runner[0](x)", before)
    )
    assert times(trace, "relu") == (4, 4) or sum(len(trace.calls_of(m)) for m in trace.modules) == 4


def test_a_switching_element_is_not_shared() -> None:
    before = """
    class Switch(nn.Module):
        def __init__(self):
            super().__init__()
            self.turn = 0
            self.l = nn.ModuleList([nn.ReLU() for _ in range(4)])
        def forward(self, x):
            x = self.l[self.turn](x)
            self.turn = (self.turn + 1) % 4
            return x
    """
    text = model("self.s = Switch()", "return self.s(self.s(x))", before)
    assert not [f for f in findings(text, "QAT101") if f.severity.label != "note"]
    trace = trace_of(text)
    assert [m.switching for m in trace.modules if m.path == "s"] == [True]


def test_methods_that_an_unknown_base_would_call() -> None:
    text = """
    from mmdet.models import AnchorHead

    class Model(AnchorHead):
        def __init__(self, n, **kw):
            self.n = n
            super().__init__(n, **kw)
        def _init_layers(self):
            self.relu = nn.ReLU()
            self.convs = nn.ModuleList()
            for i in range(self.n):
                self.convs.append(nn.Conv2d(8, 8, 1))
        def forward_single(self, x):
            for conv in self.convs:
                x = self.relu(conv(x))
            return x
    """
    trace = trace_of(text)
    assert not trace.has_forward and not trace.complete
    assert executed(trace) == {"relu", "convs.*"}
    assert said(findings(text, "QAT101")) == {("QAT101", "relu")}
    assert not findings(text, "QAT103")


def test_a_dataclass_like_object_holds_its_arguments() -> None:
    before = """
    class Pack:
        act: nn.Module
    """
    text = model(
        "self.relu = nn.ReLU()\nself.p = Pack(act=self.relu)", "return self.p.act(self.relu(x))", before
    )
    check_counts(text, {"relu": "2"})


def test_too_much_work_is_cut_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "\n".join(f"x = self.h{i}(x) + self.h{i}(x)" for i in range(4))
    methods = "".join(
        f"def h{i}(self, x):\n"
        + "".join(f"    x = self.relu(x) + {k} * {k} - x\n" for k in range(10))
        + "    return x\n"
        for i in range(4)
    )
    text = model("self.relu = nn.ReLU()", lines, methods=clean(methods))
    assert trace_of(text).complete
    monkeypatch.setattr(Machine, "step_limit", 400)
    trace = trace_of(text)
    assert not trace.complete
    assert any("too large" in note for note in trace.notes)
    assert 1 < len(trace.calls) < 80


def test_a_module_may_be_called_at_hundreds_of_places() -> None:
    lines = "\n".join(f"if other({k}):\n    x = self.relu(x)\nx = self.relu(x)" for k in range(200))
    text = model("self.relu = nn.ReLU()", lines)
    check_counts(text, {"relu": "200-400"})
    (found,) = findings(text, "QAT101")
    assert found.fix is not None and isinstance(found.fix.intent, CloneModule)
    assert len({site.slot for site in found.fix.intent.sites}) == 400


def test_an_abstract_forward_is_no_forward() -> None:
    text = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()
        def forward(self, x):
            '''Do it.'''
            raise NotImplementedError
    """
    assert not trace_of(text).has_forward
    assert not findings(text)


def test_a_class_of_the_class_is_found_through_self() -> None:
    text = """
    class Model(nn.Module):
        class Inner(nn.Module):
            def __init__(self, act):
                super().__init__()
                self.act = act
            def forward(self, x):
                return self.act(x)
        def __init__(self):
            super().__init__()
            self.act = nn.Sigmoid()
            self.inner = self.Inner(self.act)
        def forward(self, x):
            return self.act(self.inner(x))
    """
    check_counts(text, {"act": "2"})


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("functools.reduce(lambda a, _: self.relu(a), range(3), x)", "3"),
        ("functools.reduce(lambda a, _: self.relu(a), range(3))", "2"),
        ("functools.reduce(lambda a, _: self.relu(a), xs, x)", "many"),
        ("functools.reduce(lambda a, m: m(a), self.acts, x)", "0"),
    ],
)
def test_reduce_calls_once_per_element(forward: str, expected: str) -> None:
    init = RELU + "\nself.acts = nn.ModuleList([nn.ReLU() for _ in range(20)])"
    text = model(init, f"return {forward}", before="import functools")
    check_counts(text, {"relu": expected, "acts.*": "1" if "acts" in forward else "0"})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return f(self, f(self, x))", "2"),
        ("for _ in range(3):\n            x = f(self, x)\n        return x", "3"),
        ("return f(self, x)", "1"),
        ("return x", "1"),
    ],
)
def test_a_decorator_that_runs_a_method_several_times(body: str, expected: str) -> None:
    """One that runs it once or not at all, as far as can be seen, is taken to do nothing."""
    text = f"""
def wrapped(f):
    @functools.wraps(f)
    def g(self, x):
        {body}
    return g

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.Sigmoid()
        self.relu = nn.ReLU()

    @wrapped
    def forward(self, x):
        return self.twice(self.act(x))

    @wrapped
    def twice(self, x):
        return self.relu(x)
"""
    inner = str(int(expected) ** 2)
    check_counts(text, {"act": expected, "relu": inner})
