"""One instance per name and place."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from qatlint.codemods.apply import Refused, apply
from tests.codemods.cases import model
from tests.codemods.intents import separate


@dataclass(frozen=True)
class Case:
    """`uses` are texts with the number of the occurrence, as the rule reports them."""

    name: str
    made: str
    uses: tuple[tuple[str, int], ...]
    before: str
    after: str
    tied: bool = False

    def __str__(self) -> str:
        return self.name


R = "nn.ReLU()"
P = "nn.PReLU()"


def tie(name: str) -> str:
    return f"copy.deepcopy({name}, {{id(t): t for t in (*{name}.parameters(), *{name}.buffers())}})"


def broken(name: str) -> str:
    return f"copy.deepcopy(\n    {name}, {{id(t): t for t in (*{name}.parameters(), *{name}.buffers())}}\n)"


CASES = [
    Case(
        "a second name",
        R,
        ((R, 0), ("self.a", 1)),
        "self.a = nn.ReLU()\nself.b = self.a  # why",
        "self.a = nn.ReLU()\nself.b = nn.ReLU()  # why",
    ),
    Case(
        "two targets",
        R,
        ((R, 0),),
        "self.a = self.b = nn.ReLU()  # why",
        "self.a = nn.ReLU()  # why\nself.b = nn.ReLU()",
    ),
    Case(
        "three targets, one of them local",
        R,
        ((R, 0),),
        "self.a = act = self.b = self.c = nn.ReLU()",
        "self.a = act = nn.ReLU()\nself.b = nn.ReLU()\nself.c = nn.ReLU()",
    ),
    Case(
        "two targets, tied",
        P,
        ((P, 0),),
        "self.a = self.b = nn.PReLU()",
        f"self.a = nn.PReLU()\nself.b = {broken('self.a')}",
        True,
    ),
    Case(
        "twice in a Sequential",
        R,
        (("act", 1), ("act", 2)),
        "act = nn.ReLU()\nself.s = nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), act)",
        "act = nn.ReLU()\nself.s = nn.Sequential(nn.Linear(2, 2), act, nn.Linear(2, 2), nn.ReLU())",
    ),
    Case(
        "in a Sequential and elsewhere, tied",
        P,
        (("act", 1), ("act", 2), ("act", 3)),
        "act = nn.PReLU()\nself.s = nn.Sequential(act, act)\nself.t = act",
        f"act = nn.PReLU()\nself.s = nn.Sequential(act, {broken('act')})\nself.t = {tie('act')}",
        True,
    ),
    Case(
        "a list times a number",
        R,
        (("act", 1),),
        "act = nn.ReLU()\nself.s = [act] * n",
        "self.s = [nn.ReLU() for _ in range(n)]",
    ),
    Case(
        "a number times a list",
        R,
        (("act", 1),),
        "act = nn.ReLU()\nself.s = 2 * n * [act]",
        "self.s = [nn.ReLU() for _ in range(2 * n)]",
    ),
    Case(
        "a tuple times a number",
        R,
        (("act", 1),),
        "act = nn.ReLU()\nself.s = (act,) * n",
        "self.s = tuple(nn.ReLU() for _ in range(n))",
    ),
    Case(
        "the whole repetition as use",
        R,
        (("[act] * n", 0),),
        "act = nn.ReLU()\nself.s = [act] * n",
        "self.s = [nn.ReLU() for _ in range(n)]",
    ),
    Case(
        "made inside the repetition",
        R,
        ((R, 0),),
        "self.s = [nn.ReLU()] * n",
        "self.s = [nn.ReLU() for _ in range(n)]",
    ),
    Case(
        "made inside the repetition, tied",
        P,
        ((P, 0),),
        "self.s = [nn.PReLU()] * n",
        "self.s = [" + tie("m") + " for m in [nn.PReLU()] * n]",
        True,
    ),
    Case(
        "repeated, tied",
        P,
        (("act", 1),),
        "act = nn.PReLU()\nself.s = [act] * n",
        "act = nn.PReLU()\nself.s = [" + tie("act") + " for _ in range(n)]",
        True,
    ),
    Case(
        "the entry of a comprehension",
        R,
        (("act", 1),),
        "act = nn.ReLU()\nself.s = [act for _ in range(n)]",
        "self.s = [nn.ReLU() for _ in range(n)]",
    ),
    Case(
        "appended in a loop",
        R,
        (("act", 1),),
        "act = nn.ReLU()\nlayers = []\nfor _ in range(n):\n    layers += [nn.Linear(2, 2), act]\nself.s = nn.Sequential(*layers)",
        "layers = []\nfor _ in range(n):\n    layers += [nn.Linear(2, 2), nn.ReLU()]\nself.s = nn.Sequential(*layers)",
    ),
    Case(
        "made and used in one turn",
        R,
        (("act", 1), ("act", 2)),
        "for k in range(n):\n    act = nn.ReLU()\n    self.add_module(f'a{k}', nn.Sequential(act, act))",
        "for k in range(n):\n    act = nn.ReLU()\n    self.add_module(f'a{k}', nn.Sequential(act, nn.ReLU()))",
    ),
    Case(
        "a local name that is commented, or read, stays",
        R,
        (("act", 1),),
        "# the only one\nact = nn.ReLU()\nself.s = [act] * n",
        "# the only one\nact = nn.ReLU()\nself.s = [nn.ReLU() for _ in range(n)]",
    ),
    Case(
        "repeated and once more: the single use keeps the original",
        R,
        (("act", 1), ("act", 2), ("act", 3)),
        "act = nn.ReLU()\nself.s = [act] * n\nself.a = act\nself.b = act",
        "act = nn.ReLU()\nself.s = [nn.ReLU() for _ in range(n)]\nself.a = act\nself.b = nn.ReLU()",
    ),
    Case(
        "grafted from one list into another, tied",
        P,
        ((P, 0), ("self.a[0]", 0)),
        "self.a = [nn.PReLU(), 0]\nself.a[1] = self.a[0]",
        f"self.a = [nn.PReLU(), 0]\nself.a[1] = {broken('self.a[0]')}",
        True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_separate(case: Case) -> None:
    before = model(case.before, "return x")
    after = apply(before.encode(), separate(before, case.made, case.uses, tied=case.tied)).decode()
    assert after == model(case.after, "return x", copied=case.tied)
    compile(after, "model.py", "exec")


REFUSALS = {
    "an effect": (
        "act = nn.ReLU(cfg.pop('a'))\nself.a = act\nself.b = act",
        "nn.ReLU(cfg.pop('a'))",
        (("act", 1), ("act", 2)),
        "cannot be made a second time",
    ),
    "an argument that changes": (
        "s = 1\nact = nn.LeakyReLU(s)\ns = 2\nself.a = act\nself.b = act",
        "nn.LeakyReLU(s)",
        (("act", 1), ("act", 2)),
        "`s` may have changed",
    ),
    "an attribute that changes": (
        "self.s = 1\nact = nn.LeakyReLU(self.s)\nself.s += 2\nself.a = act\nself.b = act",
        "nn.LeakyReLU(self.s)",
        (("act", 1), ("act", 2)),
        "`self.s` may have changed",
    ),
    "a counter of a comprehension": (
        "self.a = [nn.ReLU(k) for k in SIZES]\nself.b = self.a[0]",
        "nn.ReLU(k)",
        (("nn.ReLU(k)", 0), ("self.a[0]", 0)),
        "`k` may have changed",
    ),
    "several entries": (
        "act = nn.ReLU()\nself.s = [act, 1] * n",
        R,
        (("act", 1),),
        "repeats several entries",
    ),
    "only one use": ("self.a = nn.ReLU()", R, ((R, 0),), "no second use"),
    "not a name": (
        "act = nn.ReLU()\nself.a = act\nself.b = cfg(act)",
        R,
        (("act", 1), ("cfg(act)", 0)),
        "is not a name of the instance",
    ),
    "an index with an effect": (
        "self.a = [nn.ReLU()]\nself.b = self.a[n.pop()]",
        R,
        ((R, 0), ("self.a[n.pop()]", 0)),
        "may be something else the second time",
    ),
    "two targets on a shared line": (
        "if use: self.a = self.b = nn.ReLU()",
        R,
        ((R, 0),),
        "does not stand on a line of its own",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    init, made, uses, reason = REFUSALS[name]
    before = model(init, "return x")
    with pytest.raises(Refused, match=re.escape(reason)):
        apply(before.encode(), separate(before, made, uses))


def test_refused_across_methods_and_files() -> None:
    before = model("act = nn.ReLU()\nself.a = act", "act = 1\nreturn act")
    intent = separate(before, R, (("act", 1), ("act", 2)))
    with pytest.raises(Refused, match="used outside of `__init__`"):
        apply(before.encode(), intent)
    with pytest.raises(Refused, match="another file"):
        apply(before.encode(), intent._replace(definition=intent.definition._replace(path="base.py")))
