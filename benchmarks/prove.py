"""How long a proof takes: a copy of torchvision, all fixes for ResNet, written only if the proof holds.

    python benchmarks/prove.py --python /path/to/venv/bin/python

The environment needs torch, torchvision and qatlint's own dependencies. One command is timed, as a user
would give it: `qatlint resnet.py --fix --unsafe-fixes --verify torchvision.models:resnet50 --inputs ...`.
Exit code 0 when the proof holds and took less than --seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers import ROOT

INPUTS = "import torch\n\n\ndef inputs():\n    return torch.randn(2, 3, 224, 224)\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", required=True, help="of an environment with torch and torchvision")
    parser.add_argument("--model", default="resnet50", help="a function of torchvision.models")
    parser.add_argument("--file", default="torchvision/models/resnet.py", help="what is fixed, in the copy")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    where = "import os, torchvision; print(os.path.dirname(torchvision.__file__))"
    found = subprocess.run([options.python, "-c", where], capture_output=True, text=True, check=True)
    package = Path(found.stdout.strip())
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(package, Path(folder, "torchvision"))
        libraries = package.with_name("torchvision.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, Path(folder, "torchvision.libs"))
        Path(folder, "bench_inputs.py").write_text(INPUTS, encoding="utf-8")
        command = [options.python, "-m", "qatlint", "check", options.file, "--isolated", "--exit-zero"]
        command += ["--fix", "--unsafe-fixes", "--verify", f"torchvision.models:{options.model}"]
        command += ["--inputs", "bench_inputs.py:inputs", "--statistics"]
        before = Path(folder, options.file).read_bytes()
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
        written = Path(folder, options.file).read_bytes() != before
    print(done.stderr + done.stdout)
    print(f"{seconds:.1f} s, {'written' if written else 'not written'}, exit code {done.returncode}")
    passed = done.returncode == 0 and written and seconds < options.seconds
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
