"""Facts of a data set against a count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.data.index.scan import scan
from anomdet.quality.propose.facts import facts_of, find_groups
from tests.unit.images.image_samples import cv2_encoded


def write(folder, name, image, text):
    for kind in ("images", "labels"):
        (folder / kind).mkdir(exist_ok=True)
    (folder / f"images/{name}.png").write_bytes(cv2_encoded(".png", image))
    (folder / f"labels/{name}.txt").write_text(text)


def test_facts_of_three_images(tmp_path):
    write(tmp_path, "a", np.zeros((100, 200), np.uint8), "7 10 10 30 20\n7 50 50 40 5\n")
    write(tmp_path, "b", np.zeros((50, 50), np.uint8), "")
    write(tmp_path, "c", np.zeros((400, 100), np.uint8), "-1 0 0 12 60\n7 1 1 10 10\n")
    facts = facts_of(scan(tmp_path))
    assert (facts.num_images, facts.num_normal, facts.normal_share) == (3, 1, 1 / 3)
    assert facts.objects == {-1: 1, 7: 3}
    assert facts.images == {-1: 1, 7: 2}
    assert facts.sizes_hw.tolist() == [[100, 200], [50, 50], [400, 100]]
    assert facts.bboxes_wh.tolist() == [[30, 20], [40, 5], [12, 60], [10, 10]]
    assert facts.grey
    assert facts.largest_megapixels == 0.04
    # into 100 x 100: the first image shrinks to a half, the third to a quarter
    assert facts.short_sides_px((100, 100)).tolist() == [10, 2.5, 3, 2.5]
    assert facts.thin_share(3) == 0.5


def test_one_colour_image_is_enough_to_be_no_grey_set(tmp_path):
    write(tmp_path, "a", np.zeros((20, 20), np.uint8), "1 1 1 5 5\n")
    write(tmp_path, "b", np.zeros((20, 20, 3), np.uint8), "")
    assert not facts_of(scan(tmp_path)).grey


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"part{i // 3:03}_cam{i % 3}.png" for i in range(36)], (r"^([A-Za-z]*[_-]?\d+)[_-]", 12)),
        ([f"lot{i // 2}/{i}.png" for i in range(24)], (r"^(.+)/[^/]+$", 12)),
        ([f"{'abcdefghijkl'[i % 12]}x_{i}.png" for i in range(36)], (r"^([^_/]+)_", 12)),
        ([f"img_{i:04}.png" for i in range(36)], (None, 0)),  # a counter
        ([f"{i:04}.png" for i in range(36)], (None, 0)),
        ([f"part{i // 3}_cam{i % 3}.png" for i in range(27)], (None, 0)),  # nine groups
    ],
)
def test_groups_only_where_names_show_them(names, expected):
    assert find_groups(names) == expected
