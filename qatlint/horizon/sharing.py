"""What sharing one instance means to the toolchain, by kind of module.

Source: horizon_facts E (priority of splits, ranges averaged over calls, inner modules of LayerNorm and
Div), D (a shared convolution or batch norm does not fuse; a ReLU that runs more often than the convolution
before it is left alone), C2 (DeQuantStub is exempt), I2 (what passes the scale through). Whether a class has
a scale of its own is said in `ops.toml`; a test holds the sentences against it.
"""

from __future__ import annotations

from qatlint.finding import Severity
from qatlint.trace import Kind, Module

_WHY: dict[Kind, str] = {
    Kind.QUANT_STUB: "a QuantStub has one scale, so tensors of other ranges are clipped or rounded with it",
    Kind.DEQUANT_STUB: "results are not affected, but the calls cannot be told apart when debugging",
    Kind.FLOAT_FUNCTIONAL: "the outputs of all its operations are quantised with one scale, averaged over "
    "their ranges",
    Kind.LUT_ACTIVATION: "its lookup table and output scale are fitted to all calls at once",
    Kind.RELU: "it passes the scale through, but it fuses with no layer that runs less often",
    Kind.ACTIVATION: "one output scale serves all calls",
    Kind.SOFTMAX: "its inner exp, sum and reciprocal keep one scale each for all calls",
    Kind.GEMM: "one output scale serves all calls, and it does not fuse with another add or activation at "
    "each call",
    Kind.BATCH_NORM: "it folds into only one of the convolutions before it",
    Kind.NORM: "its inner scales serve all calls",
    Kind.EMBEDDING: "one output scale serves all calls",
    Kind.RECURRENT: "the inner scales of the recurrence serve all calls",
    Kind.ATTENTION: "the inner scales of the attention serve all calls",
    Kind.DROPOUT: "it is the identity when deployed, so only the report becomes harder to read",
    Kind.IDENTITY: "it computes nothing, so only the report becomes harder to read",
    Kind.POOLING: "the scale passes through, so only the report becomes harder to read",
    Kind.RESHAPE: "only layout changes, so only the report becomes harder to read",
    Kind.OTHER: "one output scale serves all calls",
    Kind.CONTAINER: "every module inside keeps one scale for all calls",
    Kind.PROJECT: "every module inside keeps one scale for all calls",
    Kind.UNKNOWN: "if it is quantised, one scale serves all calls",
    Kind.LOSS: "it is not deployed",
}

_HARMLESS = frozenset({Kind.DEQUANT_STUB, Kind.DROPOUT, Kind.IDENTITY, Kind.POOLING, Kind.RESHAPE, Kind.LOSS})


def why(kind: Kind) -> str:
    """One clause: what goes wrong when a module of this kind is shared."""
    return _WHY[kind]


def why_of(module: Module) -> str:
    """The same for a module, of which more is known than its kind."""
    if module.kind is Kind.PROJECT and not module.internals and module.parameters is not None:
        return "its operations keep one scale each for all calls"  # no modules are inside
    return why(module.kind)


def severity(kind: Kind, internals: tuple[Kind, ...], certain: bool) -> Severity:
    """How much sharing matters. `internals` are the kinds inside a project module or container;
    `certain` is False when the object may turn out to be a plain function."""
    if not certain:
        return Severity.NOTE
    if kind is Kind.QUANT_STUB:
        return Severity.ERROR
    if kind in _HARMLESS:
        return Severity.NOTE
    if kind in (Kind.PROJECT, Kind.CONTAINER) and internals and set(internals) <= _HARMLESS:
        return Severity.NOTE
    return Severity.WARNING
