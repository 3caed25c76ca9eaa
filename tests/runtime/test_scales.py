"""Scales and what they cover, against the figures that the manual's tuning example prints."""

from __future__ import annotations

import math

import pytest

from qatlint.runtime.scales import (
    AVERAGE,
    EXACT,
    INT8,
    INT16,
    MINMAX,
    Extent,
    Format,
    Seen,
    fixed_scale,
    limit_of,
    measured_scale,
    reach,
    sqnr,
)


@pytest.mark.parametrize(
    "low, high, form, printed",
    [(-99.0, 0.9999269, INT8, 0.7764707), (1.0, 8659.6435547, INT16, 0.2642754)],
)
def test_an_observer_gives_the_scales_that_the_manual_prints(
    low: float, high: float, form: Format, printed: float
) -> None:
    scale = measured_scale(reach([Seen(Extent(8, low, high))], MINMAX), form)
    assert scale == pytest.approx(printed, rel=2e-7)


def test_the_fixed_scale_of_reference_points_is_the_manuals() -> None:
    assert fixed_scale(reach([Seen(Extent(2, -100.0, 1.0))], MINMAX), INT16) == 100 / 32768
    assert fixed_scale(100.0, INT8) == 100 / 128


def test_a_moving_average_settles_at_the_mean_of_the_lows_and_of_the_highs() -> None:
    first, second = Extent(4, -1.0, 6.0), Extent(4, -3.0, 2.0)
    for seen in ([Seen(first, second)], [Seen(first), Seen(second)]):
        assert reach(seen, AVERAGE) == 4.0
        assert reach(seen, MINMAX) == 6.0
    # Each forward counts once, whichever call it was.
    assert reach([Seen(first, first, first), Seen(second)], AVERAGE) == 5.0
    # The side of zero that a tensor does not reach counts as 0, not as its nearest number.
    assert reach([Seen(Extent(4, 2.0, 4.0), Extent(4, -6.0, -5.0))], AVERAGE) == 3.0


def test_tensors_without_numbers_do_not_pull_the_mean_down() -> None:
    assert reach([Seen(Extent(0, 0.0, 0.0, odd=3), Extent(1, 0.0, 2.0))], AVERAGE) == 2.0
    assert reach([], AVERAGE) == 0.0


def test_sqnr_without_noise_or_signal() -> None:
    assert sqnr(100.0, 1.0) == 20.0
    assert sqnr(1.0, 0.0) == EXACT
    assert sqnr(0.0, 0.0) is None
    assert sqnr(math.inf, 1.0) is None


@pytest.mark.parametrize(
    "seen, limit",
    [
        (99.0, 100.0),
        (0.9999269, 1.0),
        (0.0099, 0.01),
        (1.0, 1.0),
        (100.0, 100.0),
        (6.2831853, 6.2831853),
        (97.0, 97.0),
        (0.0, 0.0),
    ],
)
def test_a_round_limit_that_is_close_is_taken(seen: float, limit: float) -> None:
    assert limit_of(seen) == limit


def test_a_limit_never_lies_inside_the_range() -> None:
    for step in range(1, 4000):
        seen = 1.0037**step * 1e-3
        assert seen <= limit_of(seen) <= seen * 1.02 or math.isclose(limit_of(seen), seen)


def test_two_runs_are_alike_but_for_the_last_bits() -> None:
    first = Seen(Extent(4, -1.0, 6.0), Extent(4, -3.0, 2.0))
    assert first.is_like(Seen(Extent(4, -1.0000001, 6.0), Extent(4, -3.0, 2.0)))
    assert not first.is_like(Seen(Extent(4, -1.1, 6.0), Extent(4, -3.0, 2.0)))
    assert not first.is_like(Seen(Extent(4, -1.0, 6.0)))
    assert not first.is_like(Seen(Extent(4, -1.0, 6.0), Extent(3, -3.0, 2.0, odd=1)))
    assert Seen().is_like(Seen())
