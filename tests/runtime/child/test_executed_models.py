"""Executed Traces of real models agree with those of their source."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from qatlint import engine  # noqa: E402
from qatlint.files import DiskLoader  # noqa: E402
from qatlint.runtime.child.recorder import Recorder  # noqa: E402
from qatlint.runtime.compare import compare  # noqa: E402
from qatlint.runtime.executed import traces  # noqa: E402
from qatlint.trace import Times  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"executed_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs_as_its_source_says() -> None:
    path = ROOT / "examples" / "decoder.py"
    model = load(path).Decoder()
    inputs = (torch.randn(2, 5, 64), torch.randn(2, 5, 2))
    with Recorder(model) as recorder:
        out = model(*inputs)
    executed = traces([recorder.recording(inputs, {}, out)])
    lines = compare(engine.traces(str(path), "", DiskLoader()), executed)
    assert {line.disagreement for line in lines} == {None}
    assert {(line.owner.rpartition(":")[2], line.path): line.executed for line in lines} == {
        ("Decoder", "embed"): Times(6, 6),
        ("Decoder", "layers"): Times(0, 0),
        ("Decoder", "layers.*"): Times(1, 1),
        ("SineEmbedding", "act"): Times(2, 2),
        ("SineEmbedding", "out"): Times(1, 1),
        ("Layer", "linear1"): Times(1, 1),
        ("Layer", "linear2"): Times(1, 1),
        ("Layer", "relu"): Times(2, 2),
    }
