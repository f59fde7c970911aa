"""Small sources on the disk, and short ways to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from anomdet.formats.convert import Converted, Job, convert
from anomdet.formats.dataset import Dataset, Findings, Source
from anomdet.formats.formats import FORMATS


def write_image(path: Path, size_wh: tuple[int, int] = (160, 100)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(path.suffix.lower(), np.full((size_wh[1], size_wh[0]), 90, np.uint8))
    assert ok
    path.write_bytes(data.tobytes())
    return path


def write_files(folder: Path, files: Mapping[str, Any]) -> Path:
    """Each name with its text, bytes, content of a JSON file, or None for an image of 160 x 100 pixels."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            write_image(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def read(format_name: str, path: Path, images: Path | None = None) -> tuple[Dataset, Findings]:
    findings = Findings()
    return FORMATS[format_name].read(Source(path, images, findings)), findings


def boxes_of(dataset: Dataset) -> dict[str, list[tuple]]:
    """Label and x, y, width, height of each box of each picture, rounded to a ten thousandth."""
    return {
        picture.file_name: [(box.label, *(round(value, 4) for value in box[1:5])) for box in picture.boxes]
        for picture in dataset.pictures
    }


def notes_of(findings: Findings) -> dict[str, int]:
    """What is not carried over, and how often."""
    return {what: files.total() for (what, _), files in findings.notes.items()}


def problems_of(findings: Findings) -> list[str]:
    return [str(problem) for problem in findings.problems]


def run(source: Path, from_format: str | None, to_format: str, out: Path, **options: Any) -> Converted:
    return convert(Job(source, from_format, to_format, out, **options))
