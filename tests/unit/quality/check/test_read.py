"""Files read many at once, by one process or several, against the reading of each by itself."""

from __future__ import annotations

import os
import random
import shutil

import cv2
import numpy as np
import pytest

from anomdet.data.index.files import check_image
from anomdet.data.index.image_batches import ImageCheck
from anomdet.images.headers import BadImageError
from anomdet.quality.check import read
from anomdet.quality.check.check import Checked, Rules, check_data
from anomdet.quality.check.lines import read_labels
from anomdet.quality.check.machine_formats import show_json
from tests.unit.quality.check.fuzz import SIZE_WH, fuzzed_file, good_line
from tests.unit.quality.check.plant import plant

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`

NAMES = {"scratch": 5, "dent": 2}
NUM_FILES = 150


@pytest.fixture(params=[1, 3])
def num_processes(request, monkeypatch):
    """Shares of a few files, blocks of fewer."""
    monkeypatch.setattr(read, "num_cores", lambda: request.param)
    monkeypatch.setattr(read, "_MIN_SHARE", 1)
    monkeypatch.setattr(read, "_MIN_DECODED", 1)
    monkeypatch.setattr(read, "_NUM_THREADS", 1)
    monkeypatch.setattr(read, "_BLOCK", 7)
    return request.param


@pytest.fixture(scope="module")
def odd_dir(tmp_path_factory):
    """Good and fuzzed labels of good and bad images, some below a folder, and some of either without the other."""
    rng = random.Random(7)
    folder = tmp_path_factory.mktemp("odd")
    for name in ("images", "labels"):
        (folder / name / "sub").mkdir(parents=True)
    kinds = [cv2.imencode(".png", np.full((SIZE_WH[1], width, 3), 9, np.uint8))[1].tobytes() for width in (60, 70)]
    for at in range(NUM_FILES):
        name = f"{'sub/' if at % 5 == 0 else ''}{at:03}"
        picture = kinds[at % 13 == 0]
        if at % 17:
            (folder / f"images/{name}.png").write_bytes(picture[: rng.randrange(90) if at % 19 == 0 else None])
        ordinary = "".join(f"{good_line(rng)}\n" for _ in range(at % 4)).encode()
        text = (fuzzed_file(rng)[0], b"", b" \n", ordinary, ordinary.replace(b"\n", b"\r\n"), ordinary)[at % 6]
        if at % 23:
            (folder / f"labels/{name}.txt").write_bytes(text)
    shutil.copy(folder / "images/001.png", folder / "images/001.bmp")
    shutil.copy(folder / "labels/003.txt", folder / "labels/003.TXT")
    (folder / "labels/002.txt").unlink()
    (folder / "labels/002.txt").symlink_to(folder / "none")
    (folder / "images/004.png").unlink()
    (folder / "images/004.png").symlink_to(folder / "none")
    return folder


def names_of(folder) -> tuple[list[str], list[str | None]]:
    """Images, and a label file for each (None: there is none), then the label files without an image."""
    images, labels = (
        sorted(os.path.relpath(p, folder / d) for p in (folder / d).rglob("*.*")) for d in ("images", "labels")
    )
    own = [name if (name := f"{image[:-4]}.txt") in labels else None for image in images]
    return images, [*own, *(label for label in labels if label not in own)]


@pytest.mark.parametrize("decode", [False, True])
def test_each_file_reads_as_by_itself(odd_dir, num_processes, decode):
    images, labels = names_of(odd_dir)
    part = read.read_files(str(odd_dir), images, labels, ImageCheck(decode, 0.1), NAMES)
    for image, header in zip(images, part.headers, strict=True):
        try:
            assert header == check_image(odd_dir / "images" / image, decode=decode)
        except BadImageError as error:
            assert isinstance(header, BadImageError) and str(header) == str(error)
    start = num_odd = num_blank = 0
    for at, (label, count) in enumerate(zip(labels, part.rows.counts.tolist(), strict=True)):
        rows = slice(start, start + count)
        start += count
        if label == "002.txt":
            (found,) = part.odd[at].findings
            assert part.odd[at].facts is None and (found.code, found.file) == ("label-unreadable", "labels/002.txt")
            continue
        data = (odd_dir / "labels" / label).read_bytes() if label else b""
        alone = read_labels(data, f"labels/{label}", NAMES)
        assert part.rows.line_nums[rows].tolist() == [row.line for row in alone.rows]
        assert part.rows.class_nums[rows].tolist() == [row.class_num for row in alone.rows]
        assert list(map(tuple, part.rows.values[rows].tolist())) == [row.values for row in alone.rows]
        findings = alone.findings
        if at in part.odd:
            assert part.odd[at].facts == alone.facts()
            blank = [found for found in part.odd[at].findings if found.code == "label-blank"]
            assert len(blank) == alone.blank
            assert [found for found in part.odd[at].findings if found not in blank] == findings
            num_odd, num_blank = num_odd + 1, num_blank + alone.blank
        else:
            assert not findings and not alone.blank and alone.complete and not alone.rewrites
    assert start == len(part.rows.values) > 150 and num_odd > 30 and num_blank > 15
    assert len({id(header) for header in part.headers if not isinstance(header, BadImageError)}) == 2


def told(checked: Checked) -> list:
    """All of a check, in comparable form."""
    boxes = checked.boxes
    arrays = (boxes.file_at, boxes.line_nums, boxes.class_nums, boxes.values, boxes.size_wh, checked.bboxes_xywh)
    return [show_json(checked, checked.findings), checked.files, boxes.files, *(array.tolist() for array in arrays)]


RULES = [Rules(), Rules({5: "scratch", 1: "a"}, "normal", decode=True), Rules(missing_labels="skip")]


@pytest.mark.parametrize("rules", RULES, ids=["error", "normal", "skip"])
@pytest.mark.parametrize("kind", ["odd", "planted"])
def test_several_processes_say_what_one_says(odd_dir, demo_dir, tmp_path, monkeypatch, rules, kind):
    folder = odd_dir
    if kind == "planted":
        folder = tmp_path / "planted"
        plant(demo_dir, folder, 3)
    one = told(check_data(folder, rules))
    for name in ("_MIN_SHARE", "_MIN_DECODED", "_NUM_THREADS"):
        monkeypatch.setattr(read, name, 1)
    monkeypatch.setattr(read, "_BLOCK", 11)
    monkeypatch.setattr(read, "num_cores", lambda: 3)
    several = told(check_data(folder, rules))
    assert str(several) == str(one)  # nan is nan


def test_a_folder_with_nothing_to_read(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    part = read.read_files(str(tmp_path), [], [], ImageCheck(False, 1), {})
    assert not part.headers and not len(part.rows.values) and not part.odd
