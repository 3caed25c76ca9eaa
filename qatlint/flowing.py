"""What the rules of the quantised region ask the Flows of a Trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import writes_first
from qatlint.trace import Flow, Kind, Quant, QuantOp, QuantState, Span, Trace

_LIBRARIES = ("torch.", "torchvision.", "horizon_plugin_pytorch.")
_NO_OPS = frozenset(("torch.device", "torch.finfo", "torch.iinfo", "torch.is_tensor", "torch.Size"))


def own_stubs(trace: Trace, *, quantizes: bool) -> Mapping[Span, list[tuple[Flow, QuantOp]]]:
    """The calls of QuantStubs (or of DeQuantStubs) that the class runs itself, by their place, in order: one
    op for each model and each instance that runs it."""
    found: dict[Span, list[tuple[Flow, QuantOp]]] = {}
    for flow in trace.flows:
        for op in flow.ops:
            if op.runner == trace.owner and op.stub is not None and op.stub.quantizes is quantizes:
                found.setdefault(op.span, []).append((flow, op))
    return dict(sorted(found.items()))


def is_quantised(flow: Flow, state: QuantState) -> bool:
    """Whether a tensor is quantised beyond doubt: where inputs are only taken for quantised, what comes from
    them does not count."""
    if state.quant is not Quant.QUANTIZED or not state.made_by:
        return state.quant is Quant.QUANTIZED and not flow.assumed
    if not flow.assumed:
        return True
    seen: set[int] = set()
    pending = [*state.made_by]
    has_stub = False  # a loop leads back to itself
    while pending:
        number = pending.pop()
        op = flow.ops[number]
        if op.stub is not None and op.stub.quantizes:
            has_stub = True
            continue
        if number in seen:
            continue
        seen.add(number)
        quantised = [s for s in op.operands if s.quant is Quant.QUANTIZED]
        if not quantised or any(not s.made_by for s in quantised):
            return False
        pending += [n for s in quantised for n in s.made_by]
    return has_stub


def unknown_ops(trace: Trace) -> Iterator[str]:
    """The functions, methods and modules of torch and the plugin that the class runs and the op table does
    not have, as written, one for each place. Not functions of the project, which may do anything."""
    seen: set[Span] = set()
    for flow in trace.flows:
        for op in flow.ops:
            if op.name or op.runner != trace.owner or op.span in seen:
                continue
            seen.add(op.span)
            if op.class_name.startswith(_LIBRARIES):
                if facts_of(op.class_name).kind is not Kind.CONTAINER:
                    yield op.class_name.rpartition(".")[2]
            elif not op.class_name and (_is_library(op.written) or _is_method(op.written)):
                yield op.written


def _is_library(written: str) -> bool:
    """`torch.special.zeta`: not what only asks, asserts or logs (`torch._assert`)."""
    return written.startswith(_LIBRARIES) and "._" not in written and written not in _NO_OPS


def _is_method(written: str) -> bool:
    """`.foo()`, which may be a method of a tensor: not one that only lists, dicts and strings have."""
    name = written.removeprefix(".").removesuffix("()")
    if not name.isidentifier() or written != f".{name}()":
        return False
    return not any(hasattr(kind, name) for kind in (list, dict, str, set))


def subject_of(op: QuantOp) -> str:
    """A stub as the class that calls it knows it: `quant`, `stubs.*`."""
    inner = op.module.removeprefix(f"{op.path}.") if op.path else op.module
    return inner or op.written.removeprefix("self.") or "stub"


class Subjects:
    """Gives each finding of one rule and class a subject of its own."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def take(self, subject: str) -> str:
        """`dequant`, then `dequant (2)`."""
        self._taken[subject] = count = self._taken.get(subject, 0) + 1
        return subject if count == 1 else f"{subject} ({count})"


def changes_operand(op: QuantOp) -> bool:
    """Whether an op writes its result into the first tensor it is given: `x.add_(y)`, `x[i] = y`."""
    return op.name == "setitem" or writes_first(op.written.removesuffix("()"))


def makers(flow: Flow, state: QuantState) -> Iterator[QuantOp]:
    """The ops that may have made a tensor."""
    yield from (flow.ops[number] for number in state.made_by)
