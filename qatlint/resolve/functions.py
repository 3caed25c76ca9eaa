"""What prepare makes of the functions that a model calls, and under which of their names."""

from __future__ import annotations

from qatlint.horizon.ops import Role as Fusing
from qatlint.horizon.ops import of_function, op_name
from qatlint.trace import Comes, QuantOp


def meant(function: str) -> str:
    """What a function does, by the name that all spellings of it have."""
    meaning = of_function(f"torch.{function}") or of_function(f"torch.Tensor.{function}")
    return meaning.name if meaning is not None else function


def spelt(op: QuantOp) -> str:
    """The name of the function that is called, `concat` of `torch.concat`; "" where it is not one of several
    for the same, such as an operator, or `sum` of what is added."""
    name = op_name(f"torch.Tensor.{op.written.removesuffix('()').rpartition('.')[2]}")
    meaning = of_function(f"torch.{name}")
    return name if meaning is not None and meaning.name == op.name else ""


def joins(function: str) -> bool:
    """Whether prepare makes a function a part of the module before it: a ReLU does not keep its place
    (horizon_facts D)."""
    meaning = of_function(f"torch.{function}") or of_function(f"torch.nn.functional.{function}")
    return meaning is not None and meaning.fuses is Fusing.RELU


def makes_module(op: QuantOp) -> bool:
    """Whether prepare makes a module of a function that keeps its row."""
    meaning = of_function(f"torch.{op.name}")
    return meaning is not None and meaning.replaced and meaning.fuses is not Fusing.RELU


def is_constant(op: QuantOp) -> bool:
    """Whether nothing it is given comes from an input: prepare leaves that alone."""
    return bool(op.operands) and all(
        state.origins and all(origin.comes is Comes.CONSTANT for origin in state.origins)
        for state in op.operands
    )
