"""Tensors inside nested values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor

from qatlint.runtime.recording import TensorFacts

_PLAIN = (int, float, str, bool, bytes, complex, type(None), torch.dtype, torch.device)
_OPAQUE = (*_PLAIN, torch.nn.Module, type, FunctionType, ModuleType)


def replace(value: Any, each: Callable[[Tensor], Any]) -> Any:
    """The same nesting of lists, tuples, dicts and slices with every tensor replaced by `each(tensor)`."""
    if isinstance(value, Tensor):
        return each(value)
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, (tuple, list)):
        return (
            tuple(replace(v, each) for v in value)
            if isinstance(value, tuple)
            else [replace(v, each) for v in value]
        )
    if isinstance(value, dict):
        return {k: replace(v, each) for k, v in value.items()}
    if kind is slice:
        return slice(*(replace(v, each) for v in (value.start, value.stop, value.step)))
    return value


def named_tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """(path, tensor) for every tensor in a value: in lists, mappings, dataclasses and plain objects."""
    return _named(value, name, set())


def _named(value: Any, name: str, above: set[int]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield name, value
        return
    if isinstance(value, _OPAQUE) or id(value) in above:
        return
    above.add(id(value))
    for key, inner in _parts(value):
        yield from _named(inner, f"{name}.{key}" if name else str(key), above)
    above.discard(id(value))


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, (list, tuple)):
        yield from enumerate(value)
    elif isinstance(value, (set, frozenset)):
        yield from enumerate(sorted(value, key=id))
    elif dataclasses.is_dataclass(value):
        yield from ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))
    elif hasattr(value, "__dict__"):
        yield from vars(value).items()


def facts(tensor: Tensor) -> TensorFacts:
    """Shape and dtype, as plain values."""
    # Nested tensors have no one shape.
    shape = () if tensor.is_nested else tuple(int(n) for n in tensor.shape)
    return TensorFacts(shape, _dtype(tensor.dtype))


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def version(tensor: Tensor) -> int | None:
    """How often it was written to, through itself or any view; None for tensors that do not count it."""
    try:
        return tensor._version
    except RuntimeError:  # made in inference mode
        return None


def storage(tensor: Tensor) -> int | None:
    """Identity of the memory it lies in; None for tensors without one (sparse ones)."""
    try:
        memory: int = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):
        return None
    return memory


def holds_tensor(value: Any) -> bool:
    """Whether there is any tensor in it."""
    return next(named_tensors(value), None) is not None


def alias(tensor: Tensor) -> Tensor:
    """Another tensor object of the same memory and history; the same one where that could change a result.

    A view made without gradients of a tensor that wants them must not be written to later. One of a
    parameter that is cut off may: nothing made of it there has a history either.
    """
    if type(tensor) not in (Tensor, torch.nn.Parameter) or tensor.layout is not torch.strided:
        return tensor
    if tensor.is_nested or tensor.is_quantized:
        return tensor
    if tensor.requires_grad and not torch.is_grad_enabled():
        return tensor.detach() if tensor.is_leaf else tensor
    return tensor.view_as(tensor)
