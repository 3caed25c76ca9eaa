"""Operators as modules. They compute what the function of torch does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import (
    GELU,
    SELU,
    GRUCell,
    Identity,
    LayerNorm,
    LogSoftmax,
    MultiheadAttention,
    Softmax,
    TransformerDecoderLayer,
)
from torch.nn import functional as F  # noqa: N812

from .._absent import missing
from . import quantized

__all__ = [
    "GELU",
    "SELU",
    "GRUCell",
    "Identity",
    "LayerNorm",
    "LogSoftmax",
    "MultiheadAttention",
    "Softmax",
    "TransformerDecoderLayer",
    "quantized",
]


class _Operator(nn.Module):
    """Runs one function. What the plugin's constructor takes for its tables is of no use here."""

    function: Callable[..., Tensor]

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return type(self).function(*args, **kwargs)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atan2": torch.atan2,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Div": torch.div,
    "EinSum": torch.einsum,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "Fmod": torch.fmod,
    "GridSample": F.grid_sample,
    "Log": torch.log,
    "MaskedScatter": torch.masked_scatter,
    "Pow": torch.pow,
    "Reciprocal": torch.reciprocal,
    "Remainder": torch.remainder,
    "Scatter": torch.scatter,
    "ScatterAdd": torch.scatter_add,
    "ScatterReduce": torch.scatter_reduce,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "SliceScatter": torch.slice_scatter,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Where": torch.where,
}


def _operators() -> dict[str, type[_Operator]]:
    return {
        name: type(name, (_Operator,), {"function": staticmethod(function), "__module__": __name__})
        for name, function in _FUNCTIONS.items()
    }


globals().update(_operators())


class CumSum(nn.Module):
    """Running sums along one dimension."""

    def __init__(self, dim: int = 0) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor, dim: int | None = None) -> Tensor:
        return torch.cumsum(x, self.dim if dim is None else dim)


class Interpolate(nn.Module):
    """`torch.nn.functional.interpolate` with its settings fixed."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, x: Tensor, **settings: Any) -> Tensor:
        return F.interpolate(x, **{**self.settings, **settings})


class SegmentLUT(nn.Module):
    """A function of one tensor, on the chip by a table of segments."""

    def __init__(self, simulated_func: Callable[[Tensor], Tensor], *_: Any, **__: Any) -> None:
        super().__init__()
        self.simulated_func = simulated_func

    def forward(self, x: Tensor) -> Tensor:
        return self.simulated_func(x)


__getattr__ = missing(__name__)
