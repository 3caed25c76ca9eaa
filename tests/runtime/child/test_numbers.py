"""Errors of a format over tensors, against the manual's tuning example and against torch's own arithmetic."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from qatlint.runtime.child import numbers as own  # noqa: E402
from qatlint.runtime.child.numbers import Error, Spread, add, best_parts, extent, floating  # noqa: E402
from qatlint.runtime.scales import INT8, INT16, Extent, measured_scale, sqnr  # noqa: E402


def divisors() -> Tensor:
    """Those of the sine embedding: 1 to 8660, evenly spread in their logarithm."""
    steps = torch.arange(128, dtype=torch.float32)
    numbers: Tensor = 10000 ** (2 * (steps // 2) / 128)
    return numbers


def test_the_two_calls_of_the_manuals_div() -> None:
    """One scale of 0.0446799 holds the call within 4.6 and cuts off the one that reaches 6.28."""
    scale = 0.0446799
    assert 128 * scale == pytest.approx(5.719, abs=1e-3)
    fits, clipped = Error(INT8, scale), Error(INT8, scale)
    add([fits], [torch.linspace(0.0002146, 4.5935526, 5000)])
    add([clipped], [torch.linspace(0.0, 6.2831225, 5000)])
    assert fits.clipped == 0
    assert fits.furthest <= scale / 2
    assert clipped.clipped / 5000 == pytest.approx(1 - 127.5 * scale / 6.2831225, abs=1e-3)
    assert clipped.furthest == pytest.approx(6.2831225 - 127 * scale, abs=1e-6)
    good, bad = sqnr(fits.signal, fits.noise), sqnr(clipped.signal, clipped.noise)
    assert good is not None and bad is not None and good - bad > 10


def test_the_row_of_the_manuals_divisors() -> None:
    """Scale, MSE, SQNR and the relative error that its table prints for `dim_t_quant` in int16."""
    table = divisors()
    seen = extent([table])
    scale = measured_scale(seen.high, INT16)
    error = Error(INT16, scale)
    add([error], [table])
    assert scale == pytest.approx(0.2642754, abs=1e-7)
    assert error.noise / 128 == pytest.approx(0.0058058, abs=1e-5)
    assert sqnr(error.signal, error.noise) == pytest.approx(89.0683746, abs=0.01)
    assert error.relative == pytest.approx(0.0845878, abs=1e-6)
    assert error.clipped == 0
    assert 32767 * scale == pytest.approx(8659.51, abs=0.01)


def test_the_manuals_cut_of_the_divisors_is_near_the_best() -> None:
    parts = best_parts(divisors(), INT16)
    assert parts is not None
    assert (parts.at, parts.size) == (44, 128)
    assert parts.near[0] <= 32 <= parts.near[1]
    assert parts.parts - parts.whole > 50


def test_a_cut_first_saves_the_divisors_that_would_become_zero() -> None:
    parts = best_parts(divisors(), INT8)
    assert parts is not None
    vanish = int((divisors() <= 8659.6435546875 / 255).sum())
    assert parts.zeros == (vanish, 0)


def test_no_cut_is_better_than_the_one_that_is_given() -> None:
    """All cuts of a table that is not sorted, in both dimensions, tried one by one."""
    table = torch.tensor([[3.0, 900.0, 5.0, 7.0], [2.0, 800.0, 4.0, 90.0]])

    def noise(part: Tensor) -> float:
        half = part.max().item() / (INT16.high - INT16.low)
        return float(sum((1 / (d - half) - 1 / d) ** 2 for d in part.double().flatten().tolist()))

    cuts = {
        (dim, at): noise(table.narrow(dim, 0, at)) + noise(table.narrow(dim, at, size - at))
        for dim, size in enumerate(table.shape)
        for at in range(1, size)
    }
    parts = best_parts(table, INT16)
    assert parts is not None
    assert (parts.dim, parts.at) == min(cuts, key=lambda cut: cuts[cut])


@pytest.mark.parametrize(
    "table", [torch.tensor(3.0), torch.tensor([2.0]), torch.zeros(4), torch.tensor([1.0, math.inf])]
)
def test_what_cannot_be_cut(table: Tensor) -> None:
    assert best_parts(table, INT8) is None


def test_errors_are_those_of_torchs_fake_quantisation() -> None:
    values = torch.randn(10000, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    scale = measured_scale(2.0, INT8)  # many are cut off
    expected = torch.fake_quantize_per_tensor_affine(values.float(), scale, 0, -128, 127).double() - values
    error = Error(INT8, scale)
    add([error], [values])
    assert error.noise == pytest.approx(expected.square().sum().item(), rel=1e-6)
    outside = (values > 127.5 * scale) | (values < -128.5 * scale)
    assert error.clipped == int(outside.sum()) > 0


def test_the_largest_number_is_not_called_clipped_by_its_own_scale() -> None:
    for reach in (0.1, 1 / 3, 6.2831225, 8659.6435547, 1e-30):
        for form in (INT8, INT16):
            error = Error(form, measured_scale(reach, form))
            add([error], [torch.tensor([reach, -reach, reach / 2], dtype=torch.float64)])
            assert error.clipped == 0


def test_pieces_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(1001, generator=torch.Generator().manual_seed(2))

    def figures() -> tuple[object, ...]:
        error, spread = Error(INT8, 0.02), Spread(-4.0, 4.0)
        add([error], [values])
        spread.add([values])
        return (
            extent([values]),
            error.clipped,
            error.furthest,
            error.relative,
            spread.uniformity,
            round(error.noise, 9),
        )

    whole = figures()
    monkeypatch.setattr(own, "_PIECE", 7)
    assert figures() == whole


def test_nan_and_infinities_are_left_out_and_counted() -> None:
    values = torch.tensor([1.0, math.nan, -2.0, math.inf, -math.inf])
    assert extent([values]) == Extent(2, -2.0, 1.0, odd=3)
    error = Error(INT8, measured_scale(2.0, INT8))
    add([error], [values])
    assert error.signal == 5.0
    assert math.isfinite(error.noise)


def test_half_precision_sums_do_not_overflow() -> None:
    values = torch.full((100,), 60000.0, dtype=torch.float16)
    error = Error(INT8, measured_scale(60000.0, INT8))
    add([error], [values])
    assert error.signal == pytest.approx(100 * 60000.0**2)


def test_a_scale_of_zero_turns_everything_to_zero() -> None:
    error = Error(INT8, 0.0)
    add([error], [torch.tensor([0.0, 3.0])])
    assert (error.noise, error.clipped, error.vanished) == (9.0, 0, 1)


def test_only_real_numbers_are_measured() -> None:
    kept = torch.ones(2)
    others = [
        torch.ones(2, dtype=torch.int64),
        torch.ones(2, dtype=torch.bool),
        torch.ones(2, dtype=torch.complex64),
    ]
    assert [id(t) for t in floating([*others, kept, kept.to_sparse()])] == [id(kept)]


def test_uniformity_tells_even_from_crowded() -> None:
    def uniformity(values: Tensor) -> float:
        spread = Spread(values.min().item(), values.max().item())
        spread.add([values])
        assert spread.uniformity is not None
        return spread.uniformity

    assert uniformity(torch.linspace(-3, 5, 10000)) > 0.99
    assert uniformity(divisors()) == pytest.approx(0.35, abs=0.01)
    assert uniformity(torch.cat([torch.zeros(9999), torch.ones(1)])) < 0.01
    single = Spread(2.0, 2.0)
    single.add([torch.tensor([2.0])])
    assert single.uniformity is None
