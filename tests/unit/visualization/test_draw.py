from __future__ import annotations

import numpy as np
import pytest

from anomdet.visualization import placing
from anomdet.visualization.color import class_colors, palette
from anomdet.visualization.draw import Style, choose_style, draw, enlarge, label_chip
from anomdet.visualization.placing import place

ORANGE, BLUE = palette(2)
STYLE = Style(scale=1, font_px=13, line_px=2)


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def has(image: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((image == np.array(color)).all(axis=-1).sum())


@pytest.mark.parametrize(
    ("size_hw", "num_boxes", "scale"),
    [
        ((64, 64), 3, 8),
        ((240, 320), 3, 2),
        ((480, 480), 3, 1),
        ((640, 640), 20, 1),
        ((4000, 3000), 50, 1),
        ((1, 1), 1, 480),
    ],
)
def test_small_images_are_enlarged(size_hw, num_boxes, scale):
    style = choose_style(size_hw, num_boxes)
    assert style.scale == scale
    assert 13 <= style.font_px <= 56
    assert 0.01 <= style.font_px / (max(size_hw) * scale) <= 0.04, "legible when the whole picture is on a screen"


def test_a_crowd_gets_smaller_type_then_a_larger_picture():
    few, many, crowd = (choose_style((1000, 1000), n) for n in (5, 60, 200))
    assert few.font_px > many.font_px >= crowd.font_px == 13
    assert few.scale == many.scale == 1 and crowd.scale == 2
    assert choose_style((3000, 3000), 10_000).scale == 1, "a large image is not enlarged"


def test_the_image_is_not_touched_and_its_pixels_stay():
    image = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    before = image.copy()
    picture = draw(image, np.array([[20, 20, 40, 40]]), ["dent"])
    assert np.array_equal(image, before)
    scale = choose_style((60, 80), 1).scale
    assert picture.shape == (60 * scale, 80 * scale, 3) and picture.dtype == np.uint8
    assert np.array_equal(
        picture[20 * scale : 40 * scale, 20 * scale : 40 * scale], enlarge(image[20:40, 20:40], scale)
    )


def test_the_line_runs_just_outside_of_the_box():
    picture = draw(grey(640, 640), np.array([[100, 100, 150, 130]]), ["dent"], style=STYLE)
    assert (picture[100:130, 100:150] == 128).all(), "the object is covered"
    assert picture[115, 99].tolist() == [0, 0, 0] and picture[115, 98].tolist() == list(ORANGE)
    assert picture[115, 97].tolist() == list(ORANGE) and picture[115, 96].tolist() == [0, 0, 0]
    assert picture[115, 95].tolist() == [128] * 3
    assert picture[131, 120].tolist() == list(ORANGE) and picture[115, 151].tolist() == list(ORANGE)


def test_nothing_to_draw():
    assert np.array_equal(draw(grey(500, 500), np.zeros((0, 4)), []), grey(500, 500))
    assert np.array_equal(draw(grey(500, 500), np.zeros(0), [], []), grey(500, 500))


@pytest.mark.parametrize(
    "bbox",
    [
        [0, 0, 640, 640],
        [-50, -50, 10, 10],
        [630, 630, 900, 900],
        [5, 5, 5, 5],
        [9, 9, 3, 3],
        [800, 800, 900, 900],
        [0, 320, 640, 320.4],
    ],
)
def test_boxes_at_the_edge_over_it_and_without_area_are_seen(bbox):
    picture = draw(grey(640, 640), np.array([bbox], dtype=np.float32), ["dent"], [0.5])
    assert has(picture, ORANGE) > 50


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 500), (500, 3), (20, 4000), (2, 2)])
def test_odd_sizes(size_hw):
    picture = draw(
        grey(*size_hw), np.array([[0, 0, *size_hw[::-1]]]), ["a very long class name indeed, really"], [0.99]
    )
    assert has(picture, ORANGE)


def test_the_label_names_class_and_score_in_the_colour_of_the_class():
    colors = class_colors(["other", "dent"])
    picture = draw(grey(640, 640), np.array([[100, 100, 150, 130]]), ["dent"], [0.873], colors=colors, style=STYLE)
    chip = label_chip("dent 0.87", BLUE, 13)
    x, y = 97, 97 - chip.shape[0]
    assert np.array_equal(picture[y : y + chip.shape[0], x : x + chip.shape[1]], chip)
    assert not has(picture, ORANGE)


def test_in_a_narrow_strip_the_label_is_cut_to_what_fits():
    strip = draw(grey(1600, 60), np.array([[10, 500, 40, 540]]), ["mousebite"], [0.87])
    chip = label_chip("0.87", ORANGE, 13)
    assert chip.shape[1] <= 60 < label_chip("mousebite 0.87", ORANGE, 13).shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(strip, chip.shape)[..., 0, :, :, :]
    assert (windows == chip).all(axis=(-3, -2, -1)).sum() == 1


def test_colours_do_not_depend_on_the_order_of_the_boxes():
    bboxes = np.array([[50, 50, 90, 90], [300, 300, 350, 350]])
    there = draw(grey(640, 640), bboxes, ["a", "b"])
    back = draw(grey(640, 640), bboxes[::-1], ["b", "a"])
    assert np.array_equal(there, back)


def test_labels_stay_inside_and_leave_boxes_and_labels_free():
    rng = np.random.default_rng(1)
    bboxes = rng.uniform(0, 600, (25, 4))
    bboxes[:, 2:] = bboxes[:, :2] + rng.uniform(10, 40, (25, 2))
    taken = np.empty((0, 4))
    for i in range(len(bboxes)):
        (x, y), badness = place(bboxes, i, taken, (80, 18), (640, 640))
        assert 0 <= x <= 640 - 80 and 0 <= y <= 640 - 18
        chip = np.array([x, y, x + 80, y + 18])
        size_wh = np.minimum(taken[:, 2:], chip[2:]) - np.maximum(taken[:, :2], chip[:2])
        assert (size_wh.min(axis=1) <= 0.1 * 18).all() or badness > 0.05, (
            "labels cross though the place was called good"
        )
        taken = np.concatenate([taken, [chip]])
        assert badness < 0.5


def test_a_label_goes_above_if_it_can_and_below_at_the_top():
    box = np.array([[100.0, 100, 200, 150]])
    assert place(box, 0, np.empty((0, 4)), (60, 16), (640, 640))[0] == (100, 84)
    top = np.array([[100.0, 0, 200, 50]])
    assert place(top, 0, np.empty((0, 4)), (60, 16), (640, 640))[0] == (100, 50)


def test_a_throng_keeps_all_boxes_in_sight():
    # Forty boxes nearly on top of each other: labels give way, boxes do not.
    rng = np.random.default_rng(0)
    bboxes = np.array([100, 100, 160, 160]) + rng.uniform(-20, 20, (40, 4))
    picture = draw(grey(300, 300), bboxes, ["dent"] * 40, rng.random(40), style=STYLE)
    labelled = draw(grey(300, 300), bboxes[:1], ["dent"], [0.5], style=STYLE)
    assert has(picture, ORANGE) > 5 * has(labelled, ORANGE) > 0
    assert has(picture[120:140, 120:140], (128, 128, 128)) > 100, "the middle of the boxes is hidden"


@pytest.mark.parametrize("image", [np.zeros((5, 5)), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3), np.float32)])
def test_other_arrays_are_refused(image):
    with pytest.raises(AssertionError, match="uint8 HxWx3"):
        draw(image, np.zeros((0, 4)), [])


def test_the_place_of_a_label_does_not_depend_on_boxes_far_away_nor_does_its_cost(monkeypatch):
    looked_at = []
    shared_area = placing._shared_area
    monkeypatch.setattr(placing, "_shared_area", lambda a, b: looked_at.append(len(b)) or shared_area(a, b))
    near = np.array([[500.0, 500, 520, 520], [530, 500, 550, 520], [500, 470, 540, 490]])
    corners = np.random.default_rng(0).uniform(0, 300, (2000, 2))
    throng = np.concatenate([near, np.concatenate([corners, corners + 20], axis=1)])
    found = [place(boxes, 0, boxes[1:], (40, 16), (1000, 1000)) for boxes in (near, throng)]
    assert found[0] == found[1] and max(looked_at) == 3
