"""How strong a suspicion is, by what else the detector sees on a label."""

from __future__ import annotations

from anomdet.quality.review.errors import find_label_errors
from anomdet.quality.review.support import find_support
from anomdet.quality.review.suspects import MISPLACED, WRONG_CLASS, find_suspects
from tests.unit.quality.review.synthetic import detections, table

BOX = (100, 100, 50, 40)


def test_a_label_whose_own_class_is_seen_too_is_a_weaker_suspicion_than_one_of_another_class_alone() -> None:
    seen = [(0, 0, BOX, 0.9), (0, 1, BOX, 0.3), (1, 0, BOX, 0.6)]
    results = table(2, [(0, 1, BOX), (1, 1, BOX)], seen)
    suspects = find_suspects(find_support(results, results.pred.score))
    mine = suspects.where(suspects.kind == WRONG_CLASS)
    raw = dict(zip(mine.image.tolist(), mine.raw.tolist(), strict=True))
    assert raw[1] > 1.5 * raw[0] > 0


def test_weak_predictions_nearer_to_a_label_make_its_place_less_suspect() -> None:
    label, between = (125, 100, 50, 40), (115, 90, 50, 60)  # an IoU of 0.47: it does not agree, yet speaks for it
    rows_gt = [(image, 0, label if image < 2 else BOX) for image in range(30)]
    rows_pred = [(image, 0, BOX, 0.9) for image in range(30)] + [(1, 0, between, 0.5)]
    results = table(30, rows_gt, sorted(rows_pred, key=lambda row: row[0]))
    suspects = find_suspects(find_support(results, results.pred.score))
    mine = suspects.where(suspects.kind == MISPLACED)
    raw = dict(zip(mine.image.tolist(), mine.raw.tolist(), strict=True))
    assert raw[0] > 1.05 * raw[1] > 0


def test_a_label_that_several_predictions_span_is_of_a_group_and_not_too_big() -> None:
    """Some label pieces one by one, some all of them at once: its part alone does not speak against the whole."""
    group, first, last = (100, 100, 50, 120), (100, 100, 50, 40), (100, 180, 50, 40)
    rows_gt = [(image, 0, group if image < 2 else BOX) for image in range(30)]
    rows_pred = [(image, 0, first if image < 2 else BOX, 0.9) for image in range(30)] + [(1, 0, last, 0.7)]
    results = table(30, rows_gt, sorted(rows_pred, key=lambda row: row[0]))
    suspects = find_suspects(find_support(results, results.pred.score))
    mine = suspects.where(suspects.kind == MISPLACED)
    raw = dict(zip(mine.image.tolist(), mine.raw.tolist(), strict=True))
    assert raw[0] > 0.5 and raw[1] < 0.4 * raw[0]


def test_a_probability_is_read_from_many_planted_errors() -> None:
    """300 of a kind are too few: their draw would decide which kind comes first."""
    found = find_label_errors(detections(400))
    assert min(one.num_planted for one in found.shown[:2]) >= 800
