"""Small models, and how tests run and look at them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub

from qatlint.runtime.child.recorder import Recorder
from qatlint.runtime.recording import Op, Recording

__all__ = ["DeQuantStub", "FloatFunctional", "Forward", "QuantStub", "Tensor", "nn", "ops", "run", "words"]


class Forward(nn.Module):
    """A model of the given modules whose forward is a function of it and its inputs."""

    def __init__(self, function: Callable[..., Any], **modules: Any) -> None:
        super().__init__()
        for name, module in modules.items():
            setattr(self, name, module)
        self._function = (function,)

    def forward(self, x: Any, *others: Any, **kwargs: Any) -> Any:
        return self._function[0](self, x, *others, **kwargs)


def run(model: nn.Module, *args: Any, **kwargs: Any) -> tuple[Recording, Any]:
    """What was recorded, and the output, which must be that of the model alone (in the same state)."""
    state = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(0)
    alone = model(*args, **kwargs)
    model.load_state_dict(state)
    torch.manual_seed(0)
    with Recorder(model) as recorder:
        out = model(*args, **kwargs)
    same(alone, out)
    recording = recorder.recording(args, kwargs, out)
    assert [op.number for op in recording.ops] == list(range(len(recording.ops)))
    assert all(i < op.number for op in recording.ops for i in op.inputs)
    assert all(len(op.inputs) == len(op.input_facts) for op in recording.ops)
    recorder.graph.lint()
    return recording, out


def same(a: Any, b: Any) -> None:
    """Both are equal, bit for bit."""
    left, right = (torch.utils._pytree.tree_flatten(value) for value in (a, b))
    assert left[1] == right[1]
    for x, y in zip(left[0], right[0], strict=True):
        assert torch.equal(x, y) if isinstance(x, Tensor) else x == y


def ops(recording: Recording, *, kinds: str = "module method function") -> list[Op]:
    """The ops of these kinds, in order."""
    return [op for op in recording.ops if op.kind in kinds.split()]


def words(recording: Recording) -> list[str]:
    """Every op as `name <- producers`: modules by path, functions by the last part of their name, constants as theirs."""

    def name(op: Op) -> str:
        if op.kind in ("module", "method"):
            return op.module + (f".{op.method}" if op.method else "")
        if op.kind == "function":
            return op.target.rpartition(".")[2]
        return op.target or op.kind

    return [
        f"{name(op)} <- {', '.join(name(recording.ops[i]) for i in op.inputs)}".removesuffix(" <- ")
        for op in recording.ops
        if op.kind not in ("input", "constant")
    ]
