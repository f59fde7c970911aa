from __future__ import annotations

import copy

import numpy as np
import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.intervals import (
    LEAST_PARTS,
    _student,
    bootstrap,
    bootstrap_interval,
    draws,
    intervals,
    wilson_interval,
)
from anomdet.evaluation.operating_point import OperatingPoint, fixed
from anomdet.evaluation.results import Results
from anomdet.evaluation.summary import Measured, measure
from tests.unit.evaluation.cases import Case, draw_case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
CASES = {
    "images": Case(0, num_images=10, predictions_per_gt=1.5),
    "parts": Case(1, num_images=12, per_part=3, predictions_per_gt=1.5, normal_share=0.6),
    "crowds": Case(2, num_images=8, crowd_share=0.3, predictions_per_gt=2, boxes_per_image=10),
    "rare class": Case(3, rare=True, num_images=8),
    "classes without objects": Case(4, classes_with_gt=2, num_images=8),
    "only normal images": Case(5, normal_share=1),
    "no predictions": Case(6, predictions_per_gt=0),
    "one image": Case(7, num_images=1, normal_share=0),
}
POINTS = {
    "one threshold": fixed(0.4),
    "per class": OperatingPoint("max_f1", "val", None, {-1: 0.1, 0: 0.5, 7: 0.3, 1000: 0.3}),
}


def repeated(ground_truth: dict, predictions: list[dict], times: np.ndarray) -> Results | None:
    """A data set in which each part (each image, if there are none) stands as often as it was drawn."""
    names = [image.get("part", image["file_name"]) for image in ground_truth["images"]]
    order = sorted(set(names)) if "part" in ground_truth["images"][0] else names
    truth, found = {"images": [], "annotations": [], "categories": ground_truth["categories"]}, []
    for image, name in zip(ground_truth["images"], names, strict=True):
        for copy_number in range(times[order.index(name)]):
            number = len(truth["images"])
            truth["images"].append({**image, "id": number, "file_name": f"{copy_number} {image['file_name']}"})
            truth["images"][-1] |= {"part": f"{copy_number} {image['part']}"} if "part" in image else {}
            own = [{**a, "image_id": number} for a in ground_truth["annotations"] if a["image_id"] == image["id"]]
            truth["annotations"] += own
            found += [{**p, "image_id": number} for p in predictions if p["image_id"] == image["id"]]
    return results_from_coco(truth, found)


def same(sample: float, value: float | None, what: str) -> None:
    assert (None if np.isnan(sample) else sample) == (None if value is None else pytest.approx(value, abs=1e-9)), what


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", CASES)
def test_a_resample_is_the_evaluation_of_the_repeated_images(name, point):
    ground_truth, predictions = draw_case(CASES[name])
    settings = {"iou_thresholds": (0.33, 0.9), "matching_iou_threshold": 0.5}
    measured = measure(results_from_coco(ground_truth, predictions), POINTS[point], **settings)
    number = 5
    overall, by_class = bootstrap(measured, number, seed=3)
    weights = np.concatenate(list(draws(measured.num_parts, number, seed=3)))
    assert {"mAP", "mAP_50", "mAP_33", "mAP_90", "precision", "recall", "f1_score", "mean_iou"} <= set(overall)
    assert {"auroc", "average_precision", "false_alarms_per_good"} <= set(overall)
    assert {"AP", "AP_50", "precision", "recall", "f1_score", "mean_iou", "auroc"} <= set(by_class)
    for r, times in enumerate(weights):
        metrics = measure(repeated(ground_truth, predictions, times), POINTS[point], **settings).metrics
        known = {**metrics, **metrics["part_level"]}
        for key in [key for key in overall if key in known]:
            same(overall[key][r], known[key], key)
        for key, samples in by_class.items():
            for k, row in enumerate(metrics["per_class"].values()):
                same(samples[r, k], row[key], key)
    assert all(samples.shape == (number,) for samples in overall.values())


def test_the_parts_of_a_resample_stay_together():
    """Three images of one part and three of another: a resample holds all or none of a part."""
    truth = gt_dict((0, 1, BOX))
    truth["images"] = [{"id": i, "file_name": f"{i}", "part": f"part {i // 3}"} for i in range(6)]
    truth["annotations"] = [{"image_id": i, "category_id": 1, "bbox": BOX} for i in range(6)]
    measured = measure(results_from_coco(truth, [pred(i, 1, BOX, 0.9) for i in range(3)]), fixed(0.5))
    assert set(bootstrap(measured, 50)[0]["recall"].tolist()) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(("num_parts", "number"), [(1, 3), (7, 100), (5000, 900), (4_000_001, 1)])
def test_draws_sum_to_the_number_of_parts(num_parts, number):
    chunks = list(draws(num_parts, number))
    assert sum(map(len, chunks)) == number
    for chunk in chunks:
        assert chunk.shape[1] == num_parts and (chunk >= 0).all()
        assert (chunk.sum(axis=1) == num_parts).all()
    if (num_parts, number) == (5000, 900):
        assert len(chunks) > 1
        everything = np.concatenate(chunks)
        assert np.abs(everything.mean(axis=0) - 1).max() < 0.2, "no part is preferred"
        assert everything.var() == pytest.approx(1, abs=0.02)
        assert not np.array_equal(chunks[0][0], chunks[1][0])


def test_the_seed_decides():
    measured = measure(results_of(CASES["images"]), fixed(0.4))
    one, same_again = intervals(measured, num_resamples=20), intervals(measured, num_resamples=20)
    assert one == same_again != intervals(measured, num_resamples=20, seed=1)
    assert np.array_equal(np.concatenate(list(draws(9, 20, 5))), np.concatenate(list(draws(9, 20, 5))))


def test_measuring_is_not_disturbed():
    measured = measure(results_of(CASES["images"]), fixed(0.4))
    before = copy.deepcopy(measured.metrics)
    intervals(measured, num_resamples=20)
    assert measured.metrics == before


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        # Newcombe 1998, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson(hits, total, low, high):
    assert wilson_interval(hits, total, 0.95) == pytest.approx([low, high], abs=1e-4)


def test_wilson_of_nothing():
    assert wilson_interval(0, 0, 0.95) is None


MANY = 10**6  # parts: no widening


def test_few_parts_widen_the_interval():
    """Of ten parts Student's 2.2622 times sqrt(10/9) takes the place of the normal 1.96 (from the tables)."""
    samples = np.random.default_rng(0).normal(0, 1, 200_000)
    low, high = bootstrap_interval(0.0, samples, 0.95, 10)
    assert (low, high) == pytest.approx((-2.3846, 2.3846), abs=0.03)
    widths = [np.diff(bootstrap_interval(0.0, samples, 0.95, number))[0] for number in (0, 4, 10, 100, MANY)]
    assert widths == sorted(widths, reverse=True)


def test_bootstrap_interval_without_bias_is_the_middle_share():
    samples = np.arange(1001.0)
    assert bootstrap_interval(500.0, samples, 0.9, MANY) == pytest.approx([50, 950], abs=0.01)
    assert bootstrap_interval(500.0, np.append(samples, np.nan), 0.5, MANY) == pytest.approx([250, 750], abs=0.01)
    assert bootstrap_interval(500.0, np.array([np.nan]), 0.9, MANY) is None
    low, high = bootstrap_interval(400.0, samples, 0.9, MANY)
    # By hand: 40.05 % below, so bias -0.2522; bounds at the share of -0.5044 -+ 1.6449.
    assert (low, high) == pytest.approx((15.8, 872.9), abs=1.5)
    for value in (-5.0, 2000.0):
        low, high = bootstrap_interval(value, samples, 0.9, MANY)
        assert 0 <= low <= high <= 1000


@pytest.mark.parametrize(
    ("confidence", "freedom", "quantile"),
    [(0.95, 4, 2.7764), (0.95, 9, 2.2622), (0.95, 30, 2.0423), (0.9, 5, 2.0150), (0.99, 20, 2.8453)],
)
def test_student(confidence, freedom, quantile):
    assert _student(confidence, freedom) == pytest.approx(quantile, rel=0.005)


@pytest.mark.parametrize("name", CASES)
def test_every_interval_holds_its_number_or_is_none(name):
    measured = measure(results_of(CASES[name]), fixed(0.3), iou_thresholds=(0.33,))
    table = intervals(measured, num_resamples=60)
    assert (table["confidence"], table["num_resamples"]) == (0.95, 60)
    assert table["unit"] == ("part" if name == "parts" else "image")
    known = {**measured.metrics, **measured.metrics["part_level"]}
    keys = [key for key in table if key not in ("confidence", "num_resamples", "unit", "per_class", "null_reasons")]
    assert {"mAP", "mAP_50", "mAP_33", "precision", "recall", "f1_score", "mean_iou", "auroc"} <= set(keys)
    assert {"escape_rate", "overkill_rate", "average_precision"} <= set(keys)
    scopes = [(table[key], known[key]) for key in keys]
    for key in keys:
        assert (table[key] is None) == (known[key] is None or key in table["null_reasons"]), key
    for row_name, row in measured.metrics["per_class"].items():
        own = table["per_class"][row_name]
        assert {"AP", "AP_50", "precision", "recall"} <= set(own)
        scopes += [(own[key], row[key]) for key in own]
        if row["num_defective"] >= LEAST_PARTS:
            assert all((own[key] is None) == (row[key] is None) for key in own)
    held = 0
    for interval, value in scopes:
        assert interval is None or value is not None
        if interval is not None:
            assert 0 <= interval[0] <= interval[1] and all(type(bound) is float for bound in interval)
            held += interval[0] - 1e-9 <= value <= interval[1] + 1e-9
    assert held >= 0.9 * sum(interval is not None for interval, _ in scopes)


def perfect(number: int) -> Measured:
    truth = gt_dict()
    truth["images"] = [{"id": i, "file_name": f"{i}"} for i in range(2 * number)]
    truth["annotations"] = [{"image_id": i, "category_id": 1, "bbox": BOX} for i in range(number)]
    return measure(results_from_coco(truth, [pred(i, 1, BOX, 0.9) for i in range(number)]), fixed(0.5))


@pytest.mark.parametrize("number", [1, 10])
def test_a_perfect_detector_is_not_perfectly_sure(number):
    table = intervals(perfect(number), num_resamples=100)
    low = wilson_interval(number, number, 0.95)[0]
    for key in ("mAP", "mAP_50", "precision", "recall", "f1_score", "auroc", "average_precision"):
        assert table[key] == pytest.approx([low, 1.0]), key
        assert table[key][0] < 1 - 1e-6, key
    assert table["per_class"]["a"]["AP"] == pytest.approx([low, 1.0])
    assert table["per_class"]["a"]["recall"] == pytest.approx([low, 1.0])
    assert table["escape_rate"] == pytest.approx([0, 1 - low])


def test_a_detector_that_finds_nothing_is_not_perfectly_sure_either():
    truth = gt_dict((0, 1, BOX), (1, 1, BOX))
    table = intervals(measure(results_from_coco(truth, []), fixed(0.5)), num_resamples=100)
    assert table["recall"] == table["mAP"] == pytest.approx(wilson_interval(0, 2, 0.95))
    assert table["precision"] is None and table["auroc"] is None


def test_no_image_at_all():
    results = results_from_coco({"images": [], "annotations": [], "categories": [{"id": 1}]}, [])
    table = intervals(measure(results, fixed(0.5)), num_resamples=10)
    assert table["mAP"] is None and table["per_class"]["1"]["AP"] is None and table["escape_rate"] is None


def test_only_what_was_included():
    measured = measure(results_of(CASES["images"]), fixed(0.4), include_metrics=["recall"])
    table = intervals(measured, num_resamples=10)
    assert "recall" in table and "precision" not in table
    assert "precision" not in table["per_class"]["class 7"]


def test_a_recall_of_zero_rests_on_the_defective_parts():
    """Seven defective images, two good ones, nothing found: 0 of 7 by Wilson, whatever the number of good images."""
    truth = gt_dict(*[(i, 1, [0, 0, 10, 10]) for i in range(7)])
    truth["images"] = [{"id": i, "file_name": f"{i}.png", "width": 100, "height": 100} for i in range(9)]
    measured = measure(results_from_coco(truth, []), fixed(0.5), complete=False)
    bounds = intervals(measured, num_resamples=20)
    assert bounds["recall"] == pytest.approx(wilson_interval(0, 7, 0.95))
    assert bounds["recall"][1] == pytest.approx(0.354, abs=1e-3)


def of_parts(found: list[tuple[int, int]], num_good: int) -> Measured:
    """One class; of each defective image how many objects it has and how many of them were found."""
    truth, predictions = gt_dict(), []
    truth["images"] = [{"id": i, "file_name": f"{i}"} for i in range(len(found) + num_good)]
    places = [[100.0 * i, 0, 50, 50] for i in range(9)]
    truth["annotations"] = [
        {"image_id": i, "category_id": 1, "bbox": places[j]} for i, (has, _) in enumerate(found) for j in range(has)
    ]
    predictions = [pred(i, 1, places[j], 0.9) for i, (_, right) in enumerate(found) for j in range(right)]
    return measure(results_from_coco(truth, predictions), fixed(0.5))


@pytest.mark.parametrize("found", [[(2, 1)], [(2, 1), (2, 1)], [(4, 3)] * 4, [(2, 1)] * 12, [(3, 2)] * 30])
@pytest.mark.parametrize("num_good", [0, 1, 30])
def test_no_interval_claims_to_be_certain(found, num_good):
    """All parts alike, or few: every resample is the same, which says nothing about the next part."""
    measured = of_parts(found, num_good)
    table = intervals(measured, num_resamples=50)
    pairs = {key: value for key, value in table.items() if isinstance(value, list)}
    pairs |= {f"class {key}": value for key, value in table["per_class"]["a"].items() if value is not None}
    assert all(high - low > 1e-3 for low, high in pairs.values()), pairs
    n, share = len(found), measured.metrics["recall"]
    assert table["recall"] == pytest.approx(wilson_interval(share * n, n, 0.95))
    assert table["mAP"] is None and table["f1_score"] is None
    reason = "the same on every resample" if n >= LEAST_PARTS else f"rests on {n} of the parts"
    assert reason in table["null_reasons"]["mAP"]


def test_the_parts_may_be_few_where_the_images_are_many():
    """One defective part of 31: Wilson's interval of one half of one case, at least as wide as of one of two."""
    low, high = intervals(of_parts([(2, 1)], 30), num_resamples=50)["recall"]
    assert low < 0.095 and high > 0.905
