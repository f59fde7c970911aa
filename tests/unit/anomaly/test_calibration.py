"""From scores of normal parts to a threshold, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.anomaly.calibration import choose_threshold, num_needed, p_value, rate_interval

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


@pytest.mark.parametrize("overkill", [0.01, 0.05])
def test_the_promise_holds_on_at_least_93_of_100_random_splits(overkill: float) -> None:
    """The rate on 400 other normal parts lies within the stated interval, whatever the scores' distribution."""
    rng = np.random.default_rng(7)
    kept = 0
    for _ in range(100):
        scores = rng.lognormal(sigma=1.5, size=800)
        threshold = choose_threshold(scores[:400], overkill)
        low, high = threshold.rate_interval(400)
        kept += low <= (scores[400:] >= threshold.value).mean() <= high
    assert kept >= 93


def test_the_mean_rate_is_at_most_the_overkill_asked_for() -> None:
    rng = np.random.default_rng(8)
    rates = []
    for _ in range(2000):
        scores = rng.normal(size=300)
        rates.append((scores[150:] >= choose_threshold(scores[:150], 0.03).value).mean())
    assert np.mean(rates) == pytest.approx(4 / 151, abs=0.002)


def test_too_few_normals_say_how_many_are_needed() -> None:
    threshold = choose_threshold(np.arange(1.0, 31.0), 0.01)
    assert not threshold.is_promised and threshold.value > 30
    assert "99 needed" in threshold.sentence()
    assert num_needed(0.05) == 19
    assert choose_threshold(np.arange(99.0), 0.01).is_promised


def test_the_interval_is_that_of_the_order_statistic() -> None:
    rng = np.random.default_rng(9)
    uniform = np.sort(rng.random((20_000, 50)), axis=1)[:, ::-1]
    above = 1 - uniform[:, 2]  # the share of all parts above the third highest of 50
    assert rate_interval(50, 2) == pytest.approx(np.quantile(above, [0.025, 0.975]), abs=0.003)


def test_p_values_of_normal_parts_are_even() -> None:
    rng = np.random.default_rng(10)
    scores = rng.gamma(2.0, size=(3000, 20))
    values = np.array([p_value(row[0], row[1:]) for row in scores])
    assert np.mean(values <= 0.25) == pytest.approx(0.25, abs=0.03)
