"""Errors planted into labels: what a known error looks like beside these predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from anomdet.boxes import pairwise_iou, xywh_to_xyxy
from anomdet.evaluation.pairs import overlapping_pairs
from anomdet.evaluation.results import Bools, Floats, Ints, Results, make_ground_truth, make_predictions
from anomdet.quality.review.suspects import (
    DOUBLE,
    KINDS,
    MERGED,
    MISPLACED,
    MISSING,
    UNSUPPORTED,
    WRONG_CLASS,
    Suspects,
)

_JITTER, _SHIFT, _GROWN, _SHRUNK = 0.08, 0.5, 1.7, 0.55  # of the sides
_TRIES = 8
_MOST_HULL = 3.0  # of the areas of the two labels that one label replaces
_FOUND_IOU = 0.4


@dataclass(frozen=True)
class Planted:
    """Labels with errors.

    Args:
        results: the labels with the errors in them, and the predictions as they were.
        kind, image, bboxes_xywh: ``(E,)``, ``(E,)`` and ``(E, 4)`` of each error; the box is the true one of MISSING
            and MISPLACED, else the label's.
        label: ``(E,)`` row of the label with the error; -1 of MISSING.
    """

    results: Results
    kind: Ints
    image: Ints
    bboxes_xywh: Floats
    label: Ints

    @property
    def resized(self) -> Bools:
        """``(E,)`` of MISPLACED: the label is too big or too small."""
        rows = np.flatnonzero(self.kind == MISPLACED)
        sizes_wh = self.results.gt.bboxes_xywh[self.label[rows], 2:]
        resized: Bools = np.zeros(len(self.kind), dtype=bool)
        resized[rows] = ~np.isclose(sizes_wh, self.bboxes_xywh[rows, 2:]).all(axis=1)
        return resized


def plant(results: Results, share: float, rng: np.random.Generator) -> Planted:
    """Plant errors of each kind, one in a label at most.

    Args:
        results: labels, taken for right, and predictions.
        share: of the labels, for each kind; at least one where the labels allow it.
        rng: where, and what.
    """
    gt = results.gt
    number = max(round(share * len(gt)), 1)
    free = rng.permutation(len(gt)).tolist()
    work = _Work(results, rng, [], set(), free)
    work.merge(number)
    for kind in (MISSING, WRONG_CLASS, MISPLACED, DOUBLE):
        if kind != WRONG_CLASS or results.num_classes > 1:
            for _ in range(min(number, len(free))):
                work.change(kind, free.pop())
    for _ in range(number):
        work.add_unsupported()
    return work.finish()


@dataclass
class _Work:
    """New labels, each with its error, and rows that are gone.

    Args:
        added: kind, image, class, box of the label, box of the error.
    """

    results: Results
    rng: np.random.Generator
    added: list[tuple[int, int, int, Floats, Floats]]
    gone: set[int]
    free: list[int]

    def change(self, kind: int, row: int) -> None:
        gt, rng = self.results.gt, self.rng
        image, label, box = int(gt.image[row]), int(gt.label[row]), gt.bboxes_xywh[row]
        changed = box
        if kind == WRONG_CLASS:
            label = (label + int(rng.integers(1, self.results.num_classes))) % self.results.num_classes
        elif kind == MISPLACED:
            changed = _misplaced(box, rng)
        elif kind == DOUBLE:
            spread = _JITTER * np.tile(box[2:], 2)
            changed = box + rng.uniform(-spread, spread)
        if kind != DOUBLE:
            self.gone.add(row)
        self.added.append((kind, image, label, changed, box if kind == MISPLACED else changed))

    def merge(self, number: int) -> None:
        """One label in place of two near ones of a class."""
        gt = self.results.gt
        order = self.rng.permutation(len(gt)).tolist()
        starts = np.searchsorted(gt.image, np.arange(self.results.num_images + 1))
        for row in order:
            if number <= 0:
                break
            mine = np.arange(starts[gt.image[row]], starts[gt.image[row] + 1])
            near = mine[(gt.label[mine] == gt.label[row]) & (mine != row)]
            near = near[[int(one) not in self.gone for one in near]]
            if row in self.gone or not len(near):
                continue
            hulls = _hulls(gt.bboxes_xywh[row], gt.bboxes_xywh[near])
            growth = hulls[:, 2] * hulls[:, 3] / (gt.area[row] + gt.area[near])
            best = int(growth.argmin())
            if growth[best] <= _MOST_HULL:
                self.gone |= {row, int(near[best])}
                hull = hulls[best]
                self.added.append((MERGED, int(gt.image[row]), int(gt.label[row]), hull, hull))
                number -= 1
        self.free[:] = [row for row in self.free if row not in self.gone]

    def add_unsupported(self) -> None:
        """A label of another's class and size where no label is."""
        gt, rng = self.results.gt, self.rng
        for _ in range(_TRIES):
            row, image = int(rng.integers(len(gt))), int(rng.integers(self.results.num_images))
            size_wh = gt.bboxes_xywh[row, 2:]
            room = self.results.sizes_hw[image][::-1] - size_wh
            if (room < 0).any():
                continue
            box = np.concatenate([rng.uniform(0, room), size_wh])
            start, stop = np.searchsorted(gt.image, [image, image + 1])
            others = xywh_to_xyxy(gt.bboxes_xywh[start:stop])
            if not pairwise_iou(xywh_to_xyxy(box[None]), others).any():
                self.added.append((UNSUPPORTED, image, int(gt.label[row]), box, box))
                return

    def finish(self) -> Planted:
        gt = self.results.gt
        self.free[:] = []
        kept = np.array([row for row in range(len(gt)) if row not in self.gone], dtype=np.int64)
        drawn = [one for one in self.added if one[0] != MISSING]
        image = np.concatenate([gt.image[kept], np.array([one[1] for one in drawn], dtype=np.int64)])
        label = np.concatenate([gt.label[kept], np.array([one[2] for one in drawn], dtype=np.int64)])
        boxes = np.concatenate([gt.bboxes_xywh[kept], np.array([one[3] for one in drawn]).reshape(-1, 4)])
        place = np.empty(len(image), dtype=np.int64)
        place[np.argsort(image, kind="stable")] = np.arange(len(image))
        rows = iter(place[len(kept) :].tolist())
        return Planted(
            replace(self.results, gt=make_ground_truth(image, label, boxes)),
            np.array([one[0] for one in self.added], dtype=np.int64),
            np.array([one[1] for one in self.added], dtype=np.int64),
            np.array([one[4] for one in self.added]).reshape(-1, 4),
            np.array([-1 if one[0] == MISSING else next(rows) for one in self.added], dtype=np.int64),
        )


def _misplaced(box: Floats, rng: np.random.Generator) -> Floats:
    """Shifted by half its size along one axis, too big, or too small."""
    way = int(rng.integers(3))
    if way == 0:
        axis, sign = int(rng.integers(2)), rng.choice([-1, 1])
        shifted = box.copy()
        shifted[axis] += sign * _SHIFT * box[2 + axis]
        return shifted
    size_wh = box[2:] * (_GROWN if way == 1 else _SHRUNK)
    corner = box[:2] + rng.uniform(0, 1, 2) * (box[2:] - size_wh)
    return np.concatenate([corner, size_wh])


def _hulls(box: Floats, others: Floats) -> Floats:
    first = np.minimum(box[:2], others[:, :2])
    last = np.maximum(box[:2] + box[2:], others[:, :2] + others[:, 2:])
    return np.concatenate([first, last - first], axis=1)


def raw_of_planted(planted: Planted, suspects: Suspects) -> Floats:
    """``(E,)`` the suspicion that each planted error has raised under its own kind; 0: none."""
    raw: Floats = np.zeros(len(planted.kind))
    for kind in range(len(KINDS)):
        mine = np.flatnonzero(planted.kind == kind)
        found = suspects.where(suspects.kind == kind)
        if kind == MISSING:
            raw[mine] = _raw_of_missing(planted, mine, found)
            continue
        of_label: Floats = np.zeros(len(planted.results.gt))
        np.maximum.at(of_label, found.label, found.raw)
        if kind == DOUBLE:  # either of the two may be the one to go
            np.maximum.at(of_label, found.other, found.raw)
        raw[mine] = of_label[planted.label[mine]]
    return raw


def _raw_of_missing(planted: Planted, mine: Ints, found: Suspects) -> Floats:
    """The largest suspicion of a prediction on each missing label's place."""
    results, place = planted.results, np.arange(len(found))
    image, boxes = planted.image[mine], planted.bboxes_xywh[mine]
    order = np.argsort(image, kind="stable")
    nothing = np.zeros(len(mine), dtype=np.int64)
    preds = results.pred.bboxes_xywh[found.pred]
    by_image = np.lexsort((place, found.image))
    there = replace(
        results,
        gt=make_ground_truth(image, nothing, boxes),
        pred=make_predictions(found.image, place, preds, -place.astype(np.float64)),
    )
    pairs = overlapping_pairs(there, _FOUND_IOU)
    raw: Floats = np.zeros(len(mine))
    np.maximum.at(raw, order[pairs.gt], found.raw[by_image[pairs.pred]])
    return raw
