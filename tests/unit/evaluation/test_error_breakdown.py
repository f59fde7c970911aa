"""Cases worked by hand, and a slow loop over the paper's definitions (TIDE, Bolya et al. 2020)."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.error_breakdown import ERRORS, Kind, diagnose
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.results import Results
from anomdet.evaluation.summary import Measured, measure
from tests.unit.evaluation.cases import RANDOM_CASES, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [50, 50, 10, 10]
NEAR = [0, 0, 10, 4]  # IoU 0.4 with BOX


def measured(ground_truth: dict, predictions: list[dict], score_thr: float = 0.0) -> Measured:
    return measure(results_from_coco(ground_truth, predictions), fixed(score_thr))


def counts(found: Measured) -> dict[str, int]:
    return {name: row["count"] for name, row in found.metrics["errors"].items() if row["count"]}


def costs(found: Measured) -> dict[str, float]:
    return {name: row["mAP_cost"] for name, row in found.metrics["errors"].items() if row["mAP_cost"]}


@pytest.mark.parametrize(
    ("box", "class_num", "kind"),
    [
        pytest.param(BOX, 1, Kind.HIT, id="hit"),
        pytest.param(BOX, 2, Kind.CLASSIFICATION, id="in place, another class"),
        pytest.param([0, 0, 10, 4.99], 1, Kind.LOCALISATION, id="IoU 0.499"),
        pytest.param([0, 0, 10, 1], 1, Kind.LOCALISATION, id="IoU 0.1"),
        pytest.param([0, 0, 10, 0.99], 1, Kind.BACKGROUND, id="IoU 0.099"),
        pytest.param(NEAR, 2, Kind.BOTH, id="near, another class"),
        pytest.param([0, 0, 10, 0.99], 2, Kind.BACKGROUND, id="hardly near, another class"),
        pytest.param(FAR, 2, Kind.BACKGROUND, id="nowhere"),
    ],
)
def test_kind_of_one_prediction(box, class_num, kind):
    found = measured(gt_dict((0, 1, BOX)), [pred(0, class_num, box, 0.9)])
    diagnosis = diagnose(found.results, found.pairs, found.matches)
    assert diagnosis.kind.tolist() == [kind]
    assert diagnosis.gt.tolist() == [0 if kind in (Kind.CLASSIFICATION, Kind.LOCALISATION) else -1]


def test_a_second_hit_is_a_duplicate_and_place_goes_before_class():
    truth = gt_dict((0, 1, BOX), (0, 2, [0, 0, 10, 4.5]))
    # The third box overlaps its own class by 0.4 and the other by 0.9.
    predictions = [pred(0, 1, BOX, 0.9), pred(0, 1, BOX, 0.8), pred(0, 1, NEAR, 0.7)]
    assert counts(measured(truth, predictions)) == {"duplicate": 1, "localisation": 1, "missed": 1}


def test_a_matching_threshold_below_that_of_the_background():
    truth, sliver = gt_dict((0, 1, BOX)), [0, 0, 10, 0.7]
    results = results_from_coco(truth, [pred(0, 1, BOX, 0.9), pred(0, 1, sliver, 0.8), pred(0, 2, sliver, 0.7)])
    found = measure(results, fixed(0.0), matching_iou_threshold=0.05)
    assert counts(found) == {"duplicate": 1, "classification": 1}


def test_costs_by_hand():
    # One object, and a wrong box of a higher score before the right one: AP 1/2; without it 1.
    right = pred(0, 1, BOX, 0.5)
    found = measured(gt_dict((0, 1, BOX)), [pred(0, 1, FAR, 0.9), right])
    assert (counts(found), costs(found)) == ({"background": 1}, {"background": pytest.approx(0.5)})
    # Two objects, one found, one with a bad place: AP 51 of 101 recall points; with it set right 1.
    truth = gt_dict((0, 1, BOX), (0, 1, FAR))
    found = measured(truth, [pred(0, 1, BOX, 0.9), pred(0, 1, [50, 50, 10, 4], 0.8)])
    assert (counts(found), costs(found)) == ({"localisation": 1}, {"localisation": pytest.approx(50 / 101)})
    # The same with a missed one: without it 1.
    found = measured(truth, [pred(0, 1, BOX, 0.9)])
    assert (counts(found), costs(found)) == ({"missed": 1}, {"missed": pytest.approx(50 / 101)})
    # The object of class b is called a: a has AP 1 (the wrong one comes last), b has 0; corrected both have 1.
    truth = gt_dict((0, 1, BOX), (0, 2, FAR))
    found = measured(truth, [pred(0, 1, BOX, 0.9), pred(0, 1, FAR, 0.8)])
    assert (counts(found), costs(found)) == ({"classification": 1}, {"classification": pytest.approx(0.5)})
    # Duplicate between two hits: precision 1 up to recall 1/2, then 2/3.
    truth = gt_dict((0, 1, BOX), (0, 1, FAR))
    found = measured(truth, [pred(0, 1, BOX, 0.9), pred(0, 1, BOX, 0.8), pred(0, 1, FAR, 0.7)])
    assert (counts(found), costs(found)) == ({"duplicate": 1}, {"duplicate": pytest.approx(50 / 101 / 3)})
    # Wrong in place and class, before the hit of its class.
    truth = gt_dict((0, 1, BOX), (1, 2, FAR))
    found = measured(truth, [pred(0, 2, NEAR, 0.9), pred(1, 2, FAR, 0.8), pred(0, 1, BOX, 0.7)])
    assert (counts(found), costs(found)) == ({"both": 1}, {"both": pytest.approx(0.25)})


def test_only_the_best_of_several_on_one_object_is_set_right():
    boxes = [[50, 50, 10, 3], [50, 50, 10, 4], [50, 50, 10, 4.5]]
    predictions = [pred(0, 1, box, 0.9 - 0.1 * i) for i, box in enumerate(boxes)]
    found = measured(gt_dict((0, 1, FAR)), predictions)
    assert (counts(found), costs(found)) == ({"localisation": 3}, {"localisation": pytest.approx(1)})
    # On an object that another box has found they are taken away only.
    found = measured(gt_dict((0, 1, FAR)), [*predictions, pred(0, 1, FAR, 0.1)])
    assert (counts(found), costs(found)) == ({"localisation": 3}, {"localisation": pytest.approx(0.75)})


def test_counts_are_from_the_score_on_and_costs_of_all():
    truth = gt_dict((0, 1, BOX))
    predictions = [pred(0, 1, FAR, 0.9), pred(0, 1, BOX, 0.5)]
    high, low = measured(truth, predictions, 0.7), measured(truth, predictions)
    assert counts(high) == {"background": 1, "missed": 1} and counts(low) == {"background": 1}
    assert costs(high) == costs(low)
    assert counts(measured(truth, [pred(0, 2, BOX, 0.9)], 0.95)) == {"missed": 1}


def test_an_empty_test_set_has_no_costs():
    found = measured(gt_dict(), [pred(0, 1, FAR, 0.9)])
    assert found.metrics["errors"]["background"] == {"count": 1, "mAP_cost": None}
    assert found.metrics["errors"]["missed"] == {"count": 0, "mAP_cost": None}


def slow_ap(right: list[bool], total: int) -> float:
    """COCO's 101 points; 1 where nothing is left to find."""
    points = [(sum(right[:n]) / total, sum(right[:n]) / n) for n in range(1, len(right) + 1)] if total else []
    best = [max((p for r, p in points if r >= level), default=0) for level in np.linspace(0, 1, 101)]
    return float(np.mean(best)) if total else 1.0


def slow_breakdown(results: Results, thr: float = 0.5, background: float = 0.1) -> dict[str, tuple[int, float | None]]:
    """Counts and costs with every prediction shown."""
    gt, pred = results.gt, results.pred
    kind, about = ["hit"] * len(pred), [-1] * len(pred)
    used, order = set(), np.argsort(-pred.score, kind="stable").tolist()
    iou = pairwise_iou(xywh_to_xyxy(pred.bboxes_xywh), xywh_to_xyxy(gt.bboxes_xywh))
    iou[pred.image[:, None] != gt.image[None]] = 0
    own = pred.label[:, None] == gt.label[None]
    for row in order:
        free = [g for g in np.flatnonzero(own[row] & (iou[row] >= thr)).tolist() if g not in used]
        if free:
            used.add(max(free, key=lambda g: (iou[row, g], g)))
            continue
        best_own, best_other = (iou[row] * own[row]).max(initial=0), (iou[row] * ~own[row]).max(initial=0)
        if background <= best_own < thr:
            kind[row], about[row] = "localisation", int((iou[row] * own[row]).argmax())
        elif best_other >= thr:
            kind[row], about[row] = "classification", int((iou[row] * ~own[row]).argmax())
        elif best_own >= thr:
            kind[row] = "duplicate"
        else:
            kind[row] = "background" if max(best_own, best_other) < background else "both"
    missed = set(range(len(gt))) - used - set(about)

    def mean_ap(corrected: str) -> float | None:
        given = set(used)
        flags: list[tuple[int, bool]] = []  # class and right or wrong, by falling score
        for row in order:
            if kind[row] != corrected:
                flags.append((int(pred.label[row]), kind[row] == "hit"))
            elif about[row] >= 0 and about[row] not in given:
                given.add(about[row])
                flags.append((int(gt.label[about[row]]), True))
        left = [label for g, label in enumerate(gt.label.tolist()) if not (corrected == "missed" and g in missed)]
        aps = [
            slow_ap([is_right for label, is_right in flags if label == k], left.count(k))
            for k in sorted(set(gt.label.tolist()))
        ]
        return float(np.mean(aps)) if aps else None

    base = mean_ap("nothing")
    number = {name: len(missed) if name == "missed" else kind.count(name) for name in (*ERRORS, "missed")}
    return {n: (number[n], None if base is None else mean_ap(n) - base) for n in number}


@pytest.mark.parametrize("case", [case for case in RANDOM_CASES if not case.crowd_share], ids=str)
def test_against_the_slow_loop(case):
    results = results_of(case)
    assert np.all(np.bincount(results.pred.image * 9 + results.pred.label, minlength=1) <= 100)
    found = measure(results, fixed(0.0)).metrics["errors"]
    for name, (number, cost) in slow_breakdown(results).items():
        assert found[name]["count"] == number, name
        assert found[name]["mAP_cost"] == (None if cost is None else pytest.approx(cost, abs=1e-9)), name
