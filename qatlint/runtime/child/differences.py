"""What two versions of a model do otherwise, in words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from qatlint.runtime.child import held
from qatlint.runtime.child.behaviour import WITH_GRADIENTS, Behaviour, Run
from qatlint.runtime.child.pieces import Opaque, Pieces, difference, same

_MOST = 8
"""Differences told of one kind; more are counted."""


def compare(before: Behaviour, after: Behaviour) -> dict[str, Any]:
    """The answer of a proof: what differs, by kind; empty where nothing does.

    `outputs` (mode -> texts), `gradients`, `state` and `held` ((what, text) pairs) are differences; `rounded`
    are gradients that are equal up to the order of their sums; `graded` says whether all could be compared,
    and `notes` say what was not.
    """
    found = _Found()
    for mode, runs in before.runs.items():
        found.outputs[mode] = []
        for number, (a, b) in enumerate(zip(runs, after.runs[mode], strict=False), 1):
            found.run(f"sample {number}: " if len(runs) > 1 else "", mode, a, b, before, after)
    _held(before, after, found)
    told = {path for path, _ in found.held}
    for key, value in before.state.items():
        if key in after.state and key not in told:
            found.state += [f"{key}: {text}" for text in _of_state(key, value, after.state[key], found)]
    return {
        "outputs": found.outputs,
        "gradients": found.gradients,
        "graded": found.graded,
        "rounded": list(dict.fromkeys(found.rounded)),
        "state": found.state,
        "held": found.held,
        "notes": list(dict.fromkeys(found.notes)),
    }


class _Found:
    def __init__(self) -> None:
        self.outputs: dict[str, list[str]] = {}
        self.gradients: list[str] = []
        self.rounded: list[str] = []
        self.state: list[str] = []
        self.held: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.graded = True

    def run(self, where: str, mode: str, a: Run, b: Run, before: Behaviour, after: Behaviour) -> None:
        """Compare one run."""
        if a.error or b.error:
            if b.error and not a.error:
                self.outputs[mode].append(f"{where}it cannot be run any more: {b.error}")
            else:
                also = "" if b.error else "; the newer one can"
                self.notes.append(
                    f"not compared: {mode}, in which the older version cannot be run ({a.error}){also}"
                )
            return
        self.outputs[mode] += [f"{where}{text}" for text in differences(a.gave, b.gave)]
        if a.backward or b.backward:
            if b.backward and not a.backward:
                self.gradients.append(f"{where}{mode}: there is none any more: {b.backward}")
            else:
                self.graded = False
                self.notes.append(f"not compared: gradients in {mode}, where there were none: {a.backward}")
            return
        place = f", {mode}" if mode in WITH_GRADIENTS.values() else ""
        for name in a.gradients:
            # A key that is nowhere in the other version is told by the loading of the weights.
            if name not in b.gradients and name in after.state:
                self.gradients.append(f"{name}: it is no parameter any more")
        for name in b.gradients:
            if name not in a.gradients and name in before.state:
                self.gradients.append(f"{name}: it was no parameter")
        for name, gradient in a.gradients.items():
            if name not in b.gradients or same(gradient, b.gradients[name]):
                continue
            if _close(gradient, b.gradients[name]):
                self.rounded.append(name)
            else:
                self.gradients.append(f"{name}{place}: {difference(gradient, b.gradients[name])}")


def _held(before: Behaviour, after: Behaviour, found: _Found) -> None:
    modes = [mode for mode, runs in before.runs.items() if mode in WITH_GRADIENTS for _ in runs]
    numbers = [n for mode, runs in before.runs.items() if mode in WITH_GRADIENTS for n in range(len(runs))]
    several = max(numbers, default=0) > 0
    told: set[str] = set()
    for mode, number, wrong in zip(modes, numbers, held.differences(before.held, after.held), strict=True):
        where = f"{mode}: sample {number + 1}" if several else mode
        # What went wrong once stays so: the first time says where to look.
        found.held += [(path, f"{where}: {text}") for path, text in wrong.items() if path not in told]
        told.update(wrong)


def _of_state(key: str, before: Pieces, after: Pieces, found: _Found) -> list[str]:
    if len(comparable(before)) < len(before):
        found.notes.append(f"not compared: a part of `{key}` of the state dict, which equals only itself")
    return differences(comparable(before), comparable(after))


def comparable(found: Pieces) -> Pieces:
    """Without the pieces of which nothing can be compared."""
    return [(path, piece) for path, piece in found if not isinstance(piece, Opaque)]


def differences(before: Pieces, after: Pieces) -> list[str]:
    """In words, what of two results differs."""
    paths, others = [path for path, _ in before], [path for path, _ in after]
    if paths != others:
        old, new = set(paths), set(others)
        lacking = [f"`{path}` is not there any more" for path in paths if path not in new]
        added = [f"`{path}` is new" for path in others if path not in old]
        return _first(lacking + added) or ["the same values came in another order"]
    return _first(
        [
            f"{path or 'the result'} {difference(a, b)}"
            for (path, a), (_, b) in zip(before, after, strict=True)
            if not same(a, b)
        ]
    )


def _close(a: Tensor | None, b: Tensor | None) -> bool:
    """Equal up to the order in which the gradients of what is used several times were added up."""
    if a is None or b is None or a.is_nested or b.is_nested:
        return False
    alike = a.shape == b.shape and a.dtype == b.dtype and a.layout == b.layout
    return alike and torch.allclose(a, b, rtol=1e-5, atol=1e-7, equal_nan=True)


def _first(found: list[str]) -> list[str]:
    return found[:_MOST] + ([f"and {len(found) - _MOST} more"] if len(found) > _MOST else [])
