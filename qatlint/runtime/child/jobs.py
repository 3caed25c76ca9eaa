"""The jobs of the child process: a request as plain values in, an answer as plain values out."""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable, Container
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from qatlint.horizon.plugin import JOB, PLUGIN
from qatlint.runtime.child import checkpoint, plugin
from qatlint.runtime.child.backend import provide
from qatlint.runtime.child.behaviour import Behaviour, observe, record, shake
from qatlint.runtime.child.differences import comparable, compare, differences
from qatlint.runtime.child.held import Held
from qatlint.runtime.child.keys import load_into, packed, state_of
from qatlint.runtime.child.load import Loaded, hand_over, load
from qatlint.runtime.child.pieces import pieces
from qatlint.runtime.child.ranges import measure
from qatlint.runtime.child.trouble import Trouble
from qatlint.runtime.recording import to_json
from qatlint.runtime.target import Target

_MODULES = dict(sys.modules)
"""Ours and torch's, before the user's code runs, which may throw them out: pickles name them."""


def record_job(request: dict[str, Any]) -> dict[str, Any]:
    """Execute the model once per sample: `{"recordings": [JSON, ...]}`."""
    loaded = _load(request)
    return {"recordings": _recordings(loaded, request["seed"])}


def before_job(request: dict[str, Any]) -> dict[str, Any]:
    """The first version: record it, run it, and leave its behaviour in the scratch folder."""
    loaded = _load(request)
    shake(loaded.model, request["seed"])
    state, left = packed(state_of(loaded.model))
    notes = [
        f"`{key}` of the state dict cannot be given to another version: {why}" for key, why in left.items()
    ]
    recordings, behaviour, seen = _seen(loaded, request)
    sys.modules.update(_MODULES)
    torch.save(
        {
            "state": state,
            "left": tuple(left),
            "inputs": pieces(loaded.samples),
            "behaviour": tuple(behaviour),
        },
        Path(request["scratch"], "before.pt"),
    )
    return {"recordings": recordings, "samples": len(loaded.samples), "notes": notes + seen}


def after_job(request: dict[str, Any]) -> dict[str, Any]:
    """The second version, with the weights of the first: what differs, in words."""
    loaded = _load(request)
    # Written by `before_job` a moment ago, in a folder of our own.
    left = torch.load(Path(request["scratch"], "before.pt"), weights_only=False)
    # Inputs of which nothing can be compared come from the same function, which has to do.
    changed = differences(comparable(left["inputs"]), comparable(pieces(loaded.samples)))
    if changed:
        raise Trouble(
            f"the inputs of the two versions differ: {changed[0]}",
            "make them from the seed (torch, numpy and random are seeded), or load them from a file",
            kind="inputs",
        )
    loading = load_into(loaded.model, left["state"], left["left"])
    older = Behaviour(*left["behaviour"])
    recordings, behaviour, notes = _seen(loaded, request, older.differentiated)
    found = compare(older, behaviour)
    answer = {"loading": loading._asdict(), "samples": len(loaded.samples), "recordings": recordings}
    return answer | found | {"notes": found["notes"] + notes}


def inputs_job(request: dict[str, Any]) -> dict[str, Any]:
    """The inputs alone, for both versions: `{"given": file}`, which goes into their requests."""
    path = str(Path(request["scratch"], "inputs.pt"))
    hand_over(Target(*request["inputs"]), request["seed"], path)
    return {"given": path}


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
    "inputs": inputs_job,
    JOB: prepare_job,
    "ranges": ranges_job,
    "doctor": doctor_job,
    "checkpoint": checkpoint_job,
}


def _load(request: dict[str, Any]) -> Loaded:
    target, inputs = Target(*request["target"]), Target(*request["inputs"])
    return load(target, inputs, request["seed"], request.get("given", ""))


def _recordings(loaded: Loaded, seed: int, mode: str = "eval") -> list[str]:
    """What every sample executes, as JSON."""
    return [to_json(record(loaded.model, sample, seed, mode)) for sample in loaded.samples]


def _seen(
    loaded: Loaded, request: dict[str, Any], only: Container[str] | None = None
) -> tuple[dict[str, list[str]], Behaviour, list[str]]:
    """Recordings by mode, behaviour, and notes on it."""
    held = Held(loaded.model, only)
    recordings = {"eval": _recordings(loaded, request["seed"])}
    behaviour = observe(loaded.model, loaded.samples, request["seed"], request["modes"], held)
    if "train" in request["modes"]:
        # Last, since it may change what a model does in eval mode.
        recordings["train"] = _recordings(loaded, request["seed"], "train")
    return recordings, behaviour, held.notes
