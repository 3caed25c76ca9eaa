"""The tied copy, executed with torch: shared tensors, gradients that add up, checkpoints that load."""

from __future__ import annotations

import json
import subprocess
import textwrap

import pytest

from qatlint.codemods.apply import apply
from tests.codemods.cases import model
from tests.codemods.intents import clone
from tests.execution.parent import VARIABLE, torch_python

PROBE = """
import json, sys
sources = json.load(sys.stdin)
import torch

def build(source):
    torch.manual_seed(0)
    space = {}
    exec(source, space)
    return space["Model"]()

before, after = build(sources[0]), build(sources[1])
x = torch.randn(2, 4, 3, 3)
told = {}
told["missing"] = sorted(after.load_state_dict(before.state_dict(), strict=False).missing_keys)
told["unexpected"] = after.load_state_dict(before.state_dict(), strict=False).unexpected_keys
copies = [m for name, m in after.named_modules() if name.startswith("conv")]
told["instances"] = len(copies)
told["tensors"] = len({id(p) for m in copies for p in m.parameters()})
told["equal"] = torch.equal(before(x), after(x))
for m in (before, after):
    m(x).sum().backward()
told["gradients"] = torch.equal(before.conv.weight.grad, after.conv.weight.grad)
print(json.dumps(told))
"""


@pytest.mark.skipif(torch_python() is None, reason=f"needs torch: point {VARIABLE} at a Python with it")
@pytest.mark.parametrize(
    ("forward", "missing"),
    [
        ("return self.conv(self.conv(x))", ["conv_1.bias", "conv_1.weight"]),
        (
            "for k in range(self.n):\n    x = self.conv(x)\nreturn x",
            ["conv_1.bias", "conv_1.weight", "conv_2.bias", "conv_2.weight"],
        ),
    ],
)
def test_a_tied_copy_learns_and_loads_with_the_original(forward: str, missing: list[str]) -> None:
    before = model("self.n = n\nself.conv = nn.Conv2d(4, 4, 3, padding=1)", forward)
    after = apply(before.encode(), clone(before, "conv", tied=True)).decode()
    done = subprocess.run(
        [str(torch_python()), "-c", textwrap.dedent(PROBE)],
        input=json.dumps([before, after]),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == {
        "missing": missing,
        "unexpected": [],
        "instances": 1 + len(missing) // 2,
        "tensors": 2,
        "equal": True,
        "gradients": True,
    }
