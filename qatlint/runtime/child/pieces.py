"""Takes any result of a model apart, so that two of them can be compared piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree

_DEPTH = 20


def pieces(value: Any) -> list[tuple[str, Any]]:
    """(path, piece) of everything in `value`, in a fixed order: tensors, and plain values as they are.

    Whatever torch knows as a pytree is taken apart as such; of other objects, their attributes.
    """
    return list(_pieces(value, "", 0))


def _pieces(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Tensor):
        yield path, value
        return
    leaves, _ = _pytree.tree_flatten_with_path(value)
    for keys, leaf in leaves:
        inner = path + _pytree.keystr(keys)
        own = getattr(leaf, "__dict__", None)
        if isinstance(leaf, Tensor):
            yield inner, leaf
        elif own is None or depth > _DEPTH or isinstance(leaf, (type, nn.Module)) or callable(leaf):
            yield inner, plain(leaf)
        else:
            yield inner, type(leaf).__qualname__
            for name, attribute in own.items():
                yield from _pieces(attribute, f"{inner}.{name}", depth + 1)
    if not leaves:
        yield path, f"empty {type(value).__name__}"


def plain(value: Any) -> Any:
    """A value that compares and prints the same in another process."""
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes"):
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return f"{type(value).__name__}{getattr(value, 'shape', '')} {digest}"
    return f"a {type(value).__qualname__}"


def same(a: Any, b: Any) -> bool:
    """Whether two pieces are equal: tensors bit for bit, with every NaN equal to every other."""
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return type(a) is type(b) and (a == b or (a != a and b != b))
    if a.dtype != b.dtype or a.shape != b.shape or a.layout != b.layout:
        return False
    if a.layout is not torch.strided or a.is_quantized:
        return torch.equal(a.to_dense(), b.to_dense()) if a.layout is not torch.strided else torch.equal(a, b)
    if a.is_complex():
        a, b = torch.view_as_real(a.resolve_conj()), torch.view_as_real(b.resolve_conj())
    if torch.equal(_bits(a), _bits(b)):
        return True
    if not a.is_floating_point():
        return False
    nan = a.isnan()
    # Minus zero and zero are equal numbers and yet other bits: what follows may divide by them.
    return torch.equal(nan, b.isnan()) and torch.equal(*(_bits(t.masked_fill(nan, 0)) for t in (a, b)))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def difference(a: Any, b: Any) -> str:
    """In words, how two pieces differ."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.shape != b.shape:
            return f"shape {list(a.shape)} became {list(b.shape)}"
        if a.dtype != b.dtype:
            return f"{a.dtype} became {b.dtype}".replace("torch.", "")
        a, b = a.to_dense(), b.to_dense()
        if a.is_floating_point():
            far, high = (a.double() - b.double()).abs().max().item(), a.double().abs().max().item()
            return f"differs by up to {far:.3g} where it reaches {high:.3g}"
        return f"{int((a != b).sum())} of {a.numel()} values differ"
    return f"{_short(a)} became {_short(b)}"


def _short(piece: Any) -> str:
    if isinstance(piece, Tensor):
        return f"a tensor of shape {list(piece.shape)}"
    text = repr(piece)
    return text if len(text) < 60 else f"{text[:57]}..."
