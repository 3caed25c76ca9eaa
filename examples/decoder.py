"""A decoder as engineers have it before QAT: shared modules at two levels.

Try:  qatlint examples/decoder.py            (what is wrong, and why)
      qatlint examples/decoder.py --fix --diff
"""

import torch
from torch import nn


class SineEmbedding(nn.Module):
    """Sine position embedding of reference points (x, y)."""

    def __init__(self, dim=64):
        super().__init__()
        self.dim = dim
        self.act = nn.SiLU()
        self.out = nn.Linear(2 * dim, dim)

    def forward(self, points):
        freq = 10000 ** (torch.arange(self.dim, device=points.device) / self.dim)
        x = self.act(points[..., :1] / freq)
        y = self.act(points[..., 1:] / freq)
        return self.out(torch.cat((x, y), dim=-1))


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self, dim):
        super().__init__()
        self.linear1 = nn.Linear(dim, dim)
        self.linear2 = nn.Linear(dim, dim)
        self.relu = nn.ReLU()

    def forward(self, query, pos):
        hidden = self.relu(self.linear1(query + pos))
        return self.relu(self.linear2(hidden))


class Decoder(nn.Module):
    """Embeds the reference points anew for each layer, always with the same module."""

    def __init__(self, dim=64, num_layers=6):
        super().__init__()
        self.embed = SineEmbedding(dim)
        self.layers = nn.ModuleList([Layer(dim) for _ in range(num_layers)])

    def forward(self, query, points):
        for layer in self.layers:
            pos = self.embed(points)
            query = layer(query, pos)
        return query
