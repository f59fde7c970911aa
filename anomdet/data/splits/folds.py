"""Folds: every image is once in the part that a detector does not learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.scan import DataIndex
from anomdet.data.splits.groups import Grouping
from anomdet.data.splits.make import SplitRule, split_groups
from anomdet.data.splits.positions import Positions
from anomdet.errors import Problem, UserError
from anomdet.layout import TEST, TRAIN, VAL

_FEWEST_PIECES = 3  # of a fold; one piece of another fold is the validation split
_VAL_SHARE, _WATCH_SHARE = 0.1, 0.04  # of the images beside the fold, for that piece; where it decides nothing
_LEAST_VAL = 30  # images in it


@dataclass(frozen=True)
class Fold:
    """One of the runs; positions are into ``index.records``, ascending.

    Args:
        train: images to learn from.
        val: images that choose the best checkpoint, or only show how the training does.
        test: images of this fold, of which the detector has seen neither these nor their near-duplicates.
    """

    train: Positions
    val: Positions
    test: Positions

    @property
    def splits(self) -> dict[str, Positions]:
        """By the names of the splits."""
        return {TRAIN: self.train, VAL: self.val, TEST: self.test}


def make_folds(
    index: DataIndex, grouping: Grouping, num_folds: int, seed: int = 0, *, chooses: bool = True
) -> list[Fold]:
    """Folds of about the same number of images and of images of each class; a group is in one fold.

    Args:
        index: the data set.
        grouping: what must stay together.
        num_folds: at least 2.
        seed: another seed, other folds.
        chooses: whether the validation split decides about the checkpoint; else it is smaller.

    Raises:
        UserError: too few groups of images.
    """
    pieces = _pieces_of_fold(
        len(index.records), grouping.num_groups, num_folds, _VAL_SHARE if chooses else _WATCH_SHARE
    )
    num_pieces = pieces * num_folds
    if grouping.num_groups < num_pieces:
        expected = f"at least {num_pieces} groups of images for {num_folds} folds"
        raise UserError(Problem(str(index.data_dir), expected, str(grouping.num_groups), "ask for fewer folds"))
    rule = SplitRule(ratios=(1 / num_pieces,) * num_pieces, seed=seed)
    piece_of: NDArray[np.integer] = split_groups(index, grouping, rule)
    fold_of = piece_of % num_folds  # neighbouring pieces share a rare class: they go to different folds
    folds = []
    for fold in range(num_folds):
        is_val = piece_of == num_folds + (fold + 1) % num_folds
        parts = (~is_val & (fold_of != fold), is_val, fold_of == fold)
        folds.append(Fold(*(Positions(np.flatnonzero(part)) for part in parts)))
    return folds


def _pieces_of_fold(num_images: int, num_groups: int, num_folds: int, val_share: float) -> int:
    """So many that the validation split is small: what it holds, nobody learns from."""
    wanted = round(1 / (val_share * (num_folds - 1)))
    most = min(num_images // _LEAST_VAL, num_groups) // num_folds
    return max(min(wanted, most), _FEWEST_PIECES)
