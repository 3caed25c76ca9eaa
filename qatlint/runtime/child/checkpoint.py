"""Converts a checkpoint file: new keys get the tensors of the old ones they are tied to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from qatlint.runtime.child.trouble import Trouble

SAFETENSORS = ".safetensors"
_PREFIXES = ("", "module.", "model.")
"""What trainers put before the keys of a model."""


def convert(old: str, new: str, copies: Mapping[str, str]) -> dict[str, Any]:
    """Write `new`: everything in `old`, and for each new key of `copies` the tensor of its old key.

    Files are loaded with `weights_only=True`, so nothing in them is executed. `new` appears whole or not at
    all; `old` is not touched. Raises `Trouble`.
    """
    if old.endswith(SAFETENSORS):
        weights, save = _load_safetensors(old)
        content: Any = weights
    else:
        content, save = _load_torch(old), lambda path: torch.save(content, path)
        weights = _weights_in(content, copies)
    prefix = _prefix(weights, copies)
    added = []
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
    return {"added": added, "prefix": prefix}


def _load_torch(path: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Trouble(
            f"{path} cannot be loaded: {first}",
            "only files of tensors and plain values are read, since others may execute code",
        ) from None


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


def _weights_in(content: Any, copies: Mapping[str, str], depth: int = 0) -> dict[str, Any]:
    """The dict in a checkpoint that holds the old keys: the file itself, or something in it."""
    if isinstance(content, dict):
        if any(prefix + source in content for source in copies.values() for prefix in _PREFIXES):
            return content
        if depth < 3:
            for value in content.values():
                try:
                    return _weights_in(value, copies, depth + 1)
                except Trouble:
                    continue
    raise Trouble("the checkpoint holds none of the keys that the map speaks of")


def _prefix(weights: Mapping[str, Any], copies: Mapping[str, str]) -> str:
    for prefix in _PREFIXES:
        if any(prefix + source in weights for source in copies.values()):
            return prefix
    raise Trouble("the checkpoint holds none of the keys that the map speaks of")


def _write(path: str, save: Callable[[str], object]) -> None:
    handle, part = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=f".{os.path.basename(path)}.")
    os.close(handle)
    try:
        save(part)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise
