from __future__ import annotations

import numpy as np
import pytest

from anomdet.data.splits.folds import make_folds
from anomdet.data.splits.groups import group_images
from anomdet.errors import UserError


def folds_of(index, num_folds, group_regex=None, **options):
    groups = group_images(index, group_regex=group_regex, join_near_duplicates=False)
    return make_folds(index, groups, num_folds, **options)


@pytest.fixture
def classes():
    """300 normal images, one common class, and three rare ones of 12, 6 and 4 images."""
    many = [[]] * 300 + [[0]] * 278 + [[1]] * 12 + [[2]] * 6 + [[3]] * 4
    np.random.default_rng(0).shuffle(many)
    return many


@pytest.mark.parametrize("num_folds", [2, 3, 4, 7])
def test_every_image_is_reviewed_once_by_a_detector_that_has_not_seen_it(make_index, classes, num_folds):
    folds = folds_of(make_index(classes), num_folds)
    assert len(folds) == num_folds
    assert sorted(at for fold in folds for at in fold.test) == list(range(len(classes)))
    for fold in folds:
        assert sorted([*fold.train, *fold.val, *fold.test]) == list(range(len(classes)))


@pytest.mark.parametrize("num_folds", [2, 3, 4])
def test_rare_classes_are_learned_in_every_fold(make_index, classes, num_folds):
    for fold in folds_of(make_index(classes), num_folds):
        for num in range(4):
            total, learned = (sum(num in classes[at] for at in part) for part in (range(len(classes)), fold.train))
            assert learned >= 0.5 * total * (num_folds - 1) / num_folds, (num, learned)


@pytest.mark.parametrize(("num_folds", "share"), [(2, 0.1), (3, 0.1), (4, 0.11), (5, 1 / 12)])
def test_few_images_choose_the_checkpoint(make_index, num_folds, share):
    for fold in folds_of(make_index([[0]] * 1200), num_folds):
        assert len(fold.val) / (len(fold.train) + len(fold.val)) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(("num_folds", "share"), [(2, 0.04), (3, 0.04), (4, 1 / 24), (5, 1 / 24)])
def test_a_validation_split_that_chooses_nothing_is_smaller(make_index, num_folds, share):
    folds = folds_of(make_index([[0]] * 3000), num_folds, chooses=False)
    assert sorted(at for fold in folds for at in fold.test) == list(range(3000))
    for fold in folds:
        assert len(fold.val) / (len(fold.train) + len(fold.val)) == pytest.approx(share, abs=0.005)


def test_of_few_images_the_piece_that_chooses_is_not_tiny(make_index):
    for fold in folds_of(make_index([[0]] * 120), 2):
        assert (len(fold.train), len(fold.val), len(fold.test)) == (40, 20, 60)


def test_a_group_is_in_one_part(make_index):
    for fold in folds_of(make_index([[0]] * 300), 3, group_regex=r"(\d+)\d\.png"):  # ten images each
        assert sum(len({int(at) // 10 for at in part}) for part in (fold.train, fold.val, fold.test)) == 30


def test_too_few_groups(make_index):
    with pytest.raises(UserError, match=r"at least 6 groups of images for 2 folds.*5"):
        folds_of(make_index([[0]] * 5), 2)
