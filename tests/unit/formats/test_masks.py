"""Masks: grey values, folders, MVTec AD's layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, run, write_files


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def mask(*patches: tuple[int, int, int, int, int], dtype: type = np.uint8) -> bytes:
    """A PNG of 160 x 100 pixels; each patch is value, x, y, width, height."""
    pixels = np.zeros((100, 160), dtype)
    for value, x, y, width, height in patches:
        pixels[y : y + height, x : x + width] = value
    return png(pixels)


def test_the_class_is_the_grey_value(tmp_path: Path) -> None:
    files = {
        "images/a.jpg": None,
        "images/line a/b.jpg": None,
        "images/normal.jpg": None,
        "masks/a.png": mask(
            (2, 10, 20, 30, 40), (2, 100, 20, 5, 5), (700, 0, 0, 1, 1), (2, 105, 25, 5, 5), dtype=np.uint16
        ),
        "masks/line a/b_mask.png": mask((255, 155, 95, 5, 5)),
    }
    dataset, findings = read("masks", write_files(tmp_path, files))
    assert not findings.problems
    assert boxes_of(dataset) == {
        "a.jpg": [(2, 10, 20, 30, 40), (2, 100, 20, 10, 10), (700, 0, 0, 1, 1)],  # corners that touch are one
        "line a/b.jpg": [(255, 155, 95, 5, 5)],
        "normal.jpg": [],
    }
    assert notes_of(findings) == {"image without a mask": 1}


def test_the_class_is_the_folder(tmp_path: Path) -> None:
    files = {
        "images/a.jpg": None,
        "masks/dent/a.png": mask((255, 1, 2, 3, 4)),
        "masks/spur/a.png": mask((9, 5, 6, 7, 8)),
    }
    dataset, findings = read("masks", write_files(tmp_path, files))
    assert not findings.problems
    assert boxes_of(dataset) == {"a.jpg": [("dent", 1, 2, 3, 4), ("spur", 5, 6, 7, 8)]}


def test_mvtec_ad(tmp_path: Path) -> None:
    files = {
        "train/good/000.png": None,
        "test/good/000.png": None,
        "test/broken_large/000.png": None,
        "ground_truth/broken_large/000_mask.png": mask((255, 1, 2, 3, 4)),
        "test/contamination/000.png": None,
        "ground_truth/contamination/000_mask.png": mask((255, 5, 6, 7, 8)),
    }
    done = run(write_files(tmp_path / "bottle", files), "masks", "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal, done.objects) == (4, 2, {1: 1, 2: 1})
    assert done.names == {1: "broken_large", 2: "contamination"}
    assert (tmp_path / "out/splits/test.txt").read_text().split() == [
        "test/broken_large/000.png",
        "test/contamination/000.png",
        "test/good/000.png",
    ]


@pytest.mark.parametrize("layout", ["masks/a.png", "masks/dent/a.png"])
def test_a_mask_that_may_be_inverted_is_reported(layout: str, tmp_path: Path) -> None:
    black = 255 - cv2.imdecode(np.frombuffer(mask((255, 10, 20, 30, 40)), np.uint8), cv2.IMREAD_UNCHANGED)
    dataset, findings = read("masks", write_files(tmp_path, {"images/a.jpg": None, layout: png(black)}))
    assert notes_of(findings) == {"mask that marks all four corners of its image": 1}
    assert len(dataset.pictures[0].boxes) == 1
    edges = mask((255, 0, 0, 160, 9), (255, 0, 99, 159, 1))  # two defects along the edges
    _, findings = read("masks", write_files(tmp_path, {layout: edges}))
    assert notes_of(findings) == {}


def test_problems(tmp_path: Path) -> None:
    soft = np.tile(np.arange(160, dtype=np.uint8), (100, 1))
    colour = np.zeros((100, 160, 3), np.uint8)
    colour[3, 3] = (0, 0, 255)
    speckled = np.zeros((100, 160), np.uint8)
    speckled[::2, ::2] = 1
    files = {f"images/{name}.jpg": None for name in "abcde"}
    files |= {
        "masks/a.png": png(soft),
        "masks/b.png": png(colour),
        "masks/c.png": png(np.zeros((10, 10), np.uint8)),
        "masks/d.png": b"",
        "masks/e.png": png(speckled),
        "masks/stray.png": mask(),
    }
    write_files(tmp_path, files)
    with pytest.raises(UserError) as raised:
        run(tmp_path, "masks", "coco", tmp_path.with_name("out"))
    told = str(raised.value)
    for text in (
        "masks/a.png: expected at most 32 grey values, got 159",
        "masks/b.png: expected a grey mask, got one with colours",
        "expected the image's size 160 x 100 (width x height), got 10 x 10",
        "masks/d.png: expected a readable mask, got an empty file",
        "masks/e.png: expected at most 1000 components of class 1",
        "masks/stray.png: expected a mask of an image of the same name, got no such image",
    ):
        assert text in told, told
    assert "SRC holds images/ and masks/" in problems_of(read("masks", tmp_path / "images")[1])[0]


def test_mvtec_loco(tmp_path: Path) -> None:
    """Several masks of an image, in a folder of its name; images of the validation split."""
    files = {
        f"{name}.png": None for name in ("train/good/0", "validation/good/0", "test/good/0", "test/bent/0", "extra/x")
    }
    files["ground_truth/bent/0/000.png"] = mask((236, 10, 10, 20, 20))
    files["ground_truth/bent/0/001.png"] = mask((250, 60, 30, 5, 6))
    done = run(write_files(tmp_path / "in", files), None, "anomdet", tmp_path / "out")
    assert done.recognised.startswith("masks")
    assert (tmp_path / "out/labels/test/bent/0.txt").read_text() == "1 10 10 20 20\n1 60 30 5 6\n"
    assert (tmp_path / "out/splits/val.txt").read_text() == "validation/good/0.png\n"
    assert any(note.startswith("1 x image outside of the folders of images and masks") for note in done.notes)


def test_the_void_of_pascal_voc_is_reported(tmp_path: Path) -> None:
    files = {"images/a.png": None, "masks/a.png": mask((255, 10, 10, 20, 20), (1, 12, 12, 16, 16))}
    files |= {"images/b.png": None, "masks/b.png": mask((1, 12, 12, 16, 16))}
    _, findings = read("masks", write_files(tmp_path / "void", files))
    assert notes_of(findings) == {"area of the grey value 255, beside other classes": 1}
    files["masks/b.png"] = files["masks/a.png"] = mask((255, 10, 10, 20, 20))
    assert not notes_of(read("masks", write_files(tmp_path / "two levels", files))[1])
