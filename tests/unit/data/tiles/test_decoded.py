"""Decoded images on disk: the same pixels, of the file as it is now, within their room."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from anomdet.data import pixel_store
from anomdet.data.pixel_store import PixelStore
from anomdet.data.tiles import decoded
from anomdet.data.tiles.decoded import read_kept
from anomdet.errors import UserError
from anomdet.images.decode import read_image

SIZE_HW = (40, 60)


@pytest.fixture(autouse=True)
def small_images_are_worth_it(monkeypatch, tmp_path):
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(decoded, "LEAST_MEGAPIXELS", 0.001)
    monkeypatch.setattr(pixel_store, "_FREE_SHARE", 0.0)
    monkeypatch.setattr(decoded, "DECODED", PixelStore("decoded"))


def write(path, seed=0, channels=3):
    pixels = np.random.default_rng(seed).integers(0, 255, (*SIZE_HW, channels), dtype=np.uint8)
    cv2.imwrite(str(path), pixels)
    return str(path)


def read(path, most_gb=1.0, bit_depth=16):
    return read_kept(path, max_megapixels=100.0, bit_depth=bit_depth, most_gb=most_gb)


def kept():
    folder = decoded.DECODED.folder
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_those_of_the_decoder_the_first_time_and_later(tmp_path, monkeypatch, suffix, channels):
    path = write(tmp_path / f"a{suffix}", channels=channels)
    wanted = read_image(path)
    assert np.array_equal(read(path), wanted)
    monkeypatch.setattr(decoded, "read_noted", None)  # nothing is decoded again
    assert np.array_equal(read(path), wanted) and read(path).shape == (*SIZE_HW, 3)


def test_a_grey_image_takes_a_third_of_the_room(tmp_path):
    read(write(tmp_path / "grey.png", channels=1))
    (grey,) = kept()
    read(write(tmp_path / "colour.png"))
    (colour,) = set(kept()) - {grey}
    assert grey.stat().st_size < 0.4 * colour.stat().st_size


def test_a_file_that_has_changed_is_decoded_again(tmp_path):
    path = write(tmp_path / "a.png")
    read(path)
    write(tmp_path / "a.png", seed=1)
    os.utime(path, ns=(1, 1))
    assert np.array_equal(read(path), read_image(path))
    write(tmp_path / "a.png", seed=2)
    os.utime(path, ns=(1, 1))  # only the time of the change of its state shows it
    assert np.array_equal(read(path), read_image(path))


def test_the_bits_that_are_used_are_a_part_of_the_pixels(tmp_path):
    path = str(tmp_path / "deep.png")
    cv2.imwrite(path, np.full((*SIZE_HW, 3), 2000, np.uint16))
    assert read(path, bit_depth=16).max() < read(path, bit_depth=12).max()
    assert read(path, bit_depth=12).max() == read_image(path, bit_depth=12).max()


def test_what_is_reported_of_an_image_is_not_hidden_by_the_next_run(tmp_path):
    """Clipped values are a warning in each run, so that such an image is not kept."""
    path = str(tmp_path / "deep.png")
    cv2.imwrite(path, np.full((*SIZE_HW, 3), 5000, np.uint16))
    read(path, bit_depth=12)
    assert not kept()


def test_no_more_is_kept_than_there_is_room_for(tmp_path):
    one_gb = (np.prod(SIZE_HW) * 3 + 128) / 1e9
    paths = [write(tmp_path / f"{at}.png", seed=at) for at in range(5)]
    for path in paths:
        assert np.array_equal(read(path, most_gb=2.5 * one_gb), read_image(path))
    assert len(kept()) == 2
    for path in paths:
        assert np.array_equal(read(path, most_gb=2.5 * one_gb), read_image(path))


def test_what_no_run_has_used_for_an_hour_makes_room(tmp_path):
    one_gb = (np.prod(SIZE_HW) * 3 + 128) / 1e9
    paths = [write(tmp_path / f"{at}.png", seed=at) for at in range(3)]
    read(paths[0], most_gb=2.5 * one_gb)
    (first,) = kept()
    read(paths[1], most_gb=2.5 * one_gb)
    os.utime(first, (time.time() - 4000,) * 2)
    read(paths[2], most_gb=2.5 * one_gb)
    assert first not in kept() and len(kept()) == 2
    (old,) = [file for file in kept()][:1]
    os.utime(old, (time.time() - 2000,) * 2)
    for path in paths[1:]:
        read(path)
    assert time.time() - old.stat().st_mtime < 60  # it was used


def test_what_no_run_has_used_for_a_day_is_deleted_and_nothing_else(tmp_path):
    read(write(tmp_path / "a.png"))
    (old,) = kept()
    other = old.with_name("mine.npy")
    other.write_bytes(b"")
    for file in (old, other):
        os.utime(file, (time.time() - 2 * 24 * 3600,) * 2)
    decoded.DECODED = PixelStore("decoded")  # of another process
    read(write(tmp_path / "b.png", seed=1))
    assert old not in kept() and other in kept()


def test_what_a_killed_process_left_behind_is_deleted_after_a_day(tmp_path):
    read(write(tmp_path / "a.png"))
    (file,) = kept()
    file.unlink()
    code = "import os, sys; from pathlib import Path; from anomdet.outputs import atomic_write\n"
    code += "with atomic_write(Path(sys.argv[1])) as out: out.write(b'half'); out.flush(); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code, str(file)], check=False).returncode == 9
    (left,) = kept()
    for days, is_there in ((0.5, True), (2, False)):
        os.utime(left, (time.time() - days * 24 * 3600,) * 2)
        decoded.DECODED = PixelStore("decoded")  # of another process
        read(write(tmp_path / f"{days}.png", seed=1))
        assert (left in kept()) == is_there


@pytest.mark.parametrize("damage", [b"", b"not an array", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_decoded_again(tmp_path, damage):
    path = write(tmp_path / "a.png")
    read(path)
    kept()[0].write_bytes(damage)
    assert np.array_equal(read(path), read_image(path))


def test_where_nothing_can_be_written_each_image_is_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_store, "cache_folder", lambda: None)
    path = write(tmp_path / "a.png")
    assert np.array_equal(read(path), read_image(path))


def test_a_missing_image_is_one_message(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read(str(tmp_path / "none.png"))
