from __future__ import annotations

import numpy as np
import pytest

from anomdet.visualization.color import class_colors, palette
from anomdet.visualization.sheets import GROUND, Objects, comparison, contact_sheet, side_by_side

ORANGE, BLUE = palette(2)


def plain(height: int, width: int, value: int) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def box_of(picture: np.ndarray, value: int) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of all pixels of this grey."""
    ys, xs = np.nonzero((picture == value).all(axis=-1))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def test_side_by_side_holds_both_pictures_unchanged_at_one_height():
    sheet = side_by_side(plain(300, 400, 77), plain(300, 400, 99), ("ground truth", "predictions"), title="a.png")
    left, right = box_of(sheet, 77), box_of(sheet, 99)
    assert (left[2] - left[0], left[3] - left[1]) == (right[2] - right[0], right[3] - right[1]) == (400, 300)
    assert left[1] == right[1] and left[2] < right[0]
    assert sheet[: left[1]].max() == 255, "no text above"


def test_the_smaller_one_grows():
    sheet = side_by_side(plain(150, 300, 77), plain(300, 200, 99), ("", ""))
    left, right = box_of(sheet, 77), box_of(sheet, 99)
    assert (left[2] - left[0], left[3] - left[1]) == (600, 300)
    assert (right[2] - right[0], right[3] - right[1]) == (200, 300)


def test_narrow_pictures_leave_room_for_their_captions():
    sheet = side_by_side(plain(400, 10, 77), plain(400, 10, 99), ("ground truth: 1 object", "predictions: no objects"))
    assert sheet.shape[1] > 2 * 150
    assert box_of(sheet, 77)[2] - box_of(sheet, 77)[0] == 10


def test_the_legend_breaks_into_rows():
    names = [f"class number {i}" for i in range(40)]
    panel = plain(300, 300, 77)
    one = side_by_side(panel, panel, ("l", "r"), legend=class_colors(names[:2]))
    many = side_by_side(panel, panel, ("l", "r"), legend=class_colors(names))
    assert many.shape[1] == one.shape[1] and many.shape[0] > one.shape[0] + 60
    for color in palette(40):
        assert (many == np.array(color)).all(axis=-1).sum() > 100


def test_a_name_longer_than_the_sheet():
    panel = plain(100, 100, 77)
    assert side_by_side(panel, panel, ("l" * 500, "r"), title="t" * 900, legend={"n" * 900: ORANGE}).shape[1] < 500


def test_comparison_draws_truth_left_and_predictions_right():
    truth = Objects(np.array([[50, 50, 90, 90]]), ["dent"])
    predictions = Objects(np.array([[50, 150, 90, 190]]), ["hole"], [0.5])
    colors = {"dent": ORANGE, "hole": BLUE, "rust": (1, 2, 3)}
    sheet = comparison(plain(500, 500, 128), truth, predictions, title="a.png", colors=colors)
    middle = sheet.shape[1] // 2
    panels = sheet[60:-60]
    orange, blue = ((panels == np.array(color)).all(axis=-1) for color in (ORANGE, BLUE))
    assert orange[:, :middle].any() and not orange[:, middle:].any()
    assert blue[:, middle:].any() and not blue[:, :middle].any()
    assert not (sheet == np.array((1, 2, 3))).all(axis=-1).any(), "the legend holds what is in the picture"


def test_comparison_of_a_normal_image_without_predictions():
    nothing = Objects(np.zeros((0, 4)), [], [])
    sheet = comparison(plain(64, 64, 128), nothing, nothing, title="ok.png")
    assert box_of(sheet, 128)[3] - box_of(sheet, 128)[1] == 512


@pytest.mark.parametrize(("number", "columns", "rows", "wide"), [(1, 3, 1, 1), (5, 2, 3, 2), (6, 3, 2, 3)])
def test_contact_sheet_grid(number, columns, rows, wide):
    sheet = contact_sheet([plain(50, 80, 100 + i) for i in range(number)], columns, cell_px=80)
    assert sheet.shape == (rows * 54 + 4, wide * 84 + 4, 3)
    for i in range(number):
        x, y = 4 + i % wide * 84, 4 + i // wide * 54
        assert box_of(sheet, 100 + i) == (x, y, x + 80, y + 50)


def test_contact_sheet_fits_large_images_and_centres_small_ones():
    sheet = contact_sheet([plain(400, 800, 100), plain(20, 20, 200)], 2, cell_px=160)
    assert box_of(sheet, 100) == (4, 4, 164, 84)
    x1, y1, x2, y2 = box_of(sheet, 200)
    assert (x2 - x1, y2 - y1) == (20, 20) and (x1 + x2) // 2 == 168 + 80 and (y1 + y2) // 2 == 44
    assert sheet[0, 0].tolist() == list(GROUND)
