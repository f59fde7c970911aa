"""Normal images that come in series are noticed by their names, and what is stated of the threshold is true of them."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.anomaly.calibration import choose_threshold, share_interval
from anomdet.anomaly.fit import Calibration, Collected
from anomdet.anomaly.series import find_series, name_orders

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

LIGHTS = 4


def in_series(rng: np.random.Generator, num: int, size: int, alike: float) -> np.ndarray:
    """``(num, size)`` rows, each with the same correlation to the other ones of its series of ``LIGHTS``."""
    own, common = rng.normal(size=(num, size)), rng.normal(size=(-(-num // LIGHTS), size))
    return np.sqrt(1 - alike) * own + np.sqrt(alike) * common.repeat(LIGHTS, axis=0)[:num]


def names_by_light(num: int) -> list[str]:
    """Each part once by each light, which stands first in the name: as files are listed, neighbours are other parts."""
    return [f"light{at % LIGHTS}_frame{10 * at}.png" for at in range(num)]


def test_names_are_ordered_by_each_of_their_numbers_as_numbers() -> None:
    orders = name_orders(["cam2/a10.png", "cam1/a9.png", "cam10/a8.png", "cam1/a10.png"])
    assert [order.tolist() for order in orders.values()] == [[1, 3, 0, 2], [2, 1, 3, 0], [1, 3, 0, 2]]
    assert [order.tolist() for order in name_orders(["b.png", "a1.png", ""]).values()] == [[2, 1, 0]]


def test_independent_images_are_not_taken_for_series() -> None:
    rng = np.random.default_rng(1)
    found = [find_series(names_by_light(120), rng.normal(size=(120, 30)) * np.arange(30)) for _ in range(300)]
    assert sum(series is not None for series in found) <= 2


def test_parts_by_several_lights_are_found_however_the_files_are_listed() -> None:
    rng = np.random.default_rng(2)
    names, rows = names_by_light(120), in_series(rng, 120, 30, 0.7)
    mixed = rng.permutation(120)
    series = find_series([names[at] for at in mixed], rows[mixed].astype(np.float32))
    assert series is not None and series.by == "the last number of the names" and 1 <= series.reach <= 3
    assert mixed[series.order].tolist() == list(range(120))
    away = [np.abs(np.subtract.outer(series.order.argsort(), series.order.argsort()))]
    inside = series.inside()
    for at in range(120):
        block = series.blocks()[0 if inside[at] else 1]
        assert (block[(away[0][at] <= series.reach)] == block[at]).all(), "no neighbour is judged by"


def test_images_that_are_all_the_same_are_no_series() -> None:
    assert find_series(names_by_light(40), np.ones((40, 5), np.float32)) is None
    assert find_series(["a", "b"], np.eye(2, dtype=np.float32)) is None


@pytest.mark.parametrize("overkill", [0.01, 0.05])
def test_the_stated_interval_holds_for_series_and_would_not_by_their_number(overkill: float) -> None:
    rng = np.random.default_rng(3)
    held = {"stated": 0, "as independent": 0}
    for _ in range(100):
        rows, others = (np.exp(in_series(rng, 400, 1, 0.9)[:, 0]) for _ in range(2))
        descriptions = in_series(rng, 400, 20, 0.9).astype(np.float32)
        series = find_series(names_by_light(400), descriptions)
        assert series is not None
        for name, worth in (("stated", series.num_effective(rows)), ("as independent", None)):
            threshold = choose_threshold(rows, overkill, worth)
            low, high = threshold.rate_interval(400)
            held[name] += low <= (others >= threshold.value).mean() <= high
    assert held["stated"] >= 93 > held["as independent"]


def test_too_few_parts_for_a_promise_are_said_to_be_too_few() -> None:
    threshold = choose_threshold(np.arange(200.0), 0.01, 50)
    assert not threshold.is_promised and threshold.num_above == 1
    assert "of the same series (95 % confidence, 200 normal parts, which count as about 50)" in threshold.sentence()
    assert "too few to promise 1 %, for which 99 are needed" in threshold.sentence()
    assert choose_threshold(np.arange(200.0), 0.01, 120).is_promised


def calibrated(method: str, alike: float) -> tuple[Calibration, list[np.ndarray]]:
    """Of 160 images of parts by several lights, and the maps of as many of other parts."""
    rng = np.random.default_rng(4)
    fine, coarse = in_series(rng, 320, 4 * 4 * 6, alike), in_series(rng, 320, 2 * 2 * 10, alike)
    maps = [
        [one.reshape(4, 4, 6).astype(np.float32), two.reshape(2, 2, 10).astype(np.float32)]
        for one, two in zip(fine, coarse, strict=True)
    ]
    collected = Collected(memory=100, method=method)
    names = names_by_light(160)
    for at in rng.permutation(160).tolist():
        collected.add(maps[at], at, names[at])
    model, calibration = collected.fit()
    judged = [model.judge(pair) for pair in maps[160:]]
    return calibration, np.array([calibration.mixture.score(one.whole, one.part) for one in judged])


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_how_a_new_series_fares_is_measured_without_the_neighbours(method: str) -> None:
    calibration, new = calibrated(method, 0.9)
    assert calibration.series is not None and calibration.part_scores_apart is not None
    threshold = choose_threshold(calibration.part_scores, 0.05, calibration.num_effective)
    apart = calibration.part_scores_apart
    share, worth = float((apart >= threshold.value).mean()), calibration.series.num_effective(apart)
    low, high = share_interval(share, worth)
    assert low - 0.05 <= (new >= threshold.value).mean() <= high + 0.05
    assert share > 0.2, "far above the 5 % that hold for the same series"
    assert "come in series" in (said := calibration.series_sentence(threshold)) and f"about {100 * share:.2g} %" in said


def test_independent_images_lose_nothing() -> None:
    calibration, _ = calibrated("padim", 0.0)
    assert calibration.series is None and calibration.scores_apart is None
    assert calibration.num_effective == 160
