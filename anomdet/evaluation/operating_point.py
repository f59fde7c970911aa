"""The score threshold to work with, chosen on the validation split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from anomdet.defaults import FALLBACK_SCORE, MATCHING_IOU_THR, NOTHING_PASSES
from anomdet.errors import Problem, UserError
from anomdet.evaluation.auto_point import best_f1, least_cost
from anomdet.evaluation.counts import Matches
from anomdet.evaluation.curves import sweep
from anomdet.evaluation.image_level import Parts, parts_of
from anomdet.evaluation.results import Bools, Floats, Results

By = Literal["auto", "max_f1", "min_recall", "max_false_alarms", "costs"]
NO_CLASS = "no class was learned: the normal-only score alone gives the verdict, and no box is expected"
"""The note of the point of a run without a network for boxes."""
_NO_BOX = f"with the threshold {NOTHING_PASSES} no box counts"


@dataclass(frozen=True)
class Criterion:
    """What to choose by.

    Args:
        by: ``auto``: where there are good parts to choose on, by the costs below, else by F1, with few examples in mind
            (auto_point.py); ``max_f1``: the best F1 of the boxes; ``min_recall``: the highest score that finds at least
            ``min_recall`` of the objects; ``max_false_alarms``: the lowest score that rejects at most
            ``max_false_alarms`` of 1,000 good parts; ``costs``: the least sum of ``escape_cost`` for each defective
            part passed and ``overkill_cost`` for each good part rejected.
        per_class: a threshold for each class, from its own boxes; parts are defective by this class, good without any;
            None: with ``auto``.
        min_recall, max_false_alarms, escape_cost, overkill_cost: as above.
        iou_thr: least IoU of a right box.
    """

    by: By = "auto"
    per_class: bool | None = None
    min_recall: float = 0.95
    max_false_alarms: float = 10.0
    escape_cost: float = 10.0
    overkill_cost: float = 1.0
    iou_thr: float = MATCHING_IOU_THR

    def __post_init__(self) -> None:
        assert self.by in get_args(By), self.by

    @property
    def is_per_class(self) -> bool:
        """Whether each class gets a threshold of its own."""
        return self.by == "auto" if self.per_class is None else self.per_class

    def as_dict(self) -> dict[str, Any]:
        """What matters for the choice, so that two criteria that choose alike are equal."""
        own = {
            "auto": ("escape_cost", "overkill_cost", "iou_thr"),
            "max_f1": ("iou_thr",),
            "min_recall": ("min_recall", "iou_thr"),
            "max_false_alarms": ("max_false_alarms",),
            "costs": ("escape_cost", "overkill_cost"),
        }[self.by]
        chosen = {key: value for key, value in asdict(self).items() if key in ("by", *own)}
        return {**chosen, "per_class": self.is_per_class}


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, and how it came about.

    Args:
        by: a :data:`By`, or ``fixed``.
        chosen_on: ``val``, or ``settings`` (fixed there), or ``default`` (there was nothing to choose on).
        score_threshold: of all classes; None: each has its own.
        per_class: class number to threshold; None: all have one.
        note: a plain sentence, where the choice needs one.
    """

    by: str
    chosen_on: str
    score_threshold: float | None
    per_class: dict[int, float] | None = None
    note: str = ""

    def thresholds(self, class_nums: NDArray[np.int64]) -> Floats:
        """``(K,)`` the threshold of each class.

        Raises:
            UserError: a class has none: a guess in its place would be the verdict on parts.
        """
        own = self.per_class
        if own is None and self.score_threshold is not None:
            return np.full(len(class_nums), self.score_threshold)
        lacking = [str(num) for num in class_nums.tolist() if own is None or num not in own]
        if own is None or lacking:
            got = f"none for {', '.join(lacking)}"
            raise UserError(Problem("operating point", "a score threshold for each class", got, "evaluate again"))
        return np.array([own[num] for num in class_nums.tolist()], dtype=np.float64)


def fixed(score_threshold: float, chosen_on: str = "settings", note: str = "") -> OperatingPoint:
    """A threshold that the user set, or the fallback."""
    return OperatingPoint("fixed", chosen_on, score_threshold, note=note)


def given(score_threshold: float | Mapping[Any, float], class_nums: Iterable[int]) -> OperatingPoint:
    """The settings' ``metrics.score_threshold``: one for all classes, or one for each.

    Raises:
        UserError: a class has none, or one that does not exist has.
    """
    if not isinstance(score_threshold, Mapping):
        return fixed(score_threshold)
    per_class = {int(num): float(value) for num, value in score_threshold.items()}
    wanted = sorted(int(num) for num in class_nums)
    if sorted(per_class) != wanted:
        shown = ", ".join(map(str, wanted))
        got = ", ".join(map(str, sorted(per_class))) or "none"
        raise UserError(Problem("metrics.score_threshold", f"one for each of the classes {shown}", f"classes {got}"))
    return OperatingPoint("fixed", "settings", None, per_class)


def choose(results: Results, matches: Matches, criterion: Criterion, chosen_on: str = "val") -> OperatingPoint:
    """Choose on a split.

    A threshold lies halfway between the lowest score that it keeps and the next lower one. Where the demand cannot be
    met, or there is nothing to choose on, the note says so. With a threshold for each class, each class by itself meets
    a demand; all together may reject more good parts.
    """
    parts = parts_of(results, matches)
    if criterion.by == "auto":
        return _choose_auto(results, matches, parts, criterion, chosen_on)
    if not criterion.is_per_class:
        num_gt = int((~results.gt.crowd).sum())
        score_thr, note = _choose(criterion, results, matches, matches.counted, num_gt, parts, None)
        return OperatingPoint(criterion.by, "default" if score_thr is None else chosen_on, _or(score_thr), note=note)
    per_class, notes, was_chosen = {}, [], False
    for k, class_num in enumerate(results.class_nums.tolist()):
        num_gt = int((~results.gt.crowd & (results.gt.label == k)).sum())
        rows = matches.counted & (results.pred.label == k)
        score_thr, note = _choose(criterion, results, matches, rows, num_gt, parts, k)
        per_class[class_num] = _or(score_thr)
        was_chosen |= score_thr is not None
        notes += [f"{results.unique_names[k]}: {note}"] if note else []
    if criterion.by == "max_false_alarms" and results.num_classes > 1:
        notes.append("each class by itself meets the demand; all together may reject more good parts")
    return OperatingPoint(criterion.by, chosen_on if was_chosen else "default", None, per_class, "; ".join(notes))


def _choose_auto(
    results: Results, matches: Matches, parts: Parts, criterion: Criterion, chosen_on: str
) -> OperatingPoint:
    """For parts where there are good and defective ones, else by F1."""
    labels = np.arange(results.num_classes) if criterion.is_per_class else None
    chosen: Floats = np.full(results.num_classes if criterion.is_per_class else 1, np.nan)
    if not parts.defective.any():
        by = "max_f1"
        note = f"no objects to choose on: {FALLBACK_SCORE} taken"
    elif parts.good.any():
        by, note = "costs", ""
        chosen = least_cost(parts, labels, criterion.escape_cost, criterion.overkill_cost)
    else:
        by, chosen = "max_f1", best_f1(results, matches, labels)
        note = f"no prediction is right: {FALLBACK_SCORE} taken" if np.isnan(chosen).any() else ""
    score_thrs = np.where(np.isnan(chosen), FALLBACK_SCORE, chosen).tolist()
    chosen_on = "default" if note else chosen_on
    if labels is None:
        return OperatingPoint(by, chosen_on, score_thrs[0], note=note)
    return OperatingPoint(by, chosen_on, None, dict(zip(results.class_nums.tolist(), score_thrs, strict=True)), note)


def _or(score_thr: float | None) -> float:
    return FALLBACK_SCORE if score_thr is None else score_thr


def _choose(
    criterion: Criterion, results: Results, matches: Matches, rows: Bools, num_gt: int, parts: Parts, label: int | None
) -> tuple[float | None, str]:
    if criterion.by in ("max_f1", "min_recall"):
        if not num_gt:
            return None, f"no objects to choose on: {FALLBACK_SCORE} taken"
        score, num_hits, num_shown = sweep(results.pred.score[rows], matches.hit[rows])
        if criterion.by == "max_f1":
            return _best_f1(score, num_hits, num_shown, num_gt)
        return _least_recall(score, num_hits / num_gt, criterion.min_recall)
    part_score = parts.score if label is None else parts.class_score[:, label]
    defective = parts.defective if label is None else parts.class_defective[:, label]
    if criterion.by == "max_false_alarms":
        return _few_alarms(part_score[parts.good], part_score, criterion.max_false_alarms)
    return _least_cost(part_score, defective, parts.good, criterion)


def _best_f1(score: Floats, num_hits: Floats, num_shown: Floats, num_gt: int) -> tuple[float | None, str]:
    if not num_hits.any():
        return None, f"no prediction is right: {FALLBACK_SCORE} taken"
    best = int(np.argmax(2 * num_hits / (num_shown + num_gt)))  # the first of equals: the highest score
    return below(score, best), ""


def _least_recall(score: Floats, recall: Floats, least: float) -> tuple[float | None, str]:
    reached = np.flatnonzero(recall >= least)
    if len(reached):
        return below(score, int(reached[0])), ""
    most = float(recall[-1]) if len(recall) else 0.0
    return 0.0, f"a recall of {least:g} is out of reach: with every prediction it is {most:.3f}"


def _few_alarms(good_score: Floats, part_score: Floats, most: float) -> tuple[float | None, str]:
    if not len(good_score):
        return None, f"no good parts to choose on: {FALLBACK_SCORE} taken"
    allowed = int(np.floor(most / 1000 * len(good_score) + 1e-9))
    note = ""
    if most > 0 and allowed == 0:
        note = f"{len(good_score)} good parts are too few to show {most:g} in 1,000: no one of them is rejected"
    if allowed >= len(good_score):
        return 0.0, note
    highest = np.sort(good_score)[::-1]
    limit = float(highest[allowed])  # the first good part that must pass
    higher = np.unique(part_score[part_score > limit])[::-1]
    if not len(higher):
        return NOTHING_PASSES, f"a good part scores highest of all ({limit:.3f}): {_NO_BOX}"
    return below(np.append(higher, limit), len(higher) - 1), note


def _least_cost(part_score: Floats, defective: Bools, good: Bools, criterion: Criterion) -> tuple[float | None, str]:
    if not defective.any() or not good.any():
        return None, f"needs good and defective parts to choose on: {FALLBACK_SCORE} taken"
    rows = (defective | good) & (part_score > 0)  # a part without boxes passes at any threshold
    score, caught, _ = sweep(part_score[rows], defective[rows])
    _, killed, _ = sweep(part_score[rows], good[rows])
    caught, killed, score = np.append(0, caught), np.append(0, killed), np.append(NOTHING_PASSES, score)
    cost = criterion.escape_cost * (defective.sum() - caught) + criterion.overkill_cost * killed
    best = int(np.argmin(cost))
    return (
        (NOTHING_PASSES, f"at these costs it is cheapest to reject nothing: {_NO_BOX}")
        if best == 0
        else (below(score, best), "")
    )


def below(score: Floats, position: int) -> float:
    """A threshold that keeps the scores up to a position, and no lower one.

    Args:
        score: ``(S,)`` distinct, falling.
    """
    after = score[position + 1] if position + 1 < len(score) else 0.0
    between = (score[position] + after) / 2
    return float(between if between > after else score[position])  # two neighbours of all floats have none between
