"""The figures of `qatlint ranges` as JSON: for programs, and as evidence for `qatlint check`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from qatlint.runtime.ranges import (
    Call,
    Cure,
    Evidence,
    Quantity,
    Report,
    SharedModule,
    evidence,
)
from qatlint.runtime.recording import Place
from qatlint.runtime.scales import ENOUGH, SPLIT_FROM, STAY_BELOW

KIND, VERSION = "qatlint-ranges", 1


def render(report: Report, target: str) -> str:
    """The document as text; the README describes the keys. Paths below the current folder are relative."""
    return json.dumps(
        {
            "kind": KIND,
            "version": VERSION,
            "backend": report.backend,
            "torch": report.torch,
            "target": target,
            "samples": report.samples,
            "observer": report.observer,
            "format": report.format,
            "thresholds": {"split": SPLIT_FROM, "stay": STAY_BELOW, "enough": ENOUGH},
            "modules": [_module(module, report) for module in report.modules],
            "evidence": [_evidence(entry) for entry in evidence(report)],
            "scaleless": [
                {"path": path, "class": name, "calls": calls} for path, name, calls in report.scaleless
            ],
            "quantities": [_quantity(quantity) for quantity in report.quantities],
            "notes": list(report.notes),
        },
        indent=2,
    )


def _module(module: SharedModule, report: Report) -> dict[str, Any]:
    forms = list(module.calls[0].alone)
    return {
        "path": module.path,
        "class": module.computes,
        "generated": module.generated,
        "scale": {form: module.scale(form) for form in forms},
        "loss": {form: module.loss(form) for form in forms},
        "verdict": {form: module.verdict(form).value for form in forms},
        "calls": [_call(call) for call in module.calls],
        "splits": [_cure(cure, report) for cure in module.cures],
    }


def _call(call: Call) -> dict[str, Any]:
    return {
        "call": call.number,
        "places": _places(call.places),
        "samples": call.samples,
        "numbers": call.numbers,
        "left_out": call.odd,
        "min": call.low,
        "max": call.high,
        "alone": {form: measure._asdict() for form, measure in call.alone.items()},
        "shared": {form: measure._asdict() for form, measure in call.together.items()},
        "loss": {form: call.loss(form) for form in call.alone},
    }


def _cure(cure: Cure, report: Report) -> dict[str, Any]:
    edge = report.edges[cure.edge]
    return {
        "owner": edge.owner,
        "subject": edge.subjects[0],
        "places": _places(cure.places),
        "gain": dict(cure.gain),
        "left": dict(cure.left),
    }


def _evidence(entry: Evidence) -> dict[str, Any]:
    edge = entry.edge
    files = dict.fromkeys(file for file in (edge.source, *(place.path for place in entry.places)) if file)
    return {
        "owners": [edge.owner, *edge.bases],
        "subjects": list(edge.subjects),
        "files": [_path(file) for file in files],
        "modules": list(entry.modules),
        "gain": dict(entry.gain),
        "verdict": {form: verdict.value for form, verdict in entry.verdict.items()},
    }


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return {
        "name": quantity.name,
        "stub": quantity.stub,
        "calls": quantity.calls,
        "origin": quantity.origin.value,
        "place": None if quantity.place is None else _places([quantity.place])[0],
        "numbers": quantity.numbers,
        "left_out": quantity.odd,
        "min": quantity.low,
        "max": quantity.high,
        "limit": quantity.limit,
        "uniformity": quantity.uniformity,
        "fixed": {form: error._asdict() for form, error in quantity.errors.items()},
        "divisor_parts": {form: parts._asdict() for form, parts in quantity.parts.items()},
    }


def _places(places: Iterable[Place]) -> list[dict[str, Any]]:
    return [
        {"path": _path(p.path), "line": p.line, "column": p.column, "function": p.function} for p in places
    ]


def _path(path: str) -> str:
    here = os.getcwd() + os.sep
    return path[len(here) :].replace(os.sep, "/") if path.startswith(here) else path
