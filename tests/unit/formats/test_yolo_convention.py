"""Labels of YOLO's that hold corners in place of a centre and a size."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.unit.formats.cases import notes_of, read, write_files

CORNERS = "two corners"
CORNER = "a top-left corner and a size"


def label(kind: str, rng: random.Random) -> str:
    width, height = rng.uniform(0.05, 0.5), rng.uniform(0.05, 0.5)
    x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    numbers = {
        CORNERS: (x, y, x + width, y + height),
        CORNER: (x, y, width, height),
        "a centre and a size": (x + width / 2, y + height / 2, width, height),
    }[kind]
    return f"0 {' '.join(map(str, numbers))}\n"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [CORNERS, CORNER, "a centre and a size"])
def test_boxes_that_leave_their_images_show_what_the_numbers_are(kind: str, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    files = {f"labels/{i}.txt": "".join(label(kind, rng) for _ in range(3)) for i in range(20)}
    source = write_files(tmp_path, files | {f"images/{i}.png": None for i in range(20)} | {"classes.txt": "dent\n"})
    dataset, findings = read("yolo", source)
    assert sum(len(picture.boxes) for picture in dataset.pictures) == 60
    message = [what for what in notes_of(findings) if "as a centre and a size" in what]
    expected = f"box that leaves its image as a centre and a size, and fits as {kind}"
    assert message == ([] if kind == "a centre and a size" else [expected])


def test_boxes_at_the_edge_show_nothing(tmp_path: Path) -> None:
    files = {
        "labels/a.txt": "0 0.04 0.5 0.1 0.1\n" * 2 + "0 0.97 0.98 0.1 0.1\n0 0.5 0.5 0.1 0.1\n",
        "images/a.png": None,
    }
    _, findings = read("yolo", write_files(tmp_path, files))
    assert not [what for what in notes_of(findings) if "as a centre and a size" in what]
