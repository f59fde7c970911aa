"""Whole videos whose header says more frames than are shown are no failures; cut ones are."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.inference.item import UnreadableImageError
from anomdet.inference.video import video_items
from anomdet.inference.video_length import num_shown

FRAMES = 40
RNG = np.random.default_rng(0)


def written(path: Path, codec: str) -> Path:
    """A video of four seconds."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 10.0, (64, 48))
    for _ in range(FRAMES):
        writer.write(RNG.integers(0, 255, (48, 64, 3), np.uint8))
    writer.release()
    return path


def judged(path: Path) -> tuple[int, str]:
    """How many frames there are, and why the last one is none; empty: it is one."""
    items = list(video_items(str(path), "x", 1))
    try:
        items[-1].read(None)
    except UnreadableImageError as error:
        return len(items) - 1, str(error)
    return len(items), ""


@pytest.mark.parametrize(("first_s", "length_s", "shown"), [(1.0, 3.0, 30), (0.0, 2.0, 20), (0.5, 1.0, 10)])
def test_a_trimmed_mp4_is_whole(tmp_path: Path, first_s: float, length_s: float, shown: int) -> None:
    """As phones trim them: the frames stay, and the edit list leaves them out. It was said to be cut off."""
    path = written(tmp_path / "a.mp4", "mp4v")
    data = bytearray(path.read_bytes())
    edit, movie, media = data.find(b"elst"), data.find(b"mvhd"), data.find(b"mdhd")
    movie_scale, media_scale = (struct.unpack_from(">I", data, at + 16)[0] for at in (movie, media))
    struct.pack_into(">Ii", data, edit + 12, round(length_s * movie_scale), round(first_s * media_scale))
    path.write_bytes(data)
    assert num_shown(str(path)) == shown
    assert judged(path) == (shown, "")


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "mp4v"), ("a.webm", "VP80")])
def test_sound_that_lasts_longer_than_the_pictures_cuts_nothing_off(tmp_path: Path, name: str, codec: str) -> None:
    path = written(tmp_path / name, codec)
    data = bytearray(path.read_bytes())
    struct.pack_into(">d", data, data.find(b"\x44\x89\x88") + 3, 9000.0)  # milliseconds, of the whole file
    path.write_bytes(data)
    assert judged(path) == (FRAMES, "")
    path.write_bytes(data[: len(data) * 7 // 10])
    frames, reason = judged(path)
    assert frames < FRAMES
    assert reason == f"a video that ends after {frames} frames, where its header has 90"


def test_a_damaged_mp4_is_none_that_was_trimmed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", "mp4v")
    data = bytearray(path.read_bytes())
    middle = len(data) // 3
    data[middle : middle + 20_000] = bytes(20_000)
    path.write_bytes(data)
    frames, reason = judged(path)
    assert frames < FRAMES and "where its header has 40" in reason


def test_bytes_of_any_kind_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    whole = [written(tmp_path / name, codec).read_bytes() for name, codec in (("b.mp4", "mp4v"), ("b.mkv", "mp4v"))]
    for data in whole:
        head, tail = data[:4096], data[-4096:]
        for _ in range(100):
            noisy = bytearray(head + tail)
            for at in RNG.integers(0, len(noisy), 8):
                noisy[at] = RNG.integers(0, 256)
            path.write_bytes(noisy[: RNG.integers(1, len(noisy))])
            assert (num_shown(str(path)) or 0) < 10**9
    path.write_bytes(b"")
    assert num_shown(str(path)) is None
    assert num_shown(str(tmp_path / "none")) is None
    path.write_bytes(os.urandom(1000))
    assert num_shown(str(path)) is None
