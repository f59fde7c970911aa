"""The numbers against a reading of the same files by a few lines of their own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from anomdet.data.pipeline.steps import FitInside
from anomdet.data.synth.generate import CLASSES
from anomdet.quality.check.check import Rules
from anomdet.quality.health.numbers import GRID
from anomdet.quality.health.table import seen_wh
from tests.unit.quality.health.conftest import health_of, make_plan, split_by_number

FACTORS = np.array([128 / 200, 77 / 120])  # of images of 120 x 200 in 96 x 128: 76.8 rows are 77


@pytest.fixture(scope="module")
def by_hand(parts_dir):
    """(file name, class, x, y, width, height) of every line."""
    return [
        (path.with_suffix(".jpg").name, *map(float, line.split()))
        for path in sorted((parts_dir / "labels").glob("*.txt"))
        for line in path.read_text().splitlines()
    ]


def test_counts(parts, parts_dir, by_hand):
    num_normal = sum(path.stat().st_size == 0 for path in (parts_dir / "labels").glob("*.txt"))
    expected = {"images": 60, "normal": num_normal, "defective": 60 - num_normal, "unlabelled": 0}
    assert parts["counts"] == {**expected, "objects": len(by_hand), "left_out": 0, "label_files": 60}


def test_classes_and_their_splits(parts, parts_dir, by_hand):
    split_of = split_by_number(parts_dir)
    assert {entry["name"] for entry in parts["classes"]} == set(CLASSES.values())
    for entry in parts["classes"]:
        mine = [row for row in by_hand if row[1] == entry["class_num"]]
        assert entry["objects"] == len(mine) and entry["images"] == len({row[0] for row in mine})
        assert entry["share"] == pytest.approx(len(mine) / len(by_hand), abs=1e-6)
        sides = [min(FACTORS * row[4:]) for row in mine]
        assert entry["short_side_px"]["p50"] == pytest.approx(np.median(sides), abs=1e-3)
        assert entry["under_8_px"] == pytest.approx(np.mean(np.array(sides) < 8), abs=1e-6)
        for split in ("train", "val", "test"):
            there = [row for row in mine if split_of[row[0]] == split]
            assert entry["splits"][split] == {"objects": len(there), "images": len({row[0] for row in there})}
    numbers = [entry["objects"] for entry in parts["classes"]]
    assert numbers == sorted(numbers, reverse=True)


def test_splits(parts, parts_dir, by_hand):
    split_of = split_by_number(parts_dir)
    for split, values in parts["splits"].items():
        names = {name for name, other in split_of.items() if other == split}
        mine = [row for row in by_hand if row[0] in names]
        defective = {row[0] for row in mine}
        assert (values["images"], values["objects"]) == (len(names), len(mine))
        assert values["normal"] == len(names) - len(defective)
        assert values["objects_per_defective"] == pytest.approx(len(mine) / len(defective), abs=1e-6)


def test_sizes_and_shapes_as_the_network_sees_them(parts, by_hand):
    native = np.array([row[4:] for row in by_hand])
    boxes = native * FACTORS
    short = boxes.min(axis=1)
    assert parts["boxes"]["under_8_px"] == pytest.approx(np.mean(short < 8), abs=1e-6)
    assert parts["boxes"]["under_8_px_native"] == pytest.approx(np.mean(native.min(axis=1) < 8), abs=1e-6)
    assert parts["boxes"]["short_side_px"]["p95"] == pytest.approx(np.quantile(short, 0.95), abs=1e-3)
    longer = boxes.max(axis=1) / short
    assert parts["boxes"]["elongated"] == pytest.approx(np.mean(longer >= 4), abs=1e-6)
    assert np.mean(short >= parts["boxes"]["tenth_px"]) >= 0.9
    for values, edges, counts in (
        (short, parts["boxes"]["side_edges_px"], parts["boxes"]["sides"]),
        (boxes[:, 0] / boxes[:, 1], parts["boxes"]["ratio_edges"], parts["boxes"]["ratios"]),
    ):
        assert counts["all"] == np.histogram(values, edges)[0].tolist()
        assert np.sum(counts["per_class"], axis=0).tolist() == counts["all"]
        assert [sum(one) for one in counts["per_class"]] == [entry["objects"] for entry in parts["classes"]]


def test_positions(parts, by_hand):
    x, y = np.array([[(row[2] + row[4] / 2) / 200, (row[3] + row[5] / 2) / 120] for row in by_hand]).T
    rows = round(GRID * 120 / 200)
    expected = np.histogram2d(y, x, bins=(rows, GRID), range=((0, 1), (0, 1)))[0]
    assert parts["positions"]["all"] == expected.astype(int).tolist()
    assert np.sum(parts["positions"]["per_class"], axis=0).tolist() == parts["positions"]["all"]


def test_objects_per_image(parts, by_hand):
    names = [row[0] for row in by_hand]
    numbers = [names.count(name) for name in sorted(set(names))]
    assert parts["per_image"]["histogram"][1:] == np.bincount(numbers)[1:].tolist()
    assert parts["per_image"]["histogram"][0] == parts["counts"]["normal"]
    assert parts["per_image"]["mean_of_defective"] == pytest.approx(np.mean(numbers), abs=1e-3)
    fullest = parts["per_image"]["fullest"][0]
    assert fullest["objects"] == max(numbers) == names.count(fullest["file_name"])


def test_many_objects_come_in_wider_bins(make_data):
    data_dir = make_data({"a.png": "1 2 3 4 5\n" * 130, "b.png": "1 2 3 4 5\n", "c.png": ""})
    per_image = health_of(data_dir)["per_image"]
    assert per_image["max"] == 130 and len(per_image["histogram"]) <= 40
    assert sum(per_image["histogram"]) == 3 and per_image["histogram"][130 // per_image["bin_width"]] == 1


@pytest.mark.parametrize("size_hw", [(40, 60), (999, 1001), (1600, 256), (7, 3000)])
def test_images_are_seen_as_fit_inside_makes_them(size_hw):
    image = np.zeros((*size_hw, 3), np.uint8)
    resized = FitInside((96, 128)).transform({"img": image})["img"]
    assert seen_wh(np.array([size_hw], float), (96, 128))[0].tolist() == [resized.shape[1], resized.shape[0]]


def test_image_sizes(make_data):
    data_dir = make_data({"a.png": "1 2 3 4 5\n", "b.png": ""}, size_hw=(40, 60))
    make_data({"c.png": ""}, size_hw=(100, 20))
    sizes = health_of(data_dir, make_plan(size_hw=(80, 80)))["image_sizes"]
    assert sizes["num_sizes"] == 2
    assert [(entry["size_hw"], entry["images"]) for entry in sizes["listed"]] == [([40, 60], 2), ([100, 20], 1)]
    paddings = [1 - 53 * 80 / 6400, 1 - 80 * 16 / 6400]
    assert [entry["padding"] for entry in sizes["listed"]] == pytest.approx(paddings, abs=1e-4)
    assert sizes["padding"] == pytest.approx((2 * paddings[0] + paddings[1]) / 3, abs=1e-4)
    assert sizes["largest_seen_hw"] == [80, 80]


def test_boxes_that_cannot_be_used_are_left_out_and_others_cut(make_data):
    text = "1 2 3 4 5\n1 50 10 20 10\n1 70 10 5 5\n2 1 1 nan 4\nbad\n3 5 5 -2 4\n"
    health = health_of(make_data({"a.png": text, "b.png": "", "c.png": None}), make_plan(size_hw=(40, 60)))
    assert health["counts"]["objects"] == 2 and health["counts"]["left_out"] == 1  # of three that can be read
    assert health["counts"] | {"images": 3, "normal": 1, "defective": 1, "unlabelled": 1} == health["counts"]
    assert health["boxes"]["short_side_px"]["max"] == 10  # 20 x 10 cut to 10 x 10
    assert health["samples"][-2]["bbox_xywh"] in ([50, 10, 10, 10], [2, 3, 4, 5])
    missing = health_of(make_data({}), make_plan(missing_labels="normal"), Rules(missing_labels="normal"))
    assert missing["counts"]["normal"] == 2 and missing["counts"]["unlabelled"] == 0


@pytest.mark.parametrize("texts", [{}, {"a.png": ""}, {"a.png": None}, {"a.png": "rubbish\n"}])
def test_nothing_to_count(make_data, texts):
    health = health_of(make_data(texts), make_plan(split_of={}))
    assert health["counts"]["objects"] == 0 and health["boxes"]["num"] == 0
    json.dumps(health, allow_nan=False)


def test_everything_is_json_and_the_same_again(parts, parts_dir):
    text = json.dumps(parts, allow_nan=False)
    assert json.loads(text) == parts
    plan = make_plan(classes=CLASSES, split_of=split_by_number(parts_dir), ratios=(0.5, 0.25, 0.25))
    assert health_of(parts_dir, plan, Rules(classes=CLASSES)) == parts


def test_the_dict_does_not_grow_with_the_data(make_data):
    """Nine times the images and classes in thousands: every list is bounded."""
    texts = {f"{at:03}.png": "".join(f"{num} 2 3 4 5\n" for num in range(at * 40, at * 40 + 40)) for at in range(15)}
    health = health_of(make_data(texts, size_hw=(8, 10)))
    assert health["num_classes"] == 600 and len(health["classes"]) == 200
    assert len(health["samples"]) <= 4 * 40 + 6
    assert len(health["drawn"]) == len(health["boxes"]["sides"]["per_class"]) == 20
    findings = health["findings"]
    assert findings["total"] > 600 and len(findings["listed"]) <= 400
    assert sum(code["count"] for code in findings["codes"]) == findings["total"]
    assert all(code["listed"] <= 20 for code in findings["codes"])
