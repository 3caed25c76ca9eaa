"""Record fixtures and say what they did, as JSON. Run by tests as a program: the stand-in stays in there.

Input (stdin): a list of files with `build()` and `example_inputs()`. Output: file -> recording.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from qatlint.runtime.child import backend
from qatlint.runtime.child.recorder import Recorder
from qatlint.runtime.recording import to_json
from tests.execution.loading import load


def record(entry: Path) -> str:
    """What one forward in eval mode did."""
    module = load(entry)
    torch.manual_seed(0)
    model = module.build().eval()
    torch.manual_seed(1)
    inputs = module.example_inputs()
    with torch.no_grad(), Recorder(model) as recorder:
        out = model(*inputs)
    return to_json(recorder.recording(inputs, {}, out))


def main() -> None:
    """Answer the one request there is."""
    backend.provide()
    torch.set_num_threads(1)
    answer = {file: record(Path(file)) for file in json.load(sys.stdin)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
