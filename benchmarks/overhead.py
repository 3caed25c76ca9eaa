"""What recording costs: CPU time of a forward alone and recorded, taken in turns.

    python benchmarks/overhead.py [MODEL ...] --turns 9

Models are named as torchvision names them (ResNet-50 when none is named). Needs torch and torchvision.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

torch: Any = import_module("torch")
Recorder: Any = import_module("qatlint.runtime.child.recorder").Recorder
LIMIT = 10.0


def main() -> int:
    """Command line; exit code 1 when a ratio reaches the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["resnet50"])
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    builders: Any = import_module("torchvision.models")
    worst = 0.0
    for name in options.models:
        model = builders.get_model(name, weights=None).eval()
        alone, recorded = measure(model, torch.randn(1, 3, 224, 224), options.turns)
        ratio = recorded / alone
        worst = max(worst, ratio)
        print(f"{name}: {1000 * alone:.0f} ms alone, {1000 * recorded:.0f} ms recorded: {ratio:.2f}x")
    return 1 if worst >= LIMIT else 0


def measure(model: Any, x: Any, turns: int) -> tuple[float, float]:
    """Median CPU seconds of a forward alone, and of one recorded and turned into plain values."""
    alone, recorded = [], []
    with torch.no_grad():
        for _ in range(turns + 1):
            began = time.process_time()
            model(x)
            between = time.process_time()
            with Recorder(model) as recorder:
                out = model(x)
            recorder.recording((x,), {}, out)
            alone.append(between - began)
            recorded.append(time.process_time() - between)
    return statistics.median(alone[1:]), statistics.median(recorded[1:])  # the first one warms up


if __name__ == "__main__":
    sys.exit(main())
