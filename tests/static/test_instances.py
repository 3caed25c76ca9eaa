"""Instances and their names: what is one module, and what is another one."""

from __future__ import annotations

import pytest

from qatlint.finding import Severity
from qatlint.trace import Module, Times
from qatlint.usage import usage
from tests.static.sources import (
    HEAD,
    clean,
    counted,
    findings,
    model,
    module_at,
    paths,
    said,
    times,
    trace_of,
)


def names_of(module: Module) -> list[tuple[str, int | None]]:
    return [(n.path, n.repeated) for n in module.names]


@pytest.mark.parametrize(
    ("init", "names"),
    [
        ("self.a = self.b = nn.ReLU()", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nself.b = self.a", [("a", 1), ("b", 1)]),
        ("m = nn.ReLU()\nself.a, self.b = m, m", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nself.l = nn.ModuleList([self.a])", [("a", 1), ("l.*", 1)]),
        ("self.a = nn.ReLU()\nself.d = nn.ModuleDict({'k': self.a})", [("a", 1), ("d.k", 1)]),
        ("self.a = nn.ReLU()\nself.add_module('b', self.a)", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nself.register_module(name='b', module=self.a)", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nsetattr(self, 'b', self.a)", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nself._modules['b'] = self.a", [("a", 1), ("b", 1)]),
        ("self.a = (b := nn.ReLU())\nself.b = b", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nself.b = self.a.to('cpu').eval()", [("a", 1), ("b", 1)]),
        ("self.a = nn.utils.weight_norm(nn.ReLU())\nself.b = self.a", [("a", 1), ("b", 1)]),
        ("self.a = nn.ReLU()\nself.s = nn.Sequential(self.a, self.a)", [("a", 1), ("s.*", 1), ("s.*", 1)]),
    ],
)
def test_one_instance_under_several_names(init: str, names: list[tuple[str, int | None]]) -> None:
    trace = trace_of(model(init, "return self.a(x)"))
    assert names_of(module_at(trace, "a")) == names


@pytest.mark.parametrize(
    ("init", "repeated"),
    [
        ("self.l = nn.ModuleList([nn.ReLU()] * 20)", 20),
        ("m = nn.ReLU()\nself.l = nn.ModuleList([m for _ in range(20)])", 20),
        ("self.l = nn.ModuleList([nn.ReLU()] * n)", None),
        ("m = nn.ReLU()\nself.l = nn.ModuleList()\nfor i in range(30):\n    self.l.append(m)", 30),
        ("m = nn.ReLU()\nself.l = nn.ModuleList(m for _ in range(n))", None),
    ],
)
def test_one_instance_repeated_in_a_list(init: str, repeated: int | None) -> None:
    trace = trace_of(model(init, "for m in self.l:\n    x = m(x)", parameters="n"))
    (name,) = module_at(trace, "l.*").names
    assert name.repeated == repeated


@pytest.mark.parametrize(
    "init",
    [
        "self.l = nn.ModuleList([nn.ReLU()] * 3)",
        "m = nn.ReLU()\nself.l = nn.ModuleList([m for _ in range(3)])",
        "m = nn.ReLU()\nself.l = nn.ModuleList()\nfor _ in range(3):\n    self.l.append(m)",
        "m = nn.ReLU()\nself.l = nn.ModuleList()\nself.l.extend([m, m, m])",
        "m = nn.ReLU()\nself.l = nn.ModuleList([m])\nself.l.insert(0, m)\nself.l.insert(1, m)",
        "m = nn.ReLU()\nself.l = [m] * 3",
        "m = nn.ReLU()\nself.l = [m, m] + [m]",
        "m = nn.ReLU()\nself.l = tuple([m, m, m])",
    ],
)
def test_one_instance_in_a_short_list_runs_once_per_position(init: str) -> None:
    trace = trace_of(model(init, "for m in self.l:\n    x = m(x)"))
    assert times(trace, "l.*") == (3, 3)


@pytest.mark.parametrize(
    "init",
    [
        "self.l = nn.ModuleList([nn.ReLU() for _ in range(3)])",
        "self.l = nn.ModuleList(nn.ReLU() for _ in range(3))",
        "self.l = nn.ModuleList([copy.deepcopy(m) for m in [nn.ReLU()] * 3])",
        "m = nn.ReLU()\nself.l = nn.ModuleList([m, copy.deepcopy(m), copy.copy(m)])",
        "m = nn.ReLU()\nself.l = nn.ModuleList()\nfor _ in range(3):\n    self.l.append(copy.deepcopy(m))",
        "make = functools.partial(nn.ReLU, inplace=True)\nself.l = nn.ModuleList([make() for _ in range(3)])",
        "make = lambda: nn.ReLU()\nself.l = nn.ModuleList([make() for _ in range(3)])",
        "kinds = dict(a=nn.ReLU, b=nn.ReLU, c=nn.ReLU)\nself.l = nn.ModuleList([k() for k in kinds.values()])",
        "self.l = nn.ModuleList([nn.ReLU() if i else nn.ReLU() for i in range(3)])",
        "self.l = nn.ModuleList([getattr(nn, 'ReLU')() for i in range(3)])",
        "m = nn.ReLU()\nl = [m, m, m]\nfor i in range(3):\n    l[i] = nn.ReLU()\nself.l = nn.ModuleList(l)",
    ],
)
def test_several_instances_in_a_list_run_once_each(init: str) -> None:
    trace = trace_of(model(init, "for m in self.l:\n    x = m(x)"))
    assert counted(trace, "l.*") == "1 1 1"
    assert not findings(model(init, "for m in self.l:\n    x = m(x)"), "QAT101", "QAT102")


def test_a_deep_copy_copies_the_insides() -> None:
    init = """
    self.a = nn.Sequential(nn.ReLU(), nn.ModuleDict({'k': nn.ReLU()}))
    self.b = copy.deepcopy(self.a)
    """
    trace = trace_of(model(init, "return self.b(self.a(x))"))
    assert counted(trace, "a.*") == counted(trace, "b.*") == "1 1"


def test_a_deep_copy_keeps_inner_sharing() -> None:
    init = """
    m = nn.ReLU()
    self.a = nn.ModuleList([m, m])
    self.b = copy.deepcopy(self.a)
    """
    trace = trace_of(model(init, "for m in self.b:\n    x = m(x)"))
    assert times(trace, "b.*") == (2, 2)


def test_a_deep_copied_project_module_is_another_one() -> None:
    before = """
    class Block(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.act = act
        def forward(self, x):
            return self.act(x)
    """
    init = "self.act = nn.ReLU()\nself.a = Block(self.act)\nself.b = copy.deepcopy(self.a)"
    trace = trace_of(model(init, "return self.b(self.a(x))", before))
    assert times(trace, "act") == (1, 1)


def test_grafted_parts_are_shared() -> None:
    before = """
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)
        def forward(self, x):
            return self.conv(x)
    """
    init = """
    self.l = nn.ModuleList([Block() for _ in range(20)])
    for i in range(1, 20):
        self.l[i].conv = self.l[0].conv
    """
    found = findings(model(init, "for m in self.l:\n    x = m(x)", before), "QAT102")
    assert said(found) == {("QAT102", "l.*.conv")}


def test_an_instance_at_class_level_is_one_for_all() -> None:
    text = """
    class Model(nn.Module):
        act = nn.ReLU()
        def forward(self, x):
            return self.act(x)
    """
    module = module_at(trace_of(text), "act")
    assert module.origin == "class-level"
    assert said(findings(text, "QAT102")) == {("QAT102", "act")}


def test_an_instance_in_a_default_argument_is_one_for_all() -> None:
    text = model("self.act = act", "return self.act(x)", parameters="act=nn.ReLU()")
    assert module_at(trace_of(text), "act").origin == "default-argument"
    assert said(findings(text, "QAT102")) == {("QAT102", "act")}


def test_an_instance_at_module_level_is_one_for_all_its_users() -> None:
    text = model("self.a = ACT\nself.b = ACT", "return self.b(self.a(x))", before="ACT = nn.ReLU()")
    assert times(trace_of(text), "a") == (2, 2)


def test_an_instance_handed_in_is_a_parameter() -> None:
    module = module_at(trace_of(model("self.act = act", "return self.act(x)", parameters="act")), "act")
    assert (module.origin, module.certain, module.class_name) == ("parameter", False, "")


@pytest.mark.parametrize("annotation", ["nn.Module", "Optional[nn.Module]", "'torch.nn.Module'"])
def test_an_annotation_says_that_it_is_a_module(annotation: str) -> None:
    text = model("self.act = act", "return self.act(x)", parameters=f"act: {annotation}")
    assert module_at(trace_of(text), "act").certain


@pytest.mark.parametrize("parameter", ["act=torch.relu", "act=torch.nn.functional.relu"])
def test_a_default_function_is_no_module(parameter: str) -> None:
    text = model("self.act = act", "return self.act(self.act(x))", parameters=parameter)
    assert not findings(text, "QAT101")


def test_something_built_by_a_registry_is_a_module_of_unknown_class() -> None:
    text = model(
        "self.a = build_layer(cfg)\nself.b = MODELS.build(cfg)\nself.c = build_norm(cfg, 8)[1]",
        "return self.c(self.b(self.a(self.a(x))))",
        before="from other import MODELS, build_layer, build_norm",
        parameters="cfg",
    )
    trace = trace_of(text)
    assert [(m.path, m.certain, m.class_name) for m in trace.modules] == [
        ("a", True, ""),
        ("b", True, ""),
        ("c", True, ""),
    ]
    assert times(trace, "a") == (2, 2)


def test_a_deleted_attribute_is_gone() -> None:
    trace = trace_of(model("self.a = nn.ReLU()\nself.b = nn.ReLU()\ndel self.a", "return self.b(x)"))
    assert paths(trace) == ["b"]


def test_a_replaced_attribute_is_the_new_one() -> None:
    trace = trace_of(model("self.a = nn.ReLU()\nself.a = nn.Sigmoid()", "return self.a(x)"))
    assert [m.class_name for m in trace.modules] == ["torch.nn.Sigmoid"]


def test_a_list_position_that_is_replaced_is_the_new_one() -> None:
    init = "l = [nn.ReLU(), nn.ReLU()]\nl[0] = nn.Sigmoid()\nself.s = nn.Sequential(*l)"
    trace = trace_of(model(init, "return self.s(x)"))
    assert [m.class_name for m in trace.modules if m.path == "s.*"] == ["torch.nn.Sigmoid", "torch.nn.ReLU"]


@pytest.mark.parametrize(
    ("change", "classes"),
    [
        ("l.pop()", ["ReLU", "Tanh"]),
        ("l.pop(0)", ["Tanh", "Sigmoid"]),
        ("l.reverse()", ["Sigmoid", "Tanh", "ReLU"]),
        ("l = l[1:]", ["Tanh", "Sigmoid"]),
        ("l = l.copy()", ["ReLU", "Tanh", "Sigmoid"]),
        ("l = list(reversed(l))", ["Sigmoid", "Tanh", "ReLU"]),
        ("l.clear()", []),
        ("l.insert(0, nn.GELU())", ["GELU", "ReLU", "Tanh", "Sigmoid"]),
        ("l = [m for m in l if m is not None]", ["ReLU", "Tanh", "Sigmoid"]),
        ("l += (nn.GELU(),)", ["ReLU", "Tanh", "Sigmoid", "GELU"]),
    ],
)
def test_lists_change_before_they_become_a_container(change: str, classes: list[str]) -> None:
    init = f"l = [nn.ReLU(), nn.Tanh(), nn.Sigmoid()]\n{change}\nself.s = nn.Sequential(*l)"
    trace = trace_of(model(init, "return self.s(x)"))
    assert [m.class_name.rpartition(".")[2] for m in trace.modules if m.path == "s.*"] == classes


@pytest.mark.parametrize(
    "entries",
    [
        "OrderedDict([('a', nn.ReLU()), ('b', nn.Tanh())])",
        "OrderedDict(a=nn.ReLU(), b=nn.Tanh())",
        "OrderedDict({'a': nn.ReLU(), 'b': nn.Tanh()})",
    ],
)
def test_named_entries_of_a_sequential(entries: str) -> None:
    text = model(
        f"self.s = nn.Sequential({entries})",
        "return self.s(x)",
        before="from collections import OrderedDict",
    )
    trace = trace_of(text)
    ran = {m.class_name.rpartition(".")[2]: str(usage(trace, m).times) for m in trace.modules}
    assert ran == {"Sequential": "1", "ReLU": "1", "Tanh": "1"}


def test_entries_of_a_module_dict() -> None:
    init = """
    self.d = nn.ModuleDict({'a': nn.ReLU(), **{'b': nn.ReLU()}})
    self.d['c'] = nn.ReLU()
    self.d.update({'d': nn.ReLU()})
    """
    trace = trace_of(model(init, "x = self.d['a'](self.d['c'](x))\nreturn self.d['a'](self.d['d'](x))"))
    assert {p: counted(trace, p) for p in paths(trace) if p != "d"} == {
        "d.a": "2",
        "d.b": "0",
        "d.c": "1",
        "d.d": "1",
    }


def test_a_class_that_is_a_sequential() -> None:
    text = """
    class Model(nn.Sequential):
        def __init__(self):
            act = nn.ReLU()
            super().__init__(nn.Conv2d(8, 8, 1), act, nn.Conv2d(8, 8, 1), act)
    """
    assert ("QAT102", "1") in said(findings(text)) or ("QAT101", "1") in said(findings(text))


def test_a_class_that_is_a_sequential_with_a_forward() -> None:
    text = """
    class Model(nn.Sequential):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
            self.add_module('conv', nn.Conv2d(8, 8, 1))
        def forward(self, x):
            return self.act(super().forward(x))
    """
    trace = trace_of(text)
    assert times(trace, "act") == (2, 2)
    assert times(trace, "conv") == (1, 1)


def test_two_names_of_what_runs_once_are_a_note_without_scales() -> None:
    text = model(
        "self.norm = nn.BatchNorm2d(8)\nself.down = nn.Sequential(nn.Conv2d(8, 8, 1), self.norm)",
        "return self.down(x)",
    )
    (found,) = findings(text, "QAT102")
    assert found.severity is Severity.NOTE
    assert "it runs once, so scales are not affected, but checkpoints hold its tensors" in found.message
    assert found.fix is None
    twice = findings(text.replace("return self.down(x)", "return self.down(self.norm(x))"), "QAT102")
    assert [f.severity for f in twice] == [Severity.WARNING]


def test_a_name_that_several_modules_take_is_not_separated() -> None:
    text = model(
        "if kind == 'batch':\n    self.norm = nn.BatchNorm2d(8)\nelse:\n    self.norm = nn.ReLU()\n"
        "self.down = nn.Sequential(nn.Conv2d(8, 8, 1), self.norm)",
        "return self.down(self.norm(x))",
        parameters="kind",
    )
    (found,) = findings(text, "QAT102")
    assert "another module takes its place" in found.no_fix


def test_one_instance_put_in_a_container_in_a_loop_runs_as_often() -> None:
    text = model(
        "layers = []\nact = nn.ReLU()\nfor _ in range(20):\n    layers += [nn.Linear(8, 8), act]\n"
        "self.s = nn.Sequential(*layers)",
        "return self.s(x)",
    )
    (found,) = findings(text, "QAT102")
    assert (found.severity, found.times) == (Severity.WARNING, Times(20, 20))


@pytest.mark.parametrize(("made", "keys"), [("nn.ReLU()", False), ("nn.Conv2d(8, 8, 1)", True)])
def test_only_what_holds_tensors_misses_keys_when_it_is_unused(made: str, keys: bool) -> None:
    (found,) = findings(model(f"self.rest = {made}", "return x"), "QAT103")
    assert ("checkpoints miss its keys" in found.message) is keys


@pytest.mark.parametrize("made", ["nn.ModuleList()", "nn.ModuleDict()", "nn.Sequential()"])
def test_an_empty_container_that_is_unused_is_nothing_to_say(made: str) -> None:
    assert findings(model(f"self.rest = {made}", "return x"), "QAT103") == []


def test_entries_of_a_list_had_their_keys_before() -> None:
    text = model("conv = nn.Conv2d(4, 4, 1)\nself.convs = nn.ModuleList([conv, conv])", RUN_ALL)
    (found,) = findings(text, "QAT102")
    assert found.fix is not None
    assert "gains keys" not in found.fix.reason


RUN_ALL = "for conv in self.convs:\n    x = conv(x)\nreturn x"
LATER = """
class Decoder(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.n = n
        self.head = None
        self.rest = None
    def forward(self, x):
        for i in range(self.n):
            if self.head is not None:
                x = self.head(x)
            if self.rest is not None:
                x = self.rest(x)
        return x

class Detector(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.decoder = Decoder(n)
        self.head = nn.Linear(8, 8)
        self.decoder.head = self.head
    def forward(self, x):
        return self.decoder(x)
"""


def test_what_another_object_sets_later_is_executed() -> None:
    """`rest` stays None: nothing sets it."""
    (found,) = [f for f in findings(LATER, "QAT101") if f.owner.endswith(":Decoder")]
    assert (found.subject, found.on.value) == ("head", "some-path")
    assert "class unknown" in found.message


def test_a_name_stands_where_its_own_module_is_made() -> None:
    """Each of the classes that the configuration picks has its own place."""
    text = model(
        "if k == 1:\n    self.norm = nn.GroupNorm(4, 8)\nelif k == 2:\n    self.norm = nn.BatchNorm2d(8)\n"
        "else:\n    self.norm = nn.Sequential()\nself.down = nn.Sequential(nn.Conv2d(8, 8, 1), self.norm)",
        "return self.down(x)",
        parameters="k",
    )
    lines = (HEAD + clean(text)).splitlines()
    places = {
        m.class_name: lines[m.definition.line - 1].strip() for m in trace_of(text).modules if m.path == "norm"
    }
    assert places == {
        "torch.nn.GroupNorm": "self.norm = nn.GroupNorm(4, 8)",
        "torch.nn.BatchNorm2d": "self.norm = nn.BatchNorm2d(8)",
        "torch.nn.Sequential": "self.norm = nn.Sequential()",
    }


UNITS = """
class Unit(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = act
    def forward(self, x):
        return self.act(self.act(x))

class Fusion(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.a = Unit(act)
        self.b = Unit(act)
    def forward(self, x):
        return self.b(x)

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.fusion = Fusion(nn.ReLU())
        del self.fusion.a
    def forward(self, x):
        return self.fusion(x)
"""


def test_a_child_that_was_deleted_is_not_named() -> None:
    (found,) = [f for f in findings(UNITS, "QAT101") if f.owner.endswith(":Head")]
    assert found.subject == "fusion.b.act"
