"""What a model does on its samples: outputs, gradients, what it keeps, and the state it leaves behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode
from torch.utils import _pytree

from qatlint.runtime.child.held import Held, Kept
from qatlint.runtime.child.keys import saved_tensors
from qatlint.runtime.child.load import Sample, sow
from qatlint.runtime.child.pieces import Pieces, drained, kept, pieces
from qatlint.runtime.child.recorder import Recorder
from qatlint.runtime.child.trouble import Trouble, stage
from qatlint.runtime.recording import Recording

WITH_GRADIENTS = {"eval": "eval with gradients", "train": "train with gradients of the inputs"}
"""Mode -> the same once more, where the inputs want gradients. These come last, since models need not be made
for it: what one cannot do is not compared, and what it broke in the model disturbs nothing."""


class Run(NamedTuple):
    """One forward, and the backward where there is one."""

    gave: Pieces
    """The result, and what the inputs were afterwards."""
    gradients: dict[str, Tensor | None]
    """By the names of the parameters, each under all its names, and of the inputs."""
    error: str = ""
    """Why it did not get through."""
    backward: str = ""
    """Why only the backward did not."""


class Behaviour(NamedTuple):
    """Everything that must not change."""

    runs: dict[str, list[Run]]
    """Mode (`eval`, `train`, and those in `WITH_GRADIENTS`) -> per sample, up to one that failed."""
    held: Kept
    """What it keeps in itself, over the runs of `eval` and `train`."""
    state: dict[str, Pieces]
    """What each key of the state dict holds after the runs of `eval` and `train`."""
    differentiated: set[str]
    """Where it kept tensors that gradients were asked of."""


def shake(model: nn.Module, seed: int) -> None:
    """Move every weight and running statistic a little: layers that start as zeros or ones would hide what
    an older version does otherwise."""
    source = torch.Generator().manual_seed(seed)
    saved = saved_tensors(model)

    def noise(tensor: Tensor) -> Tensor:
        return torch.randn(tensor.shape, generator=source, device="cpu").to(tensor)

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.is_floating_point():
                parameter.add_(noise(parameter), alpha=0.02)
        for name, buffer in model.named_buffers():
            if id(buffer) not in saved:
                continue  # the other version is given nothing but the state dict
            if name.endswith("running_mean"):
                buffer.add_(noise(buffer), alpha=0.02)
            elif name.endswith("running_var"):
                buffer.mul_(1 + 0.1 * noise(buffer).abs())


def record(model: nn.Module, sample: Sample, seed: int, mode: str = "eval") -> Recording:
    """What one forward executes. Raises `Stage`."""
    args, kwargs = copied(sample)
    with stage(f"running the model in {mode} mode"), torch.no_grad():
        model.train(mode == "train")
        sow(seed)
        with Recorder(model) as recorder:
            watching = _innermost_mode()
            out = drained(model(*args, **kwargs))
            if _innermost_mode() is not watching:
                said = "forward enters a torch function mode and does not leave it"
                raise Trouble(said, "enter it in a `with` block")
        return recorder.recording(args, kwargs, out)


def _innermost_mode() -> Any:
    return _get_current_function_mode()  # type: ignore[no-untyped-call]


def observe(model: nn.Module, samples: list[Sample], seed: int, modes: list[str], held: Held) -> Behaviour:
    """Run the model on all samples in each mode. `held` has watched it from the beginning. Raises `Stage`."""
    runs: dict[str, list[Run]] = {}
    changes = []
    for mode in modes:
        runs[mode] = []
        hint = "name only the modes that the model can run in: --modes eval" if mode == "train" else ""
        for number, sample in enumerate(samples):
            with stage(f"running the model in {mode} mode", hint):
                grad = torch.enable_grad() if mode == "train" else torch.no_grad()
                runs[mode].append(_run(model, copied(sample), seed + number, mode, grad))
            changes.append(held.changes())
    state = {key: [(p, kept(v)) for p, v in pieces(value)] for key, value in model.state_dict().items()}
    for mode in modes:
        runs[WITH_GRADIENTS[mode]] = list(_with_gradients(model, samples, seed, mode, held))
    return Behaviour(runs, (held.first, changes), state, held.differentiated)


def _with_gradients(
    model: nn.Module, samples: list[Sample], seed: int, mode: str, held: Held
) -> Iterator[Run]:
    for number, sample in enumerate(samples):
        given, leaves = _wanting(copied(sample))
        try:
            run = _run(model, given, seed + number, mode, torch.enable_grad(), leaves, held)
        except Exception as error:
            yield Run([], {}, f"{type(error).__name__}: {error}".splitlines()[0])
            return
        yield run


def _wanting(sample: Sample) -> tuple[Sample, dict[str, Tensor]]:
    """The sample with inputs that want gradients, and where these gather, by the names of the inputs."""
    leaves: dict[str, Tensor] = {}

    def wanting(path: Any, tensor: Any) -> Any:
        if not isinstance(tensor, Tensor) or not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        leaf = leaves[f"the input {_pytree.keystr(path)}"] = tensor.detach().requires_grad_()
        # Models write into their inputs, which a leaf does not allow.
        return leaf.clone()

    return _pytree.tree_map_with_path(wanting, sample), leaves


def _run(
    model: nn.Module,
    sample: Sample,
    seed: int,
    mode: str,
    grad: AbstractContextManager[Any],
    leaves: dict[str, Tensor] | None = None,
    held: Held | None = None,
) -> Run:
    """`leaves` are inputs that want gradients. With `held`, what the model keeps of this run has some too."""
    args, kwargs = sample
    model.train(mode == "train")
    model.zero_grad(set_to_none=True)
    sow(seed)
    earlier = {id(tensor) for _, tensor in held.computed()} if held is not None else set()
    with grad:
        found = pieces(model(*args, **kwargs))
        keeps = [(path, t) for path, t in held.computed() if id(t) not in earlier] if held is not None else []
        gradients, error = {}, ""
        if torch.is_grad_enabled():
            try:
                gradients = _gradients(model, found + keeps, seed, leaves or {})
            except RuntimeError as failed:  # of autograd, which not every model is made for
                error = str(failed).splitlines()[0]
    # What a model writes into its inputs, its caller sees.
    found += [(f"the input {path}", p) for path, p in pieces((args, kwargs)) if isinstance(p, Tensor)]
    return Run([(path, kept(piece)) for path, piece in found], gradients, backward=error)


def _gradients(
    model: nn.Module, found: Pieces, seed: int, leaves: dict[str, Tensor]
) -> dict[str, Tensor | None]:
    """Gradients of a sum of all outputs, each element with a weight of its own (a plain sum of a softmax
    would have none)."""
    source = torch.Generator().manual_seed(seed)
    total: Any = 0
    for _, piece in found:
        if isinstance(piece, Tensor) and piece.requires_grad:
            for part in piece.unbind() if piece.is_nested else [piece]:
                weights = torch.randn(part.shape, generator=source, dtype=torch.float32, device="cpu")
                number = (part.abs() if part.is_complex() else part).float()
                total = total + number.mul(weights.to(part.device)).sum()
    if isinstance(total, Tensor):
        torch.autograd.backward(total)
    named = dict(model.named_parameters(remove_duplicate=False))
    return {name: None if p.grad is None else kept(p.grad) for name, p in (named | leaves).items()}


def copied(sample: Sample) -> Sample:
    """The same sample again: a model may write into what it is given. Raises `Stage`."""
    with stage("copying the inputs", "they are copied for each run, so they must be plain values"):
        return copy.deepcopy(sample)
