"""Where a QuantStub may be added: what is only assumed, and what can leave the region instead."""

from __future__ import annotations

import pytest

from qatlint.finding import Finding, Safety, Severity
from tests.static.sources import clean, findings_in

IMPORTS = """
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub
"""


def found(text: str, code: str = "QAT302") -> list[Finding]:
    return findings_in({"model.py": IMPORTS + clean(text)}, code)


PART = """
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.pos = nn.Parameter(torch.zeros(8))

        def forward(self, x):
            return x + self.pos
"""


def test_a_stub_for_what_meets_assumed_inputs_is_not_safe() -> None:
    (one,) = found(PART)
    assert one.fix is not None
    assert one.fix.safety is Safety.UNSAFE
    assert "no model was found" in one.fix.reason
    assert "what is taken for quantised" in one.message


def test_it_is_safe_where_the_class_quantises_itself() -> None:
    text = PART.replace("self.pos", "self.quant = QuantStub()\n            self.pos", 1)
    (one,) = found(text.replace("x + self.pos", "x * (self.quant(torch.ones(8)) + self.pos)"))
    assert one.fix is not None
    assert (one.fix.safety, "together with a quantised tensor" in one.message) == (Safety.SAFE, True)


def test_it_is_safe_where_the_model_is_known() -> None:
    model = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.part = Part()

        def forward(self, x):
            return self.part(self.quant(x))
    """
    (one,) = found(clean(PART) + clean(model))
    assert one.fix is not None
    assert one.fix.safety is Safety.SAFE


def test_no_stub_in_a_class_that_also_runs_in_float() -> None:
    model = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = Part()
            self.quant = QuantStub()
            self.part = Part()

        def forward(self, x):
            return self.part(self.quant(self.before(x)))
    """
    (one,) = found(clean(PART) + clean(model))
    assert one.fix is None
    assert one.no_fix.startswith("the operation also runs where all that it takes is float")


def test_post_processing_of_outputs_is_not_followed_and_half_a_model_is() -> None:
    text = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.out = nn.Conv2d(8, 8, 1)
            self.table = nn.Parameter(torch.ones(8, 1, 1))
            self.dequant = DeQuantStub()

        def decode(self, x):
            return self.dequant(self.out(self.quant(x))) * (x + self.table)

        def forward(self, x):
            y = self.out(self.quant(x))
            return self.decode({0})
    """
    assert [f.code for f in findings_in({"model.py": IMPORTS + clean(text.format("y"))}, "QAT302")] == [
        "QAT302"
    ]
    assert found(text.format("self.dequant(y)")) == []


@pytest.mark.parametrize(
    ("toolchain", "severity", "said"),
    [
        ("", Severity.WARNING, "falls back to the CPU, or a newer toolchain inserts a stub"),
        ("early", Severity.WARNING, "falls back to the CPU"),
        ("current", Severity.NOTE, "the toolchain inserts a stub itself and guesses its range"),
    ],
)
def test_what_becomes_of_a_constant_depends_on_the_toolchain(
    toolchain: str, severity: Severity, said: str
) -> None:
    (one,) = findings_in({"model.py": IMPORTS + clean(PART)}, "QAT302", toolchain=toolchain)
    assert one.severity is severity
    assert said in one.message
    assert ("newer" in one.message) == (toolchain == "")


@pytest.mark.parametrize(("toolchain", "notes"), [("", True), ("early", False), ("current", True)])
def test_ops_that_move_numbers_cost_the_precision_of_early_toolchains(toolchain: str, notes: bool) -> None:
    text = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.out = nn.Conv2d(8, 8, 1)
            self.dequant = DeQuantStub()

        def forward(self, x):
            return self.dequant(self.out(self.quant(x)).flatten(1))
    """
    (one,) = findings_in({"model.py": IMPORTS + clean(text)}, "QAT401", toolchain=toolchain)
    assert (one.severity is Severity.NOTE, "newer versions" in one.message) == (notes, notes)


TWICE = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.part = Part()
            self.post = Part()
            self.other = nn.ReLU()
            self.dequant = DeQuantStub()

        def get_bboxes(self, y, *more):
            return {boxes}

        def helper(self, y):
            return self.post(y)

        def forward(self, x):
            y = self.part(self.quant(x))
            {forward}
"""
FLOAT = "return self.get_bboxes(self.dequant(y))"


def fix_of(forward: str, boxes: str = "y") -> tuple[Safety, str]:
    (one,) = found(clean(PART) + clean(TWICE.format(forward=forward, boxes=boxes)))
    assert one.fix is not None
    return one.fix.safety, one.fix.reason


@pytest.mark.parametrize(
    "made", ["torch.fft.fft({0}).real", "torch.as_tensor({0}.numpy())", "torch.frobnicate({0})"]
)
def test_a_stub_is_not_safe_where_the_class_also_runs_on_what_nobody_knows(made: str) -> None:
    safety, reason = fix_of(f"return self.post({made.format('self.dequant(y)')})")
    assert safety is Safety.UNSAFE
    assert "nobody knows whether" in reason


@pytest.mark.parametrize(
    "boxes", ["self.post(y)", "self.helper(y)", "[run(y) for run in [self.post]]", "apply(self, y)"]
)
def test_a_stub_is_not_safe_where_code_that_is_not_followed_may_run_the_class(boxes: str) -> None:
    safety, reason = fix_of(FLOAT, boxes)
    assert safety is Safety.UNSAFE
    assert "post-processing" in reason


def test_a_stub_is_not_safe_where_code_that_is_not_followed_is_handed_the_class() -> None:
    assert fix_of("return self.get_bboxes([self.post], self.dequant(y))")[0] is Safety.UNSAFE
    assert fix_of("from other import run\n            return run(self.post, y)")[0] is Safety.UNSAFE


@pytest.mark.parametrize(
    ("forward", "boxes"),
    [
        (FLOAT, "self.other(y)"),  # it runs another class
        ("return self.get_bboxes(y)", "self.post(y)"),  # all that it is given is quantised
        (f"if self.training: {FLOAT}\n            return y", "self.post(y)"),  # in training only
    ],
)
def test_a_stub_is_safe_where_code_that_is_not_followed_does_not_matter(forward: str, boxes: str) -> None:
    assert fix_of(forward, boxes) == (Safety.SAFE, "")


TWO_USES = """
    class Model(nn.Module):
        def __init__(self):
            {first}
            self.quant = QuantStub()
            self.table = nn.Parameter(torch.ones(2, 8))
            self.out = nn.Linear(8, 8)
            self.dequant = DeQuantStub()

        def forward(self, x):
            x = self.quant(x)
            {lines}
            return self.dequant(self.out(x))
"""


def in_forward(*lines: str, first: str = "super().__init__()") -> list[Finding]:
    return found(TWO_USES.format(first=first, lines="\n            ".join(lines)))


@pytest.mark.parametrize(
    ("lines", "is_whole"),
    [
        (["for i in range(2):", "    x = x + self.table[i]"], True),
        (["a, b = self.table.unbind(0)", "x = x * a + b"], True),
        (["for i in range(2):", "    x = x + self.table[i] * 2"], False),  # arithmetic stays in float
        (["for i in range(2):", "    x = x + self.table[i]", "self.last = self.table[0]"], False),
        (["table = self.table if x.shape[0] else x", "for i in range(2):", "    x = x + table[i]"], False),
        (
            ["for i in range(2):", "    if x.shape[0]:", "        x = x + self.table[i]"],
            False,
        ),  # if it exists
        (["for row in self.table:", "    x = x + row[0]"], False),  # another one in each turn
    ],
)
def test_a_constant_is_quantised_as_a_whole_where_all_parts_of_it_enter(
    lines: list[str], is_whole: bool
) -> None:
    said = in_forward(*lines)
    assert [f.fix is not None for f in said] == [is_whole] * len(said)
    assert bool(said) or lines[0].startswith("table")


def test_a_constructor_without_a_place_for_the_stub() -> None:
    (one,) = in_forward("x = x + self.table[0]")
    assert one.fix is not None
    hidden = TWO_USES.replace("self.quant = QuantStub()", "setattr(self, 'quant', QuantStub())")
    (one,) = found(hidden.format(first="_ = super().__init__()", lines="x = x + self.table[0]"))
    assert one.no_fix == "there is no line in the constructor behind which a QuantStub could be made"


TWICE_ADDED = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.table = nn.Parameter(torch.ones(2, 8))
            self.out = nn.Linear(8, 8)
            self.dequant = DeQuantStub()

        def shifted(self, x):
            {body}

        def forward(self, x):
            x = self.quant(x)
            return self.dequant(self.out({calls}))
"""


@pytest.mark.parametrize("body", ["return x + self.table", "return x + torch.linspace(0, 1, 8) * 2"])
def test_no_stub_in_a_method_that_runs_several_times(body: str) -> None:
    (one,) = found(TWICE_ADDED.format(body=body, calls="self.shifted(x) * self.shifted(x)"))
    assert one.no_fix == "the method that uses it runs several times in one forward: hand it over quantised"
    (one,) = found(TWICE_ADDED.format(body=body, calls="self.shifted(x)"))
    assert one.fix is not None


@pytest.mark.parametrize(("made", "what"), [("randn(8)", "random tensor"), ("linspace(0, 1, 8)", "constant")])
def test_a_random_tensor_is_no_constant(made: str, what: str) -> None:
    (one,) = in_forward(f"x = x + torch.{made}")
    assert one.message.startswith(f"{what} `torch.{made}` has no QuantStub")


def test_what_a_loop_gives_back_is_not_quantised_for_that() -> None:
    """Its inputs are taken for quantised: nobody knows better."""
    text = PART.replace(
        "return x + self.pos", "for _ in range(x.shape[0]): x = x + self.pos\n            return x"
    )
    (one,) = found(text)
    assert "what is taken for quantised" in one.message
    assert one.fix is None  # a variable in front of the loop is not worth a doubt
