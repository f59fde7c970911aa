"""Which images are to be labelled next, and why."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.quality.review.features import image_features
from anomdet.quality.review.label_next import WEIGHTS, box_doubt, choose, class_need, thresholds_of, verdict_doubt

N = 8
ALIKE = np.zeros((N, 3))


def aspects(**given: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(given.get(name, [0.0] * N)) for name in ("boxes", "verdict", "classes")}


def apart() -> np.ndarray:
    return np.arange(N)


@pytest.mark.parametrize("name", ["boxes", "verdict", "classes"])
def test_each_aspect_brings_an_image_to_the_front_and_is_its_reason(name: str) -> None:
    values = [0.1] * N
    values[5] = 1.0
    (choice,) = choose(aspects(**{name: values}), ALIKE, ALIKE, apart(), 1)
    assert choice.at == 5
    assert choice.score == pytest.approx(WEIGHTS[name])
    words = {"boxes": "boxes near", "verdict": "verdict near", "classes": "few labels"}
    assert words[name] in choice.reason.split(";")[0]


def test_what_is_unlike_the_labelled_comes_first_and_the_next_is_unlike_that() -> None:
    features = np.zeros((N, 2))
    features[2], features[3], features[6] = (10, 0), (10.1, 0), (0, 10)
    chosen = choose(aspects(), features, np.zeros((4, 2)), apart(), 3)
    assert {chosen[0].at, chosen[1].at} in ({2, 6}, {3, 6}), "not two of a place"
    assert "unlike" in chosen[0].reason
    assert chosen[2].score < chosen[1].score


def test_one_of_each_group_and_none_of_a_labelled_one() -> None:
    groups = np.array([0, 0, 0, 1, 1, -1, -1, 2])
    chosen = choose(aspects(boxes=[0.5, 0.9, 0.1, 0.3, 0.2, 1.0, 1.0, 0.0]), ALIKE, ALIKE, groups, 100)
    assert [one.at for one in chosen] == [1, 3, 7]
    assert choose(aspects(), ALIKE, ALIKE, np.full(N, -1), 3) == []


def test_without_labelled_images_novelty_is_from_the_mean() -> None:
    features = np.zeros((N, 2))
    features[4] = 9
    assert choose(aspects(), features, np.zeros((0, 2)), apart(), 1)[0].at == 4


def test_doubt_is_about_the_threshold_of_the_class() -> None:
    thresholds = thresholds_of([1, 2], {1: 0.3, 2: 0.8})
    assert box_doubt(np.array([0.3, 0.8]), thresholds) == 2
    assert box_doubt(np.array([0.8, 0.3]), thresholds) < 0.01
    assert verdict_doubt(np.array([0.31, 0.1]), thresholds) > 0.95
    assert verdict_doubt(np.array([0.9, 0.1]), thresholds) < 0.01
    assert verdict_doubt(np.zeros(0), np.zeros(0)) == box_doubt(np.zeros(0), np.zeros(0)) == 0
    assert thresholds_of([1, 2], 0.4).tolist() == [0.4, 0.4]


def test_a_rare_class_is_needed_more() -> None:
    score, threshold = np.array([0.6]), np.array([0.5])
    rare, common = (class_need(score, threshold, np.array([count]), 9.0) for count in (9.0, 99.0))
    assert rare == 1
    assert common == pytest.approx(0.1)
    assert class_need(np.array([0.1]), threshold, np.array([9.0]), 9.0) == 0, "too faint to be seen as one"


def test_of_images_with_unsure_boxes_the_one_with_more_comes_first() -> None:
    """Boards with many defects each: that some box of an image is unsure says nothing of it."""
    doubts = np.arange(1.0, N + 1)
    chosen = choose(aspects(boxes=doubts.tolist()), ALIKE, ALIKE, apart(), N)
    assert [one.at for one in chosen] == list(range(N))[::-1]
    assert max(one.aspects["boxes"] for one in chosen) == 1
    twice = class_need(np.array([0.6, 0.7]), np.full(2, 0.5), np.array([9.0, 9.0]), 9.0)
    assert twice == 2
    assert class_need(np.zeros(0), np.zeros(0), np.zeros(0), 0.0) == 0


def test_features_tell_places_and_colours_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 60, (96, 128, 3), dtype=np.uint8)
    turned, brighter = base[::-1, ::-1].copy(), np.clip(base.astype(int) + 120, 0, 255).astype(np.uint8)
    marked = base.copy()
    marked[:40, :40] = 255
    names = {"a.png": base, "b.png": base + 1, "marked.png": marked, "bright.png": brighter, "turned.png": turned}
    for name, pixels in names.items():
        cv2.imwrite(str(tmp_path / name), pixels)
    rows = image_features([tmp_path / name for name in [*names, "missing.png"]])
    assert rows.shape == (6, 256)
    distances = np.linalg.norm(rows - rows[0], axis=1)
    assert distances[1] < 0.1 * distances[2:4].min()
    assert not rows[5].any()
