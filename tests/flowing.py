"""Flows for tests, built op by op: `f.op("conv2d", x)` runs a convolution on `x`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from qatlint.condition import TRUE, Condition
from qatlint.trace import (
    Comes,
    Flow,
    Origin,
    Quant,
    QuantOp,
    QuantState,
    Returned,
    Span,
    Stub,
    Trace,
)

OWNER = "model:Model"


@dataclass
class Forward:
    """One forward of `Model`, a line per op."""

    ops: list[QuantOp] = field(default_factory=list)
    returns: list[Returned] = field(default_factory=list)
    assumed: bool = False
    root: str = OWNER

    def span(self, length: int = 1) -> Span:
        line = len(self.ops) + len(self.returns) + 1
        return Span("model.py", line, 1, line, 1 + length)

    def input(self, quant: Quant = Quant.FLOAT) -> QuantState:
        """An argument of forward."""
        if quant is not Quant.FLOAT:
            return QuantState(quant)
        return QuantState(quant, (Origin(Comes.INPUT, "x", Span("model.py", 1, 1, 1, 2), OWNER),))

    def op(self, name: str, *operands: QuantState, **facts: Any) -> QuantState:
        """An op of this name; its result is quantised where an operand is."""
        number = len(self.ops)
        quantised = any(o.quant is Quant.QUANTIZED for o in operands)
        quant = facts.pop("gives", Quant.QUANTIZED if quantised else Quant.FLOAT)
        result = QuantState(quant, facts.pop("origins", ()), (number,))
        given: dict[str, Any] = {
            "written": facts.pop("written", name or "self.unknown"),
            "span": self.span(5),
            "owner": OWNER,
            "function": "forward",
            "runner": OWNER,
            "path": "",
            "positions": tuple(
                Span("model.py", number + 1, 10 + k, number + 1, 11 + k) for k in range(len(operands))
            ),
            **facts,
        }
        self.ops.append(QuantOp(number=number, name=name, operands=operands, result=result, **given))
        for made in {n for operand in operands for n in operand.made_by}:
            maker = self.ops[made]
            self.ops[made] = maker._replace(users=(*maker.users, number))
        return result

    def quant(self, x: QuantState, scale: bool = False, **facts: Any) -> QuantState:
        """A QuantStub."""
        stub = Stub(True, "horizon_plugin_pytorch.quantization.QuantStub", self.span(), scale, False)
        return self.op(
            "quant_stub",
            x,
            **{"gives": Quant.QUANTIZED, "written": "self.quant", "module": "quant", "stub": stub, **facts},
        )

    def dequant(self, x: QuantState, **facts: Any) -> QuantState:
        """A DeQuantStub."""
        stub = Stub(False, "torch.ao.quantization.stubs.DeQuantStub", self.span(), False, False)
        origin = Origin(Comes.DEQUANTIZED, "self.dequant", self.span(), OWNER)
        return self.op(
            "dequant_stub",
            x,
            **{
                "gives": Quant.FLOAT,
                "origins": (origin,),
                "written": "self.dequant",
                "module": "dequant",
                "stub": stub,
                **facts,
            },
        )

    def give(self, x: QuantState, when: Condition = TRUE) -> None:
        """Return it."""
        self.returns.append(Returned(x, when, self.span(), self.root))
        for number in x.made_by:
            self.ops[number] = self.ops[number]._replace(returned=True)

    @property
    def flow(self) -> Flow:
        return Flow(self.root, self.assumed, tuple(self.ops), returns=tuple(self.returns))


def trace_of(*forwards: Forward, march: str = "", toolchain: str = "") -> Trace:
    """The Trace of `Model`, which runs in these."""
    return Trace(
        OWNER,
        Span("model.py", 1, 1, 9, 1),
        (),
        (),
        (),
        march=march,
        toolchain=toolchain,
        flows=tuple(f.flow for f in forwards),
    )
