"""``by: auto``: right where there are many parts, careful where there are few."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from anomdet.evaluation.auto_point import best_f1, least_cost, share_below
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.counts import find_matches
from anomdet.evaluation.image_level import Parts, parts_of
from anomdet.evaluation.operating_point import Criterion, choose
from anomdet.evaluation.pairs import overlapping_pairs
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import RANDOM_CASES, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]


def drawn(rng: np.random.Generator, num_good: int, num_defective: list[int], shift: float = 2.0) -> Parts:
    """Parts of which each defective one has one class; logits of good -3, of defective -3 + shift * 2, spread 1.2."""
    num_classes = len(num_defective)
    class_defective = np.zeros((num_good + sum(num_defective), num_classes), dtype=bool)
    class_defective[np.arange(num_good, len(class_defective)), np.repeat(np.arange(num_classes), num_defective)] = True
    logits = rng.normal(-3, 1.2, class_defective.shape) + 2 * shift * class_defective
    score = 1 / (1 + np.exp(-logits))
    return Parts(score.max(axis=1), class_defective.any(axis=1), score, class_defective)


def with_images(truth: dict, number: int) -> dict:
    return {**truth, "images": [{"id": i, "file_name": f"{i}.png"} for i in range(number)]}


def cost(parts: Parts, score_thrs: np.ndarray) -> float:
    """Of a part of a line on which one in twenty is defective: 10 for an escape, 1 for overkill."""
    out = (parts.class_score >= score_thrs).any(axis=1)
    return float(10 * 0.05 * (~out[parts.defective]).mean() + 0.95 * out[parts.good].mean())


@pytest.mark.parametrize("num_classes", [1, 3])
def test_with_many_parts_it_is_the_least_cost(num_classes):
    rng = np.random.default_rng(0)
    parts = drawn(rng, 4000, [2000 // num_classes] * num_classes)
    chosen = cost(parts, least_cost(parts, np.arange(num_classes), 10, 1))
    best = min(cost(parts, np.full(num_classes, score_thr)) for score_thr in np.linspace(0, 1, 400))
    assert chosen <= 1.15 * best


def test_with_few_parts_it_costs_less_on_new_ones_than_the_best_of_these():
    """100 validation splits of 20 good parts and 3 to 12 of each class, judged on new parts."""
    rng = np.random.default_rng(1)
    careful = greedy = 0.0
    for _ in range(100):
        parts, new = drawn(rng, 20, [12, 8, 3]), drawn(rng, 2000, [1200, 800, 300])
        careful += cost(new, least_cost(parts, np.arange(3), 10, 1))
        greedy += cost(new, best_of_these(parts))
    assert careful < 0.95 * greedy


def best_of_these(parts: Parts) -> np.ndarray:
    """For each class the threshold with the least cost on the parts themselves, halfway to the next lower score."""
    chosen = []
    for k in range(parts.class_score.shape[1]):
        defective, good = parts.class_score[parts.class_defective[:, k], k], parts.class_score[parts.good, k]
        levels = np.sort(np.concatenate([defective, good, [0.0]]))
        middles = (levels[1:] + levels[:-1]) / 2
        share = len(defective) / parts.defective.sum()
        costs = [0.5 * share * (defective < one).mean() + 0.95 * (good >= one).mean() for one in middles]
        chosen.append(middles[int(np.argmin(costs))])
    return np.array(chosen)


def test_a_class_with_one_example_borrows():
    """One defect that scores like good parts does not drag the threshold of its class down to it."""
    rng = np.random.default_rng(2)
    parts = drawn(rng, 50, [60, 60, 1])
    usual = least_cost(parts, np.arange(3), 10, 1)
    parts.class_score[-1, 2] = 0.02
    lower = least_cost(parts, np.arange(3), 10, 1)
    assert usual[2] == pytest.approx(lower[2], rel=0.3)
    assert lower[:2] == pytest.approx(usual[:2], rel=0.1)


def test_it_is_never_above_a_defect_that_was_seen():
    rng = np.random.default_rng(3)
    capped = 0
    for _ in range(50):
        parts = drawn(rng, int(rng.integers(1, 40)), rng.integers(1, 6, 3).tolist(), shift=float(rng.uniform(-1, 2)))
        highest = parts.score[parts.defective].max()
        for k, score_thr in enumerate(least_cost(parts, np.arange(3), 10, 1)):
            own, good = parts.class_score[parts.class_defective[:, k], k], parts.class_score[parts.good, k]
            margin = 1e-2 * highest * (1 - highest)  # last digits differ from machine to machine
            assert score_thr <= highest - margin
            costs = 0.95 * (good >= own.max()).mean(), 0.5 * len(own) / parts.defective.sum()
            if costs[0] <= costs[1]:
                assert score_thr <= own.max()
                capped += 1
    assert 0 < capped < 150


def test_an_escape_that_weighs_more_lowers_the_threshold():
    parts = drawn(np.random.default_rng(4), 60, [30, 10], shift=1.0)
    chosen = [least_cost(parts, np.arange(2), escape_cost, 1) for escape_cost in (0.5, 2, 10, 100)]
    assert all((lower <= higher).all() for higher, lower in pairwise(chosen))
    assert (chosen[-1] < chosen[0]).all()


def test_the_share_below_a_threshold():
    below = share_below(np.array([0.0, 0.0, 0.5, 0.9]))
    assert (np.diff(below) >= 0).all()
    assert below[0] == pytest.approx(0.5, abs=1e-6) and below[-1] == pytest.approx(1.0, abs=1e-3)
    assert share_below(np.zeros(3)).tolist() == [1.0] * len(below)
    assert share_below(np.array([1.0, 1.0]))[: len(below) // 2].max() < 1e-6


def test_without_good_parts_it_is_the_best_f1_of_each_class():
    truth = gt_dict(*[(i, 1 + i % 2, BOX) for i in range(40)])
    rows = [pred(i, 1 + i % 2, BOX, 0.6 if i % 2 else 0.9) for i in range(40)]
    rows += [pred(i, 1 + i % 2, [50, 50, 9, 9], 0.3 if i % 2 else 0.7) for i in range(40)]
    results = results_from_coco(with_images(truth, 40), rows)
    point = choose(results, find_matches(results, overlapping_pairs(results, 0.1), 0.5), Criterion())
    assert (point.by, point.chosen_on, point.note) == ("max_f1", "val", "")
    assert point.per_class == {1: pytest.approx(0.8), 2: pytest.approx(0.45)}


@pytest.mark.parametrize("per_class", [None, True, False])
@pytest.mark.parametrize("case", RANDOM_CASES, ids=lambda case: f"seed {case.seed}")
def test_any_case_has_a_threshold_for_each_class(case, per_class):
    results = results_of(case)
    measured = measure(results, Criterion(per_class=per_class))
    point = measured.point
    assert ((measured.score_thrs > 0) & (measured.score_thrs < 1)).all()
    assert (point.per_class is None) == (per_class is False)
    parts = parts_of(results, measured.matches)
    assert point.by == ("costs" if parts.good.any() and parts.defective.any() else "max_f1")
    assert (point.chosen_on == "default") == bool(point.note)


def test_a_class_that_is_never_reported_is_named():
    truth = gt_dict((0, 1, BOX), (1, 2, BOX))
    results = results_from_coco(truth, [pred(0, 1, BOX, 0.9), pred(1, 2, BOX, 0.123)])
    notes = measure(results, Criterion("max_f1", per_class=False)).metrics["notes"]
    assert notes == []
    from anomdet.evaluation.operating_point import fixed

    (note,) = measure(results, fixed(0.5)).metrics["notes"]
    assert "b: its best score, 0.123, stays under its threshold, 0.5" in note
    assert "metrics.score_threshold=0.12 or lower" in note
    (note,) = measure(results_from_coco(truth, [pred(0, 1, BOX, 0.9)]), fixed(0.5)).metrics["notes"]
    assert note.startswith("b: no box of this class at any score, for 1 object;")


def test_best_f1_of_one_threshold_for_all_is_that_of_all_boxes():
    truth = gt_dict(*[(i, 1, BOX) for i in range(10)])
    rows = [pred(i, 1, BOX, 0.5) for i in range(10)] + [pred(i, 1, [50, 50, 9, 9], 0.2) for i in range(10)]
    results = results_from_coco(with_images(truth, 10), rows)
    matches = find_matches(results, overlapping_pairs(results, 0.1), 0.5)
    assert best_f1(results, matches, None) == pytest.approx([0.35])
