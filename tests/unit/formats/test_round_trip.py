"""AnomDet's folder into a format and back: the same images, classes, boxes, splits."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from anomdet.data.labels import parse_labels
from anomdet.formats.formats import FORMATS
from anomdet.formats.side_files import read_classes, write_side_files
from tests.unit.formats.cases import read, run, write_files, write_image

TWO_WAY = sorted(name for name, one in FORMATS.items() if one.write is not None)
NAMES = (
    "scratch",
    "Kratzer ä",
    "划痕",
    "a & b <c> \"d\" 'e'",
    "yes",
    "1e3",
    "null",
    "#no, 'not'",
    "x: y",
    "🔩",
    "- dash",
)
FOLDERS = ("", "line a/", "Straße/ö 1/", "images/", "labels/x/", "a%20b/", "q?d=1&e/")
SUFFIXES = (".png", ".JPG", ".bmp", ".tif", ".webp")
SIZES = ((1, 1), (33, 517), (640, 480), (1999, 3))
LARGE = (4096, 1500)


def draw_source(folder: Path, seed: int) -> Path:
    """Random images, boxes, class numbers, names and splits in AnomDet's format."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 5))
    numbers = rng.choice([-(10**17), -3, -1, 0, 1, 2, 7, 40, 255, 10**17], count, replace=False).tolist()
    names = rng.choice(NAMES, count, replace=False).tolist()
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for i in range(int(rng.integers(1, 9))):
        stem = f"{rng.choice(FOLDERS)}part {i}.{rng.choice(['v1', 'ä', '%41', 'b+c'])}"
        name = stem + str(rng.choice(SUFFIXES))
        size_wh = LARGE if seed % 10 == 0 and i == 0 else SIZES[rng.integers(len(SIZES))]
        write_image(folder / "images" / name, size_wh)
        lines = [draw_line(rng, int(rng.choice(numbers)), size_wh) for _ in range(rng.integers(0, 4))]
        write_files(folder / "labels", {f"{stem}.txt": "".join(lines)})
        splits[str(rng.choice(list(splits)))].append(name)
    text = "".join(f"    {number}: {yaml_text(name)}\n" for number, name in zip(numbers, names, strict=True))
    write_files(folder, {"classes.yaml": f"data:\n  classes:\n{text}"})
    if seed % 2:
        write_files(folder, {f"splits/{split}.txt": "\n".join(names) for split, names in splits.items() if names})
    return folder


def yaml_text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def draw_line(rng: np.random.Generator, number: int, size_wh: tuple[int, int]) -> str:
    """A box inside its image or leaving it in part; whole pixels or fractions."""
    low = rng.uniform(-0.2, 0.9, 2) * size_wh
    high = np.minimum(rng.uniform(0.1, 1.2, 2) * size_wh, 1.3 * np.array(size_wh))
    low, high = np.minimum(low, high), np.maximum(low, high)
    low, high = np.where(high <= 0.01, [0, 0], low), np.maximum(high, 0.02)
    size = np.maximum(high - low, 0.05)
    if rng.random() < 0.3 and (np.floor(low) + np.ceil(size) > 0).all() and (np.floor(low) < size_wh).all():
        low, size = np.floor(low), np.ceil(size)
    return f"{number} {' '.join(f'{value:.6g}' for value in (*low, *size))}\n"


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("format_name", TWO_WAY)
def test_round_trip(format_name: str, seed: int, tmp_path: Path) -> None:
    source = draw_source(tmp_path / "source", seed)
    there = run(source, "anomdet", format_name, tmp_path / "there")
    back = run(tmp_path / "there", format_name, "anomdet", tmp_path / "back")
    assert (back.num_images, back.num_normal, back.objects) == (there.num_images, there.num_normal, there.objects)
    assert read_classes(tmp_path / "back/classes.yaml") == read_classes(source / "classes.yaml")
    assert worst_error(source, tmp_path / "back") < 1e-3
    assert splits_of(tmp_path / "back") == splits_of(source)


def worst_error(first: Path, second: Path) -> float:
    """In pixels; fails if the images, the objects or their classes differ."""
    files = [sorted(str(path.relative_to(root)) for path in root.rglob("*.txt")) for root in (first, second)]
    images = [
        {path.relative_to(root / "images"): path.read_bytes() for path in images_of(root)} for root in (first, second)
    ]
    assert images[0] == images[1] and images[0]
    assert [name for name in files[0] if name.startswith("labels/")] == [
        name for name in files[1] if name.startswith("labels/")
    ]
    errors = [0.0]
    for name in files[0]:
        if name.startswith("labels/"):
            one, two = parse_labels(first / name)[0], parse_labels(second / name)[0]
            assert one.class_nums.tolist() == two.class_nums.tolist()
            errors += np.abs(one.bboxes_xyxy - two.bboxes_xyxy).ravel().tolist()
    return max(errors)


def images_of(root: Path) -> list[Path]:
    return sorted(path for path in (root / "images").rglob("*") if path.is_file() and path.suffix != ".txt")


def splits_of(root: Path) -> dict[str, set[str]]:
    return {path.stem: set(path.read_text().split("\n")) - {""} for path in (root / "splits").glob("*.txt")}


@pytest.mark.parametrize("format_name", TWO_WAY)
def test_reading_what_was_written_finds_nothing_strange(format_name: str, tmp_path: Path) -> None:
    run(draw_source(tmp_path / "source", 1), "anomdet", format_name, tmp_path / "there")
    _, findings = read(format_name, tmp_path / "there")
    assert not findings.problems
    assert not findings.notes


@pytest.mark.parametrize("format_name", TWO_WAY)
def test_through_every_other_format_in_turn(format_name: str, tmp_path: Path) -> None:
    """The classes and their numbers stay, whichever formats lie between."""
    source = draw_source(tmp_path / "0", 5)
    names = ["anomdet", format_name, *TWO_WAY[TWO_WAY.index(format_name) + 1 :], "anomdet"]
    for i, (one, two) in enumerate(itertools.pairwise(names)):
        run(tmp_path / str(i), one, two, tmp_path / str(i + 1))
    assert worst_error(source, tmp_path / str(len(names) - 1)) < 1e-3


def test_side_files_are_only_those_needed(tmp_path: Path) -> None:
    dataset, _ = read("anomdet", write_files(tmp_path, {"images/a.png": None, "labels/a.txt": ""}))
    assert write_side_files(dataset, tmp_path) == []
