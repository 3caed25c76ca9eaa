"""Masks that are given the dtype of a tensor of numbers: `mask.to(x.dtype)`."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from qatlint.horizon.ops import Meaning, of_function
from qatlint.static.held import Held
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.natures import Nature
from qatlint.static.project import Project
from qatlint.static.refilled import Refilled
from qatlint.static.values import Args, Symbol, Value
from qatlint.trace import Comes, Quant

_CASTS = frozenset(("to", "type"))


class CastLike(Refilled):
    """They are numbers then, as after `mask.float()`."""

    def __init__(
        self, project: Project, cls: ClassDef, assumed: bool, floats: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(project, cls, assumed, floats)
        self._dtype_of: dict[object, Symbol] = {}
        """By key of `x.dtype`: `x`."""

    def _symbol_attribute(self, value: Symbol, name: str) -> Value:
        result = super()._symbol_attribute(value, name)
        if name == "dtype" and isinstance(result, Symbol):
            self._dtype_of[result.key] = value
        return result

    def _made_of(
        self,
        meaning: Meaning | None,
        operands: Sequence[Nature],
        values: Sequence[Value],
        args: Args | None,
        node: ast.AST,
        frame: Frame,
    ) -> Held:
        if meaning is not None and meaning.name in _CASTS and args is not None and operands:
            if _is_given_mask(operands[0].held) and self._is_like_numbers(args):
                meaning, values, args = of_function("torch.Tensor.float"), [], None
        return super()._made_of(meaning, operands, values, args, node, frame)

    def _is_like_numbers(self, args: Args) -> bool:
        given = [*(item.value for item in args.positional), *args.keywords.values()]
        likes = [self._dtype_of.get(value.key) for value in given if isinstance(value, Symbol)]
        states = {self.nature(like).held.quant for like in likes if like is not None}
        return not states.isdisjoint((Quant.FLOAT, Quant.QUANTIZED))


def _is_given_mask(held: Held) -> bool:
    """Whether it is a mask that was handed in; what the model counts itself (`torch.arange(n) // 2`) stays a
    position, whatever its dtype."""
    is_input = bool(held.begins) and all(begin.comes is Comes.INPUT for begin in held.begins)
    return held.quant is Quant.PLAIN and is_input
