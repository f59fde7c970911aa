"""Copy-paste: exact boxes, matched light, places where the class was seen; nothing covered, lost or left to chance."""

from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.registry import DATASETS

from anomdet.data.draw import Draw
from anomdet.data.pipeline.copy_paste import CopyPaste, Placed
from anomdet.errors import UserError

LOAD = {"type": "anomdet.LoadInspectionImage", "bit_depth": 16}
BOXES = {"type": "mmdet.LoadAnnotations", "with_bbox": True}
PASTE = {"type": "anomdet.CopyPaste", "prob": 1.0, "onto_defects": 1.0, "most": 2}
TILES = {"size_hw": [64, 80], "overlap_hw": [16, 20], "include_whole": False, "min_visible": 0.3, "seen_hw": [64, 80]}
NUM_NORMAL, NUM_DEFECTIVE, SIZE_HW = 8, 8, (96, 128)


def box_of(at: int) -> tuple[float, float, float, float]:
    """Corner and size of the defect of image ``at``: above on the left, by fractions of a pixel."""
    return 10.25 + at, 12.5 + at, 14.5, 9.75


def write_data(folder: Path, *, grey: bool = False, wide: bool = False, split: str = "train") -> Path:
    """Bright defects on noise about 100 of 255; the 16 bit image has the same values, 257 times as large."""
    rng = np.random.default_rng(0)
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for at in range(NUM_NORMAL + NUM_DEFECTIVE):
        image = rng.normal(100, 5, SIZE_HW if grey else (*SIZE_HW, 3)).clip(0, 255).astype(np.uint8)
        text = ""
        if at >= NUM_NORMAL:
            x, y, width, height = box_of(at - NUM_NORMAL)
            image[round(y) : round(y + height), round(x) : round(x + width)] = 220
            text = f"3 {x} {y} {width} {height}\n"
        pixels = image.astype(np.uint16) * 257 if wide else image
        cv2.imwrite(str(folder / f"images/{at:02}.png"), pixels)
        (folder / f"labels/{at:02}.txt").write_text(text)
        lists["train"].append(f"{at:02}.png")
    for name in ("val", "test"):  # defects of another class, on the right below, which no training image may show
        image = np.full((*SIZE_HW, 3), 60, np.uint8)
        cv2.imwrite(str(folder / f"images/{name}.png"), image)
        (folder / f"labels/{name}.txt").write_text("9 90 60 20 20\n")
        lists[name].append(f"{name}.png")
    for name, names in lists.items():
        (folder / f"{name}.list").write_text("\n".join(names))
    return folder


def write_other_objects(folder: Path, text: str) -> Path:
    """In place of the bright ones: the labels of all defective images, and noise alone."""
    rng = np.random.default_rng(1)
    for at in range(NUM_NORMAL, NUM_NORMAL + NUM_DEFECTIVE):
        cv2.imwrite(str(folder / f"images/{at:02}.png"), rng.normal(100, 5, (*SIZE_HW, 3)).astype(np.uint8))
        (folder / f"labels/{at:02}.txt").write_text(text)
    return folder


def build(folder: Path, *steps: dict, load: tuple[dict, ...] = (LOAD, BOXES), **options: object):
    files = {name: str(folder / f"{name}.list") for name in ("train", "val", "test")}
    rule = {"by": "files"}
    given = {"data_root": str(folder), "split": "train", "split_files": files, "split_rule": rule, **options}
    return DATASETS.build({"type": "anomdet.TextLabelDataset", "pipeline": [*load, *steps], **given})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("paste") / "data")


def boxes_of(results: dict) -> np.ndarray:
    return results["gt_bboxes"].tensor.numpy()


def draws(dataset, epochs: int = 3) -> list[dict]:
    return [dataset[Draw(at, 5, epoch, at)] for epoch in range(epochs) for at in range(len(dataset))]


def test_pasted_boxes_have_the_donors_size_and_class_and_lie_in_the_image(folder):
    dataset = build(folder, PASTE)
    donors = {(np.float32(w), np.float32(h)) for _, _, w, h in map(box_of, range(NUM_DEFECTIVE))}
    pasted = 0
    for results in draws(dataset):
        own = len(results["instances"])
        boxes = boxes_of(results)
        assert boxes[:own].tolist() == [one["bbox"] for one in results["instances"]]
        for x1, y1, x2, y2 in boxes[own:]:
            assert (x2 - x1, y2 - y1) in donors
            assert 0 <= x1 < x2 <= SIZE_HW[1] and 0 <= y1 < y2 <= SIZE_HW[0]
        pasted += len(boxes) - own
        assert results["gt_bboxes_labels"].tolist() == [0] * len(boxes), "class 9 is of the other splits alone"
        assert results["gt_ignore_flags"].tolist() == [False] * len(boxes)
        assert results["gt_bboxes_labels"].dtype == np.int64 and results["gt_ignore_flags"].dtype == bool
    assert pasted >= 30


def test_the_pixels_in_a_pasted_box_are_the_donors_and_those_away_from_it_the_images(folder):
    plain, dataset = build(folder), build(folder, {**PASTE, "most": 1})
    for at in range(NUM_NORMAL):
        before, after = plain[at]["img"], dataset[Draw(at, 1, 0, at)]
        ((x1, y1, x2, y2),) = boxes_of(after).round().astype(int)
        inside = after["img"][y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].astype(int)
        assert abs(inside.mean() - 220) < 12, "bright on a place as bright as its own"
        near = np.zeros(SIZE_HW, bool)
        near[max(y1 - 6, 0) : y2 + 6, max(x1 - 6, 0) : x2 + 6] = True
        assert np.array_equal(after["img"][~near], before[~near])
        assert after["img"].dtype == np.uint8 and after["img"].shape == before.shape


def test_defects_come_where_their_class_was_seen(folder):
    """All were seen in the upper left quarter: x from 17 to 25, y from 17 to 25, of 128 x 96; 3 standard deviations."""
    found = [boxes_of(results)[-1] for results in draws(build(folder, PASTE)) if not results["instances"]]
    centers = np.array([(box[:2] + box[2:]) / 2 for box in found])
    assert len(centers) > 12
    assert (centers >= 0).all() and (centers <= (26 + 0.15 * 128, 26 + 0.15 * 96)).all()
    assert centers.std(axis=0).min() > 2, "not always at one place"


def test_nothing_that_is_there_is_covered(folder):
    dataset = build(folder, {**PASTE, "most": 4})
    for results in draws(dataset):
        boxes = boxes_of(results)
        for first in range(len(boxes)):
            for second in range(first):
                low, high = (
                    np.maximum(boxes[first, :2], boxes[second, :2]),
                    np.minimum(boxes[first, 2:], boxes[second, 2:]),
                )
                sizes = [(boxes[at, 2:] - boxes[at, :2]).prod() for at in (first, second)]
                assert np.maximum(high - low, 0).prod() <= 0.05 * min(sizes) + 1e-3


def test_an_ignored_region_stays_as_it_is(folder):
    """It takes up all of the place where the class is seen: nothing is pasted into it."""
    dataset = build(folder)
    results = {**dataset[0], "dataset": dataset, "draw": Draw(0, 1, 0, 0)}
    results["gt_bboxes"] = type(results["gt_bboxes"])(np.array([[0, 0, 128, 96]], np.float32))
    results["gt_bboxes_labels"], results["gt_ignore_flags"] = np.zeros(1, np.int64), np.ones(1, bool)
    before = results["img"].copy()
    after = CopyPaste(1.0, 1.0, 4)(results)
    assert np.array_equal(after["img"], before) and len(after["gt_bboxes"]) == 1


def test_objects_close_to_each_other_come_together(tmp_path):
    """Else one would be shown without its label."""
    folder = write_other_objects(write_data(tmp_path / "data"), "3 20 20 10 10\n9 29 22 8 8\n3 100 70 10 10\n")
    found = [results for results in draws(build(folder, {**PASTE, "most": 1}), 1) if not results["instances"]]
    counts = [results["gt_bboxes_labels"].tolist() for results in found]
    assert [0, 1] in counts and [0] in counts and [1] not in counts
    pair = boxes_of(found[counts.index([0, 1])])
    assert (pair[1] - pair[0]).tolist() == [9, 2, 7, 0]


def test_what_touches_the_border_goes_to_the_border(tmp_path):
    folder = write_other_objects(write_data(tmp_path / "data"), "3 116 40 12 10\n")
    found = [results for results in draws(build(folder, PASTE)) if len(results["gt_bboxes"])]
    assert len(found) > 20
    assert {float(x2) for results in found for x2 in boxes_of(results)[:, 2]} == {128.0}


@pytest.mark.slow
def test_how_often(folder):
    dataset = build(folder, {**PASTE, "prob": 0.5, "onto_defects": 0.25, "most": 1})
    gained = {True: 0, False: 0}
    for results in draws(dataset, 50):
        gained[bool(results["instances"])] += len(results["gt_bboxes"]) > len(results["instances"])
    assert 160 <= gained[False] <= 240, "half of 400"
    assert 0 < gained[True] < gained[False] / 4, "an eighth of 400 is tried, and their own defect is in the way"


@pytest.mark.parametrize("grey", [True, False], ids=["grey", "colour"])
def test_16_bit_is_as_8_bit(tmp_path, grey):
    eight, sixteen = (
        build(write_data(tmp_path / name, grey=grey, wide=name == "sixteen"), PASTE) for name in ("eight", "sixteen")
    )
    for one, other in zip(draws(eight, 1), draws(sixteen, 1), strict=True):
        assert np.array_equal(boxes_of(one), boxes_of(other))
        assert np.array_equal(one["img"], other["img"])


def test_a_draw_says_all(folder):
    """The same in any order and in a copy of the data set: workers, ranks and a resume change nothing."""
    dataset = build(folder, PASTE)
    first = draws(dataset, 2)
    copied = pickle.loads(pickle.dumps(dataset))
    order = np.random.default_rng(0).permutation(len(first))
    for at in order:
        again = copied[Draw(at % len(dataset), 5, at // len(dataset), at % len(dataset))]
        assert np.array_equal(again["img"], first[at]["img"]) and np.array_equal(boxes_of(again), boxes_of(first[at]))
    other = dataset[Draw(0, 6, 0, 0)]
    assert not np.array_equal(other["img"], first[0]["img"])


def test_tiles_get_whole_defects_within_them(folder):
    tiled = build(folder, PASTE, load=(LOAD, {"type": "anomdet.CutTile"}, BOXES), tiles=TILES)
    donors = {(np.float32(w), np.float32(h)) for _, _, w, h in map(box_of, range(NUM_DEFECTIVE))}
    pasted = 0
    for results in draws(tiled):
        own, window = len(results["instances"]), results["window"]
        for x1, y1, x2, y2 in boxes_of(results)[own:]:
            pasted += 1
            assert (x2 - x1, y2 - y1) in donors
            assert x1 >= 0 and y1 >= 0 and x2 <= 80 and y2 <= 64
            assert window[0] < 60 and window[1] < 50, "the tiles that show where the class is seen"
    assert pasted > 20


def test_what_it_needs_of_the_data_set_does_not_leave_the_pipeline(folder):
    assert "dataset" not in build(folder, PASTE)[0] and "dataset" not in build(folder)[0]


def test_a_data_set_that_is_not_ours_is_refused(folder):
    results = {**build(folder)[0], "draw": Draw(0, 1, 0, 0)}
    with pytest.raises(UserError, match="CopyPaste: expected a data set that shows its other images, got none"):
        CopyPaste(1.0)(results)


def test_a_split_without_objects_is_left_alone(folder, tmp_path):
    dataset = build(folder, PASTE, indices=list(range(NUM_NORMAL)))
    assert all(len(results["gt_bboxes"]) == 0 for results in draws(dataset, 1))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_light_is_matched_and_the_border_has_no_edge(kind):
    """A dark spot from a dim, flat image on one that brightens to the right: the spot follows, its contrast stays."""
    scale = 257 if kind == np.uint16 else 1
    donor = np.full((40, 40), 60.0)
    donor[15:25, 15:25] = 40
    image = np.tile(np.linspace(100, 160, 80), (60, 1))
    args = (np.array([13, 13, 27, 27]), np.array([20, 10]), 6)
    placed = Placed((image * scale).astype(kind), (donor * scale).astype(kind), *args)
    assert placed.unlikeness() < 0.15
    made = placed.blended() / scale
    assert made.shape == image.shape
    spot, around = made[28:32, 38:42].mean(), image[28:32, 38:42].mean()
    assert 15 < around - spot < 32
    border = np.abs(made - image)[[20, 26, 36, 40]][:, 26:54]
    assert border[[0, 3]].max() < 6, "no brighter or darker frame"


def test_contrast_is_matched():
    """A spot from a rough surface on a smooth one is fainter, at most by a third; between flat ones it stays."""
    rng = np.random.default_rng(0)

    def spot(donor_noise: float, image_noise: float) -> float:
        donor, image = (rng.normal(120, noise, (60, 60)) for noise in (donor_noise, image_noise))
        donor[25:35, 25:35] -= 60
        made = Placed(image, donor, np.array([22, 22, 38, 38]), np.zeros(2, np.int64), 8).blended()
        return float(120 - made[27:33, 27:33].mean())

    assert spot(0, 0) == pytest.approx(60, abs=2)
    assert spot(20, 5) == pytest.approx(40, abs=8)
    assert spot(5, 20) == pytest.approx(90, abs=8)


def test_other_surroundings_are_seen():
    """A line that ends at the pasted rectangle's border, and a plain place."""
    plain = np.full((60, 60), 250, np.uint8)
    line = plain.copy()
    line[:, 25:35] = 5
    args = (np.array([20, 20, 40, 40]), np.zeros(2, np.int64), 8)
    assert Placed(plain, line, *args).unlikeness() > 0.2 and Placed(line, plain, *args).unlikeness() > 0.2
    assert Placed(plain, plain - 40, *args).unlikeness() == 0


def test_a_defect_that_would_vanish_at_the_end_of_the_range_is_seen():
    """A white hole in black copper: on white it would be a label of nothing."""
    copper, board = np.zeros((60, 60), np.uint8), np.full((60, 60), 255, np.uint8)
    hole = copper.copy()
    hole[27:33, 27:33] = 255
    args = (np.array([22, 22, 38, 38]), np.zeros(2, np.int64), 8)
    assert Placed(board, hole, *args).clipped() > 0.5
    assert Placed(copper, hole, *args).clipped() < 0.01
