"""What torch's functions are called, and which of them compute something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch._ops import OpOverload, OpOverloadPacket

_METHODS = ("torch._tensor", "torch._C.TensorBase", "torch.Tensor")
_NATIVE = {
    "torch._C._nn": ("torch.nn.functional", ""),
    "torch._C._linalg": ("torch.linalg", "linalg_"),
    "torch._C._special": ("torch.special", "special_"),
    "torch._C._fft": ("torch.fft", "fft_"),
    "torch.functional": ("torch", ""),
    "torch._C._VariableFunctions": ("torch", ""),
}
"""Where functions are implemented -> the module people import them from, and a prefix they do not write."""

_TENSOR_PROPERTIES = frozenset("T H mT mH data grad real imag _base".split())
_READS = frozenset(
    "item tolist numpy __array__ __bool__ __int__ __float__ __index__ __complex__ __contains__ equal "
    "allclose is_nonzero".split()
)


def dotted_name(function: Callable[..., Any]) -> str:
    """The public name: `torch.add`, `torch.nn.functional.relu`, `torch.Tensor.add_`, `torch.Tensor.T`.

    Operators are the methods that torch makes of them: `x + y` is `torch.Tensor.add`, `x += y` is
    `torch.Tensor.add_`, `1 - x` is `torch.Tensor.__rsub__`.
    """
    if isinstance(function, OpOverload):
        return f"torch.ops.{function.namespace}.{function._schema.name.rpartition('::')[2]}"
    if isinstance(function, OpOverloadPacket):
        return f"torch.ops.{function!s}"
    name: str = getattr(function, "__name__", "") or type(function).__name__
    if name in ("__get__", "__set__"):
        attribute = getattr(getattr(function, "__self__", None), "__name__", "")
        return f"torch.Tensor.{attribute}" + (".__set__" if name == "__set__" else "")
    holder = getattr(function, "__objclass__", None)
    if holder is not None:
        return f"torch.Tensor.{name}"
    module: str = getattr(function, "__module__", None) or "torch"
    qualname: str = getattr(function, "__qualname__", name)
    if module in _METHODS or qualname.startswith(("Tensor.", "TensorBase.")):
        return f"torch.Tensor.{name}"
    public, prefix = _NATIVE.get(module, (module, ""))
    return f"{public}.{name.removeprefix(prefix)}"


def is_plain_property(function: Callable[..., Any]) -> bool:
    """Whether it reads an attribute of a tensor that is no tensor (`x.shape`), or sets one but `x.data`."""
    name = getattr(function, "__name__", "")
    if name not in ("__get__", "__set__"):
        return False
    attribute = getattr(getattr(function, "__self__", None), "__name__", "")
    return attribute not in _TENSOR_PROPERTIES if name == "__get__" else attribute != "data"


def reads_data(function: Callable[..., Any]) -> bool:
    """Whether it carries the contents of a tensor out of torch (`item`, `bool(x)`)."""
    return getattr(function, "__name__", "") in _READS


def stays_in_place(function: Callable[..., Any]) -> bool:
    """Whether it is meant to give back the very tensor it was given (`add_`, `requires_grad_`)."""
    name: str = getattr(function, "__name__", "")
    return (
        (name.endswith("_") and not name.startswith("__")) or name.startswith("__i") or name == "__setitem__"
    )
