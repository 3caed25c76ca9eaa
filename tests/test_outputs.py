"""What stands before a DeQuantStub, and whether it may run behind it: on flows built by hand."""

from __future__ import annotations

from typing import Any

import pytest

from qatlint.condition import TRAINING, TRUE, literal
from qatlint.dequant_plan import NoPlan, Plan, plan
from qatlint.finding import Finding, MoveDequant
from qatlint.outputs import Output, Precision, outputs
from qatlint.registry import all_rules
from qatlint.trace import Quant, QuantState, Span, Trace
from tests.flowing import Forward, trace_of

EVAL, TRAIN = literal(TRAINING, False), literal(TRAINING)


def judge(code: str, trace: Trace) -> list[Finding]:
    (rule,) = [r for r in all_rules() if r.code == code]
    return list(rule.check(trace))


def only(f: Forward) -> Output:
    (found,) = outputs(f.flow)
    return found


def started() -> tuple[Forward, QuantState]:
    """A forward whose input is quantised."""
    f = Forward()
    return f, f.quant(f.input())


@pytest.mark.parametrize(
    ("chain", "precision"),
    [
        ("conv2d", Precision.HIGH),
        ("conv3d", Precision.HIGH),
        ("linear", Precision.HIGH),
        ("matmul", Precision.HIGH),
        ("conv2d batch_norm2d", Precision.HIGH),
        ("conv2d batch_norm2d relu", Precision.HIGH),
        ("conv2d relu6", Precision.HIGH),
        ("conv2d identity identity", Precision.HIGH),
        ("deform_conv2d relu", Precision.HIGH),
        ("deform_conv2d", Precision.VERSION),
        ("conv_transpose2d", Precision.VERSION),
        ("conv1d batch_norm1d relu", Precision.VERSION),
        ("conv2d relu batch_norm2d", Precision.BETWEEN),
        ("conv2d sigmoid", Precision.BETWEEN),
        ("conv2d view", Precision.BETWEEN),
        ("matmul relu", Precision.BETWEEN),
        ("conv2d identity sigmoid identity", Precision.BETWEEN),
        ("max_pool2d", Precision.NONE),
        ("relu", Precision.NONE),
        ("", Precision.NONE),
    ],
)
def test_verdicts(chain: str, precision: Precision) -> None:
    f, x = started()
    for name in chain.split():
        x = f.op(name, x)
    f.dequant(x)
    assert only(f).precision is precision


def test_an_add_fuses_with_a_convolution_that_nobody_else_uses() -> None:
    f, x = started()
    f.dequant(f.op("add", f.op("conv2d", x), x))
    assert only(f).precision is Precision.HIGH
    f, x = started()
    conv = f.op("conv2d", x)
    f.dequant(f.op("add", conv, f.op("sigmoid", conv)))
    assert only(f).precision is Precision.BETWEEN


def test_other_users_cost_the_precision_and_other_stubs_do_not() -> None:
    f, x = started()
    conv = f.op("conv2d", x)
    f.dequant(conv)
    f.dequant(f.op("identity", conv))
    assert [o.precision for o in outputs(f.flow)] == [Precision.HIGH] * 2
    user = len(f.ops)
    f.op("conv2d", conv)
    assert {o.precision for o in outputs(f.flow)} == {Precision.USERS}
    assert {o.others for o in outputs(f.flow)} == {(user,)}


def test_what_is_given_away_has_other_users() -> None:
    f, x = started()
    f.dequant(f.op("conv2d", x, kept=TRUE))
    assert only(f).precision is Precision.USERS
    f, x = started()
    conv = f.op("conv2d", x)
    f.dequant(conv)
    f.give(conv)
    assert only(f).precision is Precision.USERS
    f, x = started()
    f.dequant(f.op("conv2d", x, kept=TRAIN), when=EVAL)
    assert only(f).precision is Precision.HIGH


def test_what_runs_where_the_stub_does_not_is_no_other_user() -> None:
    f, x = started()
    conv = f.op("conv2d", x)
    out = f.dequant(conv, when=EVAL)
    f.give(conv, TRAIN)
    f.op("max_pool2d", conv, when=TRAIN)
    f.give(QuantState(Quant.UNKNOWN, made_by=(*conv.made_by, *out.made_by)))
    assert only(f).precision is Precision.HIGH


def test_what_nobody_knows_is_not_judged() -> None:
    f, x = started()
    f.dequant(f.op("", x))
    assert only(f).precision is Precision.UNKNOWN
    f, x = started()
    f.dequant(f.op("sigmoid", f.op("", x)))
    assert only(f).precision is Precision.BETWEEN and only(f).open
    f = Forward(assumed=True)
    f.dequant(f.input(Quant.QUANTIZED))
    f.dequant(f.op("", f.input(Quant.QUANTIZED)))
    assert [o.precision for o in outputs(f.flow)] == [Precision.UNKNOWN]


def test_a_float_tensor_is_nobody_s_business() -> None:
    f = Forward()
    f.dequant(f.op("conv2d", f.input()))
    assert list(outputs(f.flow)) == []


# --- the plan -------------------------------------------------------------------------------------------------


def planned(f: Forward) -> Plan | NoPlan:
    return plan(f.flow, only(f))


def test_the_stub_moves_to_the_op_it_should_be_given() -> None:
    f, x = started()
    conv = f.op("conv2d", x, written="self.out")
    f.dequant(f.op("view", f.op("sigmoid", conv)))
    found = planned(f)
    stub, out = f.ops[-1], f.ops[conv.made_by[0]]
    assert found == Plan(MoveDequant("model.py", "Model", stub.span, (out.span,)), "")


def test_each_gemm_op_of_a_cat_gets_one() -> None:
    f, x = started()
    one, two = f.op("conv2d", x), f.op("conv2d", x)
    f.dequant(f.op("cat", one, f.op("exp", two)))
    found = planned(f)
    assert isinstance(found, Plan)
    assert found.intent.operands == (f.ops[1].span, f.ops[2].span)


def test_a_result_of_a_child_is_taken_where_it_is_written() -> None:
    f, x = started()
    conv = f.op("conv2d", x, runner="model:Head", owner="model:Head", path="head", module="head.out")
    f.dequant(f.op("sigmoid", conv))
    found = planned(f)
    assert isinstance(found, Plan)
    assert found.intent.operands == (f.ops[-2].positions[0],)


def test_a_module_that_also_runs_elsewhere_makes_it_unsafe() -> None:
    f, x = started()
    x = f.op("sigmoid", x, module="sigmoid")
    f.dequant(f.op("sigmoid", f.op("conv2d", x), module="sigmoid"))
    found = planned(f)
    assert isinstance(found, Plan) and "sigmoid" in found.reason


def other_user(f: Forward, x: QuantState) -> None:
    scores = f.op("sigmoid", f.op("conv2d", x))
    f.op("conv2d", scores)
    f.dequant(scores)


def other_operand(f: Forward, x: QuantState) -> None:
    f.dequant(f.op("mul", f.op("conv2d", x), x))


def other_user_of_gemm(f: Forward, x: QuantState) -> None:
    conv = f.op("conv2d", x)
    f.op("max_pool2d", conv)
    f.dequant(f.op("sigmoid", conv))


def in_a_loop(f: Forward, x: QuantState) -> None:
    f.dequant(f.op("exp", f.op("conv2d", x)), loops=(f.span(),))


def in_a_child(f: Forward, x: QuantState) -> None:
    conv = f.op("conv2d", x)
    f.dequant(f.op("sigmoid", conv, owner="model:Head", runner="model:Head", path="head"))


def under_a_condition(f: Forward, x: QuantState) -> None:
    f.dequant(f.op("sigmoid", f.op("conv2d", x, when=EVAL)))


def where_the_stub_does_not_run(f: Forward, x: QuantState) -> None:
    f.dequant(f.op("sigmoid", f.op("conv2d", x, when=EVAL)), when=EVAL)


def without_the_ops(f: Forward, x: QuantState) -> None:
    cls = f.op("sigmoid", f.op("conv2d", x))
    f.dequant(QuantState(Quant.QUANTIZED, (), (*x.made_by, *cls.made_by)))


def in_a_base_class(f: Forward, x: QuantState) -> None:
    f.dequant(f.op("sigmoid", f.op("conv2d", x)), owner="model:Base")


def of_unknown_origin(f: Forward, x: QuantState) -> None:
    f.dequant(f.op("sigmoid", f.op("", x)))


@pytest.mark.parametrize(
    "build",
    [
        other_user,
        other_operand,
        other_user_of_gemm,
        in_a_loop,
        in_a_child,
        under_a_condition,
        where_the_stub_does_not_run,
        without_the_ops,
        in_a_base_class,
        of_unknown_origin,
    ],
)
def test_what_stays_where_it_is(build) -> None:  # type: ignore[no-untyped-def]
    f, x = started()
    build(f, x)
    found = planned(f)
    assert isinstance(found, NoPlan) and found.reason


CHILD = {
    "owner": "model:Head",
    "runner": "model:Head",
    "path": "head",
    "via": (Span("model.py", 3, 1, 3, 9),),
}


@pytest.mark.parametrize("facts", [{"loops": (Span("model.py", 3, 1, 3, 9),)}, {"when": EVAL}, CHILD])
def test_what_runs_between_may_run_elsewhere(facts: dict[str, Any]) -> None:
    """In a loop, on some paths, in a child: in float, too."""
    f, x = started()
    f.dequant(f.op("sigmoid", f.op("conv2d", x), **facts))
    assert isinstance(planned(f), Plan)


@pytest.mark.parametrize(("origin", "moves"), [("x", False), ("", True)])
def test_code_that_is_to_be_quantised_elsewhere(origin: str, moves: bool) -> None:
    """Where a table is to get a stub, the same code cannot run in float."""
    f, x = started()
    table = f.input() if origin else x
    place = Span("model.py", 40, 1, 40, 9)
    y = f.op("mul", x, table, span=place, **CHILD)
    f.dequant(f.op("mul", f.op("conv2d", y), f.input(), span=place, **CHILD))
    assert isinstance(planned(f), Plan) is moves


def test_a_stub_may_run_in_each_turn() -> None:
    f, x = started()
    loops = (f.span(),)
    f.dequant(f.op("cat", f.op("exp", f.op("conv2d", x, loops=loops), loops=loops)))
    assert isinstance(planned(f), Plan)


def test_a_float_operand_does_not_hinder() -> None:
    f, x = started()
    f.dequant(f.op("mul", f.op("conv2d", x), f.input()))
    assert isinstance(planned(f), Plan)


# --- QAT401 ---------------------------------------------------------------------------------------------------


def sigmoid_head() -> Forward:
    f, x = started()
    f.dequant(f.op("sigmoid", f.op("conv2d", x, written="self.out"), written=".sigmoid()"))
    return f


@pytest.mark.parametrize(
    ("march", "said"),
    [
        ("nash-e", "on nash-e the output leaves as int8 or int16 instead of int32"),
        ("nash-p", "on nash-p the output leaves as float16 or int8 instead of float"),
        ("nash-b", "on nash-b the output leaves as int8 or int16 instead of float"),
        ("", "the output leaves as int8 or int16, not with the precision of a GEMM op"),
    ],
)
def test_the_message_names_the_op_and_what_is_lost_on_the_chip(march: str, said: str) -> None:
    (found,) = judge("QAT401", trace_of(sigmoid_head(), march=march))
    assert found.message == f"`.sigmoid()` stands between `self.out` and `self.dequant`: {said}"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "functional.linear",
            "a quantised tensor refuses `f` before `self.dequant`, and prepare makes no module",
        ),
        (
            "einsum",
            "`self.dequant` is given the result of `f`, which is none of the GEMM ops: the output leaves",
        ),
    ],
)
def test_a_product_that_is_none_of_the_gemm_ops_is_not_moved_out(name: str, said: str) -> None:
    f, x = started()
    f.dequant(f.op("sigmoid", f.op(name, f.op("conv2d", x), written="f")))
    (found,) = judge("QAT401", trace_of(f))
    assert found.message.startswith(said)
    assert found.fix is None and found.no_fix


def test_the_message_names_the_gemm_op_and_not_what_fuses_with_it() -> None:
    f, x = started()
    head = f.op("conv2d", x, written="self.head")
    f.dequant(f.op("sigmoid", f.op("add", head, x, written="+"), written=".sigmoid()"))
    (found,) = judge("QAT401", trace_of(f))
    assert found.message.startswith("`.sigmoid()` stands between `self.head` and `self.dequant`")


def test_a_model_in_which_it_is_right_silences_the_others() -> None:
    good, x = started()
    good.dequant(good.op("conv2d", good.op("sigmoid", x)))
    assert len(good.ops) == len(sigmoid_head().ops)
    assert judge("QAT401", trace_of(sigmoid_head(), good)) == []
    assert len(judge("QAT401", trace_of(sigmoid_head(), sigmoid_head()))) == 1


def test_a_stub_of_training_is_not_deployed() -> None:
    f, x = started()
    f.dequant(f.op("sigmoid", f.op("conv2d", x)), when=TRAIN)
    assert judge("QAT401", trace_of(f)) == []


# --- QAT303 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "severity"), [(False, "warning"), (True, "error")])
def test_a_quantised_tensor_needs_no_stub(scale: bool, severity: str) -> None:
    f, x = started()
    f.quant(f.op("conv2d", x), scale=scale)
    (found,) = judge("QAT303", trace_of(f))
    assert found.severity.label == severity and found.fix is not None


def test_a_tensor_that_may_be_float_needs_one() -> None:
    for quant in (Quant.FLOAT, Quant.UNKNOWN, Quant.PLAIN):
        f, x = started()
        f.quant(f.op("conv2d", x, gives=quant))
        assert judge("QAT303", trace_of(f)) == []


def test_inputs_that_are_only_taken_for_quantised_do_not_count() -> None:
    f = Forward(assumed=True)
    x = f.input(Quant.QUANTIZED)
    f.quant(x)
    f.quant(f.op("sigmoid", x))
    assert judge("QAT303", trace_of(f)) == []
    f.quant(f.op("sigmoid", f.quant(f.input())))
    assert len(judge("QAT303", trace_of(f))) == 1


# --- QAT304 ---------------------------------------------------------------------------------------------------


def test_a_dequant_in_one_mode_whose_result_goes_on_in_both() -> None:
    f, x = started()
    y = f.op("conv2d", x)
    z = f.dequant(y, when=EVAL)
    f.give(QuantState(Quant.UNKNOWN, made_by=(*y.made_by, *z.made_by)))
    (found,) = judge("QAT304", trace_of(f))
    assert "runs in evaluation only" in found.message


def test_a_mode_that_leaves_the_stub_out() -> None:
    f, x = started()
    y = f.op("conv2d", x)
    f.give(f.dequant(y, when=EVAL), EVAL)
    f.op("", y, when=TRAIN, written="self.loss")
    assert len(judge("QAT304", trace_of(f))) == 1


def test_a_branch_of_one_mode_with_all_it_needs_is_none() -> None:
    f, x = started()
    y = f.op("conv2d", x)
    f.give(f.dequant(y))
    f.give(f.dequant(f.op("conv2d", y, when=TRAIN), when=TRAIN), TRAIN)
    f.give(f.op("conv2d", f.quant(f.input(), when=TRAIN), when=TRAIN), TRAIN)
    assert judge("QAT304", trace_of(f)) == []


def test_both_modes_have_a_stub() -> None:
    f, x = started()
    y = f.op("conv2d", x)
    f.give(f.dequant(y, when=EVAL), EVAL)
    f.give(f.dequant(y, when=TRAIN), TRAIN)
    assert judge("QAT304", trace_of(f)) == []


def test_one_return_is_quantised_and_another_is_not() -> None:
    for quantised_first in (True, False):
        f, x = started()
        y = f.op("conv2d", x)
        one, other = literal(5), literal(5, False)
        if quantised_first:
            f.give(y, one)
            f.give(f.dequant(y, when=other), other)
        else:
            f.give(f.dequant(y, when=other), other)
            f.give(y, one)
        (found,) = judge("QAT304", trace_of(f))
        assert found.severity.label == "warning"


def test_two_results_of_one_return_are_no_two_paths() -> None:
    f, x = started()
    y = f.op("conv2d", x)
    f.give(y)
    f.give(f.dequant(y))
    assert judge("QAT304", trace_of(f)) == []
