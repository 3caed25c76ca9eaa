"""What is said about sharing fits the class: sentences that are wrong for a class cost trust."""

from __future__ import annotations

import pytest

from qatlint.finding import Severity
from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import Confidence, Result, meanings
from qatlint.horizon.sharing import severity, why
from qatlint.trace import Kind


@pytest.mark.parametrize("name", ["ReLU", "ReLU6"])
def test_only_what_the_fusion_table_holds_is_said_to_fuse(name: str) -> None:
    assert "fuses" in why(facts_of(f"torch.nn.{name}").kind)


@pytest.mark.parametrize(
    "name", ["LeakyReLU", "PReLU", "Hardtanh", "Sigmoid", "GELU", "LayerNorm", "GroupNorm", "InstanceNorm2d"]
)
def test_what_cannot_fuse_is_not_said_to(name: str) -> None:
    sentence = why(facts_of(f"torch.nn.{name}").kind)
    assert "fuse" not in sentence
    assert "fold" not in sentence


@pytest.mark.parametrize("name", ["BatchNorm2d", "SyncBatchNorm"])
def test_only_a_batch_norm_folds(name: str) -> None:
    assert "folds" in why(facts_of(f"torch.nn.{name}").kind)


def test_kinds_that_matter_in_different_ways_have_sentences_of_their_own() -> None:
    names = ["QuantStub", "FloatFunctional", "SiLU", "Conv2d", "Dropout", "DeQuantStub", "Softmax"]
    assert len({why(facts_of(f"torch.nn.{name}").kind) for name in names}) == len(names)


def test_every_kind_has_a_sentence() -> None:
    assert all(why(kind) for kind in Kind)


def test_a_module_with_nothing_but_harmless_ones_inside_is_harmless() -> None:
    assert severity(Kind.PROJECT, (Kind.DROPOUT, Kind.IDENTITY), True) is Severity.NOTE
    assert severity(Kind.PROJECT, (Kind.DROPOUT, Kind.RELU), True) is Severity.WARNING
    assert severity(Kind.QUANT_STUB, (), True) is Severity.ERROR
    assert severity(Kind.QUANT_STUB, (), False) is Severity.NOTE


_PASSES = (Kind.RELU, Kind.POOLING, Kind.RESHAPE, Kind.DROPOUT, Kind.IDENTITY)
_OWN_SCALE = (Kind.ACTIVATION, Kind.LUT_ACTIVATION, Kind.SOFTMAX, Kind.GEMM, Kind.OTHER, Kind.QUANT_STUB)


@pytest.mark.parametrize(
    ("kinds", "result"), [(_PASSES, Result.PASSES), (_OWN_SCALE, Result.QUANTIZED)], ids=["passes", "own"]
)
def test_who_has_a_scale_of_its_own_is_what_the_table_of_operations_says(
    kinds: tuple[Kind, ...], result: Result
) -> None:
    read = [m for m in meanings() if m.confidence is not Confidence.OPEN]
    classes = [(f"torch.nn.{name}", m.result) for m in read for name in m.classes]
    assert {facts_of(dotted).kind for dotted, _ in classes} >= set(kinds)
    assert [d for d, found in classes if facts_of(d).kind in kinds and found is not result] == []


def test_what_passes_the_scale_through_is_not_said_to_have_one() -> None:
    assert not any("scale serves" in why(kind) for kind in _PASSES)
    assert "passes the scale through" in why(Kind.RELU)
