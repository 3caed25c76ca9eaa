"""Record fixtures and say what they did, as JSON. Run by tests as a program: the stand-in stays in there.

Input (stdin): a list of files with `build()` and `example_inputs()`. Output: file -> recording.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import torch

from qatlint.runtime.child import backend
from qatlint.runtime.child.recorder import Recorder
from qatlint.runtime.recording import to_json


def load(entry: Path) -> Any:
    """Import a file; one inside a package through the package, freshly."""
    package = entry.parent
    if (package / "__init__.py").exists():
        for name in [n for n in sys.modules if n.partition(".")[0] == package.name]:
            del sys.modules[name]
        sys.path.insert(0, str(package.parent))
        importlib.invalidate_caches()
        try:
            return importlib.import_module(f"{package.name}.{entry.stem}")
        finally:
            sys.path.remove(str(package.parent))
    spec = importlib.util.spec_from_file_location(f"fixture_{abs(hash(entry))}", entry)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    spec.loader.exec_module(module)
    return module


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
