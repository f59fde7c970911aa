"""Tiles cover an image, and what their detectors find becomes the objects of the image, each once."""

import json
from pathlib import Path

import numpy as np
import pytest

from anomdet.boxes import pairwise_iou
from anomdet.errors import UserError
from anomdet.fields import from_mapping
from anomdet.inference.postprocess import Detections
from anomdet.inference.tiling import COMPARABLE, Tiling, merge, plan
from anomdet.tiles import starts

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

TILE, OVERLAP = 320, 64
TILING = Tiling((TILE, TILE), (OVERLAP, OVERLAP))
WITH_WHOLE = Tiling((TILE, TILE), (OVERLAP, OVERLAP), include_whole=True)
SIZE_HW = (900, 1100)
VECTOR = Path(__file__).parents[3] / "docs" / "tiling_vector.json"


def detections(boxes, scores, labels):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64)
    )


def seen(objects, window, labels=None, noise_px=1.0, rng=None):
    """What a good detector reports of a window: each visible part, a little off, and less sure where it is cut."""
    boxes, scores, found = [], [], []
    for at, box in enumerate(np.asarray(objects, float)):
        x1, y1, x2, y2 = *np.maximum(box[:2], window[:2]), *np.minimum(box[2:], window[2:])
        if x2 - x1 < 3 or y2 - y1 < 3:
            continue
        share = (x2 - x1) * (y2 - y1) / ((box[2] - box[0]) * (box[3] - box[1]))
        off = np.zeros(4) if rng is None else rng.uniform(-noise_px, noise_px, 4)
        local = np.array([x1, y1, x2, y2]) - np.tile(window[:2], 2) + off
        size_wh = window[2:] - window[:2]
        boxes.append(np.clip(local, 0, np.tile(size_wh, 2)))
        scores.append(0.9 - 0.3 * (1 - share))
        found.append(0 if labels is None else labels[at])
    return detections(boxes, scores, found)


def found_in(objects, tiling=TILING, size_hw=SIZE_HW, labels=None, seed=None):
    windows = plan(size_hw, tiling)
    rng = None if seed is None else np.random.default_rng(seed)
    return merge([seen(objects, window, labels, rng=rng) for window in windows], windows, size_hw)


@pytest.mark.parametrize("seed", range(20))
def test_tiles_cover_the_image_evenly_with_the_least_overlap_and_no_tile_too_many(seed):
    rng = np.random.default_rng(seed)
    for _ in range(50):
        length, tile = int(rng.integers(1, 5000)), int(rng.integers(2, 1000))
        overlap = int(rng.integers(1, tile))
        begin = starts(length, tile, overlap)
        end = [at + min(tile, length) for at in begin]
        assert (begin[0], end[-1]) == (0, length)
        assert all(before - after >= overlap for before, after in zip(end, begin[1:], strict=False))
        steps = np.diff(begin)
        assert len(steps) == 0 or steps.max() - steps.min() <= 1
        assert len(begin) == 1 or (len(begin) - 2) * (tile - overlap) + tile < length, "one tile less would do"


def test_windows_go_row_by_row_and_the_whole_image_comes_last():
    assert plan((300, 700), Tiling((200, 400), (100, 100))).tolist() == [
        [0, 0, 400, 200],
        [300, 0, 700, 200],
        [0, 100, 400, 300],
        [300, 100, 700, 300],
    ]
    assert plan(SIZE_HW, WITH_WHOLE)[-1].tolist() == [0, 0, 1100, 900]
    assert plan((100, 200), WITH_WHOLE).tolist() == [[0, 0, 200, 100]], "one tile that is the whole image"


def test_one_tile_that_covers_the_image_gives_the_boxes_as_they_are():
    rows = detections([[5, 5, 20, 20], [float("nan"), 0, 1, 1]], [0.3, 0.9], [1, 0])
    assert merge([rows], plan((300, 300), TILING), (300, 300)) is rows


def test_whole_in_one_tile_and_cut_in_its_neighbour_is_one_object():
    tiling, size_hw = Tiling((100, 100), (20, 20)), (100, 180)
    whole, part = detections([[70, 10, 95, 30]], [0.8], [0]), detections([[0, 10, 15, 30]], [0.9], [0])
    found = merge([whole, part], plan(size_hw, tiling), size_hw)
    assert found.bboxes_xyxy.tolist() == [[70, 10, 95, 30]]
    assert found.scores.tolist() == pytest.approx([0.9]), "nobody is less sure because a neighbour looked too"


def test_a_sliver_of_an_object_in_the_next_tile_is_no_second_object():
    tiling, size_hw = Tiling((100, 100), (20, 20)), (100, 180)
    whole, sliver = detections([[60, 10, 82, 30]], [0.8], [0]), detections([[0, 9, 5, 31]], [0.4], [0])
    assert len(merge([whole, sliver], plan(size_hw, tiling), size_hw)) == 1


@pytest.mark.parametrize(
    "box",
    [(100, 100, 700, 140), (100, 100, 150, 850), (150, 150, 600, 600), (0, 0, 1100, 900), (250, 10, 340, 30)],
)
def test_an_object_larger_than_the_overlap_is_joined_from_its_parts(box):
    for seed in range(20):
        found = found_in([box], seed=seed)
        assert len(found) == 1
        assert pairwise_iou(np.float64([box]), found.bboxes_xyxy.astype(float))[0, 0] > 0.85


@pytest.mark.parametrize(
    "pair",
    [
        [(100, 100, 700, 140), (100, 140, 700, 180)],  # long, one under the other, over three tiles
        [(200, 100, 300, 140), (300, 100, 420, 140)],  # side by side, their contact in the overlap
        [(280, 100, 290, 140), (290, 100, 300, 140)],  # small, side by side
        [(100, 100, 290, 140), (290, 100, 600, 140)],  # both longer than the overlap
        [(270, 270, 300, 300), (300, 300, 330, 330)],  # corner to corner over a corner of tiles
    ],
)
def test_two_defects_that_touch_stay_two(pair):
    for seed in range(20):
        found = found_in(pair, seed=seed)
        assert len(found) == 2
        assert pairwise_iou(np.float64(pair), found.bboxes_xyxy.astype(float)).max(axis=1).min() > 0.6


def test_objects_of_two_classes_are_never_one():
    box = (250, 100, 330, 140)
    found = found_in([box, box], labels=[0, 1])
    assert sorted(found.labels.tolist()) == [0, 1]


@pytest.mark.parametrize("share", [0.05, 0.15, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("direction", [(1, 1), (1, 0)])
def test_a_defect_that_moves_over_a_corner_of_tiles_is_found_once_at_every_step(share, direction):
    """Through twice the overlap, in steps of 1 px; with the whole image for those larger than the overlap."""
    side = TILE * share
    corner = plan(SIZE_HW, WITH_WHOLE)[0][2:] - OVERLAP / 2
    alone = 0.9
    for step in range(-OVERLAP, OVERLAP + 1):
        centre = corner + np.array(direction) * step
        x1, y1 = np.maximum(centre - side / 2, 0)
        box = [x1, y1, min(x1 + side, SIZE_HW[1]), min(y1 + side, SIZE_HW[0])]
        found = found_in([box], WITH_WHOLE, seed=step + OVERLAP)
        assert len(found) == 1, f"{len(found)} found at step {step}"
        assert abs(found.scores[0] - alone) <= 0.1
        assert pairwise_iou(np.float64([box]), found.bboxes_xyxy.astype(float))[0, 0] > 0.6


@pytest.mark.parametrize("seed", range(5))
def test_many_objects_of_all_sizes_are_each_found_once(seed):
    """Objects on a grid with gaps of 2 px, half of them two of a kind that touch."""
    rng = np.random.default_rng(seed)
    objects = []
    for left in range(5, SIZE_HW[1] - 66, 66):
        for top in range(5, SIZE_HW[0] - 66, 66):
            width, height = rng.integers(8, 64, 2)
            objects.append((left, top, left + width, top + height))
            if width < 50 and rng.random() < 0.5:
                objects.append((left + width, top, left + 64, top + height))
    found = found_in(objects, seed=seed)
    assert len(found) == len(objects)
    assert pairwise_iou(np.float64(objects), found.bboxes_xyxy.astype(float)).max(axis=1).min() > 0.5


def test_a_faint_box_neither_hides_nor_replaces_a_sure_one():
    tiling, size_hw = Tiling((100, 100), (20, 20)), (100, 180)
    faint, sure = detections([[60, 5, 95, 40]], [0.02], [0]), detections([[0, 6, 16, 39]], [0.9], [0])
    found = merge([faint, sure], plan(size_hw, tiling), size_hw)
    assert found.bboxes_xyxy[0].tolist() == [80, 6, 96, 39]
    assert found.scores.tolist() == pytest.approx([0.9, 0.02])


@pytest.mark.parametrize(("shift", "count"), [(5, 1), (12, 2)])
def test_two_rows_of_one_tile_are_one_where_they_overlap_by_more_than_half(shift, count):
    """As two rows of two tiles are; both tiles see both."""
    tiling, size_hw = Tiling((100, 100), (40, 40)), (100, 160)
    pair = np.float64([[62, 10, 82, 30], [62 + shift, 10, 82 + shift, 30]])
    rows = [
        detections(pair - [left, 0, left, 0], scores, [0, 0]) for left, scores in ((0, [0.8, 0.7]), (60, [0.6, 0.5]))
    ]
    found = merge(rows, plan(size_hw, tiling), size_hw)
    assert found.bboxes_xyxy.tolist() == pair[:count].tolist()
    assert found.scores.tolist() == pytest.approx([0.8, 0.7][:count])


@pytest.mark.parametrize("seed", range(10))
def test_rows_far_below_the_threshold_change_nothing_at_it(seed):
    """What is measured with all rows is what a detector finds that asks its network for the surer ones alone."""
    rng = np.random.default_rng(seed)
    windows = plan(SIZE_HW, WITH_WHOLE)
    tiles = []
    for window in windows:
        size_wh = (window[2:] - window[:2]).astype(float)
        corner = rng.uniform(0, 1, (60, 2)) * size_wh
        boxes = np.concatenate([corner, corner + rng.uniform(0.02, 0.6, (60, 2)) * size_wh], axis=1)
        tiles.append(detections(np.minimum(boxes, np.tile(size_wh, 2)), rng.uniform(0, 1, 60), rng.integers(0, 2, 60)))
    threshold = 0.6
    everything = merge(tiles, windows, SIZE_HW)
    sure = merge([rows.rows(rows.scores >= threshold * COMPARABLE) for rows in tiles], windows, SIZE_HW)
    wanted, got = (rows.rows(rows.scores >= threshold) for rows in (everything, sure))
    assert len(wanted) > 50
    assert np.array_equal(wanted.bboxes_xyxy, got.bboxes_xyxy)
    assert np.array_equal(wanted.scores, got.scores)


def test_the_order_of_the_rows_of_a_tile_does_not_matter():
    rng = np.random.default_rng(3)
    objects = [(100, 100, 700, 140), (250, 250, 300, 300), (600, 20, 630, 60)]
    windows = plan(SIZE_HW, TILING)
    tiles = [seen(objects, window, rng=rng) for window in windows]
    turned = [rows.rows(np.arange(len(rows))[::-1].copy()) for rows in tiles]
    one, other = merge(tiles, windows, SIZE_HW), merge(turned, windows, SIZE_HW)
    assert np.array_equal(one.bboxes_xyxy, other.bboxes_xyxy)


def test_rows_that_are_no_numbers_stay_so_that_they_are_counted():
    tiling, size_hw = Tiling((100, 100), (20, 20)), (100, 180)
    broken = detections([[float("nan"), 0, 5, 5], [10, 10, 20, 20]], [0.5, 0.7], [0, 0])
    found = merge([broken, detections([], [], [])], plan(size_hw, tiling), size_hw)
    assert len(found) == 2
    assert np.isnan(found.bboxes_xyxy).any(axis=1).sum() == 1


def test_nothing_found_is_nothing():
    assert len(found_in([])) == 0


def test_an_overlap_as_large_as_the_tile_is_refused():
    with pytest.raises(UserError, match="less than the tile's sides"):
        from_mapping(Tiling, {"size_hw": [100, 100], "overlap_hw": [100, 20]}, "tiles")


def test_the_reference_vector_for_other_languages():
    """docs/tiling_vector.json, against which an implementation in C++ or C# is checked; docs/tiling.md says how."""
    cases = json.loads(VECTOR.read_text(encoding="utf-8"))["cases"]
    assert len(cases) >= 8
    for case in cases:
        size_hw = tuple(case["image_size_hw"])
        tiling = from_mapping(Tiling, case["tiling"], case["name"])
        windows = plan(size_hw, tiling)
        assert windows.tolist() == case["windows_xyxy"]
        tiles = [detections(tile["bboxes_xyxy"], tile["scores"], tile["labels"]) for tile in case["found"]]
        found = merge(tiles, windows, size_hw)
        assert found.labels.tolist() == case["merged"]["labels"], case["name"]
        assert np.allclose(found.scores, case["merged"]["scores"], atol=1e-6)
        assert np.allclose(found.bboxes_xyxy, np.reshape(case["merged"]["bboxes_xyxy"], (-1, 4)), atol=1e-3)


WIDE_HW, TWO_WINDOWS = (576, 1200), np.array([[0, 0, 800, 576], [400, 0, 1200, 576]])


def merged_of_two(first, second):
    """Rows (x1, x2, score) of 10 px height, in pixels of the image, of the left window and of the right one."""
    tiles = []
    for window, rows in zip(TWO_WINDOWS, (first, second), strict=True):
        boxes = [[x1 - window[0], 100, x2 - window[0], 110] for x1, x2, _ in rows]
        tiles.append(detections(boxes, [score for *_, score in rows], [0] * len(rows)))
    found = merge(tiles, TWO_WINDOWS, WIDE_HW)
    return [
        (x1, x2, round(score, 3))
        for (x1, _, x2, _), score in zip(found.bboxes_xyxy.tolist(), found.scores.tolist(), strict=True)
    ]


def test_a_box_near_the_border_that_its_neighbour_sees_faintly_is_one_object():
    """It counts as cut in the left tile, and the right one has less than half of its score for it."""
    assert merged_of_two([(784, 794, 0.9)], [(784, 794, 0.4)]) == [(784, 794, 0.9)]
    assert merged_of_two([(784, 794, 0.3)], [(784, 794, 0.9)]) == [(784, 794, 0.9)]


def test_two_defects_near_the_border_that_almost_touch_stay_two():
    """In large tiles the border is as wide as a small defect."""
    assert merged_of_two([(784, 794, 0.9)], [(795, 809, 0.5)]) == [(784, 794, 0.9), (795, 809, 0.5)]
    assert merged_of_two([(784, 794, 0.9)], [(784, 794, 0.46), (795, 809, 0.5)]) == [(784, 794, 0.9), (795, 809, 0.5)]
    # beside a large one, too
    assert merged_of_two([(786, 796, 0.9)], [(797, 997, 0.8)]) == [(786, 796, 0.9), (797, 997, 0.8)]


def test_no_two_boxes_of_a_class_overlap_by_more_than_half():
    rng = np.random.default_rng(8)
    windows = plan(SIZE_HW, WITH_WHOLE)
    for _ in range(20):
        tiles = []
        for window in windows:
            corner = rng.uniform(0, window[2:] - window[:2] - 60, (30, 2))
            boxes = np.hstack([corner, corner + rng.uniform(10, 60, (30, 2))])
            tiles.append(detections(boxes, rng.uniform(0, 1, 30), rng.integers(0, 2, 30)))
        found = merge(tiles, windows, SIZE_HW)
        overlap = pairwise_iou(found.bboxes_xyxy, found.bboxes_xyxy) - np.eye(len(found))
        assert not (overlap * (found.labels[:, None] == found.labels) > 0.5 + 1e-6).any()
