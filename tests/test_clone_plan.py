"""Which shared modules get a fix, how safe it is, and why others get none."""

from __future__ import annotations

import pytest

from qatlint.finding import CloneModule, Finding, Safety
from tests.static.sources import findings, findings_in, model


def shared(init: str, forward: str, **more: str) -> Finding:
    """The only QAT101 finding of a model."""
    (found,) = findings(model(init, forward, **more), "QAT101")
    return found


def intent(found: Finding) -> CloneModule:
    assert found.fix is not None
    assert isinstance(found.fix.intent, CloneModule)
    return found.fix.intent


def test_straight_calls_get_an_instance_each() -> None:
    plan = intent(shared("self.act = nn.ReLU()", "x = self.act(x)\nx = self.act(x)\nreturn self.act(x)"))
    assert [(s.slot, s.loops) for s in plan.sites] == [(0, ()), (1, ()), (2, ())]
    assert (plan.owner, plan.attribute, plan.tied) == ("Model", "act", False)


def test_calls_in_exclusive_branches_go_on_sharing() -> None:
    forward = "if flag:\n    x = self.act(x)\nelse:\n    x = self.act(x)\nreturn self.act(x)"
    assert [s.slot for s in intent(shared("self.act = nn.ReLU()", forward)).sites] == [0, 0, 1]


def test_a_known_loop_is_part_of_the_plan() -> None:
    forward = "for i in range(6):\n    x = self.act(x)\nreturn self.act(x)"
    sites = intent(shared("self.act = nn.ReLU()", forward)).sites
    assert [(s.slot, [(loop.known, loop.why) for loop in s.loops]) for s in sites] == [
        (0, [(True, "range(6)")]),
        (1, []),
    ]


@pytest.mark.parametrize(
    ("made", "safety", "reason"),
    [
        ("nn.ReLU()", Safety.SAFE, ""),
        ("nn.Conv2d(8, 8, 1)", Safety.UNSAFE, "share the weights"),
        ("nn.BatchNorm2d(8)", Safety.UNSAFE, "weights and buffers"),
        ("nn.Sequential(nn.Conv2d(8, 8, 1), nn.Linear(8, 8))", Safety.UNSAFE, "share the weights"),
        ("nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8))", Safety.UNSAFE, "weights and buffers"),
        ("nn.Sequential(nn.Conv2d(8, 8, 1), nn.InstanceNorm2d(8))", Safety.UNSAFE, "buffers if any"),
        ("build(cfg)", Safety.UNSAFE, "class is not known"),
    ],
)
def test_safety(made: str, safety: Safety, reason: str) -> None:
    found = shared(
        f"self.act = {made}",
        "return self.act(self.act(x))",
        parameters="cfg",
        before="from other import build",
    )
    assert found.fix is not None
    assert found.fix.safety is safety
    assert (reason in found.fix.reason) if reason else not found.fix.reason


BASE = "class Base(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.act = nn.ReLU()\n"
CHILD = (
    "class Child(nn.Module):\n    def __init__(self, act):\n        super().__init__()\n        self.act = act\n"
    "    def forward(self, x):\n        return self.act(x)\n"
)
HELPERS = "def helper(self, x):\n    return self.act(x)\n"


@pytest.mark.parametrize(
    ("init", "forward", "more", "reason"),
    [
        ("self.l = nn.ModuleList([nn.ReLU()])", "return self.l[0](self.l[0](x))", {}, "is an entry of `l`"),
        (
            "self.c = Child(nn.ReLU())",
            "return self.c.act(self.c.act(x))",
            {"before": CHILD},
            "belongs to `c`: split it in the class of that",
        ),
        (
            "self.act = self.other = nn.ReLU()",
            "return self.act(self.other(x))",
            {},
            "held under more than one name",
        ),
        ("self.act = act", "return self.act(self.act(x))", {"parameters": "act"}, "may be a plain function"),
        (
            "self.act = act",
            "return self.act(self.act(x))",
            {"parameters": "act=nn.ReLU()"},
            "one object for all instances",
        ),
        (
            "self.act = nn.ReLU()\nself.c = Child(self.act)",
            "return self.c(self.act(x))",
            {"before": CHILD},
            "held under more than one name",
        ),
        (
            "self.act = nn.ReLU()",
            "return outside(self.act, x)",
            {"before": "def outside(act, x):\n    return act(act(x))\n"},
            "split it by hand",
        ),
        (
            "self.act = nn.ReLU()",
            "for y in xs:\n    x = self.act(y)",
            {},
            "number of turns of the loop over `xs`",
        ),
        ("self.act = nn.ReLU()", "while flag:\n    x = self.act(x)", {}, "repeated by a `while` loop"),
        ("self.act = nn.ReLU()", "return list(map(self.act, xs))", {}, "another function"),
        (
            "self.act = nn.ReLU()",
            "return multi_apply(self.helper, xs)",
            {"methods": HELPERS, "before": "from other import multi_apply"},
            "`helper` is called once per element over `xs`",
        ),
        (
            "self.act = nn.ReLU()",
            "for i in range(20):\n    x = self.helper(x)",
            {"methods": HELPERS},
            "the loop over `range(20)` is in another function",
        ),
        (
            "self.act = nn.ReLU()",
            "return self.helper(self.helper(x))",
            {"methods": HELPERS},
            "`helper` is entered more than once",
        ),
    ],
)
def test_why_there_is_no_fix(init: str, forward: str, more: dict[str, str], reason: str) -> None:
    found = shared(init, forward, **more)
    assert found.fix is None
    assert reason in found.no_fix


def test_a_helper_on_exclusive_paths_is_no_obstacle() -> None:
    forward = "if flag:\n    return self.act(self.helper(x))\nreturn self.act(self.helper(x))"
    found = shared("self.act = nn.ReLU()", forward, methods=HELPERS)
    assert len({s.slot for s in intent(found).sites}) == 2


def test_a_class_level_module_is_not_cloned() -> None:
    text = """
    class Model(nn.Module):
        act = nn.ReLU()
        def forward(self, x):
            return self.act(self.act(x))
    """
    (found,) = findings(text, "QAT101")
    assert found.fix is None and "one object for all instances" in found.no_fix


def test_a_module_that_a_container_runs_too_is_not_cloned() -> None:
    init = "act = nn.ReLU()\nself.s = nn.Sequential(act)\nself.act = act"
    found = shared(init, "return self.s(self.act(self.act(x)))")
    assert found.fix is None and found.no_fix


def test_alternatives_of_one_name_are_cloned_together() -> None:
    found = shared(
        "self.act = nn.ReLU() if f else nn.Sigmoid()", "return self.act(self.act(x))", parameters="f"
    )
    assert found.fix is not None or found.no_fix


def test_a_module_made_in_the_base_and_called_in_a_loop_here() -> None:
    text = (
        BASE
        + "\nclass Model(Base):\n    def forward(self, x):\n        for i in range(4):\n            x = self.act(x)\n        return x\n"
    )
    (found,) = findings(text, "QAT101")
    assert found.fix is None and "made in `Base`" in found.no_fix


def test_a_module_made_here_and_called_in_the_base() -> None:
    text = (
        "class Base(nn.Module):\n    def forward(self, x):\n        return self.act(self.act(x))\n\n"
        "class Model(Base):\n    def __init__(self):\n        super().__init__()\n        self.act = nn.ReLU()\n"
    )
    (found,) = [f for f in findings(text, "QAT101") if f.severity.label != "note"]
    assert found.fix is None
    assert "is made in `Model` and called in `Base`" in found.no_fix


def test_every_finding_has_a_fix_or_a_reason() -> None:
    init = "self.act = nn.ReLU()\nself.l = nn.ModuleList([self.act, nn.Conv2d(8, 8, 1)])\nself.n = n"
    forward = "for i in range(self.n):\n    for m in self.l:\n        x = m(self.act(x))\nreturn x"
    found = findings_in({"m.py": "from torch import nn\n" + model(init, forward, parameters="n")})
    assert found
    assert all(bool(f.fix) != bool(f.no_fix) for f in found)
