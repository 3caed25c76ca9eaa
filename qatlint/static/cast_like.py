"""Masks that are given the dtype of a tensor of numbers: `mask.to(x.dtype)`, `mask.type_as(x)`."""

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
from qatlint.trace import Quant

_CASTS = frozenset(("to", "type", "type_as"))


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
            if operands[0].held.quant is Quant.PLAIN and self._is_like_numbers(args):
                meaning, values, args = of_function("torch.Tensor.float"), [], None
        return super()._made_of(meaning, operands, values, args, node, frame)

    def _is_like_numbers(self, args: Args) -> bool:
        given = [*(item.value for item in args.positional), *args.keywords.values()]
        for value in given:
            like = self._dtype_of.get(value.key, value) if isinstance(value, Symbol) else value
            if self.nature(like).held.quant in (Quant.FLOAT, Quant.QUANTIZED):
                return True
        return False
