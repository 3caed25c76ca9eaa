"""Models with dynamic code for tests: what the Trace of one has."""

from __future__ import annotations

from qatlint.trace import Op, Trace
from tests.static.sources import model, trace_of

INIT = "self.conv = nn.Conv2d(3, 3, 1)\nself.layers = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(4)])"


HELPERS = """
import random
import torch.nn.functional as F
from somewhere import fx_wrap

def helper(a, b):
    return torch.relu(a + b)

def is_exporting():
    return len(globals()) > 3

@fx_wrap()
def hidden(a, b):
    return a + b

def decode_boxes(a, b):
    return a + b

def checkpoint_each(functions, x, n):
    for start in range(0, n, 2):
        x = functions[start](x) * 2
    return x

def checkpoint_one(function, *args):
    return function(*args)
"""


def traced(forward: str, init: str = INIT, parameters: str = "", methods: str = "") -> Trace:
    return trace_of(model(init, forward, HELPERS, parameters, methods), "Model")


def regions(forward: str, **more: str) -> list[tuple[str, str, str]]:
    """(statement, what decides, its name) of the loops and of what stands under `if`."""
    found = traced(forward, **more).regions
    return [(r.statement, r.varies.value, r.why) for r in found if r.statement != "else"]


def decides(forward: str, **more: str) -> str:
    """What decides about the first loop or branch."""
    return regions(forward, **more)[0][1]


def ops(forward: str, **more: str) -> list[str]:
    """The functions and operators that run in a region, as written."""
    return [op.written for op in traced(forward, **more).ops if not op.is_module and op.inside]


BODY = "    x = x * x\nreturn x"


def op_of(trace: Trace, written: str) -> Op:
    (found,) = [op for op in trace.ops if op.written == written]
    return found
