"""Which labels are suspected, in which order, and with which probability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.evaluation.results import Results, make_ground_truth, make_predictions
from anomdet.quality.review.calibrate import FEWEST, fit
from anomdet.quality.review.errors import LabelErrors, find_label_errors
from anomdet.quality.review.plant import Planted, plant, raw_of_planted
from anomdet.quality.review.support import find_support
from anomdet.quality.review.suspects import (
    DOUBLE,
    KINDS,
    MERGED,
    MISPLACED,
    MISSING,
    UNSUPPORTED,
    WRONG_CLASS,
    find_suspects,
)
from tests.unit.quality.review.synthetic import detections, table

BOX, FAR = (100, 100, 50, 40), (300, 300, 30, 30)


def faulty(num: int, gt: list, pred: list) -> Results:
    """One image with these rows before many with right labels, by which the detector is known to be good."""
    rows_gt = [(0, *row) for row in gt]
    rows_pred = [(0, *row) for row in pred]
    for image in range(1, 80):
        for at, box in enumerate((BOX, FAR)):
            rows_gt.append((image, at, box))
            rows_pred.append((image, at, np.add(box, (1, 0, 0, 1)), 0.9))
        rows_pred.append((image, 2, (200, 10, 20, 20), 0.1))
    return table(80, rows_gt, rows_pred)


FAULTS = {
    "missing": (MISSING, [(1, FAR)], [(0, BOX, 0.95), (1, FAR, 0.95)]),
    "class": (WRONG_CLASS, [(1, BOX)], [(0, BOX, 0.95)]),
    "shifted": (MISPLACED, [(0, (125, 100, 50, 40))], [(0, BOX, 0.95)]),
    "too big": (MISPLACED, [(0, (90, 90, 75, 60))], [(0, BOX, 0.95)]),
    "too small": (MISPLACED, [(0, (110, 110, 28, 22))], [(0, BOX, 0.95)]),
    "unsupported": (UNSUPPORTED, [(0, (20, 300, 50, 40))], [(0, BOX, 0.01)]),
    "double": (DOUBLE, [(0, BOX), (0, (102, 101, 49, 42))], [(0, BOX, 0.95)]),
    "merged": (MERGED, [(0, (100, 100, 110, 40))], [(0, BOX, 0.95), (0, (160, 100, 50, 40), 0.9)]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_kind_is_the_strongest_suspicion_of_its_image(name: str) -> None:
    kind, gt, pred = FAULTS[name]
    suspects = find_suspects(find_support(faulty(1, gt, pred)))
    mine = suspects.where(suspects.image == 0)
    assert KINDS[mine.kind[mine.raw.argmax()]] == KINDS[kind]
    others = suspects.where((suspects.image != 0) & (suspects.kind == kind))
    assert mine.raw.max() > others.raw.max(initial=0)


@pytest.mark.parametrize("name", ["shifted", "too big", "too small"])
def test_a_misplaced_label_says_how(name: str) -> None:
    kind, gt, pred = FAULTS[name]
    errors = find_label_errors(faulty(1, gt, pred), least=0)
    at = next(at for at in range(len(errors)) if errors.suspects.image[at] == 0)
    assert errors.suspects.kind[at] == kind
    assert errors.manner(at) == name


def strongest_misplaced(gt: list, pred: list) -> float:
    suspects = find_suspects(find_support(faulty(1, gt, pred)))
    mine = suspects.where((suspects.image == 0) & (suspects.kind == MISPLACED))
    return float(mine.raw.max(initial=0))


def test_a_label_that_some_prediction_agrees_with_is_not_misplaced() -> None:
    label, elsewhere = (125, 100, 50, 40), (0, BOX, 0.95)
    alone = strongest_misplaced([(0, label)], [elsewhere])
    assert strongest_misplaced([(0, label)], [elsewhere, (0, np.add(label, (1, 0, 0, 1)), 0.9)]) < 0.1 * alone
    assert strongest_misplaced([(0, label)], [elsewhere, (1, label, 0.9)]) == alone, "of its own class, that is"


def test_a_shift_counts_by_what_is_usual_along_its_side() -> None:
    """Sides that differ much from label to label say little; the centre that never does says much."""
    rng = np.random.default_rng(0)
    rows_gt = [(image, 0, BOX) for image in range(80)]
    rows_pred = [
        (image, 0, (100 - extra / 2, 100, 50 + extra, 40), 0.9) for image, extra in enumerate(rng.uniform(-20, 60, 80))
    ]
    rows_pred[0], rows_pred[1] = (0, 0, (120, 100, 50, 40), 0.9), (1, 0, (70, 100, 110, 40), 0.9)
    suspects = find_suspects(find_support(table(80, rows_gt, rows_pred)))
    raw = [suspects.raw[(suspects.image == image) & (suspects.kind == MISPLACED)].max() for image in (0, 1)]
    assert raw[0] > 2 * raw[1]


def test_right_labels_raise_little_suspicion() -> None:
    support = find_support(faulty(1, [(0, BOX)], [(0, BOX, 0.9)]))
    suspects = find_suspects(support)
    assert suspects.where(suspects.image == 0).raw.max(initial=0) < 0.35


def test_a_removed_label_does_not_lower_the_trust_of_the_prediction_that_shows_it() -> None:
    pred = [(0, BOX, 0.99), (1, FAR, 0.95)]
    right, missing = (find_support(faulty(2, gt, pred)) for gt in ([(0, BOX), (1, FAR)], [(1, FAR)]))
    assert missing.trust[0] == right.trust[0] > 0.95


def test_trust_is_the_precision_of_class_and_score_and_never_falls() -> None:
    results = detections(seed=3)
    support = find_support(results)
    for label, part in product(range(results.num_classes), range(5)):  # measured on the images of the other parts
        mine = (results.pred.label == label) & (results.pred.image % 5 == part)
        order = np.argsort(results.pred.score[mine], kind="stable")
        assert (np.diff(support.trust[mine][order]) >= 0).all()
    hit = np.zeros(len(results.pred), dtype=bool)
    hit[support.pairs.pred[support.pairs.same_class & (support.pairs.iou >= 0.4)]] = True
    assert support.trust.mean() == pytest.approx(hit.mean(), abs=0.03)


def rank_of_planted(planted: Planted, errors: LabelErrors) -> np.ndarray:
    """``(E,)`` place at which each planted error is first named, under whatever kind; worked out box by box."""
    suspects, pred = errors.suspects, planted.results.pred
    ranks = np.full(len(planted.kind), len(errors) + 1)
    for at in range(len(errors)):
        labels = {int(suspects.label[at])}
        if suspects.kind[at] == DOUBLE:
            labels.add(int(suspects.other[at]))
        for one in np.flatnonzero(planted.image == suspects.image[at]):
            named = planted.label[one] >= 0 and int(planted.label[one]) in labels
            if suspects.pred[at] >= 0 and planted.kind[one] in (MISSING, MISPLACED):
                boxes = [pred.bboxes_xywh[[suspects.pred[at]]], planted.bboxes_xywh[[one]]]
                named |= pairwise_iou(*map(xywh_to_xyxy, boxes))[0, 0] >= 0.4
            if named:
                ranks[one] = min(ranks[one], at)
    return ranks


@pytest.fixture(scope="module")
def reviewed() -> list[tuple[Planted, LabelErrors]]:
    found = []
    for seed in range(4):
        planted = plant(detections(seed=seed), 0.01, np.random.default_rng(seed))
        found.append((planted, find_label_errors(planted.results, seed=7)))
    return found


def test_planted_errors_come_first(reviewed: list) -> None:
    """But for labels of nothing, which look like every object that the detector misses."""
    top, all_found = [], []
    for planted, errors in reviewed:
        ranks = rank_of_planted(planted, errors)
        num_labels = len(planted.results.gt)
        visible = planted.kind != UNSUPPORTED
        all_found.append((ranks[visible] < 0.1 * num_labels).mean())
        top.append((ranks < len(planted.kind) // 2).sum() / (len(planted.kind) // 2))
    assert np.mean(all_found) > 0.7
    assert np.mean(top) > 0.7


@pytest.mark.parametrize("share", [0.01, 0.03])
def test_probabilities_hold(share: float) -> None:
    """Of the suspected labels of a probability, about as many are wrong, whether 6 or 18 % of the labels are.

    But for the kinds that are taken for rare, whatever the data look like.
    """
    probability, wrong = [], []
    for seed in range(2):
        planted = plant(detections(1000, confused=0.01, seed=seed), share, np.random.default_rng(seed))
        errors = find_label_errors(planted.results, seed=7)
        ranks = rank_of_planted(planted, errors)
        is_wrong = np.zeros(len(errors), dtype=bool)
        is_wrong[ranks[ranks < len(errors)]] = True
        usual = ~np.isin(errors.suspects.kind, [UNSUPPORTED, MERGED])
        probability.append(errors.probability[usual])
        wrong.append(is_wrong[usual])
    said, true = np.concatenate(probability), np.concatenate(wrong)
    bins = np.digitize(said, [0.2, 0.4, 0.6, 0.8])
    gaps = [abs(said[bins == one].mean() - true[bins == one].mean()) * (bins == one).sum() for one in np.unique(bins)]
    assert sum(gaps) / len(said) < 0.1
    assert true[said >= 0.8].mean() >= 0.75


def test_a_label_and_a_prediction_stand_in_one_suspicion_only(reviewed: list) -> None:
    for _, errors in reviewed:
        suspects = errors.suspects
        labels = [*suspects.label[suspects.label >= 0], *suspects.other[suspects.kind == DOUBLE]]
        preds = [*suspects.pred[suspects.pred >= 0], *suspects.other[suspects.kind == MERGED]]
        assert len(set(labels)) == len(labels)
        assert len(set(preds)) == len(preds)


def test_probabilities_fall_and_hard_normals_come_before_them() -> None:
    results = detections(seed=1)
    normal = int(np.setdiff1d(np.arange(results.num_images), results.gt.image)[0])
    pred = results.pred
    more = make_predictions(
        np.append(pred.image, normal),
        np.append(pred.label, 0),
        np.vstack([pred.bboxes_xywh, [50, 60, 40, 40]]),
        np.append(pred.score, 0.98),
    )
    errors = find_label_errors(replace(results, pred=more))
    assert errors.suspects.image[0] == normal
    assert errors.hard_normal[0]
    assert errors.suspects.kind[0] == MISSING
    assert errors.probability[0] >= 0.5
    first = errors.hard_normal & (errors.probability >= 0.5)
    rest = errors.probability[~first]
    assert first[: first.sum()].all()
    assert (np.diff(rest) <= 0).all()


def test_the_same_data_and_seed_give_the_same_errors() -> None:
    first, again = (find_label_errors(detections(seed=2), seed=5) for _ in range(2))
    assert np.array_equal(first.probability, again.probability)
    assert np.array_equal(first.suspects.label, again.suspects.label)


CHANGES: dict[int, Callable[[int], int]] = {
    MISSING: lambda number: -number,
    WRONG_CLASS: lambda number: 0,
    MISPLACED: lambda number: 0,
    UNSUPPORTED: lambda number: number,
    DOUBLE: lambda number: number,
    MERGED: lambda number: -number,
}


def test_planting_changes_what_it_says() -> None:
    results = detections(seed=4)
    planted = plant(results, 0.02, np.random.default_rng(0))
    numbers = np.bincount(planted.kind, minlength=len(KINDS))
    assert (numbers == round(0.02 * len(results.gt))).all()
    grown = sum(CHANGES[kind](int(number)) for kind, number in enumerate(numbers))
    assert len(planted.results.gt) == len(results.gt) + grown
    own = planted.label >= 0
    assert np.array_equal(planted.results.gt.image[planted.label[own]], planted.image[own])
    before = {
        (int(i), int(c), *b)
        for i, c, b in zip(results.gt.image, results.gt.label, results.gt.bboxes_xywh.tolist(), strict=True)
    }
    after = planted.results.gt
    for row in planted.label[own]:
        assert (int(after.image[row]), int(after.label[row]), *after.bboxes_xywh[row].tolist()) not in before


def test_planted_errors_raise_suspicion() -> None:
    planted = plant(detections(seed=4, recall=1.0, alarms=0.0), 0.02, np.random.default_rng(0))
    raw = raw_of_planted(planted, find_suspects(find_support(planted.results)))
    for kind, name in enumerate(KINDS):
        assert (raw[planted.kind == kind] > 0.1).mean() > 0.7, name


def test_one_class_and_no_second_object_leave_kinds_without_a_probability() -> None:
    gt = [(image, 0, BOX) for image in range(60)]
    pred = [(image, 0, BOX, 0.9) for image in range(60)]
    errors = find_label_errors(table(60, gt[1:], pred, num_classes=1))
    numbers = {name: one.num_planted for name, one in zip(KINDS, errors.shown, strict=True)}
    assert numbers["class"] == numbers["merged"] == 0
    assert numbers["missing"] >= FEWEST
    assert errors.suspects.image[0] == 0


@pytest.mark.parametrize("results", [table(3, [], []), table(2, [], [(0, 0, BOX, 0.9)]), table(2, [(0, 0, BOX)], [])])
def test_data_without_labels_or_predictions(results: Results) -> None:
    errors = find_label_errors(results, least=0)
    assert len(errors.probability) == len(errors)


def test_a_calibration_never_falls_and_knows_its_bound() -> None:
    rng = np.random.default_rng(0)
    planted, observed = rng.beta(5, 2, 200), np.concatenate([rng.beta(1, 6, 3000), rng.beta(5, 2, 40)])
    calibration = fit(planted, observed, 4000, 0.015, 0.2)
    assert (np.diff(calibration.of(np.linspace(0, 1, 50))) >= 0).all()
    assert 0.005 <= calibration.rate <= 0.015
    assert calibration.of(np.array([0.95]))[0] > 0.7
    assert calibration.of(np.array([0.05]))[0] < 0.05
    assert np.isnan(fit(planted[: FEWEST - 1], observed, 4000, 0.015, 0.2).of(np.array([0.5]))[0])


@pytest.mark.parametrize(("num_labels", "num_errors"), [(760, 10), (760, 3), (7000, 90)])
def test_the_rate_of_errors_is_rarely_below_the_true_one(num_labels: int, num_errors: int) -> None:
    """Ten errors of the strengths that planted ones have, and no other suspicion: none of the strongest is no news."""
    rng = np.random.default_rng(0)
    rates = [fit(rng.random(600), rng.random(rng.poisson(num_errors)), num_labels, 1.0, 1.0).rate for _ in range(200)]
    assert np.mean(np.array(rates) < num_errors / num_labels) < 0.2


@pytest.mark.parametrize(("num_errors", "share"), [(200, 0.05), (800, 0.2)])
def test_more_errors_than_usual_are_seen_where_suspicions_are_as_strong(num_errors: int, share: float) -> None:
    """Errors in 5 % and in 20 % of the labels; no rate of usual errors hides them."""
    rng = np.random.default_rng(0)
    observed = np.concatenate([rng.beta(1, 6, 3000), rng.beta(5, 2, num_errors)])
    rate = fit(rng.beta(5, 2, 600), observed, 4000, 0.02, 1.0).rate
    assert 0.7 * share <= rate <= 1.2 * share
    assert fit(rng.beta(5, 2, 600), observed, 4000, 0.02, 0.03).rate == 0.03


def test_rows_of_one_image_may_come_in_any_order() -> None:
    """Ranks and rows of the table, not the order of a file, say which label is meant."""
    results = detections(seed=6)
    order = np.random.default_rng(0).permutation(len(results.gt))
    gt = results.gt
    shuffled = make_ground_truth(gt.image[order], gt.label[order], gt.bboxes_xywh[order])
    support, other = find_support(results), find_support(replace(results, gt=shuffled))
    first, again = find_suspects(support), find_suspects(other)
    assert sorted(first.raw.round(9)) == sorted(again.raw.round(9))
