"""The data folder read file by file and line by line: what the quick ways must equal, in every word."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from anomdet.boxes import area_xyxy, clip_xyxy
from anomdet.data.index.columns import ImageRecord
from anomdet.data.index.files import IMAGE_SUFFIXES, FoundFile, check_image, list_files
from anomdet.data.index.scan import DataIndex
from anomdet.data.labels import NO_OBJECTS, LabelFile, Labels, parse_label_file
from anomdet.errors import Problem, UserError
from anomdet.images.headers import BadImageError


@dataclass
class _Report:
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_clipped: int = 0
    num_clipped_images: int = 0


def slow_scan(data_dir: Path, missing_labels: str = "error", classes: Mapping[int, str] | None = None) -> DataIndex:
    """As :func:`anomdet.data.index.scan.scan`."""
    images, labels = list_files(data_dir / "images"), list_files(data_dir / "labels")
    return _scan(data_dir, images, labels, missing_labels, classes)


def _scan(
    data_dir: Path,
    images: list[FoundFile],
    labels: list[FoundFile],
    missing_labels: str,
    classes: Mapping[int, str] | None,
) -> DataIndex:
    report = _Report()
    pairs = list(_pair(images, labels, missing_labels, report))
    sizes = _image_sizes(data_dir, [image.name for image, _ in pairs], report)
    records: list[ImageRecord] = []
    found: dict[int, list[str]] = {}
    for (image, label), size_hw in zip(pairs, sizes, strict=True):
        label_file = _read_labels(data_dir, label, report)
        for class_num, line_num in zip(label_file.labels.class_nums.tolist(), label_file.line_nums, strict=True):
            assert label is not None
            found.setdefault(class_num, []).append(f"labels/{label.name}:{line_num}")
        if size_hw is None:
            continue
        objects = _clip(label_file, f"labels/{label.name}" if label else "", size_hw, report)
        records.append(ImageRecord(len(records), image.name, *size_hw, objects))
    _check_classes(found, classes, report)
    _check_whole(data_dir, records, pairs, report)
    if report.problems:
        count = f"{len(report.problems)} problem{'s' if len(report.problems) > 1 else ''}"
        raise UserError(report.problems, title=f"The data in {data_dir} has {count}:")
    if report.num_clipped:
        report.notes.append(f"{report.num_clipped} boxes in {report.num_clipped_images} images clipped to their image")
    return DataIndex(data_dir, tuple(records), tuple(sorted(classes or found)), tuple(report.notes))


def _pair(
    images: list[FoundFile], labels: list[FoundFile], missing_labels: str, report: _Report
) -> Iterator[tuple[FoundFile, FoundFile | None]]:
    """Each image with its label file; the files that have no partner are reported."""
    others = [file for file in images if file.suffix not in IMAGE_SUFFIXES]
    images = [file for file in images if file.suffix in IMAGE_SUFFIXES]
    other_labels = [file for file in labels if file.suffix != ".txt"]
    for folder, ignored in (("images", others), ("labels", other_labels)):
        if ignored:
            report.notes.append(f"{len(ignored)} other files in {folder}/ ignored, the first is {ignored[0].name}")
    label_by_stem = {file.stem: file for file in labels if file.suffix == ".txt"}
    image_by_stem: dict[str, FoundFile] = {}
    num_missing = 0
    for image in images:
        twin = image_by_stem.setdefault(image.stem, image)
        label = label_by_stem.get(image.stem)
        if twin is not image:
            got = f"images/{twin.name} too, which has the same label file"
            report.problems.append(Problem(f"images/{image.name}", "a name of its own", got))
        elif label is not None or missing_labels == "normal":
            num_missing += label is None
            yield image, label
        elif missing_labels == "skip":
            num_missing += 1
        else:
            hint = "write an empty file for a normal image, or set data.missing_labels"
            report.problems.append(Problem(f"images/{image.name}", f"labels/{image.stem}.txt", "nothing", hint))
    if num_missing:
        fate = "counted as normal" if missing_labels == "normal" else "left out"
        report.notes.append(f"{num_missing} images without a label file {fate}")
    for stem, label in label_by_stem.items():
        if stem not in image_by_stem:
            report.problems.append(Problem(f"labels/{label.name}", f"an image images/{stem}.*", "nothing"))


def _image_sizes(data_dir, names, report):
    results = []
    for name in names:
        try:
            results.append(check_image(data_dir / "images" / name).upright_hw)
        except BadImageError as error:
            report.problems.append(Problem(f"images/{name}", "a readable image", str(error)))
            results.append(None)
    return results


def _read_labels(data_dir: Path, label: FoundFile | None, report: _Report) -> LabelFile:
    if label is None or (label.size == 0 and label.modified_ns):
        return LabelFile(NO_OBJECTS, (), ())
    label_file = parse_label_file(f"{data_dir}/labels/{label.name}", where=f"labels/{label.name}")
    report.problems.extend(label_file.problems)
    return label_file


def _clip(label_file: LabelFile, where: str, size_hw: tuple[int, int], report: _Report) -> Labels:
    """Objects cut to the image; one fully outside is a problem."""
    labels = label_file.labels
    boxes = labels.bboxes_xyxy
    height, width = size_hw
    if not len(labels) or (boxes.min() >= 0 and boxes[:, 2].max() <= width and boxes[:, 3].max() <= height):
        return labels
    clipped = clip_xyxy(boxes, height, width)
    outside = area_xyxy(clipped) <= 0
    for at in np.flatnonzero(outside):
        x1, y1, x2, y2 = boxes[at].tolist()
        got = f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g}"
        expected = f"a box within the image of {width} x {height} pixels (width x height)"
        report.problems.append(Problem(f"{where}:{label_file.line_nums[at]}", expected, got))
    report.num_clipped += int((clipped != boxes).any(axis=1).sum())
    report.num_clipped_images += 1
    return Labels(clipped.astype(np.float32), labels.class_nums)


def _check_classes(found: dict[int, list[str]], classes: Mapping[int, str] | None, report: _Report) -> None:
    if not classes:
        return
    for class_num in sorted(found.keys() - classes.keys()):
        places = found[class_num]
        allowed = ", ".join(map(str, sorted(classes)))
        got = f"{class_num}" + (f" here and on {len(places) - 1} more lines" if len(places) > 1 else "")
        report.problems.append(Problem(places[0], f"a class number of data.classes ({allowed})", got))
    unused = sorted(classes.keys() - found.keys())
    if unused:
        report.notes.append("no objects of class " + ", ".join(f"{num} ({classes[num]})" for num in unused))


def _check_whole(data_dir: Path, records: list[ImageRecord], pairs: list, report: _Report) -> None:
    """What no single file shows: an empty data set, and boxes that are not in pixels."""
    if not pairs and not report.problems:
        suffixes = " ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
        report.problems.append(Problem("images/", f"at least one image ({suffixes})", "none"))
        return
    largest = max((float(record.labels.bboxes_xyxy.max()) for record in records if len(record.labels)), default=None)
    if largest is not None and largest <= 2:
        paths = shlex.quote(str(data_dir)), shlex.quote(f"{data_dir}_anomdet")
        hint = f"YOLO's fractions of the image? anomdet convert {paths[0]} --from yolo --to anomdet --out {paths[1]}"
        found = Problem("labels/", "boxes in pixels", f"no coordinate above {largest:g}", hint)
        others = [one for one in report.problems if not one.hint.startswith("write an empty file")]
        report.problems = [found, *others]
