"""The jobs of the child process: a request as plain values in, an answer as plain values out."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qatlint.runtime.child import checkpoint, plugin
from qatlint.runtime.child.backend import PLUGIN, provide
from qatlint.runtime.child.behaviour import Behaviour, Pieces, observe, record, shake, state_of
from qatlint.runtime.child.keys import load_into
from qatlint.runtime.child.load import Loaded, load
from qatlint.runtime.child.pieces import Opaque, difference, pieces, same
from qatlint.runtime.child.ranges import measure
from qatlint.runtime.child.trouble import Trouble
from qatlint.runtime.recording import to_json
from qatlint.runtime.target import Target

_MOST = 8
"""Differences told of one kind; more are counted."""


def record_job(request: dict[str, Any]) -> dict[str, Any]:
    """Execute the model once per sample: `{"recordings": [JSON, ...]}`."""
    loaded = _load(request)
    return {"recordings": _recordings(loaded, request["seed"])}


def before_job(request: dict[str, Any]) -> dict[str, Any]:
    """The first version: record it, run it, and leave its behaviour in the scratch folder."""
    loaded = _load(request)
    shake(loaded.model, request["seed"])
    state = state_of(loaded.model)
    recordings = _recordings(loaded, request["seed"])
    behaviour = observe(loaded.model, loaded.samples, request["seed"], request["modes"])
    torch.save(
        {"state": state, "inputs": pieces(loaded.samples), "behaviour": tuple(behaviour)},
        Path(request["scratch"], "before.pt"),
    )
    return {"recordings": recordings, "samples": len(loaded.samples)}


def after_job(request: dict[str, Any]) -> dict[str, Any]:
    """The second version, with the weights of the first: what differs, in words."""
    loaded = _load(request)
    # Written by `before_job` a moment ago, in a folder of our own.
    left = torch.load(Path(request["scratch"], "before.pt"), weights_only=False)
    # Inputs of which nothing can be compared come from the same function, which has to do.
    changed = _differences(_comparable(left["inputs"]), _comparable(pieces(loaded.samples)))
    if changed:
        raise Trouble(
            f"the inputs of the two versions differ: {changed[0]}",
            "make them from the seed (torch, numpy and random are seeded), or load them from a file",
        )
    loading = load_into(loaded.model, left["state"])
    answer: dict[str, Any] = {"loading": loading._asdict(), "samples": len(loaded.samples)}
    answer["recordings"] = _recordings(loaded, request["seed"])
    behaviour = observe(loaded.model, loaded.samples, request["seed"], request["modes"])
    answer.update(_compare(Behaviour(*left["behaviour"]), behaviour))
    return answer


def prepare_job(request: dict[str, Any]) -> dict[str, Any]:
    """The plugin's own prepare: `{"version": of the plugin, "report": text or None}`."""
    version = plugin.set_march(request["march"])
    loaded = _load(request)
    folder = tempfile.mkdtemp(dir=request["scratch"])
    return {"version": version, "report": plugin.prepare(loaded.model, loaded.samples[0], folder)}


def ranges_job(request: dict[str, Any]) -> dict[str, Any]:
    """What sharing one scale costs: see `ranges.measure`."""
    loaded = _load(request)
    return measure(loaded.model, loaded.samples, request["seed"], request["observer"], request["reaches"])


def doctor_job(request: dict[str, Any]) -> dict[str, Any]:
    """What there is to run models with."""
    answer: dict[str, Any] = {
        "python": platform.python_version(),
        "plugin": None,
        "march": None,
        "trouble": "",
    }
    if provide() == "horizon":
        try:
            answer["plugin"] = str(getattr(import_module(PLUGIN), "__version__", "unknown"))
            answer["march"] = _march()
        except Exception as error:
            answer["trouble"] = f"{PLUGIN} is there and cannot be imported: {type(error).__name__}: {error}"
    return answer


def _march() -> str | None:
    """The chip that the plugin was told about; in a fresh process none, unless its settings say so."""
    get = getattr(import_module(f"{PLUGIN}.march"), "get_march", None)
    found = get() if get is not None else None
    return None if found is None else str(found)


def checkpoint_job(request: dict[str, Any]) -> dict[str, Any]:
    """Convert a checkpoint: `{"added": keys}`."""
    return checkpoint.convert(request["old"], request["new"], request["copies"])


JOBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "record": record_job,
    "before": before_job,
    "after": after_job,
    "prepare": prepare_job,
    "ranges": ranges_job,
    "doctor": doctor_job,
    "checkpoint": checkpoint_job,
}


def _load(request: dict[str, Any]) -> Loaded:
    return load(Target(*request["target"]), Target(*request["inputs"]), request["seed"])


def _recordings(loaded: Loaded, seed: int) -> list[str]:
    """What every sample executes, as JSON."""
    return [to_json(record(loaded.model, sample, seed)) for sample in loaded.samples]


def _compare(before: Behaviour, after: Behaviour) -> dict[str, Any]:
    outputs = {
        mode: [
            f"sample {number}: {text}" if len(runs) > 1 else text
            for number, (a, b) in enumerate(zip(runs, after.outputs[mode], strict=True), 1)
            for text in _differences(a, b)
        ]
        for mode, runs in before.outputs.items()
    }
    gradients, rounded = [], []
    for a, b in zip(before.gradients, after.gradients, strict=True):
        # A key that is nowhere in the other version is told by the loading of the weights.
        gradients += [
            f"{name}: it is no parameter any more" for name in a if name not in b and name in after.state
        ]
        gradients += [f"{name}: it was no parameter" for name in b if name not in a and name in before.state]
        for name, gradient in a.items():
            if name not in b or same(gradient, b[name]):
                continue
            other = b[name]
            if isinstance(gradient, Tensor) and isinstance(other, Tensor) and _close(gradient, other):
                rounded.append(name)
            else:
                gradients.append(f"{name}: {difference(gradient, other)}")
    state = [
        f"{key}: {text}"
        for key, value in before.state.items()
        if key in after.state
        for text in _differences(pieces(value), pieces(after.state[key]))
    ]
    return {"outputs": outputs, "gradients": gradients, "rounded": rounded, "state": state}


def _close(a: Tensor, b: Tensor) -> bool:
    """Equal up to the order in which a tied parameter's gradients were added up."""
    alike = a.shape == b.shape and a.dtype == b.dtype and a.layout == b.layout
    return alike and torch.allclose(a, b, rtol=1e-5, atol=1e-7, equal_nan=True)


def _comparable(found: Pieces) -> Pieces:
    return [(path, piece) for path, piece in found if not isinstance(piece, Opaque)]


def _differences(before: Pieces, after: Pieces) -> list[str]:
    paths, others = [path for path, _ in before], [path for path, _ in after]
    if paths != others:
        old, new = set(paths), set(others)
        lacking = [f"`{path}` is not there any more" for path in paths if path not in new]
        added = [f"`{path}` is new" for path in others if path not in old]
        return _first(lacking + added) or ["the same values came in another order"]
    return _first(
        [
            f"{path or 'the result'} {difference(a, b)}"
            for (path, a), (_, b) in zip(before, after, strict=True)
            if not same(a, b)
        ]
    )


def _first(found: list[str]) -> list[str]:
    return found[:_MOST] + ([f"and {len(found) - _MOST} more"] if len(found) > _MOST else [])
