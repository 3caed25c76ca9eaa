"""The two ends of the quantised region."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.ao.quantization import DeQuantStub

from .._absent import missing

__all__ = ["DeQuantStub", "QuantStub"]


class QuantStub(nn.Module):
    """An identity that remembers its settings. The first one is the scale, as the plugin has it."""

    def __init__(
        self, scale: float | None = None, zero_point: int | None = None, qconfig: Any = None
    ) -> None:
        super().__init__()
        self.scale = scale
        self.zero_point = zero_point
        self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        return x


__getattr__ = missing(__name__)
