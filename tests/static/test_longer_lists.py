"""A list that has one entry more than another that is filled beside it."""

from __future__ import annotations

from tests.static.sources import check_counts, findings, said


def neck(
    forward: str, extra: str = "if ups > len(sizes):\n            self.up.append(nn.Conv2d(8, 8, 1))"
) -> str:
    return (
        "class Model(nn.Module):\n"
        "    def __init__(self, sizes, ups):\n"
        "        super().__init__()\n"
        "        self.down, self.up = nn.ModuleList(), nn.ModuleList()\n"
        "        for size in sizes:\n"
        "            self.down.append(nn.Conv2d(size, 8, 3))\n"
        "            if ups > 0:\n"
        "                self.up.append(nn.Conv2d(8, 8, 1))\n"
        f"        {extra}\n"
        "    def forward(self, x):\n"
        "        for i in range(len(self.down)):\n"
        "            x = self.down[i](x)\n"
        "            if len(self.up) > 0:\n"
        "                x = self.up[i](x)\n"
        f"{forward}"
        "        return x\n"
    )


LAST = "        if len(self.up) > len(self.down):\n            x = self.up[-1](x)\n"


def test_the_entry_beyond_the_loop_runs_once() -> None:
    assert findings(neck(LAST), "QAT101") == []
    check_counts(neck(LAST), {"down.*": "1", "up.*": "0-1 0-1"})


def test_the_other_way_round() -> None:
    assert (
        findings(neck(LAST.replace("len(self.up) > len(self.down)", "len(self.down) < len(self.up)"))) == []
    )


def test_the_last_entry_without_the_test_may_be_one_of_the_loop() -> None:
    assert said(findings(neck("        x = self.up[-1](x)\n"), "QAT101")) == {("QAT101", "up.*")}


def test_the_last_entry_of_lists_of_one_length_is_one_of_the_loop() -> None:
    assert said(findings(neck("        x = self.up[-1](x)\n", "pass"), "QAT101")) == {("QAT101", "up.*")}


def test_the_entry_beyond_the_loop_that_runs_twice_is_shared() -> None:
    found = findings(neck(LAST.replace("self.up[-1](x)", "self.up[-1](self.up[-1](x))")), "QAT101")
    assert [(f.subject, str(f.times)) for f in found] == [("up.*", "0-2")]
