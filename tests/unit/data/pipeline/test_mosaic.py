"""Mosaics that end before the run does, and pieces around defects: what is shown has its label, or is not shown."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS

from anomdet.data.draw import Draw
from anomdet.data.pipeline.mosaic import CropAroundDefect, cut_to

PIPELINE = [{"type": "anomdet.LoadInspectionImage"}, {"type": "mmdet.LoadAnnotations", "with_bbox": True}]
MOSAIC = {"type": "anomdet.InspectionMosaic", "size_hw": (64, 64), "prob": 1.0, "end": 8.0}
CROP = {"type": "anomdet.CropAroundDefect", "size_hw": (48, 40), "prob": 1.0}
NUM_IMAGES, SIZE_HW = 12, (96, 128)
DARK, BRIGHT = 40, 230


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright objects on dark images, so that pixels say where objects are; every third image is normal."""
    folder = tmp_path_factory.mktemp("mosaic")
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for at in range(NUM_IMAGES):
        image = np.full((*SIZE_HW, 3), DARK, np.uint8)
        text = ""
        for x, y in [(10 + 5 * at, 40), (90 - 4 * at, 70)][: at % 3]:
            image[y : y + 16, x : x + 20] = BRIGHT
            text += f"{at % 3} {x} {y} 20 16\n"
        cv2.imwrite(str(folder / f"images/{at:02}.png"), image)
        (folder / f"labels/{at:02}.txt").write_text(text)
    return folder


def build(folder: Path, *steps: dict, **options: object):
    given = {"data_root": str(folder), "split": "train", "ratios": (0.8, 0.1, 0.1), **options}
    return DATASETS.build({"type": "anomdet.TextLabelDataset", "pipeline": [*PIPELINE, *steps], **given})


def boxes_of(results: dict) -> np.ndarray:
    return results["gt_bboxes"].tensor.numpy()


def bright_outside(results: dict, border: int = 1) -> int:
    """Pixels of objects that no box holds."""
    is_bright = results["img"][..., 0] > (DARK + BRIGHT) // 2 + 40
    for x1, y1, x2, y2 in boxes_of(results):
        top, left = max(int(y1) - border, 0), max(int(x1) - border, 0)
        is_bright[top : int(np.ceil(y2)) + border, left : int(np.ceil(x2)) + border] = False
    return int(is_bright.sum())


def test_a_mosaic_shows_every_object_in_its_box_and_none_without(folder):
    dataset, shown = build(folder, MOSAIC), 0
    for epoch in range(6):
        for at in range(len(dataset)):
            results = dataset[Draw(at, 3, epoch, at)]
            assert results["img"].shape == (64, 64, 3) and results["img_shape"] == (64, 64)
            assert bright_outside(results) == 0
            boxes = boxes_of(results)
            assert len(boxes) == len(results["gt_bboxes_labels"]) == len(results["gt_ignore_flags"])
            for x1, y1, x2, y2 in boxes:
                assert 0 <= x1 < x2 <= 64 and 0 <= y1 < y2 <= 64
                assert results["img"][int(np.ceil(y1)) : int(y2), int(np.ceil(x1)) : int(x2)].mean() > 150
            shown += len(boxes)
    assert shown > 20


def test_objects_in_a_mosaic_have_the_size_at_which_they_are_seen_alone(folder):
    """Images of 96 x 128 in 64 x 64: by half."""
    results = [build(folder, MOSAIC)[Draw(at, 3, 0, at)] for at in range(6)]
    sizes = np.concatenate([boxes_of(one)[:, 2:] - boxes_of(one)[:, :2] for one in results])
    assert (sizes <= (10.01, 8.01)).all() and (np.abs(sizes - (10, 8)).max(axis=1) < 0.01).any()


@pytest.mark.parametrize(
    ("end", "epoch_draws", "last_epoch", "last_position"),
    [(2.0, None, 1, 99), (2.6, None, 1, 99), (1.5, 10, 1, 4), (0.5, 10, 0, 4), (0.5, None, -1, 0)],
)
def test_the_last_part_of_a_run_has_none(folder, end, epoch_draws, last_epoch, last_position):
    dataset = build(folder, {**MOSAIC, "end": end, "epoch_draws": epoch_draws})
    for epoch in range(4):
        for position in (0, 4, 5, 9):
            is_mixed = dataset[Draw(0, 3, epoch, position)]["img"].shape == (64, 64, 3)
            assert is_mixed == ((epoch, position) <= (last_epoch, last_position))


def test_how_often(folder):
    dataset = build(folder, {**MOSAIC, "prob": 0.25})
    mixed = sum(dataset[Draw(0, 3, 0, at)]["img"].shape[0] == 64 for at in range(200))
    assert 30 <= mixed <= 70


def test_a_piece_is_of_the_image_with_a_whole_defect(folder):
    plain, dataset = build(folder), build(folder, CROP)
    for at in range(len(dataset)):
        before = plain[at]
        for epoch in range(5):
            results = dataset[Draw(at, 3, epoch, at)]
            assert results["img"].shape == (48, 40, 3) and bright_outside(results, border=0) == 0
            boxes = boxes_of(results)
            if len(before["gt_bboxes"]):
                sizes = (boxes[:, 2:] - boxes[:, :2]).tolist()
                assert [20, 16] in sizes
            else:
                assert not len(boxes)
    places = {boxes_of(dataset[Draw(1, 3, 0, at)]).tobytes() for at in range(10)}
    assert len(places) > 3


def test_a_piece_lies_in_a_defect_that_is_larger(folder):
    dataset = build(folder)
    results = {**dataset[0], "draw": Draw(0, 1, 0, 0)}
    results["gt_bboxes"] = type(results["gt_bboxes"])(np.array([[5, 10, 120, 90]], np.float32))
    results["gt_bboxes_labels"], results["gt_ignore_flags"] = np.zeros(1, np.int64), np.zeros(1, bool)
    made = CropAroundDefect((48, 40), 1.0, min_visible=0.1)(results)
    assert boxes_of(made).tolist() == [[0, 0, 40, 48]]


def test_a_small_image_stays(folder):
    plain, dataset = build(folder), build(folder, {**CROP, "size_hw": SIZE_HW})
    assert all(np.array_equal(plain[at]["img"], dataset[Draw(at, 3, 0, at)]["img"]) for at in range(4))


def test_of_a_box_that_is_cut_too_far_the_rest_is_hidden(folder):
    """And an ignored region stays one."""
    results = build(folder)[0]
    results["img"][:] = np.random.default_rng(0).integers(0, 255, results["img"].shape)
    results["gt_bboxes"] = type(results["gt_bboxes"])(
        np.array([[0, 0, 24, 10], [30, 30, 40, 40], [50, 50, 70, 60]], np.float32)
    )
    results["gt_bboxes_labels"] = np.array([0, 1, 0])
    results["gt_ignore_flags"] = np.array([False, False, True])
    before = results["img"].copy()
    made = cut_to(results, np.array([20, 0, 84, 64]), 0.3)
    assert boxes_of(made).tolist() == [[10, 30, 20, 40], [30, 50, 50, 60]]
    assert made["gt_bboxes_labels"].tolist() == [1, 0] and made["gt_ignore_flags"].tolist() == [False, True]
    assert (made["img"][:10, :4] == made["img"][0, 0]).all(), "a sixth of the first box was left"
    assert np.array_equal(made["img"][10:], before[10:64, 20:84])


@pytest.mark.parametrize("steps", [(MOSAIC,), (CROP,), ({**MOSAIC, "prob": 0.5}, CROP)], ids=str)
def test_a_draw_says_all(folder, steps):
    """The same in any order and in a copy of the data set: workers, ranks and a resume change nothing."""
    dataset = build(folder, *steps)
    first = [dataset[Draw(at, 5, 1, at)] for at in range(len(dataset))]
    copied = pickle.loads(pickle.dumps(dataset))
    for at in reversed(range(len(dataset))):
        again = copied[Draw(at, 5, 1, at)]
        assert np.array_equal(again["img"], first[at]["img"]) and np.array_equal(boxes_of(again), boxes_of(first[at]))
    others = [dataset[Draw(at, 5, 2, at)]["img"] for at in range(len(dataset))]
    assert any(not np.array_equal(one, result["img"]) for one, result in zip(others, first, strict=True))


def test_an_image_of_which_a_mosaic_would_leave_nothing_keeps_a_pixel(tmp_path):
    """Of 900 x 1 pixels within 64 x 64; OpenCV refuses a side of 0."""
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    for at, size_hw in enumerate(((1, 900), (900, 1), (3, 700), (96, 128))):
        cv2.imwrite(str(tmp_path / f"images/{at}.png"), np.full((*size_hw, 3), DARK, np.uint8))
        (tmp_path / f"labels/{at}.txt").write_text(f"1 0 0 {size_hw[1]} {size_hw[0]}\n")
    dataset, shapes = build(tmp_path, MOSAIC, ratios=(1.0, 0.0, 0.0)), set()
    for position in range(12):
        results = dataset[Draw(position % 4, seed=2, position=position)]
        boxes = boxes_of(results)
        shapes.add(results["img"].shape)
        assert len(boxes) and (boxes[:, 2:] > boxes[:, :2]).all()
    assert shapes == {(64, 64, 3)}
