"""One matching, one threshold: every number that can be had in two ways is the same in both."""

from __future__ import annotations

import csv
from io import StringIO

import numpy as np
import pytest

from anomdet.evaluation.details import details
from anomdet.evaluation.operating_point import Criterion, OperatingPoint, fixed
from anomdet.evaluation.summary import Measured, measure
from anomdet.evaluation.tables import per_image_csv
from tests.unit.evaluation.cases import RANDOM_CASES, Case, results_of

KINDS = ("classification", "localisation", "both", "duplicate", "background")


def thresholds(case: Case) -> list[OperatingPoint | Criterion]:
    rng = np.random.default_rng(case.seed)
    return [
        fixed(0.0),
        fixed(float(rng.random())),
        OperatingPoint("max_f1", "val", None, {num: float(rng.random()) for num in case.class_nums}),
        Criterion("max_f1"),
        Criterion("min_recall", per_class=True, min_recall=0.4),
        Criterion("costs"),
    ]


@pytest.fixture(scope="module", params=RANDOM_CASES, ids=str)
def all_measured(request) -> list[Measured]:
    results = results_of(request.param)
    found = []
    for i, point in enumerate(thresholds(request.param)):
        found.append(measure(results, point, matching_iou_threshold=(0.33, 0.5, 0.75)[i % 3], iou_thresholds=(0.33,)))
    return found


def same(one: float | None, other: float | None) -> None:
    assert one == (None if other is None or np.isnan(other) else pytest.approx(other, abs=1e-12))


def share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def test_confusion_matrix_and_headline(all_measured):
    for measured in all_measured:
        metrics = measured.metrics
        table = np.array(metrics["confusion_matrix"]["counts"])
        hits = np.trace(table)
        objects, shown = table[:-1].sum(), table[:, :-1].sum()
        same(metrics["precision"], share(hits, shown))
        same(metrics["recall"], share(hits, objects))
        same(metrics["f1_score"], share(2 * hits, shown + objects))
        assert objects == metrics["num_gt"]
        for k, (name, row) in enumerate(metrics["per_class"].items()):
            assert metrics["confusion_matrix"]["classes"][k] == name
            same(row["precision"], share(table[k, k], table[:, k].sum()))
            same(row["recall"], share(table[k, k], table[k].sum()))
            same(row["f1_score"], share(2 * table[k, k], table[k].sum() + table[:, k].sum()))
            assert row["num_gt"] == table[k].sum()
        assert metrics["confusion_matrix"]["classes"][-1] == "background"


def test_errors_and_confusion_matrix(all_measured):
    for measured in all_measured:
        errors, table = measured.metrics["errors"], np.array(measured.metrics["confusion_matrix"]["counts"])
        hits, shown = np.trace(table), table[:, :-1].sum()
        assert sum(errors[kind]["count"] for kind in KINDS) + hits == shown
        confusions = table[:-1, :-1].sum() - hits
        assert confusions + table[-1].sum() == sum(errors[kind]["count"] for kind in KINDS)
        assert 0 <= errors["missed"]["count"] <= table[:-1].sum() - hits


def point_at(curve: dict, score_thr: float) -> int | None:
    """The last point from the threshold on."""
    above = [i for i, score in enumerate(curve["score"]) if score >= score_thr]
    return above[-1] if above else None


def test_the_curves_at_the_operating_point(all_measured):
    looked_at = 0
    for measured in all_measured:
        metrics, curves = measured.metrics, details(measured)["curves"]
        pairs = [(row["score_threshold"], row, curves["per_class"][name]) for name, row in metrics["per_class"].items()]
        if metrics["score_threshold"] is not None:
            pairs.append((metrics["score_threshold"], metrics, curves["all"]))
        for score_thr, row, curve in pairs:
            at = point_at(curve, score_thr)
            if at is None:
                assert not row["num_gt"] or not row["recall"]
                continue
            looked_at += 1
            for key in ("precision", "recall", "f1_score"):
                same(row[key], curve[key][at])
    assert looked_at or not all_measured[0].metrics["num_gt"] or not all_measured[0].metrics["num_predictions"]


def test_froc_and_roc_at_the_operating_point(all_measured):
    for measured in all_measured:
        metrics, score_thr = measured.metrics, measured.metrics["score_threshold"]
        found = details(measured)
        if score_thr is None:
            continue
        table = np.array(metrics["confusion_matrix"]["counts"])
        at = point_at(found["froc"], score_thr)
        if at is not None:
            same(metrics["recall"], found["froc"]["recall"][at])
            false = table[:, :-1].sum() - np.trace(table)
            assert found["froc"]["false_boxes_per_image"][at] == pytest.approx(false / metrics["num_images"])
        at = point_at(found["roc"], score_thr) if score_thr > 0 else None
        if at is not None:
            same(metrics["part_level"]["overkill_rate"], found["roc"]["overkill_rate"][at])
            same(metrics["part_level"]["escape_rate"], 1 - found["roc"]["detection_rate"][at])


def test_part_level_and_the_scores_of_the_parts(all_measured):
    for measured in all_measured:
        table, scores = measured.metrics["part_level"], details(measured)["anomaly_scores"]
        assert (len(scores["good"]), len(scores["defective"])) == (table["num_good"], table["num_defective"])
        score_thr = measured.metrics["score_threshold"]
        if score_thr:
            assert table["escapes"] == sum(score < score_thr for score in scores["defective"])
            assert table["overkill"] == sum(score >= score_thr for score in scores["good"])


def test_per_image_csv_and_the_rest(all_measured):
    for measured in all_measured:
        metrics, parts = measured.metrics, measured.metrics["part_level"]
        rows = list(csv.DictReader(StringIO(per_image_csv(measured))))
        table = np.array(metrics["confusion_matrix"]["counts"])
        hits, objects, shown = np.trace(table), table[:-1].sum(), table[:, :-1].sum()

        def total(key: str, rows: list[dict] = rows) -> int:
            return sum(int(row[key]) for row in rows)

        assert len(rows) == metrics["num_images"]
        assert (total("num_gt"), total("num_predictions"), total("num_matched")) == (objects, shown, hits)
        assert (total("num_missed"), total("num_false")) == (objects - hits, shown - hits)
        by_part = {row["part"]: row["verdict"] for row in rows}
        assert len({(row["part"], row["verdict"]) for row in rows}) == len(by_part), "one verdict a part"
        verdicts = list(by_part.values())
        assert (verdicts.count("escape"), verdicts.count("overkill")) == (parts["escapes"], parts["overkill"])
        assert verdicts.count("escape") + verdicts.count("detected") == parts["num_defective"]
        assert verdicts.count("overkill") + verdicts.count("passed") == parts["num_good"]
        mean_iou = sum(float(row["mean_iou"] or 0) * int(row["num_matched"]) for row in rows)
        same(metrics["mean_iou"], share(mean_iou, hits))


def test_sizes_add_up(all_measured):
    for measured in all_measured:
        table = np.array(measured.metrics["confusion_matrix"]["counts"])
        sizes = measured.metrics["sizes"].values()
        assert sum(row["num_gt"] for row in sizes) == table[:-1].sum()
        assert sum(row["num_predictions"] for row in sizes) == table[:, :-1].sum()
        for total, share_of in (("num_gt", "recall"), ("num_predictions", "precision")):
            assert sum(row[total] * (row[share_of] or 0) for row in sizes) == pytest.approx(np.trace(table))


def test_cases_and_confusion_matrix(all_measured):
    for measured in all_measured:
        table = np.array(measured.metrics["confusion_matrix"]["counts"])
        kinds = [case["kind"] for case in details(measured)["cases"]]
        assert kinds.count("missed") == min(60, table[:-1, -1].sum())
        confusions = table[:-1, :-1].sum() - np.trace(table)
        assert kinds.count("confusion") == min(60, confusions)
        alone = sum(kinds.count(kind) for kind in ("false_alarm", "duplicate", "localisation"))
        assert alone == table[-1].sum() or max(map(kinds.count, set(kinds))) == 60
