"""Calls of stubs that are moved to what they should be given, or taken away."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from qatlint.codemods.apply import Refused, apply
from qatlint.finding import MoveDequant, RemoveStub
from qatlint.static.source import Source
from qatlint.trace import Span
from tests.codemods.cases import model
from tests.static.sources import clean

INIT = "self.head = nn.Linear(3, 3)\nself.dequant = DeQuantStub()\nself.act = nn.Sigmoid()"


def span(text: str, wanted: str) -> Span:
    """Where the expression stands that is written so."""
    source = Source("model.py", text.encode())
    found = [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.expr) and ast.get_source_segment(text, node) == wanted
    ]
    assert found, wanted
    return source.span(found[0])


def moved(init: str, forward: str, call: str, operands: Sequence[str]) -> str:
    """The whole file after the stub of `call` was moved to `operands`."""
    text = model(init, forward)
    intent = MoveDequant("model.py", "Model", span(text, call), tuple(span(text, one) for one in operands))
    return apply(text.encode(), intent).decode()


def forward_of(text: str) -> str:
    return clean(text[text.index("forward(self, x, xs=()):") :].partition("\n")[2])


@pytest.mark.parametrize(
    ("before", "call", "operand", "after"),
    [
        (
            "return self.dequant(self.head(x).sigmoid())",
            "self.dequant(self.head(x).sigmoid())",
            "self.head(x)",
            "return self.dequant(self.head(x)).sigmoid()",
        ),
        (
            "return self.dequant(self.act(self.head(x)))",
            "self.dequant(self.act(self.head(x)))",
            "self.head(x)",
            "return self.act(self.dequant(self.head(x)))",
        ),
        (
            "y = self.head(x)\ny = y.view(1, -1)  # flat\ny = self.dequant(y)\nreturn y",
            "self.dequant(y)",
            "self.head(x)",
            "y = self.dequant(self.head(x))\ny = y.view(1, -1)  # flat\nreturn y",
        ),
        (
            "y = self.head(x)\ny = y * 2\n# last\ny = self.dequant(y)  # out\nreturn y",
            "self.dequant(y)",
            "self.head(x)",
            "y = self.dequant(self.head(x))\ny = y * 2\n# last\n# out\nreturn y",
        ),
        (
            "y = self.head(x).exp()\nz = self.dequant(y)\nreturn z, z",
            "self.dequant(y)",
            "self.head(x)",
            "y = self.dequant(self.head(x)).exp()\nz = y\nreturn z, z",
        ),
        (
            "return self.dequant(self.head(x) * 2 + 1).view(-1)",
            "self.dequant(self.head(x) * 2 + 1)",
            "self.head(x)",
            "return (self.dequant(self.head(x)) * 2 + 1).view(-1)",
        ),
        (
            "return self.dequant(self.head(x) * 2)",
            "self.dequant(self.head(x) * 2)",
            "self.head(x)",
            "return self.dequant(self.head(x)) * 2",
        ),
        (
            "return self.dequant((x @ x).softmax(-1))",
            "self.dequant((x @ x).softmax(-1))",
            "x @ x",
            "return self.dequant(x @ x).softmax(-1)",
        ),
        (
            "return self.dequant(\n    self.head(x)\n    * 2  # scale\n)",
            "self.dequant(\n            self.head(x)\n            * 2  # scale\n        )",
            "self.head(x)",
            None,
        ),
        (
            "return self.dequant(\n    torch.exp(\n        self.head(x)  # logits\n    )\n)",
            "self.dequant(\n            torch.exp(\n                self.head(x)  # logits\n            )\n        )",
            "self.head(x)",
            "return torch.exp(\n        self.dequant(self.head(x))  # logits\n    )",
        ),
        (
            "return self.dequant(\n    self.head(x)\n    .sigmoid()\n)",
            "self.dequant(\n            self.head(x)\n            .sigmoid()\n        )",
            "self.head(x)",
            "return (self.dequant(self.head(x))\n    .sigmoid())",
        ),
        (
            "outs = []\nfor h in xs:\n    outs.append(self.dequant(self.head(h).sigmoid()))\nreturn outs",
            "self.dequant(self.head(h).sigmoid())",
            "self.head(h)",
            "outs = []\nfor h in xs:\n    outs.append(self.dequant(self.head(h)).sigmoid())\nreturn outs",
        ),
    ],
)
def test_the_stub_is_moved(before: str, call: str, operand: str, after: str | None) -> None:
    if after is None:
        with pytest.raises(Refused, match="comment"):
            moved(INIT, before, call, [operand])
        return
    result = moved(INIT, before, call, [operand])
    ast.parse(result)
    assert forward_of(result).rstrip() == after


def test_each_part_of_a_cat_gets_a_stub_of_its_own() -> None:
    init = (
        "self.a = nn.Linear(3, 3)\nself.b = nn.Linear(3, 3)\nself.dequant: nn.Module = DeQuantStub()  # out"
    )
    forward = "return self.dequant(torch.cat([self.a(x), self.b(x)], 1))"
    result = moved(
        init, forward, "self.dequant(torch.cat([self.a(x), self.b(x)], 1))", ["self.a(x)", "self.b(x)"]
    )
    assert (
        forward_of(result).rstrip()
        == "return torch.cat([self.dequant(self.a(x)), self.dequant_1(self.b(x))], 1)"
    )
    assert (
        "        self.dequant: nn.Module = DeQuantStub()  # out\n"
        "        self.dequant_1: nn.Module = DeQuantStub()\n" in result
    )


@pytest.mark.parametrize(
    ("init", "forward", "call", "operand", "reason"),
    [
        (INIT, "return self.dequant(self.head(x))", "self.dequant(self.head(x))", "self.head(x)", "already"),
        (
            INIT,
            "y = self.head(xs)\nreturn [self.dequant(part.exp()) for part in y]",
            "self.dequant(part.exp())",
            "self.head(xs)",
            "in a loop",
        ),
        (
            INIT,
            "f = lambda h: self.head(h)\nreturn self.dequant(f(x))",
            "self.dequant(f(x))",
            "self.head(h)",
            "a function of its own",
        ),
        (
            INIT,
            "return self.dequant(input=x.sigmoid())",
            "self.dequant(input=x.sigmoid())",
            "x.sigmoid()",
            "one tensor",
        ),
        (
            INIT,
            "y = self.head(x) * 2\nif True:\n    z = y\n    y = self.dequant(y)  # out\nreturn y",
            "self.dequant(y)",
            "self.head(x)",
            "a comment stands at a line",
        ),
        (
            "",
            "return stub(self.head(x).exp())",
            "stub(self.head(x).exp())",
            "self.head(x)",
            "as an attribute",
        ),
    ],
)
def test_what_is_refused(init: str, forward: str, call: str, operand: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        moved(init, forward, call, [operand])


PICKED = {
    "a parameter": ("{0}", "self.stubs[x]"),
    "the counter of a loop": ("for k in x:\n    {0}", "self.stubs[k]"),
    "a name that a loop turns": ("for k in x:\n    {0}", 'getattr(self, f"stub_{k}")'),
    "a number in a name": ("for k in x:\n    {0}", 'self.__getattr__("stub" + str(k))'),
}


@pytest.mark.parametrize(("around", "callee"), PICKED.values(), ids=PICKED)
def test_a_stub_that_is_picked_moves_in_its_loop(around: str, callee: str) -> None:
    def written(body: str) -> str:
        return around.replace("{0}", body)

    moves = moved(
        "", written(f"z = {callee}(self.head(x).exp())"), f"{callee}(self.head(x).exp())", ["self.head(x)"]
    )
    assert moves == model("", written(f"z = {callee}(self.head(x)).exp()"))


@pytest.mark.parametrize(
    ("forward", "callee"),
    [
        ("k = 1\n{0}", "self.stubs[k]"),
        ("for k in x:\n    k = k + 1\n    {0}", "self.stubs[k]"),
        ("{0}", "self.stubs[next(x)]"),
        ("name = x.name\n{0}", "getattr(self, name)"),
        ("{0}", "getattr(x, 'stub')"),
        ("{0}", "getattr(self, 'stub', None)"),
    ],
)
def test_a_stub_that_may_be_another_one_elsewhere_stays(forward: str, callee: str) -> None:
    body = forward.replace("{0}", f"return {callee}(self.head(x).exp())")
    with pytest.raises(Refused, match="as an attribute"):
        moved("", body, f"{callee}(self.head(x).exp())", ["self.head(x)"])


def removed(init: str, forward: str, call: str) -> str:
    text = model(init, forward)
    return apply(text.encode(), RemoveStub("model.py", "Model", span(text, call))).decode()


def test_a_stub_that_nothing_else_uses_goes_with_its_call() -> None:
    init = "self.a = nn.ReLU()\nself.quant = QuantStub(scale=1 / 128)\nself.b = nn.ReLU()"
    result = removed(init, "return self.a(self.quant(x + 1)) * self.quant_all", "self.quant(x + 1)")
    assert result == model("self.a = nn.ReLU()\nself.b = nn.ReLU()", "return self.a(x + 1) * self.quant_all")


def test_a_stub_that_is_used_elsewhere_stays() -> None:
    init = "self.quant = QuantStub()\nself.b = nn.ReLU()"
    forward = "x = self.quant(x)\nx = self.quant(self.b(x))\nreturn x"
    assert removed(init, forward, "self.quant(self.b(x))") == model(
        init, "x = self.quant(x)\nx = self.b(x)\nreturn x"
    )


def test_a_line_that_does_nothing_goes() -> None:
    init = "self.b = nn.ReLU()\nself.quant = QuantStub()"
    result = removed(init, "x = self.b(x)\nx = self.quant(x)\nreturn x", "self.quant(x)")
    assert result == model("self.b = nn.ReLU()", "x = self.b(x)\nreturn x")


@pytest.mark.parametrize(
    ("init", "forward", "reason"),
    [
        ("self.b = 1\nself.quant = QuantStub()  # why", "return self.quant(x)", "comment"),
        ("self.b = 1\nif use: self.quant = QuantStub()", "return self.quant(x)", "line of its own"),
        ("self.b, self.quant = 1, QuantStub()", "return self.quant(x)", "line of its own"),
    ],
)
def test_a_stub_that_cannot_be_taken_out_of_the_constructor(init: str, forward: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        removed(init, forward, "self.quant(x)")
