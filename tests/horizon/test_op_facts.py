"""The op table says what the facts say (horizon_facts D, F, G, H, I), and every spelling leads to one entry."""

from __future__ import annotations

import pytest

from qatlint.aim import MARCHES
from qatlint.horizon import ops, spellings
from qatlint.horizon.ops import Boundary, Confidence, Gemm, Meaning, Result, Role


def function(name: str) -> Meaning:
    """The operation of a function, Tensor method or operator."""
    found = ops.of_function(f"torch.Tensor.{name}") or ops.of_function(f"torch.{name}")
    assert found is not None, name
    return found


def module(name: str) -> Meaning:
    """The operation of a class of torch or the plugin."""
    found = ops.of_class(f"horizon_plugin_pytorch.nn.{name}")
    assert found is not None, name
    return found


# --- I1: replaced by modules ------------------------------------------------------------------------------

FUNCTIONAL = "add sub mul matmul cat concat concatenate stack sum mean maximum minimum"
SPELT_ALIKE = {"concat": "cat", "concatenate": "cat"}
PLUGIN = """
div truediv reciprocal pow sqrt exp log sin cos tan asin arcsin acos atan atan2 sinh cosh asinh acosh atanh erf ceil
floor cumsum where remainder mod fmod masked_scatter __setitem__ scatter scatter_add scatter_reduce slice_scatter
einsum norm softmax log_softmax selu bev_pool_v2
"""
TORCH = "relu gelu glu leaky_relu prelu sigmoid hardsigmoid silu tanh elu softplus adaptive_avg_pool1d adaptive_avg_pool2d"


@pytest.mark.parametrize("name", FUNCTIONAL.split())
def test_functions_that_become_methods_of_a_float_functional(name: str) -> None:
    found = function(name)
    assert found.becomes == f"FloatFunctional.{SPELT_ALIKE.get(name, name)}"
    assert found is ops.of_method("torch.ao.nn.quantized.FloatFunctional", SPELT_ALIKE.get(name, name))
    assert (found.result, found.confidence) == (Result.QUANTIZED, Confidence.READ)


@pytest.mark.parametrize("sign", ["add", "sub", "mul", "matmul"])
@pytest.mark.parametrize("form", ["__{}__", "__i{}__", "__r{}__", "{}_", "{}"])
def test_operators_methods_and_in_place_forms_are_the_same(sign: str, form: str) -> None:
    assert function(form.format(sign)) is function(sign)


@pytest.mark.parametrize("name", PLUGIN.split())
def test_functions_that_become_modules_of_the_plugin(name: str) -> None:
    found = function(name)
    assert found.becomes.startswith("nn."), found
    assert found is module(found.becomes.removeprefix("nn."))
    assert (found.result, found.confidence) == (Result.QUANTIZED, Confidence.READ)


@pytest.mark.parametrize("name", TORCH.split())
def test_functions_that_become_modules_of_torch(name: str) -> None:
    found = (
        function(name)
        if name in ("relu", "tanh", "sigmoid")
        else ops.of_function(f"torch.nn.functional.{name}")
    )
    assert found is not None
    assert found.becomes.startswith("torch.nn.")
    assert found is ops.of_class(found.becomes)


@pytest.mark.parametrize("name", ["grid_sample", "interpolate", "warp"])
def test_functions_that_stay_as_a_leaf(name: str) -> None:
    assert function(name).becomes == "a leaf"
    assert function(name).result is Result.PASSES


@pytest.mark.parametrize("name", ["linalg.norm", "linalg.vector_norm"])
def test_norms_of_linalg(name: str) -> None:
    assert ops.of_function(f"torch.{name}") is function("norm")


# --- I2: runs on quantised tensors ------------------------------------------------------------------------

LAYOUT = """
view reshape flatten squeeze unsqueeze permute transpose t T expand expand_as repeat tile repeat_interleave roll flip
contiguous clone detach __getitem__ gather index_select masked_select split chunk unbind pixel_shuffle pixel_unshuffle
channel_shuffle cpu cuda to float pad
"""
VALUES = """
tril triu neg abs clamp clip max min topk sort max_pool1d max_pool2d adaptive_max_pool1d adaptive_max_pool2d avg_pool2d
dropout dropout1d dropout2d dropout3d masked_fill sign ones_like zeros_like new_ones new_zeros new_full new_empty
"""
PLAIN = """
eq gt ge lt le greater less_equal argmax argmin argsort all logical_and logical_or logical_not shape size dim numel long
int
"""


@pytest.mark.parametrize("name", LAYOUT.split())
def test_layout(name: str) -> None:
    found = function(name)
    assert (found.result, found.layout, found.replaced) == (Result.PASSES, True, False)
    assert found.confidence is Confidence.READ


@pytest.mark.parametrize("name", VALUES.split())
def test_values_keep_the_scale(name: str) -> None:
    found = function(name)
    assert (found.result, found.layout, found.replaced) == (Result.PASSES, False, False)
    assert found.confidence is Confidence.READ


@pytest.mark.parametrize("name", PLAIN.split())
def test_plain_results(name: str) -> None:
    assert (function(name).result, function(name).confidence) == (Result.PLAIN, Confidence.READ)


KEEPS_SCALE = (
    "Identity Interpolate Upsample ConstantPad2d ZeroPad2d ReplicationPad2d ReLU RoIAlign GridSample"
)


@pytest.mark.parametrize("name", KEEPS_SCALE.split())
def test_modules_that_need_no_qconfig_pass_the_scale_through(name: str) -> None:
    assert module(name).result is Result.PASSES


# --- I3 and H31: refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["floor_divide", "__floordiv__", "rsqrt", "bmm", "einops_like_nothing"])
def test_what_is_in_no_list_is_refused_or_unknown(name: str) -> None:
    found = ops.of_function(f"torch.Tensor.{name}")
    assert (
        found is None
        if name == "einops_like_nothing"
        else found is not None and found.result is Result.REFUSED
    )


@pytest.mark.parametrize("name", ["where", "remainder", "__setitem__", "masked_scatter"])
def test_what_works_only_when_it_is_replaced_says_so(name: str) -> None:
    assert any("only what prepare replaces" in remark.text for remark in ops.remarks_of(function(name)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("div", "`rounding_mode` is refused"),  # I3
        ("tan", "(-pi/2, pi/2)"),
        ("asin", "clamped to [-1, 1]"),
        ("acos", "clamped to [-1, 1]"),
        ("new_tensor", "Python numbers only"),
        ("eq", "same dtype"),  # I2
        ("masked_fill", "scale of the input"),
        ("mul", "Python number"),
        ("exp", "deprecated"),  # H28
        ("mean", "keepdim"),
        ("max_pool2d", "give int8 only"),  # H3
        ("matmul", "two int16 inputs"),
        ("sigmoid", "table of values"),  # H17
        ("cat", "one scale"),  # H18
        ("atanh", "before QAT"),
    ],
)
def test_what_is_said_besides(name: str, text: str) -> None:
    assert any(text in remark.text for remark in ops.remarks_of(function(name)))


def test_a_chip_that_refuses_an_operation() -> None:
    select = function("select")
    assert ops.result_on(select, "bayes") is Result.REFUSED
    assert {ops.result_on(select, march) for march in ("", "nash-e", "nash-p")} == {Result.PASSES}


# --- D, F, G ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", "Conv1d Conv2d Conv3d ConvTranspose2d Linear DeformConv2d".split())
def test_roots_of_fusable_sequences(name: str) -> None:
    assert module(name).fuses is Role.ROOT


@pytest.mark.parametrize("name", "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm ChannelScale2d".split())
def test_norms_that_fuse(name: str) -> None:
    assert module(name).fuses is Role.BATCH_NORM


@pytest.mark.parametrize("name", "ReLU ReLU6".split())
def test_relus_that_fuse(name: str) -> None:
    assert module(name).fuses is Role.RELU
    assert ops.of_function(f"torch.nn.functional.{name.lower()}") is module(name)


@pytest.mark.parametrize("name", "LeakyReLU SiLU GELU LayerNorm Sub Mul Sigmoid GroupNorm".split())
def test_nothing_else_fuses(name: str) -> None:
    assert module(name).fuses is None


@pytest.mark.parametrize("name", "Conv2d Conv3d Linear".split())
def test_gemm(name: str) -> None:
    assert module(name).gemm is Gemm.YES


def test_matmul_is_gemm() -> None:
    assert function("matmul").gemm is function("__matmul__").gemm is Gemm.YES


@pytest.mark.parametrize(
    "name", "Conv1d ConvTranspose1d ConvTranspose2d ConvTranspose3d DeformConv2d".split()
)
def test_gemm_by_version(name: str) -> None:
    assert module(name).gemm is Gemm.VERSION


@pytest.mark.parametrize(
    ("dotted", "layer"),
    [
        ("torch.nn.functional.linear", True),
        ("torch.nn.functional.conv2d", True),
        ("torch.nn.functional.multi_head_attention_forward", True),
        ("torch.bmm", False),
        ("torch.Tensor.mm", False),
        ("torch.einsum", False),
        ("torch.nn.functional.scaled_dot_product_attention", False),
    ],
)
def test_products_that_no_list_has(dotted: str, layer: bool) -> None:
    found = ops.of_function(dotted)
    assert found is not None
    assert (found.gemm, found.layer) == (Gemm.UNLISTED, layer)


def test_layers_have_weights() -> None:
    assert module("Conv2d").layer and module("Linear").layer and module("MultiheadAttention").layer
    assert not function("matmul").layer


def test_stubs() -> None:
    for home in ("torch.quantization", "torch.ao.quantization", "horizon_plugin_pytorch.quantization"):
        quant, dequant = ops.of_class(f"{home}.QuantStub"), ops.of_class(f"{home}.DeQuantStub")
        assert quant is not None and dequant is not None
        assert (quant.boundary, dequant.boundary) == (Boundary.QUANT, Boundary.DEQUANT)


@pytest.mark.parametrize(
    ("march", "output", "board"),
    [
        ("nash-e", "int32", "J6E"),
        ("nash-m", "int32", "J6M"),
        ("nash-p", "float", "J6P"),
        ("nash-b", "float", "J6B"),
        ("nash-h", "float", "J6H"),
        ("bayes", "int32", "J5"),
    ],
)
def test_what_a_gemm_leaves_as(march: str, output: str, board: str) -> None:
    chip = ops.chips()[march]
    assert (chip.output, board in chip.boards) == (output, True)


def test_the_chips_are_those_of_the_settings() -> None:
    assert tuple(ops.chips()) == MARCHES


# --- one spelling, one entry ------------------------------------------------------------------------------


def test_no_two_entries_have_one_name_or_claim_one_spelling() -> None:
    names = [meaning.name for meaning in ops.meanings()]
    assert len(names) == len(set(names))
    owners: dict[str, str] = {}
    for meaning in ops.meanings():
        for written in spellings.spellings(meaning):
            assert owners.setdefault(written, meaning.name) == meaning.name, written


@pytest.mark.parametrize("meaning", ops.meanings(), ids=lambda meaning: meaning.name)
def test_every_spelling_leads_to_its_entry(meaning: Meaning) -> None:
    written = spellings.spellings(meaning)
    assert written
    for one in written:
        assert meaning in spellings.named(one), one
        resolved = _resolved(one)
        assert resolved is None or resolved is meaning, one


def _resolved(written: str) -> Meaning | None:
    """What the interpreter would make of a spelling; None for a sign."""
    homes = {"F": "torch.nn.functional", "Tensor": "torch.Tensor", "horizon nn": "horizon_plugin_pytorch.nn"}
    home, _, name = written.rpartition(".")
    if not name.isidentifier():
        return None
    if home == "FloatFunctional":
        return ops.of_method("torch.ao.nn.quantized.FloatFunctional", name)
    if home == "horizon nn.functional":
        return ops.of_function(f"horizon_plugin_pytorch.nn.functional.{name}")
    if home == "nn":
        return ops.of_class(f"torch.nn.{name}")
    dotted = f"{homes.get(home, home)}.{name}"
    return ops.of_class(dotted) or ops.of_function(dotted)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("+", "add"),
        ("x + y", "add"),
        ("+=", "add"),
        ("add_", "add"),
        ("__iadd__", "add"),
        ("iadd", "add"),
        ("imul", "mul"),
        ("isub", "sub"),
        ("itruediv", "div"),
        ("imatmul", "matmul"),
        ("ipow", "pow"),
        ("iand", "bitwise_and"),
        ("operator.iadd", "add"),
        ("radd", "add"),
        ("Tensor.div_", "div"),
        ("torch.Tensor.__itruediv__", "div"),
        ("torch.Tensor.add_", "add"),
        ("FloatFunctional.add", "add"),
        ("F.relu", "relu"),
        ("nn.ReLU", "relu"),
        ("@", "matmul"),
        ("x[i]", "getitem"),
        ("conv2d", "conv2d"),
        ("horizon nn.Div", "div"),
        ("gt", "gt"),
        ("torch.greater", "gt"),
        ("QuantStub", "quant_stub"),
    ],
)
def test_whatever_somebody_types_is_found(written: str, name: str) -> None:
    assert name in [meaning.name for meaning in spellings.named(written)]


@pytest.mark.parametrize("written", ["nope", "", "x ~ y", "torch.", "()", "a b"])
def test_other_words_are_not(written: str) -> None:
    assert spellings.named(written) == ()


def test_the_lists_of_spellings_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    homes = {
        "torch": torch,
        "F": torch.nn.functional,
        "linalg": torch.linalg,
        "special": torch.special,
        "Tensor": torch.Tensor,
        "nn": torch.nn,
    }
    known = spellings._homes()
    functions = {name for meaning in ops.meanings() for name in meaning.functions}
    for home, where in homes.items():
        assert [name for name in known[home] if not hasattr(where, name)] == []
    for home in ("F", "Tensor"):
        assert [name for name in known[f"{home}_inplace"] if not hasattr(homes[home], f"{name}_")] == []
    assert {name for name in functions if hasattr(torch.Tensor, name)} == known["Tensor"]


def test_every_entry_and_remark_names_source_and_confidence() -> None:
    for meaning in ops.meanings():
        assert ops.source_text(meaning.source)
        for remark in ops.remarks_of(meaning):
            assert ops.source_text(remark.source) and remark.confidence and remark.text.endswith(".")
    for chip in ops.chips().values():
        assert ops.source_text(chip.source)
