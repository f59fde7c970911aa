"""Masks that are not clean, and defective images without one: cut, refused or listed, never a false normal part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.unit.formats.cases import boxes_of, notes_of, problems_of, read, run, write_files
from tests.unit.formats.test_masks import mask, png

PATCHES = ((43, 61, 34, 34), (120, 30, 13, 11))
SOFT = "mask with soft edges"


def drawn(value: int = 255, *, scale: int = 1, dtype: type = np.uint8) -> NDArray:
    pixels = np.zeros((100 // scale, 160 // scale), dtype)
    for patch in PATCHES:
        x, y, width, height = (side // scale for side in patch)
        pixels[y : y + height, x : x + width] = value
    return pixels


def jpeg(pixels: NDArray, quality: int) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def scaled(value: int = 255, how: int = cv2.INTER_LINEAR) -> NDArray:
    return np.asarray(cv2.resize(drawn(value, scale=2), (160, 100), interpolation=how))


@pytest.mark.parametrize(
    ("suffix", "data", "off"),
    [
        ("jpg", jpeg(drawn(), 95), 0),
        ("jpg", jpeg(drawn(), 50), 0),
        ("png", png(scaled()), 1),
        ("png", png(scaled(how=cv2.INTER_CUBIC)), 1),
        ("png", png(cv2.GaussianBlur(drawn(), (5, 5), 0)), 1),
        ("png", png(cv2.GaussianBlur(drawn(65535, dtype=np.uint16), (5, 5), 0)), 1),
    ],
)
def test_soft_edges_of_one_class_are_cut_at_half(suffix: str, data: bytes, off: float, tmp_path: Path) -> None:
    dataset, findings = read("masks", write_files(tmp_path, {"images/0.jpg": None, f"masks/dent/0.{suffix}": data}))
    assert not findings.problems
    assert notes_of(findings)[SOFT] == 1
    found = sorted(box[1:] for box in boxes_of(dataset)["0.jpg"])
    for box, patch in zip(found, PATCHES, strict=True):
        corners = [(x, y, x + width, y + height) for x, y, width, height in (box, patch)]
        assert np.abs(np.subtract(*corners)).max() <= off + (suffix == "png")


def test_numbers_of_objects_are_no_shades(tmp_path: Path) -> None:
    """1, 2, 3 for three dents of one image: none is an edge of another."""
    pixels = mask((1, 1, 2, 3, 4), (2, 50, 60, 7, 8), (3, 100, 20, 5, 5))
    dataset, findings = read("masks", write_files(tmp_path, {"images/0.jpg": None, "masks/dent/0.png": pixels}))
    assert not findings.notes
    assert len(boxes_of(dataset)["0.jpg"]) == 3


def test_an_area_of_one_shade_is_neither_black_nor_white(tmp_path: Path) -> None:
    pixels = mask((255, 1, 2, 30, 40), (90, 100, 60, 20, 20))
    _, findings = read("masks", write_files(tmp_path, {"images/0.jpg": None, "masks/dent/0.png": pixels}))
    told = "expected a mask of two levels, got 1 areas of shades only, one at x 100, y 60 of grey value 90 of 255"
    assert told in problems_of(findings)[0]


@pytest.mark.parametrize("value", [255, 200, 9])
def test_rims_are_no_classes(value: int, tmp_path: Path) -> None:
    """With the class as the grey value, each shade of a scaled mask would be one."""
    files = {"images/0.jpg": None, "masks/0.png": png(scaled(value))}
    _, findings = read("masks", write_files(tmp_path, files))
    assert "save it with one value for each class" in problems_of(findings)[0]


@pytest.mark.parametrize(
    ("patches", "count"),
    [
        (((1, 10, 10, 40, 40), (2, 20, 20, 10, 10)), 2),  # one inside another
        (((1, 10, 10, 2, 40), (2, 12, 20, 10, 10)), 2),  # a thin one that touches another
        (((1, 10, 10, 1, 1), (2, 20, 20, 1, 1), (7, 30, 30, 2, 2)), 3),
    ],
)
def test_classes_that_touch_or_are_thin_stay(patches: tuple, count: int, tmp_path: Path) -> None:
    dataset, findings = read("masks", write_files(tmp_path, {"images/0.jpg": None, "masks/0.png": mask(*patches)}))
    assert not findings.problems
    assert len(boxes_of(dataset)["0.jpg"]) == count


def with_alpha(grey: NDArray, alpha: NDArray) -> bytes:
    return png(np.dstack([grey, grey, grey, alpha]))


OPAQUE = np.zeros((100, 160), np.uint8)
OPAQUE[10:22, 10:30] = 255
WHITE, BLACK = np.full_like(OPAQUE, 255), np.zeros_like(OPAQUE)


@pytest.mark.parametrize("where", ["masks/0.png", "masks/dent/0.png"])
@pytest.mark.parametrize(
    ("data", "boxes"),
    [
        (with_alpha(WHITE, OPAQUE), [(10, 10, 20, 12)]),
        (with_alpha(OPAQUE, WHITE), [(10, 10, 20, 12)]),
        (with_alpha(OPAQUE, np.where(drawn() > 0, 255, OPAQUE).astype(np.uint8)), [(10, 10, 20, 12)]),
        (with_alpha(WHITE, (OPAQUE // 255 * 200).astype(np.uint8)), [(10, 10, 20, 12)]),
        (with_alpha(WHITE, BLACK), []),
    ],
)
def test_what_is_transparent_is_background(where: str, data: bytes, boxes: list, tmp_path: Path) -> None:
    dataset, findings = read("masks", write_files(tmp_path, {"images/0.jpg": None, where: data}))
    assert not findings.problems
    assert [box[1:] for box in boxes_of(dataset)["0.jpg"]] == boxes


def test_a_shape_in_the_transparency_alone_is_refused(tmp_path: Path) -> None:
    files = {"images/0.jpg": None, "masks/0.png": with_alpha(BLACK, OPAQUE)}
    _, findings = read("masks", write_files(tmp_path, files))
    assert "got one that is black where opaque; save it as a grey image" in problems_of(findings)[0]


LAYOUTS: dict[str, dict[str, Any]] = {
    "MVTec AD": {
        "train/good/0.png": None,
        "test/good/0.png": None,
        "test/hole/0.png": None,
        "test/hole/1.png": None,
        "test/hole/2.png": None,
        "ground_truth/hole/0_mask.png": mask((255, 1, 2, 3, 4)),
        "ground_truth/hole/1_mask.png": mask(),
    },
    "VisA": {
        "Data/Images/Normal/7.JPG": None,
        "Data/Images/Normal/8.JPG": None,
        "Data/Images/Anomaly/0.JPG": None,
        "Data/Images/Anomaly/1.JPG": None,
        "Data/Images/Anomaly/2.JPG": None,
        "Data/Masks/Anomaly/0.png": mask((1, 1, 2, 3, 4)),
        "Data/Masks/Anomaly/1.png": mask(),
    },
    "images in folders of their class": {
        "images/ok/7.png": None,
        "images/ok/8.png": None,
        "images/hole/0.png": None,
        "images/hole/1.png": None,
        "images/hole/2.png": None,
        "masks/hole/0.png": mask((255, 1, 2, 3, 4)),
        "masks/hole/1.png": mask(),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_defective_image_without_its_mask_is_left_out(layout: str, tmp_path: Path) -> None:
    done = run(write_files(tmp_path / "in", LAYOUTS[layout]), "masks", "anomdet", tmp_path / "out")
    assert (done.num_images, done.num_normal, done.objects) == (3, 2, {1: 1})
    told = "\n".join(done.notes)
    assert "without a mask: left out" in told
    assert "with an all-black mask: left out" in told
    assert run(tmp_path / "in", "masks", "anomdet", tmp_path / "2", unlabelled="normal").num_normal == 2


def test_a_black_mask_of_one_class_is_no_defect_where_no_folder_says_so(tmp_path: Path) -> None:
    files = {"images/0.jpg": None, "masks/dent/0.png": mask(), "masks/spur/0.png": mask((255, 1, 2, 3, 4))}
    dataset, findings = read("masks", write_files(tmp_path, files))
    assert boxes_of(dataset) == {"0.jpg": [("spur", 1, 2, 3, 4)]}
    assert not findings.notes


@pytest.mark.parametrize("folder", ["masks", "masks/dent"])
def test_the_numbers_of_a_palette_are_the_classes(folder: str, tmp_path: Path) -> None:
    """As Pascal VOC and labelme save them: viewers show colours, the file holds numbers."""
    pixels = np.zeros((100, 160), np.uint8)
    pixels[10:20, 30:60], pixels[50:70, 20:25] = 1, 7
    colours = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (0, 0, 0), (9, 9, 9), (1, 2, 3), (0, 0, 128), (128, 128, 0)]
    save_palette_mask(tmp_path / folder / "a.png", pixels, colours)
    dataset, findings = read("masks", write_files(tmp_path, {"images/a.png": None}))
    assert not findings.problems
    labels = ("dent", "dent") if "dent" in folder else (1, 7)
    assert boxes_of(dataset)["a.png"] == [(labels[0], 30, 10, 30, 10), (labels[1], 20, 50, 5, 20)]


def save_palette_mask(path: Path, pixels: np.ndarray, colours: list[tuple[int, int, int]]) -> None:
    image = Image.fromarray(pixels).convert("P")
    image.putpalette([value for colour in colours for value in colour])
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def test_a_palette_counts_in_a_mask_that_shows_its_greys_alone(tmp_path: Path) -> None:
    """And a class in the colour of the background is not lost."""
    colours = [(0, 0, 0), (128, 128, 128), (255, 0, 0), (0, 0, 0)]
    for name, number in (("a", 1), ("b", 2), ("c", 3)):
        pixels = np.zeros((100, 160), np.uint8)
        pixels[10:20, 30:60] = number
        save_palette_mask(tmp_path / f"masks/{name}.png", pixels, colours)
    dataset, findings = read("masks", write_files(tmp_path, {f"images/{name}.png": None for name in "abc"}))
    assert not findings.problems
    assert {name: boxes[0][0] for name, boxes in boxes_of(dataset).items()} == {"a.png": 1, "b.png": 2, "c.png": 3}


def test_palettes_that_differ_are_refused(tmp_path: Path) -> None:
    """As a program writes them that gives each mask the colours that it has: number 1 is another class in each."""
    pixels = np.zeros((100, 160), np.uint8)
    pixels[10:20, 30:60] = 1
    save_palette_mask(tmp_path / "masks/a.png", pixels, [(0, 0, 0), (255, 0, 0)])
    save_palette_mask(tmp_path / "masks/b.png", pixels, [(0, 0, 0), (0, 255, 0)])
    _, findings = read("masks", write_files(tmp_path, {"images/a.png": None, "images/b.png": None}))
    (problem,) = findings.problems
    assert "number 1 in the colour (255, 0, 0), as in the masks before, got (0, 255, 0)" in str(problem)
