"""The columns that a page counts from give, at any thresholds, what a new evaluation gives."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from anomdet.evaluation import rethreshold as module
from anomdet.evaluation.operating_point import OperatingPoint, fixed
from anomdet.evaluation.rethreshold import rethreshold
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import RANDOM_CASES, Case, results_of


def recount(columns: dict[str, Any], thresholds: list[float]) -> dict[str, Any]:
    """As threshold.js does, in plain loops."""
    num = len(columns["classes"])
    table = [[0] * (num + 1) for _ in range(num + 1)]
    rejected, free_objects, free_boxes = set(), set(range(len(columns["gt_label"]))), set()
    right = shown = 0
    for row, (score, label) in enumerate(zip(columns["score"], columns["label"], strict=True)):
        if score < thresholds[label]:
            continue
        shown += 1
        rejected.add(columns["part"][row])
        if columns["found"][row] < 0:
            free_boxes.add(row)
            continue
        right += 1
        free_objects.discard(columns["found"][row])
        table[label][label] += 1
    for row, thing in columns["confusable"]:
        if row in free_boxes and thing in free_objects:
            free_boxes.discard(row)
            free_objects.discard(thing)
            table[columns["gt_label"][thing]][columns["label"][row]] += 1
    for row in free_boxes:
        table[num][columns["label"][row]] += 1
    for thing in free_objects:
        table[columns["gt_label"][thing]][num] += 1
    parts = list(enumerate(columns["defective"]))
    return {
        "escapes": sum(1 for part, bad in parts if bad and part not in rejected),
        "overkill": sum(1 for part, bad in parts if not bad and part in rejected),
        "precision": right / shown if shown else None,
        "recall": right / len(columns["gt_label"]) if columns["gt_label"] else None,
        "table": table,
    }


def measured_at(case: Case, point: OperatingPoint) -> dict[str, Any]:
    metrics = measure(results_of(case), point).metrics
    level = metrics["part_level"]
    return {
        **{key: level[key] for key in ("escapes", "overkill")},
        **{key: metrics[key] for key in ("precision", "recall")},
        "table": metrics["confusion_matrix"]["counts"],
    }


def is_same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    floats = ("precision", "recall")
    return all(
        (found[key] is None) == (wanted[key] is None) and found[key] == pytest.approx(wanted[key]) for key in floats
    ) and all(found[key] == wanted[key] for key in ("escapes", "overkill", "table"))


@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_any_threshold_counts_as_a_new_evaluation(case: Case) -> None:
    columns = json.loads(json.dumps(rethreshold(measure(results_of(case), fixed(0.4)))))
    assert columns["floor"] == 0
    scores = columns["score"][:: max(len(columns["score"]) // 10, 1)]  # on a score: it counts
    for threshold in [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, *scores]:
        found = recount(columns, [threshold] * len(columns["classes"]))
        assert is_same(found, measured_at(case, fixed(threshold))), threshold


@pytest.mark.parametrize("case", RANDOM_CASES[:6], ids=str)
def test_a_threshold_for_each_class(case: Case) -> None:
    columns = rethreshold(measure(results_of(case), fixed(0.4)))
    rng = np.random.default_rng(case.seed)
    for _ in range(5):
        thresholds = rng.uniform(0, 1, len(columns["classes"])).tolist()
        per_class = dict(zip(columns["class_nums"], thresholds, strict=True))
        wanted = measured_at(case, OperatingPoint("fixed", "settings", None, per_class))
        assert is_same(recount(columns, thresholds), wanted)


def test_a_page_without_room_says_from_which_score_it_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    case = RANDOM_CASES[0]
    whole = rethreshold(measure(results_of(case), fixed(0.4)))
    monkeypatch.setattr(module, "MOST_PREDICTIONS", len(whole["score"]) // 2)
    half = rethreshold(measure(results_of(case), fixed(0.4)))
    assert 0 < half["floor"] < 1 and len(half["score"]) <= len(whole["score"]) // 2
    assert sorted(half["score"]) == sorted(score for score in whole["score"] if score >= half["floor"])
    for threshold in (half["floor"], (1 + half["floor"]) / 2):
        found = recount(half, [threshold] * len(half["classes"]))
        assert is_same(found, measured_at(case, fixed(threshold)))
