"""The child processes of fixes.py: run models of whatever torchvision this process imports. Needs torch.

    python run_models.py list all|distinct          names of the classification models, as JSON by family
    python run_models.py original FOLDER NAME...    run them, keep weights, inputs and outputs in FOLDER
    python run_models.py fixed FOLDER NAME...       run them with those weights and inputs, and compare

`original` and `fixed` print one JSON object a line for each model.
"""

from __future__ import annotations

import copy
import json
import logging
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import recorder
import zoo

torch: Any = recorder.torch

_SIDE = {"inception_v3": 299}


def main() -> int:
    """Command line."""
    verb, *rest = sys.argv[1:]
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    if verb == "list":
        print(json.dumps(families(every=rest[0] == "all")))
        return 0
    folder = Path(rest[0])
    for name in rest[1:]:
        try:
            entry = original(name, folder) if verb == "original" else fixed(name, folder)
        except Exception as error:  # the report says so, and the other models still run
            entry = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps({"name": name, **entry}), flush=True)
    return 0


def families(every: bool) -> dict[str, list[str]]:
    """Classification models by the file that defines them.

    Unless `every`, of each file only the smallest model, and each next larger one that holds a class of
    the library which no smaller one holds.
    """
    models: Any = import_module("torchvision.models")
    named: dict[str, list[tuple[int, str]]] = {}
    for name in models.list_models():
        module = models.get_model_builder(name).__module__
        if module.count(".") == 2:  # torchvision.models.<file>; other tasks have a folder of their own
            size = max(w.meta["num_params"] for w in models.get_model_weights(name))
            if size < 140e6:
                named.setdefault(module.rpartition(".")[2], []).append((size, name))
    chosen: dict[str, list[str]] = {}
    for family, sized in sorted(named.items()):
        seen: set[str] = set()
        for _, name in sorted(sized):
            classes = set() if every else _classes(models, name)
            if every or not chosen.get(family) or not classes <= seen:
                chosen.setdefault(family, []).append(name)
            seen |= classes
    return chosen


def _classes(models: Any, name: str) -> set[str]:
    try:
        with torch.device("meta"):
            model = models.get_model(name, weights=None)
    except NotImplementedError:  # reads a tensor while it is built
        model = models.get_model(name, weights=None)
    return {recorder.dotted(type(m)) for m in model.modules() if not type(m).__module__.startswith("torch.")}


def original(name: str, folder: Path) -> dict[str, Any]:
    """Build with random weights, run in eval and in train mode, and keep all of it in a file."""
    torch.manual_seed(0)
    model = _build(name)
    _shake(model)
    state = copy.deepcopy(model.state_dict())  # with its metadata, which some models check
    inputs = zoo.images(_SIDE.get(name, 224), batch=2).args
    outputs, shared = _run(model, inputs)
    torch.save({"state": state, "inputs": inputs, "outputs": outputs}, folder / f"{name}.pt")
    return {"shared": shared, "varied": all(t.std() > 0 for t in outputs["eval"] if t.numel() > 1)}


def fixed(name: str, folder: Path) -> dict[str, Any]:
    """Build, load the weights of the original, run on its inputs and compare. Deletes the file."""
    file = folder / f"{name}.pt"
    kept = torch.load(file)
    file.unlink()
    model = _build(name)
    loaded = _load(model, kept["state"])
    outputs, shared = _run(model, kept["inputs"])
    equal = {mode: _equal(kept["outputs"][mode], outputs[mode]) for mode in outputs}
    return {"shared": shared, "equal": equal, **loaded}


def _build(name: str) -> Any:
    models: Any = import_module("torchvision.models")
    return models.get_model(name, weights=None)


def _shake(model: Any) -> None:
    """Move every weight and running statistic a little: some layers start as zeros and would hide errors."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
        for key, buffer in model.named_buffers():
            if key.endswith("running_mean"):
                buffer.add_(0.1 * torch.randn_like(buffer))
            elif key.endswith("running_var"):
                buffer.mul_(0.8 + 0.4 * torch.rand_like(buffer))


def _run(model: Any, inputs: tuple[Any, ...]) -> tuple[dict[str, list[Any]], list[list[Any]]]:
    """Output tensors by mode, and the edges that were shared in either mode."""
    outputs: dict[str, list[Any]] = {}
    most: dict[recorder.Edge, int] = {}
    bases: dict[str, list[str]] = {}
    for mode in ("eval", "train"):
        model.train(mode == "train")
        watch = recorder.Recorder()
        torch.manual_seed(1)  # dropout and stochastic depth draw the same numbers in both versions
        with torch.no_grad(), watch.attached(model):
            result = model(*inputs)
        tree: Any = import_module("torch.utils._pytree")
        outputs[mode] = [t for t in tree.tree_leaves(result) if isinstance(t, torch.Tensor)]
        for edge, calls in watch.shared().items():
            if not edge.owner.startswith("torch."):
                most[edge] = max(calls, most.get(edge, 0))
                bases[edge.owner] = watch.bases[edge.owner]
    entries = [[e.owner, e.child, e.child_class, calls, bases[e.owner]] for e, calls in sorted(most.items())]
    return outputs, entries


def _load(model: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Load the original weights: "strict", "tied" (all new keys share tensors that were loaded) or "no"."""
    try:
        model.load_state_dict(state)
        return {"loads": "strict", "new_keys": []}
    except RuntimeError:
        pass
    result = model.load_state_dict(state, strict=False)
    now = model.state_dict()
    filled = {now[key].data_ptr() for key in now if key in state}
    tied = all(now[key].data_ptr() in filled for key in result.missing_keys)
    good = tied and not result.unexpected_keys
    return {"loads": "tied" if good else "no", "new_keys": [*result.missing_keys, *result.unexpected_keys]}


def _equal(before: list[Any], after: list[Any]) -> bool:
    """Bit for bit; a NaN equals a NaN."""
    return len(before) == len(after) and all(
        a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())
        for a, b in zip(before, after, strict=True)
    )


if __name__ == "__main__":
    sys.exit(main())
