"""The op table: every spelling leads to one entry, and the table agrees with that of classes and with torch."""

from __future__ import annotations

import pytest

from qatlint.horizon import modules, ops
from qatlint.horizon.ops import Boundary, Confidence, Gemm, Result, Role
from qatlint.trace import Kind


@pytest.mark.parametrize(
    "dotted",
    [
        "torch.add",
        "torch.add_",
        "torch.Tensor.add",
        "torch.Tensor.add_",
        "torch.Tensor.__add__",
        "torch.Tensor.__radd__",
        "torch.Tensor.__iadd__",
        "torch.ops.aten.add",
        "operator.add",
        "operator.iadd",
        "operator.__add__",
    ],
)
def test_all_spellings_of_add_are_one(dotted: str) -> None:
    found = ops.of_function(dotted)
    assert found is not None
    assert found is ops.of_method("torch.ao.nn.quantized.FloatFunctional", "add")
    assert found is ops.of_class("horizon_plugin_pytorch.nn.quantized.Add")
    assert (found.fuses, found.becomes, ops.op_name(dotted)) == (Role.ADD, "FloatFunctional.add", "add")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("torch.concat", "torch.cat"),
        ("torch.Tensor.__truediv__", "torch.div"),
        ("torch.Tensor.__rdiv__", "torch.div"),
        ("torch.Tensor.__rsub__", "torch.sub"),
        ("torch.Tensor.__mod__", "torch.remainder"),
        ("torch.Tensor.__matmul__", "torch.matmul"),
        ("torch.special.expit", "torch.nn.functional.sigmoid"),
        ("torch.nn.functional.relu_", "torch.Tensor.relu"),
        ("torch.linalg.norm", "torch.norm"),
    ],
)
def test_names_of_the_same_thing(one: str, other: str) -> None:
    assert ops.of_function(one) is ops.of_function(other) is not None


def test_an_operator_is_no_other_word_that_begins_like_one() -> None:
    assert ops.op_name("torch.Tensor.__invert__") == "invert"
    assert ops.op_name("torch.Tensor.__index__") == "index"
    assert ops.op_name("torch.Tensor.isub") == "isub"
    assert ops.op_name("torch.rsqrt") == "rsqrt"


def test_a_conversion_to_a_python_number_is_not_the_cast() -> None:
    cast, conversion = (ops.of_function(f"torch.Tensor.{name}") for name in ("float", "__float__"))
    assert cast is not None
    assert conversion is not None
    assert (cast.result, conversion.result) == (Result.PASSES, Result.PLAIN)


@pytest.mark.parametrize("dotted", ["my.add", "numpy.add", "add", "torch.distributed.scatter", "torch.nope"])
def test_other_functions_are_unknown(dotted: str) -> None:
    assert ops.of_function(dotted) is None


@pytest.mark.parametrize("dotted", ["my.Conv2d", "Conv2d", "torch.nn.Conv4d", "torch.nn.Sequential"])
def test_other_classes_are_unknown(dotted: str) -> None:
    assert ops.of_class(dotted) is None


def test_methods_of_other_modules_are_unknown() -> None:
    assert ops.of_method("torch.nn.Conv2d", "add") is None
    assert ops.of_method("torch.ao.nn.quantized.FloatFunctional", "extra_repr") is None


@pytest.mark.parametrize(
    ("dotted", "gemm"),
    [
        ("torch.nn.modules.conv.Conv2d", Gemm.YES),
        ("torch.nn.Linear", Gemm.YES),
        ("horizon_plugin_pytorch.nn.Conv3d", Gemm.YES),
        ("torch.nn.ConvTranspose2d", Gemm.VERSION),
        ("torch.nn.Conv1d", Gemm.VERSION),
        ("torch.nn.MultiheadAttention", Gemm.UNLISTED),
        ("torch.nn.Bilinear", Gemm.UNLISTED),
        ("torch.nn.ReLU", Gemm.NO),
    ],
)
def test_gemm(dotted: str, gemm: Gemm) -> None:
    found = ops.of_class(dotted)
    assert found is not None
    assert found.gemm is gemm


def test_layout_is_never_computed() -> None:
    for meaning in ops.meanings():
        if meaning.layout:
            assert meaning.result is Result.PASSES, meaning.name
            assert not meaning.becomes, meaning.name


def test_what_is_replaced_has_a_result_of_its_own_or_is_a_relu() -> None:
    for meaning in ops.meanings():
        if meaning.replaced and meaning.fuses is not Role.RELU:
            assert meaning.result is Result.QUANTIZED, meaning.name


@pytest.mark.parametrize("name", ["grid_sample", "interpolate"])
def test_what_samples_keeps_the_scale_of_what_it_samples(name: str) -> None:
    found = ops.of_function(f"torch.nn.functional.{name}")
    assert found is not None
    assert not found.replaced
    assert found.result is Result.PASSES


def test_what_is_harmless_to_share_has_no_scale_of_its_own() -> None:
    """What is said of sharing and what is measured must not contradict each other."""
    for meaning in ops.meanings():
        for name in meaning.classes:
            kind = modules.facts_of(f"torch.nn.{name}").kind
            if kind in (Kind.RESHAPE, Kind.IDENTITY, Kind.DROPOUT):
                assert meaning.result is Result.PASSES, name


def test_batch_norms_have_a_root_for_each_dimension() -> None:
    roots = {d for m in ops.meanings() if m.fuses is Role.ROOT for d in m.dims}
    norms = {d for m in ops.meanings() if m.fuses is Role.BATCH_NORM for d in m.dims}
    assert roots == norms == {"1d", "2d", "3d"}
    assert all(m.dims == frozenset() for m in ops.meanings() if m.fuses in (Role.ADD, Role.RELU, None))


def test_every_source_is_said_in_words_and_every_tag_is_used() -> None:
    used = {meaning.source for meaning in ops.meanings()}
    assert {tag: ops.source_text(tag) for tag in used}
    with pytest.raises(KeyError):
        ops.source_text("nowhere")


def test_what_no_list_has_is_never_called_read() -> None:
    for meaning in ops.meanings():
        if meaning.source == "absent":
            assert meaning.confidence is not Confidence.READ, meaning.name


# Two tables of classes, two questions, one answer where they meet.

OTHERS = {
    *("FloatFunctional FXFloatFunctional QFunctional".split()),  # known by their methods
    *("DropPath StochasticDepth DeformConv2dPack ModulatedDeformConv2d ModulatedDeformConv2dPack".split()),
    *(
        "ConvModule DepthwiseSeparableConvModule FFN".split()
    ),  # classes of other libraries, entered when they run
}


def test_both_tables_know_the_same_classes() -> None:
    named = {name for meaning in ops.meanings() for name in meaning.classes}
    computing = {
        name
        for name, facts in modules._TABLE.items()
        if facts.kind not in (Kind.LOSS, Kind.CONTAINER) and name not in OTHERS
    }
    assert named == computing


def test_both_tables_agree() -> None:
    for meaning in ops.meanings():
        for name in meaning.classes:
            kind = modules.facts_of(f"torch.nn.{name}").kind
            assert (kind is Kind.QUANT_STUB) == (meaning.boundary is Boundary.QUANT), name
            assert (kind is Kind.DEQUANT_STUB) == (meaning.boundary is Boundary.DEQUANT), name
            assert (kind is Kind.BATCH_NORM) == (meaning.fuses is Role.BATCH_NORM), name
            assert (kind is Kind.RELU) == (meaning.fuses is Role.RELU), name
            assert (meaning.fuses is Role.ROOT) <= (kind is Kind.GEMM), name
            if meaning.layout:
                assert kind in (Kind.RESHAPE, Kind.IDENTITY), name


def test_the_methods_of_a_float_functional_are_the_same_in_both() -> None:
    named = {name for meaning in ops.meanings() for name in meaning.methods}
    assert named == modules.FLOAT_FUNCTIONAL_METHODS


PLUGINS = frozenset("bev_pool_v2 warp".split())
NATIVE = frozenset("nms batched_nms roi_align".split())


def test_every_function_of_the_table_exists() -> None:
    torch = pytest.importorskip("torch")
    import operator

    homes = [torch, torch.nn.functional, torch.Tensor, torch.linalg, torch.special, operator]
    missing = [
        name
        for meaning in ops.meanings()
        for name in meaning.functions
        if name not in PLUGINS | NATIVE
        and not any(
            hasattr(home, form)
            for home in homes
            for form in (name, f"{name}_", f"__{name}__", f"_{name}", f"{name.rstrip('_')}_")
        )
    ]
    assert missing == []
