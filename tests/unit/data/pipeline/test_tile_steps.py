"""Tiles in the pipeline: cut and blanked in training, all of an image from one decode in evaluation."""

import cv2
import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from anomdet.data.pipeline.blanking import blanked
from anomdet.data.pipeline.steps import LoadInspectionImage
from anomdet.data.pipeline.tile_steps import CutTile, PackTiles, flat_collate
from anomdet.data.tiles import decoded
from anomdet.inference.artifact import Preprocessing
from anomdet.inference.preprocess import cut_tiles
from anomdet.tiles import Tiling

RULE = {"size_hw": (64, 64), "overlap_hw": (16, 16), "include_whole": False, "min_visible": 0.3, "seen_hw": (32, 32)}


def image(size_hw=(100, 150), seed=0):
    return np.random.default_rng(seed).integers(0, 255, (*size_hw, 3), dtype=np.uint8)


def instance(bbox, ignored):
    return {"bbox": bbox, "bbox_label": 0, "ignore_flag": int(ignored)}


def test_a_tile_is_its_window_and_no_view_of_the_image():
    pixels = image()
    results = CutTile().transform({"img": pixels, "window": np.array([20, 30, 84, 94]), "instances": []})
    assert np.array_equal(results["img"], pixels[30:94, 20:84])
    assert not np.shares_memory(results["img"], pixels)
    assert results["img_shape"] == results["ori_shape"] == (64, 64)


def test_what_may_not_be_taught_is_blanked_but_not_what_is_kept():
    pixels = image()
    instances = [instance([0, 0, 10, 20], True), instance([5, 0, 30, 30], False)]
    tile = CutTile().transform({"img": pixels, "window": np.array([20, 30, 84, 94]), "instances": instances})["img"]
    own = pixels[30:94, 20:84]
    assert (tile[:20, :5] == np.rint(own.reshape(-1, 3).mean(axis=0))).all()
    assert np.array_equal(tile[:, 5:], own[:, 5:])
    assert np.array_equal(tile[20:], own[20:])


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("window", [(20, 30, 84, 94), (0, 0, 150, 64), (0, 36, 150, 100), (0, 0, 150, 100)])
def test_a_tile_read_from_its_file_is_that_of_the_whole_image(suffix, window, tmp_path):
    """With a part of an object that may not be taught; in the whole image it is marked only."""
    path = str(tmp_path / f"image{suffix}")
    cv2.imwrite(path, image())
    results = {"window": np.array(window), "instances": [instance([0, 0, 9, 9], True)]}
    found = CutTile().transform(LoadInspectionImage().transform({**results, "img_path": path}))
    wanted = CutTile().transform({**results, "img": image()})
    assert np.array_equal(found["img"], wanted["img"]) and "img_top" not in found
    assert found["img_shape"] == wanted["img_shape"]


@pytest.mark.parametrize("window", [(20, 30, 84, 94), (0, 0, 150, 64), (0, 0, 150, 100)])
def test_a_tile_of_a_kept_image_is_that_of_the_decoded_one_and_can_be_written_to(window, tmp_path, monkeypatch):
    monkeypatch.setattr(decoded, "LEAST_MEGAPIXELS", 0.0)
    path = str(tmp_path / "image.png")
    cv2.imwrite(path, image())
    results = {"window": np.array(window), "instances": [instance([0, 0, 9, 9], True)]}
    wanted = CutTile().transform({**results, "img": image()})
    for _ in range(2):  # decoded, and mapped
        found = CutTile().transform(LoadInspectionImage(cache_gb=1).transform({**results, "img_path": path}))
        assert np.array_equal(found["img"], wanted["img"]) and type(found["img"]) is np.ndarray
        assert found["img"].flags.writeable and found["img"].flags.c_contiguous


def test_the_whole_image_keeps_its_pixels():
    pixels = image()
    results = {"img": pixels, "window": np.array([0, 0, 150, 100]), "instances": [instance([0, 0, 3, 3], True)]}
    assert np.array_equal(CutTile().transform(results)["img"], pixels)


def test_blanking_leaves_the_given_image_alone():
    pixels = image()
    before = pixels.copy()
    assert not np.array_equal(blanked(pixels, [[0, 0, 9.5, 9.5]], []), pixels)
    assert np.array_equal(pixels, before)


def test_all_tiles_of_an_image_are_packed_as_a_detector_prepares_them():
    pixels = image()
    results = {
        "img": pixels,
        "img_shape": pixels.shape[:2],
        "ori_shape": pixels.shape[:2],
        "img_id": 7,
        "instances": [instance([60, 10, 90, 40], False)],
        "gt_bboxes": HorizontalBoxes(np.float32([[60, 10, 90, 40]])),
        "gt_bboxes_labels": np.array([2]),
        "gt_ignore_flags": np.array([False]),
    }
    keys = ("img_id", "ori_shape", "img_shape", "scale_factor", "instances")
    packed = PackTiles((32, 32), keys, RULE).transform(results)
    prepared = cut_tiles(pixels, Preprocessing((32, 32), (), (), "rgb", 32), Tiling((64, 64), (16, 16)))
    assert len(packed["inputs"]) == len(prepared.tiles) == 6
    for inputs, sample, tile, window in zip(
        packed["inputs"], packed["data_samples"], prepared.tiles, prepared.windows.tolist(), strict=True
    ):
        assert np.array_equal(inputs.numpy().transpose(1, 2, 0), tile.pixels)
        assert sample.window == window
        assert (sample.image_hw, sample.ori_shape, sample.img_id) == ((100, 150), tile.original_hw, 7)
        assert sample.instances == results["instances"], "the truth of the whole image, for the metric"
    first, second = packed["data_samples"][:2]
    assert first.ignored_instances.bboxes.tensor.tolist() == [[30, 5, 32, 20]], "a seventh of it is visible"
    assert len(first.gt_instances) == 0
    assert second.gt_instances.bboxes.tensor.tolist() == [[8.5, 5, 23.5, 20]]


def test_a_batch_of_images_is_a_batch_of_their_tiles():
    batch = [{"inputs": [1, 2], "data_samples": ["a", "b"]}, {"inputs": [3], "data_samples": ["c"]}]
    assert flat_collate(batch) == {"inputs": [1, 2, 3], "data_samples": ["a", "b", "c"]}
