"""Thumbnails: what is made, of which size, the right way up, and once."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.data.index.files import check_image
from anomdet.images.decode import read_image
from anomdet.quality.browse.thumbnails import (
    PREVIEW_PX,
    THUMB_PX,
    list_made,
    make_pictures,
    plan_pictures,
    read_small,
    remove_unused,
    shrink,
)
from anomdet.quality.check.check import CheckedFile, Rules, check_data
from tests.unit.images.image_samples import SUFFIXES, oriented


def smooth(size_hw: tuple[int, int], channels: int = 3) -> np.ndarray:
    """Bright towards one corner, so that every turn and every shift shows."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    grey = (200 * x / size_hw[1] + 55 * (y / size_hw[0]) ** 2).astype(np.uint8)
    return grey if channels == 1 else np.dstack([grey, 255 - grey, grey // 2])


def write(path: Path, pixels: np.ndarray, orientation: int = 1) -> Path:
    data = cv2.imencode(path.suffix, pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    if orientation > 1:
        exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + bytes([0, orientation]) + b"\0\0\0\0\0\0"
        data = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    path.write_bytes(data)
    return path


def files_of(data_dir: Path) -> list[CheckedFile]:
    return check_data(data_dir, Rules(missing_labels="normal")).files


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    for name in ("images", "labels"):
        (tmp_path / "data" / name).mkdir(parents=True)
    return tmp_path / "data"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("size_hw", "channels"), [((300, 260), 3), ((610, 803), 1), ((1201, 700), 3)])
def test_the_quick_way_is_the_whole_image_made_smaller(tmp_path, size_hw, orientation, channels):
    path = write(tmp_path / "a.jpg", smooth(size_hw, channels), orientation)
    header = check_image(path)
    assert header.orientation == orientation
    small = read_small(path, header, THUMB_PX)
    expected = shrink(read_image(path), THUMB_PX)
    assert small.shape[:2] == expected.shape[:2] and max(small.shape[:2]) == THUMB_PX
    if small.ndim == 2:
        small = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    # A shift by a pixel of the small image changes the brightness by 1.6 a pixel at the most.
    assert np.abs(small.astype(int) - expected).mean() < 1.6


def test_an_eighth_of_a_large_image(tmp_path):
    path = write(tmp_path / "a.jpg", smooth((2049, 1111), 1))
    small = read_small(path, check_image(path), THUMB_PX)
    expected = shrink(read_image(path), THUMB_PX)[:, :, 0]
    assert small.shape == (256, 139) and np.abs(small.astype(int) - expected).mean() < 1.6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_every_format_is_upright(tmp_path, kind, orientation):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    path.write_bytes(oriented(kind, orientation))
    small = read_small(path, check_image(path), 20)
    assert np.abs(small.astype(int) - shrink(read_image(path), 20)).max() <= 3


def test_never_larger(tmp_path):
    path = write(tmp_path / "a.png", smooth((30, 50)))
    assert read_small(path, check_image(path), THUMB_PX).shape == (30, 50, 3)
    assert shrink(smooth((10, 4000)), 256).shape == (1, 256, 3)


def test_what_is_made_for_which_image(data_dir):
    images = data_dir / "images"
    write(images / "large.jpg", smooth((600, 600)))
    write(images / "small.png", smooth((96, 96)))
    write(images / "deep.png", smooth((96, 96)).astype(np.uint16) * 257)
    write(images / "sheet.tif", smooth((1700, 1800), 1))
    (images / "turned.png").write_bytes(oriented("PNG", 6))
    (images / "phone.jpg").write_bytes(oriented("JPEG", 6))
    (images / "bad.jpg").write_bytes(b"no image")
    files = files_of(data_dir)
    pictures = plan_pictures(files)
    names = [file.entry.image.name for file in files]
    made = {
        name: (bool(t), bool(p), d)
        for name, t, p, d in zip(names, pictures.thumbs, pictures.previews, pictures.direct, strict=True)
    }
    assert made == {
        "large.jpg": (True, False, True),
        "small.png": (False, False, True),
        "deep.png": (True, True, False),
        "sheet.tif": (True, True, False),
        "turned.png": (True, True, False),  # browsers heed the orientation of JPEG only
        "phone.jpg": (False, False, True),
        "bad.jpg": (False, False, False),
    }
    folder = data_dir.parent / "thumbs"
    places = [at for at, name in enumerate(pictures.thumbs) if name]
    assert sorted(make_pictures(images, folder, files, pictures, places)) == [(at, "") for at in places]
    assert list_made(folder) == pictures.names
    sheet = names.index("sheet.tif")
    sizes = [cv2.imread(str(folder / name)).shape[:2] for name in (pictures.thumbs[sheet], pictures.previews[sheet])]
    assert sizes == [(242, THUMB_PX), (1511, PREVIEW_PX)]


def test_a_changed_image_gets_another_picture(data_dir):
    for name in "ab":
        write(data_dir / "images" / f"{name}.jpg", smooth((500, 500)))
    folder = data_dir.parent / "thumbs"
    before = plan_pictures(files_of(data_dir))
    assert before == plan_pictures(files_of(data_dir))
    list(make_pictures(data_dir / "images", folder, files_of(data_dir), before, [0, 1]))
    os.utime(data_dir / "images" / "a.jpg", ns=(0, 12345))
    after = plan_pictures(files_of(data_dir))
    assert after.thumbs[0] != before.thumbs[0] and after.thumbs[1] == before.thumbs[1]
    assert remove_unused(folder, list_made(folder), after.names) == 1
    assert list_made(folder) == {before.thumbs[1]}


def test_an_image_that_cannot_be_decoded_says_why(data_dir):
    path = write(data_dir / "images" / "a.png", smooth((500, 500)))
    data = bytearray(path.read_bytes())
    data[60:-60] = bytes(len(data) - 120)
    path.write_bytes(data)
    files = files_of(data_dir)
    pictures = plan_pictures(files)
    ((place, reason),) = make_pictures(data_dir / "images", data_dir.parent / "thumbs", files, pictures, [0])
    assert place == 0 and "a chunk claims" in reason and str(path) not in reason
    assert list_made(data_dir.parent / "thumbs") == set()


def test_only_whole_pictures_count_as_made(tmp_path):
    whole, empty = f"ab/ab{'0' * 18}.jpg", f"ab/ab{'1' * 18}_large.jpg"
    (tmp_path / "ab").mkdir()
    (tmp_path / whole).write_bytes(b"1")
    (tmp_path / empty).touch()
    assert list_made(tmp_path) == {whole} and list_made(tmp_path / "none") == set()


def test_only_pictures_of_its_own_are_removed(tmp_path):
    key = "ab" + "0" * 18
    foreign = {"mine.jpg", "ab/mine.jpg", f"cd/{key}.jpg", f"ab/{key}.png", f"ab/x/{key}.jpg", f"{key}.jpg"}
    for name in (*foreign, f"ab/{key}.jpg", f"ab/{key}_large.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    made = list_made(tmp_path)
    assert made == {f"ab/{key}.jpg", f"ab/{key}_large.jpg"}
    assert remove_unused(tmp_path, made | foreign, set()) == 2
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")} == foreign
