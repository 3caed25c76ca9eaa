"""Which line a numbered call is: by the order in which the forward of its owner runs."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path
from textwrap import dedent, indent

import pytest

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.report import CallCount, Layer, ModelCheck, Statistic
from qatlint.horizon.report.whole import is_whole
from qatlint.resolve.choosing import best
from qatlint.resolve.names import Names
from qatlint.resolve.unrolled import DECORATED, TAKING_TURNS, UNFOLLOWED

HEAD = """\
import torch
from horizon_plugin_pytorch.fx.jit_scheme import Tracer
from helpers import helper
from horizon_plugin_pytorch.quantization import QuantStub
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub


class Part(nn.Module):
    def forward(self, x):
        x = x + 1  # first
        return x + x  # second


class Stepping(nn.Module):
    def forward(self, x, xs):
        x = x + x  # begin
        for y in xs:
            with Tracer.dynamic_block(self, "step"):
                x = self.step(x)
                x = x + y  # behind
        return x + x  # finish

    def step(self, x):
        with Tracer.dynamic_block(self, "inner"):
            return x + 1  # inner


class Model(nn.Module):
    def __init__(self, gated=None, turns=3):
        super().__init__()
        self.quant, self.dequant, self.skip = QuantStub(), DeQuantStub(), FloatFunctional()
        self.part, self.conv, self.gated, self.turns = Part(), nn.Conv2d(8, 8, 1), gated, turns
        self.stepping = Stepping()

    def double(self, x):
        x = x + 1  # one
        return x + x  # two

    def forward(self, x, xs):
        x = self.quant(x + 1)  # before
"""


def places(
    folder: Path,
    body: str,
    labels: list[str],
    is_call: bool = False,
    is_whole: bool = True,
    head: str = HEAD,
) -> tuple[list[str], list[str]]:
    """The comments on the lines that each label may mean, with a comma between, and why there are several.
    The labels are those of a whole report unless that is said."""
    path = folder / "m.py"
    path.write_text(head + indent(dedent(body), " " * 8), encoding="utf-8")
    found = engine.flows([str(path)], DiskLoader(), Aim((), (EntryPoint(str(path), "Model"),)))
    (own,) = [flow for flow in found if flow.root.endswith(":Model") and not flow.assumed]
    names = Names(own, labels, found, is_whole)
    text = path.read_text(encoding="utf-8").splitlines()
    comments, reasons = [], []
    for label in labels:
        ops, why = names.ops_of(label, is_call=is_call)
        lines = sorted({op.span.line for op in ops})
        comments.append(",".join(text[line - 1].rpartition("# ")[2] for line in lines))
        reasons.append(why)
    return comments, reasons


def adds(count: int, owner: str = "") -> list[str]:
    return [f"{owner}_generated_add_{n}[add]" for n in range(count)]


CASES = {
    "a method in a loop": (
        """
        for _ in range(2):
            x = self.double(x)
        return x + x  # end
        """,
        "one two one two end",
    ),
    "a loop in a loop": (
        """
        for _ in range(2):
            x = x + 1  # a
            for _ in range(2):
                x = x + 2  # b
                x = x + 3  # c
            x = x + 4  # d
        return x + x  # end
        """,
        "a b c b c d a b c b c d end",
    ),
    "how often a loop turns follows from how many calls there are": (
        """
        x = x + 1  # begin
        for y in xs:
            x = x + 2  # a
            x = x + 3  # b
        return x + x  # end
        """,
        "begin a b a b a b end",
    ),
    "loops in which there is nothing but a loop": (
        """
        x = x + 1  # begin
        for y in xs:
            for _ in y:
                x = x + 2  # a
                x = x + 3  # b
        return x + x  # end
        """,
        "begin a b a b a b end",
    ),
    "such a loop in one of known length": (
        """
        for _ in range(2):
            for _ in xs:
                x = x + 2  # a
                x = x + 3  # b
        return x + x  # end
        """,
        "a b a b a b end",
    ),
    "a loop of unknown length in one of known length": (
        """
        for _ in range(2):
            x = x + 1  # a
            for y in xs:
                x = x + 2  # b
        return x + x  # end
        """,
        "a a,b a,b a,b a,b a,b end",
    ),
    "the default does not hold": (
        """
        for _ in range(self.turns):
            x = x + 1  # a
            x = x + 2  # b
        return x + x  # end
        """,
        "a b a b end",
    ),
    "another run of the owner has the same numbers": (
        """
        for _ in range(3):
            x = self.part(self.part(x))
        return x + x  # end
        """,
        "end",
    ),
    "either side of a branch": (
        """
        if self.gated is None:
            x = x + 1  # a
        else:
            x = x + 2  # b
        x = x + 3  # c
        return x + x  # end
        """,
        "a,b c end",
    ),
    "how many calls there are tells the side": (
        """
        if self.gated is None:
            x = x + 1  # a
            x = x + 2  # b
        else:
            x = x + 3  # c
        return x + x  # end
        """,
        "c end",
    ),
    "loops on the other side may turn so often": (
        """
        if self.gated is None:
            x = x + 1  # a
            x = x + 2  # b
        else:
            for _ in xs:
                x = x + 3  # c
            for _ in xs:
                x = x + 4  # d
        return x + x  # end
        """,
        "a,c,d b,c,d end",
    ),
    "training is not prepared": (
        """
        if self.training:
            x = x + 1  # a
        x = x + 2  # b
        return x + x  # end
        """,
        "b end",
    ),
    "a block has the same modules at each turn": (
        """
        for y in xs:
            with Tracer.dynamic_block(self, "step"):
                x = x + 1  # a
                x = x + 2  # b
        return x + x  # end
        """,
        "a b end",
    ),
    "map calls its function for each": (
        """
        x, y = map(self.double, (x, x.neg()))
        parts = list(map(lambda part: part + 1, (x, y)))  # lambda
        return parts[0] + parts[1]  # end
        """,
        "one two one two lambda lambda end",
    ),
    "constants stay as they are": (
        """
        table = torch.arange(8) + torch.ones(8)  # constant
        x = x + 1  # a
        return x + table  # end
        """,
        "a end",
    ),
    "what is looked at twice runs once": (
        """
        x = -(x + 1)  # a
        mask = (x + 2) > (x + 3)  # b
        return x + mask  # end
        """,
        "a b b end",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_numbers_go_by_the_order_of_runs(case: str, tmp_path: Path) -> None:
    body, expected = CASES[case]
    wanted = expected.split()
    assert places(tmp_path, body, adds(len(wanted)))[0] == wanted


def test_each_run_of_a_part_has_the_same_numbers(tmp_path: Path) -> None:
    body = """
    for _ in range(2):
        x = self.part(x)
    return x + x  # end
    """
    labels = [*adds(2, "part."), "part._generated_add_0[add](1)", *adds(1)]
    assert places(tmp_path, body, labels)[0] == ["first", "second", "first", "end"]


def test_a_block_in_a_part_has_the_same_modules_at_each_turn(tmp_path: Path) -> None:
    body = """
    x = self.stepping(x, [x, x, x])
    return x + x  # end
    """
    labels = [*adds(4, "stepping."), *adds(1)]
    assert places(tmp_path, body, labels) == (["begin", "inner", "behind", "finish", "end"], [""] * 5)


LOOSE = """
def half(function):
    def wrapper(self, x):
        x = x + 0.5
        return function(self, x) + x

    return wrapper


def plain(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def turns(x):
    for n in range(3):
        x = x + n  # inner
        yield x


class Stepping"""
METHODS = """
    @half
    def halved(self, x):
        return x + 1  # halved

    @plain
    def same(self, x):
        return x + 1  # same

    def double(self"""


def test_where_the_order_is_not_known_no_line_is_certain(tmp_path: Path) -> None:
    """A generator runs turn by turn with the loop that takes from it; and a decorator that computes is not
    followed, so calls are missing, also where a loop of unknown length could make up for them."""
    for body, count, certain, others, reason in [
        ("for y in turns(x):\n    x = x + y  # outer\nreturn x", 6, [], "inner,outer", TAKING_TURNS),
        (
            "x = x + x  # one\nx = self.halved(x)\nfor _ in xs:\n    x = x + 1  # turn\nreturn x",
            5,
            ["one"],
            "halved,turn",
            DECORATED,
        ),
        ("x = self.same(x)\nreturn x + x  # end", 2, ["same", "end"], "", ""),
    ]:
        text = HEAD.replace("class Stepping", LOOSE).replace("    def double(self", METHODS)
        found, reasons = places(tmp_path, body, adds(count), head=text)
        assert found == certain + [others] * (count - len(certain))
        assert all(reason in why and bool(why) is bool(reason) for why in reasons[len(certain) :])


LATE = {
    "a generator expression that is taken later": (
        "late = (x + n for n in (1.0, 2.0))  # late\ny = x + x  # between\na, b = late\nreturn y + a  # end",
        ["late,between,end"] * 4,
    ),
    "map that is taken later": (
        "late = map(lambda p: p + 1, (x, x))  # late\ny = x + x  # between\na, b = late\nreturn y + a  # end",
        ["late,between,end"] * 4,
    ),
    "two that take turns": (
        "pairs = zip(\n    map(lambda p: p + 1, (x, x)),  # one\n    map(lambda p: p + 2, (x, x)),  # two\n)\n"
        "(a, b), (c, d) = pairs\nreturn a + b  # end",
        ["one,two,end"] * 5,
    ),
    "a loop over one": (
        "for y in (x + n for n in (1.0, 2.0)):  # head\n    x = x + y  # body\nreturn x",
        ["head,body"] * 4,
    ),
    "taken apart at once": (
        "a, b = (x + n for n in (1.0, 2.0))  # now\ny = x + x  # between\nreturn y + a  # end",
        ["now", "now", "between", "end"],
    ),
    "taken whole at once": (
        "parts = list(enumerate(map(lambda p: p + 1, (x, x))))  # now\ny = x + x  # between\n"
        "return torch.cat([*(part + 3 for _, part in parts)]) + y  # end",
        ["now", "now", "between", "end", "end", "end"],
    ),
    "nothing runs in it": (
        "late = (n for n in (1.0, 2.0))\ny = x + x  # between\na, b = late\nreturn y + a  # end",
        ["between", "end"],
    ),
}


@pytest.mark.parametrize("case", LATE)
def test_a_generator_expression_runs_where_it_is_taken(case: str, tmp_path: Path) -> None:
    body, expected = LATE[case]
    assert places(tmp_path, body, adds(len(expected)))[0] == expected


def test_a_call_of_an_object_that_is_no_module_is_followed(tmp_path: Path) -> None:
    head = HEAD.replace(
        "class Part(",
        "class Shift:\n    def __init__(self, x):\n        self.x = x\n\n"
        "    def __call__(self, y):\n        return y + self.x  # object\n\n\nclass Part(",
        1,
    )
    body = "y = x + x  # before\ny = Shift(x)(y)\nreturn y + x  # end"
    assert places(tmp_path, body, adds(3), head=head)[0] == ["before", "object", "end"]


def test_behind_a_method_that_was_not_followed_only_as_many_calls_as_there_are_make_a_line_certain(
    tmp_path: Path,
) -> None:
    body = "x = x + x  # before\ny = self.gated.pyramid(x)\nx = x + y  # a\nreturn x + y  # end"
    assert places(tmp_path, body, adds(3)) == (["before", "a", "end"], ["", "", ""])
    found, why = places(tmp_path, body, adds(3), is_whole=False)
    assert found == ["before", "a,end", "a,end"]
    line = HEAD.count("\n") + 2
    assert why == ["", *[f"`self.gated.pyramid` at line {line} {UNFOLLOWED}"] * 2]
    # It may be what makes the number, and not a loop of unknown length.
    loop = "y = self.gated.pyramid(x)\nfor _ in xs:\n    x = x + y  # turn\nreturn x + y  # end"
    assert places(tmp_path, loop, adds(4))[0] == ["turn,end"] * 4
    assert places(tmp_path, loop.replace("self.gated.pyramid(x)", "self.gated(x)"), adds(4))[0] == [
        *["turn"] * 3,
        "end",
    ]


def test_a_number_that_the_report_does_not_have_is_looked_up_as_one_of_an_excerpt(tmp_path: Path) -> None:
    body = "for _ in xs:\n    x = x + 1  # a\nfor _ in xs:\n    x = x + 2  # b\nx = self.skip.add(x, x)\nreturn x"
    path = tmp_path / "m.py"
    path.write_text(HEAD + indent(body, " " * 8), encoding="utf-8")
    found = engine.flows([str(path)], DiskLoader(), Aim((), (EntryPoint(str(path), "Model"),)))
    (own,) = [flow for flow in found if flow.root.endswith(":Model") and not flow.assumed]
    names = Names(own, [*adds(3), "skip[add]"], (), True)
    for label, lines in [("_generated_add_9[add]", 2), ("skip[add](4)", 1)]:
        assert len({op.span.line for op in names.ops_of(label)[0]}) == lines


def test_an_excerpt_does_not_tell_that_a_loop_is_not_entered(tmp_path: Path) -> None:
    body = """
    if self.gated is None:
        for _ in xs:
            x = x + 1  # turn
    x = x + 2  # a
    x = x + 3  # b
    return x + x  # end
    """
    found, why = places(tmp_path, body, ["_generated_add_2"], is_whole=False)
    assert found == ["turn,a,b,end"] and why == [
        "the number of turns of a loop decides which of 4 lines it is"
    ]


def test_what_is_not_decided_says_what_decides(tmp_path: Path) -> None:
    branch = """
    if self.gated is None:
        x = x + 1  # a
    else:
        x = x + 2  # b
    return x + x  # end
    """
    found, why = places(tmp_path, branch, ["_generated_add_0", "_generated_add_1"])
    assert found == ["a,b", "end"] and why == ["a branch decides which of 2 lines it is", ""]
    loops = """
    for y in xs:
        x = x + 1  # a
    for y in xs:
        x = x + 2  # b
        x = x + 3  # c
    return x + x  # end
    """
    found, why = places(tmp_path, loops, adds(6))
    assert found[0] == found[4] == "a,b,c" and found[5] == "end"
    assert why[0] == "the number of turns of a loop decides which of 3 lines it is" and why[5] == ""


OUTSIDE = {
    "before and after": (
        """
        y = self.dequant(x + x)  # a
        y = y + y  # after
        x = x + y  # mixed
        return y + 1, self.dequant(x + x)  # end
        """,
        "a mixed end",
    ),
    "more than one region": (
        """
        x = self.dequant(x + 1)  # a
        x = x + x  # between
        x = self.quant(x + 1)  # between too
        return self.dequant(x + x)  # end
        """,
        "a end",
    ),
    "a part that is run outside as well": (
        """
        y = self.part(self.dequant(x))
        return self.dequant(self.part(x)), y
        """,
        "part.first part.second",
    ),
    "all are inside that may be, as many as the report has": (
        """
        y = helper(x)
        y = y + 1  # a
        y = helper(x) + 1  # b
        return self.dequant(x + y)  # end
        """,
        "a b end",
    ),
    "so are many": (
        """
        y = helper(x)
        y = y + 1  # a
        y = helper(y + 1)  # b
        y = helper(y + 1)  # c
        y = helper(y + 1)  # d
        y = helper(y + 1)  # e
        y = helper(y + 1)  # f
        y = helper(y + 1)  # g
        y = helper(y + 1)  # h
        y = helper(y + 1)  # i
        return self.dequant(x + x)  # end
        """,
        "a b c d e f g h i end",
    ),
}


@pytest.mark.parametrize("case", OUTSIDE)
def test_what_is_outside_of_the_stubs_has_no_number(case: str, tmp_path: Path) -> None:
    """prepare has dropped it when it makes modules of functions."""
    body, expected = OUTSIDE[case]
    wanted = [text.rpartition(".") for text in expected.split()]
    owner = "".join(dict.fromkeys(owner + dot for owner, dot, _ in wanted))
    found, _ = places(tmp_path, body, adds(len(wanted), owner))
    assert found == [comment for _, _, comment in wanted]


def test_where_nobody_knows_what_is_outside_of_the_stubs_all_that_may_be_meant_is_named(
    tmp_path: Path,
) -> None:
    doubted = """
    y = helper(x)
    y = y + 1  # a
    z = helper(x + 1)  # b
    y = z + y  # c
    return self.dequant(x + y)  # end
    """
    found, why = places(tmp_path, doubted, adds(3))
    assert found == ["a,b", "b,c", "end"]
    assert why[0] == "what lies between the stubs decides which of 2 lines it is" and why[2] == ""
    many = "\n".join(
        [*(f"y = helper(x) + {n}  # {n}" for n in range(9)), "return self.dequant(x + x)  # end"]
    )
    found, why = places(tmp_path, many, adds(3))
    assert found == ["0,1,2,3,4,5,6,7", "1,2,3,4,5,6,7,8", "end"] and why[2] == ""
    in_doubt = "what lies between the stubs decides, of more than 8 calls in doubt, which of 8 lines it is"
    assert why[:2] == [in_doubt] * 2
    # All of them would be as many as an excerpt may have.
    assert places(tmp_path, many, adds(3), is_whole=False)[0][2] == "2,3,4,5,6,7,8,end"
    outside = """
    y = self.dequant(x)
    return y + y  # after
    """
    assert places(tmp_path, outside, adds(1)) == (
        [""],
        ["no call of `add` there is between the stubs, as it was read"],
    )


def test_calls_of_a_module_are_counted_through_loops(tmp_path: Path) -> None:
    body = """
    x = self.conv(x)  # begin
    for _ in range(2):
        x = self.conv(x)  # a
        x = self.conv(x)  # b
    return self.conv(x)  # end
    """
    labels = ["conv", *(f"conv({n})" for n in range(1, 6))]
    found, _ = places(tmp_path, body, labels)
    assert found == ["begin,a,b,end", "a", "b", "a", "b", "end"]


def test_calls_of_a_module_are_counted_over_its_methods_and_wherever_they_stand(tmp_path: Path) -> None:
    body = """
    x = self.skip.add(x, x)  # a
    y = self.skip.mul(helper(x), x)  # b
    y = self.skip.add(y, helper(x))  # c
    y = self.skip.add(helper(y), helper(x))  # d
    return self.dequant(y)
    """
    labels = ["skip[add]", "skip[mul](1)", "skip[add](2)", "skip[add](3)"]
    assert places(tmp_path, body, labels) == (["a", "b", "c", "d"], [""] * 4)


def test_a_row_of_one_call_without_a_number_is_the_first(tmp_path: Path) -> None:
    body = """
    x = self.conv(x)  # begin
    for _ in range(2):
        x = self.conv(x)  # a
    return x
    """
    for labels in (["conv"], ["conv", "conv(1)", "conv(2)"]):
        assert places(tmp_path, body, labels, is_call=True, is_whole=False) == (
            ["begin", "a", "a"][: len(labels)],
            [""] * len(labels),
        )
        assert places(tmp_path, body, labels)[0][0] == "begin,a"
    point = EntryPoint(str(tmp_path / "m.py"), "Model")
    (own,), _ = engine.flows_with(point, [point.path], DiskLoader())
    row = Judgement(Topic.FLOAT_INPUT, Rank.CHECK, ("conv",), "", "", "")
    for topic, count in ((Topic.FLOAT_INPUT, 1), (Topic.SHARED, 2)):
        names, row = Names(own, ["conv"]), row._replace(topic=topic)
        assert len(names.locate(row).places) == len(names.reached(row)) == count


def test_a_single_row_may_be_one_of_several(tmp_path: Path) -> None:
    body = """
    if self.gated is None:
        x = self.conv(x)  # maybe
    return self.conv(x)  # end
    """
    for label in ("conv", "conv[forward]"):
        found, why = places(tmp_path, body, [label], is_call=True, is_whole=False)
        assert found == ["maybe,end"] and why == ["a branch decides which of 2 lines it is"]


def test_source_that_has_more_calls_than_a_whole_report_says_so(tmp_path: Path) -> None:
    body = """
    x = self.conv(x + 1)  # a
    x = self.conv(x + 2)  # b
    x = x + x  # c
    return self.dequant(x)  # end
    """
    labels = [*adds(2), "conv", "dequant"]
    lines = ["a", "b", "a", "end"]
    assert places(tmp_path, body, labels, is_call=True, is_whole=False) == (lines, [""] * 4)
    path = str(tmp_path / "m.py")
    (own,), _ = engine.flows_with(EntryPoint(path, "Model"), [path], DiskLoader())
    q8, f32 = ("qint8",), ("torch.float32",)
    rows = tuple(Layer(label.partition("[")[0], "T", q8, q8, "-1", "") for label in labels)
    rows = (*rows[:-1], rows[-1]._replace(outputs=f32))
    counts = tuple(CallCount(row.name, 1) for row in rows)
    total = Statistic("total", (("qint8", 3), ("torch.float32", 1)))
    check = ModelCheck(counts=counts, outputs=(total,), layers=rows)
    # Counts may be pasted together with just their rows.
    for cut in (check._replace(layers=rows[:-1]), check._replace(outputs=()), check._replace(layers=())):
        assert not is_whole(cut)
        names = best([own], cut, [])
        assert names is not None and names.ops_of("_generated_add_0")[1] == ""
    given = (Statistic("total", (("qint8", 4),)),)
    for whole in (check, check._replace(counts=()), check._replace(inputs=given, outputs=())):
        names = best([own], whole, [])
        assert names is not None
        assert [names.ops_of(row.name, is_call=True)[1] for row in rows] == [
            *["source tells of 3 calls of `add` there, the report has 2 calls: it may be another line"] * 2,
            "source tells of 2 calls there, the report has 1 call: it may be another line",
            "",
        ]


def test_past_the_branches_of_which_all_ways_are_tried_numbers_are_counted_from_both_ends(
    tmp_path: Path,
) -> None:
    tests = "\n".join(f"if xs[{n}] > 0:\n    x = x + {n}  # {n}" for n in range(9))
    body = f"x = x + 1  # begin\nx = x + x  # second\n{tests}\nx = x + x  # end\nreturn self.dequant(x)"
    found, why = places(tmp_path, body, adds(5))
    assert found == ["begin", "second", "0,1,2,3,4,5,6,7", "1,2,3,4,5,6,7,8", "end"]
    many = "branches decide, more than the 8 of which all ways are tried, which of 8 lines it is"
    assert why == ["", "", many, many, ""]
    # The last row of an excerpt need not be the last of all.
    assert places(tmp_path, body, adds(3), is_whole=False)[0][2] == "0,1,2,3,4,5,6,7,8,end"
    looped = body.replace("x = x + x  # second", "for y in xs:\n    x = x + y  # turn\nx = x * x")
    assert places(tmp_path, looped, adds(3))[0] == ["begin", "turn,0,1,2,3,4,5,6,7,8", "end"]
    trained = "if self.training:\n    x = x + 1  # loss\n" + body
    assert places(tmp_path, trained, adds(3))[0] == ["begin", "second", "end"]


LOOP_OF_UNKNOWN_LENGTH = """
    x = x + 2.0  # begin
    for y in xs:
        x = x + y  # turn
    if self.gated is not None:
        x = x + self.gated  # gated
    return x + x  # end
    """


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        # What stands behind the last row of an excerpt, and between its rows, nobody knows.
        (adds(1), ["begin"]),
        (adds(2), ["begin", "turn,gated,end"]),
        (["_generated_add_4", "_generated_add_6"], ["turn,gated,end"] * 2),
    ],
)
def test_rows_of_an_excerpt_do_not_tell_how_many_there_are(
    labels: list[str], found: list[str], tmp_path: Path
) -> None:
    assert places(tmp_path, LOOP_OF_UNKNOWN_LENGTH, labels, is_whole=False)[0] == found


def test_a_relu_that_is_fused_has_no_row(tmp_path: Path) -> None:
    """So those that have rows are not all there are."""
    body = """
    for y in xs:
        x = torch.relu(x * y)  # turn
    x = torch.relu(x + x)  # end
    return torch.relu(self.conv(x))  # fused
    """
    assert places(tmp_path, body, ["_generated_relu_0", "_generated_relu_1"])[0] == ["turn,end,fused"] * 2
    assert places(tmp_path, body.replace("relu", "exp"), ["_generated_exp_0", "_generated_exp_1"])[0] == [
        "end",
        "fused",
    ]


def test_all_rows_tell_how_many_there_are(tmp_path: Path) -> None:
    body = LOOP_OF_UNKNOWN_LENGTH.replace("if self.gated is not None", "if False")
    assert places(tmp_path, body, adds(4))[0] == ["begin", "turn", "turn", "end"]


def test_counts_tell_it_of_the_calls_of_a_module_also_in_an_excerpt(tmp_path: Path) -> None:
    body = """
    for y in xs:
        x = self.conv(y)  # turn
    return self.conv(x)  # end
    """
    path = tmp_path / "m.py"
    places(tmp_path, body, ["conv"])
    (own,), _ = engine.flows_with(EntryPoint(str(path), "Model"), [str(path)], DiskLoader())
    rows = tuple(Layer("conv", "T", (), (), "-1", "", call=number) for number in (2, 3))
    text = path.read_text(encoding="utf-8").splitlines()
    for counts, found in (((), ["turn,end"] * 2), ((CallCount("conv", 4),), ["turn", "end"])):
        names = best([own], ModelCheck(counts=counts, layers=rows), [])
        assert names is not None
        spans = [[op.span.line for op in names.ops_of(row.label, is_call=True)[0]] for row in rows]
        assert [",".join(text[n - 1].rpartition("# ")[2] for n in lines) for lines in spans] == found


def test_time_goes_with_the_length_of_a_report(tmp_path: Path) -> None:
    """A report that nobody should have: time would go with the square of its rows."""
    body = """
    for y in xs:
        x = self.conv(x) + 1  # a
    return x + x  # end
    """
    many = 20_000
    labels = [
        *adds(many),
        *(f"conv({n})" for n in range(many)),
        *(f"layers.{n}.conv({n})" for n in range(many)),
    ]
    began = time.process_time()
    found, _ = places(tmp_path, body, labels)
    assert time.process_time() - began < 20
    assert found[0] == found[many - 2] == found[many] == "a" and found[many - 1] == "end"
    assert found[-1] == ""


def test_time_and_memory_do_not_go_with_the_numbers_in_a_report(tmp_path: Path) -> None:
    """Of a loop of unknown length the report may claim any number of turns."""
    body = """
    x = self.conv(x)  # before
    for _ in xs:
        x = self.conv(x)  # first
        x = self.conv(x)  # second
    return self.conv(x)  # behind
    """
    path = tmp_path / "m.py"
    labels = ["conv", "conv(499999999)", "conv(500000000)", "conv(900000000)", "conv(900000001)"]
    places(tmp_path, body, labels)
    (own,), _ = engine.flows_with(EntryPoint(str(path), "Model"), [str(path)], DiskLoader())
    text = path.read_text(encoding="utf-8").splitlines()
    tracemalloc.start()
    names = Names(own, labels, counted={"conv": 900_000_002})
    found = [names.ops_of(label, is_call=True)[0] for label in labels]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [text[op.span.line - 1].rpartition("# ")[2] for (op,) in found] == [
        "before",
        "first",
        "second",
        "second",
        "behind",
    ]
    assert peak < 10_000_000
