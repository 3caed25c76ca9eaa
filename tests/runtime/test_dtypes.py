"""What the ops of the region are given, and where float tensors inside come from."""

from __future__ import annotations

from qatlint.runtime.dtypes import (
    Kind,
    compare,
    compare_outside,
    float_inputs,
    outside,
    rows,
)
from tests.runtime.forward import BOOLEAN, Forward


def found(f: Forward) -> list[tuple[str, int, list[tuple[str, Kind]]]]:
    flow = f.flow
    return [
        (flow.labels[i.op], i.position, [(flow.labels[o.op], o.kind) for o in i.origins])
        for i in float_inputs(flow)
    ]


def test_an_input_without_a_stub_is_found_where_it_meets_the_region() -> None:
    f = Forward()
    q, y = f.quant(f.input("x")), f.input("y")
    f.function("torch.cat", q, f.module("Conv2d", "conv", f.function("mul", y)))
    assert found(f) == [("_generated_cat_0[cat]", 1, [("y", Kind.INPUT)])]
    assert [i.is_input for i in float_inputs(f.flow)] == [True]


def test_constants_of_every_kind() -> None:
    f = Forward()
    q = f.quant(f.input())
    table = f.module("Embedding", "table", f.constant("index", "int64"))
    made = f.function("torch.arange")
    f.function("add", q, f.function("add", f.function("view", f.constant("pos")), made))
    f.method("mul", "ff", table, q)
    assert found(f) == [
        ("_generated_add_0[add]", 1, [("arange", Kind.CONSTANT), ("pos", Kind.CONSTANT)]),
        ("ff[mul]", 0, [("table", Kind.CONSTANT)]),
    ]
    assert not any(i.is_input for i in float_inputs(f.flow))


def test_a_tensor_that_left_the_region_too_early() -> None:
    f = Forward()
    q = f.quant(f.input())
    f.function("add", q, f.function("sigmoid", f.dequant(q)))
    assert found(f) == [("_generated_add_0[add]", 1, [("dequant", Kind.DEQUANTIZED)])]


def test_numbers_made_of_masks_and_indices() -> None:
    """They are no constants: nothing quantises them by itself."""
    f = Forward()
    x, mask = f.input("x"), f.input("mask", BOOLEAN)
    q = f.quant(x)
    f.function("mul", q, f.function("float", f.function("logical_not", mask, dtype=BOOLEAN)))
    f.function("mul", q, f.function("float", f.function("gt", q, dtype=BOOLEAN)))
    f.function("mul", q, f.function("float", f.function("gt", x, dtype=BOOLEAN)))
    f.function("mul", q, f.function("float", f.function("torch.arange", dtype="int64")))
    f.function("mul", q, f.module("Embedding", "table", f.input("ids", "int64")))
    expected = [("mask", Kind.INPUT), ("float", Kind.CAST), ("x", Kind.INPUT)]
    expected += [("float", Kind.CONSTANT), ("table", Kind.CONSTANT)]
    assert [origins for _, _, origins in found(f)] == [[origin] for origin in expected]
    assert [i.is_input for i in float_inputs(f.flow)] == [True, True, True, False, False]


def test_what_needs_no_stub() -> None:
    f = Forward()
    q = f.quant(f.input())
    f.function("masked_fill", q, f.input("mask", BOOLEAN))
    f.function("gather", q, f.input("index", "int64"))
    f.function("add", q)
    f.output(f.dequant(q), q, f.function("mul", f.input("z"), f.constant("c")))
    assert found(f) == []


def test_the_table_of_layers() -> None:
    f = Forward()
    x = f.quant(f.input())
    x = f.method("add", "ff", x, f.constant("pos"))
    x = f.function("my.own", x)
    f.output(f.dequant(f.module("Linear", "linear", x)))
    table = rows(f.flow)
    assert [(row.label, row.inputs, row.outputs) for row in table] == [
        ("quant", ("torch.float32",), ("quantized",)),
        ("ff[add]", ("quantized", "torch.float32"), ("quantized",)),
        ("own", ("quantized",), ("unknown",)),
        ("dequant", ("unknown",), ("torch.float32",)),
    ]


def test_versions_side_by_side() -> None:
    def model(*, stub: bool, more: bool = False) -> Forward:
        f = Forward()
        q, y = f.quant(f.input("x")), f.input("y")
        f.function("add", q, f.quant(y, "quant_y") if stub else y)
        f.function("mul", q, f.constant("pos"))
        if more:
            f.function("sub", q, f.constant("neg"))
        return f

    bad, good, worse = model(stub=False).flow, model(stub=True).flow, model(stub=True, more=True).flow
    changed = compare(bad, float_inputs(bad), good, float_inputs(good))
    assert (len(changed.better), len(changed.worse), len(changed.left)) == (1, 0, 1)
    (better,) = changed.better
    assert better.after is None
    assert better.before is not None
    assert better.before[1].is_input
    changed = compare(good, float_inputs(good), worse, float_inputs(worse))
    assert (len(changed.better), len(changed.worse), len(changed.left)) == (0, 1, 1)


def test_a_convolution_that_leaves_the_region_is_worse() -> None:
    """Other operations may be moved behind the DeQuantStub, and what was outside before is no news."""
    inside, left, moved = Forward(), Forward(), Forward()
    for f in (inside, left, moved):
        f.module("Conv2d", "float_part", f.input("y"))
        q = f.quant(f.input("x"))
        if f is left:
            f.function("sigmoid", f.module("Conv2d", "conv", f.dequant(q)))
        elif f is moved:
            f.function("sigmoid", f.dequant(f.module("Conv2d", "conv", q)))
        else:
            f.dequant(f.function("sigmoid", f.module("Conv2d", "conv", q)))
    assert [inside.flow.labels[n] for n in outside(inside.flow)] == ["float_part"]
    (worse,) = compare_outside(inside.flow, left.flow).worse
    assert worse.after is not None
    flow, number = worse.after
    assert flow.labels[number] == "conv"
    assert compare_outside(inside.flow, moved.flow).worse == ()
    assert len(compare_outside(inside.flow, moved.flow).left) == 1
