"""A list in which one entry is put in one turn only: what is done beside it is done once."""

from __future__ import annotations

import pytest

from tests.static.sources import findings, said


def pyramid(test: str, forward: str, absent: str = "None") -> str:
    return (
        "class Model(nn.Module):\n"
        "    def __init__(self, channels, names):\n"
        "        super().__init__()\n"
        "        self.names = names\n"
        "        laterals = []\n"
        "        for i, c in enumerate(channels):\n"
        f"            if {test}:\n"
        f"                laterals.append({absent})\n"
        "            else:\n"
        "                laterals.append(nn.Conv2d(c, 4, 1))\n"
        "        self.laterals = laterals[::-1]\n"
        "        self.top = nn.Conv2d(4, 4, 1)\n"
        "    def forward(self, x, xs):\n"
        "        for i, name in enumerate(self.names):\n"
        "            lateral = self.laterals[i]\n"
        f"{forward}"
        "        return x\n"
    )


BESIDE = "            if lateral is None: x = self.top(x)\n            else: x = x + lateral(x)\n"
OTHER_WAY = "            if lateral is not None: x = x + lateral(x)\n            else: x = self.top(x)\n"


@pytest.mark.parametrize("test", ["i == len(names) - 1", "i == 0"])
@pytest.mark.parametrize("forward", [BESIDE, OTHER_WAY])
def test_what_runs_beside_the_absent_entry_runs_once(test: str, forward: str) -> None:
    assert findings(pyramid(test, forward), "QAT101") == []


def test_what_runs_in_all_other_turns_is_shared() -> None:
    forward = "            if lateral is not None: x = self.top(x)\n"
    assert said(findings(pyramid("i == 0", forward), "QAT101")) == {("QAT101", "top")}


def test_what_runs_beside_many_absent_entries_is_shared() -> None:
    assert said(findings(pyramid("c in names", BESIDE), "QAT101")) == {("QAT101", "top")}


def test_each_entry_runs_once_also_where_one_is_another_class() -> None:
    def registered(forward: str) -> str:
        text = pyramid("i == 0", forward, "nn.Linear(4, 4)")
        return text.replace("laterals[::-1]", "nn.ModuleList(laterals)")

    assert findings(registered("            x = lateral(x)\n"), "QAT101") == []
    twice = findings(registered("            x = lateral(lateral(x))\n"), "QAT101")
    assert [(f.subject, str(f.times)) for f in twice] == [("laterals.*", "2")]


@pytest.mark.parametrize("base", ["paddle.nn.Layer", "megengine.module.Module", "jittor.nn.Module"])
def test_classes_of_another_framework_are_no_modules(base: str) -> None:
    home, _, name = base.rpartition(".")
    text = f"import {home} as pnn\n" + (
        f"class Model(pnn.{name}):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.act = pnn.ReLU()\n"
        "    def forward(self, x):\n"
        "        return self.act(self.act(x))\n"
    )
    assert findings(text) == []
