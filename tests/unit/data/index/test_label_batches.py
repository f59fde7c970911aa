from __future__ import annotations

import os
import random

import cv2
import numpy as np
import pytest

from anomdet.data.index import build as index_build
from anomdet.data.index import pairs
from anomdet.data.index.label_batches import read_ordinary
from anomdet.data.index.scan import scan
from anomdet.data.labels import parse_label_file
from anomdet.errors import UserError
from tests.unit.data.index.slow_scan import slow_scan
from tests.unit.quality.check.fuzz import SIZE_WH, fuzzed_file

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

ORDINARY = ("", "\n", "1 2 3 4 5", "1 2 3 4 5\r\n-2 0 0 1e1 5.\n", "\t7  1\t2 3 4 \n\n \n", "007 +1 -.5 3 4\n")
UNUSUAL = (
    "1 2 3 4\n5 6\n",
    "\n1 2 3 4 5",
    "1 2 3 4 5\n\n1 2 3 4 5",
    "1 2 3 4 0",
    "1.0 2 3 4 5",
    "1 2 3 nan 5",
    "\ufeff1 2 3 4 5",
)
UNUSUAL = (
    *UNUSUAL,
    "1 2 3 4 5 6",
    "1 2 3 4 5\n6 7 8 9 1_0",
    "1 ; 3 4 5",
    "1 2 3 4 1e999",
    "1" * 19 + " 1 2 3 4",
    "1,2,3,4,5",
)


def assert_like_the_parser(folder, names, unusual=None) -> None:
    """Counts, boxes and numbers of the files that were read, and nothing of the others."""
    boxes = read_ordinary(str(folder), names)
    handle = os.open(folder, os.O_RDONLY)
    for one, two in zip(vars(boxes).values(), vars(read_ordinary(handle, names)).values(), strict=True):
        np.testing.assert_array_equal(one, two)
    os.close(handle)
    expected = [parse_label_file(folder / name, where=name) for name in names]
    empty = folder / "empty"
    empty.touch()
    for at in boxes.unusual:
        expected[at] = parse_label_file(empty, where="")
    assert not any(file.problems for file in expected)
    assert boxes.counts.tolist() == [len(file.labels) for file in expected]
    np.testing.assert_array_equal(boxes.bboxes_xyxy, np.concatenate([file.labels.bboxes_xyxy for file in expected]))
    np.testing.assert_array_equal(boxes.class_nums, np.concatenate([file.labels.class_nums for file in expected]))
    assert boxes.bboxes_xyxy.dtype == np.float32 and boxes.class_nums.dtype == np.int64
    assert unusual is None or boxes.unusual == unusual


def test_ordinary_files_are_read_and_unusual_ones_left(tmp_path):
    texts = [*ORDINARY, *UNUSUAL, *ORDINARY]
    names = [f"{at:02}.txt" for at in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_bytes(text.encode())
    unusual = list(range(len(ORDINARY), len(ORDINARY) + len(UNUSUAL)))
    assert_like_the_parser(tmp_path, names, unusual)
    assert_like_the_parser(tmp_path, names[: len(ORDINARY)], [])
    assert read_ordinary(str(tmp_path), [None, "none.txt"]).unusual == [1]


def test_long_files_are_read_to_their_end(tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"{at} {at} 1 2 3\n" for at in range(20_000)))
    assert_like_the_parser(tmp_path, ["a.txt"], [])


def test_fuzzed_files(tmp_path):
    rng = random.Random(5)
    names = [f"{at}.txt" for at in range(600)]
    for name in names:
        (tmp_path / name).write_bytes(fuzzed_file(rng)[0])
    assert_like_the_parser(tmp_path, names)


def outcome(scanner, *arguments, **options):
    """All that a scan says, in comparable form."""
    try:
        index = scanner(*arguments, **options)
    except UserError as error:
        return error.problems, error.title
    records = [
        (
            one.img_id,
            one.file_name,
            one.height,
            one.width,
            one.labels.bboxes_xyxy.tolist(),
            one.labels.class_nums.tolist(),
        )
        for one in index.records
    ]
    return index.class_nums, index.notes, records


@pytest.fixture(params=[1, 3])
def processes(request, monkeypatch):
    """In this process, or in three, with small blocks."""
    monkeypatch.setattr(index_build, "num_cores", lambda: request.param)
    monkeypatch.setattr(index_build, "_MIN_SHARE", 1)
    monkeypatch.setattr(pairs, "_BLOCK", 7)
    return request.param


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_a_scan_says_what_reading_line_by_line_says(tmp_path, processes, kind):
    rng = random.Random(kind)
    picture = cv2.imencode(".png", np.full((SIZE_WH[1], SIZE_WH[0], 3), 9, np.uint8))[1].tobytes()
    for folder in ("images", "labels"):
        (tmp_path / folder / "sub").mkdir(parents=True)
    for at in range(60):
        name = f"{'sub/' if at % 5 == 0 else ''}{at}"
        cut = kind == "bad" and at % 9 == 0
        (tmp_path / f"images/{name}.png").write_bytes(picture[: rng.randrange(len(picture)) if cut else None])
        low, high = (-14, 75) if kind == "bad" else (-4, 57)
        line = f"{rng.randrange(4)} {rng.uniform(low, high):.2f} {rng.uniform(-3, 37):.1f} {rng.uniform(5, 9):g} 6"
        text = fuzzed_file(rng)[0] if kind == "bad" and at % 2 else f"{line}\n{line}".encode() if at % 7 else b"\n \n"
        if at % 11:
            (tmp_path / f"labels/{name}.txt").write_bytes(text)
    (tmp_path / "labels/notes.md").write_text("x")
    (tmp_path / "images/1.jpg").write_bytes(b"twin") if kind == "bad" else None
    for missing_labels in ("error", "normal", "skip") if processes == 1 else ("normal",):
        for classes in (None, {0: "a", 1: "b", 2: "c", 3: "d", 9: "e"}, {1: "b", 7: "x"}):
            if processes > 1 and classes != {1: "b", 7: "x"}:
                continue
            options = {"missing_labels": missing_labels, "classes": classes}
            expected = outcome(slow_scan, tmp_path, **options)
            assert outcome(scan, tmp_path, **options) == expected
            if kind == "good" and missing_labels == "normal" and classes is None:
                assert "clipped" in expected[1][-1] and len(expected[2]) == 60
