"""The stand-in for the toolchain's names, in a process of its own: it must never get into this one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import textwrap
from typing import Any

import pytest

from tests.execution.parent import torch_python

ROOT = __file__.partition("/tests/")[0]

MODEL = """
    import json
    from qatlint.runtime.child import backend
    told = {"backend": [backend.provide(), backend.provide()]}

    import torch
    from torch import nn
    from horizon_plugin_pytorch import set_march
    from horizon_plugin_pytorch import nn as hnn
    from horizon_plugin_pytorch.march import March
    from horizon_plugin_pytorch.fx.jit_scheme import Tracer
    from horizon_plugin_pytorch.fx.fx_helper import wrap as fx_wrap
    from horizon_plugin_pytorch.nn.quantized import FloatFunctional
    from horizon_plugin_pytorch.quantization import FakeQuantState, QuantStub, get_qconfig, prepare
    from horizon_plugin_pytorch.quantization.prepare import PrepareMethod
    from horizon_plugin_pytorch.quantization.qconfig_setter import ModuleNameTemplate
    from torch.quantization import DeQuantStub
    from qatlint.runtime.child.recorder import Recorder

    set_march("nash-e")
    set_march(March.NASH_M)

    @fx_wrap()
    def helper(x):
        return x + 1

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub(1 / 128)
            self.div = hnn.Div(reciprocal_max_value=10)
            self.lut = hnn.SegmentLUT(torch.tanh)
            self.ff = FloatFunctional()
            self.dequant = DeQuantStub()

        def forward(self, x):
            q = self.quant(x)
            for _ in range(2):
                with Tracer.dynamic_block(self, "step"):
                    q = self.ff.add(self.lut(self.div(q, q)), helper(q))
            return self.dequant(q), x * 2

    model, x = Model(), torch.ones(2, 2)
    with Recorder(model) as recorder:
        out = model(x)
    recording = recorder.recording((x,), {}, out)
    told["tracing"] = Tracer.is_tracing()
    told["ops"] = [(op.target, op.module, op.method, op.scope, op.scope_run, op.inputs) for op in recording.ops]
    told["executions"] = [e.module for e in recording.executions]

    def error(code):
        try:
            exec(code, dict(globals()))
        except Exception as caught:
            return f"{type(caught).__name__}: {caught}"

    told["errors"] = [error(code) for code in (
        "prepare(model, (x,))",
        "from horizon_plugin_pytorch.nn import Nothing",
        "import horizon_plugin_pytorch.nothing.at.all",
        "Tracer.dynamic_block(lambda: 0, 'a').__enter__()",
        "Tracer.dynamic_block(model, 3).__enter__()",
        "set_march('nash-x')",
    )]
    print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> Any:
    python = torch_python()
    if python is None:
        pytest.skip("no Python with torch")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", textwrap.dedent(MODEL)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_stand_in_is_used_where_the_plugin_is_missing(told: Any) -> None:
    assert told["backend"] == ["reference", "reference"]
    assert told["tracing"] is False


def test_modules_of_the_plugin_are_leaves_and_blocks_are_scopes(told: Any) -> None:
    body = [("div", "", "step"), ("lut", "", "step"), ("", "", "step"), ("ff", "add", "step")]
    assert [(m, method, scope) for _, m, method, scope, _, _ in told["ops"][1:-1]] == [
        ("quant", "", None),
        *body,
        *body,
        ("dequant", "", None),
        ("", "", None),
    ]
    assert [run for *_, run, _ in told["ops"][2:10]] == [0] * 4 + [1] * 4
    assert told["ops"][2][0] == "horizon_plugin_pytorch.nn.Div"
    assert told["ops"][2][5] == [1, 1] and told["ops"][11][5] == [0]
    assert told["executions"] == ["", "quant", *["div", "lut", "ff"] * 2, "dequant"]


@pytest.mark.parametrize(
    ("position", "begin", "within"),
    [
        (0, "RuntimeError", "stand-in for it cannot do `prepare`"),
        (1, "ImportError", "has no `horizon_plugin_pytorch.nn.Nothing`"),
        (2, "ModuleNotFoundError", "has no module `horizon_plugin_pytorch.nothing`"),
        (3, "TypeError", "needs the module that runs it"),
        (4, "TypeError", "is a string"),
        (5, "ValueError", "nash-x"),
    ],
)
def test_what_the_stand_in_cannot_do_is_said(told: Any, position: int, begin: str, within: str) -> None:
    assert told["errors"][position].startswith(begin) and within in told["errors"][position]


def test_it_cannot_be_imported_as_a_part_of_qatlint() -> None:
    assert importlib.util.find_spec("horizon_plugin_pytorch") is None
    with pytest.raises(ImportError, match="no part of qatlint"):
        importlib.import_module("qatlint.runtime.standin.horizon_plugin_pytorch")
