"""Pairs that the newer template fuses and that keep a row each: a GEMM operation, and its ReLU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from qatlint.horizon.judging.facts import FLOAT, kind_of
from qatlint.horizon.judging.producers import Producers
from qatlint.horizon.report.values import Layer, ModelCheck
from qatlint.trace import Kind


class Pairs(NamedTuple):
    """Positions of rows in the table of layers."""

    roots: Mapping[int, int]
    """Position of a ReLU -> that of what it is fused with."""
    unsure: frozenset[int]
    """ReLUs that may be such, which only the graph tells, and there is none."""


def pairs_of(check: ModelCheck) -> Pairs:
    """Those of a report: a ReLU is given float by a GEMM operation, as the graph tells. Where there is none,
    that is the row before in the same module, or just before where it is the first of its own."""
    producers = Producers(check)
    last_in: dict[str, int] = {}
    """Module -> its last row."""
    last_of: dict[str, int] = {}
    roots, found, unsure = set(), {}, set()
    for position, layer in enumerate(check.layers):
        owner = layer.name.rpartition(".")[0]
        if _is_root(layer):
            roots.add(position)
            last_of[layer.name] = position
        elif kind_of(layer.type) is Kind.RELU and layer.inputs == (FLOAT,) and FLOAT not in layer.outputs:
            if producers.knows(layer.name, layer.call):
                before = producers.of(layer.name, layer.call)
                root = last_of.get(before.module, -1) if before is not None else -1
            else:
                root = last_in.get(owner, position - 1)
                if root not in roots and roots:
                    unsure.add(position)
            if root in roots:
                found[position] = root
                roots.remove(root)
        last_in[owner] = position
    return Pairs(found, frozenset(unsure))


def _is_root(layer: Layer) -> bool:
    """Whether a row may be the first of such a pair."""
    return kind_of(layer.type) is Kind.GEMM and layer.outputs == (FLOAT,) and FLOAT not in layer.inputs
