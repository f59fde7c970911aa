"""results.csv, coco.json and parts.csv, made of results.jsonl line by line; and the counts of a job."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from anomdet.anomalies import UNKNOWN
from anomdet.boxes import with_sides, xyxy_to_xywh
from anomdet.inference.outcome import FAILED
from anomdet.inference.parts import Part
from anomdet.inference.result import REJECT
from anomdet.layout import COCO, PARTS_CSV, RESULTS, RESULTS_CSV
from anomdet.outputs import atomic_write, csv_text
from anomdet.workflows.predictions.journal import read_lines

_SHOWN_FAILURES = 20
_HEADS: tuple[str, ...] = ("image", "frame", "time_s", "part", "verdict", "part_score", "num_detections", "classes")
_HEADS += ("width", "height", "error", "reasons", "warnings")
_PART_HEADS = ("part", "verdict", "part_score", "num_images", "num_rejected", "num_failed")


@dataclass
class Counts:
    """What a job came to, counted line by line.

    Args:
        verdicts: of images; ``failed`` among them.
        classes: class name to detections that count.
        rejected_by: class name to images with such a detection.
        failures: (image, why) of the first that could not be read.
        parts: name to part, where images are grouped.
        num_warned: images with a warning.
        first_warning: of the first of them, with its name.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    rejected_by: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str]] = field(default_factory=list)
    parts: dict[str, Part] = field(default_factory=dict)
    num_warned: int = 0
    first_warning: str = ""

    def add(self, document: Mapping[str, Any]) -> None:
        """One line of results.jsonl."""
        verdict = document["verdict"]
        self.verdicts[verdict] += 1
        if verdict == FAILED and len(self.failures) < _SHOWN_FAILURES:
            self.failures.append((str(document["image"]), document["error"]))
        if warnings := document.get("warnings"):
            self.num_warned += 1
            self.first_warning = self.first_warning or f"{document['image']}: {warnings[0]}"
        counted = Counter(row["class_name"] for row in document.get("detections", ()) if row["counted"])
        anomaly = document.get("anomaly")
        if anomaly is not None and anomaly["score"] >= anomaly["threshold"]:
            counted[UNKNOWN] += max(len(anomaly["regions"]), 1)
        self.classes.update(counted)
        self.rejected_by.update(counted.keys())
        name = document.get("part")
        if name is not None:
            self.parts.setdefault(name, Part(name)).add(verdict, document.get("part_score"))

    @property
    def num_images(self) -> int:
        """All, with those that failed."""
        return sum(self.verdicts.values())

    def part_verdicts(self) -> Counter[str]:
        """Verdicts of parts."""
        return Counter(part.verdict for part in self.parts.values())


def write_tables(
    folder: Path, save: Sequence[str], classes: Mapping[int, str], parts: Mapping[str, Part]
) -> list[Path]:
    """The files that ``save`` names, of those that are made at the end; parts.csv where there are parts."""
    written = []
    if "csv" in save:
        written.append(_write_csv(folder))
    if "coco" in save:
        written.append(_write_coco(folder, classes))
    if parts:
        path = folder / PARTS_CSV
        with atomic_write(path) as file:
            _rows(file, [_PART_HEADS])
            for part in parts.values():
                counts = (part.num_images, part.num_rejected, part.num_failed)
                _rows(file, [(part.name, part.verdict, round(part.part_score, 6), *counts)])
        written.append(path)
    return written


def _rows(file: IO[bytes], rows: Sequence[Sequence[Any]]) -> None:
    file.write(csv_text(rows).encode("utf-8", "backslashreplace"))


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    return (document for _, _, document in read_lines(folder / RESULTS))


def _write_csv(folder: Path) -> Path:
    path = folder / RESULTS_CSV
    with atomic_write(path) as file:
        _rows(file, [_HEADS])
        for document in _documents(folder):
            counted = Counter(row["class_name"] for row in document.get("detections", ()) if row["counted"])
            height, width = document.get("size_hw", (None, None))
            row = [document.get(key) for key in _HEADS[:6]]
            found = "; ".join(f"{count} {name}" for name, count in counted.items())
            reasons, warnings = ("; ".join(document.get(key) or ()) for key in ("reasons", "warnings"))
            count = None if document["verdict"] == FAILED else counted.total()
            _rows(file, [[*row, count, found, width, height, document.get("error"), reasons, warnings]])
    return path


def _write_coco(folder: Path, classes: Mapping[int, str]) -> Path:
    """As :mod:`anomdet.formats.coco` does, with scores.

    Images that failed, and those that are rejected without a box (as unknown), are left out: they would be normal ones.
    """
    path = folder / COCO
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in classes.items()]
    with atomic_write(path) as file:
        file.write(b'{"info": {}, "licenses": [], "categories": ' + json.dumps(categories).encode("ascii"))
        file.write(b', "images": [')
        _join(file, (_coco_image(number, document) for number, document in _judged(folder)))
        file.write(b'], "annotations": [')
        _join(file, _annotations(folder))
        file.write(b"]}\n")
    return path


def _judged(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    judged = (document for document in _documents(folder) if document["verdict"] != FAILED)
    return enumerate((one for one in judged if one["detections"] or one["verdict"] != REJECT), start=1)


def _coco_image(number: int, document: dict[str, Any]) -> dict[str, Any]:
    height, width = document["size_hw"]
    return {"id": number, "file_name": document["key"], "width": width, "height": height}


def _annotations(folder: Path) -> Iterator[dict[str, Any]]:
    number = 0
    for image_id, document in _judged(folder):
        for row in document["detections"]:
            number += 1
            bbox = _with_size(row, document["size_hw"])
            entry = {"id": number, "image_id": image_id, "category_id": row["class_num"], "bbox": bbox}
            yield {**entry, "area": bbox[2] * bbox[3], "iscrowd": 0, "score": row["score"]}


def _with_size(row: dict[str, Any], size_hw: Sequence[int]) -> list[float]:
    """Corner and size of a detection, which other tools refuse without a size."""
    bbox_xywh: list[float] = row["bbox_xywh"]
    if min(bbox_xywh[2:]) > 0:
        return bbox_xywh
    sized: list[float] = xyxy_to_xywh(with_sides(np.array([row["bbox_xyxy"]]), *size_hw))[0].tolist()
    return sized


def _join(file: IO[bytes], entries: Iterator[dict[str, Any]]) -> None:
    for at, entry in enumerate(entries):
        file.write((", " if at else "").encode("ascii") + json.dumps(entry).encode("ascii"))
