"""Ground truth without labels: run real models and write down how often each child module ran.

    python benchmarks/make_oracle.py torchvision --out torchvision.jsonl
    python benchmarks/make_oracle.py timm --out timm.jsonl --seconds 1500

Run it in an environment that has torch and the library. One line of the result is one edge: an owner
class, a child it runs itself (attribute path, list positions as `*`) and the most calls seen in one
forward of the owner. The file is rewritten every minute, so an interrupted run is not lost.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import re
import sys
import time
import warnings
from pathlib import Path

import recorder
import zoo


def main() -> int:
    """Command line; exit code 1 when no model ran."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", choices=sorted(zoo.LIBRARIES))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--match", default="", help="only models whose name matches this regular expression")
    parser.add_argument("--seconds", type=float, default=1500, help="start no further model after this time")
    parser.add_argument("--model-seconds", type=float, default=60, help="give up a model after this time")
    options = parser.parse_args()

    recorder.torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    oracle = Oracle()
    failures: dict[str, str] = {}
    began = saved = time.monotonic()
    for recipe in zoo.LIBRARIES[options.library]():
        if time.monotonic() - began > options.seconds:
            print("out of time", file=sys.stderr)
            break
        if recipe.name in oracle.models or not re.search(options.match, recipe.name):
            continue
        try:
            with recorder.time_limit(options.model_seconds):
                oracle.add(recipe.name, _first_that_runs(recipe))
            failures.pop(recipe.name, None)
        except Exception as error:  # whatever a model does wrong, the others still count
            failures[recipe.name] = (
                f"{type(error).__name__}: {str(error).splitlines()[0][:140] if str(error) else ''}"
            )
        gc.collect()
        if time.monotonic() - saved > 60:
            saved = time.monotonic()
            oracle.write(options.out)
    oracle.write(options.out)
    for name, why in failures.items():
        print(f"did not run: {name}: {why}", file=sys.stderr)
    shared = sum(n > 1 for n in oracle.total.calls.values())
    print(
        f"{options.library}: {len(oracle.models)} models ran, {len(failures)} did not; "
        f"{len(oracle.total.calls)} edges, {shared} shared; {time.monotonic() - began:.0f} s"
    )
    return 0 if oracle.models else 1


class Oracle:
    """What all models together have shown."""

    def __init__(self) -> None:
        self.total = recorder.Recorder()
        self.models: list[str] = []
        self._seen_in: dict[recorder.Edge, str] = {}

    def add(self, name: str, seen: recorder.Recorder) -> None:
        """Take in the record of one model."""
        self.models.append(name)
        self.total.bases.update(seen.bases)
        for edge, calls in seen.calls.items():
            if calls > self.total.calls[edge]:
                self.total.calls[edge] = calls
                self._seen_in[edge] = name

    def write(self, path: Path) -> None:
        """One JSON object a line, sorted; `model` is the first model that showed this number of calls."""
        with path.open("w", encoding="utf-8") as file:
            for edge, calls in sorted(self.total.calls.items()):
                entry = {
                    "owner": edge.owner,
                    "mro": self.total.bases[edge.owner],
                    "child": edge.child,
                    "child_class": edge.child_class,
                    "calls": calls,
                    "model": self._seen_in[edge],
                }
                file.write(json.dumps(entry) + "\n")


def _first_that_runs(recipe: zoo.Recipe) -> recorder.Recorder:
    """Build the model and try its inputs in order; raises the last input's error when none runs."""
    model, choices = recipe.build()
    last: Exception | None = None
    for inputs in choices:
        try:
            return recorder.run(model, inputs.args, dict(inputs.kwargs))
        except recorder.TooSlow:
            raise
        except Exception as error:  # the next inputs may be the right ones
            last = error
    assert last is not None
    raise last


if __name__ == "__main__":
    sys.exit(main())
