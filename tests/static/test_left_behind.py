"""What an earlier forward has left decides about a branch: how it is kept, and how it is asked for."""

from __future__ import annotations

import pytest

from tests.static.dynamic import INIT, decides, ops, regions
from tests.static.sources import HEAD, findings_in, trace_of

MEMORY = f"{INIT}\nself.memory = None"
BANK = f"{INIT}\nself.bank = {{'bev': None, 'position': 0}}"


@pytest.mark.parametrize(
    "use",
    [
        "x = self.conv(self.memory) + x",
        "x = torch.relu(self.memory) * x",
        "x = x * self.memory.mean(1)",
        "y = self.memory\n    x = self.conv(y) + x",
    ],
)
def test_what_is_left_stays_so_where_it_is_used_as_a_tensor(use: str) -> None:
    forward = f"if self.memory is not None:\n    {use}\nself.memory = x\nreturn x"
    assert regions(forward, init=MEMORY) == [("if", "state", "self.memory")]


def test_what_is_computed_of_it_is_there() -> None:
    forward = "y = self.conv(self.memory) + x\nif y is not None:\n    x = x * 2\nself.memory = y\nreturn x"
    assert regions(forward, init=MEMORY) == []


def test_each_side_of_a_branch_begins_with_what_was_left() -> None:
    """What one side sets, the other does not find."""
    forward = (
        "y = xs['scale']\nif self.memory is None:\n    self.memory = x.new_zeros(3)\n"
        "else:\n    self.memory = self.memory * y\nreturn x + self.memory"
    )
    assert ops(forward, init=MEMORY) == ["*"]


def test_it_may_be_thrown_away_first() -> None:
    forward = (
        "if xs['begins'] != self.token:\n    self.memory = None\nself.token = xs['begins']\n"
        "if self.memory is not None:\n    x = self.conv(self.memory) + x\nself.memory = x\nreturn x"
    )
    found = regions(forward, init=f"{MEMORY}\nself.token = ''")
    assert ("if", "state", "self.memory") in found


def test_what_is_made_where_nothing_was_left_is_there() -> None:
    forward = (
        "if self.memory is None:\n    self.memory = x\nif self.memory is not None:\n    x = x * self.memory\n"
        "self.memory = x\nreturn x"
    )
    assert regions(forward, init=MEMORY) == []


def test_an_attribute_that_only_forward_makes() -> None:
    forward = "if hasattr(self, 'memory'):\n    x = self.conv(self.memory) + x\nself.memory = x\nreturn x"
    assert regions(forward) == [("if", "state", "self.memory")]


@pytest.mark.parametrize(
    ("asks", "varies"),
    [
        ("self.bank['bev'] is not None", "state"),
        ("self.bank.get('bev') is not None", "state"),
        ("self.bank['position'] > 3", "state"),
    ],
)
def test_an_entry_of_a_dict_of_the_module(asks: str, varies: str) -> None:
    forward = f"if {asks}:\n    x = x * x\nself.bank['bev'] = x\nself.bank['position'] = 5\nreturn x"
    assert decides(forward, init=BANK) == varies


def test_such_an_entry_under_another_name() -> None:
    forward = (
        "def late(before):\n    return x + before if before is not None else x\n"
        "old = self.bank['bev']\nif old is not None:\n    x = self.conv(old) + x\nself.bank['bev'] = x\nreturn x"
    )
    assert ("if", "state", "self.bank['bev']") in regions(forward, init=BANK)


def test_such_an_entry_handed_to_a_method() -> None:
    method = "def mix(self, x, old=None):\n    if old is not None:\n        x = x + old\n    return x"
    forward = "x = self.mix(x, self.bank['bev'])\nself.bank['bev'] = x\nreturn x"
    assert decides(forward, init=BANK, methods=method) == "state"


def test_a_number_that_is_left_in_an_entry_is_one() -> None:
    """`can_bus -= position` is arithmetic of numpy."""
    forward = (
        "if self.bank['bev'] is not None:\n    xs[0]['bus'][:3] -= self.bank['position']\n"
        "self.bank['bev'] = x\nself.bank['position'] = xs[0]['bus'][:3]\nreturn x"
    )
    assert ops(forward, init=BANK) == []


def test_a_setting_that_forward_changes_is_no_tensor() -> None:
    """A mask that is made of its size is a constant."""
    forward = (
        "if x.shape[-1] < self.size:\n    self.size = x.shape[-1]\n"
        "if self.size > 3:\n    mask = torch.zeros(1, 8).view(-1, self.size)\n    mask = mask - mask.t()\n"
        "    x = x * 2\nreturn x, mask"
    )
    assert ops(forward, init=f"{INIT}\nself.size = size", parameters="size") == ["*"]
    assert decides(forward, init=f"{INIT}\nself.size = size", parameters="size") == "shape"


def test_an_entry_of_a_list_that_begins_empty() -> None:
    forward = "for i in range(4):\n    if self.states[i] is None:\n        x = x * 2\n    self.states[i] = x\nreturn x"
    found = regions(forward, init=f"{INIT}\nself.states = [None] * 4")
    assert ("if", "state", "self.states[...]") in found


@pytest.mark.parametrize("made", ["[]", "collections.deque(maxlen=3)"])
def test_a_queue(made: str) -> None:
    forward = "self.queue.append(x)\nfor f in self.queue:\n    x = self.conv(f) + x\nreturn x"
    assert regions(forward, init=f"import collections\n{INIT}\nself.queue = {made}")[0][1] == "state"


@pytest.mark.parametrize(
    ("made", "fill"),
    [
        ("self.queue = []", "self.queue = (self.queue + [x])[-2:]"),
        ("self.queue = []", "self.queue = [f for f in self.queue[-1:]] + [x]"),
        ("self.queue = {'bev': []}", "self.queue['bev'].append(x)"),
    ],
)
def test_a_list_that_forward_replaces(made: str, fill: str) -> None:
    over = "self.queue['bev']" if "{" in made else "self.queue"
    forward = f"for f in {over}:\n    x = self.conv(f) + x\n{fill}\nreturn x"
    assert regions(forward, init=f"{INIT}\n{made}")[0][1] == "state"
    forward = f"if len({over}) > 0:\n    x = torch.stack({over}).mean(0) + x\n{fill}\nreturn x"
    assert regions(forward, init=f"{INIT}\n{made}")[0][1] == "state"


def test_a_list_of_a_length_stays_as_long() -> None:
    forward = "for f in self.pair:\n    x = x + f\nself.pair = [x, x]\nfor t in xs:\n    x = x * t\nreturn x"
    assert regions(forward, init=f"{INIT}\nself.pair = [1, 2]")[0][1] == "static"


@pytest.mark.parametrize(
    ("begin", "found"),
    [("self.queue.clear()", []), ("self.queue = []", []), ("if flag:\n    self.queue.clear()", ["state"])],
)
def test_a_list_that_is_filled_anew(begin: str, found: list[str]) -> None:
    forward = (
        f"{begin}\nfor m in self.layers:\n    self.queue.append(m(x))\n"
        "for f in self.queue:\n    x = x + f\nreturn x"
    )
    dynamic = {r[1] for r in regions(forward, init=f"{INIT}\nself.queue = []") if r[0] == "for"} - {"static"}
    assert sorted(dynamic) == found


def test_each_round_of_following_begins_with_the_same() -> None:
    """`f` turns out to be a tensor after it was cut: that is known in the next turn only, and in no round."""
    forward = "o = x\nfor f in xs:\n    for i in range(f.shape[0]):\n        o = self.conv(f[i:i + 1]) + o\nreturn o"
    assert regions(forward) == [("for", "unproven", "xs"), ("for", "shape", "")]
    assert ops(forward) == ["+"]


BANK_CLASS = """
class Bank(nn.Module):
    def __init__(self):
        super().__init__()
        self.reset()
        self.fixed = None
    def reset(self):
        self.cached = None
    def get(self):
        return self.cached
    def update(self, x):
        if self.cached is None:
            return x
        return x * self.cached
    def cache(self, x):
        self.cached = x
    def extra(self, x):
        return x + 1 if self.fixed is not None else x
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.bank = Bank()
    def forward(self, x):
        {}
        self.bank.cache(x)
        return x
"""


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ("x = self.bank.update(x)", [("rest", "state")]),
        (
            "old = self.bank.get()\n        if old is not None:\n            x = self.conv(old) + x",
            [("if", "state")],
        ),
        ("x = self.bank.extra(x)", []),
    ],
)
def test_what_is_left_in_a_child(use: str, found: list[tuple[str, str]]) -> None:
    """Forward calls methods of the child that are not its forward: their ops are those of the caller."""
    trace = trace_of(HEAD + BANK_CLASS.replace("{}", use), "Model")
    assert [(r.statement, r.varies.value) for r in trace.regions if r.statement != "else"] == found


def test_a_method_of_a_child_has_no_module_for_the_block() -> None:
    text = HEAD + BANK_CLASS.replace("{}", "x = self.bank.update(x)")
    (finding,) = findings_in({"model.py": text}, "QAT201")
    assert finding.fix is None and "belongs to another module" in finding.no_fix


@pytest.mark.parametrize(
    ("begins", "counts", "found"),
    [
        ("if self.memory is None:\n    self.memory = 0", "self.memory += 1", []),
        ("if self.memory is None:\n    self.memory = 0", "self.memory = self.memory + self.step", []),
        ("if self.memory is None:\n    self.memory = x.shape[1]", "n = x.shape[0]\nself.memory = n // 2", []),
        ("if self.memory is None:\n    self.memory = 0", "self.memory = x", ["-"]),
        ("if self.memory is None:\n    self.memory = 0", "self.memory, y = x, 1", ["-"]),
        ("if self.memory is None:\n    self.memory = 0", "self.memory = self.memory + x", ["-"]),
        ("if self.memory is None:\n    self.memory = x.new_zeros(3)", "self.memory += 1", ["-"]),
    ],
)
def test_a_number_that_begins_as_nothing(begins: str, counts: str, found: list[str]) -> None:
    forward = f"{begins}\nif self.memory > 2:\n    k = self.memory - 1\n{counts}\nreturn self.conv(x)"
    assert ops(forward, init=f"{MEMORY}\nself.step = 2") == found


def test_a_number_that_another_method_begins() -> None:
    forward = "if self.at > 2:\n    k = self.at - 1\nself.at += 1\nreturn self.conv(x)"
    assert ops(forward, methods="def restart(self):\n    self.at = 0\n") == []
    assert ops(forward, methods="def restart(self, x):\n    self.at = x\n") == ["-"]
