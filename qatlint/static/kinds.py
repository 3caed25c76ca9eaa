"""Of which classes of Python's own a known value is: `isinstance` tests that need no guess."""

from __future__ import annotations

import collections.abc
import types

from qatlint.static.values import (
    ClassValue,
    Const,
    Function,
    Mapping,
    Method,
    Seq,
    Value,
)

_CLASSES: dict[str, type | tuple[type, ...]] = {
    **{
        f"builtins.{cls.__name__}": cls
        for cls in (bool, bytes, complex, dict, float, frozenset, int, list, object, set, str, tuple, type)
    },
    **{
        f"{module}.{name}": getattr(collections.abc, name)
        for module in ("collections.abc", "collections", "typing")
        for name in "Callable Collection Container Hashable Iterable Mapping Sequence Sized".split()
    },
    # Importing `numbers` costs more than all that is asked of it.
    "numbers.Number": (int, float, complex),
    "numbers.Complex": (int, float, complex),
    "numbers.Real": (int, float),
    "numbers.Rational": int,
    "numbers.Integral": int,
    "types.FunctionType": types.FunctionType,
}
_LIBRARIES = ("torch.", "numpy.")
"""No constant, list or function of Python's own is an instance of their classes."""


def is_of_class(value: Value, dotted: str) -> bool | None:
    """Whether a value is an instance of a class of Python or of a library; None when nobody knows."""
    kind = type(value)
    if kind is Const:
        like: object = value.value  # type: ignore[attr-defined]
    elif kind is Seq:
        like = () if value.kind == "tuple" else []  # type: ignore[attr-defined]
    else:
        like = _LIKE.get(kind)
        if like is None:
            return None
    cls = _CLASSES.get(dotted)
    if cls is not None:
        return isinstance(like, cls)
    # What is bound nowhere counts as a builtin: no class that we know of.
    return False if dotted.startswith((*_LIBRARIES, "builtins.")) else None


_LIKE: dict[type[Value], object] = {
    Mapping: {},
    Function: is_of_class,
    ClassValue: Value,
    Method: types.MethodType(is_of_class, NotImplemented),
}
"""An object that is of the same classes as what the value stands for."""
