"""The proof: two versions of a model in child processes with the same weights, point by point.

    report = verify(question, Limits(), lint)

What was compared is said with what came of it; a point that could not be shown does not hold.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from qatlint.horizon.report import read
from qatlint.runtime.judgement import Judge, Known, joined, sources
from qatlint.runtime.launch import ChildFailed, Limits, launch
from qatlint.runtime.overlay import NOTHING, Overlay
from qatlint.runtime.point import Point
from qatlint.runtime.recording import Recording, from_json
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
    """What of the newer version could not be recorded: points three to five know nothing of it."""

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
        if not outputs.holds:
            # Whether the model repeats itself says what a difference is worth.
            with contextlib.suppress(ChildFailed):
                again = launch("after", request, limits, overlay=question.before, **settings)
                outputs = outputs_point(second, question.modes, outputs_point(again, question.modes).holds)
        toolchain: tuple[Point, ...] = ()
        if second["backend"] == "horizon":
            both = (question.before, question.after)
            toolchain = (toolchain_point(*(_prepared(question, request, limits, settings, o) for o in both)),)
    recordings = _recordings(first["recordings"], second["recordings"])
    files = sorted({source for _, after, _ in recordings for source in sources(after)})
    known = lint(files)
    judged = [(Judge(b, a, known, question.unsafe).points(), where) for b, a, where in recordings]
    points = (outputs, weights_point(second["loading"], question.strict), *joined(judged), *toolchain)
    return Report(
        second["backend"],
        second["torch"],
        second["samples"],
        points,
        second["loading"]["copies"],
        tuple(dict.fromkeys(note for _, after, _ in recordings for note in after.notes)),
    )


def _recordings(before: Sequence[str], after: Sequence[str]) -> list[tuple[Recording, Recording, list[int]]]:
    """Both recordings, and the samples (from 1) in which that is what was executed."""
    samples: dict[tuple[str, str], list[int]] = {}
    for number, pair in enumerate(zip(before, after, strict=True), 1):
        samples.setdefault(pair, []).append(number)
    return [(from_json(b), from_json(a), numbers) for (b, a), numbers in samples.items()]


def _prepared(
    question: Question, request: dict[str, Any], limits: Limits, settings: dict[str, Any], overlay: Overlay
) -> Prepared:
    asked = {**request, "march": question.march}
    answer = launch("prepare", asked, limits, overlay=overlay, **settings)
    text = answer["report"]
    return Prepared(answer["version"], None if text is None else read(text))


def outputs_point(answer: Mapping[str, Any], modes: Sequence[str], repeats: bool = True) -> Point:
    """1: results, gradients and the state after training are the same. `repeats`: those of the older version
    are, when it runs twice."""
    wrong = [f"{mode}: {text}" for mode in modes for text in answer["outputs"][mode]]
    wrong += [f"gradient of {text}" for text in answer["gradients"]]
    wrong += [f"state after all runs, {text}" for text in answer["state"]]
    title = "same outputs"
    if wrong:
        summary = f"{len(wrong)} difference{'' if len(wrong) == 1 else 's'}"
        if not repeats:
            summary += (
                ", and as the older version does not repeat its own results either, they say nothing of the "
                "change: something in it is not seeded (torch, numpy and random are), or has no fixed order"
            )
        return Point("outputs", title, False, summary, tuple(wrong))
    said = f"bit-identical in {' and '.join(modes)} mode"
    if "train" in modes:
        said += ", gradients and state too"
    rounded = answer["rounded"]
    details = (f"gradients equal up to the order of their sums: {', '.join(rounded)}",) if rounded else ()
    return Point("outputs", title, True, said, details)


def weights_point(loading: Mapping[str, Any], strict: bool) -> Point:
    """2: the old state dict loads."""
    title = "old weights load"
    if loading["error"]:
        return Point("weights", title, False, "they do not", tuple(loading["error"].splitlines()))
    wrong = [f"`{key}` is new and shares its tensor with no old key" for key in loading["missing"]]
    wrong += [f"`{key}` is in the old weights and not in the model" for key in loading["unexpected"]]
    copies = loading["copies"]
    if strict:
        wrong += [f"`{key}` is new (it shares the tensor of `{old}`)" for key, old in copies.items()]
    if wrong:
        return Point("weights", title, False, "not all keys have a place", tuple(wrong))
    if not copies:
        return Point("weights", title, True, "strictly")
    said = f"with {len(copies)} new keys that share the tensors of old ones"
    return Point("weights", title, True, said, tuple(f"{key} = {old}" for key, old in copies.items()))
