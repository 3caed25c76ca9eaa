"""What keeps a fix from being safe, or from being offered at all."""

from __future__ import annotations

import pytest

from qatlint.finding import Finding, Safety
from tests.static.sources import findings

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
