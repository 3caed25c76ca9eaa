"""What a call of a module is given and gives back, in quant states: what people are shown of a Flow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qatlint.trace import Call, Comes, Flow, Quant, QuantOp, QuantState, Trace

_WORDS = {
    Quant.QUANTIZED: "quantised",
    Quant.FLOAT: "float",
    Quant.UNKNOWN: "unknown",
    Quant.PLAIN: "plain",
}
"""In the order in which they are named."""
_COMES = {
    Comes.INPUT: "input",
    Comes.CONSTANT: "constant",
    Comes.DEQUANTIZED: "dequantised",
    Comes.CAST: "cast",
}
_ORIGINS = 2
ASSUMED = "inputs taken for quantised"


class Crossing(NamedTuple):
    """The tensors that go into a call of a module, and those that come out."""

    given: str
    """`quantised`, ``float (input `depth`)``, `quantised and plain`; "" for no tensor."""
    gives: str
    assumed: bool
    """Whether no model is known that runs the class: its inputs are only taken for quantised."""

    def __str__(self) -> str:
        return f"{self.given} → {self.gives}".strip()


def crossing(trace: Trace, call: Call) -> Crossing | None:
    """The states at one call, over all models that run it; None where it was not followed, as in a project
    that has nothing to do with the plugin, and for what a container runs in turn."""
    if call.implied:
        return None
    given: list[QuantState] = []
    gives: list[QuantState] = []
    assumed = False
    for flow in trace.flows:
        inside = {op.number: op for op in _inside(flow, trace.owner, call)}
        if inside:
            assumed = assumed or flow.assumed
            given += _given(inside, trace.owner)
            gives += _gives(inside)
    if not given and not gives:
        return None
    return Crossing(_words(given, names=True), _words(gives, names=False), assumed)


def _inside(flow: Flow, owner: str, call: Call) -> Iterator[QuantOp]:
    """The ops of a call: the module itself, or all that runs in it."""
    for op in flow.ops:
        if call.span in op.via or (op.span == call.span and op.runner == owner and op.class_name):
            yield op


def _given(inside: dict[int, QuantOp], owner: str) -> Iterator[QuantState]:
    """What was made outside, but for weights and buffers of the modules inside."""
    for op in inside.values():
        for state in op.operands:
            if len(inside) == 1:
                yield state  # the module itself, also where a loop gives it its own result
            elif state.made_by:
                if not inside.keys() >= {*state.made_by}:
                    yield state
            elif not all(o.comes is Comes.CONSTANT and o.runner != owner for o in state.origins):
                yield state
            elif not state.origins and state.quant is Quant.QUANTIZED:
                yield state  # an input that is taken for quantised


def _gives(inside: dict[int, QuantOp]) -> Iterator[QuantState]:
    """What is used outside; of a call of whose result no use is known, that of its last op."""
    used = [op for op in inside.values() if op.returned or not inside.keys() >= {*op.users}]
    for op in used or list(inside.values())[-1:]:
        yield op.result


def _words(states: Iterable[QuantState], *, names: bool) -> str:
    """The states, each once; `names` says what is float, and where it begins."""
    states = list(states)
    words = []
    for quant, word in _WORDS.items():
        those = [state for state in states if state.quant is quant]
        if not those:
            continue
        origins = dict.fromkeys(f"{_COMES[o.comes]} `{o.name}`" for s in those for o in s.origins if o.name)
        shown = [*origins][:_ORIGINS] + ["…"] * (len(origins) > _ORIGINS)
        words.append(f"{word} ({', '.join(shown)})" if names and shown else word)
    return " and ".join(words)
