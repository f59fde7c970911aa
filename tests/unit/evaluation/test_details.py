from __future__ import annotations

import json

import pytest

from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.details import MOST_BOXES, MOST_CASES, details
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import measure
from tests.unit.evaluation.cases import RANDOM_CASES, Case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [30, 30, 10, 10]
KINDS = {"missed", "false_alarm", "confusion", "duplicate", "localisation", "found"}


def cases_of(ground_truth: dict, predictions: list[dict], score_thr: float = 0.3) -> list[dict]:
    return details(measure(results_from_coco(ground_truth, predictions), fixed(score_thr)))["cases"]


def short(cases: list[dict]) -> list[tuple]:
    return [(case["kind"], case["class"], case["predicted"], case["score"]) for case in cases]


@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_keys(case):
    found = details(measure(results_of(case), fixed(0.3)))
    assert set(found) == {"curves", "froc", "roc", "anomaly_scores", "cases", "rethreshold"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    names = {f"class {num}" for num in case.class_nums}
    for entry in found["cases"]:
        assert set(entry) == {
            *("kind", "file_name", "size_hw", "class", "predicted", "score", "iou", "bbox_xywh"),
            *("truth", "predictions", "below", "part", "outcome"),
        }
        assert entry["kind"] in KINDS and entry["class"] in names and entry["predicted"] in names | {None}
        assert entry["size_hw"] == [480, 640] and len(entry["bbox_xywh"]) == 4
        assert all(box["score"] >= 0.3 and box["class"] in names for box in entry["predictions"])
        own = entry["truth"] if entry["kind"] == "missed" else entry["predictions"]
        assert entry["bbox_xywh"] in [box["bbox_xywh"] for box in own]


def test_one_case_of_each_kind():
    truth = gt_dict((0, 1, BOX), (0, 2, FAR), (0, 1, [60, 60, 10, 10]), (0, 1, [80, 80, 5, 5]))
    predictions = [
        pred(0, 1, BOX, 0.9),
        pred(0, 1, [0, 0, 10, 8], 0.8),  # the same again
        pred(0, 1, [30, 30, 10, 6], 0.7),  # the wrong class
        pred(0, 1, [60, 60, 10, 4], 0.6),  # not well enough in place
        pred(1, 2, BOX, 0.5),
        pred(1, 2, FAR, 0.2),
    ]
    cases = cases_of(truth, predictions)
    assert short(cases) == [
        ("missed", "a", None, None),
        ("missed", "a", None, None),
        ("false_alarm", "b", "b", 0.5),
        ("confusion", "b", "a", 0.7),
        ("localisation", "a", "a", 0.6),
        ("duplicate", "a", "a", 0.8),
        ("found", "a", "a", 0.9),
    ]
    by_kind = {case["kind"]: case for case in cases}
    assert [case["bbox_xywh"] for case in cases[:2]] == [[60, 60, 10, 10], [80, 80, 5, 5]], "the larger first"
    assert by_kind["confusion"]["iou"] == pytest.approx(0.6)
    assert by_kind["localisation"]["iou"] == pytest.approx(0.4)
    assert by_kind["false_alarm"]["iou"] is None
    assert by_kind["false_alarm"] == {
        **{"kind": "false_alarm", "file_name": "1.png", "size_hw": [100, 100], "class": "b", "predicted": "b"},
        **{"score": 0.5, "iou": None, "bbox_xywh": BOX, "truth": [], "part": "1.png", "outcome": "overkill"},
        "predictions": [{"class": "b", "bbox_xywh": BOX, "score": 0.5}],
        "below": [{"class": "b", "bbox_xywh": FAR, "score": 0.2}],
    }
    assert len(by_kind["confusion"]["truth"]) == 4 and len(by_kind["confusion"]["predictions"]) == 4


def test_the_worst_of_many():
    case = Case(0, num_images=40, boxes_per_image=25, normal_share=0.2, predictions_per_gt=2)
    cases = details(measure(results_of(case), fixed(0.5)))["cases"]
    kinds = [case["kind"] for case in cases]
    assert kinds.count("missed") == kinds.count("duplicate") == MOST_CASES == 60 > kinds.count("false_alarm") > 0
    sizes = [case["bbox_xywh"][2] * case["bbox_xywh"][3] for case in cases if case["kind"] == "missed"]
    assert sizes == sorted(sizes, reverse=True)
    for kind in KINDS - {"missed", "found"}:
        ranks = [(case["outcome"] != "overkill", -case["score"]) for case in cases if case["kind"] == kind]
        assert ranks == sorted(ranks), "those on good parts first, then by falling score"
    parts = [case["part"] for case in cases if case["kind"] == "found"]
    assert len(set(parts)) == len(parts) == 6


def test_a_missed_object_has_the_best_box_under_the_threshold():
    truth = gt_dict((0, 1, BOX), (1, 1, BOX), (2, 1, BOX), (3, 2, FAR))
    truth["images"] = [{**truth["images"][0], "id": i, "file_name": f"{i}.png"} for i in range(4)]
    predictions = [
        pred(0, 1, BOX, 0.2),
        pred(0, 2, BOX, 0.25),  # of another class
        pred(1, 1, FAR, 0.28),  # elsewhere
        pred(2, 1, [0, 0, 10, 3], 0.1),  # touches it
        *(pred(2, 1, FAR, 0.29 - i / 100) for i in range(12)),
        pred(3, 2, FAR, 0.9),
    ]
    cases = {case["file_name"]: case for case in cases_of(truth, predictions)}
    best = {name: [box["score"] for box in case["below"] if box.get("best")] for name, case in cases.items()}
    assert best == {"0.png": [0.2], "1.png": [], "2.png": [0.1], "3.png": []}
    assert len(cases["2.png"]["below"]) == 8 and cases["2.png"]["below"][1]["score"] == 0.29
    assert {name: case["outcome"] for name, case in cases.items()} == {
        **dict.fromkeys(("0.png", "1.png", "2.png"), "escape"),
        "3.png": "found",
    }


def test_escapes_come_before_what_is_missed_on_a_part_that_is_caught():
    truth = gt_dict((0, 1, [0, 0, 40, 40]), (0, 1, [60, 60, 10, 10]), (1, 1, [0, 0, 5, 5]))
    cases = cases_of(truth, [pred(0, 1, [60, 60, 10, 10], 0.9)])
    assert [(case["kind"], case["file_name"]) for case in cases] == [
        *[("missed", "1.png"), ("missed", "0.png")],
        ("found", "0.png"),
    ]


def test_crowds_are_no_cases():
    truth = gt_dict((0, 1, [0, 0, 100, 100]))
    truth["annotations"][0]["iscrowd"] = 1
    assert cases_of(truth, [pred(0, 1, BOX, 0.9)]) == []


def test_scores_of_the_parts():
    truth = gt_dict((0, 1, BOX))
    truth["images"].append({"id": 2, "file_name": "2"})
    found = details(measure(results_from_coco(truth, [pred(0, 1, FAR, 0.1), pred(1, 2, BOX, 0.7)]), fixed(0.5)))
    assert found["anomaly_scores"] == {"good": [0.7, 0.0], "defective": [0.1]}


@pytest.mark.slow
def test_of_a_crowded_image_the_nearest_boxes_are_listed():
    """Hundreds of cases with all boxes of one image each would take gigabytes."""
    truth = gt_dict(*((0, 1, [20 * at, 0, 10, 10]) for at in range(MOST_BOXES + 50)))
    predictions = [pred(0, 1, [20 * at, 500, 10, 10], 0.3 + at / 10_000) for at in range(MOST_BOXES + 20)]
    missed, false = (next(c for c in cases_of(truth, predictions) if c["kind"] == k) for k in ("missed", "false_alarm"))
    for case in (missed, false):
        assert (len(case["truth"]), len(case["predictions"]), case["left_out"]) == (MOST_BOXES, MOST_BOXES, 70)
        own = case["bbox_xywh"][0]
        for key, number in (("truth", MOST_BOXES + 50), ("predictions", MOST_BOXES + 20)):
            listed = [box["bbox_xywh"][0] for box in case[key]]
            others = {20 * at for at in range(number)} - set(listed)
            assert max(abs(x - own) for x in listed) <= min(abs(x - own) for x in others)
        scores = [box["score"] for box in case["predictions"]]
        assert scores == sorted(scores, reverse=True)
