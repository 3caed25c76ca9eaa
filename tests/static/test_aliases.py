"""One alias is said once: not again of what is inside, nor of what takes its place on other paths."""

from __future__ import annotations

from tests.static.sources import findings, said

ALIAS = """
class Model(nn.Module):
    def __init__(self, n, shared):
        super().__init__()
        self.key = self.build(n)
        if shared:
            self.query = self.key
        else:
            self.query = self.build(n)

    def build(self, n):
        layers = [nn.Conv2d(8, 8, 1)]
        for _ in range(n - 1):
            layers.append(nn.Conv2d(8, 8, 1))
        if n > 1:
            layers = nn.Sequential(*layers)
        else:
            layers = layers[0]
        return layers

    def forward(self, x):
        return self.key(x) + self.query(x)
"""
LISTS = """
class Model(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.box = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(n)])
        self.mask = self.box

    def forward(self, x):
        for one in self.box:
            x = one(x)
        for one in self.mask:
            x = one(x)
        return x
"""


def test_an_alias_is_said_once_by_each_rule() -> None:
    assert said(findings(ALIAS, "QAT101")) == {("QAT101", "key")}
    assert said(findings(ALIAS, "QAT102")) == {("QAT102", "key")}


def test_other_calls_of_what_is_inside_are_said() -> None:
    more = ALIAS.replace("self.query(x)\n", "self.query(x) + self.key[0](x) + self.key[0](x)\n")
    found = said(findings(more.replace("if n > 1", "if True"), "QAT101"))
    assert found == {("QAT101", "key"), ("QAT101", "key.*")}


def test_an_alias_of_a_list_is_not_said_again_of_its_entries() -> None:
    assert said(findings(LISTS, "QAT102")) == {("QAT102", "box")}
    assert said(findings(LISTS, "QAT101")) == {("QAT101", "box.*")}
