"""Run fixtures and report what happened, as JSON. Started by `tests.execution.parent`.

Input (stdin): a list of jobs `{"id", "original", "variant", "strict"}`; the two are entry files with
`build()` and `example_inputs()`, `variant` may be null. Output (stdout): one JSON object per line.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STANDIN = HERE.parents[1] / "qatlint" / "runtime" / "standin"
sys.path[:0] = [str(STANDIN), str(HERE)]

import torch  # noqa: E402
from counting import Counter  # noqa: E402
from loading import load  # noqa: E402
from torch import Tensor, nn  # noqa: E402

SECONDS_PER_JOB = 30


def tensors(value: Any) -> list[Tensor]:
    """The tensors of a nested result, in order."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [t for key in sorted(value) for t in tensors(value[key])]
    if isinstance(value, (list, tuple)):
        return [t for element in value for t in tensors(element)]
    return []


def run(model: nn.Module, inputs: tuple[Any, ...], training: bool) -> list[Tensor]:
    """Outputs of one forward, with the random state set."""
    model.train(training)
    torch.manual_seed(2)
    with torch.no_grad():
        return [t.detach().clone() for t in tensors(model(*inputs))]


def observe(model: nn.Module, inputs: tuple[Any, ...]) -> dict[str, Any]:
    """Outputs and counts, in eval and in train mode (in this order)."""
    counter = Counter(model)
    seen: dict[str, Any] = {"aliases": counter.aliases()}
    for mode in ("eval", "train"):
        counter.clear()
        outputs = run(model, inputs, training=mode == "train")
        if not outputs:
            raise AssertionError("the model returns no tensor")
        seen[mode] = {
            "outputs": outputs,
            "edges": counter.edges(),
            "repeated": counter.repeated_leaves(),
        }
    return seen


def same(a: Tensor, b: Tensor) -> bool:
    """Bit for bit."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return torch.equal(*(t.contiguous().reshape(-1).view(torch.uint8) for t in (a, b)))


def compare(original: nn.Module, fixed: nn.Module, strict: bool, first: Any, inputs: Any) -> list[str]:
    """What differs between the two models under the weights of the original, in words."""
    problems = []
    state = {k: v.clone() for k, v in first["state"].items()}
    outcome = fixed.load_state_dict(state, strict=strict)
    if outcome.unexpected_keys:
        problems.append(f"keys of the original that the fixed model lacks: {outcome.unexpected_keys}")
    own = fixed.state_dict(keep_vars=True)
    loaded = {id(own[key]) for key in state if key in own}
    loose = [key for key in outcome.missing_keys if id(own[key]) not in loaded]
    if loose:
        problems.append(f"new keys that are not tied to a loaded tensor: {loose}")
    second = observe(fixed, inputs)
    for mode in ("eval", "train"):
        before, after = first["seen"][mode]["outputs"], second[mode]["outputs"]
        if len(before) != len(after):
            problems.append(f"{mode}: {len(before)} outputs became {len(after)}")
        for position, (a, b) in enumerate(zip(before, after, strict=False)):
            if not same(a, b):
                problems.append(f"{mode}: output {position} differs")
    left, right = original.state_dict(), fixed.state_dict()
    changed = [key for key in left if key in right and not same(left[key], right[key])]
    if changed:
        problems.append(f"state after a forward in training differs: {changed}")
    first["fixed_seen"] = second
    return problems


def perform(job: dict[str, Any]) -> dict[str, Any]:
    """One job: run the original and, where given, compare the variant with it."""
    module = load(Path(job["original"]))
    torch.manual_seed(0)
    model = module.build()
    torch.manual_seed(1)
    inputs = module.example_inputs()
    first: dict[str, Any] = {"state": {k: v.clone() for k, v in model.state_dict().items()}}
    first["seen"] = observe(model, inputs)
    result: dict[str, Any] = {"id": job["id"], "counts": _plain(first["seen"]), "problems": []}
    if job.get("variant"):
        torch.manual_seed(0)
        fixed = load(Path(job["variant"])).build()
        result["problems"] = compare(model, fixed, job["strict"], first, inputs)
        result["fixed_counts"] = _plain(first["fixed_seen"])
    return result


def _plain(seen: dict[str, Any]) -> dict[str, Any]:
    """What was observed, without the tensors."""
    counts = {mode: {k: v for k, v in seen[mode].items() if k != "outputs"} for mode in ("eval", "train")}
    return {"aliases": seen["aliases"], **counts}


def _too_long(*_: object) -> None:
    raise TimeoutError(f"took more than {SECONDS_PER_JOB} seconds")


def main() -> None:
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _too_long)
    for job in json.load(sys.stdin):
        signal.alarm(SECONDS_PER_JOB)
        try:
            result = perform(job)
        except Exception:
            result = {"id": job["id"], "error": traceback.format_exc(limit=8)}
        finally:
            signal.alarm(0)
        print(json.dumps(result), flush=True)


main()
