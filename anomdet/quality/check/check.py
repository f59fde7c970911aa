"""Check a data folder: one pass over its files, then a look at all boxes together."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path
from typing import Literal

import numpy as np

from anomdet.data.index.files import FoundFile
from anomdet.data.index.image_batches import ImageCheck
from anomdet.defaults import MISSING_LABELS
from anomdet.images.headers import BadImageError, Header
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
from anomdet.quality.check.axes import judge_axes
from anomdet.quality.check.bit_depth import check_bit_depth
from anomdet.quality.check.classes import check_classes
from anomdet.quality.check.convention import Convention, find_convention
from anomdet.quality.check.duplicates import check_duplicates
from anomdet.quality.check.findings import Finding, sort_findings
from anomdet.quality.check.geometry import check_geometry
from anomdet.quality.check.images import judge_headers
from anomdet.quality.check.lines import LabelFacts
from anomdet.quality.check.pair_files import Entry, pair_files
from anomdet.quality.check.read import read_files
from anomdet.quality.check.table import Boxes, Floats, Rows, make_boxes
from anomdet.quality.check.unturned import find_unturned

_NAN = float("nan")


@dataclass(frozen=True)
class Rules:
    """What the settings say about the data.

    Args:
        classes: the allowed class numbers and their names; None: any number.
        missing_labels: an image without a label file is an ``error``, a ``normal`` image, or left out (``skip``).
        decode: read all pixels of each image, not only its header.
        max_image_megapixels: a larger image is a finding, and never decoded.
        bit_depth: bits that images of 16 bit use; ``auto``: as their largest value says.
    """

    classes: Mapping[int, str] | None = None
    missing_labels: str = MISSING_LABELS
    decode: bool = False
    max_image_megapixels: float = MAX_IMAGE_MEGAPIXELS
    bit_depth: int | Literal["auto"] = "auto"


@dataclass(frozen=True, slots=True)
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
        bit_depth: bits by which images of 16 bit are scaled.
    """

    data_dir: Path
    findings: list[Finding]
    files: list[CheckedFile]
    boxes: Boxes
    bboxes_xywh: Floats
    convention: Convention
    bit_depth: int = 16

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
    files, boxes = _read_files(data_dir, entries, images, rules, findings)
    headers = [file.header for file in files if file.entry.image is not None]
    bit_depth, few = check_bit_depth(data_dir, images, headers, rules.bit_depth, read_all=rules.decode)
    findings += few
    turns = [file.header.orientation if file.header else 1 for file in files if file.has_boxes]
    orientations = np.array(turns, dtype=np.int64)[boxes.file_at]
    convention = find_unturned(boxes, orientations) or find_convention(boxes)
    if rules.decode:
        with_boxes = [file.entry.image for file in files if file.has_boxes]
        convention = judge_axes(data_dir, with_boxes, boxes, convention, bit_depth)
    found = convention.finding()
    findings += [found] if found else []
    bboxes_xywh = convention.to_xywh(boxes)
    with np.errstate(invalid="ignore"):
        findings += check_geometry(boxes, bboxes_xywh)
        findings += check_duplicates(boxes, bboxes_xywh)
    findings += check_classes(boxes, rules.classes)
    if images and not len(boxes) and not any(found.line for found in findings):
        hint = "of normal images alone only the normal-only score is learned (model.name: null, docs/unseen.md)"
        findings.append(Finding("no-objects", "labels", 0, "at least one object", "none", hint))
    return Checked(data_dir, sort_findings(findings), files, boxes, bboxes_xywh, convention, bit_depth)


def _read_files(
    data_dir: Path, entries: list[Entry], images: list[FoundFile], rules: Rules, findings: list[Finding]
) -> tuple[list[CheckedFile], Boxes]:
    """All files as they were read, and all boxes of images; what is wrong with them joins the findings."""
    names = {name: num for num, name in (rules.classes or {}).items()}
    labels = [_to_read(entry.label) for entry in entries]
    check = ImageCheck(rules.decode, rules.max_image_megapixels)
    names_to_read = [None if image.special else image.name for image in images]
    read = read_files(os.fspath(data_dir), names_to_read, labels, check, names)
    all_read = [
        BadImageError(image.special) if image.special else header
        for image, header in zip(images, read.headers, strict=True)
    ]
    num_empty = sum(entry.label is not None and entry.label.size == 0 for entry in entries)
    headers, found = judge_headers(images, all_read, num_empty)
    findings += found
    findings += [
        Finding("label-unreadable", f"labels/{entry.label.name}", 0, "a readable label file", entry.label.special)
        for entry in entries
        if entry.label is not None and entry.label.special
    ]
    for one in read.odd.values():
        findings += one.findings
    usual: dict[int, LabelFacts] = {}  # thousands of files with three objects need one
    files = []
    all_headers = chain(headers, repeat(None))  # label files without an image are the last
    for at, (entry, header, num_rows) in enumerate(zip(entries, all_headers, read.rows.counts.tolist())):  # noqa: B905
        facts = None
        if entry.label is not None and not entry.label.special:
            facts = read.odd[at].facts if at in read.odd else usual.setdefault(num_rows, LabelFacts(num_rows, (), True))
        files.append(CheckedFile(entry, header, facts))
    return files, _boxes(files, read.rows)


def _to_read(label: FoundFile | None) -> str | None:
    """Its name; None where there is none, it is empty (a dangling link has no time either), or must not be opened."""
    if label is None or label.special or (label.size == 0 and label.modified_ns):
        return None
    return label.name


def _boxes(files: list[CheckedFile], rows: Rows) -> Boxes:
    """Those of images whose label file could be read."""
    chosen = [file.has_boxes for file in files]
    keep = np.repeat(chosen, rows.counts)
    if not keep.all():
        rows = Rows(rows.counts, rows.line_nums[keep], rows.class_nums[keep], rows.values[keep])
    names = [f"labels/{file.entry.label.name}" for file in files if file.has_boxes and file.entry.label is not None]
    sizes_hw = [file.header.upright_hw if file.header else (_NAN, _NAN) for file in files if file.has_boxes]
    size_wh = np.array(sizes_hw, dtype=np.float64).reshape(-1, 2)[:, ::-1]
    return make_boxes(names, replace(rows, counts=rows.counts[np.array(chosen, dtype=bool)]), size_wh)
