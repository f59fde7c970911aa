"""Any dataset into any two-way format and back: nothing lost, nothing invented.

The gate draws a few datasets a format; ``ANOMDET_EXAMPLES=2000`` draws that many.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anomdet.formats.convert import NOTES_FILE
from anomdet.formats.formats import FORMATS
from anomdet.formats.pictures import is_text
from anomdet.formats.side_files import read_classes
from tests.unit.formats.cases import run

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

TWO_WAY = sorted(name for name, one in FORMATS.items() if one.write is not None)
NUM_EXAMPLES = int(os.environ.get("ANOMDET_EXAMPLES", "10"))
SUFFIXES = (".png", ".PNG", ".jpg", ".jpeg", ".bmp", ".tif")
FOLDERS = (
    "train",
    "val",
    "test",
    "images",
    "labels",
    "Annotations",
    "xml",
    "masks",
    "line a",
    "\u00e4",
    "a\u0308",
    "A",
)
# Names that mean something to a tool, that are spelt nearly alike, or that need to be escaped somewhere.
STEMS = ("classes", "train", "valid", "README", "data", "a", "A", "\u00fc", "u\u0308", "%C3%BC", "a%20b", "a b", "p.v1")
STEMS += ("0a1b2c3d-a", "a&b", "<x>", "it's", '"q"', "?d=1", "#1", "-", "x:y", "a,b;c", "\U0001f529", "obj_train_data")
NAMES = ("scratch", "yes", "1e3", "null", "x: y", "- dash", "#no", "a & <b>", "\u5212\u75d5", "{}", "0", "dent", "Dent")


@dataclass(frozen=True)
class Image:
    """One image of a drawn dataset; boxes are class number, x, y, width, height."""

    name: str
    size_wh: tuple[int, int]
    boxes: list[tuple[int, float, float, float, float]]
    split: str


def texts(*, no_slash: bool) -> st.SearchStrategy[str]:
    banned = "/\\" if no_slash else ""
    signs = st.characters(blacklist_categories=("Cs", "Cc", "Cn"), blacklist_characters=banned)
    return st.text(signs, min_size=1, max_size=6).filter(lambda text: text == text.strip() and is_text(text))


@st.composite
def images(draw: st.DrawFn, numbers: list[int]) -> Image:
    folders = draw(st.lists(st.sampled_from(FOLDERS), max_size=2))
    stem = draw(st.one_of(st.sampled_from(STEMS), texts(no_slash=True).filter(lambda text: text[0] != ".")))
    stem = f"x{stem}" if stem[1:2] == ":" else stem  # as a drive
    width, height = draw(st.sampled_from(((1, 1), (7, 300), (64, 48))))
    boxes = []
    for number in draw(st.lists(st.sampled_from(numbers), max_size=3)):
        x, y = (draw(st.floats(-0.4, 0.9)) * side for side in (width, height))
        wide, high = (draw(st.floats(0.5, 1)) * side for side in (width, height))
        boxes.append((number, *(float(f"{value:.5g}") for value in (x, y, wide, high))))
    name = "/".join([*folders, stem + draw(st.sampled_from(SUFFIXES))])
    return Image(name, (width, height), boxes, draw(st.sampled_from(("", "train", "val", "test"))))


@st.composite
def datasets(draw: st.DrawFn) -> tuple[dict[int, str], list[Image]]:
    numbers = draw(st.lists(st.integers(-(10**15), 10**15) | st.integers(-3, 9), min_size=1, max_size=4, unique=True))
    names = st.one_of(st.sampled_from(NAMES), texts(no_slash=False))
    count = len(numbers)
    classes = dict(zip(numbers, draw(st.lists(names, min_size=count, max_size=count, unique=True)), strict=True))
    drawn = draw(st.lists(images(numbers), min_size=1, max_size=5, unique_by=lambda one: one.name.rpartition(".")[0]))
    return classes, drawn


def write(folder: Path, classes: dict[int, str], drawn: list[Image]) -> Path:
    for i, image in enumerate(drawn):
        path = folder / "images" / image.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.full((*image.size_wh[::-1],), i, np.uint8))[1].tobytes())
        label = folder / "labels" / f"{image.name.rpartition('.')[0]}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("".join(f"{' '.join(map(str, box))}\n" for box in image.boxes), encoding="utf-8")
    for split in {image.split for image in drawn} - {""}:
        path = folder / "splits" / f"{split}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{one.name}\n" for one in drawn if one.split == split), encoding="utf-8")
    lines = "".join(f"    {number}: {quoted(name)}\n" for number, name in classes.items())
    (folder / "classes.yaml").write_text(f"data:\n  classes:\n{lines}", encoding="utf-8")
    return folder


def quoted(name: str) -> str:
    escaped = "".join(sign if sign.isascii() else f"\\U{ord(sign):08x}" for sign in name.replace("\\", "\\\\"))
    return '"' + escaped.replace('"', '\\"') + '"'


def read(folder: Path) -> Iterator[Image]:
    """What a folder of ours holds, by plain file reading."""
    splits = {}
    for path in (folder / "splits").glob("*.txt"):
        splits |= dict.fromkeys(path.read_text(encoding="utf-8").split("\n")[:-1], path.stem)
    for path in sorted((folder / "images").rglob("*")):
        if path.is_file():
            name = path.relative_to(folder / "images").as_posix()
            text = (folder / "labels" / f"{name.rpartition('.')[0]}.txt").read_text(encoding="utf-8")
            boxes = [(int(line.split()[0]), *map(float, line.split()[1:])) for line in text.splitlines()]
            height, width = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED).shape[:2]
            yield Image(name, (width, height), boxes, splits.get(name, ""))


@pytest.mark.parametrize("format_name", TWO_WAY)
@settings(
    max_examples=NUM_EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(dataset=datasets())
def test_nothing_is_lost_or_invented(format_name: str, dataset: tuple[dict[int, str], list[Image]]) -> None:
    classes, drawn = dataset
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write(root / "source", classes, drawn)
        run(root / "source", "anomdet", format_name, root / "there")
        recognised = run(root / "there", None, "anomdet", root / "back").recognised
        assert recognised.startswith(f"{format_name} (")
        back = {image.name: image for image in read(root / "back")}
        assert read_classes(root / "back/classes.yaml") == classes
        assert back.keys() == {image.name for image in drawn}
        for image in drawn:
            other = back[image.name]
            assert (other.size_wh, other.split) == (image.size_wh, image.split), image
            assert [box[0] for box in other.boxes] == [box[0] for box in image.boxes], image
            assert np.abs(np.array(other.boxes) - np.array(image.boxes)).max(initial=0) < 1e-3, image
        notes = (
            (root / "back" / NOTES_FILE).read_text(encoding="utf-8") if (root / "back" / NOTES_FILE).exists() else ""
        )
        harmless = (",kept as it is,", "class name that differs from another in spelling only,", "like two corners,")
        assert all(any(part in line for part in harmless) for line in notes.splitlines()[1:]), notes
