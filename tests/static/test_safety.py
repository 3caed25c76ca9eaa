"""What keeps a fix from being safe, or from being offered at all."""

from __future__ import annotations

import pytest

from qatlint.finding import CloneModule, Finding, Safety
from tests.static.sources import findings, findings_in

HEAD = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.LeakyReLU(0.2)
        {change}

    def forward(self, x):
        return self.act(self.act(x))

    @staticmethod
    def tune(module):
        module.negative_slope = 0.7
"""


def only(text: str) -> Finding:
    (finding,) = findings(text, "QAT101")
    return finding


@pytest.mark.parametrize(
    "change",
    [
        "self.tune(self.act)",
        "act = self.act; act.negative_slope = 0.7",
        "self.act.eval()",
        "self.act.register_forward_hook(print)",
    ],
)
def test_a_module_that_is_changed_after_it_is_made_is_not_made_again(change: str) -> None:
    finding = only(HEAD.format(change=change))
    assert finding.fix is None
    assert "after it is made" in finding.no_fix


def test_an_untouched_module_is_made_again_safely() -> None:
    finding = only(HEAD.format(change="pass"))
    assert finding.fix is not None
    assert finding.fix.safety is Safety.SAFE


def test_a_module_that_keeps_state_is_not_split_safely() -> None:
    finding = only(
        """
        class Mean(nn.Module):
            def __init__(self):
                super().__init__()
                self.seen = []

            def forward(self, x):
                self.seen.append(x.mean())
                return x - self.seen[0]

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.mean = Mean()

            def forward(self, x):
                return self.mean(self.mean(x))
        """
    )
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert "`seen`" in finding.fix.reason


def test_a_list_does_not_replace_what_a_subclass_uses() -> None:
    finding = only(
        """
        class Decoder(nn.Module):
            def __init__(self):
                super().__init__()
                self.act = nn.ReLU()

            def forward(self, x):
                for i in range(3):
                    x = self.act(x)
                return x

        class Longer(Decoder):
            def extra(self, x):
                return self.act(x)
        """
    )
    assert finding.fix is None
    assert "Longer" in finding.no_fix


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("self.phase = torch.rand(1)", "each time"),
        ("self.number = next(COUNTER)", "each time"),
        ("Scale.made += 1", "each time"),
        ("pass\n\n    def get_extra_state(self):\n        return 3", "extra state"),
    ],
)
def test_a_class_whose_instances_differ_is_not_split_safely(body: str, why: str) -> None:
    finding = only(
        f"""
class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        {body}

    def forward(self, x):
        return x * 2

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = Scale()

    def forward(self, x):
        return self.scale(self.scale(x))
"""
    )
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert why in finding.fix.reason


def test_a_method_that_changes_a_module_forbids_a_new_one() -> None:
    finding = only(
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.drop = nn.Dropout()

            def train(self, mode=True):
                super().train(mode)
                self.drop.eval()
                return self

            def forward(self, x):
                return self.drop(self.drop(x))
        """
    )
    assert finding.fix is None
    assert "`eval()` is called on it in `train`" in finding.no_fix


@pytest.mark.parametrize(
    "write", ['setattr(model, "act", nn.Sigmoid())', 'model._modules["act"] = nn.Sigmoid()']
)
def test_a_module_that_other_code_replaces_by_name_is_not_split_safely(write: str) -> None:
    finding = only(HEAD.format(change="pass") + f"\ndef build():\n    model = Model()\n    {write}\n")
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE


def test_aliases_of_a_module_that_is_changed_are_not_separated() -> None:
    (finding,) = findings(
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.a = self.b = nn.LeakyReLU(0.1)
                self.b.negative_slope = 0.5

            def forward(self, x):
                return self.a(x) + self.b(x)
        """,
        "QAT102",
    )
    assert finding.fix is None


@pytest.mark.parametrize(
    "use",
    [
        "return nn.Sequential(*list(Model().children())[:3])",
        "return nn.Sequential(*Model().children())",
        "return [m for m in Model().children()]",
        "return list(Model()._modules.values())[-1]",
        "return len(tuple(Model().named_children()))",
    ],
)
def test_a_class_whose_children_are_listed_gets_no_other_child_safely(use: str) -> None:
    """Positions would shift: cutting a backbone this way is common."""
    finding = only(HEAD.format(change="pass") + f"\ndef cut():\n    {use}\n")
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert "lists the children of modules" in finding.fix.reason


@pytest.mark.parametrize(
    "use",
    [
        "for child in model.children():\n        child.eval()",
        "for name, child in model.named_children():\n        freeze(child)",
        "return [p for p in model.parameters()]",
    ],
)
def test_the_same_done_to_every_child_is_done_to_another_too(use: str) -> None:
    finding = only(HEAD.format(change="pass") + f"\ndef walk(model):\n    {use}\n")
    assert finding.fix is not None
    assert finding.fix.safety is Safety.SAFE


@pytest.mark.parametrize(
    "made",
    ["torch.rand(4)", "noise()", "next_number()", "float(random.random())", "torch.empty(4).uniform_()"],
)
def test_what_would_be_made_otherwise_is_copied(made: str) -> None:
    """The copies hold the same constant: running the constructor again would draw another one."""
    finding = only(
        f"""
import random

NUMBERS = [0]

def noise():
    return torch.randn(4)

def next_number():
    NUMBERS[0] += 1
    return NUMBERS[0]

class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = {made}

    def forward(self, x):
        return x * self.w

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = Scale()

    def forward(self, x):
        return self.scale(self.scale(x))
"""
    )
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert isinstance(finding.fix.intent, CloneModule)
    assert finding.fix.intent.tied


@pytest.mark.parametrize("held", ["threading.Lock()", "open('weights.bin')", "(i for i in range(9))"])
def test_what_cannot_be_copied_has_no_fix(held: str) -> None:
    finding = only(
        f"""
class Scale(nn.Module):
    def __init__(self):
        super().__init__()
        self.held = {held}
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        return self.linear(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = Scale()

    def forward(self, x):
        return self.scale(self.scale(x))
"""
    )
    assert finding.fix is None
    assert "`held`, which cannot be copied" in finding.no_fix


@pytest.mark.parametrize(
    ("forward", "method"),
    [
        ("n = sum(1 for m in self.modules())", ""),
        ("n = self.count()", "def count(self):\n        return len(self._modules)"),
        ("n = count(self)", ""),
        ("for name, child in self.named_children(): n = name", ""),
        ("n = len(self)", "def __len__(self):\n        return len(self._modules)"),
        ("n = 0", "def __setattr__(self, name, value):\n        super().__setattr__(name, value)"),
    ],
)
def test_a_class_that_counts_its_own_modules_gets_no_other_safely(forward: str, method: str) -> None:
    finding = only(
        f"""
def count(module):
    return len(list(module.children()))

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    {method or "pass"}

    def forward(self, x):
        {forward}
        return self.act(self.act(x)) * n
"""
    )
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE


@pytest.mark.parametrize(
    "use",
    [
        "for m in self.modules():\n            m.training = False",
        "convs = [m for m in self.modules() if isinstance(m, nn.Conv2d)]",
        "self.apply(print)",
    ],
)
def test_what_a_constructor_does_to_all_modules_is_done_to_another_too(use: str) -> None:
    finding = only(HEAD.format(change=use))
    assert finding.fix is not None
    assert finding.fix.safety is Safety.SAFE


@pytest.mark.parametrize(
    "use",
    [
        "model.act.negative_slope = 0.5",
        "model.act.negative_slope += 0.5",
        "model.act.register_forward_hook(print)",
        "model.act.eval()",
    ],
)
def test_a_module_that_other_code_changes_is_not_split_safely(use: str) -> None:
    finding = only(HEAD.format(change="pass") + f"\ndef tune(model):\n    {use}\n")
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE


def test_a_subclass_that_changes_a_module_keeps_it_from_being_split_safely() -> None:
    tuned = "\nclass Tuned(Model):\n    def tune(self):\n        self.act.negative_slope = 0.5\n"
    found = [f for f in findings(HEAD.format(change="pass") + tuned, "QAT101") if f.owner.endswith(":Model")]
    assert found[0].fix is not None
    assert found[0].fix.safety is Safety.UNSAFE


def test_a_factory_that_gives_something_else_is_not_asked_again() -> None:
    finding = only(
        """
MADE = []

def make():
    MADE.append(1)
    return nn.ReLU()

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = make()

    def forward(self, x):
        return self.act(self.act(x))
"""
    )
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert "`make` may give something else" in finding.fix.reason


def test_what_is_too_deep_to_be_looked_at_may_hold_weights() -> None:
    """Layers in layers in layers: a module is made again safely only where all of it was seen."""
    classes = "".join(
        f"""
class Layer{depth}(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = {f"Layer{depth + 1}()" if depth < 5 else "nn.Linear(4, 4)"}

    def forward(self, x):
        return self.inner(x)
"""
        for depth in reversed(range(6))
    )
    finding = only(
        classes
        + """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = Layer0()

    def forward(self, x):
        return self.layer(self.layer(x))
"""
    )
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE


CONTAINERS = [
    "layers = [conv] if flag else []\n        self.body = nn.Sequential(*layers)",
    "layers = []\n        if flag: layers = [conv]\n        self.body = nn.Sequential(*layers)",
    "layers = [act]\n        if flag: layers = [conv] + layers\n        self.body = nn.Sequential(*layers)",
    "layers = [act] if flag else []\n        layers = layers + [conv]\n        self.body = nn.Sequential(*layers)",
    "layers = [act] if flag else []\n        layers += [conv]\n        self.body = nn.Sequential(*layers)",
    "layers = [act] if flag else []\n        layers.extend([conv])\n        self.body = nn.Sequential(*layers)",
    "layers = []\n        layers += [conv] if flag else []\n        self.body = nn.Sequential(*layers)",
    "self.body = nn.Sequential(*([conv] if flag else []), nn.ReLU())",
    "parts = {'a': conv} if flag else {}\n        self.body = nn.Sequential(*nn.ModuleDict(parts).values())",
    "parts = {} if flag else {'b': act}\n        parts['a'] = conv\n        self.body = nn.ModuleDict(parts)",
    "parts = {True: [conv], False: []}\n        self.body = nn.Sequential(*parts[flag])",
    "self.body = nn.Sequential(*filter(None, [conv if flag else None, act]))",
    "self.body = nn.Sequential(*map(lambda n: nn.Conv2d(n, n, 1), [4]))",
    "self.body = nn.Sequential(*unknown(flag))",
]


@pytest.mark.parametrize("made", CONTAINERS)
def test_what_may_be_in_a_container_may_have_weights(made: str) -> None:
    finding = only(IN_CONTAINER.format(made=made))
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert "weights" in finding.fix.reason


def test_a_container_of_either_list_without_weights_is_made_again_safely() -> None:
    made = "layers = [act] if flag else [act, nn.Tanh()]\n        self.body = nn.Sequential(*layers)"
    finding = only(IN_CONTAINER.format(made=made))
    assert finding.fix is not None
    assert finding.fix.safety is Safety.SAFE


IN_CONTAINER = """
class Stage(nn.Module):
    def __init__(self, flag):
        super().__init__()
        conv, act = nn.Conv2d(4, 4, 1), nn.ReLU()
        {made}

    def forward(self, x):
        return self.body(x)

class Model(nn.Module):
    def __init__(self, flag):
        super().__init__()
        self.stage = Stage(flag)

    def forward(self, x):
        return self.stage(self.stage(x))
"""


SCRIPTED = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        {forward}

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = {block}
"""


@pytest.mark.parametrize(
    ("forward", "block", "safety"),
    [
        ("for i in range(3): x = self.act(x)\n        return x", "torch.jit.script(Block())", Safety.UNSAFE),
        ("for i in range(3): x = self.act(x)\n        return x", "Block()", Safety.SAFE),
        ("return self.act(self.act(x))", "torch.jit.script(Block())", Safety.SAFE),
    ],
)
def test_torchscript_picks_no_module_by_a_counter(forward: str, block: str, safety: Safety) -> None:
    finding = only(SCRIPTED.format(forward=forward, block=block))
    assert finding.fix is not None
    assert finding.fix.safety is safety


@pytest.mark.parametrize(
    "made",
    [
        "self._modules['conv'] = nn.Conv2d(4, 4, 1)",
        "self.convs = [nn.Conv2d(4, 4, 1)]",
        "self.convs = {'a': [nn.Conv2d(4, 4, 1)]}",
        "self.convs = (nn.ReLU(), nn.Conv2d(4, 4, 1))",
    ],
)
def test_weights_that_are_held_another_way_are_weights(made: str) -> None:
    finding = only(IN_CONTAINER.format(made=made))
    assert finding.fix is not None
    assert finding.fix.safety is Safety.UNSAFE
    assert "weights" in finding.fix.reason


@pytest.mark.parametrize("made", ["self.acts = [nn.ReLU()]", "self._modules['act'] = nn.Tanh()"])
def test_activations_that_are_held_another_way_are_made_again_safely(made: str) -> None:
    finding = only(IN_CONTAINER.format(made=made))
    assert finding.fix is not None
    assert finding.fix.safety is Safety.SAFE


BLOCKS = "from torch import nn\nclass Block(nn.Module):\n    pass\n"
CUTS = (
    "from torch import nn\nfrom {home} import *\n{more}\ndef cut(net):\n    return list(net.children())[:3]\n"
)


@pytest.mark.parametrize(
    ("home", "more", "safety"),
    [
        ("blocks", "made = Block()", Safety.SAFE),
        ("plain", "made = Block()", Safety.UNSAFE),
        ("blocks", "import tools\nmade = Block(), tools.Block()", Safety.UNSAFE),
        ("elsewhere", "made = Block()", Safety.UNSAFE),
    ],
)
def test_a_file_speaks_of_the_class_that_the_name_means_there(home: str, more: str, safety: Safety) -> None:
    texts = {
        "plain.py": """
            from torch import nn
            class Block(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.act = nn.ReLU()
                def forward(self, x):
                    return self.act(self.act(x))
            """,
        "blocks.py": BLOCKS,
        "cuts.py": CUTS.format(home=home, more=more),
    }
    (finding,) = findings_in(texts, "QAT101")
    assert finding.fix is not None
    assert finding.fix.safety is safety


@pytest.mark.parametrize(
    ("call", "safety"),
    [
        ("self.part(x)", Safety.UNSAFE),
        ("[part(x) for part in self.part]", Safety.UNSAFE),
        ("self.part[0](x)", Safety.UNSAFE),
        ("x * self.part", Safety.SAFE),
    ],
)
def test_a_child_that_calls_what_it_is_given_may_have_weights(call: str, safety: Safety) -> None:
    """Another instance of it holds the given module under another name: the state dict gains keys."""
    text = f"""
        class Child(nn.Module):
            def __init__(self, part):
                super().__init__()
                self.part = part
            def forward(self, x):
                return {call}

        class Holder(nn.Module):
            def __init__(self, part):
                super().__init__()
                self.child = Child(part)
            def forward(self, x):
                return self.child(self.child(x))
        """
    (finding,) = [f for f in findings(text, "QAT101") if f.subject == "child"]
    assert finding.fix is not None
    assert finding.fix.safety is safety
