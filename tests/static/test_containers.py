"""Lists, dicts and containers of modules while the model is built and when it runs."""

from __future__ import annotations

import pytest

from qatlint.trace import Kind, Times
from qatlint.usage import usage
from tests.static.sources import (
    HEAD,
    check_counts,
    clean,
    executed,
    findings,
    findings_in,
    model,
    module_at,
    said,
    times,
    trace_in,
    trace_of,
)

LOOP = "for m in self.l:\n    x = m(x)\nreturn x"
CASES = {
    "a list or another": (
        "self.l = nn.ModuleList([nn.ReLU(), nn.ReLU()] if f else [nn.ReLU()])", LOOP, {"l.*": "1 1 1"}, {"parameters": "f"},
    ),
    "added to a ModuleDict by name": (
        "self.d = nn.ModuleDict()\nself.d.add_module('a', nn.ReLU())\nfor i in range(2):\n"
        "    self.d.add_module('b%d' % i, nn.ReLU())",
        "for m in self.d.values():\n    x = m(x)\nreturn self.d['a'](x)", {"d.a": "2", "d.b0": "1", "d.b1": "1"}, {},
    ),
    "a list or none": ("self.l = nn.ModuleList([nn.ReLU()]) if f else None", LOOP, {"l.*": "1"}, {"parameters": "f"}),
    "no list on any path": ("self.l = None\nself.a = nn.ReLU()", "for m in self.l:\n    x = self.a(m)", {"a": "many"}, {}),
    "long lists chosen by a flag": (
        "a = [nn.ReLU() for _ in range(20)]\nb = [nn.ReLU() for _ in range(30)]\nself.l = a if f else b",
        LOOP, {"l.*": "1 1"}, {"parameters": "f"},
    ),
    "appended under a flag": (
        "l = [nn.ReLU()]\nif f:\n    l.append(nn.ReLU())\nself.l = nn.ModuleList(l)", LOOP, {"l.*": "1 1"}, {"parameters": "f"},
    ),
    "a flag between alternatives in a list": (
        "self.l = nn.ModuleList([nn.ReLU() if f else nn.Sigmoid() for _ in range(20)])", LOOP, {"l.*": "1 1"}, {"parameters": "f"},
    ),
    "a list of a list": ("self.l = nn.ModuleList(list([nn.ReLU(), nn.ReLU()]))", LOOP, {"l.*": "1 1"}, {}),
    "a list of a generator function": (
        "self.l = nn.ModuleList(self.make())", LOOP, {}, {"methods": "def make(self):\n    yield nn.ReLU()\n"},
    ),
    "extended by a comprehension": (
        "self.l = nn.ModuleList()\nself.l.extend([nn.ReLU() for _ in range(20)])", LOOP, {"l.*": "1"}, {},
    ),
    "extended in a long loop": (
        "self.l = nn.ModuleList()\nfor i in range(20):\n    self.l.extend([nn.ReLU(), nn.ReLU()])", LOOP, {"l.*": "1 1"}, {},
    ),
    "extended by one instance in a long loop": (
        "m = nn.ReLU()\nself.l = nn.ModuleList()\nfor i in range(20):\n    self.l.extend([m])", LOOP, {"l.*": "20"}, {},
    ),
    "extended by a repeated list in a long loop": (
        "m = nn.ReLU()\nself.l = nn.ModuleList()\nfor i in range(20):\n    self.l.extend([m] * 30)", LOOP, {"l.*": "600"}, {},
    ),
    "extended by reversed": (
        "a = [nn.ReLU(), nn.ReLU()]\nself.l = nn.ModuleList()\nself.l.extend(reversed(a))", LOOP, {"l.*": "1 1"}, {},
    ),
    "parts of a Sequential that run": (
        "self.l = nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())", "return self.l[1:](self.l[:2](x))", {"l.*": "1 2 1"}, {},
    ),
    "parts of a Sequential that are held": (
        "self.l = nn.Sequential(nn.ReLU(), nn.ReLU())\nself.a = self.l[:1]\nself.b = self.l[1:]",
        "return self.b(self.a(x))", {"l.*": "1 1"}, {},
    ),
    "a Sequential and a part of it": (
        "self.l = nn.Sequential(nn.ReLU(), nn.ReLU())", "return self.l[:1](self.l(x))", {"l": "1", "l.*": "2 1"}, {},
    ),
    "entries one after the other": (
        "self.l = nn.ModuleList([nn.ReLU(), nn.ReLU()])", "l = iter(self.l)\nx = next(l)(x)\nreturn next(l)(x)", {"l.*": "1 1"}, {},
    ),
    "extended by something unknown": ("self.l = nn.ModuleList([nn.ReLU()])\nself.l.extend(f)", LOOP, {"l.*": "1"}, {"parameters": "f"}),
    "inserted in front": (
        "self.l = nn.ModuleList([nn.ReLU()])\nself.l.insert(0, nn.Sigmoid())", "return self.l[0](x)", {"l.*": "1 0"}, {},
    ),
    "popped": ("l = [nn.ReLU(), nn.ReLU()]\nself.a = l.pop()\nself.l = nn.ModuleList(l)", "return self.a(self.l[0](x))", {"a": "1", "l.*": "1"}, {}),
    "a dict of settings": (
        "kinds = {'a': nn.ReLU, 'b': nn.Sigmoid}\nself.a = kinds['a']()\nself.b = kinds.get('b')()\nself.c = kinds.get('c', nn.GELU)()",
        "return self.a(self.b(self.c(x)))", {"a": "1", "b": "1", "c": "1"}, {},
    ),
    "a dict that changes": (
        "d = {}\nd['a'] = nn.ReLU()\nd.update({'b': nn.ReLU()}, c=nn.ReLU())\nself.d = nn.ModuleDict(d.copy())\nself.e = d.pop('a')",
        "return self.d['b'](self.d['c'](self.e(x)))", {"d.a": "1", "d.b": "1", "d.c": "1"}, {},
    ),
    "a dict made of pairs": (
        "self.d = nn.ModuleDict([['a', nn.ReLU()], ('b', nn.ReLU())])", "return self.d['b'](self.d['a'](self.d['a'](x)))",
        {"d.a": "2", "d.b": "1"}, {},
    ),
    "a dict made of another": (
        "self.d = nn.ModuleDict(dict({'a': nn.ReLU()}, b=nn.ReLU()))", "return self.d['b'](self.d['a'](x))", {"d.a": "1", "d.b": "1"}, {},
    ),
    "a dict with unknown entries": (
        "self.d = nn.ModuleDict({'a': nn.ReLU(), **f})", "return self.d['a'](self.d['a'](x))", {"d.a": "2"}, {"parameters": "f"},
    ),
    "a dict updated by something unknown": (
        "self.d = nn.ModuleDict({'a': nn.ReLU()})\nself.d.update(f)", "return self.d['a'](x)", {"d.a": "1"}, {"parameters": "f"},
    ),
    "one entry in a dict": ("self.d = nn.ModuleDict({'a': nn.ReLU()})", "return self.d[flag](x)", {"d.a": "1"}, {}),
    "setdefault": ("d = {'a': nn.ReLU()}\nself.a = d.setdefault('a', None)", "return self.a(x)", {"a": "1"}, {}),
    "stages by number": (
        "self.l = nn.ModuleList([nn.ModuleList([nn.ReLU() for _ in range(20)]) for _ in range(30)])",
        "for i in range(30):\n    for m in self.l[i]:\n        x = m(x)", {"l.*.*": "1"}, {},
    ),
    "an element of each stage": (
        "self.l = nn.ModuleList([nn.ModuleList([nn.ReLU() for _ in range(20)]) for _ in range(30)])",
        "for s in self.l:\n    x = s[0](s[1](x))", {"l.*.*": "1"}, {},
    ),
    "an element of each stage twice": (
        "self.l = nn.ModuleList([nn.ModuleList([nn.ReLU() for _ in range(20)]) for _ in range(30)])",
        "for s in self.l:\n    x = s[0](s[0](x))", {"l.*.*": "2"}, {},
    ),
    "stages that differ": (
        "self.l = nn.ModuleList([nn.ModuleList([nn.ReLU() for _ in range(20)]), nn.ModuleList([nn.ReLU() for _ in range(30)])])",
        "for i in range(2):\n    for m in self.l[i]:\n        x = m(x)", {"l.*.*": "1 1"}, {},
    ),
    "a Sequential of stages": (
        "self.s = nn.Sequential(*[nn.Sequential(nn.ReLU(), nn.ReLU()) for _ in range(20)])", "return self.s(self.s(x))",
        {"s": "2", "s.*": "2", "s.*.*": "2 2"}, {},
    ),
    "a Sequential that grows": (
        "self.s = nn.Sequential()\nfor i in range(20):\n    self.s.add_module(f'b{i}', nn.ReLU())", "return self.s(x)", {"s": "1"}, {},
    ),
    "a Sequential of a tuple": ("l = (nn.ReLU(),)\nl += (nn.ReLU(),)\nself.s = nn.Sequential(*l)", "return self.s(x)", {"s.*": "1 1"}, {}),
    "a Sequential with an optional entry": (
        "self.s = nn.Sequential(nn.ReLU(), nn.Sigmoid() if f else nn.Identity())", "return self.s(self.s[0](x))",
        {"s.*": "2 1 1"}, {"parameters": "f"},
    ),
    "a part of a Sequential": ("self.s = nn.Sequential(nn.ReLU(), nn.ReLU())", "for m in self.s[:1]:\n    x = m(x)", {"s.*": "1 0"}, {}),
    "nested attributes": ("self.s = nn.Sequential(nn.ReLU())\nself.s.extra = nn.ReLU()", "return self.s.extra(self.s(x))", {"s.*": "1", "s.extra": "1"}, {}),
    "a list comprehension with a condition": (
        "self.l = nn.ModuleList([nn.ReLU() for i in range(4) if i % 2])", LOOP, {"l.*": "1 1"}, {},
    ),
    "a comprehension over pairs": (
        "self.l = nn.ModuleList([nn.Conv2d(a, b, 1) for a, b in zip((1, 2, 3), (2, 3, 4))])", LOOP, {"l.*": "1 1 1"}, {},
    ),
    "the values of a dictionary of modules, taken apart": (
        "self.d = nn.ModuleDict({'a': nn.ReLU(), 'b': nn.SiLU()})\nself.p, self.q = self.d.values()",
        "return self.q(self.p(self.q(x)))", {"d.a": "1", "d.b": "2"}, {},
    ),
    "two lists side by side, taken apart": (
        "a, b = zip([nn.ReLU(), nn.SiLU()], [nn.Tanh(), nn.Sigmoid()])\nself.p, self.q = a",
        "return self.q(self.p(self.q(x)))", {"p": "1", "q": "2"}, {},
    ),
    "sums of lists": ("self.l = nn.ModuleList([nn.ReLU()] + list(f))", LOOP, {"l.*": "1"}, {"parameters": "f"}),
    "an instance put into a slice": ("l = [nn.ReLU()]\nl[0:1] = [nn.ReLU()]\nself.l = nn.ModuleList(l)", LOOP, {}, {}),
    "a list position that does not exist": ("l = [nn.ReLU()]\nl[4] = nn.ReLU()\nself.l = nn.ModuleList(l)", LOOP, {}, {}),
    "a list position that is not known": ("l = [nn.ReLU()]\nl[f] = nn.ReLU()\nself.l = nn.ModuleList(l)", LOOP, {}, {"parameters": "f"}),
    "a list of flags": (
        "self.relu = nn.ReLU()\nself.flags = [True, False, True]",
        "for g in self.flags:\n    if g:\n        x = self.relu(x)", {"relu": "2"}, {},
    ),
    "numbers out of a list": ("self.relu = nn.ReLU()\nself.ns = (2, 3)", "for i in range(self.ns[1]):\n    x = self.relu(x)", {"relu": "3"}, {}),
    "a default list": (
        "self.l = nn.ModuleList([nn.Conv2d(c, c, 1) for c in cs])", LOOP, {"l.*": "1"}, {"parameters": "cs=(1, 2, 3)"},
    ),
    "a constant of the file": ("self.relu = nn.ReLU()", "for i in range(N):\n    x = self.relu(x)", {"relu": "5"}, {"before": "N = 5"}),
    "an attribute of the class": (
        "self.relu = nn.ReLU()", "for i in range(self.N):\n    x = self.relu(x)", {"relu": "5"}, {"methods": "N = 5\nM: int = 3\n"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("init", "forward", "expected", "more"), CASES.values(), ids=list(CASES))
def test_container(init: str, forward: str, expected: dict[str, str], more: dict[str, str]) -> None:
    check_counts(model(init, forward, **more), expected)


@pytest.mark.parametrize("kind", ["items", "keys", "values"])
def test_a_loop_over_something_handed_in(kind: str) -> None:
    head, call = {"items": ("k, m", "m(x)"), "keys": ("k", "self.d[k](x)"), "values": ("m", "m(x)")}[kind]
    text = model(
        "self.d = d\nself.relu = nn.ReLU()",
        f"for {head} in self.d.{kind}():\n    x = self.relu({call})",
        parameters="d",
    )
    assert times(trace_of(text), "relu") == (0, None)


@pytest.mark.parametrize(
    ("init", "parameters", "buffers"),
    [
        ("self.w = nn.Parameter(torch.zeros(1))", True, False),
        ("self.register_parameter('w', nn.Parameter(torch.zeros(1)))", True, False),
        ("self.register_buffer('b', torch.zeros(1))", False, True),
        ("self.register_buffer('b', None)", False, True),
        ("self.a = nn.Conv2d(8, 8, 1)", True, False),
        ("self.a = nn.BatchNorm2d(8)", True, True),
        ("self.a = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(8, 8)))", True, False),
        ("self.a = nn.ModuleDict({'a': nn.ReLU()})", False, False),
        ("self.a = other()", None, None),
        ("self.a = nn.ReLU()", False, False),
    ],
)
def test_what_a_class_of_the_project_holds(init: str, parameters: bool | None, buffers: bool | None) -> None:
    block = (
        "from elsewhere import other\nclass Block(nn.Module):\n    def __init__(self):\n"
        f"        super().__init__()\n        {init}\n    def forward(self, x):\n        return x * 2\n"
    )
    trace = trace_of(model("self.block = Block()", "return self.block(self.block(x))", block))
    module = module_at(trace, "block")
    assert (module.kind, module.class_name) == (Kind.PROJECT, "model:Block")
    if parameters is not True:
        assert (module.parameters, module.buffers) == (parameters, buffers)
    else:
        assert module.parameters and (module.buffers is None or module.buffers is buffers)


def test_a_class_derived_from_a_known_one_is_of_its_kind() -> None:
    text = model("self.a = Act()", "return self.a(self.a(x))", before="class Act(nn.Sigmoid):\n    pass")
    assert module_at(trace_of(text), "a").kind is Kind.LUT_ACTIVATION


BLOCKS = """
from torch import nn

class Block(nn.Module):
    def __init__(self, act=None):
        super().__init__()
        self.act = act
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.conv(self.act(x))

class List(nn.ModuleList):
    pass

def Make(n):
    return Block(n)

Alias = nn.Sequential
"""


@pytest.mark.parametrize(
    ("init", "forward", "expected"),
    [
        (
            "self.act = nn.ReLU()\nself.b = Block(self.act)",
            "return self.b(self.act(x))",
            {"act": (2, 2), "b": (1, 1)},
        ),
        ("self.b = Block()", "return self.b(self.b(x))", {"b": (2, 2)}),
        ("self.b = Make(1)", "return self.b(self.b(x))", {"b": (2, 2)}),
        ("self.s = Alias(nn.ReLU(), nn.ReLU())", "return self.s(self.s(x))", {"s": (2, 2)}),
        ("self.b = Missing()", "return self.b(self.b(x))", {"b": (2, 2)}),
        ("self.l = List([nn.ReLU()])", "return self.l[0](self.l[0](x))", {"l.*": (2, 2)}),
        ("m = nn.ReLU()\nself.l = nn.ModuleList([Block(m) for _ in range(3)])", LOOP, {"l.*.act": (3, 3)}),
        ("self.b = blocks.Block()", "return self.b(self.b(x))", {"b": (2, 2)}),
    ],
)
def test_classes_of_another_file(init: str, forward: str, expected: dict[str, tuple[int, int]]) -> None:
    text = (
        "import blocks\nfrom blocks import Alias, Block, List, Make, Missing\n" + HEAD + model(init, forward)
    )
    trace = trace_in({"blocks.py": BLOCKS, "model.py": text}, "model.py", "Model")
    assert {path: times(trace, path) for path in expected} == expected


def test_a_class_that_makes_itself_is_cut() -> None:
    before = """
    class Tree(nn.Module):
        def __init__(self, depth=3):
            super().__init__()
            self.left = Tree(depth - 1)
            self.act = nn.ReLU()
        def forward(self, x):
            return self.act(self.left(x))
    """
    trace = trace_of(model("self.t = Tree()", "return self.t.left.left.act(self.t(self.t(x)))", before))
    assert "t" in executed(trace)
    assert not findings(clean(before))


def test_an_object_made_in_forward_is_none_of_ours() -> None:
    trace = trace_of(model("self.a = nn.ReLU()", "m = nn.Sigmoid()\nreturn m(m(self.a(x)))"))
    assert executed(trace) == {"a"}


def test_modules_handed_to_code_that_is_not_read_are_not_called_unused() -> None:
    text = model(
        "self.a = nn.Conv2d(8, 8, 1)\nself.h = Holder(self.a)",
        "return self.h(x)",
        before="from elsewhere import Holder",
    )
    assert not said(findings(text, "QAT103"))


def test_a_module_read_in_forward_is_not_called_unused() -> None:
    text = model("self.a = nn.Conv2d(8, 8, 1)", "return x * self.a.weight")
    assert not findings(text, "QAT103")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("model.a.weight", set()),
        ("'a'", {("QAT103", "a")}),
        ("# nothing", {("QAT103", "a")}),
    ],
)
def test_a_module_used_through_another_object_is_not_called_unused(
    text: str, found: set[tuple[str, str]]
) -> None:
    source = model("self.a = nn.Conv2d(8, 8, 1)", "return x") + f"\n\ndef build(model):\n    return {text}\n"
    assert said(findings(source, "QAT103")) == found


def test_a_loss_is_not_called_unused() -> None:
    text = model("self.loss = nn.MSELoss()\nself.loss_cls = build(cfg)", "return x", parameters="cfg")
    assert not findings(text, "QAT103")


def test_a_family_of_grafts_over_two_lists() -> None:
    files = {
        "m.py": HEAD
        + clean(
            """
            class Block(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.conv = nn.Conv2d(8, 8, 1)
                def forward(self, x):
                    return self.conv(x)
            """
        )
        + model(
            "self.a = nn.ModuleList([Block() for _ in range(20)])\nfor b in self.a[1:]:\n    b.conv = self.a[0].conv",
            "for b in self.a:\n    x = b(x)",
        )
    }
    assert ("QAT102", "a.*.conv") in said(findings_in(files, "QAT102"))


@pytest.mark.parametrize(
    ("forward", "attend", "rest"),
    [
        ("x = self.l[0](x)\nif self.f:\n    x = self.l[1](x)\nreturn self.l[-1](x)", "1", "1"),
        ("x = self.l[1](x)\nreturn self.l[-1](x)", "1", "1-2"),
        ("x = self.l[2](x)\nreturn self.l[-2](x)", "1", "1"),
    ],
)
def test_positions_in_a_list_with_an_entry_under_a_flag(forward: str, attend: str, rest: str) -> None:
    text = model(
        "self.f = f\nself.l = nn.ModuleList()\nself.l.append(nn.Sigmoid())\nif f:\n"
        "    self.l.append(nn.Tanh())\nself.l.append(nn.ReLU())",
        forward,
        parameters="f",
    )
    trace = trace_of(text)
    found = {m.class_name: str(usage(trace, m).times) for m in trace.modules}
    assert (found["torch.nn.Tanh"], found["torch.nn.ReLU"]) == (attend, rest)


def test_what_a_sequential_is_given_is_no_function() -> None:
    """The position embedding behind a backbone: torch refuses what is no module."""
    text = """
    class Joiner(nn.Sequential):
        def __init__(self, backbone, position):
            super().__init__(backbone, position)
        def forward(self, x):
            return [self[1](y) for y in self[0](x)]
    """
    (found,) = findings(text, "QAT101")
    assert (found.severity.label, found.subject) == ("warning", "1")
    assert "`self[1]` (class unknown) runs" in found.message
    (found,) = findings(text.replace("[self[1](y) for y in self[0](x)]", "self[1](self[1](x))"), "QAT101")
    assert found.no_fix == "`self[1]` is called by its position: split it by hand"


def test_what_is_given_on_some_path_only_may_be_a_function() -> None:
    text = model(
        "if f:\n    self.body = nn.Sequential(act)\nself.act = act",
        "return self.act(self.act(x))",
        "",
        "act, f",
    )
    (found,) = findings(text, "QAT101")
    assert found.severity.label == "note"


def test_add_module_after_the_constructor_of_a_sequential() -> None:
    text = """
    class Mlp(nn.Sequential):
        def __init__(self):
            act = nn.SiLU()
            super().__init__(nn.Linear(4, 4), act, nn.Linear(4, 4), act)
            self.add_module("tail", act)
    """
    (found,) = findings(text, "QAT102")
    assert "are one instance (SiLU)" in found.message
    single = text.replace("act, nn.Linear(4, 4), act)", "nn.Linear(4, 4))")
    assert not findings(single, "QAT102")


def test_add_module_gives_an_entry_of_a_sequential_one_name() -> None:
    text = model(
        "pool = nn.AvgPool2d(2)\nself.q = nn.Sequential()\nself.q.add_module('pool', pool)",
        "return self.q(x)",
    )
    assert not findings(text, "QAT102")


def test_containers_that_are_put_together_and_taken_apart() -> None:
    trace = trace_of(
        model(
            """
            self.both = nn.ModuleList([nn.ReLU()]) + nn.ModuleList([nn.Tanh(), nn.SiLU()])
            self.two = nn.Sequential(nn.ReLU()) + nn.Sequential(nn.Tanh())
            self.cut = nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.SiLU()])
            del self.cut[0]
            self.part = nn.ModuleList([nn.ReLU(), nn.Tanh(), nn.SiLU()])[1:]
            self.put = nn.ModuleList([nn.ReLU(), nn.Tanh()])
            self.put.insert(1, nn.SiLU())
            self.popped = nn.ModuleList([nn.ReLU(), nn.Tanh()])
            self.popped.pop(0)
            self.named = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
            del self.named["a"]
            """,
            """
            for layer in (*self.both, *self.cut, *self.part, *self.put, *self.popped):
                x = layer(x)
            return self.named["b"](self.two(x))
            """,
        )
    )
    kept = {
        "both": "ReLU Tanh SiLU",
        "two": "ReLU Tanh",
        "cut": "Tanh SiLU",
        "part": "Tanh SiLU",
        "put": "ReLU SiLU Tanh",
        "popped": "Tanh",
    }
    found: dict[str, str] = {}
    for module in trace.modules:
        name, dot, _ = module.path.partition(".")
        if dot:
            found[name] = f"{found.get(name, '')} {module.class_name.rpartition('.')[2]}".strip()
    assert found == {**kept, "named": "Tanh"}


def test_an_entry_that_may_be_deleted_may_be_there() -> None:
    trace = trace_of(
        model(
            "self.layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])\nif flag:\n    del self.layers[1]",
            "for layer in self.layers:\n    x = layer(x)\nreturn x",
            parameters="flag",
        )
    )
    assert [m.class_name for m in trace.modules if trace.calls_of(m)] == ["torch.nn.ReLU", "torch.nn.Tanh"]


@pytest.mark.parametrize(
    ("parameters", "made"),
    [("", "act = build_activation(cfg)"), ("act", ""), ("act=nn.ReLU()", "")],
)
def test_an_unknown_entry_of_a_sequential_is_a_module_that_runs_with_it(parameters: str, made: str) -> None:
    init = f"{made}\nself.act = act\nself.layers = nn.Sequential(nn.Conv2d(8, 8, 1), act)"
    trace = trace_of(model(init, "return self.act(self.layers(x))", parameters=parameters), "Model")
    assert times(trace, "act") == (2, 2)
    assert module_at(trace, "act").certain


def test_unknown_entries_that_are_made_anew_run_once_each() -> None:
    init = """
        layers = []
        for _ in range(n):
            layers += [nn.Conv2d(8, 8, 1), build_activation(cfg), act_layer()]
        self.layers = nn.Sequential(*layers)
    """
    assert findings(model(init, "return self.layers(x)", parameters="n, act_layer")) == []


def test_an_unknown_entry_several_times_is_one_instance() -> None:
    init = """
        act = build_activation(cfg)
        self.layers = nn.Sequential(nn.Conv2d(8, 8, 1), act, nn.Conv2d(8, 8, 1), act)
    """
    (finding,) = findings(model(init, "return self.layers(x)"), "QAT101", "QAT102")
    assert (finding.code, finding.times) == ("QAT102", Times(2, 2))


def test_what_is_handed_in_and_stands_several_times_in_a_sequential() -> None:
    init = "self.layers = nn.Sequential(nn.Conv2d(8, 8, 1), act, nn.Conv2d(8, 8, 1), act)"
    (finding,) = findings(model(init, "return self.layers(x)", parameters="act"), "QAT101", "QAT102")
    assert (finding.code, finding.times) == ("QAT102", Times(2, 2))
    # Once in each of two containers that both run, under names of their own.
    init = "self.a = nn.Sequential(act)\nself.b = nn.Sequential(act)"
    (finding,) = findings(model(init, "return self.b(self.a(x))", parameters="act"), "QAT101", "QAT102")
    assert (finding.code, finding.times) == ("QAT102", Times(2, 2))
