"""A data set whose items are tiles: what samplers, pipelines, workers and ranks see of it."""

from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DATASETS
from torch.utils.data import DataLoader

from anomdet.data import pixel_store
from anomdet.data.draw import Draw
from anomdet.data.sampling import sampler as sampling
from anomdet.data.sampling.sampler import BalancedSampler, RepeatFactorSampler
from anomdet.data.tiles import decoded
from anomdet.errors import UserError
from anomdet.tiles import Tiling, plan

TILES = {"size_hw": [40, 48], "overlap_hw": [10, 12], "include_whole": False, "min_visible": 0.3, "seen_hw": [32, 32]}
PIPELINE = [
    {"type": "anomdet.LoadInspectionImage"},
    {"type": "anomdet.CutTile"},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {"type": "anomdet.AlbumentationsAugment", "transforms": [{"type": "HorizontalFlip", "p": 0.5}]},
    {"type": "anomdet.FitInside", "size_hw": (32, 32)},
    {"type": "anomdet.PackInspectionInputs", "meta_keys": ("img_id", "file_name", "ori_shape", "img_shape")},
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """10 images of 90 x 110 px, each pixel another; half of them with two objects."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir()
    for at in range(10):
        cv2.imwrite(str(folder / f"images/{at}.png"), rng.integers(0, 255, (90, 110, 3), dtype=np.uint8))
        text = "" if at % 2 else f"1 {5 + at} 5 12 12\n2 40 30 20 20\n"
        (folder / f"labels/{at}.txt").write_text(text)
    return folder


def build(data_dir, **options):
    given = {"split": "train", "ratios": (0.8, 0.1, 0.1), "tiles": TILES, "pipeline": PIPELINE, **options}
    return DATASETS.build({"type": "anomdet.TextLabelDataset", "data_root": str(data_dir), **given})


def test_its_items_are_tiles_and_its_images_are_counted_apart(data_dir):
    dataset = build(data_dir)
    per_image = len(plan((90, 110), Tiling((40, 48), (10, 12))))
    plain = build(data_dir, tiles=None, pipeline=[])
    assert dataset.num_images == plain.num_images == len(plain) > 5
    assert len(dataset) == len(plain) * per_image == len(dataset.image_class_counts)


def test_a_tile_is_a_piece_of_its_image_with_its_objects(data_dir):
    dataset = build(data_dir, pipeline=PIPELINE[:3])
    shown = 0
    for at in range(0, len(dataset), 3):
        draw = Draw(at, seed=1, epoch=2, position=at)
        window = dataset.get_data_info(draw)["window"]
        item = dataset[draw]
        left, top, right, bottom = window.tolist()
        image = cv2.imread(item["img_path"])
        objects = [one for one in item["instances"] if not one["ignore_flag"]]
        if len(objects) == len(item["instances"]):
            assert np.array_equal(item["img"], image[top:bottom, left:right])
        assert item["img_shape"] == (40, 48)
        for one in objects:
            x1, y1, x2, y2 = one["bbox"]
            assert 0 <= x1 < x2 <= 48 and 0 <= y1 < y2 <= 40
            shown += 1
    assert shown > 5


def test_the_same_draw_is_the_same_tile_in_any_process_and_another_epoch_moves_it(data_dir):
    dataset = build(data_dir)
    other = pickle.loads(pickle.dumps(dataset))  # as a worker gets it
    moved = 0
    for at in range(0, len(dataset), 5):
        draws = [Draw(at, seed=1, epoch=epoch, position=at) for epoch in (0, 1)]
        first, same, later = dataset[draws[0]], other[draws[0]], dataset[draws[1]]
        assert torch.equal(first["inputs"], same["inputs"])
        moved += not torch.equal(first["inputs"], later["inputs"])
    assert moved > 3


def test_kept_images_change_no_item_whatever_worker_keeps_them(data_dir, monkeypatch, tmp_path):
    """Of a run of several workers, and of one that resumes with nothing kept or with all of it."""
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(decoded, "LEAST_MEGAPIXELS", 0.0)
    monkeypatch.setattr(pixel_store, "_FREE_SHARE", 0.0)  # however full the disk of the tests is
    keeping = build(data_dir, pipeline=[{**PIPELINE[0], "cache_gb": 1.0}, *PIPELINE[1:]])
    draws = [Draw(at, seed=1, epoch=3, position=at) for at in range(0, len(keeping), 7)]
    wanted = [build(data_dir)[draw]["inputs"] for draw in draws]
    for num_workers in (2, 0):
        loader = DataLoader(keeping, batch_size=None, sampler=draws, num_workers=num_workers, collate_fn=dict)
        assert all(torch.equal(found["inputs"], own) for found, own in zip(loader, wanted, strict=True))
        assert len(list(tmp_path.glob("decoded/*.npy"))) == keeping.num_images


def test_two_ranks_see_what_one_sees(data_dir, monkeypatch):
    """Rank r takes the positions r, r + 2, ...; what it sees of each depends on the draw alone."""
    dataset = build(data_dir)

    def items(rank, world_size):
        monkeypatch.setattr(sampling, "get_dist_info", lambda: (rank, world_size))
        sampler = BalancedSampler(dataset, seed=7, most_normal=0.5)
        sampler.set_epoch(3)
        return {draw.position: dataset[draw]["inputs"].numpy().tobytes() for draw in sampler}

    alone, first, second = items(0, 1), items(0, 2), items(1, 2)
    assert not first.keys() & second.keys()
    both = {**first, **second}
    assert all(both[position] == alone[position] for position in alone)


def test_classes_are_balanced_over_tiles_and_empty_ones_have_their_share(data_dir):
    dataset = build(data_dir)
    counts = dataset.image_class_counts
    is_empty = counts.sum(axis=1) == 0
    assert is_empty.mean() > 0.5
    sampler = BalancedSampler(dataset, seed=0, most_normal=0.5)
    drawn = np.array([int(draw) for draw in sampler])
    assert is_empty[drawn].mean() == pytest.approx(0.5, abs=1 / len(drawn))
    fixed = BalancedSampler(dataset, seed=0, normal_ratio=0.25)
    assert is_empty[[int(draw) for draw in fixed]].mean() == pytest.approx(0.25, abs=1 / len(drawn))
    for column in counts.T:
        assert (column[drawn] > 0).mean() >= 0.25 - 2 / len(drawn)


def test_empty_tiles_have_their_share_where_rare_classes_are_repeated(data_dir):
    dataset = build(data_dir)
    is_empty = dataset.image_class_counts.sum(axis=1) == 0
    every = RepeatFactorSampler(dataset, threshold=0.3, seed=0)
    drawn = {
        "as the data": every,
        0.5: RepeatFactorSampler(dataset, threshold=0.3, seed=0, most_normal=0.5),
        0.2: RepeatFactorSampler(dataset, threshold=0.3, seed=0, normal_ratio=0.2, most_normal=0.5),
        0.0: RepeatFactorSampler(dataset, threshold=0.3, seed=0, normal_ratio=0.0),
    }
    assert is_empty[[int(draw) for draw in drawn.pop("as the data")]].mean() > 0.5
    for share, sampler in drawn.items():
        assert is_empty[[int(draw) for draw in sampler]].mean() == pytest.approx(share, abs=1 / len(sampler))
        assert sampler.expected[~is_empty] == pytest.approx(every.expected[~is_empty])  # defects come as often
    for share in (1.0, -0.1):
        with pytest.raises(UserError, match="normal_ratio: expected a share from 0 to below 1"):
            RepeatFactorSampler(dataset, threshold=0.3, seed=0, normal_ratio=share)
    least = RepeatFactorSampler(dataset, threshold=0.3, seed=0, most_normal=0.999)
    assert least.expected == pytest.approx(every.expected)  # fewer than the most stay as they are


def test_a_share_below_the_most_stays_as_in_the_data(data_dir):
    dataset = build(data_dir)
    share = float((dataset.image_class_counts.sum(axis=1) == 0).mean())
    sampler = BalancedSampler(dataset, seed=0, most_normal=0.99)
    assert sampler.probabilities[sampler.is_normal].sum() == pytest.approx(share)


def test_evaluation_does_not_move_tiles(data_dir):
    dataset = build(data_dir, test_mode=True)
    still = plan((90, 110), Tiling((40, 48), (10, 12)))
    found = [dataset.get_data_info(Draw(at, epoch=5))["window"] for at in range(len(still))]
    assert np.array_equal(found, still)


def test_some_images_are_all_their_tiles(data_dir):
    dataset = build(data_dir)
    per_image = len(dataset) // dataset.num_images
    assert len(dataset.get_subset([0, 3])) == 2 * per_image
    dataset.get_subset_(1)
    assert len(dataset) == per_image


def test_a_data_set_that_makes_its_own_records_has_no_tiles(data_dir):
    with pytest.raises(UserError, match="null with a data set that makes its records"):
        len(build(data_dir, serialize_data=False))
