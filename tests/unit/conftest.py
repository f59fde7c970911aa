"""Small data folders in the user's format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.data.index.scan import DataIndex, ImageRecord
from anomdet.data.labels import NO_OBJECTS, Labels

DataMaker = Callable[..., Path]


@pytest.fixture
def make_data(tmp_path: Path) -> DataMaker:
    """``make_data({"a.png": "1 2 3 4 5\\n"}, size_hw=(40, 60))``: images and label texts (None: no file)."""

    def make(label_texts: Mapping[str, str | None], size_hw: tuple[int, int] = (40, 60), name: str = "data") -> Path:
        data_dir = tmp_path / name
        rng = np.random.default_rng(0)
        for folder in ("images", "labels"):
            (data_dir / folder).mkdir(parents=True, exist_ok=True)
        for file_name, text in label_texts.items():
            image_path = data_dir / "images" / file_name
            image_path.parent.mkdir(parents=True, exist_ok=True)
            image = rng.integers(0, 255, (*size_hw, 3), dtype=np.uint8)
            image_path.write_bytes(cv2.imencode(image_path.suffix.lower(), image)[1].tobytes())
            if text is not None:
                label_path = (data_dir / "labels" / file_name).with_suffix(".txt")
                label_path.parent.mkdir(parents=True, exist_ok=True)
                label_path.write_text(text)
        return data_dir

    return make


@pytest.fixture
def make_index() -> Callable[[list[list[int]]], DataIndex]:
    """An index without files: the class numbers of each image's objects."""

    def make(classes_of_images: list[list[int]]) -> DataIndex:
        records = []
        for at, class_nums in enumerate(classes_of_images):
            boxes = np.tile(np.array([1, 1, 5, 5], np.float32), (len(class_nums), 1))
            labels = Labels(boxes, np.array(class_nums, np.int64)) if class_nums else NO_OBJECTS
            records.append(ImageRecord(at, f"{at:06}.png", 40, 60, labels))
        nums = tuple(sorted({num for many in classes_of_images for num in many}))
        return DataIndex(Path("data"), tuple(records), nums, ())

    return make
