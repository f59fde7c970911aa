"""Check a data folder: one pass over its files, then a look at all boxes together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomdet.data.check.axes import judge_axes
from anomdet.data.check.classes import check_classes
from anomdet.data.check.convention import Convention, find_convention
from anomdet.data.check.duplicates import check_duplicates
from anomdet.data.check.findings import Finding, sort_findings
from anomdet.data.check.geometry import check_geometry
from anomdet.data.check.images import read_headers
from anomdet.data.check.lines import LabelFacts, ReadLabels, read_labels
from anomdet.data.check.pairs import Entry, pair_files
from anomdet.data.check.table import BoxCollector, Boxes, Floats
from anomdet.data.image_files import FoundFile
from anomdet.data.image_headers import Header
from anomdet.data.image_limits import MAX_IMAGE_MEGAPIXELS

_NAN = float("nan")


@dataclass(frozen=True)
class Rules:
    """What the settings say about the data.

    Args:
        classes: the allowed class numbers and their names; None: any number.
        missing_labels: an image without a label file is an ``error``, a ``normal`` image, or left out (``skip``).
        decode: read all pixels of each image, not only its header.
        max_image_megapixels: a larger image is a finding, and never decoded.
    """

    classes: Mapping[int, str] | None = None
    missing_labels: str = "error"
    decode: bool = False
    max_image_megapixels: float = MAX_IMAGE_MEGAPIXELS


@dataclass(frozen=True)
class CheckedFile:
    """An image and its labels as they were read.

    Args:
        entry: the two files.
        header: of the image; None: there is none, or it is bad.
        read: the labels; None: there is no label file, or it cannot be read.
    """

    entry: Entry
    header: Header | None
    read: LabelFacts | None

    @property
    def has_boxes(self) -> bool:
        """Whether its objects, if any, are in the table of boxes."""
        return self.entry.image is not None and self.read is not None


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Args:
        data_dir: the folder.
        findings: the worst first.
        files: every image with its labels, in the order of names, then label files without an image.
        boxes: of all images that have a label file, in the order of ``files``.
        bboxes_xywh: ``(N, 4)`` of ``boxes``, corner and size in pixels.
        convention: how the boxes were read.
    """

    data_dir: Path
    findings: list[Finding]
    files: list[CheckedFile]
    boxes: Boxes
    bboxes_xywh: Floats
    convention: Convention

    def counts(self) -> dict[str, int]:
        """Images, label files, objects, and images with an empty label file."""
        entries = [file.entry for file in self.files]
        read = [file.read for file in self.files if file.entry.image is not None]
        return {
            "images": sum(entry.image is not None for entry in entries),
            "label_files": sum(entry.label is not None for entry in entries),
            "objects": len(self.boxes),
            "normal_images": sum(labels is not None and labels.complete and not labels.num_rows for labels in read),
        }


def check_data(data_dir: str | Path, rules: Rules) -> Checked:
    """Everything that is wrong with a data folder; images are not decoded unless the rules say so.

    Raises:
        UserError: images/ or labels/ is missing.
    """
    data_dir = Path(data_dir)
    entries, findings = pair_files(data_dir, rules.missing_labels)
    images = [entry.image for entry in entries if entry.image is not None]
    headers, image_findings = read_headers(
        data_dir, images, decode=rules.decode, max_megapixels=rules.max_image_megapixels
    )
    findings += image_findings
    files, boxes = _read_files(data_dir, entries, headers, rules, findings)
    convention = find_convention(boxes)
    if rules.decode:
        convention = judge_axes(data_dir, [file.entry.image for file in files if file.has_boxes], boxes, convention)
    found = convention.finding()
    findings += [found] if found else []
    bboxes_xywh = convention.to_xywh(boxes)
    with np.errstate(invalid="ignore"):
        findings += check_geometry(boxes, bboxes_xywh)
        findings += check_duplicates(boxes, bboxes_xywh)
    findings += check_classes(boxes, rules.classes)
    if images and not len(boxes) and not any(found.line for found in findings):
        hint = "each images/x.png has its labels/x.txt, empty for a normal image"
        findings.append(Finding("no-objects", "labels", 0, "at least one object", "none", hint))
    return Checked(data_dir, sort_findings(findings), files, boxes, bboxes_xywh, convention)


def _read_files(
    data_dir: Path, entries: list[Entry], headers: list[Header | None], rules: Rules, findings: list[Finding]
) -> tuple[list[CheckedFile], Boxes]:
    names = {name: num for num, name in (rules.classes or {}).items()}
    folder = os.fspath(data_dir / "labels")
    files = []
    header_of = iter(headers)
    collector = BoxCollector()
    for entry in entries:
        header = next(header_of) if entry.image is not None else None
        read = None
        if entry.label is not None:
            read = _read_one(folder, entry.label, names, findings)
            if read is not None and entry.image is not None:
                height, width = header.upright_hw if header else (_NAN, _NAN)
                collector.add(f"labels/{entry.label.name}", read.rows, (width, height))
        files.append(CheckedFile(entry, header, read.facts() if read is not None else None))
    return files, collector.boxes()


def _read_one(folder: str, label: FoundFile, names: Mapping[str, int], findings: list[Finding]) -> ReadLabels | None:
    where = f"labels/{label.name}"
    if label.special:
        findings.append(Finding("label-unreadable", where, 0, "a readable label file", label.special))
        return None
    if label.size == 0 and label.modified_ns:
        return ReadLabels()
    try:
        with open(f"{folder}/{label.name}", "rb", buffering=0) as file:  # noqa: PTH123 (a Path costs as much as reading)
            data = file.read()
    except OSError as error:
        got = error.strerror or str(error)
        findings.append(Finding("label-unreadable", where, 0, "a readable label file", got))
        return None
    read = read_labels(data, where, names)
    findings += read.findings
    if read.blank:
        findings.append(Finding("label-blank", where, 0, "objects or zero bytes", "only blank lines", "read as normal"))
    return read
