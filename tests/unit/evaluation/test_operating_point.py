"""Each criterion against a search over all thresholds."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from anomdet.defaults import FALLBACK_SCORE
from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.counts import find_matches
from anomdet.evaluation.operating_point import (
    NOTHING_PASSES,
    Criterion,
    OperatingPoint,
    below,
    choose,
    fixed,
    given,
)
from anomdet.evaluation.pairs import overlapping_pairs
from anomdet.evaluation.results import Results
from tests.unit.evaluation.cases import RANDOM_CASES, Case, gt_dict, pred, results_of

BOX = [0, 0, 10, 10]
FAR = [50, 50, 10, 10]
CRITERIA = [
    Criterion("max_f1"),
    Criterion("min_recall", min_recall=0.3),
    Criterion("min_recall", min_recall=0.6),
    Criterion("max_false_alarms", max_false_alarms=0),
    Criterion("max_false_alarms", max_false_alarms=300),
    Criterion("max_false_alarms", max_false_alarms=1000),
    Criterion("costs", escape_cost=10, overkill_cost=1),
    Criterion("costs", escape_cost=1, overkill_cost=10),
    Criterion("costs", escape_cost=0, overkill_cost=1),
]


@cache
def drawn(case: Case):
    """Results and matches."""
    results = results_of(case)
    return results, matched(results)


def matched(results: Results):
    return find_matches(results, overlapping_pairs(results, 0.1), 0.5)


def state(results: Results, matches, score_thr: float, label: int | None) -> SimpleNamespace:
    """What a threshold does, counted from the boxes: of all classes, or of one."""
    objects, chosen = ~results.gt.crowd, matches.counted & (results.pred.score >= score_thr)
    names = np.asarray(results.parts or results.file_names)
    good = set(names.tolist()) - set(names[results.gt.image[objects]].tolist())
    if label is not None:
        objects, chosen = objects & (results.gt.label == label), chosen & (results.pred.label == label)
    out = set(names[results.pred.image[chosen]].tolist())
    bad = set(names[results.gt.image[objects]].tolist())
    return SimpleNamespace(
        hits=(chosen & matches.hit).sum(),
        shown=chosen.sum(),
        num_gt=objects.sum(),
        escapes=len(bad - out),
        overkill=len(good & out),
        good=len(good),
        bad=len(bad),
    )


def candidates(results: Results) -> list[float]:
    """One threshold for each thing that can be kept."""
    return [*np.unique(results.pred.score).tolist(), NOTHING_PASSES]


def check(criterion: Criterion, results: Results, matches, score_thr: float, note: str, label: int | None) -> str:
    """Fails unless the choice is the best; returns what kind of a choice it was."""
    own = state(results, matches, score_thr, label)
    others = [(thr, state(results, matches, thr, label)) for thr in candidates(results)]
    if criterion.by in ("max_f1", "min_recall") and not own.num_gt:
        assert (score_thr, bool(note)) == (FALLBACK_SCORE, True)
        return "no objects"
    if criterion.by == "max_f1":
        best = max(2 * other.hits / (other.shown + other.num_gt) for _, other in others)
        if best == 0:
            assert (score_thr, bool(note)) == (FALLBACK_SCORE, True)
            return "no hit"
        assert 2 * own.hits / (own.shown + own.num_gt) == best and not note
        return "best"
    if criterion.by == "min_recall":
        enough = [(thr, s.shown) for thr, s in others if s.hits >= criterion.min_recall * s.num_gt - 1e-12]
        if not enough:
            assert score_thr == 0 and "out of reach" in note
            return "out of reach"
        assert own.hits >= criterion.min_recall * own.num_gt - 1e-12 and not note
        assert own.shown == min(shown for _, shown in enough), "a higher threshold would do"
        return "best"
    if not own.good or (criterion.by == "costs" and not own.bad):
        assert (score_thr, bool(note)) == (FALLBACK_SCORE, True)
        return "no parts"
    if criterion.by == "max_false_alarms":
        allowed = criterion.max_false_alarms / 1000 * own.good + 1e-9
        assert own.overkill <= allowed, "too many good parts are rejected"
        assert own.escapes == min(s.escapes for _, s in others if s.overkill <= allowed), "a lower one would find more"
        too_few = criterion.max_false_alarms > 0 and allowed < 1
        assert bool(note) == (too_few or score_thr == NOTHING_PASSES)
        return "best"
    cost = criterion.escape_cost * own.escapes + criterion.overkill_cost * own.overkill
    assert cost == min(criterion.escape_cost * s.escapes + criterion.overkill_cost * s.overkill for _, s in others)
    return "best"


@pytest.mark.parametrize("per_class", [False, True], ids=["one threshold", "per class"])
@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda c: "-".join(str(v) for v in list(c.as_dict().values())))
def test_no_threshold_is_better(criterion, per_class):
    kinds = []
    criterion = Criterion(**{**vars(criterion), "per_class": per_class})
    for case in [
        *RANDOM_CASES[:-1],
        *(Case(seed, num_images=20, boxes_per_image=4, per_part=1 + seed % 3) for seed in range(20, 26)),
    ]:
        results, matches = drawn(case)
        point = choose(results, matches, criterion)
        if not per_class:
            assert point.per_class is None and point.score_threshold is not None
            kinds.append(check(criterion, results, matches, point.score_threshold, point.note, None))
            assert point.chosen_on == ("val" if kinds[-1] in ("best", "out of reach") else "default")
            continue
        assert point.score_threshold is None and point.per_class is not None
        assert list(point.per_class) == results.class_nums.tolist()
        notes = dict(entry.split(": ", 1) for entry in point.note.split("; ") if entry.startswith("class "))
        several = len(point.per_class) > 1
        assert ("all together may reject more" in point.note) == (several and criterion.by == "max_false_alarms")
        for k, (num, score_thr) in enumerate(point.per_class.items()):
            kinds.append(check(criterion, results, matches, score_thr, notes.get(f"class {num}", ""), k))
    assert kinds.count("best") >= 8
    assert len(set(kinds)) > 1


def test_the_thresholds_by_hand():
    # Scores: hits at 0.9 and 0.5, a false alarm at 0.7 on a good part (image 1), 0.2 beside.
    truth = gt_dict((0, 1, BOX), (0, 1, FAR), (0, 1, [20, 20, 5, 5]))
    predictions = [pred(0, 1, BOX, 0.9), pred(0, 1, FAR, 0.5), pred(1, 1, BOX, 0.7), pred(0, 1, [80, 0, 5, 5], 0.2)]
    results = results_from_coco(truth, predictions)
    matches = matched(results)

    def chosen(**criterion) -> float:
        return choose(results, matches, Criterion(**criterion)).score_threshold

    # F1: 2/4 at 0.9, 2/5 at 0.7, 4/6 at 0.5, 4/7 at 0.2; halfway between 0.5 and 0.2.
    assert chosen(by="max_f1") == pytest.approx(0.35)
    assert chosen(by="min_recall", min_recall=1 / 3) == pytest.approx(0.8)
    assert chosen(by="min_recall", min_recall=0.34) == pytest.approx(0.35)
    assert chosen(by="min_recall", min_recall=0.9) == 0
    assert chosen(by="max_false_alarms", max_false_alarms=999) == pytest.approx(0.8)
    assert chosen(by="max_false_alarms", max_false_alarms=1000) == 0
    assert chosen(by="costs") == pytest.approx(0.8)


def test_nothing_passes_where_the_good_part_has_the_highest_score():
    results = results_from_coco(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.5), pred(1, 1, BOX, 0.5)])
    point = choose(results, matched(results), Criterion("max_false_alarms", max_false_alarms=0))
    assert point.score_threshold == NOTHING_PASSES
    point = choose(results, matched(results), Criterion("costs", escape_cost=1, overkill_cost=5))
    assert point.score_threshold == NOTHING_PASSES
    assert choose(results, matched(results), Criterion("costs")).score_threshold == pytest.approx(0.25)


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_scores_next_to_each_other(criterion):
    """Halfway between two neighbours of all floats lies one of them."""
    low = 0.7
    high = np.nextafter(low, 1)
    for above, under in ((low, np.nextafter(low, 0)), (high, low)):
        results = results_from_coco(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, above), pred(1, 1, BOX, under)])
        matches = matched(results)
        point = choose(results, matches, criterion)
        check(criterion, results, matches, point.score_threshold, point.note, None)


def test_one_class_of_several_has_nothing_to_choose_on():
    results = results_from_coco(gt_dict((0, 1, BOX)), [pred(0, 1, BOX, 0.8), pred(0, 2, BOX, 0.9)])
    point = choose(results, matched(results), Criterion("max_f1", per_class=True))
    assert (point.score_threshold, point.chosen_on) == (None, "val")
    assert point.per_class == {1: pytest.approx(0.4), 2: FALLBACK_SCORE}
    assert point.note == "b: no objects to choose on: 0.3 taken"
    assert point.thresholds(results.class_nums).tolist() == pytest.approx([0.4, 0.3])


def test_no_class_has_anything_to_choose_on():
    results = results_from_coco(gt_dict(), [pred(0, 1, BOX, 0.8)])
    point = choose(results, matched(results), Criterion("max_f1", per_class=True))
    assert (point.chosen_on, set(point.per_class.values())) == ("default", {FALLBACK_SCORE})


@pytest.mark.parametrize("criterion", CRITERIA, ids=str)
def test_nothing_at_all(criterion):
    results = results_from_coco({"images": [], "annotations": [], "categories": []}, [])
    point = choose(results, matched(results), criterion)
    assert (point.score_threshold, point.chosen_on) == (FALLBACK_SCORE, "default") and point.note


def test_thresholds_of_a_point():
    nums = np.array([-1, 7])
    assert fixed(0.4).thresholds(nums).tolist() == [0.4, 0.4]
    assert (fixed(0.4).by, fixed(0.4).chosen_on) == ("fixed", "settings")
    assert OperatingPoint("max_f1", "val", None, {7: 0.9, -1: 0.2}).thresholds(nums).tolist() == [0.2, 0.9]
    for per_class, got in (({7: 0.9}, "none for -1"), (None, "none for -1, 7")):  # 0.3 was taken without a word
        with pytest.raises(UserError, match=f"a score threshold for each class, got {got}"):
            OperatingPoint("max_f1", "val", None, per_class).thresholds(nums)
    assert OperatingPoint("max_f1", "val", 0.0).thresholds(nums).tolist() == [0, 0]


def test_criteria_that_choose_alike_are_equal():
    assert Criterion("max_f1", min_recall=0.1).as_dict() == Criterion("max_f1", escape_cost=3).as_dict()
    assert Criterion("max_f1", iou_thr=0.3).as_dict() != Criterion("max_f1").as_dict()
    assert Criterion("costs", iou_thr=0.3, max_false_alarms=1).as_dict() == Criterion("costs").as_dict()
    for change in ({"escape_cost": 2.0}, {"overkill_cost": 2.0}, {"per_class": True}):
        assert Criterion("costs", **change).as_dict() != Criterion("costs").as_dict()


def test_below():
    score = np.array([0.9, 0.5, 0.0])
    assert [below(score, i) for i in range(3)] == pytest.approx([0.7, 0.25, 0.0])
    assert below(np.array([0.5]), 0) == 0.25


@pytest.mark.parametrize(
    ("score_threshold", "wanted"), [(0.4, [0.4, 0.4]), ({1: 0.2, 7: 0.9}, [0.2, 0.9]), ({"7": 0.9, "1": 0}, [0.0, 0.9])]
)
def test_the_settings_threshold_is_one_or_one_for_each_class(score_threshold, wanted):
    class_nums = np.array([1, 7])
    assert given(score_threshold, class_nums).thresholds(class_nums).tolist() == wanted


@pytest.mark.parametrize("score_threshold", [{1: 0.2}, {1: 0.2, 7: 0.9, 8: 0.1}, {}])
def test_a_class_without_a_threshold_is_no_guess(score_threshold):
    with pytest.raises(UserError, match=r"metrics\.score_threshold: expected one for each of the classes 1, 7, got"):
        given(score_threshold, np.array([1, 7]))
