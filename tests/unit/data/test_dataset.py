from __future__ import annotations

import copy
import math
import pickle
import random

import cv2
import numpy as np
import pytest
import torch
from mmdet.datasets.transforms.formatting import PackDetInputs
from mmengine.registry import DATASETS
from mmengine.runner import Runner

from anomdet.data.class_names import class_names
from anomdet.data.dataset import TextLabelDataset
from anomdet.data.draw import Draw
from anomdet.data.pipeline.steps import PackInspectionInputs
from anomdet.errors import UserError

META_KEYS = ("img_id", "file_name", "ori_shape", "img_shape", "scale_factor", "instances", "flip")
PIPELINE = [
    {"type": "anomdet.LoadInspectionImage"},
    {"type": "mmdet.LoadAnnotations", "with_bbox": True},
    {
        "type": "anomdet.AlbumentationsAugment",
        "transforms": [
            {"type": "HorizontalFlip", "p": 0.5},
            {"type": "Rotate", "limit": 15, "p": 0.5},
            {"type": "GaussNoise", "p": 0.5},
        ],
    },
    {"type": "mmdet.RandomFlip", "prob": 0.5},
    {"type": "mmdet.PhotoMetricDistortion"},
    {"type": "mmdet.Resize", "scale": (48, 48), "keep_ratio": True},
    {"type": "anomdet.PackInspectionInputs", "meta_keys": META_KEYS},
]


@pytest.fixture
def data_dir(make_data):
    texts = {
        f"{at:02}.png": ("" if at % 4 == 0 else f"{at % 3 * 10 - 10} 5 5 20 20\n7 30 10 9 9\n") for at in range(16)
    }
    return make_data(texts)


def build(data_dir, split="train", **options) -> TextLabelDataset:
    options = {
        "serialize_data": False,
        **options,
    }  # serializing collects garbage, half a second among all these modules
    return DATASETS.build({"type": "anomdet.TextLabelDataset", "data_root": str(data_dir), "split": split, **options})


def test_records_and_metainfo(data_dir):
    parts = [build(data_dir, split, ratios=[0.5, 0.25, 0.25]) for split in ("train", "val", "test")]
    for part in parts:
        assert part.metainfo["classes"] == ("-10", "0", "7", "10")
        assert part.metainfo["class_nums"] == (-10, 0, 7, 10)
        assert len(part.metainfo["palette"]) == 4
        assert part.image_class_counts.shape == (len(part), 4)
        for at, counts in enumerate(part.image_class_counts):
            labels = [instance["bbox_label"] for instance in part.get_data_info(at)["instances"]]
            assert np.bincount(labels, minlength=4).tolist() == counts.tolist()
    infos = [part.get_data_info(at) for part in parts for at in range(len(part))]
    assert sorted(info["img_id"] for info in infos) == list(range(16))
    info = next(info for info in infos if info["file_name"] == "01.png")
    assert info["img_path"] == f"{data_dir}/images/01.png" and (info["height"], info["width"]) == (40, 60)
    assert info["instances"] == [
        {"bbox": [5, 5, 25, 25], "bbox_label": 1, "ignore_flag": 0},
        {"bbox": [30, 10, 39, 19], "bbox_label": 2, "ignore_flag": 0},
    ]
    assert sum(not info["instances"] for info in infos) == 4


def infos_of(dataset) -> list[dict]:
    return [dataset.get_data_info(at) for at in range(len(dataset))]


@pytest.mark.parametrize("indices", [None, 5, -2, [4, 0, 4]])
def test_records_from_the_index_equal_mmengines_list(data_dir, indices):
    """Made at access, where MMEngine would pickle a copy of each."""
    ours, theirs = (build(data_dir, indices=indices, serialize_data=flag) for flag in (True, False))
    assert not hasattr(ours, "data_bytes") and not ours.data_list and len(theirs.data_list) == len(theirs)
    assert infos_of(ours) == infos_of(theirs) and len(ours) == (
        len(indices) if isinstance(indices, list) else len(ours)
    )
    assert ours.get_data_info(-1) == theirs.get_data_info(-1) and ours.get_data_info(-1)["sample_idx"] == len(ours) - 1
    assert [ours.get_cat_ids(at) for at in range(len(ours))] == [theirs.get_cat_ids(at) for at in range(len(ours))]
    with pytest.raises(IndexError):
        ours.get_data_info(len(ours))
    info = ours.get_data_info(1)
    info["instances"].append("spoilt")
    assert infos_of(ours) == infos_of(theirs)
    for part in (2, -1, [1, 0]):
        ours_part, theirs_part = ours.get_subset(part), theirs.get_subset(part)
        assert infos_of(ours_part) == infos_of(theirs_part) and ours_part.index is ours.index
        np.testing.assert_array_equal(ours_part.image_class_counts, theirs_part.image_class_counts)
        assert len(ours_part.image_class_counts) == len(ours_part) == abs(part if isinstance(part, int) else len(part))
    for dataset in (ours, theirs):
        dataset.get_subset_([1, 0])
    assert infos_of(ours) == infos_of(theirs) and len(ours) == 2
    np.testing.assert_array_equal(ours.image_class_counts, theirs.image_class_counts)
    with pytest.raises(TypeError, match="sequence of int"):
        ours.get_subset(1.5)


def test_lazily_and_in_another_process(data_dir):
    whole = build(data_dir, serialize_data=True)
    lazy = build(data_dir, serialize_data=True, lazy_init=True)
    assert pickle.loads(pickle.dumps(lazy)).get_data_info(3) == whole.get_data_info(3)
    assert len(lazy) == len(whole) and infos_of(lazy) == infos_of(whole)
    assert infos_of(pickle.loads(pickle.dumps(whole))) == infos_of(copy.deepcopy(whole)) == infos_of(whole)


@pytest.mark.parametrize("wrapper", ["RepeatDataset", "ClassBalancedDataset", "ConcatDataset", "MultiImageMixDataset"])
def test_wrappers_see_the_same(data_dir, wrapper):
    def wrapped(flag: bool):
        own = {"type": "anomdet.TextLabelDataset", "data_root": str(data_dir), "split": "train", "serialize_data": flag}
        own["pipeline"] = PIPELINE[:2]
        options = {
            "RepeatDataset": {"dataset": own, "times": 2},
            "ClassBalancedDataset": {"dataset": own, "oversample_thr": 0.6},
            "ConcatDataset": {"datasets": [own, own]},
            "MultiImageMixDataset": {"dataset": own, "pipeline": [{"type": "mmdet.Mosaic", "img_scale": (30, 20)}]},
        }[wrapper]
        scope = "mmdet." if wrapper == "MultiImageMixDataset" else ""
        return DATASETS.build({"type": f"{scope}{wrapper}", **options})

    ours, theirs = wrapped(True), wrapped(False)
    assert len(ours) == len(theirs) >= 8
    for at in (0, 5, len(ours) - 1):
        random.seed(at)
        np.random.seed(at)
        one = ours[at]
        random.seed(at)
        np.random.seed(at)
        two = theirs[at]
        np.testing.assert_array_equal(one["img"], two["img"])
        assert torch.equal(one["gt_bboxes"].tensor, two["gt_bboxes"].tensor)


class EveryOther(TextLabelDataset):
    """Someone's plug-in."""

    def load_data_list(self) -> list[dict]:
        return [{**info, "mine": True} for info in super().load_data_list()]

    def filter_data(self) -> list[dict]:
        return self.data_list[::2]


@pytest.mark.parametrize("serialize_data", [True, False])
def test_a_derived_class_loads_and_filters_in_its_own_way(data_dir, serialize_data):
    dataset = EveryOther(str(data_dir), "train", serialize_data=serialize_data)
    plain = build(data_dir, serialize_data=True)
    assert len(dataset) == math.ceil(len(plain) / 2)
    assert dataset.get_data_info(1) == {**plain.get_data_info(2), "mine": True, "sample_idx": 1}
    assert len(dataset.get_subset(2)) == 2
    np.testing.assert_array_equal(dataset.image_class_counts, plain.image_class_counts[::2])


def test_indices_cut_the_counts_too(data_dir):
    whole = build(data_dir)
    for indices, rows in ((3, slice(3)), (-2, slice(-2, None)), ([4, 0], [4, 0])):
        part = build(data_dir, indices=indices)
        np.testing.assert_array_equal(part.image_class_counts, whole.image_class_counts[rows])
        assert len(part) == len(part.image_class_counts)


@pytest.mark.parametrize(
    "classes", [{-10: "a", 0: "b", 7: "c", 10: "d"}, [["10", "d"], (7, "c"), (0, "b"), (-10, "a")]]
)
def test_names_come_from_mappings_and_pairs(data_dir, classes):
    assert build(data_dir, classes=classes).metainfo["classes"] == ("a", "b", "c", "d")
    assert class_names(classes) == {-10: "a", 0: "b", 7: "c", 10: "d"}


def test_bad_settings_are_user_errors(data_dir):
    with pytest.raises(UserError, match="one of train, val, test"):
        build(data_dir, "training")
    with pytest.raises(UserError, match="an integer as class number, got 'x'"):
        build(data_dir, classes={"x": "y"})
    with pytest.raises(UserError, match="each number and name once"):
        build(data_dir, classes=[(1, "a"), (2, "a")])
    with pytest.raises(UserError, match="at least one image"):
        build(data_dir, "val", ratios=(1.0, 0.0, 0.0))


def flat(batch: dict) -> list[bytes]:
    """Everything of each sample as bytes."""
    samples = zip(batch["inputs"], batch["data_samples"], strict=True)
    return [
        b"".join(
            (
                image.numpy().tobytes(),
                sample.gt_instances.bboxes.tensor.numpy().tobytes(),
                sample.gt_instances.labels.numpy().tobytes(),
                repr(sorted(sample.metainfo.items())).encode(),
            )
        )
        for image, sample in samples
    ]


def epochs_of(
    dataset, sampler: str, num_workers: int, persistent: bool = False, batch_sampler=None
) -> list[list[bytes]]:
    loader = Runner.build_dataloader(
        {
            "dataset": dataset,
            "batch_size": 3,
            "num_workers": num_workers,
            "persistent_workers": persistent,
            "sampler": {"type": sampler},
            "batch_sampler": batch_sampler,
        },
        seed=11,
    )
    order = loader.sampler if batch_sampler is None else loader.batch_sampler.sampler
    epochs = []
    for epoch in range(3):
        order.set_epoch(epoch)
        epochs.append([sample for batch in loader for sample in flat(batch)])
    return epochs


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["anomdet.DrawSampler", "anomdet.BalancedSampler"])
def test_the_same_samples_whatever_the_workers(data_dir, sampler):
    dataset = build(data_dir, pipeline=PIPELINE, serialize_data=True)
    expected = epochs_of(dataset, sampler, 0)
    assert all(len(set(epoch)) == len(epoch) for epoch in expected)
    assert not set(expected[0]) & set(expected[1]) and not set(expected[1]) & set(expected[2])
    for num_workers, persistent in ((2, False), (4, True)):
        assert epochs_of(dataset, sampler, num_workers, persistent) == expected, (num_workers, persistent)


def test_draws_pass_through_the_aspect_ratio_batches(data_dir):
    dataset = build(data_dir, pipeline=PIPELINE)
    batches = {"type": "mmdet.AspectRatioBatchSampler"}
    expected = epochs_of(dataset, "anomdet.DrawSampler", 0)
    assert sorted(epochs_of(dataset, "anomdet.DrawSampler", 2, batch_sampler=batches)[1]) == sorted(expected[1])


def test_one_image_drawn_twice_looks_different_and_no_draw_is_packed(data_dir):
    dataset = build(data_dir, pipeline=[*PIPELINE[:-1], {**PIPELINE[-1], "meta_keys": (*META_KEYS, "img_path")}])
    first, second = dataset[Draw(3, 0, 0, 5)], dataset[Draw(3, 0, 0, 6)]
    assert not torch.equal(first["inputs"], second["inputs"])
    assert torch.equal(first["inputs"], dataset[Draw(3, 0, 0, 5)]["inputs"])
    assert torch.equal(dataset[3]["inputs"], dataset[Draw(3, 0, 0, 3)]["inputs"])
    assert b"anomdet" not in pickle.dumps(first)


def test_no_draw_is_left_in_an_unpacked_sample(data_dir):
    dataset = build(data_dir, pipeline=PIPELINE[:2])
    results = dataset[Draw(3, 0, 0, 5)]
    assert "draw" not in results and type(results["sample_idx"]) is int


def test_global_generators_go_on_as_if_nothing_had_happened(data_dir):
    dataset = build(data_dir, pipeline=PIPELINE)

    def numbers(look: bool) -> list[float]:
        random.seed(1)
        np.random.seed(1)
        found = []
        for _ in range(3):
            found += [random.random(), np.random.rand()]
            if look:
                _ = dataset[Draw(3, 0, 0, 5)]
        return found

    assert numbers(look=True) == numbers(look=False)


class Refuse:
    """Refuses the first looks, as a filter on boxes does."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.seen: list[int] = []

    def __call__(self, results: dict) -> dict | None:
        self.seen.append(results["sample_idx"])
        return None if len(self.seen) <= self.times else results


def test_a_refused_image_is_replaced_by_the_same_one_each_time(data_dir):
    choices = []
    for _ in range(2):
        refuse = Refuse(3)
        assert build(data_dir, pipeline=[refuse])[Draw(3, 0, 0, 5)]["sample_idx"] == refuse.seen[-1]
        choices.append(refuse.seen)
    assert choices[0] == choices[1] and len(choices[0]) == 4 and choices[0][0] == 3
    with pytest.raises(Exception, match="should not get `None`"):
        build(data_dir, pipeline=[Refuse(3)], test_mode=True)[3]


@pytest.mark.parametrize("size_hw", [(40, 60), (1, 7), (7, 1), (1, 1)])
@pytest.mark.parametrize("turned", [False, True])
def test_packing_equals_mmdetections(size_hw, turned):
    image = np.random.default_rng(0).integers(0, 255, (*size_hw, 3), dtype=np.uint8)
    results = {"img": image[:, ::-1] if turned else image, "img_shape": size_hw, "img_id": 4}
    packed = [PackInspectionInputs(("img_shape", "img_id"))(copy.copy(results))]
    results["img"] = results["img"].copy()
    packed.append(PackDetInputs(("img_shape", "img_id"))(results))
    assert torch.equal(packed[0]["inputs"], packed[1]["inputs"]) and packed[0]["inputs"].is_contiguous()
    assert packed[0]["data_samples"].metainfo == packed[1]["data_samples"].metainfo


def test_boxes_lie_where_the_upright_image_shows_them(make_data):
    """A white square on black, stored turned: the label is of what a viewer shows."""
    data_dir = make_data({f"{at}.jpg": "1 8 40 10 12\n" for at in range(3)})
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[8:18, 8:20] = 255  # orientation 6 turns it clockwise: upright it is 60 high and 40 wide
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    for at in range(3):
        Image.fromarray(stored).save(data_dir / f"images/{at}.jpg", exif=exif.tobytes(), quality=100)
    (data_dir / "labels/0.txt").write_text("1 22 8 10 12\n")
    (data_dir / "labels/1.txt").write_text("1 22 8 10 12\n")
    (data_dir / "labels/2.txt").write_text("1 22 8 10 12\n")
    results = build(data_dir, pipeline=PIPELINE[:2])[0]
    assert results["img"].shape == (60, 40, 3) and (results["height"], results["width"]) == (60, 40)
    x1, y1, x2, y2 = results["gt_bboxes"].tensor[0].int().tolist()
    white = cv2.inRange(results["img"], (200, 200, 200), (255, 255, 255)) > 0
    assert white[y1:y2, x1:x2].all() and white.sum() <= 14 * 16
