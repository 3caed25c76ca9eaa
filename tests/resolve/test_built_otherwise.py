"""Reports of models that were built unlike their defaults, or changed after they were built: a line is only
certain where the report itself proves what source leaves open."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.horizon.report.whole import is_whole
from qatlint.resolve.choosing import best
from tests.resolve.reporting import HEAD, adds, found, report

CONV = "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d"
NORM = "horizon_plugin_pytorch.nn.qat.layernorm.LayerNorm"


TWO_LOOPS = """
class Net(nn.Module):
    def __init__(self, enc=2, dec=2):
        super().__init__()
        self.quant = QuantStub()
        self.enc = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(enc))
        self.dec = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(dec))
        self.norm = nn.LayerNorm(4)
        self.turns = dec

    def forward(self, x):
        x = self.quant(x)
        for conv in self.enc:
            x = conv(x) + x  # enc
        x = x * 2
        for conv in self.dec:
            x = conv(x) + x  # dec
        return x + 1  # end
"""
TWO_COUNTERS = """
class Net(nn.Module):
    def __init__(self, first=2, second=2):
        super().__init__()
        self.quant, self.norm, self.other = QuantStub(), nn.LayerNorm(4), nn.LayerNorm(4)
        self.first, self.second = first, second

    def forward(self, x):
        x = self.quant(x)
        for _ in range(self.first):
            x = self.norm(x) + x  # enc
        for _ in range(self.second):
            x = self.other(x) + x  # dec
        return x + 1  # end
"""
ENTRIES = ["quant", "enc.0", "enc.1", "enc.2", "dec.0"]


@pytest.mark.parametrize(
    ("model", "names", "graph", "expected"),
    [
        # Two defaults whose differences cancel out: what is in the loops tells which of them it is.
        (TWO_LOOPS, ENTRIES, ENTRIES, "enc enc enc dec end"),
        (TWO_LOOPS, ["quant", "enc.0", "enc.1", "dec.0", "dec.1"], (), "enc enc dec dec end"),
        # Convolutions that are fused with the add behind them have no row, but the graph has them.
        (TWO_LOOPS, ["quant"], ENTRIES, "enc enc enc dec end"),
        (TWO_LOOPS, ["quant"], (), "enc,dec enc,dec enc,dec enc,dec end"),
        (TWO_COUNTERS, ["quant", "norm", "norm(1)", "norm(2)", "other"], (), "enc enc enc dec end"),
        (TWO_COUNTERS, ["quant", "norm", "norm(1)", "other", "other(1)"], (), "enc enc dec dec end"),
    ],
)
def test_what_runs_in_a_loop_tells_how_often_it_turns(
    model: str, names: list[str], graph: Sequence[str], expected: str, tmp_path: Path
) -> None:
    types = {name: CONV for name in names if name[-1].isdecimal()}
    check = report([*names, *adds(5)], graph=graph, types=types)
    assert is_whole(check)
    assert found(tmp_path, model, check, adds(5)) == expected.split()


def test_counts_alone_tell_it_too(tmp_path: Path) -> None:
    counts = {"norm": 3, "other": 1}
    check = report(["_generated_add_3", "norm"], counts, whole=False)
    assert found(tmp_path, TWO_COUNTERS, check, ["_generated_add_3"]) == ["dec"]


def test_in_an_excerpt_a_default_is_no_fact(tmp_path: Path) -> None:
    one = report(["_generated_add_3"], whole=False)
    assert found(tmp_path, TWO_LOOPS, one, ["_generated_add_3"]) == ["enc,dec,end"]
    # So many entries ran at least.
    some = report(["_generated_add_1", "enc.0", "enc.1"], whole=False)
    assert found(tmp_path, TWO_LOOPS, some, ["_generated_add_1"]) == ["enc"]


OVER_NAMES = """
class Net(nn.Module):
    def __init__(self, names=("a", "b")):
        super().__init__()
        self.quant = QuantStub()
        self.names = names
        self.parts = nn.ModuleDict({"a": nn.LayerNorm(4), "b": nn.LayerNorm(4), "c": nn.LayerNorm(4)})

    def forward(self, x):
        x = self.quant(x)
        for name in self.names:
            x = self.parts[name](x) + x  # turn
        return x + 1  # end
"""


def test_a_loop_over_names_turns_for_those_that_ran(tmp_path: Path) -> None:
    parts = ["parts.a", "parts.b"]
    types = dict.fromkeys(parts, NORM)
    both = report([*parts, *adds(3)], types=types)
    assert found(tmp_path, OVER_NAMES, both, adds(3)) == ["turn", "turn", "end"]
    some = report([*parts, *adds(3)], types=types, whole=False)
    assert found(tmp_path, OVER_NAMES, some, adds(3)) == ["turn", "turn", "turn,end"]
    assert found(tmp_path, OVER_NAMES, report(adds(2), whole=False), adds(2)) == ["turn,end", "turn,end"]


SWITCHED = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.deploy = {first}
        self.conv, self.one = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
{method}
    def forward(self, x):
        if self.deploy:
            return self.conv(x) + 1  # deployed
        return self.one(x) + 2  # trained


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.blocks = nn.Sequential(Block(), Block())

    def forward(self, x):
        return self.blocks(self.quant(x))
{behind}
"""
METHOD = """
    def switch_to_deploy(self):
        self.deploy = True
"""
BUILDING = """
    def _settle(self):
        self.deploy = False
"""
SET_AGAIN = {
    "a method of its own": ("False", METHOD, ""),
    "a builder": (
        "False",
        "",
        "def build():\n    model = Net(); model.blocks[0].deploy = True; return model",
    ),
    "setattr": ("False", "", "def build(model):\n    setattr(model.blocks[0], 'deploy', True)"),
    "setattr with names that are handed in": (
        "False",
        "",
        "def set_all(m, **flags):\n    for k, v in flags.items():\n        setattr(m, k, v)\n"
        "def build(model):\n    set_all(model.blocks[0], deploy=True)",
    ),
    "setattr with names out of a list": (
        "False",
        "",
        "def build(model):\n    for name in ('deploy', 'export'):\n        setattr(model.blocks[0], name, True)",
    ),
    "its namespace": ("False", "", "def build(model):\n    vars(model.blocks[0])['deploy'] = True"),
    "an update of its namespace": (
        "False",
        "",
        "def build(model):\n    model.blocks[0].__dict__.update(deploy=True)",
    ),
    "a name of the module": (
        "MODE",
        "",
        "MODE = False\ndef build():\n    global MODE\n    MODE = True\n    return Net()",
    ),
    "an entry of settings": (
        "MODE['deploy']",
        "",
        "MODE = {'deploy': False}\ndef build():\n    MODE['deploy'] = True\n    return Net()",
    ),
    "a method that others call, too": (
        "False",
        BUILDING.replace("False", "True"),
        "def build(model):\n    model.blocks[0]._settle()",
    ),
}


def switched(case: tuple[str, str, str]) -> str:
    first, method, behind = case
    text = SWITCHED.format(first=first, method=method, behind=behind)
    # What a constructor copies is read there; a name of the module is asked for in forward.
    return text.replace("if self.deploy", f"if {first}") if first.startswith("MODE") else text


@pytest.mark.parametrize("case", SET_AGAIN)
def test_what_other_code_sets_again_decides_no_branch(case: str, tmp_path: Path) -> None:
    text = switched(SET_AGAIN[case])
    row = ["blocks.0._generated_add_0"]
    assert found(tmp_path, text, report(row), row) == ["deployed,trained"]
    # What did not run proves which way it went, and so does what ran.
    never = report(row, {"blocks.0.one": 0, "blocks.1.one": 0})
    assert found(tmp_path, text, never, row) == ["deployed"]
    ran = report([*row, "blocks.0.one"])
    assert found(tmp_path, text, ran, row) == ["trained"]


ONCE = {
    "nobody": ("False", "", ""),
    "a method that only the constructor runs": (
        "None\n        self._settle()",
        BUILDING,
        "",
    ),
    "an attribute of another name": ("False", "", "def build(model):\n    model.deployed = True"),
}


@pytest.mark.parametrize("case", ONCE)
def test_what_only_construction_sets_does(case: str, tmp_path: Path) -> None:
    row = ["blocks.0._generated_add_0"]
    assert found(tmp_path, switched(ONCE[case]), report(row), row) == ["trained"]


def test_each_of_several_blocks_is_proven_by_its_own_parts(tmp_path: Path) -> None:
    text = switched(SET_AGAIN["a method of its own"]).replace(
        "nn.Sequential(Block(), Block())", "nn.Sequential(*[Block() for _ in range(9 + len(str(9)))])"
    )
    rows = [f"blocks.{n}._generated_add_0" for n in range(3)]
    check = report(rows, {"blocks.0.one": 0, "blocks.1.conv": 0, "blocks.3.one": 0})
    assert found(tmp_path, text, check, rows) == ["deployed", "trained", "deployed,trained"]


REPLACED = """
class Decoder(nn.Module):
    def __init__(self, num=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(num))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x) + x  # layer
        x = x + 1  # position
        return x + 2  # query


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.decoder = Decoder(num=3)

    def forward(self, x):
        return self.decoder(self.quant(x))


def build():
    model = Net()
    {change}
    return model
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("model.decoder = Decoder(2)", "layer,position,query"),
        ("model.decoder.layers = model.decoder.layers[:2]", "layer,position,query"),
        ("del model.decoder.layers[2]", "layer,position,query"),
        ("model.decoder.layers.pop()", "layer,position,query"),
        ("model.other = 1", "position"),
    ],
)
def test_what_is_replaced_has_no_known_length(change: str, expected: str, tmp_path: Path) -> None:
    row = ["decoder._generated_add_3"]
    text = REPLACED.format(change=change)
    assert found(tmp_path, text, report(row, whole=False), row) == [expected]
    if expected != "position":
        whole = report([f"decoder.layers.{n}" for n in range(2)] + adds(4, "decoder."))
        assert found(tmp_path, text, whole, row) == ["query"]


UNKNOWN_PART = """
class Net(nn.Module):
    def __init__(self, indices=(0, 1)):
        super().__init__()
        self.quant = QuantStub()
        for i in indices:
            self.add_module(f"norm{i}", nn.LayerNorm(4))

    def forward(self, x):
        x = self.quant(x)
        y = getattr(self, f"norm{x.dim()}")(x) + 0.5  # behind
        return y + 1  # end
"""


def test_what_is_computed_of_the_result_of_an_unknown_part_counts(tmp_path: Path) -> None:
    assert found(tmp_path, UNKNOWN_PART, report(adds(2)), adds(2)) == ["behind", "end"]


BY_NAME = """
class Net(nn.Module):
    def __init__(self, mode="sum"):
        super().__init__()
        self.quant, self.mode = QuantStub(), mode

    def _sum(self, x):
        return x + 1  # sum

    def _cat(self, x):
        return x + 2  # cat

    def forward(self, x):
        x = self.quant(x)
        x = {"sum": self._sum, "cat": self._cat}[self.mode](x)
        MORE
        return x + 4  # end
"""


def test_of_names_of_which_one_holds_not_both_do(tmp_path: Path) -> None:
    text = BY_NAME.replace("MORE", "x = x * 2")
    assert found(tmp_path, text, report(adds(2)), adds(2)) == ["sum,cat", "end"]
    path = tmp_path / "m.py"
    own, others = engine.flows_with(EntryPoint(str(path), "Net"), [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(adds(3)), others)
    assert names is not None
    assert "source tells of 2: it may be none" in names.ops_of("_generated_add_0")[1]


def test_what_getattr_gives_may_be_a_method_that_computes_there(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    text = BY_NAME.replace("MORE", 'x = getattr(self, f"_{self.mode}")(x)')
    path.write_text(HEAD + text, encoding="utf-8")
    own, others = engine.flows_with(EntryPoint(str(path), "Net"), [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(adds(3)), others)
    assert names is not None
    assert "was not followed and may compute, too" in names.ops_of("_generated_add_2")[1]


OBJECTS = """
class Pair:
    def __init__(self, x):
        self.x = x + 0.1  # made

    def __add__(self, other):
        return Pair(self.x * 2 + other.x)  # operator

    def __rsub__(self, other):
        return other + self.x  # reflected


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()

    def forward(self, x):
        x = self.quant(x)
        pair = Pair(x)
        pair = pair + pair
        x = x - pair
        return x + 1  # end
"""


def test_what_objects_compute_that_are_no_modules_runs_in_the_forward_that_uses_them(tmp_path: Path) -> None:
    check = report(adds(5))
    assert found(tmp_path, OBJECTS, check, adds(5)) == ["made", "operator", "made", "reflected", "end"]


ENTRIES_OF_ITS_OWN = """
class Parts(nn.ModuleDict):
    def forward(self, x):
        for name in self:
            x = self[name](x) + x  # part
        return x


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.parts = QuantStub(), Parts({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})

    def forward(self, x):
        return self.parts(self.quant(x))
"""


def test_a_class_that_inherits_from_module_dict_holds_what_it_is_given(tmp_path: Path) -> None:
    rows = ["parts.a", "parts.b", *adds(2, "parts.")]
    assert found(tmp_path, ENTRIES_OF_ITS_OWN, report(rows), rows) == ["part"] * 4


def test_reasons_say_what_is_missing(tmp_path: Path) -> None:
    """A call of a forward that was not followed, some of the classes that may be meant, and that a line may
    be none of those that are known."""
    path = tmp_path / "m.py"
    registered = "\n".join(
        f"class Part{n}(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.conv = nn.Conv2d(4, 4, 1)\n\n    def forward(self, x):\n        return self.conv(x)\n"
        for n in range(12)
    )
    path.write_text(
        HEAD
        + registered
        + dedent(
            """
            class Inner(nn.Module):
                def __init__(self, hook):
                    super().__init__()
                    self.hook = hook

                def forward(self, x):
                    return self.hook.run(x) + 1


            class Net(nn.Module):
                def __init__(self, part, hook):
                    super().__init__()
                    self.quant, self.part, self.inner = QuantStub(), part, Inner(hook)

                def forward(self, x):
                    return self.inner(self.part(self.quant(x)))
            """
        ),
        encoding="utf-8",
    )
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    rows = ["quant", "part.conv", "inner.hook_made.lin", *adds(2, "inner.")]
    names = best(own, report(rows), others)
    assert names is not None
    where, why = names.ops_of("part.conv")
    assert [op.written for op in where] == ["self.part"]
    assert "12 classes have such a part: m:Part0, m:Part1, m:Part2 and 9 more" in why
    line = path.read_text(encoding="utf-8").splitlines().index("        return self.hook.run(x) + 1") + 1
    why = names.ops_of("inner.other")[1]
    assert f"at line {line} the forward of `inner` calls what was not followed, `self.hook.run`" in why


def test_where_a_report_has_more_calls_than_source_the_line_may_be_none_of_them(tmp_path: Path) -> None:
    text = TWO_COUNTERS.replace("for _ in range(self.first)", "for _ in range(1)")
    text = text.replace("for _ in range(self.second)", "for _ in range(1)")
    path = tmp_path / "m.py"
    path.write_text(HEAD + text, encoding="utf-8")
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(adds(4)), others)
    assert names is not None
    why = names.ops_of("_generated_add_0")[1]
    assert why == (
        "the report has 4 calls of `add` there, and source tells of 3: it may be none of these lines"
    )


OVERRIDDEN = """
class Net(nn.Module):
    fancy = False

    def __init__(self):
        super().__init__()
        self.quant = QuantStub()

    def hook(self, x):
        return x

    def forward(self, x):
        x = self.quant(x) + 0.5  # begin
        if self.fancy:
            x = x + 1  # fancy
        if getattr(self, "late", False):
            x = x + 2  # late
        if hasattr(self, "later"):
            x = x + 3  # later
        x = self.hook(x)
        return x + 4  # end


class Kid(Net):
    fancy = True
    {method}


def build():
    kid = Kid()
    kid.late = kid.later = True
    return kid
"""


def test_what_a_class_that_inherits_has_of_its_own_is_not_taken_for_known(tmp_path: Path) -> None:
    rows = adds(5)
    text = OVERRIDDEN.format(method="")
    assert found(tmp_path, text, report(rows), rows) == ["begin", "fancy", "late", "later", "end"]
    assert found(tmp_path, text, report(rows[:2], whole=False), rows[1:2]) == ["fancy,late,later,end"]
    path = tmp_path / "m.py"
    path.write_text(HEAD + OVERRIDDEN.format(method="hook = torch.exp"), encoding="utf-8")
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(rows[:1], whole=False), others)
    assert names is not None
    assert names.ops_of(rows[0])[1] == ""
    assert "a subclass has another of the methods" in names.ops_of("_generated_add_4")[1]


CHECKPOINTED = """
class Block(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act, self.norm = act, nn.LayerNorm(4)

    def forward(self, x):
        return self.act(self.norm(x)) + x  # block


class Net(nn.Module):
    def __init__(self, depth=2, turns=2):
        super().__init__()
        self.quant, self.saving, self.act, self.turns = QuantStub(), False, nn.Sigmoid(), turns
        self.blocks = nn.Sequential(*[Block(self.act) for _ in range(depth)])

    def set_saving(self, on):
        self.saving = on

    def forward(self, x):
        x = self.quant(x)
        for _ in range(self.turns):
            if self.saving:
                x = torch.utils.checkpoint.checkpoint(self.blocks, x)
            else:
                x = self.blocks(x)
            x = self.act(x) + 0.5  # turn
        return x + 1  # end
"""


def test_checkpointing_runs_what_it_is_handed_and_nothing_else(tmp_path: Path) -> None:
    rows = ["quant", *(f"act({n})" for n in range(9)), *adds(4)]
    # What it gives back is not known, so the last may lie outside of the stubs.
    assert found(tmp_path, CHECKPOINTED, report(rows), adds(4)) == ["turn", "turn", "turn", "turn,end"]


def test_entries_of_a_sequential_that_has_many_tell_no_turns(tmp_path: Path) -> None:
    """They are followed as one that stands for all of them: how many there are nobody knows."""
    rows = ["_generated_add_2"]
    check = report([*rows, "act", *(f"act({n})" for n in range(1, 9))], {"act": 9}, whole=False)
    assert found(tmp_path, CHECKPOINTED, check, rows) == ["turn,end"]


SWITCHED_PARTS = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.deploy, self.act = False, nn.Sigmoid()
        self.conv, self.one = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def switch(self):
        self.deploy = True

    def forward(self, x):
        if self.deploy:
            return self.act(self.conv(x))  # deployed
        return self.act(self.one(x))  # trained


class Net(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.quant = QuantStub()
        self.blocks = nn.ModuleList([Block() for _ in range(depth)])

    def forward(self, x):
        x = self.quant(x)
        for block in self.blocks:
            x = block(x)
        return x
"""


def test_a_module_runs_at_no_line_that_the_report_rules_out(tmp_path: Path) -> None:
    rows = ["blocks.0.act", "blocks.1.act"]
    check = report([*rows, "blocks.0.conv", "blocks.1.one"])
    assert found(tmp_path, SWITCHED_PARTS, check, rows) == ["deployed", "trained"]
