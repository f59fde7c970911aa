"""labelme's files that hold their picture, and whose image file is gone."""

from __future__ import annotations

import base64
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import run, write_files
from tests.unit.formats.test_labelme import content, shape

BOX = shape("rectangle", [[10, 20], [30, 40]])


def picture(suffix: str = ".png", size_wh: tuple[int, int] = (160, 100)) -> bytes:
    return cv2.imencode(suffix, np.full((size_wh[1], size_wh[0], 3), 90, np.uint8))[1].tobytes()


def held(data: bytes, path: str = "..\\line a\\part 1.jpg", **more: object) -> dict:
    return content(BOX, imagePath=path, imageData=base64.b64encode(data).decode(), **more)


@pytest.mark.parametrize(
    ("suffix", "path", "name"),
    [
        (".jpg", "..\\line a\\part 1.jpg", "part 1.jpg"),
        (".jpg", "part.JPEG", "part.JPEG"),
        (".png", "part 1.jpg", "part 1.png"),
        (".bmp", "part.v2", "part.bmp"),
        (".tiff", "part.tiff", "part.tiff"),
        (".png", "..", "label.png"),
        (".png", ".png", "label.png"),
        (".png", "a\nb.png", "label.png"),
        (".png", "a" * 300 + ".png", "label.png"),
    ],
)
def test_the_picture_is_written_as_it_is(suffix: str, path: str, name: str, tmp_path: Path) -> None:
    data = picture(suffix)
    write_files(tmp_path / "in", {"sub/label.json": held(data, path)})
    done = run(tmp_path / "in", None, "anomdet", tmp_path / "out")
    assert (tmp_path / "out/images/sub" / name).read_bytes() == data
    assert (tmp_path / f"out/labels/sub/{Path(name).stem}.txt").read_text() == "1 10 20 20 20\n"
    assert done.notes == ("1 x image that is in its label file alone: written out (sub/label.json)",)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["in", "out"]
    assert [file.name for file in (tmp_path / "in/sub").iterdir()] == ["label.json"]


def test_an_image_file_goes_first(tmp_path: Path) -> None:
    files = {"a.json": held(picture(".bmp"), "a.png"), "a.png": picture()}
    assert not run(write_files(tmp_path / "in", files), None, "anomdet", tmp_path / "out").notes
    assert (tmp_path / "out/images/a.png").read_bytes() == picture()


def test_an_archive(tmp_path: Path) -> None:
    write_files(tmp_path, {"a.json": held(picture(), "a.png")})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "a.json", "a.json")
    run(tmp_path / "a.zip", None, "coco", tmp_path / "out")
    assert (tmp_path / "out/images/a.png").read_bytes() == picture()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "a.zip", "out"]


def _large() -> bytes:
    """A PNG whose header claims 20,000 x 20,000 pixels."""
    data = bytearray(picture())
    data[16:24] = (20_000).to_bytes(4, "big") * 2
    return bytes(data)


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (held(picture()[:-40]), "a.json: imageData: expected a readable image, got"),
        (
            held(b"GIF89a" + b"\0" * 40),
            "a.json: imageData: expected a readable image, got a GIF file; save it as PNG",
        ),
        (held(_large()), "20,000 x 20,000 pixels (400 megapixels, "),
        (content(BOX, imageData="not base64!"), "a.json: imageData: expected an image in base64, got 'not base64!'"),
        (content(BOX, imageData=[1]), "a.json: imageData: expected an image in base64, got [1]"),
        (held(picture(size_wh=(100, 160))), "a.json: expected the image's size 100 x 160 (width x height), got 160 x"),
    ],
)
def test_what_is_no_picture_is_refused(label: dict, message: str, tmp_path: Path) -> None:
    write_files(tmp_path / "in", {"a.json": label})
    with pytest.raises(UserError) as raised:
        run(tmp_path / "in", None, "anomdet", tmp_path / "out")
    assert message in str(raised.value)
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_pictures_of_one_name_are_not_overwritten(tmp_path: Path) -> None:
    files = {"a.json": held(picture(), "x.png"), "b.json": held(picture(".bmp"), "x.png")}
    files["c.json"] = held(picture(), "x.bmp")
    with pytest.raises(UserError, match="expected each image once, got x"):
        run(write_files(tmp_path / "in", files), None, "coco", tmp_path / "out")


def test_no_picture_is_read_where_no_images_are_wanted(tmp_path: Path) -> None:
    source = write_files(tmp_path / "in", {"a.json": content(BOX, imageData="not base64!")})
    assert run(source, None, "anomdet", tmp_path / "out", with_images=False).num_images == 1
