"""What a detector that learned from the labels changes about suspicions of another one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomdet.evaluation.results import Predictions, Results, make_predictions
from anomdet.quality.review.second_opinion import SecondOpinion, weigh
from anomdet.quality.review.suspects import DOUBLE, MISPLACED, MISSING, WRONG_CLASS, Suspects
from tests.unit.quality.review.synthetic import table

LABEL, OBJECT = (100, 100, 50, 40), (125, 100, 50, 40)
NUM = 30  # images, each with one suspicion


def alike(kind: int) -> tuple[Results, Suspects]:
    """A suspicion of one kind on each image, all as strong."""
    predicted = {MISSING: (0, (300, 300, 30, 30), 0.9), WRONG_CLASS: (1, LABEL, 0.9), MISPLACED: (0, OBJECT, 0.9)}
    shown = predicted.get(kind, (0, LABEL, 0.9))
    results = table(NUM, [(at, 0, LABEL) for at in range(NUM)], [(at, *shown) for at in range(NUM)])
    rows, none = np.arange(NUM), np.full(NUM, -1)
    label = none if kind == MISSING else rows
    return results, Suspects(np.full(NUM, kind), rows, label, rows, none, np.full(NUM, 0.5))


def seen(rows: list[tuple]) -> Predictions:
    image, label, boxes, scores = (np.array(column) for column in zip(*rows, strict=True))
    return make_predictions(image, label, boxes.astype(float), scores.astype(float))


def opinion(rows: list[tuple], *, asked: np.ndarray | None = None) -> SecondOpinion:
    return SecondOpinion(seen(rows), np.ones(NUM, bool) if asked is None else asked)


AGREEING = {
    MISSING: (0, (302, 300, 30, 30), 0.6),  # it sees it, too, though it learned that nothing is there
    WRONG_CLASS: (1, LABEL, 0.6),
    MISPLACED: (0, OBJECT, 0.6),
}


@pytest.mark.parametrize("kind", AGREEING)
def test_a_suspicion_that_it_shares_is_more_probable_and_the_others_less(kind: int) -> None:
    results, suspects = alike(kind)
    others = [(at, 0, LABEL, 0.6) for at in range(NUM) if at != 7]
    weighed = weigh(results, suspects, np.full(NUM, 0.4), opinion([(7, *AGREEING[kind]), *others]))
    assert weighed.argmax() == 7 and weighed[7] == 0.4  # no more than the most probable one of its kind was
    assert (np.delete(weighed, 7) < 0.4).all()


@pytest.mark.parametrize("kind", AGREEING)
def test_a_label_that_it_repeats_is_less_suspicious_than_one_that_it_does_not_see(kind: int) -> None:
    results, suspects = alike(kind)
    probability = np.r_[0.9, np.full(NUM - 1, 0.4)]
    weighed = weigh(results, suspects, probability, opinion([(at, 0, LABEL, 0.6) for at in range(15)]))
    if kind == MISSING:  # its label is another object
        assert np.ptp(weighed[1:]) == pytest.approx(0)
    else:
        assert weighed[1:15].max() < 0.4 < weighed[15:].min()


def test_the_order_of_other_probabilities_stays_far_from_each_other() -> None:
    """It ranks alike suspicions; it says nothing of how probable an error is at all."""
    results, suspects = alike(MISSING)
    probability = np.where(np.arange(NUM) < 15, 0.9, 0.01)
    weighed = weigh(results, suspects, probability, opinion([(20, 0, (300, 300, 30, 30), 0.9)]))
    assert weighed[:15].min() > 0.7 and weighed[15:].max() < 0.05


def test_where_it_was_not_asked_and_of_other_kinds_nothing_changes() -> None:
    results, suspects = alike(MISSING)
    probability = np.r_[np.full(NUM - 1, 0.4), np.nan]
    rows = [(at, 0, (300, 300, 30, 30), 0.02 * at) for at in range(NUM)]
    not_asked = weigh(results, suspects, probability, opinion(rows, asked=np.zeros(NUM, bool)))
    np.testing.assert_array_equal(not_asked, probability)
    double = replace(suspects, kind=np.full(NUM, DOUBLE), label=np.arange(NUM))
    np.testing.assert_array_equal(weigh(results, double, probability, opinion(rows)), probability)
    asked = weigh(results, suspects, probability, opinion(rows))
    assert np.isnan(asked[-1]) and (np.diff(asked[:-1]) >= 0).all() and asked[0] < asked[-2]


def test_without_suspicions() -> None:
    results, suspects = alike(MISSING)
    nothing = suspects.where(np.zeros(0, np.int64))
    assert not len(weigh(results, nothing, np.zeros(0), opinion([(0, 0, LABEL, 0.6)])))
