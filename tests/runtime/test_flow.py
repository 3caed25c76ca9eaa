"""Quantisation state by the op table, the modules that prepare makes, and how ops are written."""

from __future__ import annotations

import pytest

from qatlint.runtime.flow import Entry, Flow, Unit
from qatlint.trace import Quant
from tests.runtime.forward import BOOLEAN, Forward


def state_after(name: str, *extra: str, dtype: str = "float32") -> Quant:
    """Quant of what a function gives for a quantised tensor and tensors in these states."""
    f = Forward()
    made = {"quantized": lambda: f.quant(f.input("y"), "quant2"), "float": lambda: f.constant("c")}
    made["bool"] = lambda: f.constant("mask", BOOLEAN)
    inputs = [f.quant(f.input()), *(made[e]() for e in extra)]
    number = f.function(name, *inputs, dtype=dtype)
    return f.flow.states[number]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", Quant.QUANTIZED),
        ("torch.nn.functional.softmax", Quant.QUANTIZED),
        ("view", Quant.QUANTIZED),
        ("torch.nn.functional.grid_sample", Quant.QUANTIZED),
        ("torch.clamp", Quant.QUANTIZED),
        ("torch.bmm", Quant.QUANTIZED),
        ("argmax", Quant.PLAIN),
        ("__float__", Quant.PLAIN),
        ("torch.rand_like", Quant.FLOAT),
        ("my.lib.function", Quant.UNKNOWN),
        ("torch.some_new_function", Quant.UNKNOWN),
    ],
)
def test_what_functions_make_of_a_quantised_tensor(name: str, expected: Quant) -> None:
    assert state_after(name) is expected


def test_the_scale_is_that_of_the_tensor_that_is_worked_on() -> None:
    assert state_after("masked_fill", "bool") is Quant.QUANTIZED
    assert state_after("add", "float") is Quant.QUANTIZED
    f = Forward()
    template = f.quant(f.input())
    number = f.function("expand_as", f.constant("c"), template)
    assert f.flow.states[number] is Quant.FLOAT


def test_a_result_without_numbers_is_plain_whatever_made_it() -> None:
    assert state_after("my.lib.function", dtype="int64") is Quant.PLAIN
    assert state_after("max", dtype="int64") is Quant.PLAIN


def test_a_mask_that_becomes_a_number_is_float() -> None:
    f = Forward()
    number = f.function("float", f.input("mask", BOOLEAN))
    assert f.flow.states[number] is Quant.FLOAT


def test_states_begin_and_end_at_the_stubs() -> None:
    f = Forward()
    x = f.input()
    before = f.module("Conv2d", "before", x)
    inside = f.module("Conv2d", "inside", f.quant(before))
    after = f.module("Conv2d", "after", f.dequant(inside))
    unknown = f.module("Unheard", "unheard", inside)
    then = f.function("relu", unknown)
    states = f.flow.states
    assert [states[n] for n in (before, inside, after)] == [Quant.FLOAT, Quant.QUANTIZED, Quant.FLOAT]
    assert [states[n] for n in (unknown, then)] == [Quant.UNKNOWN, Quant.UNKNOWN]
    assert f.flow.inside == {inside, after - 1, unknown, then}
    assert f.flow.units[then] == Unit("_generated_relu_0", True)


def test_functions_inside_become_modules_numbered_by_name_and_owner() -> None:
    f = Forward()
    x = f.quant(f.input())
    ops = [f.function("add", x, x), f.function("relu", x), f.function("__radd__", x), f.function("view", x)]
    with f.run("block"):
        ops.append(f.function("torch.add", x, x))
    units = [f.flow.units[n] for n in ops]
    assert units == [
        Unit("_generated_add_0", True),
        Unit("_generated_relu_0", True),
        Unit("_generated_add_1", True),
        None,
        Unit("block._generated_add_0", True),
    ]


def test_functions_on_constants_and_outside_stay_functions() -> None:
    f = Forward()
    f.quant(f.input())
    numbers = [f.function("add", f.constant("a"), f.constant("b")), f.function("torch.zeros")]
    assert [f.flow.units[n] for n in numbers] == [None, None]


def test_scopes_that_run_again_use_their_modules_again() -> None:
    f = Forward()
    x = f.quant(f.input())
    numbers = []
    for _ in range(2):
        with f.run("block"):
            numbers += [f.function("add", x, x), f.function("add", x, x)]
    for _ in range(2):
        with f.block("step"):
            numbers.append(f.function("add", x, x))
    numbers.append(f.function("add", x, x))
    paths = [unit.path for n in numbers if (unit := f.flow.units[n])]
    assert paths == [
        *["block._generated_add_0", "block._generated_add_1"] * 2,
        *["_generated_add_0"] * 2,
        "_generated_add_1",
    ]


def test_entries_of_blocks_from_the_outside_in() -> None:
    f = Forward()
    with f.block("outer"), f.run("block"):
        with f.block("inner"):
            pass
        with f.block("inner"):
            number = f.function("torch.zeros")
    outside = f.function("torch.zeros")
    assert f.flow.entries(number) == (Entry("", "outer", 0), Entry("block", "inner", 1))
    assert f.flow.entries(outside) == ()


def test_ops_are_written_as_the_toolchain_writes_them() -> None:
    f = Forward()
    x = f.input("feats.0")
    q = f.quant(x)
    numbers = [x, f.constant("pos"), f.constant(), q]
    numbers += [f.method("add", "ff", q, q), f.function("add_", q, q), f.function("view", q)]
    numbers += [f.dequant(q), f.dequant(q), f.dequant(q)]
    assert [Flow(f.recording).labels[n] for n in numbers] == [
        "feats.0",
        "pos",
        "constant",
        "quant",
        "ff[add]",
        "_generated_add_0[add]",
        "view",
        "dequant",
        "dequant(1)",
        "dequant(2)",
    ]


def test_users_are_listed_once() -> None:
    f = Forward()
    x = f.input()
    twice = f.function("mul", x, x)
    end = f.output(x, twice)
    assert f.flow.users[x] == (twice, end)
    assert f.flow.users[end] == ()
