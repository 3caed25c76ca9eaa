"""What forward hands to code that is not read: that may run it as often as it likes."""

from __future__ import annotations

import pytest

from qatlint.finding import Finding
from qatlint.trace import Times
from tests.static.sources import HEAD, findings, model

TWICE = "x = self.act(self.act(x))\n"


def found(forward: str, init: str = "", methods: str = "") -> list[Finding]:
    before = "import logging\nfrom elsewhere import run_twice"
    return findings(model(f"self.act = nn.ReLU()\n{init}", f"{forward}\nreturn x", before, methods=methods))


@pytest.mark.parametrize(
    "handed",
    [
        "x = run_twice(self.act, x)",
        "x = run_twice([self.act], x)",
        "x = run_twice(nn.Sequential(self.act), x)",
        "if flag:\n    x = torch.jit.fork(self.act, x)",
        "x = run_twice(lambda y: self.act(y), x)",
        "x = run_twice(self.step, x)",
    ],
)
def test_there_is_no_most(handed: str) -> None:
    (finding,) = found(TWICE + handed, methods="def step(self, x):\n    return self.act(x)")
    assert finding.times == Times(2, None)
    assert "twice" in finding.message
    assert "and again where `" in finding.message


@pytest.mark.parametrize(
    "handed",
    [
        "print(self.act)",
        "logging.info('%s', self.act)",
        "assert isinstance(self.act, nn.ReLU) and id(self.act)",
    ],
)
def test_what_runs_nothing_changes_nothing(handed: str) -> None:
    (finding,) = found(TWICE + handed)
    assert finding.times == Times(2, 2)
    assert finding.message.startswith("`act` (ReLU) runs twice in one forward: ")


def test_the_constructor_may_hand_it_to_anything() -> None:
    (finding,) = found(TWICE, init="run_twice(self.act)")
    assert finding.times == Times(2, 2)


@pytest.mark.parametrize(
    "forward",
    ["x = run_twice(self.act, x)", "x = run_twice(self.act, self.act(x))", "x = run_twice(self.step, x)"],
)
def test_nothing_is_said_of_it_for_that_alone(forward: str) -> None:
    assert found(forward, methods="def step(self, x):\n    return self.act(x)") == []


def test_an_instance_with_two_names_has_no_most_either() -> None:
    text = HEAD + model(
        "self.a = nn.ReLU()\nself.b = self.a",
        "x = run_twice(self.a, x)\nreturn self.b(x)",
        "from elsewhere import run_twice",
    )
    (finding,) = findings(text, "QAT102")
    assert finding.times == Times(1, None)
