"""What is found does not depend on the order in which Python happens to keep names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TEXT = """
import torch.nn as nn

class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen, self.last, self.first, self.sum = 0, 0, 0, 0
        self.act = nn.ReLU()
    def alpha(self, x):
        self.seen = x
    def beta(self, x):
        self.last = x
    def gamma(self, x):
        self.first = x
    def delta(self, x):
        self.sum = x
    def forward(self, x):
        return self.act(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.counter = Counter()
    def forward(self, x, tracker):
        tracker.delta(x)
        tracker.gamma(x)
        tracker.beta(x)
        tracker.alpha(x)
        return self.counter(self.counter(x))
"""


def test_reasons_are_the_same_under_any_hash_seed(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text(TEXT)
    command = [
        sys.executable,
        "-m",
        "qatlint",
        str(path),
        "--isolated",
        "--no-cache",
        "--output-format",
        "json",
    ]
    told = {
        subprocess.run(
            command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout
        for seed in ("1", "2", "3", "4", "5", "6")
    }
    assert len(told) == 1
    assert "its forward changes" in told.pop()
