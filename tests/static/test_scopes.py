"""Dynamic blocks: in which of them a call of a module stands."""

from __future__ import annotations

import pytest

from tests.static.sources import model, module_at, trace_in, trace_of

IMPORT = "from horizon_plugin_pytorch.fx.jit_scheme import Tracer"
WITH = 'with Tracer.dynamic_block(self, "a"):\n    x = self.relu(x)'


def scopes(forward: str, before: str = IMPORT, methods: str = "", init: str = "") -> list[str | None]:
    """Names of the blocks around the calls of `relu`, in order; None where there is none."""
    text = model(f"self.relu = nn.ReLU()\n{init}", forward, before, methods=methods)
    trace = trace_of(text, "Model")
    calls = trace.calls_of(module_at(trace, "relu"))
    return [None if c.scope is None else c.scope.name for c in calls]


@pytest.mark.parametrize(
    ("before", "block"),
    [
        (IMPORT, "Tracer.dynamic_block"),
        ("from horizon_plugin_pytorch.fx.jit_scheme import Tracer as T", "T.dynamic_block"),
        ("from horizon_plugin_pytorch.fx.jit_scheme import dynamic_block", "dynamic_block"),
        ("from horizon_plugin_pytorch.fx.jit_scheme import dynamic_block as block", "block"),
        ("from horizon_plugin_pytorch.fx import jit_scheme", "jit_scheme.Tracer.dynamic_block"),
        ("import horizon_plugin_pytorch.fx.jit_scheme as js", "js.dynamic_block"),
        ("import horizon_plugin_pytorch", "horizon_plugin_pytorch.fx.jit_scheme.Tracer.dynamic_block"),
        (f"{IMPORT}\nblock = Tracer.dynamic_block", "block"),
        (f"try:\n    {IMPORT}\nexcept ImportError:\n    Tracer = None", "Tracer.dynamic_block"),
        (f"try:\n    {IMPORT}\nexcept ImportError:\n    class Tracer:\n        pass", "Tracer.dynamic_block"),
    ],
)
def test_the_block_by_any_name(before: str, block: str) -> None:
    forward = f'with {block}(self, "a"):\n    x = self.relu(x)\nreturn self.relu(x)'
    assert scopes(forward, before) == ["a", None]


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ('self, "a"', "a"),
        ('self, name="a"', "a"),
        ("self", ""),
        ("", ""),
        ('self, f"a{1 + 1}"', "a2"),
        ('self, "a" + flag', "a*"),
        ("self, flag", "*"),
        ("*xs", "*"),
    ],
)
def test_how_a_block_is_named(arguments: str, name: str) -> None:
    assert scopes(f"with Tracer.dynamic_block({arguments}):\n    x = self.relu(x)") == [name]


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("x = self.relu(x)", [None]),
        (f"{WITH}\nx = self.relu(x)", ["a", None]),
        (
            f"{WITH}\n    {WITH.replace(chr(10), chr(10) + '    ').replace('a', 'b', 1)}\n    x = self.relu(x)",
            ["a"] * 3,
        ),
        (
            'with Tracer.dynamic_block(self, "a"):\n    with Tracer.dynamic_block(self, "b"):\n'
            "        x = self.relu(x)\n    x = self.relu(x)\nx = self.relu(x)",
            ["b", "a", None],
        ),
        ('with torch.no_grad(), Tracer.dynamic_block(self, "a"):\n    x = self.relu(x)', ["a"]),
        ("with torch.no_grad():\n    x = self.relu(x)", [None]),
        ('b = Tracer.dynamic_block(self, "a")\nwith b:\n    x = self.relu(x)', ["a"]),
        ('with Tracer.dynamic_block(self, "a") if flag else torch.no_grad():\n    x = self.relu(x)', ["a"]),
        (f"{WITH}\n    return x\nx = self.relu(x)", ["a"]),
        (
            f"if flag:\n    {WITH.replace(chr(10), chr(10) + '    ')}\nelse:\n    x = self.relu(x)",
            ["a", None],
        ),
        ("with Tracer.dynamic_block(self, str(self.relu(x))):\n    pass", [None]),
    ],
)
def test_which_calls_stand_in_it(forward: str, expected: list[str | None]) -> None:
    assert scopes(forward) == expected


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ('for y in xs:\n    with Tracer.dynamic_block(self, "a"):\n        x = self.relu(y)', ["a"]),
        ('with Tracer.dynamic_block(self, "a"):\n    for y in xs:\n        x = self.relu(y)', ["a"]),
        ('with Tracer.dynamic_block(self, "a"):\n    ys = [self.relu(y) for y in xs]', ["a"]),
        (
            'for i in range(2):\n    with Tracer.dynamic_block(self, f"a{i}"):\n        x = self.relu(x)',
            ["a0", "a1"],
        ),
        (
            'for i in range(99):\n    with Tracer.dynamic_block(self, f"a{i}"):\n        x = self.relu(x)',
            ["a*"],
        ),
        (
            'for y in xs:\n    with Tracer.dynamic_block(self, "a"):\n        if flag:\n            continue\n'
            "        x = self.relu(y)\nx = self.relu(x)",
            ["a", None],
        ),
    ],
)
def test_loops_in_and_around_a_block(forward: str, expected: list[str | None]) -> None:
    assert scopes(forward) == expected


def test_what_a_helper_runs_stands_in_the_block_that_calls_it() -> None:
    forward = 'with Tracer.dynamic_block(self, "a"):\n    x = self.step(x)\nreturn self.step(x)'
    plain = "def step(self, x):\n    return self.relu(x)\n"
    assert scopes(forward, methods=plain) == ["a", None]
    inner = 'def step(self, x):\n    with Tracer.dynamic_block(self, "b"):\n        return self.relu(x)\n'
    assert scopes(forward, methods=inner) == ["b", "b"]


def test_a_helper_may_give_the_block() -> None:
    forward = "with self.block():\n    x = self.relu(x)"
    assert scopes(forward, methods='def block(self):\n    return Tracer.dynamic_block(self, "a")\n') == ["a"]


def test_a_block_in_the_forward_of_a_child_is_no_scope_of_the_owner() -> None:
    child = f"""
    {IMPORT}
    class Child(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.act = act
        def forward(self, x):
            with Tracer.dynamic_block(self, "inner"):
                return self.act(x)
    """
    text = model(
        "self.relu = nn.ReLU()\nself.child = Child(self.relu)",
        'with Tracer.dynamic_block(self, "outer"):\n    x = self.child(x)\nreturn self.child(x)',
        child,
    )
    trace = trace_of(text, "Model")
    calls = trace.calls_of(module_at(trace, "relu"))
    assert [c.scope.name if c.scope else None for c in calls] == ["outer", None]


def test_where_the_block_is_written() -> None:
    trace = trace_in(
        {
            "a.py": """
            from torch import nn
            from horizon_plugin_pytorch.fx.jit_scheme import Tracer
            class A(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.relu = nn.ReLU()
                def forward(self, x):
                    with Tracer.dynamic_block(self, "a"):
                        return self.relu(x)
            """
        },
        "a.py",
    )
    (call,) = trace.calls
    assert call.scope is not None
    assert (call.scope.span.path, call.scope.span.line) == ("a.py", 8)
    assert (call.scope.span.column, call.scope.span.end_column) == (14, 45)
