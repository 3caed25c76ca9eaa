"""Finds what the user named: the model, and the inputs for it. Runs the user's code."""

from __future__ import annotations

import importlib
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils import _pytree

from qatlint.runtime.child.served import load_file
from qatlint.runtime.child.trouble import Trouble, stage
from qatlint.runtime.target import Target

Sample = tuple[tuple[Any, ...], dict[str, Any]]
"""Positional and keyword arguments of one forward."""


class Loaded(NamedTuple):
    """A model that was just built, and the samples it is run on."""

    model: nn.Module
    samples: list[Sample]


def load(target: Target, inputs: Target, seed: int, given: str = "") -> Loaded:
    """Build the model and its inputs, each from the same seed. Raises `Trouble` and `Stage`.

    `given` is a file of samples that another version has made (`hand_over`), which are taken then.
    """
    # Both are imported first: what a module draws while it is imported must not reach the weights.
    sow(seed)
    build = callable_of(target)
    make = None if given else callable_of(inputs, kind="inputs")
    sow(seed)
    with stage(f"building the model with `{target.text}`"):
        model = build if isinstance(build, nn.Module) else build()
    if not isinstance(model, nn.Module):
        raise Trouble(
            f"`{target.text}` gave a {type(model).__name__}, not an nn.Module",
            "name a function that returns the model, or a class that needs no arguments",
        )
    if any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers())):
        raise Trouble(
            f"`{target.text}` gave a model with weights that its first forward makes (lazy modules)",
            "run it once in the function that builds it",
        )
    return Loaded(model, _taken(given) if make is None else _made(make, inputs, seed))


def hand_over(inputs: Target, seed: int, path: str) -> None:
    """Make the inputs alone, for another version to take from the file at `path`."""
    sow(seed)
    samples = _made(callable_of(inputs), inputs, seed)
    try:
        torch.save(samples, path)
    except Exception as error:
        raise Trouble(
            f"the inputs cannot be handed to the other version: {type(error).__name__}: {error}",
            "let them be made by a file that is the same in both versions",
        ) from None


def _made(make: Callable[[], Any], inputs: Target, seed: int) -> list[Sample]:
    sow(seed + 1)
    with stage(f"making the inputs with `{inputs.text}`"):
        made = make()
    return samples_of(made, inputs.text)


def _taken(path: str) -> list[Sample]:
    hint = "let them be made by a file that is the same in both versions"
    with stage("taking the inputs that the newer version has made", hint):
        samples: list[Sample] = torch.load(path, weights_only=False)  # ours, and of this run
    return samples


def sow(seed: int) -> None:
    """Seed every generator that models use."""
    random.seed(seed)
    torch.manual_seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed % (1 << 32))


def callable_of(target: Target, kind: str = "") -> Any:
    """The object that a target names. Raises `Stage`, and `Trouble` (of this kind, when there is none)."""
    with stage(f"importing `{target.module or target.file}`"):
        module = _module_of_file(target.file) if target.file else importlib.import_module(target.module)
    found: Any = module
    for part in target.name.split("."):
        if not hasattr(found, part):
            known = ", ".join(n for n, v in vars(module).items() if callable(v) and not n.startswith("_"))
            raise Trouble(
                f"`{target.text}`: there is no `{part}` in it", f"callables there: {known or 'none'}", kind
            )
        found = getattr(found, part)
    if not callable(found):
        raise Trouble(f"`{target.text}` is a {type(found).__name__}, which cannot be called")
    return found


def _module_of_file(path: str) -> ModuleType:
    """A file in a package is imported as a part of it, so that its relative imports work."""
    parts = [Path(path).stem]
    folder = os.path.dirname(path)
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, last = os.path.split(folder)
        parts.insert(0, last)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
    if len(parts) > 1:
        return importlib.import_module(name)
    known = sys.modules.get(name)
    if known is None:
        return load_file(name, path)
    if getattr(known, "__file__", None) and os.path.realpath(str(known.__file__)) == os.path.realpath(path):
        return known
    # The name is that of a module that runs already, such as `types`.
    return sys.modules.get(f"{name}__") or load_file(f"{name}__", path)


def samples_of(made: Any, text: str) -> list[Sample]:
    """The samples that an inputs callable gave: args, `(args, kwargs)`, or a list of such."""
    # Inputs that another model made would bring its graph along, and cannot be copied.
    made = _pytree.tree_map_only(Tensor, lambda tensor: tensor if tensor.is_leaf else tensor.detach(), made)
    if not isinstance(made, list):
        return [_sample(made)]
    if not made:
        raise Trouble(f"`{text}` gave an empty list", "give at least one sample")
    return [_sample(entry) for entry in made]


def _sample(made: Any) -> Sample:
    if not isinstance(made, tuple):
        return (made,), {}
    if len(made) == 2 and isinstance(made[0], (tuple, list)) and isinstance(made[1], dict):
        if all(isinstance(key, str) for key in made[1]):
            return tuple(made[0]), made[1]
    return made, {}
