"""Takes any result of a model apart, so that two of them can be compared piece by piece.

Nothing is passed over: what cannot be looked into is a piece that equals nothing (`Opaque`), so that a proof
never holds for want of looking.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from types import BuiltinFunctionType, FunctionType, GeneratorType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree

_LAZY = (GeneratorType, map, filter, zip, enumerate)
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Opaque(NamedTuple):
    """A piece that cannot be compared."""

    what: str


def pieces(value: Any) -> list[tuple[str, Any]]:
    """(path, piece) of everything in `value`, in a fixed order: tensors, and plain values as they are.

    Whatever torch knows as a pytree is taken apart as such; other containers by what they hold, other objects
    by their attributes. A generator is run to its end: what it gives is the result.
    """
    return list(_pieces(value, "", ()))


def _pieces(value: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    # One level at a time, so that the class of each is seen: a tuple is no list.
    parts, _ = _pytree.tree_flatten_with_path(value, is_leaf=lambda inner: inner is not value)
    if len(parts) == 1 and not parts[0][0]:
        yield from _leaf(value, path, above)
    elif id(value) in above:
        yield path, "what it is in"
    else:
        yield path, f"{type(value).__qualname__} of {len(parts)}"
        for keys, part in parts:
            yield from _pieces(part, path + _pytree.keystr(keys), (*above, id(value)))


def _leaf(value: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    """What torch does not take apart: tensors, plain values, containers of a class it was not told of."""
    if value is None or isinstance(value, Tensor):
        yield path, value
        return
    if (known := plain(value)) is not None:
        yield path, known
        return
    if id(value) in above:
        yield path, "what it is in"
        return
    inside = _inside(value)
    if not inside:
        yield path, _by_its_words(value)
        return
    yield path, type(value).__qualname__
    for name, part in inside:
        yield from _pieces(part, path + name, (*above, id(value)))


def _inside(value: Any) -> list[tuple[str, Any]]:
    """The parts of a value, each with its step of the path; none when it has none that can be seen."""
    if isinstance(value, (type, nn.Module, range)):
        return []
    parts = [(f".{name}", part) for name, part in _attributes(value).items()]
    if isinstance(value, Mapping):
        parts += [(f"[{key!r}]", value[key]) for key in value]
    elif isinstance(value, Set):
        # A set has no order, and one of strings has another one in each process.
        parts += [(f"{{{number}}}", entry) for number, entry in enumerate(sorted(value, key=repr))]
    elif isinstance(value, (Sequence, *_LAZY)):
        parts += [(f"[{number}]", entry) for number, entry in enumerate(value)]
    return parts


def _attributes(value: Any) -> dict[str, Any]:
    """Its own attributes, those in slots too."""
    found: dict[str, Any] = {}
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    found.update(getattr(value, "__dict__", {}))
    return found


def plain(value: Any) -> Any:
    """A value that compares and prints the same in another process; None when it is no such value."""
    if isinstance(value, (enum.Enum, torch.dtype, torch.device, torch.layout, torch.memory_format)):
        return str(value)
    if type(value) in (bool, int, float, complex, str, bytes):
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "tobytes") and not value.dtype.hasobject:
        digest = hashlib.sha256(value.tobytes()).hexdigest()
        return f"{type(value).__name__} {value.dtype} {value.shape} {digest}"
    return None


def _by_its_words(value: Any) -> Any:
    """What is known of a value without parts: its name, or how it prints."""
    name = type(value).__qualname__
    if isinstance(value, nn.Module):
        return name  # its weights are compared as those of the model
    if isinstance(value, (type, BuiltinFunctionType, FunctionType)):
        inside = getattr(value, "__closure__", None)
        return Opaque(name) if inside else f"{value.__module__}.{value.__qualname__}"
    if callable(value) or repr(value) == object.__repr__(value):
        return Opaque(name)
    return f"{name} {_ADDRESS.sub('', repr(value))}"


def same(a: Any, b: Any) -> bool:
    """Whether two pieces are equal: tensors bit for bit, with every NaN equal to every other."""
    if isinstance(a, Opaque) or isinstance(b, Opaque):
        return False
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):
        return type(a) is type(b) and (a == b or (a != a and b != b))
    if a.is_nested != b.is_nested:
        return False
    if a.is_nested:
        rows, others = a.unbind(), b.unbind()
        return len(rows) == len(others) and all(map(same, rows, others))
    if a.dtype != b.dtype or a.shape != b.shape or a.layout != b.layout or a.is_meta != b.is_meta:
        return False
    if a.is_meta:
        return True
    if a.layout is not torch.strided:
        return same(a.to_dense(), b.to_dense())
    if a.is_quantized:
        return torch.equal(a, b)
    if a.is_complex():
        a, b = torch.view_as_real(a.resolve_conj()), torch.view_as_real(b.resolve_conj())
    if torch.equal(_bits(a), _bits(b)):
        return True
    if not a.is_floating_point():
        return False
    # Not every operation knows the narrowest formats; each of their numbers is one of float64 too.
    a, b = a.double(), b.double()
    nan = a.isnan()
    # Minus zero and zero are equal numbers and yet other bits: what follows may divide by them.
    return torch.equal(nan, b.isnan()) and torch.equal(*(_bits(t.masked_fill(nan, 0)) for t in (a, b)))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def difference(a: Any, b: Any) -> str:
    """In words, how two pieces differ."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        if a.is_nested or b.is_nested or a.is_meta or b.is_meta:
            return "differs"
        if a.shape != b.shape:
            return f"shape {list(a.shape)} became {list(b.shape)}"
        if a.dtype != b.dtype:
            return f"{a.dtype} became {b.dtype}".replace("torch.", "")
        if a.layout != b.layout:
            return f"{a.layout} became {b.layout}".replace("torch.", "")
        a, b = (t.dequantize() if t.is_quantized else t.to_dense() for t in (a, b))
        return (
            _distance(a, b)
            if a.is_floating_point()
            else f"{int((a != b).sum())} of {a.numel()} values differ"
        )
    if isinstance(a, Opaque) or isinstance(b, Opaque):
        return f"is a {(a if isinstance(a, Opaque) else b).what}, of which nothing can be compared"
    return f"{_short(a)} became {_short(b)}"


def _distance(a: Tensor, b: Tensor) -> str:
    a, b = a.double(), b.double()
    nans, others = a.isnan(), b.isnan()
    if not torch.equal(nans, others):
        return f"has NaN in {int(others.sum())} of {a.numel()} values, and had it in {int(nans.sum())}" + (
            " others" if nans.sum() == others.sum() else ""
        )
    # Equal infinities have no distance that can be computed.
    far = (a - b).abs().masked_fill(nans | (a == b), 0).max().item()
    if far == 0:
        return "differs in the sign of zeros"
    return f"differs by up to {far:.3g} where it reaches {a.nan_to_num().abs().max().item():.3g}"


def _short(piece: Any) -> str:
    if isinstance(piece, Tensor):
        return f"a tensor of shape {list(piece.shape)}"
    text = repr(piece)
    return text if len(text) < 60 else f"{text[:57]}..."
