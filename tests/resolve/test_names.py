"""Names of modules that a report has, looked up in models of a few lines."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.resolve.names import Names

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub
"""


def lines_of(folder: Path, model: str, labels: list[str]) -> dict[str, list[str]]:
    """Label -> the lines of source that it may mean, for the class `Model` of a text."""
    path = folder / "m.py"
    path.write_text(HEAD + dedent(model), encoding="utf-8")
    aim = Aim((), (EntryPoint(str(path), "Model"),))
    found = engine.flows([str(path)], DiskLoader(), aim)
    (own,) = [flow for flow in found if flow.root.endswith(":Model") and not flow.assumed]
    names = Names(own, labels, found)
    text = path.read_text(encoding="utf-8").splitlines()
    return {
        label: list(dict.fromkeys(text[op.span.line - 1].strip() for op in names.ops_of(label)[0]))
        for label in labels
    }


def test_numbers_count_the_calls_of_a_function_however_they_are_written(tmp_path: Path) -> None:
    model = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.skip = FloatFunctional()

        def forward(self, x):
            x = self.quant(x)
            y = x + x
            y = torch.add(y, x)
            y = self.skip.add(y, x)
            y = y.add(x)
            y += x
            return y
    """
    labels = [f"_generated_add_{n}[add]" for n in range(4)]
    assert lines_of(tmp_path, model, [*labels, "skip[add]"]) == {
        "_generated_add_0[add]": ["y = x + x"],
        "_generated_add_1[add]": ["y = torch.add(y, x)"],
        "_generated_add_2[add]": ["y = y.add(x)"],
        "_generated_add_3[add]": ["y += x"],
        "skip[add]": ["y = self.skip.add(y, x)"],
    }


WRAPPED = """
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.conv(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.part = Part()

    def forward(self, x):
        return self.part(self.quant(x))
"""


def test_what_wrappers_put_in_front_of_all_names_is_left_out(tmp_path: Path) -> None:
    for wrapper in ("", "module.", "module.model."):
        labels = [f"{wrapper}part.conv", f"{wrapper}quant"]
        found = lines_of(tmp_path, WRAPPED, labels)
        assert found == {labels[0]: ["return self.conv(x)"], labels[1]: ["return self.part(self.quant(x))"]}


def test_a_part_that_source_does_not_tell_is_the_class_that_has_most_of_its_names(tmp_path: Path) -> None:
    model = """
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)

        def forward(self, x):
            return self.conv(x) + x

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x):
            x = self.norm(self.conv(x))
            return x + x

    class Model(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.quant = QuantStub()
            self.part = block()

        def forward(self, x):
            return self.part(self.quant(x))
    """
    labels = ["quant", "part.conv", "part.norm", "part._generated_add_0[add]"]
    found = lines_of(tmp_path, model, labels)
    assert found["part._generated_add_0[add]"] == ["return x + x"]
    assert found["part.conv"] == ["x = self.norm(self.conv(x))"]


def test_a_sum_of_tensors_is_one_addition_for_each_of_them(tmp_path: Path) -> None:
    model = """
    class Model(nn.Module):
        def __init__(self, n=3):
            super().__init__()
            self.quant = QuantStub()
            self.convs = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(3)])
            self.more = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(n)])

        def forward(self, x):
            x = self.quant(x)
            y = sum(conv(x) for conv in self.convs)
            y = y + x
            y = sum([x, y], y)
            y = sum([conv(y) for conv in self.more])
            return y - x
    """
    labels = [f"_generated_add_{n}[add]" for n in range(9)] + ["_generated_sub_0[sub]"]
    convs, plus, two, more = (
        "y = sum(conv(x) for conv in self.convs)",
        "y = y + x",
        "y = sum([x, y], y)",
        "y = sum([conv(y) for conv in self.more])",
    )
    lines = [convs] * 3 + [plus] + [two] * 2 + [more] * 3 + ["return y - x"]
    found = lines_of(tmp_path, model, labels)
    assert found == {label: [line] for label, line in zip(labels, lines, strict=True)}


def test_more_calls_than_source_tells_of_are_not_counted_along_it(tmp_path: Path) -> None:
    model = """
    from itertools import accumulate

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()

        def forward(self, x):
            x = self.quant(x)
            *_, y = accumulate([x, x, x], lambda a, b: a + b)
            return (x + y).relu() + x
    """
    labels = [f"_generated_add_{n}" for n in range(4)]
    assert set(map(tuple, lines_of(tmp_path, model, labels).values())) == {("return (x + y).relu() + x",)}


def test_reduce_calls_its_function_for_each_pair(tmp_path: Path) -> None:
    model = """
    from functools import reduce

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()

        def forward(self, x):
            x = self.quant(x)
            y = reduce(lambda a, b: a + b, [x, x, x])
            return (x + y).relu() + x
    """
    labels = [f"_generated_add_{n}" for n in range(4)]
    lines = ["y = reduce(lambda a, b: a + b, [x, x, x])"] * 2 + ["return (x + y).relu() + x"] * 2
    assert lines_of(tmp_path, model, labels) == {
        label: [line] for label, line in zip(labels, lines, strict=True)
    }


def test_parts_of_a_sequential_and_entries_that_are_taken_one_by_one(tmp_path: Path) -> None:
    model = """
    class Model(nn.Module):
        def __init__(self, depth=2):
            super().__init__()
            self.quant = QuantStub()
            self.net = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU(), nn.Conv2d(8, 8, 1))
            self.stem = nn.Sequential(nn.Tanh(), nn.Sigmoid())[:1]
            self.heads = nn.ModuleList([nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)])
            self.many = nn.Sequential(*[nn.Conv2d(8, 8, 1) for _ in range(depth)])

        def forward(self, x):
            x = self.quant(x)
            x = self.net[:2](x)
            x = self.net[2:](x)
            x = self.stem(x)
            heads = iter(self.heads)
            y = next(heads)(x)
            z = next(heads)(x)
            return self.many(y + z)
    """
    labels = ["net.0", "net.1", "net.2", "stem.0", "heads.0", "heads.1", "many.1", "_generated_add_0"]
    lines = [
        "x = self.net[:2](x)",
        "x = self.net[:2](x)",
        "x = self.net[2:](x)",
        "x = self.stem(x)",
        "y = next(heads)(x)",
        "z = next(heads)(x)",
        "return self.many(y + z)",
        "return self.many(y + z)",
    ]
    found = lines_of(tmp_path, model, labels)
    assert found == {label: [line] for label, line in zip(labels, lines, strict=True)}


def test_blocks_that_are_named_and_made_in_a_loop(tmp_path: Path) -> None:
    model = """
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)

        def forward(self, x):
            y = self.conv(x)
            return y + x

    class Model(nn.Module):
        def __init__(self, depths=(2, 1)):
            super().__init__()
            self.quant = QuantStub()
            self.names = []
            for number, depth in enumerate(depths):
                name = f"layer{number + 1}"
                self.add_module(name, self.make(depth))
                self.names.append(name)

        def make(self, depth):
            blocks = []
            for _ in range(depth):
                blocks.append(Block())
            return nn.Sequential(*blocks)

        def forward(self, x):
            x = self.quant(x)
            for name in self.names:
                x = getattr(self, name)(x)
            return x
    """
    labels = ["layer1.1.conv", "layer2.0.conv", "layer1.0._generated_add_0[add]"]
    assert list(lines_of(tmp_path, model, labels).values()) == [
        ["y = self.conv(x)"],
        ["y = self.conv(x)"],
        ["return y + x"],
    ]


def test_entries_behind_many_and_entries_that_are_taken_in_a_loop(tmp_path: Path) -> None:
    model = """
    class Model(nn.Module):
        def __init__(self, depth=3):
            super().__init__()
            self.quant = QuantStub()
            self.acts = nn.ModuleList([nn.GELU(), nn.Tanh()])
            self.steps = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(depth)] + [nn.Sigmoid()])

        def forward(self, x):
            x = self.quant(x)
            waiting = list(self.acts)
            while waiting:
                x = waiting.pop(0)(x)
            x = self.steps[-1](x)
            for step in self.steps[:-1]:
                x = step(x)
            return x
    """
    found = lines_of(tmp_path, model, ["acts.1", "steps.1", "steps.3"])
    assert found["acts.1"] == ["x = waiting.pop(0)(x)"]
    assert "x = step(x)" in found["steps.1"] and "x = self.steps[-1](x)" in found["steps.3"]


def test_classes_that_a_table_gives_are_all_possible(tmp_path: Path) -> None:
    """Which of them an entry is, its named parts tell; what has none may stand in each."""
    model = """
    class Conv(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.conv = nn.Conv2d(width, width, 1)

        def forward(self, x):
            return self.conv(x) + 1  # Conv


    class Gate(nn.Module):
        def __init__(self, width):
            super().__init__()
            self.act = nn.Sigmoid()

        def forward(self, x):
            return self.act(x) + 2  # Gate


    TABLE = {"conv": Conv, "gate": Gate}


    class Model(nn.Module):
        def __init__(self, kinds):
            super().__init__()
            self.quant, layers = QuantStub(), []
            for kind in kinds:
                layers.append(TABLE[kind](8))
            self.layers = nn.Sequential(*layers)

        def forward(self, x):
            x = self.quant(x)
            for layer in self.layers:
                x = layer(x)
            return x
    """
    conv, gate = "return self.conv(x) + 1  # Conv", "return self.act(x) + 2  # Gate"
    assert lines_of(tmp_path, model, ["layers.0.conv", "layers.1.act", "layers.2._generated_add_0[add]"]) == {
        "layers.0.conv": [conv],
        "layers.1.act": [gate],
        "layers.2._generated_add_0[add]": [conv, gate],
    }


FAMILY = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(8, 8, 1), nn.ReLU()

    def forward(self, x):
        y = self.act(self.conv(x))  # inner
        return self.act(y + x)  # outer


class Model(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.blocks, self.turns = nn.ModuleList([Block() for _ in range(depth)]), depth
        self.d0 = FloatFunctional()
        for n in range(1, depth):
            setattr(self, f"d{n}", FloatFunctional())

    def forward(self, x):
        x = self.quant(x)
        for n in range(self.turns):
            x = self.blocks[n](x)
            x = getattr(self, "d{}".format(n)).mul(x, x)
        return self.dequant(self.d0.add(x, x))
"""


def test_a_family_is_told_by_its_numbers(tmp_path: Path) -> None:
    """`d*` is no `dequant`, which has its own line; but it may be `d0`, which has one besides."""
    mul, end = 'x = getattr(self, "d{}".format(n)).mul(x, x)', "return self.dequant(self.d0.add(x, x))"
    assert lines_of(tmp_path, FAMILY, ["dequant", "d0", "d1"]) == {
        "dequant": [end],
        "d0": [mul, end],
        "d1": [mul],
    }


def test_the_first_call_of_a_part_of_each_entry_is_the_first_in_its_forward(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text(HEAD + FAMILY, encoding="utf-8")
    aim = Aim((), (EntryPoint(str(path), "Model"),))
    found = engine.flows([str(path)], DiskLoader(), aim)
    (own,) = [flow for flow in found if flow.root.endswith(":Model") and not flow.assumed]
    names = Names(own, ["blocks.0.act", "blocks.0.act(1)"], found)
    text = path.read_text(encoding="utf-8").splitlines()
    for label, where in (("blocks.0.act", "inner"), ("blocks.0.act(1)", "outer")):
        ops, why = names.ops_of(label, is_call=True)
        assert ([text[op.span.line - 1].rpartition("# ")[2] for op in ops], why) == ([where], "")


def test_functions_of_other_names_have_numbers_of_their_own(tmp_path: Path) -> None:
    model = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()

        def forward(self, x):
            x = self.quant(x)
            y = torch.cat([x, x])
            y = torch.concat([y, x])
            y = y.__radd__(x)
            y.add_(x)
            return torch.cat([y, x], dim=1)
    """
    adds = ["_generated_add_0", "_generated_add_1"]
    assert list(lines_of(tmp_path, model, adds).values()) == [["y = y.__radd__(x)"], ["y.add_(x)"]]
    cats, concat = ["_generated_cat_0", "_generated_cat_1"], "_generated_concat_0"
    expected = {
        cats[0]: ["y = torch.cat([x, x])"],
        cats[1]: ["return torch.cat([y, x], dim=1)"],
        concat: ["y = torch.concat([y, x])"],
    }
    assert lines_of(tmp_path, model, [*cats, concat]) == expected
    assert lines_of(tmp_path, model, [concat]) == {concat: expected[concat]}
    only = model.replace("torch.cat", "torch.concat")
    assert lines_of(tmp_path, only, cats)[cats[1]] == ["y = torch.concat([y, x])"]


def test_entries_of_a_sequential_by_their_names_and_behind_one_that_may_be_missing(tmp_path: Path) -> None:
    model = """
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(8, 8)

        def forward(self, x):
            return self.fc(x)

    class Model(nn.Module):
        def __init__(self, gated):
            super().__init__()
            self.quant = QuantStub()
            self.stem = nn.Sequential(OrderedDict([("conv", nn.Conv2d(8, 8, 1)), ("act", nn.ReLU())]))
            layers = [nn.Conv2d(8, 8, 1)]
            if gated:
                layers.append(Gate())
            layers.append(nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU()))
            self.block = nn.Sequential(*layers)

        def forward(self, x):
            x = self.stem(self.quant(x))
            return self.block(x)
    """
    found = lines_of(
        tmp_path,
        "from collections import OrderedDict\n" + dedent(model),
        [
            "stem.conv",
            "stem.act",
            "stem.norm",
            "block.0",
            "block.1.fc",
            "block.1.0",
            "block.2.0",
            "block.1.norm",
        ],
    )
    stem, block = ["x = self.stem(self.quant(x))"], ["return self.block(x)"]
    assert found == {
        **dict.fromkeys(["stem.conv", "stem.act"], stem),
        "stem.norm": [],
        "block.1.norm": [],
        **dict.fromkeys(["block.0", "block.1.0", "block.2.0"], block),
        "block.1.fc": ["return self.fc(x)"],
    }


def test_a_class_that_is_a_dict_of_modules_itself(tmp_path: Path) -> None:
    model = """
    class Dense(nn.ModuleDict):
        def __init__(self, count=3):
            super().__init__()
            for i in range(count):
                self.add_module("layer%d" % (i + 1), nn.Conv2d(8, 8, 1))

        def forward(self, x):
            found = [x]
            for name, layer in self.items():
                found.append(layer(torch.cat(found, 1)))
            return found[-1] + x

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.block = nn.Sequential()
            self.block.add_module("dense", Dense())

        def forward(self, x):
            return self.block(self.quant(x))
    """
    turn = "found.append(layer(torch.cat(found, 1)))"
    found = lines_of(
        tmp_path, model, ["block.dense.layer1", "block.dense.layer3", "block.dense._generated_cat_1"]
    )
    assert found == {label: [turn] for label in found}


BUILT = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)

    def forward(self, x):
        y = self.bn1(self.conv1(x))
        return y + x

class Gated(nn.Module):
    def __init__(self, gate):
        super().__init__()
        self.fc, self.act, self.gate = nn.Linear(8, 8), nn.GELU(), gate

    def forward(self, x):
        x = self.act(self.fc(x))
        return self.gate(x)

class Demo(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.block = QuantStub(), Block()

    def forward(self, x):
        return self.block(self.quant(x))

class Many(nn.Module):
    def __init__(self, names):
        super().__init__()
        self.quant, self.parts = QuantStub(), nn.ModuleDict()
        for name in names:
            setattr(self, name, Other())

    def forward(self, x, name):
        return getattr(self, name)(self.quant(x))

class Other(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.pool = nn.Conv2d(8, 8, 1), nn.AvgPool2d(2)

    def forward(self, x):
        return self.pool(self.conv1(x))

class Model(nn.Module):
    def __init__(self, stage):
        super().__init__()
        self.quant, self.layer1, self.layer2 = QuantStub(), stage(2), stage(1)

    def forward(self, x):
        return self.layer2(self.layer1(self.quant(x)))
"""


def test_a_class_that_another_model_makes_may_be_what_source_does_not_tell(tmp_path: Path) -> None:
    """And where classes are found for parts in each other, those for the one of which they have most names."""
    convs = ["layer1.0.conv1", "layer1.0.bn1", "layer1.1.conv1", "layer1.1.bn1"]
    add, inside, others = "layer1.1._generated_add_0[add]", "layer2.0.gate.1", ["layer2.0.fc", "layer2.0.act"]
    found = lines_of(tmp_path, BUILT, [*convs, add, *others, inside])
    assert found == {
        **{label: ["y = self.bn1(self.conv1(x))"] for label in convs},
        add: ["return y + x"],
        **{label: ["x = self.act(self.fc(x))"] for label in others},
        inside: ["return self.gate(x)"],
    }
