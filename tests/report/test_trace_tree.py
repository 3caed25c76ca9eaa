"""The tree that shows a Trace to a person."""

from __future__ import annotations

import pytest

from qatlint.report.style import Style
from qatlint.report.trace_tree import render
from tests.static.sources import model, trace_of

STYLE = Style(width=100, colour=False)


def tree(init: str, forward: str, **more: str) -> list[str]:
    """Lines of the tree without the guides."""
    text = render([trace_of(model(init, forward, **more))], STYLE)
    return [line.lstrip("│├└─ ").rstrip() for line in text.split("\n")]


def test_modules_with_times_places_and_conditions() -> None:
    lines = tree(
        "self.act = nn.ReLU()\nself.conv = nn.Conv2d(8, 8, 1)\nself.rest = nn.GELU()\nself.f = f",
        "x = self.act(self.conv(x))\nif self.f:\n    x = self.act(x)\nif not flag:\n    return x\n"
        "return self.conv(x)",
        parameters="f",
    )
    assert lines[0].startswith("Model  model  model.py:")
    assert "act  ReLU  ×1..2 shared on some path" in lines
    assert "conv  Conv2d  ×1..2 shared on some path" in lines
    assert any(line.endswith("in forward  if self.f") for line in lines)
    assert lines[-2:] == ["not executed by forward", "rest  GELU"]


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        ("return self.act(x)", "act  ReLU  ×1"),
        ("return self.act(self.act(x))", "act  ReLU  ×2 shared"),
        ("return self.act(x) if flag else x", "act  ReLU  ×0..1 on some path"),
        ("if self.training:\n    x = self.act(x)\nreturn self.act(x)", "act  ReLU  ×1..2 shared in training"),
        ("for y in xs:\n    x = self.act(y)", "act  ReLU  ×n shared"),
        ("x = self.act(x)\nfor y in xs:\n    x = self.act(y)", "act  ReLU  ×1.. shared"),
    ],
)
def test_how_often(forward: str, expected: str) -> None:
    assert expected in tree("self.act = nn.ReLU()", forward)


def test_other_names_loops_methods_and_containers() -> None:
    lines = tree(
        "self.a = self.b = nn.ReLU()\nself.s = nn.Sequential(nn.GELU())\n"
        "self.ff = torch.ao.nn.quantized.FloatFunctional()",
        "for i in range(20):\n    x = self.a(x)\nx = self.ff.add(x, x)\nreturn self.s(x)",
    )
    assert "a  ReLU  ×20 shared  also b" in lines
    assert any(line.endswith("in forward  loop over range(20) ×20") for line in lines)
    assert any(line.endswith("in forward  .add") for line in lines)
    assert any(line.endswith("by its container") for line in lines)


@pytest.mark.parametrize(("arguments", "shown"), [('self, "refine"', "in block refine"), ("", "in block")])
def test_dynamic_blocks(arguments: str, shown: str) -> None:
    lines = tree(
        "self.act = nn.ReLU()",
        f"from horizon_plugin_pytorch.fx.jit_scheme import Tracer\n"
        f"with Tracer.dynamic_block({arguments}):\n    x = self.act(x)\nreturn self.act(x)",
    )
    assert lines[-2].endswith(f"in forward  {shown}  quantised → quantised")
    assert lines[-1].endswith("in forward  quantised → quantised")


def test_another_element_of_a_list() -> None:
    lines = tree(
        "self.l = nn.ModuleList([nn.ReLU() for _ in range(20)])",
        "x = self.l[0](self.l[0](x))\nreturn self.l[5](x)",
    )
    assert any(line.endswith("another element") for line in lines)


def test_many_calls_are_counted() -> None:
    lines = tree("self.act = nn.ReLU()", "\n".join(["x = self.act(x)"] * 15) + "\nreturn x")
    assert lines[-1] == "... and 3 more"
    assert len(lines) == 1 + 1 + 12 + 1


def test_conditions_with_several_terms() -> None:
    lines = tree(
        "self.act = nn.ReLU()", "if x.a and not (x.b or x.c):\n    x = self.act(x)\nreturn self.act(x)"
    )
    (line,) = [line for line in lines if " if " in line]
    assert "not" in line and " and " in line


@pytest.mark.parametrize(
    ("test", "shown"),
    [
        ("self.kind is not None", "if not (self.kind is None)"),
        ("self.kind is None", "if self.kind is None"),
        ("self.kind", "if not (self.kind is None)"),
        ("self.kind != 'a'", "if not (self.kind == 'a')"),
        ("not flag", "if not (flag)"),
    ],
)
def test_a_condition_is_quoted_the_right_way_round(test: str, shown: str) -> None:
    """Also of a module that runs once, of which no rule would say anything."""
    lines = tree(
        "self.kind = kind\nself.relu = nn.ReLU()",
        f"if {test}:\n    x = self.relu(x)\nreturn x",
        parameters="kind=None",
    )
    assert any(line.endswith(shown) for line in lines), lines


def test_an_unused_module_that_is_used_otherwise_says_how() -> None:
    lines = tree("self.act = nn.ReLU()", "return x", methods="def export(self, x):\n    return self.act(x)\n")
    assert lines[-1] == "act  ReLU  only in `export`"


def test_what_could_not_be_followed_is_said() -> None:
    text = """
    from mmdet.models import AnchorHead

    class Model(AnchorHead):
        def _init_layers(self):
            self.act = nn.ReLU()
        def forward_single(self, x):
            return self.act(x)
    """
    lines = render([trace_of(text)], STYLE)
    assert "no forward of its own was found" in lines
    assert "not everything could be followed" in lines


def test_colour_is_only_where_it_is_wanted() -> None:
    trace = trace_of(model("self.act = nn.ReLU()", "return self.act(x)"))
    assert "\x1b[" not in render([trace], STYLE)
    assert "\x1b[" in render([trace], Style(width=100, colour=True))


def test_several_classes_one_after_the_other() -> None:
    trace = trace_of(model("self.act = nn.ReLU()", "return self.act(x)"))
    assert render([trace, trace], STYLE).count("Model  model") == 2
