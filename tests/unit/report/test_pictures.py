from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.report.pictures import LEVELS, PREFIX, choose_pictures, crop_window, encode_pictures, encode_strip

IMAGE = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("bbox_xywh", "expected"),
    [
        ((300, 200, 20, 20), (230, 130, 160, 160)),  # small: at least 160 px
        ((300, 200, 100, 100), (200, 100, 300, 300)),  # three times the box
        ((0, 0, 10, 10), (0, 0, 160, 160)),  # moved inside
        ((630, 470, 10, 10), (480, 320, 160, 160)),
        ((20, 200, 600, 4), (0, 0, 640, 480)),  # all of a long one, as far as the image goes
        ((900, 900, 5, 5), (480, 320, 160, 160)),  # outside of the image
    ],
)
def test_crop_window(bbox_xywh, expected):
    assert crop_window(bbox_xywh, (480, 640)) == expected


def test_crop_window_of_a_small_image():
    assert crop_window((5, 5, 3, 3), (20, 300)) == (0, 0, 160, 20)


def test_crop_window_of_an_image_whose_size_is_not_known():
    assert crop_window((500, 5, 20, 20), (0, 0)) == (430, 0, 160, 160)
    assert crop_window((500, 5, 20, 20), (100, 0)) == (430, 0, 160, 100)


def decoded(source: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(source.removeprefix(PREFIX)), dtype=np.uint8)
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def test_a_picture_is_the_crop_in_its_colours():
    image = np.zeros((480, 640, 3), np.uint8)
    image[..., 0] = 200
    encoded = encode_pictures([("a", (300, 200, 20, 20)), ("a", (0, 0, 300, 300))], lambda _: image)
    pictures = choose_pictures(encoded, [0, 1], 10**6)
    small, large = (decoded(pictures.sources[place]) for place in (0, 1))
    assert small.shape == (160, 160, 3) and max(large.shape) == 360
    assert small[80, 80, 0] > 190 and small[80, 80, 2] < 10
    assert pictures.note == ""


def test_each_image_is_read_once():
    read = []
    files = [("a", (0, 0, 9, 9)), ("b", (0, 0, 9, 9)), ("a", (50, 50, 9, 9))]
    encode_pictures(files, lambda name: read.append(name) or IMAGE)
    assert read == ["a", "b"]


def test_quality_falls_before_pictures_are_left_out():
    files = [("a", (10 * i, 0, 150, 150)) for i in range(10)]
    encoded = encode_pictures(files, lambda _: IMAGE)
    whole = sum(map(len, choose_pictures(encoded, range(10), 10**9).sources.values()))
    less = choose_pictures(encoded, range(10), whole // 2)
    assert len(less.sources) == 10 and "px at JPEG quality" in less.note
    least = choose_pictures(encoded, [9, *range(9)], whole // 60)
    assert 0 < len(least.sources) < 10 and 9 in least.sources
    assert sum(map(len, least.sources.values())) <= whole // 60
    assert f"of {10 - len(least.sources)} cases are left out" in least.note
    assert f"{LEVELS[-1][0]} px" in least.note


def test_what_is_drawn_over_an_image_takes_room_too():
    encoded = encode_pictures([("a", (10 * i, 0, 150, 150)) for i in range(10)], lambda _: IMAGE)
    whole = sum(map(len, choose_pictures(encoded, range(10), 10**9).sources.values()))
    assert choose_pictures(encoded, range(10), 2 * whole, dict.fromkeys(range(10), whole // 10)).note == ""
    few = choose_pictures(encoded, range(10), 2 * whole, {0: whole, **dict.fromkeys(range(1, 10), whole // 2)})
    used = sum(map(len, few.sources.values())) + whole + (len(few.sources) - 1) * whole // 2
    assert 1 <= len(few.sources) < 10 and used <= 2 * whole
    assert not encoded.none().sources and set(encoded.none().reasons) == set(range(10))


def test_a_strip_is_the_one_that_a_run_draws_and_no_other_image(tmp_path: Path) -> None:
    """metrics.json, which may be a stranger's, names it: any JPEG of this machine came into the page."""
    own, other = tmp_path / "visualization/strip.jpg", tmp_path / "private.jpg"
    own.parent.mkdir()
    for path in (own, other, own.parent / "other.jpg", tmp_path / "strip.jpg"):
        path.write_bytes(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
        assert (encode_strip(str(path)) is not None) == (path == own)
    assert encode_strip(None) is None and encode_strip(str(tmp_path)) is None
