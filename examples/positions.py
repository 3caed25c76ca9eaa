"""A decoder whose layers share one position embedding, as models for the road often do.

    qatlint ranges examples/positions.py:build --inputs examples/positions.py:samples

Every layer gives it other reference points, so the calls see other ranges; and its divisors reach from 1 to
8660, which one scale cannot hold.
"""

import torch
from horizon_plugin_pytorch.nn import Div
from horizon_plugin_pytorch.quantization import QuantStub
from torch import Tensor, nn
from torch.quantization import DeQuantStub

CHANNELS = 128


class PositionEmbedding(nn.Module):
    """Sine waves of two coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.dim_t_quant = QuantStub()
        self.div = Div()

    def forward(self, points: Tensor) -> Tensor:
        dim_t = torch.arange(CHANNELS, dtype=torch.float32, device=points.device)
        dim_t = self.dim_t_quant(10000 ** (2 * (dim_t // 2) / CHANNELS))
        waves = [self.div(points[..., i, None], dim_t).sin() for i in range(2)]
        return torch.cat(waves, dim=-1)


class Layer(nn.Module):
    """One step of refinement."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(2 * CHANNELS, 64)
        self.act = nn.GELU()
        self.move = nn.Linear(64, 2)

    def forward(self, embedded: Tensor) -> Tensor:
        return self.move(self.act(self.query(embedded)))


class Decoder(nn.Module):
    """Refines reference points layer by layer."""

    def __init__(self, num_layers: int = 4) -> None:
        super().__init__()
        self.points_quant = QuantStub()
        self.embed = PositionEmbedding()
        self.layers = nn.ModuleList(Layer() for _ in range(num_layers))
        self.dequant = DeQuantStub()

    def forward(self, points: Tensor) -> Tensor:
        points = self.points_quant(points)
        for layer in self.layers:
            points = points + layer(self.embed(points))
        return self.dequant(points)


def build() -> Decoder:
    """The model."""
    return Decoder()


def samples() -> list[Tensor]:
    """Reference points of three scenes, in radians."""
    return [torch.rand(1, 400, 2) * torch.tensor([4.6, 6.2832]) for _ in range(3)]
