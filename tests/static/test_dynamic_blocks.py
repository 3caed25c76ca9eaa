"""Dynamic blocks as the Trace has them, and what QAT202 says of them."""

from __future__ import annotations

import pytest

from tests.static.dynamic import INIT
from tests.static.sources import HEAD, findings_in, model, trace_of

BLOCK = "from horizon_plugin_pytorch.fx.jit_scheme import Tracer"


def test_ops_in_a_block_say_so() -> None:
    text = model(
        "", 'for f in xs:\n    with Tracer.dynamic_block(self, "a"):\n        x = x + f\nreturn x - 1', BLOCK
    )
    trace = trace_of(text, "Model")
    scopes = {op.written: op.scope.name if op.scope else "" for op in trace.ops}
    assert scopes == {"+": "a", "-": ""}


def test_blocks() -> None:
    forward = (
        'with Tracer.dynamic_block(self, "a"):\n    for f in xs:\n        x = x + f\n'
        'for i in range(3):\n    with Tracer.dynamic_block(lambda: 0, f"b{i}"):\n'
        '        with Tracer.dynamic_block(self, name="c"):\n            x = x * 2\n'
        "return x"
    )
    trace = trace_of(model("", forward, BLOCK), "Model")
    first, second, third = trace.blocks
    assert first.around and first.alone == 1 and first.named == "literal"
    assert first.module and first.imported and first.called and first.items == 1
    assert (second.named, second.module, second.around) == ("built", False, ())
    assert third.within is not None and third.within.name == second.scope.name


def test_a_block_without_its_import() -> None:
    trace = trace_of(model("", 'with Tracer.dynamic_block(self, "a"):\n    x = x + 1\nreturn x'), "Model")
    (block,) = trace.blocks
    assert not block.imported


def test_a_block_of_a_base_may_not_have_the_name_of_one_here() -> None:
    imports = "from horizon_plugin_pytorch.fx.jit_scheme import Tracer\n"
    loop = (
        "        for b in range(x.shape[0]):\n"
        '            with Tracer.dynamic_block(self, "{name}"):\n                x = x * 0.5\n'
    )
    base = (
        "class Base(nn.Module):\n    def forward(self, x):\n"
        + loop.format(name="loop")
        + "        return x\n"
    )
    head = "class Head(Base):\n    def forward(self, x):\n{}        return super().forward(x)\n"
    text = imports + base + head.format(loop.format(name="loop"))
    (found,) = findings_in({"model.py": HEAD + text}, "QAT202")
    assert (found.owner, found.subject) == ("model:Head", "forward: shared name loop")
    text = imports + base + head.format(loop.format(name="own"))
    assert not findings_in({"model.py": HEAD + text}, "QAT202")
    apart = head.replace("Base", "nn.Module").format(loop.format(name="loop"))
    assert not findings_in({"model.py": HEAD + imports + base + apart}, "QAT202")


@pytest.mark.parametrize(
    ("arguments", "named", "first"),
    [
        ('self, "a"', "literal", "own"),
        ('self, f"a"', "literal", "own"),
        ("self, NAME", "constant", "own"),
        ('self, "a" + "b"', "constant", "own"),
        ("self, self.name", "built", "own"),
        ('self, f"turn_{i}"', "built", "own"),
        ('self.conv, "a"', "literal", "another"),
        ('self.layers[0], "a"', "literal", "another"),
        ('self.layers[i], "a"', "literal", "another"),
        ('self.given, "a"', "literal", "own"),  # nobody knows which one it is
        ('super(), "a"', "literal", "none"),
        ('x, "a"', "literal", "none"),
        ('lambda: 0, "a"', "literal", "none"),
    ],
)
def test_what_a_block_is_given(arguments: str, named: str, first: str) -> None:
    loop = f"for i in range(3):\n    with Tracer.dynamic_block({arguments}):\n        x = x * x\nreturn x"
    forward = f"x = self.conv(x)\n{loop}"
    init = f"{INIT}\nself.name = name\nself.given = given"
    trace = trace_of(model(init, forward, f'{BLOCK}\nNAME = "n"', "name, given"), "Model")
    (block,) = trace.blocks
    assert (block.named, block.module, block.foreign) == (named, first != "none", first == "another")
