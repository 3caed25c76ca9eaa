"""What the classes of modules are to the toolchain: kind, parameters, buffers.

One table for every spelling (`torch.nn.ReLU`, `torch.ao.nn.quantized.FloatFunctional`,
`horizon_plugin_pytorch.nn.quantized.FloatFunctional`): the last part of the dotted name decides, since
the plugin's classes mirror torch's. Sources: horizon_facts E (sharing), I1 and I2 (what prepare
replaces, what passes the scale through). What the classes compute is said in `qatlint.horizon.ops`.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from qatlint.trace import Kind


class ModuleFacts(NamedTuple):
    """Kind of a class, and whether its instances hold parameters and buffers."""

    kind: Kind
    parameters: bool | None
    buffers: bool | None


UNKNOWN = ModuleFacts(Kind.UNKNOWN, None, None)

_PLAIN: dict[Kind, str] = {
    Kind.QUANT_STUB: "QuantStub",
    Kind.DEQUANT_STUB: "DeQuantStub",
    Kind.FLOAT_FUNCTIONAL: (
        "FloatFunctional FXFloatFunctional QFunctional Add Sub Mul Ceil Floor Cat Stack Sum Mean Matmul "
        "MatMul Cumsum CumSum Where Remainder Scatter EinSum Einsum Norm Normalize Maximum Minimum FMod "
        "MaskedScatter SetItem ScatterAdd ScatterReduce SliceScatter LinalgNorm"
    ),
    Kind.LUT_ACTIVATION: (
        "Sigmoid Tanh GELU SiLU Swish Mish ELU CELU SELU Softplus Softsign LogSigmoid Hardsigmoid "
        "Hardswish Tanhshrink SegmentLUT GLU Div Reciprocal Pow Sqrt Exp Log HardLog Sin Cos Tan Asin Acos "
        "Atan Atan2 Sinh Cosh Asinh Acosh Atanh Erf"
    ),
    Kind.RELU: "ReLU ReLU6",
    Kind.ACTIVATION: "LeakyReLU Hardtanh Threshold RReLU Softshrink Hardshrink",
    Kind.SOFTMAX: "Softmax Softmin LogSoftmax Softmax2d",
    Kind.DROPOUT: "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout DropPath "
    "StochasticDepth",
    Kind.IDENTITY: "Identity",
    Kind.POOLING: (
        "MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
        "AdaptiveMaxPool3d LPPool1d LPPool2d MaxUnpool1d MaxUnpool2d MaxUnpool3d FractionalMaxPool2d "
        "GridSample RoIAlign MultiScaleRoIAlign"
    ),
    Kind.RESHAPE: (
        "Flatten Unflatten PixelShuffle PixelUnshuffle ChannelShuffle Fold Unfold ZeroPad1d ZeroPad2d "
        "ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d "
        "ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d Upsample UpsamplingNearest2d "
        "UpsamplingBilinear2d Interpolate"
    ),
    Kind.OTHER: "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d BevPoolV2 LocalResponseNorm "
    "CosineSimilarity PairwiseDistance CrossMapLRN2d",
}

_WEIGHTED: dict[Kind, str] = {
    Kind.GEMM: (
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear Bilinear LazyLinear "
        "LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d LazyConvTranspose3d "
        "DeformConv2d DeformConv2dPack ModulatedDeformConv2d ModulatedDeformConv2dPack "
        "ConvModule DepthwiseSeparableConvModule"
    ),
    Kind.NORM: "LayerNorm GroupNorm RMSNorm",
    Kind.ACTIVATION: "PReLU",
    Kind.EMBEDDING: "Embedding EmbeddingBag",
    Kind.RECURRENT: "RNN LSTM GRU RNNCell LSTMCell GRUCell",
    Kind.ATTENTION: (
        "MultiheadAttention Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer "
        "TransformerDecoderLayer MultiScaleDeformableAttention FFN"
    ),
}

_BUFFERED = (
    "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d"
)
_MAYBE_BUFFERED = "InstanceNorm1d InstanceNorm2d InstanceNorm3d"
_CONTAINERS = "Sequential ModuleList ModuleDict"

_LOSSES = (
    "L1Loss NLLLoss PoissonNLLLoss GaussianNLLLoss KLDivLoss MSELoss BCELoss BCEWithLogitsLoss "
    "HingeEmbeddingLoss MultiLabelMarginLoss SmoothL1Loss HuberLoss SoftMarginLoss CrossEntropyLoss "
    "MultiLabelSoftMarginLoss CosineEmbeddingLoss MarginRankingLoss MultiMarginLoss TripletMarginLoss "
    "TripletMarginWithDistanceLoss CTCLoss"
)


def _table() -> dict[str, ModuleFacts]:
    table: dict[str, ModuleFacts] = {}
    for kind, names in _PLAIN.items():
        for name in names.split():
            table[name] = ModuleFacts(kind, False, False)
    for kind, names in _WEIGHTED.items():
        for name in names.split():
            table[name] = ModuleFacts(kind, True, False)
    for name in _BUFFERED.split():
        table[name] = ModuleFacts(Kind.BATCH_NORM, True, True)
    for name in _MAYBE_BUFFERED.split():
        table[name] = ModuleFacts(Kind.NORM, None, None)
    for name in _CONTAINERS.split():
        table[name] = ModuleFacts(Kind.CONTAINER, None, None)
    for name in _LOSSES.split():
        table[name] = ModuleFacts(Kind.LOSS, False, False)
    table["ChannelScale2d"] = ModuleFacts(Kind.BATCH_NORM, True, None)
    for name in "ConvModule DepthwiseSeparableConvModule".split():
        table[name] = ModuleFacts(Kind.GEMM, True, None)
    return table


_TABLE = _table()
_COMMON_WORDS = frozenset(
    "Add Sub Mul Div Reciprocal Pow Sqrt Exp Log Sin Cos Tan Ceil Floor Cat Stack Sum Mean Where Scatter "
    "Norm Normalize Maximum Minimum Interpolate Transformer Unfold Fold Threshold Flatten".split()
)


@cache
def facts_of(dotted: str) -> ModuleFacts:
    """Facts of the class with this dotted name; `UNKNOWN` when the table has no such class.

    Names that are common words (`Add`, `Norm`, `Sum`) count only under `torch` and the plugin.
    """
    last = dotted.rpartition(".")[2]
    if last in _COMMON_WORDS and not dotted.startswith(("torch.", "horizon_plugin_pytorch.")):
        return UNKNOWN
    return _TABLE.get(last, UNKNOWN)


FLOAT_FUNCTIONAL_METHODS = frozenset(
    "add sub mul matmul cat stack sum mean maximum minimum add_scalar mul_scalar add_relu div exp ceil "
    "floor sqrt pow cap".split()
)
"""Methods that execute a FloatFunctional (horizon_facts I1)."""
