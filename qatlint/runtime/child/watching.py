"""Looks at the tensors of a forward while they are there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from qatlint.runtime.child import tensors
from qatlint.runtime.child.load import Sample, sow
from qatlint.runtime.child.numbers import floating
from qatlint.runtime.child.recorder import Recorder
from qatlint.runtime.child.trouble import stage
from qatlint.runtime.flow import Flow, meaning
from qatlint.runtime.recording import Op


class Divisor(NamedTuple):
    """What a division divides by."""

    tensor: Tensor
    position: int
    """Among the inputs of the op."""


Look = Callable[[Op, list[Tensor], Divisor | None], None]
"""(the op, the floating tensors that it gave, what it divides by)."""


def watch(model: nn.Module, sample: Sample, seed: int, look: Look) -> Flow:
    """Run one sample in eval mode and show `look` every module and every function that prepare replaces.

    Raises `Stage` for errors of the user's code.
    """
    model.eval()
    args, kwargs = copy.deepcopy(sample)
    sow(seed)

    def watcher(number: int, given: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
        op = recorder.steps[number].op
        if op.kind == "function":
            found = meaning(op)
            if found is None or not found.replaced:
                return
        gave = floating(tensor for _, tensor in tensors.named_tensors(out))
        with torch._C.DisableTorchFunction():  # what is computed to measure is nobody's business
            look(op, gave, divisor_of(op, given, named))

    with stage("running the model in eval mode"), torch.no_grad():
        with Recorder(model, watcher) as recorder:
            out = model(*args, **kwargs)
        return Flow(recorder.recording(args, kwargs, out))


_DIVISOR_FIRST = frozenset(["reciprocal", "rdiv", "rtruediv"])
_DIVISOR_NAMES = ("other", "y")


def divisor_of(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Divisor | None:
    """What an op divides by, if that is a tensor of real numbers."""
    found = meaning(op)
    if found is None or found.name not in ("div", "reciprocal"):
        return None
    last = op.target.rpartition(".")[2].strip("_")
    if found.name == "reciprocal" or last in _DIVISOR_FIRST:
        value = args[0] if args else kwargs.get("input")
    else:
        value = args[1] if len(args) > 1 else next((kwargs[n] for n in _DIVISOR_NAMES if n in kwargs), None)
    if not isinstance(value, Tensor) or not floating([value]):
        return None
    given: list[Tensor] = []
    tensors.replace((args, kwargs), given.append)
    return Divisor(value, next(index for index, tensor in enumerate(given) if tensor is value))
