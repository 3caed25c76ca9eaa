"""Loops: how often an instance runs, and which element of a list each turn takes."""

from __future__ import annotations

import pytest

from qatlint.trace import On, Times
from qatlint.usage import usage
from tests.static.sources import check_counts, counted, executed, findings, model, times, trace_of, used

LISTS = """
self.a = nn.ModuleList([nn.ReLU() for _ in range(20)])
self.b = nn.ModuleList([nn.Sigmoid() for _ in range(20)])
self.c = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.ReLU()])
self.relu = nn.ReLU()
"""

CASES = {
    "range": ("for i in range(6):\n    x = self.relu(x)", {"relu": "6"}),
    "long range": ("for i in range(60):\n    x = self.relu(x)", {"relu": "60"}),
    "range of length": ("for i in range(len(self.a)):\n    x = self.a[i](self.relu(x))", {"a.*": "1", "relu": "20"}),
    "range with start": ("for i in range(2, 30):\n    x = self.relu(x)", {"relu": "28"}),
    "range with step": ("for i in range(0, 60, 2):\n    x = self.a[i](self.relu(x))", {"relu": "30"}),
    "empty range": ("for i in range(0):\n    x = self.relu(x)", {"relu": "0"}),
    "range with a step of zero": ("for i in range(0, 5, 0):\n    x = self.relu(x)", {"relu": "0"}),
    "range of an argument": ("for i in range(flag):\n    x = self.relu(x)", {"relu": "many"}),
    "range from an argument": ("for i in range(flag, 4):\n    x = self.relu(x)", {"relu": "many"}),
    "elements": ("for m in self.a:\n    x = m(x)", {"a.*": "1"}),
    "elements twice": ("for m in self.a:\n    x = m(x)\nfor m in self.a:\n    x = m(x)", {"a.*": "2"}),
    "elements and one by number": ("for m in self.a:\n    x = m(x)\nx = self.a[0](x)", {"a.*": "2"}),
    "last and all but the last": ("for m in self.a[:-1]:\n    x = m(x)\nx = self.a[-1](x)", {"a.*": "1"}),
    "first and the rest": ("x = self.a[0](x)\nfor m in self.a[1:]:\n    x = m(x)", {"a.*": "1"}),
    "slice with a counter": ("for i, m in enumerate(self.a[1:]):\n    x = self.a[i](m(x))", {"a.*": "2"}),
    "index into a slice": ("rest = self.a[1:]\nfor i in range(19):\n    x = rest[i](x)", {"a.*": "1"}),
    "first of a slice": ("x = self.a[1:][0](x)", {"a.*": "1"}),
    "slice by step": ("for m in self.c[::2]:\n    x = m(x)", {"c.*": "1 0 1"}),
    "first three": ("for m in self.c[:2]:\n    x = m(x)", {"c.*": "1 1 0"}),
    "enumerate": ("for i, m in enumerate(self.a):\n    x = self.b[i](m(x))", {"a.*": "1", "b.*": "1"}),
    "enumerate from one": ("for i, m in enumerate(self.a, 1):\n    x = self.b[i - 1](m(x))", {"b.*": "1"}),
    "enumerate start=": ("for i, m in enumerate(self.a, start=1):\n    x = self.b[i - 1](m(x))", {"b.*": "1"}),
    "enumerate an unknown start": ("for i, m in enumerate(self.a, flag):\n    x = self.b[i](m(x))", {"b.*": "1"}),
    "zip": ("for m, n in zip(self.a, self.b):\n    x = n(m(x))", {"a.*": "1", "b.*": "1"}),
    "zip with an argument": ("for m, y in zip(self.a, xs):\n    x = self.relu(m(y))", {"a.*": "1", "relu": "20"}),
    "zip of one itself": ("for m, n in zip(self.a, self.a):\n    x = n(m(x))", {"a.*": "2"}),
    "zip of short lists": ("for m, y in zip(self.c, (1, 2)):\n    x = m(x)", {"c.*": "1 1 0"}),
    "zip of stars": ("for m in zip(*xs):\n    x = self.relu(x)", {"relu": "many"}),
    "enumerate of zip": ("for i, (m, n) in enumerate(zip(self.a, self.b)):\n    x = n(m(x))", {"a.*": "1"}),
    "reversed": ("for m in reversed(self.a):\n    x = m(x)", {"a.*": "1"}),
    "reversed short": ("for m in reversed(self.c):\n    x = m(x)", {"c.*": "1 1 1"}),
    "reversed range": ("for i in reversed(range(20)):\n    x = self.a[i](x)", {"a.*": "1"}),
    "backwards range": ("for i in range(19, -1, -1):\n    x = self.a[i](x)", {"a.*": "1"}),
    "backwards slice": ("for m in self.c[::-1]:\n    x = m(x)", {"c.*": "1 1 1"}),
    "offset": ("for i in range(10):\n    x = self.a[i + 10](self.a[i](x))", {"a.*": "1"}),
    "counter": ("k = 0\nfor y in xs:\n    x = self.a[k](x)\n    k += 1", {"a.*": "1"}),
    "counter of two": ("k = 0\nfor m in self.a:\n    x = self.b[k](m(x))\n    k += 1", {"b.*": "1"}),
    "counter by two": ("k = 0\nfor y in range(20):\n    x = self.a[k](x)\n    k += 2", {"a.*": "1"}),
    "nested": ("for i in range(30):\n    for j in range(40):\n        x = self.relu(x)", {"relu": "1200"}),
    "nested over elements": ("for i in range(30):\n    for m in self.a:\n        x = m(x)", {"a.*": "30"}),
    "nested over two": ("for m in self.a:\n    for n in self.b:\n        x = n(m(x))", {"a.*": "20", "b.*": "20"}),
    "argument": ("for y in xs:\n    x = self.relu(y)", {"relu": "many"}),
    "known tuple": ("for y in (x, x):\n    x = self.relu(y)", {"relu": "2"}),
    "text": ("for y in 'abc':\n    x = self.relu(x)", {"relu": "3"}),
    "comprehension": ("return [self.relu(y) for y in (x, x, x)]", {"relu": "3"}),
    "comprehension over an argument": ("return [self.relu(y) for y in xs]", {"relu": "many"}),
    "long comprehension": ("return [m(x) for m in self.a]", {"a.*": "1"}),
    "comprehension that chooses": ("return [m(x) for i, m in enumerate(self.c) if i > 0]", {"c.*": "0 1 1"}),
    "two comprehensions in one": ("return [self.relu(x) for i in range(2) for j in range(3)]", {"relu": "6"}),
    "dict comprehension": ("return {i: self.relu(x) for i in range(3)}", {"relu": "3"}),
    "set comprehension": ("return {self.relu(x) for i in range(3)}", {"relu": "3"}),
    "generator": ("return sum(self.relu(x) for i in range(3))", {"relu": "3"}),
    "break at once": ("for i in range(3):\n    x = self.relu(x)\n    break", {"relu": "1"}),
    "continue at once": ("for i in range(3):\n    continue\n    x = self.relu(x)", {"relu": "0"}),
    "first turn only": ("for i in range(30):\n    if i == 0:\n        x = self.relu(x)", {"relu": "1"}),
    "not in the first turn": ("for i in range(4):\n    if i > 0:\n        x = self.relu(x)", {"relu": "3"}),
    "truth of the counter": ("for i in range(4):\n    if i:\n        x = self.relu(x)", {"relu": "3"}),
    "for else": ("for i in range(2):\n    x = self.relu(x)\nelse:\n    x = self.relu(x)", {"relu": "3"}),
    "while": ("while x.sum() > 0:\n    x = self.relu(x)", {"relu": "many"}),
    "while else": ("while flag:\n    x = self.c[0](x)\nelse:\n    x = self.relu(x)", {"relu": "1"}),
    "while true": ("while True:\n    x = self.relu(x)\n    if flag:\n        break", {"relu": "many"}),
    "by number": ("x = self.c[0](self.c[1](x))\nx = self.c[-1](x)", {"c.*": "1 1 1"}),
    "by number twice": ("x = self.c[0](self.c[0](x))", {"c.*": "2 0 0"}),
    "by a number that is too high": ("x = self.c[7](x)", {"c.*": "0 0 0"}),
    "by an argument": ("x = self.c[flag](x)", {"c.*": "0-1 0-1 0-1"}),
    "sum of list lengths": ("for i in range(len(self.a) - 1):\n    x = self.a[i](x)\nx = self.a[-1](x)", {"a.*": "1"}),
    "names of children": ("for n, m in self.c.named_children():\n    x = m(x)", {"c.*": "1 1 1"}),
    "children": ("for m in self.c.children():\n    x = m(x)", {"c.*": "1 1 1"}),
    "chained": (
        "import itertools\nfor m in itertools.chain(self.c, [self.relu]):\n    x = m(x)",
        {"c.*": "1 1 1", "relu": "1"},
    ),
    "concatenated": ("for m in list(self.c) + [self.relu]:\n    x = m(x)", {"c.*": "1 1 1", "relu": "1"}),
    "starred": ("for m in [*self.c, self.relu, self.relu]:\n    x = m(x)", {"c.*": "1 1 1", "relu": "2"}),
    "tuple of modules": ("for m in (self.relu, self.c[0], self.relu):\n    x = m(x)", {"relu": "2", "c.*": "1 0 0"}),
    "dict of modules": (
        "for k, m in {'a': self.relu, 'b': self.c[0]}.items():\n    x = m(x)",
        {"relu": "1", "c.*": "1 0 0"},
    ),
    "keys of a dict": ("d = {'a': self.relu}\nfor k in d:\n    x = d[k](x)", {"relu": "1"}),
    "values of a dict": ("d = dict(a=self.relu, b=self.relu)\nfor m in d.values():\n    x = m(x)", {"relu": "2"}),
    "unpacked": ("first, second, third = self.c\nx = first(third(x))", {"c.*": "1 0 1"}),
    "unpacked with a star": ("first, *rest = self.c\nx = first(x)", {}),
    "swapped names": ("a, b = self.relu, self.c[0]\na, b = b, a\nx = b(x)", {"relu": "1", "c.*": "0 0 0"}),
}  # fmt: skip


@pytest.mark.parametrize(("forward", "expected"), CASES.values(), ids=list(CASES))
def test_loop(forward: str, expected: dict[str, str]) -> None:
    check_counts(model(LISTS, forward), expected)


def test_a_default_of_the_constructor_is_the_number_of_turns() -> None:
    text = model(
        "self.n = n\nself.relu = nn.ReLU()",
        "for i in range(self.n):\n    x = self.relu(x)",
        parameters="n=6",
    )
    check_counts(text, {"relu": "6"})
    (call,) = trace_of(text).calls
    assert [(loop.over, loop.known, str(loop.times)) for loop in call.loops] == [("range(self.n)", True, "6")]


def test_a_loop_over_an_argument_is_not_known() -> None:
    trace = trace_of(model("self.relu = nn.ReLU()", "for y in xs:\n    x = self.relu(y)"))
    (call,) = trace.calls
    (loop,) = call.loops
    assert (loop.over, loop.known, loop.statement) == ("xs", False, "for")
    assert (loop.header.line, loop.header.column, loop.header.end_column) == (11, 9, 20)
    assert used(trace, "relu").shared


@pytest.mark.parametrize(
    ("forward", "statement"),
    [
        ("while flag:\n    x = self.relu(x)", "while"),
        ("return [self.relu(y) for y in xs]", "comprehension"),
        ("return map(self.relu, xs)", "call"),
    ],
)
def test_the_kind_of_a_loop_is_kept(forward: str, statement: str) -> None:
    (call,) = trace_of(model("self.relu = nn.ReLU()", forward)).calls
    assert [loop.statement for loop in call.loops] == [statement]


def test_stages_of_stages_are_families_of_families() -> None:
    text = model(
        "self.stages = nn.ModuleList([nn.ModuleList([nn.ReLU() for _ in range(d)]) for d in (2, 30)])",
        "for stage in self.stages:\n    for block in stage:\n        x = block(x)",
    )
    trace = trace_of(text)
    assert executed(trace) == {"stages.*.*"}
    assert counted(trace, "stages.*.*") == "1 1 1"


def test_elements_of_an_unknown_list_are_one_family() -> None:
    trace = trace_of(
        model("self.blocks = blocks", "for b in self.blocks:\n    x = b(x)", parameters="blocks")
    )
    assert str(used(trace, "blocks.*").times) == "1"


def test_elements_of_an_unknown_list_repeat_with_an_outer_loop() -> None:
    text = model(
        "self.blocks = blocks",
        "for i in range(3):\n    for b in self.blocks:\n        x = b(x)",
        parameters="blocks",
    )
    check_counts(text, {"blocks.*": "3"})


def test_a_very_long_list_is_cut_but_not_lost() -> None:
    entries = "\n".join(f"self.l.append(nn.ReLU())  # {i}" for i in range(230))
    text = model("self.l = nn.ModuleList()\n" + entries, "for m in self.l:\n    x = m(x)")
    trace = trace_of(text)
    assert any(trace.calls_of(m) for m in trace.modules)


@pytest.mark.parametrize(
    ("init", "forward", "parameters", "on", "words"),
    [
        ("", "for y in xs:\n    x = self.relu(y)", "", "some-path", "once per turn of the loop over `xs` in one forward:"),
        (
            "",
            "x = self.relu(x)\nfor y in xs:\n    x = self.relu(y)",
            "",
            "some-path",
            "at least once, and again in each turn of the loop over `xs` in one forward:",
        ),
        (
            "",
            "while x:\n    if flag:\n        x = self.relu(x)",
            "",
            "some-path",
            "once per turn of a `while` loop in one forward on some paths only:",
        ),
        ("self.n = n", "for i in range(self.n):\n    x = self.relu(x)", "n", "some-path", "turn of the loop over `range(self.n)`"),
        ("self.n = n", "for i in range(self.n):\n    x = self.relu(x)", "n=6", "always", "6 times in one forward with the default `n=6`:"),
        ("self.n = 2 * n - 1", "for i in range(self.n):\n    x = self.relu(x)", "n=3", "always", "5 times"),
        ("self.n = n * 2 - 1", "for i in range(self.n):\n    x = self.relu(x)", "n=3", "always", "5 times in one forward with the default `n=3`:"),
        (
            "self.l = nn.ModuleList(nn.Linear(8, 8) for _ in range(n))",
            "for m in self.l:\n    x = self.relu(m(x))",
            "n=3",
            "always",
            "3 times in one forward with the default `n=3`:",
        ),
        (
            "self.l = nn.ModuleList(nn.Linear(8, 8) for _ in d)",
            "for i in range(len(self.l)):\n    x = self.relu(self.l[i](x))",
            "d=(1, 2)",
            "always",
            "twice in one forward with the default `d=(1, 2)`:",
        ),
        ("self.a = a\nself.b = b", "for i in range(self.a):\n    for j in range(self.b):\n        x = self.relu(x)", "a=2, b=3", "always", "6 times in one forward with the defaults `a=2` and `b=3`:"),
        ("self.n = n", "for i in range(self.n):\n    x = self.relu(x)", "n=0", "some-path", "once per turn of the loop over `range(self.n)`"),
        ("self.n = n", "for i in self.n:\n    x = self.relu(x)", "n=()", "some-path", "once per turn of the loop over `self.n`"),
        ("", "for i in range(6):\n    x = self.relu(x)", "n=6", "always", "6 times in one forward:"),
    ],
)  # fmt: skip
def test_what_the_number_of_turns_is_taken_from(
    init: str, forward: str, parameters: str, on: str, words: str
) -> None:
    (found,) = findings(model(f"self.relu = nn.ReLU()\n{init}", forward, parameters=parameters), "QAT101")
    assert words in found.message
    assert found.on.value == on
    assert found.times is not None
    assert (found.times.least > 1) == (on == "always")


LISTS_OF_20 = "self.a = nn.ModuleList([nn.ReLU() for _ in range(20)])\nself.relu = nn.ReLU()"


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("for i in range(20):\n    x = self.a[i // 2](x)", "2"),
        ("for i in range(20):\n    x = self.a[i % 3](x)", "7"),
        ("for i in range(20):\n    x = self.a[i // 2](self.a[i // 2](x))", "4"),
        ("for i in range(20):\n    x = self.a[i // 30](x)", "20"),
        ("for i in range(2):\n    x = self.a[i // 2](x)", "2"),
        ("for i, y in enumerate(xs):\n    x = self.a[i // 2](y)", "0-2"),
        ("for i, y in enumerate(xs):\n    x = self.a[i % 2](y)", "many"),
        ("for i in range(20):\n    m = self.a[i // 2]\n    x = m(x)", "2"),
        ("for i in range(20):\n    x = self.a[int(i / 4)](x)", "4"),
        ("for i in range(20):\n    x = self.a[i // self.n](x)", "0-20"),
        ("for i, y in enumerate(xs):\n    x = self.a[int(i / (self.n / 3))](y)", "many"),
        ("for i in range(20):\n    x = self.a[i // flag](x)", "1"),
    ],
)
def test_entries_picked_by_a_division(forward: str, expected: str) -> None:
    check_counts(model(f"{LISTS_OF_20}\nself.n = n", forward, parameters="n"), {"a.*": expected})


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("k = 0\nfor y in xs:\n    for z in y:\n        x = self.a[k](z)\n        k += 1", "1"),
        ("k = 0\nfor y in xs:\n    for i in range(15):\n        x = self.a[k](x)\n        k += 1", "1"),
        ("for i in range(15):\n    for j in range(*self.spans[i]):\n        x = self.a[j](x)", "1"),
        ("for i in range(15):\n    for j in range(i * 4, i * 4 + 4):\n        x = self.a[j](x)", "1"),
        ("for i in range(15):\n    for j in range(4):\n        x = self.a[j](x)", "15"),
    ],
)
def test_positions_that_an_outer_loop_moves(forward: str, expected: str) -> None:
    text = model(f"{LISTS_OF_20}\nself.spans = spans", forward, parameters="spans")
    check_counts(text, {"a.*": expected})


@pytest.mark.parametrize(
    ("before", "after", "test", "expected"),
    [
        ("None", "y", "c is None", "1"),
        ("None", "y", "c is not None", "14"),
        ("None", "y", "c", "14"),
        ("True", "False", "c", "1"),
        ("True", "False", "not c", "14"),
        ("False", "True", "c", "14"),
        ("None", "None", "c is None", "0-15"),
        ("True", "flag", "c", "0-15"),
        ("0", "y", "c is None", "0-15"),
    ],
)
def test_a_guard_that_the_loop_carries(before: str, after: str, test: str, expected: str) -> None:
    forward = f"c = {before}\nfor i in range(15):\n    y = x\n    if {test}:\n        x = self.relu(x)\n    c = {after}"
    check_counts(model("self.relu = nn.ReLU()", forward), {"relu": expected})


@pytest.mark.parametrize(
    "body",
    [
        "if x.a:\n        c = y",  # some turns leave it as it was
        "if x.a:\n        continue\n    c = y",
        "c = y\n    if x.a:\n        c = None",
    ],
)
def test_a_guard_that_some_turns_leave_alone_is_not_of_the_first_turn(body: str) -> None:
    forward = f"c = None\nfor y in xs:\n    if c is None:\n        x = self.relu(y)\n    {body}"
    check_counts(model("self.relu = nn.ReLU()", forward), {"relu": "many"})


def test_a_guard_agrees_with_the_counter() -> None:
    forward = (
        "c = None\nfor i in range(15):\n    if c is None:\n        x = self.relu(x)\n    if i > 0:\n"
        "        x = x + 1\n    if i != 0:\n        x = self.relu(x)\n    c = x"
    )
    check_counts(model("self.relu = nn.ReLU()", forward), {"relu": "15"})


def test_what_an_entry_runs_is_repeated_as_often_as_the_entry_is_picked() -> None:
    text = """
    class Child(nn.Module):
        def __init__(self, act):
            super().__init__()
            self.act = act
        def forward(self, x):
            return self.act(x)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
            self.l = nn.ModuleList([Child(self.act), nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.Sigmoid()])
        def forward(self, x):
            for i in range(16):
                x = self.l[i // 5](x)
            return x
    """
    trace = trace_of(text, "Model")
    assert counted(trace, "act") == "5"
    assert counted(trace, "l.*") == "5 5 5 1 0"


def test_a_part_of_a_list_that_begins_after_another() -> None:
    """The levels that a detector adds to those of its backbone: other entries of the same list."""
    forward = (
        "out = []\nfor i, y in enumerate(xs):\n    out.append(self.a[i](y))\nn = len(out)\n"
        "out.append(self.a[n](x))\nfor i in range(n + 1, self.levels):\n    out.append(self.a[i](x))"
    )
    text = model(
        "self.levels = levels\nself.a = nn.ModuleList([nn.ReLU() for _ in range(levels)])",
        forward,
        parameters="levels",
    )
    check_counts(text, {"a.*": "1"})


@pytest.mark.parametrize(("depths", "last"), [("(2, 2, 2)", "1"), ("(2, 2, 2, 2)", "2"), ("None", "1-2")])
def test_zip_leaves_out_what_is_longer(depths: str, last: str) -> None:
    """A norm for each stage, and one for the end."""
    text = model(
        "self.stages = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in depths])\n"
        "self.norm = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.ReLU(), nn.Sigmoid()])",
        "for stage, norm in zip(self.stages, self.norm):\n    x = norm(stage(x))\nreturn self.norm[-1](x)",
        parameters=f"depths={depths}",
    )
    trace = trace_of(text)
    (sigmoid,) = [m for m in trace.modules if m.class_name.endswith("Sigmoid")]
    assert str(usage(trace, sigmoid).times) == last


def test_zip_may_leave_out_the_entry_for_the_end_of_a_list_of_any_length() -> None:
    text = model(
        "self.stages = nn.ModuleList([build(d) for d in dims])\nnorms = [nn.LayerNorm(d) for d in dims]\n"
        "norms.append(nn.Sigmoid())\nself.norm = nn.ModuleList(norms)",
        "for stage, norm in zip(self.stages, self.norm):\n    x = norm(stage(x))\nreturn self.norm[-1](x)",
        parameters="dims=(1, 2, 3)",
    )
    trace = trace_of(text)
    found = {m.class_name.rpartition(".")[2]: str(usage(trace, m).times) for m in trace.modules}
    assert (found["LayerNorm"], found["Sigmoid"]) == ("1", "1-2")


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        ("flag and i < 4", (0, 5)),
        ("flag and i != 4", (0, 5)),
        ("flag", (0, 5)),
        ("i < 4", (0, 4)),
    ],
)
def test_a_flag_and_the_counter_leave_out_turns_together(test: str, expected: tuple[int, int]) -> None:
    trace = trace_of(
        model(
            "self.relu = nn.ReLU()",
            f"for i in range(n):\n    if {test}:\n        continue\n    x = self.relu(x)\nreturn x",
        ).replace("flag=False", "flag=False, n=5")
    )
    assert times(trace, "relu") == expected
    assert used(trace, "relu").on is On.SOME_PATH


def test_a_loop_that_goes_round_once_by_default_is_a_note() -> None:
    text = model(
        "self.conv = nn.Conv2d(4, 4, 1)\nself.n = n",
        "for _ in range(self.n):\n    x = self.conv(x)\nreturn x",
        parameters="n=1",
    )
    (found,) = findings(text, "QAT101")
    assert (found.severity.label, found.on, found.times) == ("note", On.SOME_PATH, Times(0, None))
    assert "runs once with the default `n=1`, and again in each further turn" in found.message


def test_a_loop_that_goes_round_once_for_sure_is_silent() -> None:
    assert not findings(
        model("self.conv = nn.Conv2d(4, 4, 1)", "for _ in range(1):\n    x = self.conv(x)\nreturn x")
    )


def test_entries_of_a_list_that_has_one_by_default_are_not_shared() -> None:
    init = "self.l = nn.ModuleList([nn.ReLU() for _ in range(n)])"
    assert not findings(model(init, "for m in self.l:\n    x = m(x)\nreturn x", "", "n=1"), "QAT101")
