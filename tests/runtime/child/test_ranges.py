"""What sharing costs, measured on models that run."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402
from torch.ao.nn.quantized import FloatFunctional  # noqa: E402
from torch.ao.quantization import DeQuantStub, QuantStub  # noqa: E402

from qatlint.runtime.child.ranges import measure  # noqa: E402
from qatlint.runtime.quantities import Origin  # noqa: E402
from qatlint.runtime.ranges import Report, SharedModule, Verdict, evidence, report_of  # noqa: E402
from qatlint.runtime.scales import AVERAGE, MINMAX, reach_of  # noqa: E402
from tests.runtime.child.models import Forward  # noqa: E402


def measured(
    model: nn.Module,
    *samples: Any,
    observer: str = AVERAGE,
    form: str = "int8",
    scales: dict[str, float] | None = None,
) -> Report:
    """The report on a model; each sample is the arguments of one forward."""
    given: list[tuple[Any, dict[str, Any]]] = [
        (sample if isinstance(sample, tuple) else (sample,), {}) for sample in samples
    ]
    reaches = {path: reach_of(scale, form) for path, scale in (scales or {}).items()}
    answer = json.loads(json.dumps(measure(model, given, 0, observer, reaches)))
    return report_of({"backend": "reference", "torch": "2", **answer}, observer, form)


def of(report: Report, path: str) -> SharedModule:
    """The module with this path."""
    return next(module for module in report.modules if module.path == path)


class Scaled(nn.Module):
    """Multiplies by each of some factors in turn, always with the same FloatFunctional."""

    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.factors = factors
        self.quant = QuantStub()
        self.mul = FloatFunctional()

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.quant(x)
        return [self.mul.mul(x, torch.full_like(x, factor)) for factor in self.factors]


RAMP = torch.linspace(0, 1, 4000)


def test_the_manuals_judgement_of_its_shared_div() -> None:
    """Eight calls with one scale of 0.0446799: the call within 4.6 is fine, the one that reaches 6.28 is cut off
    at 5.72. The six calls that the manual does not show are such that the mean is what it shows."""
    others = (127.5 * 0.0446799 * 8 - 4.5935526 - 6.2831225) / 6
    report = measured(Scaled(4.5935526, 6.2831225, *[others] * 6), RAMP)
    module = of(report, "mul")
    assert len(module.calls) == 8
    scale = module.scale("int8")
    assert scale == pytest.approx(0.0446799, abs=1e-7)
    assert 128 * scale == pytest.approx(5.719, abs=1e-3)
    fits, clipped = module.calls[:2]
    assert fits.high == pytest.approx(4.5935526, abs=1e-6)
    assert clipped.high == pytest.approx(6.2831225, abs=1e-6)
    assert fits.together["int8"].clipped == 0
    assert clipped.together["int8"].clipped == pytest.approx(1 - 127.5 * scale / 6.2831225, abs=1e-3)
    assert fits.loss("int8") < 3 < 10 < clipped.loss("int8")
    assert module.verdict("int8") is Verdict.SPLIT


@pytest.mark.parametrize("form", ["int8", "int16"])
def test_a_scale_that_is_known_is_judged_instead(form: str) -> None:
    """The manual shows two of the eight calls and the scale: the judgement needs no more."""
    scale = {"int8": 0.0446799, "int16": 0.0446799 / 257}[form]
    report = measured(Scaled(4.5935526, 6.2831225), RAMP, form=form, scales={"mul": scale})
    module = of(report, "mul")
    assert module.scale(form) == pytest.approx(scale)
    assert 127.5 * module.scale("int8") == pytest.approx(5.6967, abs=1e-3)
    fits, clipped = module.calls
    assert fits.together[form].clipped == 0
    assert clipped.together[form].clipped == pytest.approx(1 - 5.6967 / 6.2831225, abs=1e-3)
    assert fits.loss("int8") < 3 < 10 < clipped.loss("int8")
    # What a split gives is not what was given.
    (cure,) = module.cures
    assert cure.gain["int8"] == pytest.approx(clipped.loss("int8"))
    assert report.notes == ("`mul` is judged by the scale that was given",)


def test_a_scale_for_what_is_not_shared_is_told() -> None:
    report = measured(Scaled(2.0), RAMP, scales={"mul": 0.1})
    assert report.modules == ()
    assert report.notes == ("a scale was given for `mul`, which is no shared module with a scale of its own",)


def test_the_manuals_reference_points() -> None:
    """A range of -100 to 1 wants a fixed scale of 100 / 32768."""
    points = torch.linspace(-100, 1, 5000)
    report = measured(Forward(lambda m, x: m.quant(x), quant=QuantStub()), points)
    (quantity,) = report.quantities
    assert (quantity.name, quantity.origin, quantity.limit) == ("quant", Origin.INPUT, 100.0)
    assert quantity.errors["int16"].scale == 100 / 32768
    assert quantity.errors["int16"].clipped == 0
    assert quantity.errors["int8"].scale == 100 / 128
    assert quantity.errors["int16"].furthest <= 50 / 32768 < quantity.errors["int8"].furthest
    assert quantity.uniformity is not None and quantity.uniformity > 0.99
    seen = measured(Forward(lambda m, x: m.quant(x), quant=QuantStub()), points.clamp(-99, 1)).quantities[0]
    assert seen.limit == 100.0, "samples rarely meet the limit itself"


def test_calls_of_one_range_may_stay() -> None:
    module = of(measured(Scaled(2.0, 2.0, 2.0), RAMP), "mul")
    assert module.verdict("int8") is Verdict.STAY
    assert module.loss("int8") == 0.0
    assert all(call.alone == call.together for call in module.calls)


def test_with_the_widest_range_nothing_is_clipped_and_the_small_call_loses() -> None:
    module = of(measured(Scaled(1.0, 100.0), RAMP, observer=MINMAX), "mul")
    small, large = module.calls
    assert module.scale("int8") == pytest.approx(100 / 127.5)
    assert [call.together["int8"].clipped for call in module.calls] == [0, 0]
    assert large.loss("int8") == 0
    assert small.loss("int8") > 30


def test_samples_are_pooled_call_by_call() -> None:
    report = measured(Scaled(1.0, 3.0), RAMP, 2 * RAMP)
    first, second = of(report, "mul").calls
    assert (first.samples, first.numbers, first.high) == (2, 8000, 2.0)
    assert second.high == 6.0
    assert first.alone["int8"].scale == pytest.approx(1.5 / 127.5)  # the mean of 1 and 2
    assert of(report, "mul").scale("int8") == pytest.approx(3 / 127.5)  # of 1, 2, 3 and 6


def test_a_loss_that_leaves_enough_is_no_reason_to_split() -> None:
    module = of(measured(Scaled(1.0, 4.0), RAMP, observer=MINMAX, form="int16"), "mul")
    assert module.loss("int16") > 10
    assert module.verdict("int16") is Verdict.STAY
    assert module.verdict("int8") is Verdict.SPLIT


def test_a_module_that_runs_in_some_samples_twice() -> None:
    model = Forward(
        lambda m, x: [m.act(m.quant(x) * i) for i in range(1, 2 + int(x.numel() > 4))],
        quant=QuantStub(),
        act=nn.Sigmoid(),
    )
    module = of(measured(model, RAMP[:4], RAMP), "act")
    assert [call.samples for call in module.calls] == [2, 1]


def test_results_that_hold_no_numbers_are_not_measured() -> None:
    model = Forward(lambda m, x: m.act(m.act(m.quant(x))), quant=QuantStub(), act=nn.Sigmoid())
    report = measured(model, torch.full((4,), float("nan")))
    assert not report.modules and not report.quantities
    assert report.notes == (
        "`act` gives nothing but NaN and infinities in call 1",
        "`act` gives nothing but NaN and infinities in call 2",
        "`quant` is given nothing but NaN and infinities, so it is left out",
    )


def test_nan_in_one_call_is_counted_and_left_out() -> None:
    x = torch.tensor([1.0, 2.0, float("inf")])
    call = of(measured(Scaled(1.0, 2.0), x), "mul").calls[0]
    assert (call.numbers, call.odd, call.high) == (2, 1, 2.0)


def test_a_call_that_gives_only_zeros_loses_nothing() -> None:
    report = measured(Scaled(0.0, 5.0), RAMP)
    zeros, _ = of(report, "mul").calls
    assert zeros.alone["int8"].sqnr is None
    assert zeros.loss("int8") == 0.0


# What is shared, and where a split helps.


class Embedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mul = FloatFunctional()

    def forward(self, x: Tensor, *factors: float) -> list[Tensor]:
        return [self.mul.mul(x, torch.full_like(x, factor)) for factor in factors]


class Outer(nn.Module):
    def __init__(self, *calls: tuple[float, ...]) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.embed = Embedding()
        self.calls = calls

    def forward(self, x: Tensor) -> list[Any]:
        x = self.quant(x)
        return [self.embed(x, *factors) for factors in self.calls]


def gains(report: Report, path: str) -> dict[tuple[str, str], float]:
    """(class, child) -> what a split there gives back in int8."""
    return {
        (report.edges[cure.edge].owner.rpartition(":")[2], report.edges[cure.edge].subjects[0]): cure.gain[
            "int8"
        ]
        for cure in of(report, path).cures
    }


def verdicts(report: Report) -> dict[tuple[str, str], Verdict]:
    return {
        (entry.edge.owner.rpartition(":")[2], entry.edge.subjects[0]): entry.verdict["int8"]
        for entry in evidence(report)
    }


def test_the_edge_that_is_to_blame_is_told_from_the_other() -> None:
    inner = measured(Outer((1.0, 40.0), (1.0, 40.0)), RAMP)
    assert gains(inner, "embed.mul")["Embedding", "mul"] > 10
    assert gains(inner, "embed.mul")["Outer", "embed"] == pytest.approx(0, abs=0.01)
    assert verdicts(inner) == {("Embedding", "mul"): Verdict.SPLIT, ("Outer", "embed"): Verdict.STAY}
    outer = measured(Outer((1.0, 1.0), (40.0, 40.0)), RAMP)
    assert verdicts(outer) == {("Embedding", "mul"): Verdict.STAY, ("Outer", "embed"): Verdict.SPLIT}


def test_an_edge_that_helps_only_with_another_is_not_called_harmless() -> None:
    """Every pair of calls that one split leaves together has another range."""
    report = measured(Outer((1.0, 40.0), (40.0, 1.0)), RAMP)
    assert max(gains(report, "embed.mul").values()) < 1
    assert set(verdicts(report).values()) == {Verdict.LOOK}


def test_what_is_left_after_a_split_is_said() -> None:
    (cure,) = of(measured(Scaled(1.0, 40.0), RAMP), "mul").cures
    assert cure.left["int8"] == 0
    assert [place.function.partition(".<locals>")[0] for place in cure.places] == ["Scaled.forward"]


def test_a_module_handed_to_a_child_belongs_to_who_holds_it() -> None:
    class Child(nn.Module):
        def forward(self, act: nn.Module, x: Tensor) -> Tensor:
            y: Tensor = act(act(x) * 20)
            return y

    class Owner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.quant = QuantStub()
            self.act = nn.GELU()
            self.child = Child()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.child(self.act, self.quant(x))
            return y

    assert list(gains(measured(Owner(), RAMP), "act")) == [
        ("test_a_module_handed_to_a_child_belongs_to_who_holds_it.<locals>.Owner", "act")
    ]


def test_an_instance_under_two_names_is_one_edge_with_both() -> None:
    act = nn.GELU()
    model = Forward(lambda m, x: m.b(m.a(m.quant(x)) * 30), quant=QuantStub(), a=act, b=act)
    (edge,) = measured(model, RAMP).edges
    assert edge.subjects == ("a", "b")


def test_one_instance_in_two_children_belongs_to_the_owner_of_both() -> None:
    act = nn.GELU()
    model = Forward(
        lambda m, x: m.b(m.a(m.quant(x)) * 30),
        quant=QuantStub(),
        a=Forward(lambda m, x: m.act(x), act=act),
        b=Forward(lambda m, x: m.act(x), act=act),
    )
    report = measured(model, RAMP)
    (edge,) = report.edges
    assert edge.subjects == ("a.act", "b.act")
    assert of(report, "a.act").verdict("int8") is Verdict.SPLIT


def test_a_function_in_a_shared_module_is_shared_with_it() -> None:
    block = Forward(lambda m, x, factor: x * factor)
    model = Forward(
        lambda m, x: [m.block(m.quant(x), torch.tensor(f)) for f in (1.0, 50.0)],
        quant=QuantStub(),
        block=block,
    )
    report = measured(model, RAMP)
    (module,) = (m for m in report.modules if m.generated)
    assert (module.path, module.computes) == ("block._generated_mul_0", "torch.Tensor.mul")
    assert module.verdict("int8") is Verdict.SPLIT
    assert list(gains(report, module.path)) == [("Forward", "block")]


def test_what_passes_the_scale_through_is_named_and_not_judged() -> None:
    model = Forward(lambda m, x: m.relu(m.relu(m.quant(x)) * 9), quant=QuantStub(), relu=nn.ReLU())
    report = measured(model, RAMP)
    assert not report.modules
    assert report.scaleless == (("relu", "torch.nn.modules.activation.ReLU", 2),)


def test_what_stands_outside_of_the_stubs_is_not_quantised() -> None:
    model = Forward(
        lambda m, x: m.act(m.dequant(m.quant(m.act(x)))),
        quant=QuantStub(),
        dequant=DeQuantStub(),
        act=nn.GELU(),
    )
    assert not measured(model, RAMP).modules


def test_a_model_without_stubs_is_taken_as_a_part_of_one() -> None:
    model = Forward(lambda m, x: m.act(m.act(x) * 30), act=nn.GELU())
    assert [module.path for module in measured(model, RAMP).modules] == ["act"]


def test_the_ways_to_the_calls_are_kept() -> None:
    model = Outer((1.0,), (2.0,))
    call = of(measured(model, RAMP), "embed.mul").calls[0]
    assert [place.function.partition(".<locals>")[0] for place in call.places] == [
        "Embedding.forward",
        "Outer.forward",
    ]


def test_a_container_is_no_step_of_its_own_on_the_way() -> None:
    model = Forward(
        lambda m, x: [m.act(m.quant(x) * f) for f in (1, 2)], quant=QuantStub(), act=nn.Sequential(nn.GELU())
    )
    (place,) = of(measured(model, RAMP), "act.0").calls[0].places
    assert place.path == __file__


# What enters the quantised region.


def test_constants_inputs_and_what_is_computed() -> None:
    def forward(m: Any, x: Tensor, y: Tensor) -> Any:
        return m.a(x.flatten()), m.b(torch.arange(9.0)), m.c(y * 2)

    model = Forward(forward, a=QuantStub(), b=QuantStub(), c=QuantStub())
    report = measured(model, (RAMP, RAMP))
    assert {q.name: q.origin for q in report.quantities} == {
        "a": Origin.INPUT,
        "b": Origin.CONSTANT,
        "c": Origin.COMPUTED,
    }


class Remembers(nn.Module):
    """Keeps what it was given for the next forward."""

    def __init__(self) -> None:
        super().__init__()
        self.quant = QuantStub()
        self.last = torch.ones(3)
        self.mul = FloatFunctional()

    def forward(self, x: Tensor) -> Tensor:
        last = self.quant(self.last)
        self.last = x.clone()
        y: Tensor = self.mul.mul(self.mul.mul(last, last), last)
        return y


def test_a_memory_is_no_constant_and_starts_anew_in_the_second_pass() -> None:
    report = measured(Remembers(), RAMP, 4 * RAMP, RAMP)
    assert report.quantities[0].origin is Origin.COMPUTED
    assert report.notes == ()


def test_a_model_that_does_not_repeat_itself_is_told() -> None:
    class Counts(nn.Module):
        runs = 0

        def __init__(self) -> None:
            super().__init__()
            self.act = nn.GELU()

        def forward(self, x: Tensor) -> Tensor:
            Counts.runs += 1
            y: Tensor = self.act(self.act(x) * Counts.runs)
            return y

    assert any("again" in note for note in measured(Counts(), RAMP).notes)


def test_buffers_start_anew_where_the_model_cannot_be_copied() -> None:
    class Stubborn(nn.Module):
        total: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(1))
            self.act = nn.GELU()

        def __deepcopy__(self, memo: Any) -> Any:
            raise TypeError("not me")

        def forward(self, x: Tensor) -> Tensor:
            self.total += x.sum()
            y: Tensor = self.act(self.act(x) + self.total)
            return y

    assert measured(Stubborn(), RAMP, RAMP).notes == ()


def table(count: int = 128) -> Tensor:
    numbers: Tensor = 10000 ** (2 * (torch.arange(float(count)) // 2) / count)
    return numbers


@pytest.mark.parametrize(
    "divide",
    [
        lambda m, x, d: x / d,
        lambda m, x, d: torch.div(x, d),
        lambda m, x, d: x.div(other=d),
        lambda m, x, d: x * (1.0 / d),
        lambda m, x, d: x * d.reciprocal(),
        lambda m, x, d: x / d[None, :].contiguous(),
    ],
)
def test_a_constant_divisor_is_found_in_every_spelling(divide: Any) -> None:
    model = Forward(
        lambda m, x: divide(m, m.quant(x)[:, None], m.table_quant(table())),
        quant=QuantStub(),
        table_quant=QuantStub(),
    )
    report = measured(model, RAMP)
    quantity = next(q for q in report.quantities if q.name == "table_quant")
    assert (quantity.origin, quantity.parts["int16"].at) == (Origin.CONSTANT, 44)
    assert quantity.parts["int16"].helps


def test_a_constant_divisor_without_a_stub_is_found_too() -> None:
    model = Forward(lambda m, x: m.quant(x)[:, None] / m.table, quant=QuantStub())
    model.register_buffer("table", table())
    quantity = next(q for q in measured(model, RAMP).quantities if not q.stub)
    assert (quantity.name, quantity.parts["int16"].at) == ("table", 44)


def test_a_divisor_that_depends_on_the_input_is_not_cut() -> None:
    model = Forward(lambda m, x: m.quant(x) / m.other(x + 1), quant=QuantStub(), other=QuantStub())
    assert all(not quantity.parts for quantity in measured(model, RAMP).quantities)


def test_a_single_number_needs_no_scale() -> None:
    model = Forward(lambda m, x: m.quant(x) / torch.tensor(8.0).sqrt(), quant=QuantStub())
    assert [q.name for q in measured(model, RAMP).quantities] == ["quant"]


@pytest.mark.parametrize(
    "draw", [lambda: torch.rand(4000), lambda: torch.ones(4000).exponential_(), lambda: torch.randperm(4000)]
)
def test_random_numbers_are_no_constants(draw: Any) -> None:
    """One sample cannot tell by their values."""
    model = Forward(
        lambda m, x: m.quant(x) / m.other(1e-4 + draw() ** 4), quant=QuantStub(), other=QuantStub()
    )
    quantity = next(q for q in measured(model, RAMP).quantities if q.name == "other")
    assert (quantity.origin, quantity.parts) == (Origin.COMPUTED, {})


def test_a_divisor_of_even_numbers_need_not_be_cut() -> None:
    model = Forward(
        lambda m, x: m.quant(x) / m.other(torch.linspace(5, 6, 4000)), quant=QuantStub(), other=QuantStub()
    )
    quantity = next(q for q in measured(model, RAMP).quantities if q.name == "other")
    assert quantity.parts and not any(parts.helps for parts in quantity.parts.values())


# Fused sequences: one scale, that of their last op.


class Head(nn.Module):
    """A block that several levels share."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.bn = nn.BatchNorm2d(2)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.relu(self.bn(self.conv(x)))
        return y


def each(module: nn.Module, x: Tensor) -> list[Tensor]:
    """Two calls of other ranges."""
    return [module(x * factor) for factor in (0.1, 9.0)]


PICTURE = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_shared_block_that_fuses_is_one_module_measured_at_its_end() -> None:
    model = Forward(lambda m, x: each(m.head, m.quant(x)), quant=QuantStub(), head=Head())
    report = measured(model, PICTURE)
    block = of(report, "head.conv")
    assert [m.path for m in report.modules] == ["head.conv"]
    assert block.computes == "ConvReLU2d"
    assert [call.low for call in block.calls] == [0.0, 0.0], "what the ReLU gives"
    assert list(gains(report, "head.conv")) == [("Forward", "head")]
    assert not report.scaleless


def test_a_shared_convolution_whose_calls_fuse_with_modules_of_their_own_shares_no_scale() -> None:
    model = Forward(
        lambda m, x: m.bn2(m.conv(m.bn1(m.conv(m.quant(x))) * 20)),
        quant=QuantStub(),
        conv=nn.Conv2d(2, 2, 1),
        bn1=nn.BatchNorm2d(2),
        bn2=nn.BatchNorm2d(2),
    )
    assert not measured(model, PICTURE).modules


def test_a_sequence_with_an_add_stands_where_the_add_is() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 1)
            self.add = FloatFunctional()

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.add.add(self.conv(x), x).relu()
            return y

    model = Forward(lambda m, x: each(m.block, m.quant(x)), quant=QuantStub(), block=Block())
    report = measured(model, PICTURE)
    assert [(m.path, m.computes) for m in report.modules] == [("block.add", "ConvAddReLU2d")]
    assert report.modules[0].calls[0].low == 0.0


def test_a_relu_that_is_shared_by_more_than_fuses_is_named_as_scaleless() -> None:
    model = Forward(
        lambda m, x: m.relu(m.b(m.relu(m.a(m.quant(x))))),
        quant=QuantStub(),
        a=nn.Conv2d(2, 2, 1),
        b=nn.Conv2d(2, 2, 1),
        relu=nn.ReLU(),
    )
    report = measured(model, PICTURE)
    assert not report.modules
    assert [(path, calls) for path, _, calls in report.scaleless] == [("relu", 2)]


def test_no_tensor_is_kept_until_the_next_sample() -> None:
    alive: list[weakref.ref[Tensor]] = []
    most: list[int] = []

    class Watched(Scaled):
        def forward(self, x: Tensor) -> list[Tensor]:
            gc.collect()
            most.append(sum(ref() is not None for ref in alive))
            out = super().forward(x)
            alive.extend(weakref.ref(tensor) for tensor in out)
            return out

    measured(Watched(1.0, 2.0, 3.0), *[RAMP] * 4)
    assert most == [0] * 8


class Stubs(nn.Module):
    """Gives each of some tensors to a stub of its own."""

    def __init__(self, make: Callable[[Tensor], list[Tensor]]) -> None:
        super().__init__()
        self.make = make
        self.stubs = nn.ModuleList(QuantStub() for _ in make(RAMP))

    def forward(self, x: Tensor) -> list[Tensor]:
        return [stub(tensor) for stub, tensor in zip(self.stubs, self.make(x), strict=True)]


def test_a_stub_that_is_given_nothing_to_measure_is_told() -> None:
    report = measured(Stubs(lambda x: [x * float("nan"), x[:0], torch.arange(4), x > 0, x]), RAMP, 2 * RAMP)
    assert [quantity.name for quantity in report.quantities] == ["stubs.4"]
    assert set(report.notes) == {
        "`stubs.0` is given nothing but NaN and infinities, so it is left out",
        "`stubs.1` is given nothing but empty tensors, so it is left out",
        "`stubs.2` is given int64: a QuantStub is for real numbers, so it is left out",
        "`stubs.3` is given bool: a QuantStub is for real numbers, so it is left out",
    }


def test_only_the_shape_of_an_input_makes_no_input_of_a_constant() -> None:
    def make(x: Tensor) -> list[Tensor]:
        table = torch.arange(len(x), dtype=torch.float64)
        filled = torch.zeros_like(x)
        filled[:2] = x[:2]
        return [
            torch.full_like(x, 3.0) + x.new_ones(1),
            table.to(x),
            table.type_as(x).expand_as(x),
            filled,
            torch.zeros_like(x) + x,
            x.new_tensor([1.0, 2.0]),
        ]

    origins = [quantity.origin for quantity in measured(Stubs(make), RAMP).quantities]
    assert origins == [*[Origin.CONSTANT] * 3, *[Origin.COMPUTED] * 2, Origin.CONSTANT]


def test_a_call_without_numbers_keeps_its_place() -> None:
    def forward(m: Any, x: Tensor) -> Any:
        x = m.quant(x)
        return [m.mul.mul(x[:0], x[:0]), m.mul.mul(x, x), m.mul.mul(x, x)]

    module = of(measured(Forward(forward, quant=QuantStub(), mul=FloatFunctional()), RAMP), "mul")
    assert ([call.number for call in module.calls], module.empty) == ([2, 3], 1)


def test_what_samples_has_no_scale_to_share() -> None:
    up = nn.Upsample(scale_factor=2)
    model = Forward(lambda m, x: m.up(100 * m.up(m.quant(x))), quant=QuantStub(), up=up)
    report = measured(model, torch.rand(1, 1, 4, 4))
    assert report.modules == ()
    assert [path for path, _, calls in report.scaleless] == ["up"]
