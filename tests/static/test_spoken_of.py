"""Code that knows modules by their names, or is handed them: what it does would not reach a new instance."""

from __future__ import annotations

import pytest

from qatlint.finding import Finding, Safety
from qatlint.static.survey import Survey, topics_of
from tests.static.sources import HEAD, Memory, findings_in

MODEL = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.LeakyReLU(0.2)
        {init}

    def forward(self, x):
        {forward}
        return self.act(self.act(x))
"""
REASON = "would not follow"


def of_block(other: str = "", init: str = "pass", forward: str = "pass", tools: str = "") -> Finding:
    texts = {
        "model.py": HEAD + MODEL.format(init=init, forward=forward) + other,
        "tools.py": HEAD + tools,
    }
    found = [f for f in findings_in(texts, "QAT101") if f.owner.endswith(":Block") and f.subject == "act"]
    (finding,) = found
    return finding


def safety(finding: Finding) -> Safety:
    assert finding.fix is not None
    return finding.fix.safety


PICKED = [
    "net.get_submodule('b.act').negative_slope = 0.7",
    "for n in ['b.act']:\n        net.get_submodule(n).negative_slope = 0.7",
    "for n, m in net.named_modules():\n        if n.endswith('act'):\n            m.negative_slope = 0.7",
    "for n, m in net.named_modules():\n        if n.endswith('.act'):\n            m.negative_slope = 0.7",
    "for n, m in net.b.named_children():\n        if n == 'act':\n            m.negative_slope = 0.7",
    "for n, m in net.named_modules():\n        if n.split('.')[-1] in ('norm', 'act'):\n            m.slope = 1",
    "mods = dict(net.named_modules())\n    mods['b.act'].negative_slope = 0.7",
    "{n: m for n, m in net.named_modules()}['b.act'].negative_slope = 0.7",
    "getattr(net.b, 'act').negative_slope = 0.7",
]
OTHER_NAMES = [
    "net.get_submodule('b.conv').negative_slope = 0.7",
    "for n, m in net.named_modules():\n        if n.endswith('head'):\n            m.bias = None",
    "for n, m in net.named_modules():\n        init(m, nonlinearity='act')",
    "for n, m in net.named_modules():\n        if hasattr(m, 'fuse'):\n            m.fuse('act')",
    "kind = 'act'\n    print(kind)",
]


@pytest.mark.parametrize("use", [u for u in PICKED if "getattr" not in u])
def test_a_module_that_is_picked_by_its_name_is_not_split_safely(use: str) -> None:
    finding = of_block(tools=f"def tune(net):\n    {use}\n")
    assert safety(finding) is Safety.UNSAFE
    assert finding.fix is not None
    assert "picks modules by the name `act`" in finding.fix.reason


@pytest.mark.parametrize("use", OTHER_NAMES)
def test_names_of_other_modules_do_not_matter(use: str) -> None:
    assert safety(of_block(tools=f"def tune(net):\n    {use}\n")) is Safety.SAFE


CHANGER = """
def tune(module, slope=0.7):
    module.negative_slope = slope

def look(module):
    return module.negative_slope

def deeper(first, module):
    tune(module)
"""


@pytest.mark.parametrize(
    "use",
    [
        "tune(net.b.act)",
        "tune(net.b.act, 0.5)",
        "deeper(3, net.b.act)",
        "deeper(3, module=net.b.act)",
        "act = net.b.act\n    act.negative_slope = 0.7",
        "act = getattr(net.b, 'act')\n    act.negative_slope = 0.7",
        "for m in (net.a, net.b.act):\n        m.negative_slope = 0.7",
        "m = net.b.act\n    m.eval()",
    ],
)
def test_a_module_that_a_function_is_handed_and_changes(use: str) -> None:
    finding = of_block(tools=f"{CHANGER}\ndef prepare(net):\n    {use}\n")
    assert safety(finding) is Safety.UNSAFE


@pytest.mark.parametrize("use", ["look(net.b.act)", "tune(net.b.other)", "x = net.b.act\n    y.eval()"])
def test_a_function_that_only_looks_changes_nothing(use: str) -> None:
    assert safety(of_block(tools=f"{CHANGER}\ndef prepare(net):\n    {use}\n")) is Safety.SAFE


def test_a_method_of_the_class_hands_it_to_a_function() -> None:
    method = "\n    def prepare(self):\n        tune(self.act)\n"
    finding = of_block(other=method + CHANGER)
    assert safety(finding) is Safety.UNSAFE
    assert finding.fix is not None
    assert "`tune` changes the `act` that it is given" in finding.fix.reason


def test_the_function_may_be_imported() -> None:
    tools = "from changers import tune\n\ndef prepare(net):\n    tune(net.b.act)\n"
    texts = {
        "model.py": HEAD + MODEL.format(init="pass", forward="pass"),
        "tools.py": tools,
        "changers.py": CHANGER,
    }
    (finding,) = findings_in(texts, "QAT101")
    assert safety(finding) is Safety.UNSAFE


@pytest.mark.parametrize(
    "forward",
    [
        "x = x * len(dir(self))",
        "x = x * len(str(self))",
        "x = x * len(repr(self))",
        "x = x * len(f'{self}')",
        "x = x * len('%s' % self)",
        "x = x * len('{}'.format(self))",
        "x = x * sum(hasattr(self, f'act_{i}') for i in range(9))",
        "x = x * sum(getattr(self, 'act_' + str(i), None) is not None for i in range(9))",
        "x = x * len(self.__dict__['_modules'])",
    ],
)
def test_a_forward_that_reads_names_meets_those_of_new_instances(forward: str) -> None:
    assert safety(of_block(forward=forward)) is Safety.UNSAFE


@pytest.mark.parametrize(
    "forward",
    [
        "x = x * len(str(self.training))",
        "x = x * len(dir(x))",
        "x = x * hasattr(self, 'scale')",
        "x = x * getattr(self, f'gain{1}', 1)",
        "x = x + self.__dict__.get('bias', 0)",
    ],
)
def test_a_forward_that_reads_other_names_meets_none(forward: str) -> None:
    assert safety(of_block(forward=forward)) is Safety.SAFE


DRAWS = [
    "for m in self.modules():\n            m.noise = torch.rand(1)",
    "for m in self.children():\n            nn.init.uniform_(torch.empty(3))",
    "for m in self.modules():\n            if isinstance(m, (nn.Conv2d, nn.LeakyReLU)):\n"
    "                m.noise = torch.rand(1)",
    "self.apply(draw)",
]
NO_DRAWS = [
    "for m in self.modules():\n            if isinstance(m, nn.Conv2d):\n"
    "                nn.init.kaiming_normal_(m.weight)",
    "for m in self.modules():\n            if hasattr(m, 'weight'):\n"
    "                nn.init.normal_(m.weight)",
    "for m in self.modules():\n            m.noise = 0\n        self.start = torch.rand(1)",
    "self.apply(init_weights)",
]
APPLIED = """
def draw(m):
    m.noise = torch.rand(1)

def init_weights(m):
    if isinstance(m, nn.Linear):
        nn.init.trunc_normal_(m.weight)
"""


@pytest.mark.parametrize("init", DRAWS)
def test_a_number_drawn_for_each_module_shifts_those_that_follow(init: str) -> None:
    assert safety(of_block(init=init, other=APPLIED)) is Safety.UNSAFE


@pytest.mark.parametrize("init", NO_DRAWS)
def test_numbers_drawn_for_weights_only_stay_the_same(init: str) -> None:
    assert safety(of_block(init=init, other=APPLIED)) is Safety.SAFE


COUNTING = """
class Scaled(nn.Module):
    def __init__(self, inner, factor):
        super().__init__()
        self.inner = inner
        self.factor = factor

    def forward(self, x):
        return self.inner(x) * {count}
"""


def test_a_parent_that_is_handed_its_child_counts_modules_of_any_class() -> None:
    counting = COUNTING.format(count="len(list(self.modules()))")
    assert safety(of_block(tools=counting)) is Safety.UNSAFE
    counting = COUNTING.format(count="sum(1 for m in self.inner.modules())")
    assert safety(of_block(tools=counting)) is Safety.UNSAFE


def test_a_parent_that_saves_a_state_of_each_module_counts_none() -> None:
    counting = COUNTING.format(count="len([m for m in (1, 2)])")
    counting += "\n    def modes(self):\n        return [(m, m.training) for m in self.inner.modules()]\n"
    assert safety(of_block(tools=counting)) is Safety.SAFE
    own = COUNTING.format(count="len(list(self.modules()))").replace(
        "self.inner = inner", "self.inner = nn.Identity()"
    )
    assert safety(of_block(tools=own)) is Safety.SAFE


def test_what_a_file_has_to_say_of_others_is_known_to_caches() -> None:
    said = topics_of(b"def f(net):\n    tune(net.act)\n    net.get_submodule('act')\n")
    assert {("argument", "act"), ("pick", "")} <= said


def test_who_makes_a_class_is_found_the_same_one_by_one_and_listed() -> None:
    texts = {
        "a.py": b"AB(1)\nx = a.AB(2)\nfooAB(3)\nclass AB(nn.Module): ...\ny = [AB (4), AB(5)]\n",
        "b.py": b"class C(AB):\n    def f(self):\n        return AB(AB(6)), BAB(7), AB\n",
    }
    places = [("a.py", 1), ("a.py", 2), ("a.py", 5), ("b.py", 3), ("b.py", 3)]
    survey = Survey(Memory(texts), list(texts))
    assert survey.makers("AB") == places
    for name in "VWXYZ":  # more than are looked for one by one
        assert not survey.makers(name)
    assert survey.makers("BAB") == [("b.py", 3)]
    assert survey.makers("AB") == places
    survey = Survey(Memory(texts), list(texts))
    for name in "VWXYZ":
        assert not survey.makers(name)
    assert survey.makers("AB") == places
