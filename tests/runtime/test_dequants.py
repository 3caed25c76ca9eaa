"""Which outputs keep the precision of a GEMM op."""

from __future__ import annotations

import pytest

from qatlint.runtime.dequants import Feed, Precision, compare, feeds
from qatlint.runtime.fuse import fusions
from tests.runtime.forward import Forward


def fed(f: Forward) -> list[Feed]:
    return list(feeds(f.flow, fusions(f.flow)))


def labels(f: Forward, numbers: tuple[int, ...]) -> list[str]:
    return [f.flow.labels[n] for n in numbers]


@pytest.mark.parametrize(
    ("root", "relu", "expected"),
    [
        ("Conv2d", False, Precision.HIGH),
        ("Conv3d", True, Precision.HIGH),
        ("Linear", False, Precision.HIGH),
        ("Linear", True, Precision.HIGH),
        ("Conv1d", True, Precision.VERSION),
        ("ConvTranspose2d", False, Precision.VERSION),
        ("DeformConv2d", False, Precision.VERSION),
        ("DeformConv2d", True, Precision.HIGH),
        ("LayerNorm", False, Precision.NONE),
        ("Unheard", False, Precision.NONE),
    ],
)
def test_what_keeps_its_precision(root: str, relu: bool, expected: Precision) -> None:
    f = Forward()
    x = f.module(root, "root", f.quant(f.input()))
    f.output(f.dequant(f.module("ReLU", "relu", x) if relu else x))
    assert [feed.precision for feed in fed(f)] == [expected]


def test_a_product_of_matrices_is_one_too() -> None:
    f = Forward()
    q = f.quant(f.input())
    f.output(f.dequant(f.function("matmul", q, q)), f.dequant(f.method("matmul", "ff", q, q)))
    assert [feed.precision for feed in fed(f)] == [Precision.HIGH] * 2


@pytest.mark.parametrize("name", ["view", "permute", "sigmoid", "relu6", "torch.cat", "__getitem__"])
def test_any_op_between_costs_the_precision(name: str) -> None:
    f = Forward()
    x = f.module("Conv2d", "conv", f.quant(f.input()))
    middle = f.function("abs", x)
    f.output(f.dequant(f.function(name, middle)))
    (feed,) = fed(f)
    assert feed.precision is Precision.BETWEEN
    assert feed.between == (middle, middle + 1)
    assert (feed.gemm, feed.feeder) == (x, middle + 1)


def test_a_relu_that_does_not_fuse_stands_between() -> None:
    f = Forward()
    x = f.quant(f.input())
    for name in ("conv1", "conv2"):
        x = f.module("ReLU", "relu", f.module("Conv2d", name, x))
    f.output(f.dequant(x))
    (feed,) = fed(f)
    assert (feed.precision, labels(f, feed.between)) == (Precision.BETWEEN, ["relu(1)"])


def test_an_identity_is_looked_through() -> None:
    f = Forward()
    conv = f.module("Conv2d", "conv", f.quant(f.input()))
    f.output(f.dequant(f.module("Identity", "identity", conv)))
    (feed,) = fed(f)
    assert (feed.precision, feed.feeder, feed.others) == (Precision.HIGH, conv, ())


def test_other_users_cost_it_and_other_stubs_do_not() -> None:
    f = Forward()
    conv = f.module("Conv2d", "conv", f.quant(f.input()))
    f.output(f.dequant(conv), f.dequant(conv))
    assert [feed.precision for feed in fed(f)] == [Precision.HIGH] * 2
    sigmoid = f.function("sigmoid", f.module("Identity", "identity", conv))
    assert [(feed.precision, feed.others) for feed in fed(f)] == [(Precision.USERS, (sigmoid,))] * 2


def test_an_unknown_op_is_looked_behind() -> None:
    f = Forward()
    conv = f.module("Conv2d", "conv", f.quant(f.input()))
    f.output(f.dequant(f.function("my.own", conv)))
    (feed,) = fed(f)
    assert (feed.precision, feed.gemm, feed.between) == (Precision.BETWEEN, conv, (conv + 1,))


def test_nothing_quantised_and_no_gemm() -> None:
    f = Forward()
    x = f.input()
    q = f.quant(x)
    f.output(f.dequant(f.module("Conv2d", "conv", x)), f.dequant(f.function("sigmoid", q)))
    assert [(feed.precision, feed.gemm) for feed in fed(f)] == [
        (Precision.FLOAT, None),
        (Precision.NONE, None),
    ]


def test_moving_the_op_behind_the_stub_is_better() -> None:
    def model(*, moved: bool) -> Forward:
        f = Forward()
        x = f.module("Conv2d", "conv", f.quant(f.input()))
        f.output(f.function("sigmoid", f.dequant(x)) if moved else f.dequant(f.function("sigmoid", x)))
        return f

    before, after = model(moved=False), model(moved=True)
    changed = compare(before.flow, fed(before), after.flow, fed(after))
    assert (len(changed.better), len(changed.worse), len(changed.left)) == (1, 0, 0)
    changed = compare(after.flow, fed(after), before.flow, fed(before))
    assert (len(changed.better), len(changed.worse)) == (0, 1)
