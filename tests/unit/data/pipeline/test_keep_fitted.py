"""Large images kept on disk as the network sees them: the same items, of the files as they are now."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from anomdet.data import pixel_store
from anomdet.data.dataset import TextLabelDataset
from anomdet.data.draw import Draw
from anomdet.data.pipeline import steps
from anomdet.data.pixel_store import PixelStore
from anomdet.images import decode

LOAD = {"type": "anomdet.LoadInspectionImage", "cache_gb": 1.0}
BOXES = {"type": "mmdet.LoadAnnotations", "with_bbox": True}
FIT = {"type": "anomdet.FitInside", "size_hw": (32, 40)}
FLIP = {"type": "anomdet.AlbumentationsAugment", "transforms": [{"type": "HorizontalFlip", "p": 0.5}]}
PACK = {"type": "anomdet.PackInspectionInputs", "meta_keys": ("ori_shape", "img_shape", "scale_factor")}
TRAIN = [LOAD, BOXES, {**FIT, "enlarge": False}, FLIP, FIT, PACK]


@pytest.fixture(autouse=True)
def small_images_are_worth_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(steps, "LEAST_MEGAPIXELS", 0.001)
    monkeypatch.setattr(pixel_store, "_FREE_SHARE", 0.0)
    monkeypatch.setattr(steps, "FITTED", PixelStore("fitted"))


@pytest.fixture
def root(tmp_path):
    """Grey and coloured images of several sizes, the last too small to gain anything."""
    rng = np.random.default_rng(0)
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for at, (height, width, channels) in enumerate([(90, 60, 3), (60, 90, 1), (200, 101, 3), (80, 80, 1), (20, 30, 3)]):
        for name in (f"{at}a", f"{at}b", f"{at}c"):
            pixels = rng.integers(0, 255, (height, width, channels), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / "data/images" / f"{name}.png"), pixels)
            (tmp_path / "data/labels" / f"{name}.txt").write_text(f"1 {at + 1} 2 12.5 {height / 3}\n")
    return tmp_path / "data"


def build(root, pipeline=TRAIN, **more):
    return TextLabelDataset(str(root), "train", split_rule={"stratify": False}, pipeline=pipeline, **more)


def kept(root):
    return sorted(root.parent.glob("cache/fitted/*.npy"))


def without(pipeline):
    return [{key: value for key, value in step.items() if key != "cache_gb"} for step in pipeline]


def same(found, wanted):
    """Pixels, boxes and everything that is packed."""
    own, other = found["data_samples"], wanted["data_samples"]
    boxes = [sample.gt_instances.bboxes.tensor for sample in (own, other)]
    metas = [{key: tuple(np.ravel(value)) for key, value in sample.metainfo.items()} for sample in (own, other)]
    return torch.equal(found["inputs"], wanted["inputs"]) and torch.equal(*boxes) and metas[0] == metas[1]


@pytest.mark.parametrize("pipeline", [TRAIN, [LOAD, BOXES, FIT, PACK]], ids=["training", "validation"])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_items_are_the_same_whoever_keeps_the_images(root, pipeline, num_workers):
    keeping, plain = build(root, pipeline), build(root, without(pipeline))
    draws = [Draw(at, seed=1, epoch=3, position=at) for at in range(len(plain))]
    wanted = [plain[draw] for draw in draws]
    for _ in range(2):
        loader = DataLoader(keeping, batch_size=None, sampler=draws, num_workers=num_workers, collate_fn=dict)
        assert all(same(found, own) for found, own in zip(loader, wanted, strict=True))
        assert len(kept(root)) == sum(keeping.get_data_info(at)["height"] > 32 for at in range(len(keeping)))


def test_the_second_time_nothing_is_decoded(root, monkeypatch):
    first = [build(root)[at] for at in range(8)]
    large = [at for at in range(8) if build(root).get_data_info(at)["height"] > 32]
    monkeypatch.setattr(steps, "read_noted", None)
    assert large and all(same(build(root)[at], first[at]) for at in large)


def test_an_image_that_has_changed_is_read_again_and_keeps_its_own_size(root):
    dataset = build(root)
    at = next(at for at in range(len(dataset)) if dataset.get_data_info(at)["height"] > 32)
    before, path = dataset[at], dataset.get_data_info(at)["img_path"]
    info = dataset.get_data_info(at)
    cv2.imwrite(path, np.zeros((info["height"], info["width"], 3), np.uint8))
    os.utime(path, ns=(1, 1))
    assert not dataset[at]["inputs"].any() and before["inputs"].any()
    cv2.imwrite(path, np.zeros((info["height"] + 7, info["width"], 3), np.uint8))  # not the size of the index
    count = len(kept(root))
    assert dataset[at]["data_samples"].ori_shape == (info["height"] + 7, info["width"])
    assert len(kept(root)) == count, "an image of another size than the index says is not kept"


@pytest.mark.parametrize("other", [np.zeros((5, 5), np.uint8), np.zeros((32, 40), np.float32), np.zeros(3, np.uint8)])
def test_a_file_of_other_content_is_not_believed(root, other):
    dataset, wanted = build(root), build(root, without(TRAIN))
    for at in range(len(dataset)):
        _ = dataset[at]
    for file in kept(root):
        np.save(file, other)
    assert kept(root) and all(same(dataset[at], wanted[at]) for at in range(len(dataset)))


def test_what_is_to_be_told_of_an_image_is_told_by_each_run(tmp_path, root, caplog):
    """Clipped values are a warning, so that such an image is decoded each time."""
    path = str(root / "images/0a.png")
    cv2.imwrite(path, np.full((90, 60), 40000, np.uint16))
    step = steps.LoadInspectionImage(bit_depth=12, cache_gb=1)
    step.fit = steps.FitInside((32, 40))
    record = {"img_path": path, "height": 90, "width": 60}
    for _ in range(2):
        decode._WARNED_DEPTHS.clear()
        caplog.clear()
        assert step.transform(dict(record))["img"].shape == (90, 60, 3)
        assert "were clipped" in caplog.text
    assert not kept(root)


@pytest.mark.parametrize(
    "between",
    [
        {"type": "anomdet.CropAroundDefect", "size_hw": (32, 40), "prob": 0.5},
        FLIP,
        {"type": "anomdet.InspectionMosaic", "size_hw": (32, 40), "prob": 0.5, "end": 0.8},
    ],
    ids=lambda step: step["type"].partition(".")[2],
)
def test_an_image_that_is_looked_at_in_its_stored_size_is_not_kept(root, between):
    pipeline = [LOAD, BOXES, between, FIT, PACK]
    dataset, plain = build(root, pipeline), build(root, without(pipeline))
    assert dataset.pipeline.transforms[0].fit is None
    assert same(dataset[0], plain[0]) and not kept(root)


def test_mosaics_are_of_kept_images(root):
    mosaic = {"type": "anomdet.InspectionMosaic", "size_hw": (32, 40), "prob": 1.0, "end": 9.0}
    pipeline = [LOAD, BOXES, {**FIT, "enlarge": False}, mosaic, FIT, PACK]
    dataset, plain = build(root, pipeline), build(root, without(pipeline))
    draws = [Draw(at, seed=1, epoch=3, position=at) for at in range(len(plain))]
    for _ in range(2):
        assert all(same(dataset[draw], plain[draw]) for draw in draws)
        assert kept(root)


def test_a_data_set_of_parts_of_another_keeps_too(root):
    part = build(root).get_subset([0, 1, 2])
    assert same(part[0], build(root, without(TRAIN))[0])


def test_no_room_for_any(root):
    dataset = build(root, [{**LOAD, "cache_gb": 1e-9}, *TRAIN[1:]])
    assert same(dataset[0], build(root, without(TRAIN))[0]) and not kept(root)
