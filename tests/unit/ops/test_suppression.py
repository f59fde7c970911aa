"""Boxes of one class suppress each other and no others; enough is enough."""

import pytest
import torch
from mmcv.ops import batched_nms

from anomdet.ops.suppression import suppress
from tests.unit.ops.test_nms import slow_nms


def candidates(count, num_classes=3, seed=0, size=200.0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * size
    boxes = torch.cat([corner, corner + 1 + torch.rand(count, 2, generator=generator) * size / 5], dim=1)
    return boxes, torch.rand(count, generator=generator), torch.randint(num_classes, (count,), generator=generator)


def slow(boxes, scores, labels, threshold):
    """Each class by itself, in plain Python; then by score."""
    kept = []
    for label in labels.unique().tolist():
        rows = (labels == label).nonzero().squeeze(1).tolist()
        kept += [rows[i] for i in slow_nms(boxes[rows].tolist(), scores[rows].tolist(), threshold, 0)]
    return sorted(kept, key=lambda row: -scores[row])


@pytest.mark.parametrize("threshold", [0.3, 0.65])
def test_as_in_plain_python(threshold):
    boxes, scores, labels = candidates(300)
    kept = suppress(boxes, scores, labels, iou_threshold=threshold).tolist()
    assert kept == slow(boxes, scores, labels, threshold)
    assert len(kept) < 300


def test_a_limit_keeps_the_first_ones():
    boxes, scores, labels = candidates(3000)
    everything = suppress(boxes, scores, labels, iou_threshold=0.5)
    assert suppress(boxes, scores, labels, iou_threshold=0.5, max_kept=20).tolist() == everything[:20].tolist()


def test_looks_further_where_the_best_candidates_are_one_object():
    boxes = torch.tensor([[0.0, 0, 10, 10]]).repeat(500, 1)
    boxes[-3:] += torch.tensor([20.0, 40, 60])[:, None]
    scores = torch.linspace(1, 0, 500)
    kept = suppress(boxes, scores, torch.zeros(500, dtype=torch.long), iou_threshold=0.5, max_kept=3)
    assert kept.tolist() == [0, 497, 498]


def test_equal_scores_go_by_label_and_from_left_to_right_whatever_their_order():
    boxes = torch.arange(100.0)[:, None] * 20 + torch.tensor([0.0, 0, 10, 10])
    labels = torch.arange(100) % 2
    shuffled = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    scores = torch.full((100,), 0.5)
    kept = suppress(boxes[shuffled], scores, labels[shuffled], iou_threshold=0.5, max_kept=5)
    assert boxes[shuffled][kept, 0].tolist() == [0, 40, 80, 120, 160]


def test_which_of_equal_overlapping_boxes_is_kept_does_not_depend_on_their_order():
    boxes = torch.tensor([[1.0, 0, 11, 10], [0, 0, 10, 10], [0, 1, 10, 11]])
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        kept = suppress(boxes[order], torch.ones(3), torch.zeros(3, dtype=torch.long), iou_threshold=0.5)
        assert boxes[order][kept].tolist() == [[0, 0, 10, 10]]


def test_the_others_do_not_matter():
    """mmcv shifts the classes by the largest coordinate, and its rounding changes with one far box more."""
    boxes, scores, labels = candidates(2000, num_classes=6, size=640.0)
    few = suppress(boxes, scores, labels, iou_threshold=0.65)
    far = torch.tensor([[60000.0, 60000, 60001, 60001]])
    many = suppress(
        torch.cat([boxes, far]),
        torch.cat([scores, torch.tensor([0.0])]),
        torch.cat([labels, labels[:1]]),
        iou_threshold=0.65,
    )
    assert many[:-1].tolist() == few.tolist()


def test_nearly_as_mmcv():
    boxes, scores, labels = candidates(2000, num_classes=6, size=640.0)
    _, theirs = batched_nms(boxes, scores, labels, {"type": "nms", "iou_threshold": 0.65})
    ours = suppress(boxes, scores, labels, iou_threshold=0.65)
    assert len(set(theirs.tolist()) ^ set(ours.tolist())) <= 2, "but for overlaps that its rounding moves"


def test_nothing_to_suppress():
    empty = torch.zeros(0)
    assert suppress(empty.reshape(0, 4), empty, empty.long(), iou_threshold=0.5, max_kept=10).tolist() == []
