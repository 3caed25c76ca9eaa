"""What a model does on its samples: outputs, gradients, and the state it leaves behind."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from qatlint.runtime.child.load import Sample, sow
from qatlint.runtime.child.pieces import pieces
from qatlint.runtime.child.recorder import Recorder
from qatlint.runtime.child.trouble import Trouble, stage
from qatlint.runtime.recording import Recording

Pieces = list[tuple[str, Any]]


class Behaviour(NamedTuple):
    """Everything that must not change."""

    outputs: dict[str, list[Pieces]]
    """Mode (`eval`, `train`) -> per sample."""
    gradients: list[dict[str, Tensor | None]]
    """Per sample, by the names of the parameters, each under all its names."""
    state: dict[str, Any]
    """The state dict after all of it."""


def shake(model: nn.Module, seed: int) -> None:
    """Move every weight and running statistic a little: layers that start as zeros or ones would hide what
    an older version does otherwise."""
    source = torch.Generator().manual_seed(seed)
    saved = model.state_dict()  # the other version is given nothing else

    def noise(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=source).to(tensor)

    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        raise Trouble(
            "the model has lazy modules, which have no weights yet",
            "let the callable run it once before it returns it",
        )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.add_(noise(parameter), alpha=0.02)
        for name, buffer in model.named_buffers():
            if name not in saved:
                continue
            if name.endswith("running_mean"):
                buffer.add_(noise(buffer), alpha=0.02)
            elif name.endswith("running_var"):
                buffer.mul_(1 + 0.1 * noise(buffer).abs())


def record(model: nn.Module, sample: Sample, seed: int) -> Recording:
    """What one forward in eval mode executes. Raises `Stage`."""
    model.eval()
    args, kwargs = copied(sample)
    sow(seed)
    with stage("running the model in eval mode"), torch.no_grad():
        with Recorder(model) as recorder:
            out = model(*args, **kwargs)
        return recorder.recording(args, kwargs, out)


def observe(model: nn.Module, samples: list[Sample], seed: int, modes: list[str]) -> Behaviour:
    """Run the model on all samples in each mode, with gradients in train mode. Raises `Stage`."""
    outputs: dict[str, list[Pieces]] = {}
    gradients: list[dict[str, Tensor | None]] = []
    for mode in modes:
        model.train(mode == "train")
        outputs[mode] = []
        hint = "name only the modes that the model can run in: --modes eval" if mode == "train" else ""
        for number, sample in enumerate(samples):
            args, kwargs = copied(sample)
            sow(seed + number)
            with stage(f"running the model in {mode} mode", hint):
                if mode == "train":
                    model.zero_grad(set_to_none=True)
                    found = pieces(model(*args, **kwargs))
                    gradients.append(_gradients(model, found, seed))
                else:
                    with torch.no_grad():
                        found = pieces(model(*args, **kwargs))
            # What a model writes into its inputs, its caller sees.
            found += [(f"the input {path}", p) for path, p in pieces((args, kwargs)) if isinstance(p, Tensor)]
            outputs[mode].append([(path, kept(piece)) for path, piece in found])
    return Behaviour(outputs, gradients, state_of(model))


def _gradients(model: nn.Module, found: Pieces, seed: int) -> dict[str, Tensor | None]:
    """Gradients of a sum of all outputs, each element with a weight of its own (a plain sum of a softmax
    would have none)."""
    source = torch.Generator().manual_seed(seed)
    total: Any = 0
    for _, piece in found:
        if isinstance(piece, Tensor) and piece.requires_grad:
            weights = torch.randn(piece.shape, generator=source, dtype=torch.float32).to(piece.device)
            total = total + (piece.abs() if piece.is_complex() else piece).float().mul(weights).sum()
    if isinstance(total, Tensor):
        torch.autograd.backward(total)
    named = model.named_parameters(remove_duplicate=False)
    return {name: None if p.grad is None else kept(p.grad) for name, p in named}


def copied(sample: Sample) -> Sample:
    """The same sample again: a model may write into what it is given. Raises `Stage`."""
    with stage("copying the inputs", "they are copied for each run, so they must be plain values"):
        return copy.deepcopy(sample)


def state_of(model: nn.Module) -> dict[str, Any]:
    """A copy of the state dict, with what modules add to it that is no tensor."""
    found = model.state_dict()
    return {key: kept(v) if isinstance(v, Tensor) else copy.deepcopy(v) for key, v in found.items()}


def kept(piece: Any) -> Any:
    """A piece that later runs of the model cannot change."""
    return piece.detach().clone() if isinstance(piece, Tensor) else piece
