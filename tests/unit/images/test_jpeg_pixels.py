"""Damage inside of a JPEG that still decodes: a decoder fills in what is missing, and a plain grey has no defect."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from anomdet.data.index.files import check_image
from anomdet.errors import UserError
from anomdet.images.decode import read_image, read_to_judge
from anomdet.images.headers import BadImageError
from anomdet.images.jpeg_pixels import check_jpeg


def photo(size_hw: tuple[int, int] = (240, 320)) -> Image.Image:
    """A surface with some noise on it."""
    rng = np.random.default_rng(0)
    height, width = size_hw
    ramp = np.linspace(0, 200, width)[None, :, None] + rng.integers(0, 40, (height, width, 3))
    return Image.fromarray(ramp.astype(np.uint8))


def with_segment(data: bytes, marker: bytes, content: bytes) -> bytes:
    return data[:2] + b"\xff" + marker + (2 + len(content)).to_bytes(2, "big") + content + data[2:]


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or photo()).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def damaged(data: bytes, kind: str, at: int) -> bytes:
    return {
        "zeros": data[:at] + bytes(512) + data[at + 512 :],
        "noise": data[:at] + random.Random(at).randbytes(512) + data[at + 512 :],
        "missing": data[:at] + data[at + 512 :],
    }[kind]


@pytest.mark.parametrize("kind", ["zeros", "noise", "missing"])
@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"optimize": True}, {"quality": 95}])
def test_damage_in_the_middle_is_found(tmp_path: Path, kind: str, options: dict[str, object]) -> None:
    """The last rows are of many colours, as those of a whole file."""
    data, path = jpeg(**options), tmp_path / "a.jpg"
    start = data.index(b"\xff\xda")
    for part in (0.2, 0.5, 0.8):
        path.write_bytes(damaged(data, kind, start + int(part * (len(data) - start))))
        with pytest.raises(UserError, match=r"a (truncated|damaged) JPEG"):
            read_to_judge(path)
        with pytest.raises(BadImageError, match=r"a (truncated|damaged) JPEG"):
            check_image(path, decode=True)


@pytest.mark.parametrize("kind", ["zeros", "missing"])
def test_damage_between_restart_markers_is_found(tmp_path: Path, kind: str) -> None:
    data, path = jpeg(restart_marker_rows=1), tmp_path / "a.jpg"
    path.write_bytes(data)
    assert read_to_judge(path)[1] == ""
    path.write_bytes(damaged(data, kind, len(data) // 2))
    with pytest.raises(UserError, match=r"a (truncated|damaged) JPEG"):
        read_to_judge(path)


def test_what_libjpeg_warns_of_is_found(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Flipped bits. Where the decoder finds its way again with as many blocks as before, nobody can see it."""
    data, path = jpeg(quality=90), tmp_path / "a.jpg"
    draws, warned, found = random.Random(1), 0, 0
    start = data.index(b"\xff\xda") + 14
    for _ in range(60):
        at, bad = draws.randrange(start, len(data) - 2), bytearray(data)
        bad[at] ^= 1 << draws.randrange(8)
        cv2.imdecode(np.frombuffer(bytes(bad), np.uint8), cv2.IMREAD_COLOR)
        warns = "Corrupt JPEG data" in capfd.readouterr().err
        path.write_bytes(bytes(bad))
        try:
            is_found = read_to_judge(path)[1] != ""
        except UserError:
            is_found = True
        capfd.readouterr()
        warned, found = warned + warns, found + (warns and is_found)
        assert warns or not is_found
    assert warned >= 10 and found >= 0.9 * warned


def test_whole_files_of_many_kinds_pass(tmp_path: Path) -> None:
    """Sizes that are no multiple of a block, plain colours, files of cameras with much around their pixels."""
    path = tmp_path / "a.jpg"
    thumbnail = b"\xff\xe1" + (2 + 6 + len(jpeg(photo((24, 32))))).to_bytes(2, "big") + b"Exif\0\0"
    thumbnail += jpeg(photo((24, 32)))
    sizes = [(1, 1), (5, 300), (300, 5), (7, 9), (64, 64), (239, 321)]
    for size_hw in sizes:
        for mode in ("RGB", "L", "CMYK"):
            for options in (
                {},
                {"progressive": True},
                {"restart_marker_blocks": 3},
                {"quality": 5},
                {"subsampling": 0},
            ):
                for image in (photo(size_hw), Image.new("RGB", size_hw[::-1], (130, 20, 7))):
                    data = jpeg(image.convert(mode), **options)
                    path.write_bytes(data[:2] + thumbnail + data[2:])
                    assert read_to_judge(path)[1] == ""
                    assert read_image(path).shape == (*size_hw, 3)


@pytest.mark.parametrize("behind", [b"", bytes(1000), b"\xff" * 7, b"maker note", jpeg()])
def test_what_stands_behind_the_end_is_not_looked_at(tmp_path: Path, behind: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg() + behind)
    assert read_to_judge(path)[1] == ""
    assert check_image(path, decode=True).upright_hw == (240, 320)


def test_several_images_in_a_file_pass(tmp_path: Path) -> None:
    """MPO, of cameras with two lenses or a preview."""
    path = tmp_path / "a.jpg"
    photo().save(path, "MPO", save_all=True, append_images=[photo()])
    assert read_to_judge(path)[1] == "" and check_image(path, decode=True).upright_hw == (240, 320)


def test_a_few_bytes_more_are_a_note_and_what_fills_up_is_none(tmp_path: Path) -> None:
    """Webcams leave some; a file whose pixels came too soon to an end has more."""
    data, path = jpeg(), tmp_path / "a.jpg"
    for more, said in ((b"\x12\x34\x56", True), (b"\xff" * 5, False), (bytes(100), True)):
        path.write_bytes(data[:-2] + more + data[-2:])
        assert ("left over" in read_to_judge(path)[1]) == said
        check_image(path, decode=True)
    path.write_bytes(data[:-2] + bytes(range(100)) + data[-2:])
    with pytest.raises(UserError, match="bytes are left over behind its last pixels"):
        read_to_judge(path)


def test_a_training_reads_as_before(tmp_path: Path) -> None:
    """Only its check, where it is asked for, looks at all pixels: an epoch reads each image again."""
    data, path = jpeg(), tmp_path / "a.jpg"
    path.write_bytes(damaged(data, "zeros", len(data) // 2))
    assert read_image(path).shape == (240, 320, 3)


SCAN_HEADER = b"\xff\xda\x00\x08\x01\x55\x11\x02\x03\x04\x05\x06"  # of a channel that the image has not


@pytest.mark.parametrize(
    "around",
    [
        lambda data: data,
        lambda data: with_segment(data, b"\xe1", b"Exif\0\0" + jpeg(photo((24, 32)))),
        lambda data: with_segment(data, b"\xe5", SCAN_HEADER),
        lambda data: data + jpeg(photo((24, 32))),
        lambda data: data + SCAN_HEADER + b"\xff\xd9",
    ],
    ids=["alone", "thumbnail", "notes", "second image", "rest"],
)
def test_of_a_progressive_file_only_its_own_scans_count(tmp_path: Path, around: Callable[[bytes], bytes]) -> None:
    """Scans of a thumbnail or a second image stood for those that were missing, and notes for such that were."""
    data, path = jpeg(progressive=True), tmp_path / "a.jpg"
    path.write_bytes(around(data))
    assert read_to_judge(path)[1] == ""
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    for end in (scans[3], scans[3] + 200, scans[-1]):
        path.write_bytes(around(data[:end] + b"\xff\xd9"))
        with pytest.raises(UserError, match="a truncated JPEG"):
            read_to_judge(path)


@pytest.mark.parametrize("options", [{}, {"restart_marker_rows": 1}])
def test_a_header_that_pillow_refuses_says_nothing_of_the_pixels(tmp_path: Path, options: dict[str, object]) -> None:
    """A JFIF segment without its version; OpenCV reads the file."""
    data, path = jpeg(**options), tmp_path / "a.jpg"
    path.write_bytes(data[:2] + b"\xff\xe0\x00\x06JFIF" + data[20:])
    assert read_to_judge(path)[1] == ""


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_bytes_that_fill_up_cost_little_time(options: dict[str, object]) -> None:
    """Each was a step of Python: a minute for a file of 64 MB."""
    data = jpeg(**options)
    last = data.rindex(b"\xff\xd0" if "restart_marker_rows" in options else b"\xff\xd9")
    filled = np.frombuffer(data[:last] + b"\xff" * 2**25 + data[last:], np.uint8)
    start = time.process_time()
    assert check_jpeg(filled) == ""
    assert time.process_time() - start < 3
