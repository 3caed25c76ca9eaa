"""FloatFunctional: each method is one execution of the module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._absent import missing


class FloatFunctional(nn.Module):
    """Every method goes through forward, so that whoever counts executions of modules counts these."""

    def forward(self, operation: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        return operation(*args, **kwargs)

    def _run(self, operation: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        result: Tensor = self(operation, *args, **kwargs)
        return result

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.add, x, y)

    def sub(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.sub, x, y)

    def mul(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.mul, x, y)

    def matmul(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.matmul, x, y)

    def cat(self, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
        return self._run(torch.cat, tensors, dim=dim)

    def stack(self, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
        return self._run(torch.stack, tensors, dim=dim)

    def sum(self, x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
        return self._run(torch.sum, x, dim=dim, keepdim=keepdim)

    def mean(self, x: Tensor, dim: int, keepdim: bool = False) -> Tensor:
        return self._run(torch.mean, x, dim=dim, keepdim=keepdim)

    def add_scalar(self, x: Tensor, y: float) -> Tensor:
        return self._run(torch.add, x, y)

    def mul_scalar(self, x: Tensor, y: float) -> Tensor:
        return self._run(torch.mul, x, y)

    def add_relu(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.relu(self._run(torch.add, x, y))

    def maximum(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.maximum, x, y)

    def minimum(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.minimum, x, y)

    def div(self, x: Tensor, y: Tensor) -> Tensor:
        return self._run(torch.div, x, y)

    def exp(self, x: Tensor) -> Tensor:
        return self._run(torch.exp, x)

    def sqrt(self, x: Tensor) -> Tensor:
        return self._run(torch.sqrt, x)

    def pow(self, x: Tensor, y: Tensor | float) -> Tensor:
        return self._run(torch.pow, x, y)

    def ceil(self, x: Tensor) -> Tensor:
        return self._run(torch.ceil, x)

    def floor(self, x: Tensor) -> Tensor:
        return self._run(torch.floor, x)


FXFloatFunctional = FloatFunctional
__getattr__ = missing(__name__)
