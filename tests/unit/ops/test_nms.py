import math

import numpy as np
import pytest
import torch
from mmcv.ops import batched_nms, bbox_overlaps, nms, nms_match, soft_nms


def iou(a, b, offset=0):
    """Of two boxes, in plain Python."""
    width = max(min(a[2], b[2]) - max(a[0], b[0]) + offset, 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]) + offset, 0)
    area_a = (a[2] - a[0] + offset) * (a[3] - a[1] + offset)
    area_b = (b[2] - b[0] + offset) * (b[3] - b[1] + offset)
    union = area_a + area_b - width * height
    return width * height / union if union > 0 else 0.0


def slow_nms(boxes, scores, threshold, offset):
    keep = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou(boxes[k], boxes[i], offset) <= threshold for k in keep):
            keep.append(i)
    return keep


def slow_soft_nms(boxes, scores, *, threshold, sigma, min_score, method, offset):
    scores = list(scores)
    left, kept = list(range(len(boxes))), []
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        kept.append((best, scores[best]))
        for i in list(left):
            overlap = iou(boxes[best], boxes[i], offset)
            if method == "gaussian":
                scores[i] *= math.exp(-overlap * overlap / sigma)
            elif overlap >= threshold:
                scores[i] *= 1 - overlap if method == "linear" else 0
            if scores[i] < min_score:
                left.remove(i)
    return kept


def random_boxes(n, seed=0, whole=False):
    rng = np.random.default_rng(seed)
    corners, sizes = rng.uniform(0, 30, (n, 2)), rng.uniform(2, 15, (n, 2))
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    scores = rng.permutation(n) / n + 0.01
    return torch.tensor(boxes.round() if whole else boxes).float(), torch.tensor(scores).float()


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_nms(offset, threshold):
    boxes, scores = random_boxes(60)
    dets, inds = nms(boxes, scores, threshold, offset=offset)
    assert inds.tolist() == slow_nms(boxes.tolist(), scores.tolist(), threshold, offset)
    torch.testing.assert_close(dets, torch.cat([boxes[inds], scores[inds, None]], 1))


def test_nms_offset_decides_between_touching_pixels():
    # Two rows of pixels of which one is shared: IoU 0 without and 1/3 with the offset.
    boxes, scores = torch.tensor([[0.0, 0, 9, 1], [0, 1, 9, 2]]), torch.tensor([0.9, 0.8])
    assert len(nms(boxes, scores, 0.3, offset=0)[1]) == 2
    assert len(nms(boxes, scores, 0.3, offset=1)[1]) == 1


def test_nms_score_threshold_and_max_num():
    boxes, scores = random_boxes(40)
    _, inds = nms(boxes, scores, 0.5, score_threshold=0.3, max_num=5)
    above = [i for i in slow_nms(boxes.tolist(), scores.tolist(), 0.5, 0) if scores[i] > 0.3]
    assert inds.tolist() == above[:5]


def test_nms_takes_numpy_half_precision_and_nothing():
    boxes, scores = random_boxes(20, whole=True)
    expected = slow_nms(boxes.tolist(), scores.bfloat16().tolist(), 0.4, 0)
    assert nms(boxes.numpy(), scores.bfloat16().float().numpy(), 0.4)[1].tolist() == expected
    dets, inds = nms(boxes.bfloat16(), scores.bfloat16(), 0.4)
    assert inds.tolist() == expected
    assert dets.dtype == torch.bfloat16
    dets, inds = nms(torch.zeros(0, 4), torch.zeros(0), 0.4)
    assert dets.shape == (0, 5)
    assert inds.dtype == torch.int64


@pytest.mark.parametrize("split_threshold", [10000, 10])
def test_batched_nms_keeps_classes_apart(split_threshold):
    boxes, scores = random_boxes(50)
    labels = torch.arange(50) % 3
    config = {"type": "nms", "iou_threshold": 0.3, "split_thr": split_threshold}
    _, keep = batched_nms(boxes, scores, labels, config)
    expected = []
    for label in range(3):
        members = (labels == label).nonzero()[:, 0]
        expected += members[slow_nms(boxes[members].tolist(), scores[members].tolist(), 0.3, 0)].tolist()
    assert sorted(keep.tolist()) == sorted(expected)
    assert (scores[keep].diff() <= 0).all()


@pytest.mark.parametrize("method", ["naive", "linear", "gaussian"])
@pytest.mark.parametrize("offset", [0, 1])
def test_soft_nms(method, offset):
    boxes, scores = random_boxes(40, seed=1)
    dets, inds = soft_nms(boxes, scores, 0.3, sigma=0.4, min_score=0.05, method=method, offset=offset)
    expected = slow_soft_nms(
        boxes.tolist(),
        scores.tolist(),
        threshold=0.3,
        sigma=0.4,
        min_score=0.05,
        method=method,
        offset=offset,
    )
    assert inds.tolist() == [i for i, _ in expected]
    assert 1 < len(inds) < 40
    torch.testing.assert_close(dets[:, 4], torch.tensor([score for _, score in expected]))
    torch.testing.assert_close(dets[:, :4], boxes[inds])


@pytest.mark.parametrize(("min_score", "num_kept"), [(0.39, 2), (0.41, 1)])
def test_soft_nms_drops_what_decays_below_the_minimum(min_score, num_kept):
    # IoU 0.5, so that 0.8 becomes 0.4; the best box stays whatever its score.
    boxes, scores = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 5]]), torch.tensor([0.9, 0.8])
    dets, _ = soft_nms(boxes, scores, 0.3, min_score=min_score)
    torch.testing.assert_close(dets[:, 4], torch.tensor([0.9, 0.4])[:num_kept])
    assert len(soft_nms(boxes, scores, 0.3, min_score=0.99)[0]) == 1


def test_soft_nms_of_boxes_without_area_and_of_nothing():
    boxes = torch.tensor([[4.0, 3, 5, 3], [4, 3, 5, 4], [3, 1, 3, 1], [3, 1, 3, 1]])
    scores = torch.tensor([0.9, 0.8, 0.5, 0.4])
    dets, inds = soft_nms(boxes, scores, 0.6, method="gaussian")
    assert inds.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(dets[:, 4], scores)
    assert soft_nms(torch.zeros(0, 4), torch.zeros(0))[0].shape == (0, 5)


def test_soft_nms_leaves_its_arguments_alone():
    boxes, scores = random_boxes(10)
    copies = boxes.clone(), scores.clone()
    soft_nms(boxes, scores, 0.1)
    assert torch.equal(boxes, copies[0])
    assert torch.equal(scores, copies[1])


def test_nms_match():
    boxes, scores = random_boxes(40, seed=2)
    groups = nms_match(torch.cat([boxes, scores[:, None]], 1), 0.3)
    left, expected = sorted(range(40), key=lambda i: -scores[i]), []
    while left:
        group = [i for i in left if i == left[0] or iou(boxes[left[0]].tolist(), boxes[i].tolist()) >= 0.3]
        left = [i for i in left if i not in group]
        expected.append(group)
    assert [group.tolist() for group in groups] == expected
    assert nms_match(torch.zeros(0, 5), 0.3) == []


@pytest.mark.parametrize("offset", [0, 1])
@pytest.mark.parametrize("mode", ["iou", "iof"])
def test_bbox_overlaps(mode, offset):
    first, second = random_boxes(6)[0], random_boxes(6, seed=3)[0]
    second[0] = first[0]
    overlaps = bbox_overlaps(first, second, mode=mode, offset=offset)
    for i, a in enumerate(first.tolist()):
        for j, b in enumerate(second.tolist()):
            expected = iou(a, b, offset)
            if mode == "iof":
                area_a, area_b = ((c[2] - c[0] + offset) * (c[3] - c[1] + offset) for c in (a, b))
                expected = expected * (area_a + area_b) / (1 + expected) / area_a
            assert overlaps[i, j].item() == pytest.approx(expected, abs=1e-5)
    aligned = bbox_overlaps(first, second, mode=mode, aligned=True, offset=offset)
    torch.testing.assert_close(aligned, overlaps.diagonal())


def test_bbox_overlaps_of_boxes_without_area_is_zero():
    assert bbox_overlaps(torch.ones(1, 4), torch.ones(1, 4)).item() == 0
