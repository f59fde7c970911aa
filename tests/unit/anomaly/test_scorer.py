"""The whole of it on made-up features: fit, judge, store, calibrate, place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from anomdet.anomalies import AnomalyInfo
from anomdet.anomaly.calibration import choose_threshold
from anomdet.anomaly.fit import Calibration, Collected
from anomdet.anomaly.normal_model import NormalModel
from anomdet.anomaly.scorer import Scorer, scorer_of

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

CELLS, COARSE = (8, 8, 6), (4, 4, 10)


def maps(seed: int, defect: float = 0.0) -> list[np.ndarray]:
    """Two layers of an image; a defect raises one channel of some cells at the lower right."""
    rng = np.random.default_rng(seed)
    fine, coarse = (rng.normal(size=shape).astype(np.float32) for shape in (CELLS, COARSE))
    fine[5:7, 5:8, 2] += defect
    coarse[2:, 2:, 3] += defect
    return [fine, coarse]


def fitted(method: str, count: int = 80) -> tuple[NormalModel, Calibration]:
    collected = Collected(memory=300, method=method, seed=1)
    for seed in range(count):
        collected.add(maps(seed), seed // 2)
    return collected.fit()


def scorer(method: str) -> Scorer:
    model, calibration = fitted(method)
    threshold = choose_threshold(calibration.scores, 0.05)
    cells = choose_threshold(calibration.cell, 0.05)
    mixture = calibration.mixture
    info = AnomalyInfo(
        "made_up", (1, 2), 64, method, mixture.centres, mixture.weights, threshold.value, cells.value, 0.05, 80, 3
    )
    return Scorer(info, model, calibration.scores, lambda images: [maps(int(image[0, 0, 0])) for image in images])


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_a_defect_is_found_where_it_is(method: str) -> None:
    anomaly = scorer(method).of_maps(maps(500, defect=8.0), (80, 160))
    assert anomaly.is_unknown and anomaly.p_value == pytest.approx(1 / 81)
    x1, y1, x2, y2 = anomaly.regions[0].bbox_xyxy
    assert x1 <= 110 < x2 and y1 <= 55 < y2, "the centre of the defect, in pixels of the image"


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_normal_images_are_accepted_as_often_as_promised(method: str) -> None:
    judge = scorer(method)
    rejected = sum(judge.of_maps(maps(1000 + seed), (80, 80)).is_unknown for seed in range(200))
    assert rejected <= 24, "5 %, with the uncertainty of 80 and of 200 images"


def test_a_normal_image_that_the_model_holds_is_not_how_it_is_calibrated() -> None:
    model, calibration = fitted("patchcore")
    own = [model.judge(maps(seed)).whole for seed in range(80)]
    assert max(own) < 0.5 * float(calibration.whole.min())


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_what_was_stored_gives_the_same_numbers(method: str) -> None:
    first = scorer(method)
    again = scorer_of(first.info, first.arrays(), first.features)
    for seed in range(5):
        one, other = first.of_maps(maps(seed, 2.0), (80, 80)), again.of_maps(maps(seed, 2.0), (80, 80))
        assert one == other


def test_a_file_without_an_array_or_with_one_that_is_no_number_is_refused() -> None:
    first = scorer("patchcore")
    arrays: dict[str, Any] = first.arrays()
    with pytest.raises(KeyError):
        scorer_of(first.info, {key: value for key, value in arrays.items() if key != "part.memory"}, first.features)
    arrays["part.memory"] = arrays["part.memory"] * np.nan
    with pytest.raises(ValueError, match=r"part\.memory"):
        scorer_of(first.info, arrays, first.features)


def test_the_same_images_give_the_same_model() -> None:
    one, other = fitted("patchcore")[0].arrays(), fitted("patchcore")[0].arrays()
    assert all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_a_part_that_several_images_show_has_their_highest_score(method: str) -> None:
    """And none of its images is in the model that judges it: two equal ones are as far as one alone."""
    _, calibration = fitted(method)
    assert len(calibration.part_scores) == 40
    assert calibration.part_scores[3] == calibration.scores[calibration.groups == 3].max()
    twice = Collected(memory=300, method=method, seed=1)
    for seed in range(80):
        twice.add(maps(seed // 2), seed // 2)
    assert twice.fit()[1].whole.min() > 0.5 * np.median(calibration.whole)


@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_normal_images_that_are_all_the_same(method: str) -> None:
    """A black frame, or one image a hundred times: no cell lies at any distance from the others' model."""
    black = np.zeros((8, 8, 6), np.float32)
    collected = Collected(memory=50, method=method)
    for at in range(12):
        collected.add([black, black], at, f"{at}.png")
    model, calibration = collected.fit()
    threshold = choose_threshold(calibration.part_scores, 0.01)
    cell = choose_threshold(calibration.cell, 0.01).value
    centres, weights = calibration.mixture.centres, calibration.mixture.weights
    counts = (threshold.num_normals, threshold.num_above)
    info = AnomalyInfo("x", (1,), 64, method, centres, weights, threshold.value, cell, 0.01, *counts)  # type: ignore[arg-type]
    scorer = Scorer(info, model, calibration.part_scores, lambda _: [])
    assert not scorer.of_maps([black, black], (80, 80)).is_unknown
    other = black.copy()
    other[2:4, 2:4] = 3.0
    assert scorer.of_maps([other, other], (80, 80)).regions
