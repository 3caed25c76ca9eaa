"""Takes any result of a model apart, so that two of them can be compared piece by piece.

Nothing is passed over: what cannot be looked into is a piece that equals nothing (`Opaque`), so that a proof
never holds for want of looking. Nothing goes on without end either: what is deeper or longer than any result
is said to be so.
"""

from __future__ import annotations

import copy
import enum
import hashlib
import re
from collections import OrderedDict, defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from itertools import islice
from types import BuiltinFunctionType, FunctionType, GeneratorType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils import _pytree

from qatlint.runtime.child.trouble import Trouble

Pieces = list[tuple[str, Any]]
"""(path, piece) of everything in a value, in a fixed order."""

_LAZY = (GeneratorType, map, filter, zip, enumerate)
_BUILT_IN = (list, tuple, dict, set, frozenset, deque)
_GROWING = (list, dict, OrderedDict, defaultdict, deque)
_MOST_GIVEN = 10_000
"""Values that a generator may give."""
_DEEPEST = 100
"""Levels that are looked into."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


class Opaque(NamedTuple):
    """A piece that cannot be compared."""

    what: str


def pieces(value: Any) -> Pieces:
    """(path, piece) of everything in `value`, in a fixed order: tensors, and plain values as they are.

    Whatever torch knows as a pytree is taken apart as such; other containers by what they hold, other objects
    by their attributes. A generator is run to its end: what it gives is the result.
    """
    return list(_Apart(passive=False).pieces(value, "", ()))


def pieces_at_rest(value: Any) -> Iterator[tuple[str, Any]]:
    """The same without running anything of the value's: generators stay where they are, and containers of
    the user's own classes are known by their attributes."""
    return _Apart(passive=True).pieces(value, "", ())


def drained(value: Any) -> Any:
    """The same value with lists for the generators in it. Raises `Trouble` for one that does not end, and for
    a value that holds itself."""
    try:
        # A list that a generator gave may hold generators again.
        found = _pytree.tree_map(lambda leaf: _given(leaf) if isinstance(leaf, _LAZY) else leaf, value)
        lazy = any(isinstance(leaf, _LAZY) for leaf in _pytree.tree_leaves(found))
    except RecursionError:
        raise Trouble(
            "the model gives back a value that holds itself, or is nested very deeply",
            "let the model that is named give back the tensors in it",
        ) from None
    return drained(found) if lazy else found


def _given(lazy: Iterable[Any]) -> list[Any]:
    found = list(islice(lazy, _MOST_GIVEN + 1))
    if len(found) > _MOST_GIVEN:
        raise Trouble(
            f"the model gives back a {type(lazy).__name__} that had not ended after {_MOST_GIVEN} values",
            "let the model that is named give back what is to be compared: the first values, in a list",
        )
    return found


class _Apart:
    def __init__(self, *, passive: bool) -> None:
        self._passive = passive

    def pieces(self, value: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
        if len(above) > _DEEPEST:
            yield path, Opaque("value nested too deeply")
            return
        # One level at a time, so that the class of each is seen: a tuple is no list.
        # What holds itself must not be taken for the level that is looked at.
        level = copy.copy(value) if type(value) in _GROWING else value
        parts, _ = _pytree.tree_flatten_with_path(level, is_leaf=lambda inner: inner is not level)
        if len(parts) == 1 and not parts[0][0]:
            yield from self._leaf(value, path, above)
        elif id(value) in above:
            yield path, "what it is in"
        else:
            yield path, f"{type(value).__qualname__} of {len(parts)}"
            for keys, part in parts:
                yield from self.pieces(part, path + _pytree.keystr(keys), (*above, id(value)))

    def _leaf(self, value: Any, path: str, above: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
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
        inside = self._inside(value)
        if not inside:
            yield path, _by_its_words(value)
            return
        yield path, type(value).__qualname__
        for name, part in inside:
            yield from self.pieces(part, path + name, (*above, id(value)))

    def _inside(self, value: Any) -> list[tuple[str, Any]]:
        """The parts of a value, each with its step of the path; none when it has none that can be seen."""
        if isinstance(value, (type, nn.Module, range)):
            return []
        parts = [(f".{name}", part) for name, part in _attributes(value).items()]
        if isinstance(value, _LAZY):
            return parts if self._passive else parts + _numbered(_given(value))
        if self._passive and not isinstance(value, _BUILT_IN):
            return parts
        if isinstance(value, Mapping):
            parts += [(f"[{key!r}]", value[key]) for key in value]
        elif isinstance(value, Set):
            # A set has no order, and one of strings has another one in each process.
            ordered = sorted(value, key=repr)
            parts += [(f"{{{number}}}", entry) for number, entry in enumerate(ordered)]
        elif isinstance(value, Sequence):
            parts += _numbered(value)
        return parts


def _numbered(values: Iterable[Any]) -> list[tuple[str, Any]]:
    return [(f"[{number}]", entry) for number, entry in enumerate(values)]


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
    try:
        words = repr(value)
    except Exception:
        return Opaque(name)
    if callable(value) or words == object.__repr__(value):
        return Opaque(name)
    return f"{name} {_ADDRESS.sub('', words)}"


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


def kept(piece: Any) -> Any:
    """A piece that later runs of the model cannot change."""
    return piece.detach().clone() if isinstance(piece, Tensor) else piece


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
