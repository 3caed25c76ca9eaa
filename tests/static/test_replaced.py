"""An attribute that is replaced: what it was before and what it is after never run side by side."""

from __future__ import annotations

from tests.static.sources import check_counts, findings, said

WRAPPERS = """
class Inner(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, x):
        return self.backbone(x)

class Around(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner.backbone(x)

class Twice(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(self.inner(x))
"""


def net(wrapper: str) -> str:
    return WRAPPERS + (
        "class Model(nn.Module):\n"
        "    def __init__(self, flag):\n"
        "        super().__init__()\n"
        "        self.net = Inner(nn.Conv2d(3, 3, 3))\n"
        "        if flag:\n"
        f"            self.net = {wrapper}\n"
        "    def forward(self, x):\n"
        "        return self.net(x)\n"
    )


def test_a_wrapper_of_the_old_value_runs_in_its_place() -> None:
    for wrapper in ("Around(self.net)", "nn.Sequential(self.net, nn.Conv2d(3, 3, 3))"):
        found = findings(net(wrapper), "QAT101", "QAT102")
        assert [f for f in found if f.owner.endswith("Model")] == []


def test_what_a_wrapper_runs_twice_is_shared_where_it_is_wrapped() -> None:
    found = {f.subject: f for f in findings(net("Twice(self.net)"), "QAT101") if f.owner.endswith("Model")}
    assert set(found) == {"net.inner"}  # and with it what it runs once
    assert {(f.on.value, str(f.times)) for f in found.values()} == {("some-path", "1-2")}


def test_what_is_replaced_under_another_condition_may_be_either() -> None:
    text = """
        class Model(nn.Module):
            def __init__(self, wide, deep):
                super().__init__()
                self.act = nn.ReLU()
                if wide:
                    self.act = nn.Sigmoid()
                if deep:
                    self.act = nn.Tanh()

            def forward(self, x):
                return self.act(self.act(x))
        """
    assert said(findings(text, "QAT101")) == {("QAT101", "act")}
    check_counts(text, {"act": "2 2 2"})


def test_both_keep_their_calls_where_the_old_value_has_another_name_too() -> None:
    text = WRAPPERS + (
        "class Model(nn.Module):\n"
        "    def __init__(self, flag):\n"
        "        super().__init__()\n"
        "        self.first = self.net = Inner(nn.Conv2d(3, 3, 3))\n"
        "        if flag:\n"
        "            self.net = nn.Sequential(self.net, nn.ReLU())\n"
        "    def forward(self, x):\n"
        "        return self.net(self.first(x))\n"
    )
    found = [f for f in findings(text, "QAT101") if f.owner.endswith("Model")]
    assert ("first", "2") in [(f.subject, str(f.times)) for f in found]
