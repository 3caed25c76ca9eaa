"""Converts a checkpoint file: new keys get the tensors of the old ones they are tied to."""

from __future__ import annotations

import os
import pickle
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from qatlint.runtime.child.trouble import Trouble

SAFETENSORS = ".safetensors"
_DEPTH = 3
"""How deep in a file dicts of weights are looked for."""


def convert(old: str, new: str, copies: Mapping[str, str]) -> dict[str, Any]:
    """Write `new`: everything in `old`, and for each new key of `copies` the tensor of its old key.

    Files are loaded with `weights_only=True`, so nothing in them is executed. `new` appears whole or not at
    all; `old` is not touched. Raises `Trouble`.
    """
    if old.endswith(SAFETENSORS):
        content, save = _load_safetensors(old)
    else:
        content, save = _load_torch(old), lambda path: torch.save(content, path)
    homes = list(_homes(content, copies))
    if not homes:
        wanted = ", ".join(f"`{source}`" for source in list(copies.values())[:3])
        raise Trouble(f"{old} holds none of the keys that the map speaks of ({wanted}, ...)")
    added = []
    for weights, prefix in homes:
        for key, source in copies.items():
            if prefix + key in weights:
                continue
            if prefix + source not in weights:
                raise Trouble(f"{old} has no `{prefix + source}`, of which `{key}` is a copy")
            tensor = weights[prefix + source]
            # safetensors keeps no two names for one tensor.
            weights[prefix + key] = tensor.clone() if old.endswith(SAFETENSORS) else tensor
            added.append(prefix + key)
    _write(new, save)
    return {"added": added}


def _load_torch(path: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise _unreadable(path, error) from None


_REFUSED = re.compile(r"(?:GLOBAL|Unsupported class) ([\w.]+)")
_NO_FORMAT = (EOFError, pickle.UnpicklingError, zipfile.BadZipFile, KeyError, ValueError)


def _unreadable(path: str, error: Exception) -> Trouble:
    """In our words: torch's own advice is to load the file in the way that executes what is in it."""
    refused = _REFUSED.search(str(error))
    if refused is not None:
        return Trouble(
            f"{path} holds more than tensors and plain values, such as `{refused[1]}`",
            "objects may execute code when they are loaded, so they are not: save the weights alone "
            "(`model.state_dict()`), if you trust the file",
        )
    if "TorchScript" in str(error):
        return Trouble(f"{path} is a TorchScript program, not a checkpoint")
    if isinstance(error, OSError):
        return Trouble(f"{path} cannot be read: {error.strerror or error}")
    if isinstance(error, _NO_FORMAT):
        return Trouble(f"{path} is no file that torch.save wrote, or it is damaged")
    return Trouble(f"{path} cannot be loaded: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _load_safetensors(path: str) -> tuple[dict[str, Tensor], Callable[[str], object]]:
    try:
        from safetensors import safe_open
        from safetensors.torch import save_file
    except ImportError:
        raise Trouble(f"{path}: the package safetensors is not installed") from None
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            weights = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is no mapping
    except Exception as error:
        raise Trouble(f"{path} cannot be loaded: {error}") from None
    return weights, lambda target: save_file(weights, target, metadata=metadata)


def _homes(content: Any, copies: Mapping[str, str], depth: int = 0) -> Iterator[tuple[dict[str, Any], str]]:
    """The dicts of weights in a checkpoint, each with what stands before its keys: the file itself or
    dicts in it, once or several times (the weights and their moving average, a student and its teacher)."""
    if not isinstance(content, dict) or depth > _DEPTH:
        return
    prefixes = _prefixes(content, list(copies.values()))
    yield from ((content, prefix) for prefix in prefixes)
    if not prefixes:
        for value in content.values():
            yield from _homes(value, copies, depth + 1)


def _prefixes(weights: Mapping[Any, Any], sources: list[str]) -> list[str]:
    """What trainers put before the keys of a model (`module.`, `student.`): nothing, if nothing fits.

    A key may end as another does (`conv.weight`, `neck.conv.weight`), so a prefix has to fit all.
    """
    tensors = [key for key, value in weights.items() if isinstance(key, str) and isinstance(value, Tensor)]
    if any(source in tensors for source in sources):
        return [""]
    found = dict.fromkeys(
        key[: -len(source)] for source in sources for key in tensors if key.endswith(f".{source}")
    )
    return [prefix for prefix in found if all(prefix + source in weights for source in sources)]


def _write(path: str, save: Callable[[str], object]) -> None:
    try:
        handle, part = tempfile.mkstemp(
            dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)}."
        )
    except OSError as error:
        raise Trouble(f"{path} cannot be written: {error.strerror}") from None
    os.close(handle)
    try:
        save(part)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)
        os.replace(part, path)
    except BaseException as error:
        os.unlink(part)
        if isinstance(error, Exception):
            # torch's own words for a full disk are about positions in a zip file.
            said = error.strerror if isinstance(error, OSError) else None
            raise Trouble(
                f"{path} cannot be written: {said or _first_line(error)}",
                "is there room on the disk? nothing was left there",
            ) from None
        raise
