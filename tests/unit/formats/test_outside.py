"""Images that lie outside of the source are nobody's to carry off, unless the user says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from anomdet.errors import UserError
from anomdet.formats.convert import Converted, Job, convert


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 60, 3), 90, np.uint8))
    return path


def coco(folder: Path, file_name: str) -> Path:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": file_name, "width": 60, "height": 40}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "dent"}],
    }
    folder.mkdir(exist_ok=True)
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


def converted(source: Path, out: Path, *, follow_links: bool = False) -> Converted:
    return convert(Job(source, "coco", "anomdet", out, images=source / "images", follow_links=follow_links))


def test_a_link_out_of_the_source(tmp_path: Path) -> None:
    private = picture(tmp_path / "private" / "a.png")
    source = coco(tmp_path / "source", "a.png")
    (source / "images").mkdir()
    (source / "images" / "a.png").symlink_to(private)
    with pytest.raises(UserError) as raised:
        converted(source, tmp_path / "out")
    assert f"expected an image inside SRC or --images, got {private}" in str(raised.value)
    assert "--follow-links" in str(raised.value) and not (tmp_path / "out").exists()
    done = converted(source, tmp_path / "out", follow_links=True)
    copy = tmp_path / "out" / "images" / "a.png"
    assert (done.num_linked, done.num_copied) == (0, 1)
    assert "image file outside of SRC: copied" in done.notes[0]
    assert copy.read_bytes() == private.read_bytes() and copy.stat().st_ino != private.stat().st_ino


def test_a_link_within_the_source(tmp_path: Path) -> None:
    source = coco(tmp_path / "source", "a.png")
    stored = picture(source / "store" / "1.png")
    (source / "images").mkdir()
    (source / "images" / "a.png").symlink_to(stored)
    assert converted(source, tmp_path / "out").num_linked == 1


@pytest.mark.parametrize("name", ["../../private/a.png", "{private}"])
def test_a_path_that_leads_out(tmp_path: Path, name: str) -> None:
    private = picture(tmp_path / "private" / "a.png")
    picture(tmp_path / "source" / "images" / "b.png")
    source = coco(tmp_path / "source", name.format(private=private))
    with pytest.raises(UserError):
        converted(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
