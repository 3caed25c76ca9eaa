"""The quant states that people are shown of a call."""

from __future__ import annotations

import pytest

from qatlint import engine
from qatlint.crossing import crossing
from tests.static.sources import Memory, clean

HEAD = clean(
    """
    import torch
    from torch import nn
    from horizon_plugin_pytorch.quantization import QuantStub
    from torch.quantization import DeQuantStub

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)
            self.register_buffer("pos", torch.zeros(3, 1, 1))

        def forward(self, x):
            return self.conv(x) + self.pos

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.dequant = DeQuantStub()
            self.block = Block()
            self.act = nn.Sigmoid()
            self.seq = nn.Sequential(QuantStub(), nn.Conv2d(3, 3, 1), DeQuantStub())
            self.embed = nn.Embedding(4, 3)
            self.unused = nn.ReLU()

        def forward(self, x, y, index):
    """
)


def states(body: str, path: str) -> list[tuple[str, bool]]:
    """Of the calls of a module of `Model`, whose forward is this, in order; each once."""
    text = HEAD + "".join(f"        {line}\n" for line in body.splitlines())
    loader = Memory({"m.py": text})
    *_, trace = engine.traces("m.py", "Model", loader)
    calls = [call for module in trace.modules if module.path == path for call in trace.calls_of(module)]
    found = [one for call in calls if (one := crossing(trace, call)) is not None]
    return list(dict.fromkeys((str(one), one.assumed) for one in found))


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        ("return self.dequant(self.quant(x))", "quant", ["float (input `x`) → quantised"]),
        ("return self.dequant(self.quant(x))", "dequant", ["quantised → float"]),
        # A module of the project: what enters it, without its own constants, and what leaves it.
        ("return self.dequant(self.block(self.quant(x)))", "block", ["quantised → quantised"]),
        # In a loop it is also given what it gave.
        (
            "x = self.quant(x)\nfor _ in range(3):\n    x = self.block(x)\nreturn x",
            "block",
            ["quantised → quantised"],
        ),
        # A container: what its first entry is given, and what its last one gives.
        ("return self.seq(x)", "seq", ["float (input `x`) → float"]),
        ("return self.seq(x)", "seq.*", []),
        (
            "return self.act(y), self.dequant(self.act(self.quant(x)))",
            "act",
            ["float (input `y`) → float", "quantised → quantised"],
        ),
        ("return self.embed(torch.argmax(self.quant(x), 1))", "embed", ["plain → float"]),
        ("return self.dequant(self.quant(x))", "unused", []),
    ],
)
def test_what_a_call_is_given_and_gives(body: str, path: str, words: list[str]) -> None:
    assert states(body, path) == [(one, False) for one in words]


def test_a_class_that_no_model_runs_is_followed_with_inputs_taken_for_quantised() -> None:
    text = HEAD.partition("class Model")[0]
    (trace,) = engine.traces("m.py", "Block", Memory({"m.py": text}))
    (call,) = trace.calls
    found = crossing(trace, call)
    assert found is not None
    assert (str(found), found.assumed) == ("quantised → quantised", True)


def test_nothing_is_said_in_a_project_without_the_plugin() -> None:
    text = "from torch import nn\nclass A(nn.Module):\n    def __init__(self):\n        self.a = nn.ReLU()\n"
    text += "    def forward(self, x):\n        return self.a(x)\n"
    (trace,) = engine.traces("m.py", "A", Memory({"m.py": text}))
    assert crossing(trace, trace.calls[0]) is None
