"""Shapes of real code that were once reported although nothing in them is shared."""

from __future__ import annotations

import pytest

from tests.static.sources import findings, findings_in, model

SILENT = {
    "handed to the first of the blocks only": """
        class Block(nn.Module):
            def __init__(self, down=None):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 1)
                self.down = down

            def forward(self, x):
                return self.conv(x) + (x if self.down is None else self.down(x))

        class Net(nn.Module):
            def __init__(self, depth, block=Block):
                super().__init__()
                down = nn.Sequential(nn.Conv2d(8, 8, 1))
                blocks = []
                for i in range(depth):
                    blocks.append(block(down=down if i == 0 else None))
                self.body = nn.Sequential(*blocks)

            def forward(self, x):
                return self.body(x)
        """,
    "a default that is no module": """
        class Spec:
            def __init__(self, shape):
                self.shape = shape

        class Net(nn.Module):
            def __init__(self, spec=Spec(())):
                super().__init__()
                self.spec = spec
                self.fc = nn.Linear(8, 8)

            def forward(self, x):
                return self.fc(x)
        """,
    "in a container under a flag, on its own without": """
        class Block(nn.Module):
            def __init__(self, attn, norm):
                super().__init__()
                if attn:
                    inner = nn.Conv2d(8, 8, 1)
                    self.main = nn.Sequential(nn.GroupNorm(1, 8), inner) if norm else inner
                else:
                    self.main = nn.Identity()

            def forward(self, x):
                return self.main(x)
        """,
    "one container handed to a child, each entry once": """
        class Chain(nn.Module):
            def __init__(self, *args):
                super().__init__()
                for i, module in enumerate(args):
                    self.add_module(str(i), module)

            def forward(self, x):
                for k, module in self._modules.items():
                    if isinstance(module, nn.Conv2d):
                        x = module(x)
                    elif isinstance(x, dict):
                        if x.shape[0] != 0:
                            x = module(x)
                    else:
                        x = module(x)
                return x

        class Encoder(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.out = self.make(8)
                for i in range(n):
                    self.add_module(f"merge{i}", self.make(4))

            def make(self, c):
                return Chain(build(c), build(c), nn.ReLU())

            def forward(self, xs):
                for i in range(3, 0, -1):
                    xs = getattr(self, f"merge{i}")(xs)
                return self.out(xs)
        """,
    "levels beyond those of the backbone": """
        class Detector(nn.Module):
            def __init__(self, levels):
                super().__init__()
                self.levels = levels
                self.proj = nn.ModuleList([nn.Conv2d(8, 8, 1) for _ in range(levels)])

            def forward(self, xs):
                out = []
                for i, x in enumerate(xs):
                    out.append(self.proj[i](x))
                if self.levels > len(out):
                    n = len(out)
                    for i in range(n, self.levels):
                        out.append(self.proj[i](xs[-1]))
                return out
        """,
    "augmentation at test time": """
        class Detector(nn.Module):
            def __init__(self, backbone):
                super().__init__()
                self.backbone = backbone

            def forward(self, x, xs, train=False):
                if not train:
                    return self.aug_test(xs) if len(xs) > 1 else self.backbone(xs[0])
                return self.backbone(x)

            def aug_test(self, xs):
                return [self.backbone(x) for x in xs]
        """,
    "deep copy of a list of unknown length": """
        class Head(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.a = nn.ModuleList([nn.Linear(4, 4) for _ in range(n)])
                self.b = copy.deepcopy(self.a)

            def forward(self, x):
                for one, other in zip(self.a, self.b):
                    x = other(one(x))
                return x
        """,
    "one of two appends per turn": """
        class Levels(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.levels = nn.ModuleList()
                for i in range(n):
                    level = nn.Conv2d(8, 8, 3)
                    if i == 0:
                        self.levels.append(level)
                        continue
                    self.levels.append(level)

            def forward(self, xs):
                return [level(x) for level, x in zip(self.levels, xs)]
        """,
    "one name, two constructors": """
        class Stem(nn.Module):
            def __init__(self, first):
                super().__init__()
                self.seq = nn.Sequential()
                if first:
                    self.seq.add_module("conv", nn.Conv2d(4, 8, 3))
                else:
                    self.seq.add_module("conv", nn.Conv2d(8, 8, 3))

            def forward(self, x):
                return self.seq(x)
        """,
    "all turns but the last of two": """
        class Mlp(nn.Module):
            def __init__(self, n=2):
                super().__init__()
                self.n = n
                self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(n)])
                self.act = nn.ReLU()

            def forward(self, x):
                for i, layer in enumerate(self.layers):
                    x = layer(x)
                    if i < self.n - 1:
                        x = self.act(x)
                return x
        """,
    "a loop that ends in its first turn": """
        class First(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 3)

            def forward(self, xs):
                for x in xs:
                    return self.conv(x)
        """,
    "even and odd entries": """
        class Pairs(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2 * n)])

            def forward(self, x):
                for one, other in zip(self.layers[::2], self.layers[1::2]):
                    x = other(one(x))
                return x
        """,
    "a list of dicts, and a list that registers one of each": """
        class Steps(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.steps = []
                for _ in range(n):
                    self.steps.append(dict(conv=nn.Conv2d(4, 4, 1), act=nn.ReLU()))
                self.kept = nn.ModuleList([step["conv"] for step in self.steps])

            def forward(self, x):
                for step in self.steps:
                    x = step["act"](step["conv"](x))
                return x
        """,
    "lists of pairs in a list, registered one by one": """
        class Rows(nn.Module):
            def __init__(self, specs):
                super().__init__()
                self.rows = [[(nn.Linear(a, b), nn.ReLU()) for a, b in row] for row in specs]
                self.kept = nn.ModuleList([m for row in self.rows for pair in row for m in pair])

            def forward(self, x):
                for row in self.rows:
                    for fc, act in row:
                        x = act(fc(x))
                return x
        """,
    "add_module in a loop over what is given": """
        class Given(nn.Module):
            def __init__(self, parts):
                super().__init__()
                self.parts = parts
                for i, part in enumerate(parts):
                    self.add_module(f"part{i}", part)

            def forward(self, x):
                for part in self.parts:
                    x = part(x)
                return x
        """,
    "two names of a path": """
        class Model(nn.Module):
            def __init__(self, path):
                super().__init__()
                self.path = path
                self.name = path
                self.conv = nn.Conv2d(8, 8, 3)

            def forward(self, x):
                return self.conv(x)
        """,
}


@pytest.mark.parametrize("text", SILENT.values(), ids=SILENT)
def test_nothing_is_shared(text: str) -> None:
    assert findings(text, "QAT101", "QAT102") == []


def test_a_base_is_reported_in_the_words_of_the_class_that_shares() -> None:
    (finding,) = findings(
        """
        class Pyramid(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 3)

            def forward(self, x):
                return self.conv(x)

        class Recursive(Pyramid):
            def forward(self, x):
                for _ in range(3):
                    x = super().forward(x)
                return x
        """,
        "QAT101",
    )
    assert "Recursive" in finding.message or finding.owner.endswith("Recursive")


def test_what_an_assertion_rules_out_is_not_shared() -> None:
    """None is no constant of the list that would have to hold it."""
    found = findings(
        """
        class Encoder(nn.Module):
            def __init__(self, n=6, share=None):
                super().__init__()
                {check}
                layer = nn.Linear(8, 8)
                if share in ("encoder", "both"):
                    self.layers = nn.ModuleList([layer for _ in range(n)])
                else:
                    self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(n)])

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x
        """.replace("{check}", "assert share is None")
    )
    assert found == []


def test_a_module_that_another_file_runs_is_used() -> None:
    decoder = """
        from torch import nn

        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 1)
                self.skip = nn.Conv2d(8, 8, 1)

            def forward(self, x):
                return self.conv(x)
        """
    model = """
        from torch import nn
        from decoder import {name}

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.decoder = {name}()

            def forward(self, x):
                return self.decoder(self.decoder.skip(x))
        """
    used = {"decoder.py": decoder, "model.py": model.replace("{name}", "Decoder")}
    assert [f for f in findings_in(used) if f.code == "QAT103"] == []
    other = {
        "decoder.py": decoder,
        "model.py": model.replace("{name}", "Other").replace("decoder", "encoder"),
    }
    assert [f.subject for f in findings_in(other) if f.code == "QAT103"] == ["skip"]


def test_metrics_and_losses_of_the_user_are_not_judged() -> None:
    found = findings(
        """
        class PSNR(nn.Module):
            def __init__(self):
                super().__init__()
                self.pool = nn.Sigmoid()

            def forward(self, x, y):
                return self.pool(x) - self.pool(y)

        class LossComputer(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.Sigmoid()

            def forward(self, x, y):
                return self.act(x) - self.act(y)

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(8, 8, 1)
                self.psnr = PSNR()
                self.computer = LossComputer()

            def forward(self, x, y=None):
                x = self.conv(x)
                if self.training:
                    return self.computer(x, y) + self.computer(x, x)
                return x
        """
    )
    assert found == []


def test_a_container_of_unknown_contents_may_hold_what_runs() -> None:
    found = findings(
        """
        class Model(nn.Module):
            def __init__(self, make):
                super().__init__()
                self.heads = {"a": [nn.Conv2d(8, 8, 1)], "b": [nn.Conv2d(8, 8, 1)]}
                self.registered = nn.ModuleList(sum(self.heads.values(), []))

            def forward(self, x):
                for heads in self.heads.values():
                    for head in heads:
                        x = head(x)
                return x
        """
    )
    assert found == []


def test_what_only_registers_the_results_of_a_function_is_not_unused() -> None:
    """Nobody knows whether `nets` holds the same modules."""
    text = """
        from tree import flatten, run

        class Nets(nn.Module):
            def __init__(self, nets):
                super().__init__()
                self.nets = nets
                self.kept = nn.ModuleList(flatten(self.nets))

            def forward(self, x):
                return run(x, self.nets)
        """
    assert findings(text, "QAT103") == []


def test_metrics_in_a_dict_are_not_part_of_forward() -> None:
    text = """
        import torchmetrics
        from torchmetrics import Accuracy

        class Net(nn.Module):
            def __init__(self, other):
                super().__init__()
                self.train_scores = nn.ModuleDict({"acc": Accuracy(), "loss": nn.CrossEntropyLoss()})
                self.val_metrics = nn.ModuleDict({"mse": torchmetrics.MeanSquaredError(), "other": other})

            def forward(self, a, b, y):
                self.val_metrics["mse"](a, y)
                self.val_metrics["mse"](b, y)
                self.val_metrics["other"](a, y)
                self.val_metrics["other"](b, y)
                return a
        """
    assert findings(text) == []


INSIDE = """
from backends import BACKENDS

class Backend(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model
    def forward(self, x):
        return {inner}

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backend = Backend(nn.Conv2d(4, 4, 1))
    def forward(self, xs):
        return [self.backend(x) for x in xs]
"""


@pytest.mark.parametrize(
    ("inner", "expected"),
    [("self.model(x)", {"backend"}), ("self.model(self.model(x))", {"backend", "backend.model"})],
)
def test_what_a_shared_child_runs_once_per_call_is_said_of_the_child(inner: str, expected: set[str]) -> None:
    found = findings(INSIDE.format(inner=inner).replace("for x in xs", "for x in (xs, xs)"), "QAT101")
    assert {f.subject for f in found if f.owner.endswith(":Model")} == expected


def test_what_is_asked_for_and_is_no_module_is_not_shared() -> None:
    init = """
        if gate is None:
            self.gate = nn.ReLU()
        else:
            self.gate = gate
        self.other = copy.deepcopy(self.gate) if isinstance(self.gate, nn.Module) else self.gate
    """
    text = model(init, "return self.other(self.gate(x))", parameters="gate")
    assert findings(text, "QAT101") == []
    # Where it is a module, it is counted as ever.
    text = model(init, "x = self.other(x)\nreturn self.other(self.gate(x))", parameters="gate")
    assert {f.subject for f in findings(text, "QAT101")} == {"other"}
