"""Start one child process that runs many fixtures, and read what it reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

CHILD = Path(__file__).with_name("child.py")
SECONDS = 240
VARIABLE = "QATLINT_TORCH_PYTHON"


@cache
def torch_python() -> str | None:
    """A Python that can import torch: the one in the environment variable, or this one; or None."""
    for candidate in (os.environ.get(VARIABLE), sys.executable):
        if candidate:
            probe = "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is None)"
            if subprocess.run([candidate, "-c", probe], check=False).returncode == 0:
                return candidate
    return None


def run_jobs(jobs: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Reports of the jobs by id. Raises `RuntimeError` when the child did not report them all."""
    python = torch_python()
    if python is None:
        raise RuntimeError("no Python with torch")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [python, str(CHILD)],
        input=json.dumps(list(jobs)),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
    )
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    by_id = {report["id"]: report for report in reports}
    missing = [job["id"] for job in jobs if job["id"] not in by_id]
    if missing:
        raise RuntimeError(f"the child stopped before {missing[0]}:\n{done.stderr[-3000:]}")
    return by_id
