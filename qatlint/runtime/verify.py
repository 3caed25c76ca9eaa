"""The proof: two versions of a model in child processes with the same weights, point by point.

    report = verify(question, Limits(), lint)

What was compared is said with what came of it; a point that could not be shown does not hold.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from qatlint.horizon.report import read
from qatlint.runtime.judgement import Forward, Judge, Known, joined, sources
from qatlint.runtime.launch import ChildFailed, Limits, launch
from qatlint.runtime.overlay import NOTHING, Overlay
from qatlint.runtime.point import Point
from qatlint.runtime.recording import Recording, from_json, in_eval_mode
from qatlint.runtime.target import Target
from qatlint.runtime.toolchain import Prepared, toolchain_point

MODES = ("eval", "train")

Lint = Callable[[Sequence[str]], Sequence[Known]]
"""What linting finds in these files of the newer version."""


class Question(NamedTuple):
    """What is to be proved."""

    target: Target
    inputs: Target
    before: Overlay
    after: Overlay = NOTHING
    folder: str = ""
    roots: tuple[str, ...] = ()
    """More folders for the import path."""
    seed: int = 0
    modes: tuple[str, ...] = MODES
    strict: bool = False
    """The old state dict has to load as it is: no key may be new."""
    march: str = "nash-e"
    """The chip that the plugin is told, where it is installed."""
    unsafe: bool = False
    """A shared module is fixable also when its fix is unsafe."""


class Report(NamedTuple):
    """What came of a proof."""

    backend: str
    """`reference` or `horizon`."""
    torch: str
    samples: int
    points: tuple[Point, ...]
    copies: Mapping[str, str]
    """New keys of the state dict -> the old key whose tensor they share."""
    notes: tuple[str, ...]
    """What could not be compared, and what of the newer version could not be recorded: points three to five
    know nothing of that."""

    @property
    def holds(self) -> bool:
        """Whether all points do."""
        return all(point.holds for point in self.points)


def verify(question: Question, limits: Limits, lint: Lint) -> Report:
    """Run both versions and judge, with what `lint` finds in the newer one.

    Raises `ChildFailed` when one of them cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="qatlint-") as scratch:
        request = {
            "target": question.target,
            "inputs": question.inputs,
            "roots": question.roots,
            "seed": question.seed,
            "modes": question.modes,
        }
        settings: Any = {"folder": question.folder, "scratch": scratch}
        first = launch("before", request, limits, overlay=question.before, **settings)
        second = launch("after", request, limits, overlay=question.after, **settings)
        outputs = outputs_point(second, question.modes)
        weights = weights_point(second["loading"], question.strict)
        if not outputs.holds or not weights.holds:
            # What a difference is worth: the older version may not repeat itself, or load what it saves.
            with contextlib.suppress(ChildFailed):
                again = launch("after", request, limits, overlay=question.before, **settings)
                outputs = outputs_point(second, question.modes, again)
                weights = weights_point(second["loading"], question.strict, again["loading"])
        toolchain: tuple[Point, ...] = ()
        if second["backend"] == "horizon":
            both = (question.before, question.after)
            toolchain = (toolchain_point(*(_prepared(question, request, limits, settings, o) for o in both)),)
    recordings = _recordings(first["recordings"], second["recordings"])
    folder = question.folder or os.getcwd()
    known = lint(sorted({source for _, after, _ in recordings for source in sources(after, folder)}))
    judged = [
        (Judge(before, after, known, question.unsafe, folder).points(), where)
        for before, after, where in recordings
    ]
    notes = (*first["notes"], *second["notes"], *(note for _, after, _ in recordings for note in after.notes))
    return Report(
        second["backend"],
        second["torch"],
        second["samples"],
        (outputs, weights, *joined(judged), *toolchain),
        second["loading"]["copies"],
        tuple(dict.fromkeys(notes)),
    )


def _recordings(
    before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]
) -> list[tuple[Recording, Recording, list[Forward]]]:
    """Both recordings, and the forwards in which that is what was executed."""
    forwards: dict[tuple[Recording, Recording], list[Forward]] = {}
    for mode, texts in before.items():
        for number, (b, a) in enumerate(zip(texts, after[mode], strict=True), 1):
            # The mode itself is no difference.
            pair = (in_eval_mode(from_json(b)), in_eval_mode(from_json(a)))
            forwards.setdefault(pair, []).append(Forward(mode, number))
    return [(b, a, where) for (b, a), where in forwards.items()]


def _prepared(
    question: Question, request: dict[str, Any], limits: Limits, settings: dict[str, Any], overlay: Overlay
) -> Prepared:
    asked = {**request, "march": question.march}
    answer = launch("prepare", asked, limits, overlay=overlay, **settings)
    text = answer["report"]
    return Prepared(answer["version"], None if text is None else read(text))


def outputs_point(
    answer: Mapping[str, Any], modes: Sequence[str], again: Mapping[str, Any] | None = None
) -> Point:
    """1: results, gradients, what the model keeps in itself and the state after training are the same.

    `again` is the answer for the older version beside itself: what it keeps and does not repeat is no result.
    """
    odd = {path for path, _ in again["held"]} if again is not None else set()
    wrong = [f"{mode}: {text}" for mode, texts in answer["outputs"].items() for text in texts]
    wrong += [f"gradient of {text}" for text in answer["gradients"]]
    wrong += [f"kept in the model, `{path}`, {text}" for path, text in answer["held"] if path not in odd]
    wrong += [f"state after all runs, {text}" for text in answer["state"]]
    details = [
        f"not compared: `{path}`, kept in the model, which the older version does not repeat either"
        for path, _ in answer["held"]
        if path in odd
    ]
    title = "same outputs"
    if wrong:
        summary = f"{len(wrong)} difference{'' if len(wrong) == 1 else 's'}"
        if again is not None and not outputs_point({**again, "held": ()}, modes).holds:
            summary += (
                ", and as the older version does not repeat its own results either, they say nothing of the "
                "change: something in it is not seeded (torch, numpy and random are), or has no fixed order"
            )
        return Point("outputs", title, False, summary, (*wrong, *details))
    said = f"bit-identical in {' and '.join(modes)} mode, with gradients and what the model keeps"
    rounded = answer["rounded"]
    if rounded:
        details.append(f"gradients equal up to the order of their sums: {', '.join(rounded)}")
    return Point("outputs", title, True, said, tuple(details))


def weights_point(loading: Mapping[str, Any], strict: bool, again: Mapping[str, Any] | None = None) -> Point:
    """2: the old state dict loads. `again` says how the older version loads it itself."""
    title = "old weights load"
    self_made = ""
    if again is not None and not weights_point(again, strict=False).holds:
        self_made = ", and the older version does not load what it saves itself either"
    if loading["error"]:
        lines = tuple(loading["error"].splitlines())
        return Point("weights", title, False, f"they do not{self_made}", lines)
    wrong = [f"`{key}` is new and shares its tensor with no old key" for key in loading["missing"]]
    wrong += [f"`{key}` is in the old weights and not in the model" for key in loading["unexpected"]]
    copies = loading["copies"]
    if strict:
        wrong += [f"`{key}` is new (it shares the tensor of `{old}`)" for key, old in copies.items()]
    if wrong:
        return Point("weights", title, False, f"not all keys have a place{self_made}", tuple(wrong))
    if not copies:
        return Point("weights", title, True, "strictly")
    said = f"with {len(copies)} new keys that share the tensors of old ones"
    return Point("weights", title, True, said, tuple(f"{key} = {old}" for key, old in copies.items()))
