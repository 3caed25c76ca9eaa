"""The proof: two versions of a model in child processes with the same weights, point by point.

    report = verify(question, Limits(), lint)

What was compared is said with what came of it; a point that could not be shown does not hold.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from qatlint.horizon.plugin import prepared
from qatlint.runtime.judgement import Forward, Judge, Known, joined, sources
from qatlint.runtime.launch import ChildFailed, Limits, launch
from qatlint.runtime.overlay import NOTHING, Overlay
from qatlint.runtime.point import Point
from qatlint.runtime.recording import Recording, from_json, in_eval_mode
from qatlint.runtime.subject import Subject
from qatlint.runtime.target import files_of
from qatlint.runtime.toolchain import toolchain_point

MODES = ("eval", "train")

Lint = Callable[[Sequence[str]], Sequence[Known]]
"""What linting finds in these files of the newer version."""


class Question(NamedTuple):
    """What is to be proved."""

    subject: Subject
    before: Overlay
    after: Overlay = NOTHING
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
    """Which new texts nothing ran of, what could not be compared, and what of the newer version could not be
    recorded: points three to five know nothing of that."""

    @property
    def holds(self) -> bool:
        """Whether all points do."""
        return all(point.holds for point in self.points)


def verify(question: Question, limits: Limits, lint: Lint) -> Report:
    """Run both versions and judge, with what `lint` finds in the newer one.

    Raises `ChildFailed` when one of them cannot be run.
    """
    with tempfile.TemporaryDirectory(prefix="qatlint-") as scratch:
        runs = _Runs(question, limits, scratch)
        try:
            first, second = runs.both()
        except ChildFailed as error:
            if error.kind != "inputs" or not _inputs_differ(question):
                raise
            runs.take_new_inputs()
            first, second = runs.both()
        outputs = outputs_point(second, question.modes)
        weights = weights_point(second["loading"], question.strict)
        if not outputs.holds or not weights.holds:
            # What a difference is worth: the older version may not repeat itself, or load what it saves.
            with contextlib.suppress(ChildFailed):
                again = runs.older("after")
                outputs = outputs_point(second, question.modes, again)
                weights = weights_point(second["loading"], question.strict, again["loading"])
        toolchain: tuple[Point, ...] = ()
        if second["backend"] == "horizon":
            toolchain = (toolchain_point(prepared(runs.older), prepared(runs.newer)),)
    recordings = _recordings(first["recordings"], second["recordings"])
    folder = question.subject.folders[0]
    known = lint(sorted({source for _, after, _ in recordings for source in sources(after, folder)}))
    judged = [
        (Judge(before, after, known, question.unsafe, folder).points(), where)
        for before, after, where in recordings
    ]
    unrecorded = (note for _, after, _ in recordings for note in after.notes)
    untouched = _untouched(question, [after for _, after, _ in recordings])
    notes = (*untouched, *runs.notes, *first["notes"], *second["notes"], *unrecorded)
    return Report(
        second["backend"],
        second["torch"],
        second["samples"],
        (outputs, weights, *joined(judged), *toolchain),
        second["loading"]["copies"],
        tuple(dict.fromkeys(notes)),
    )


def _untouched(question: Question, recordings: Sequence[Recording]) -> Iterator[str]:
    """A note of the new texts that the model has no class from and ran no line of: they are not proved."""
    met: set[str] = set()
    for recording in recordings:
        for facts in recording.modules:
            met.update((facts.source, *facts.mro_sources))
        met.update(op.place.path for op in recording.ops if op.place is not None)
    real = {os.path.realpath(path) for path in met if path}
    left = [path for path in question.after if os.path.realpath(path) not in real]
    if left:
        names = ", ".join(os.path.relpath(path, question.subject.folders[0]) for path in sorted(left))
        yield f"the model ran nothing of {names}: what changes there is not proved"


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


class _Runs:
    """The child processes of one proof."""

    def __init__(self, question: Question, limits: Limits, scratch: str) -> None:
        self._question = question
        self._limits = limits
        self._scratch = scratch
        self._request = {**question.subject.request, "modes": question.modes, "march": question.march}
        self.notes: list[str] = []

    def both(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The answers of both versions, one after the other."""
        return self.older("before"), self.newer("after")

    def older(self, job: str) -> dict[str, Any]:
        """What the older version answers."""
        return self._run(job, self._question.before, "the older version")

    def newer(self, job: str) -> dict[str, Any]:
        """What the newer version answers."""
        return self._run(job, self._question.after, "the newer version")

    def take_new_inputs(self) -> None:
        """From now on, both versions get the inputs that the newer one makes.

        Their file is another one in each version, and what a change is judged by is often written with it.
        """
        self._request |= {"given": self.newer("inputs")["given"]}
        text = self._question.subject.inputs.text
        self.notes.append(
            f"both versions were given what `{text}` makes in the newer one, where it is another"
        )

    def _run(self, job: str, overlay: Overlay, which: str) -> dict[str, Any]:
        folder = self._question.subject.folder
        settings: Any = {"folder": folder, "overlay": overlay, "scratch": self._scratch}
        try:
            return launch(job, self._request, self._limits, **settings)
        except ChildFailed as error:
            raise error.of(which) from None


def _inputs_differ(question: Question) -> bool:
    """Whether the file that makes the inputs is another one in each version."""
    subject = question.subject
    changed = {os.path.realpath(path) for path in (*question.before, *question.after)}
    return any(os.path.realpath(file) in changed for file in files_of(subject.inputs, subject.folders))


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
    also = "gradients and what the model keeps" if answer["graded"] else "what the model keeps"
    said = f"bit-identical in {' and '.join(modes)} mode, with {also}"
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
