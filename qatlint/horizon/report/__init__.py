"""The toolchain's own report, `model_check_result.txt`: its values, a tolerant reader and a writer."""

from qatlint.horizon.report.reader import read, read_pieces
from qatlint.horizon.report.values import (
    CallCount,
    Generation,
    GraphNode,
    Layer,
    Member,
    ModelCheck,
    Section,
    Statistic,
    Suspicious,
    Unusual,
    Weight,
)
from qatlint.horizon.report.writer import write

__all__ = [
    "CallCount",
    "Generation",
    "GraphNode",
    "Layer",
    "Member",
    "ModelCheck",
    "Section",
    "Statistic",
    "Suspicious",
    "Unusual",
    "Weight",
    "read",
    "read_pieces",
    "write",
]
