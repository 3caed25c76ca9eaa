"""A fix is offered only where the codemod can write it: how a call is spelt, and where the module is made."""

from __future__ import annotations

import pytest

from tests.static.sources import findings, model

REGISTRY = 'ACTS = {"relu": nn.ReLU()}'


@pytest.mark.parametrize(
    ("init", "forward", "before", "methods", "why"),
    [
        (
            "self._act = nn.ReLU()",
            "return self.act(self.act(x))",
            "",
            "@property\ndef act(self):\n    return self._act",
            "`self.act` may be something else than `_act`",
        ),
        (
            "self.act = nn.ReLU()",
            'for name in ("act", "act"):\n    x = getattr(self, name)(x)\nreturn x',
            "",
            "",
            "`getattr(self, name)` may be something else than `act`",
        ),
        (
            'self.act = ACTS["relu"]',
            "return self.act(self.act(x))",
            REGISTRY,
            "",
            "`act` is one object that its module keeps for all",
        ),
    ],
)
def test_no_fix_is_offered_that_the_codemod_would_refuse(
    init: str, forward: str, before: str, methods: str, why: str
) -> None:
    (finding,) = findings(model(init, forward, before, methods=methods), "QAT101")
    assert finding.fix is None
    assert why in finding.no_fix


@pytest.mark.parametrize(
    "forward",
    [
        "return self.act(self.act(x))",
        "return self.act.forward(self.act(x))",
        "act = self.act\nreturn act(act(x))",
        "return checkpoint(self.act, self.act(x))",
        "return [x := self.act(x) for _ in range(3)][-1]",
    ],
)
def test_what_the_codemod_can_write_is_offered(forward: str) -> None:
    (finding,) = findings(model("self.act = nn.ReLU()", forward), "QAT101")
    assert finding.fix is not None


def test_entries_that_another_list_takes_are_not_offered() -> None:
    init = "self.a = nn.ModuleList([nn.Tanh()])\nself.both = nn.ModuleList([*self.a, nn.Sigmoid()])"
    forward = "for m in self.a:\n    x = m(x)\nfor m in self.both:\n    x = m(x)\nreturn x"
    (finding,) = findings(model(init, forward), "QAT102")
    assert finding.fix is None
    assert "one list takes the entries of the other" in finding.no_fix
