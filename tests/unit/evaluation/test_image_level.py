from __future__ import annotations

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.counts import find_matches
from anomdet.evaluation.image_level import (
    auroc,
    average_precision,
    false_boxes_on_good,
    number,
    part_level,
    parts_of,
    rejected,
    roc,
)
from anomdet.evaluation.pairs import overlapping_pairs
from anomdet.evaluation.results import part_name
from tests.unit.evaluation.cases import RANDOM_CASES, Case, pred, results_of

BOX = [0, 0, 10, 10]


def slow_auroc(score: list[float], positive: list[bool]) -> float:
    """Every positive against every negative."""
    won = [
        1.0 if a > b else 0.5 if a == b else 0.0
        for a, is_positive in zip(score, positive, strict=True)
        if is_positive
        for b, other in zip(score, positive, strict=True)
        if not other
    ]
    return sum(won) / len(won) if won else float("nan")


def slow_average_precision(score: list[float], positive: list[bool]) -> float:
    """At each distinct score: the rise of recall times precision."""
    total, found_before, area = sum(positive), 0, 0.0
    for threshold in sorted(set(score), reverse=True):
        shown = [p for s, p in zip(score, positive, strict=True) if s >= threshold]
        area += (sum(shown) - found_before) / total * sum(shown) / len(shown) if total else 0
        found_before = sum(shown)
    return area if total else float("nan")


@pytest.mark.parametrize("levels", [1, 2, 6, None], ids=lambda levels: f"{levels} distinct scores")
@pytest.mark.parametrize(("fast", "slow"), [(auroc, slow_auroc), (average_precision, slow_average_precision)])
def test_against_loops(fast, slow, levels):
    rng = np.random.default_rng(0)
    for number_of in (0, 1, 2, 3, 10, 25):
        for share in (0.0, 0.2, 0.7, 1.0):
            score, positive = rng.random(number_of), rng.random(number_of) < share
            score = score if levels is None else np.ceil(score * levels) / levels - 0.5
            expected = slow(score.tolist(), positive.tolist())
            assert fast(score, positive).tolist() == pytest.approx([expected], abs=1e-12, nan_ok=True)
            weights = rng.integers(0, 4, (5, number_of))
            repeated = [slow(np.repeat(score, w).tolist(), np.repeat(positive, w).tolist()) for w in weights]
            assert fast(score, positive, weights).tolist() == pytest.approx(repeated, abs=1e-12, nan_ok=True)


def six_images(group: bool) -> dict:
    """Names 0a, 0b, 1a, ..., of three parts; objects in 0b (class 1) and 1a (class 2)."""
    images = [{"id": i, "file_name": f"{i // 2}{'ab'[i % 2]}.png"} for i in range(6)]
    for image in images if group else ():
        image["part"] = part_name(image["file_name"], r"^(\d)")
    objects = [(1, 1), (2, 2)]
    return {
        "images": images,
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [{"image_id": i, "category_id": c, "bbox": BOX} for i, c in objects],
    }


PREDICTIONS = [
    pred(0, 1, BOX, 0.4),  # the good side of a defective part
    pred(1, 1, BOX, 0.7),
    pred(2, 1, BOX, 0.2),  # of the wrong class
    pred(4, 1, BOX, 0.6),
    pred(4, 2, BOX, 0.3),
    pred(5, 2, BOX, 0.5),
]


def judged(group: bool, thrs: tuple[float, float]):
    results = results_from_coco(six_images(group), PREDICTIONS)
    matches = find_matches(results, overlapping_pairs(results, 0.1), 0.5)
    parts = parts_of(results, matches)
    return results, matches, parts, part_level(results, matches, parts, np.array(thrs))


def test_images_by_hand():
    results, matches, parts, table = judged(False, (0.5, 0.5))
    assert parts.score.tolist() == [0.4, 0.7, 0.2, 0, 0.6, 0.5]
    assert parts.defective.tolist() == [False, True, True, False, False, False]
    assert parts.class_score[:, 0].tolist() == [0.4, 0.7, 0.2, 0, 0.6, 0]
    assert parts.class_score[:, 1].tolist() == [0, 0, 0, 0, 0.3, 0.5]
    assert parts.class_defective.sum(axis=0).tolist() == [1, 1]
    # 0.7 outscores all four good ones, 0.2 one of them.
    assert table["auroc"] == pytest.approx((4 + 1) / 8)
    assert table["average_precision"] == pytest.approx(0.5 * 1 + 0.5 * 2 / 5)
    expected = {"unit": "image", "num_good": 4, "num_defective": 2, "escapes": 1, "overkill": 2}
    assert {key: table[key] for key in expected} == expected
    assert (table["escape_rate"], table["overkill_rate"], table["false_alarms_per_good"]) == (0.5, 0.5, 0.5)
    assert rejected(results, matches, np.array([0.5, 0.6])).tolist() == [False, True, False, False, True, False]
    assert false_boxes_on_good(results, matches, parts, np.array([0.3, 0.3])).tolist() == [1, 0, 0, 0, 2, 1]


def test_parts_by_hand():
    _, _, parts, table = judged(True, (0.5, 0.5))
    assert (parts.score.tolist(), parts.defective.tolist()) == ([0.7, 0.2, 0.6], [True, True, False])
    assert table == {
        **{"unit": "part", "num_good": 1, "num_defective": 2, "auroc": 0.5, "escapes": 1, "overkill": 1},
        **{"average_precision": pytest.approx(0.5 * 1 + 0.5 * 2 / 3), "escape_rate": 0.5, "overkill_rate": 1.0},
        "false_alarms_per_good": 2.0,
    }


@pytest.mark.parametrize(
    ("group_by", "name", "part"),
    [
        (r"^(\d+)_", "12_top.png", "12"),
        (r"^\d+", "12_top.png", "12"),
        (r"^(\d+)_", "top.png", "top.png"),
        (r"(?:side)?(\d+)?", "side.png", "side.png"),
        (r"part(\d+)", "tray/part7_b.png", "7"),
        (r"", "a.png", "a.png"),
        (r"cam1_(\d+)|cam2_(\d+)", "cam2_7_top.png", "7"),
        (r"cam1_(\d+)|cam2_(\d+)?", "cam2_.png", "cam2_.png"),
    ],
)
def test_part_name(group_by, name, part):
    assert part_name(name, group_by) == part


@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_escapes_and_overkill_counted_anew(case):
    results = results_of(case)
    matches = find_matches(results, overlapping_pairs(results, 0.1), 0.5)
    parts = parts_of(results, matches)
    names = results.parts or results.file_names
    rng = np.random.default_rng(case.seed)
    for _ in range(5):
        thrs = rng.random(results.num_classes)
        defective, out, alarms = set(), set(), []
        for image, crowd in zip(results.gt.image, results.gt.crowd, strict=True):
            defective |= set() if crowd else {names[image]}
        rows = zip(results.pred.image, results.pred.label, results.pred.score, matches.counted, strict=True)
        for image, label, score, counts in rows:
            if counts and score >= thrs[label]:
                out.add(names[image])
                alarms.append(names[image])
        good = set(names) - defective
        table = part_level(results, matches, parts, thrs)
        assert (table["num_good"], table["num_defective"]) == (len(good), len(defective))
        assert (table["escapes"], table["overkill"]) == (len(defective - out), len(good & out))
        assert table["escape_rate"] == (len(defective - out) / len(defective) if defective else None)
        assert table["false_alarms_per_good"] == (
            pytest.approx(sum(name in good for name in alarms) / len(good)) if good else None
        )


def test_boxes_of_a_crowd_reject_no_part():
    truth = six_images(False)
    truth["annotations"] = [{"image_id": 0, "category_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 1}]
    results = results_from_coco(truth, [pred(0, 1, BOX, 0.9)])
    matches = find_matches(results, overlapping_pairs(results, 0.1), 0.5)
    parts = parts_of(results, matches)
    assert not parts.defective.any() and not parts.score.any()
    assert part_level(results, matches, parts, np.array([0.5, 0.5]))["overkill"] == 0


def test_roc():
    _, _, parts, _ = judged(False, (0.5, 0.5))
    assert roc(parts) == {
        "overkill_rate": [0, 0.25, 0.5, 0.75, 0.75, 1],
        "detection_rate": [0.5, 0.5, 0.5, 0.5, 1, 1],
        "score": [0.7, 0.6, 0.5, 0.4, 0.2, 0],
    }
    results = results_of(Case(8, normal_share=1))
    matches = find_matches(results, overlapping_pairs(results, 0.1), 0.5)
    assert roc(parts_of(results, matches)) == {"overkill_rate": [], "detection_rate": [], "score": []}


def test_number():
    assert (number(float("nan")), number(0.0)) == (None, 0.0)
