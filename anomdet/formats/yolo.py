"""YOLO's text labels: ``class x_center y_center width height``, each a fraction of the image's width or height.

Source: https://docs.ultralytics.com/datasets/detect. As there, a label file lies where the last ``/images/`` of an
image's path is replaced by ``/labels/``; beside the image, as darknet has it, is found too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from anomdet.formats.accounting import is_converted, splits_by_folder, take_unlabelled
from anomdet.formats.dataset import (
    NOTHING,
    Box,
    Dataset,
    Findings,
    Phrase,
    Picture,
    Source,
    add_box,
    enclosing,
    to_number,
)
from anomdet.formats.pictures import images_below, measure
from anomdet.formats.side_files import read_lines
from anomdet.formats.yolo_convention import note_convention
from anomdet.formats.yolo_keypoints import like_keypoints
from anomdet.formats.yolo_labels import LONE_LABELS, label_path, pair_labels, report_unpaired
from anomdet.formats.yolo_layout import Layout, name_below, read_layout
from anomdet.layout import SPLITS
from anomdet.words import counted

_EXPECTED = "'class x_center y_center width height', or a class and the points of a polygon"
_MAX_FRACTION = 2.0  # a box may leave its image in part; pixels are far above
_MIN_SPLIT = 3  # images; of fewer, all may be normal by chance
_NO_SPLITS = "# The source has no splits, and YOLO must have both: name a list of images for each before you train.\n"


def read(source: Source) -> Dataset:
    """A data.yaml or obj.data, its folder, or a folder of images and labels with classes.txt or obj.names."""
    dataset = Dataset()
    layout = read_layout(source)
    if layout is None:
        return dataset
    _set_names(layout.names, dataset)
    unlisted = _unlisted(layout)
    pairs = pair_labels([*layout.images, *unlisted], layout, source)
    for path, splits in layout.images.items():
        picture = Picture(name_below(path, layout.root), source.name(path), path)
        picture.split = next(iter(splits)) if len(splits) == 1 else ""
        if len(splits) > 1 and not layout.one_list:
            source.findings.note("image in several splits", "put in none", picture.where)
        if path in pairs:
            _read_labels(picture, pairs[path], dataset, layout, source)
        elif measure(picture, source.findings):
            take_unlabelled(picture, "image without a label file", dataset, source, default="normal")
    if layout.listed and layout.one_list and not is_converted(layout.root):
        fate = "put in no split: AnomDet makes the splits (data.train_split), or name a list for each"
        num_both = sum(len(splits) > 1 for splits in layout.images.values())
        source.findings.note("image that is in train and val alike", fate, layout.where, num_both)
    normal = [picture.where for picture in dataset.pictures if picture.path not in pairs]
    for path in unlisted:
        _take_unlisted(path, pairs.get(path), layout, dataset, source)
    report_unpaired(pairs, normal, layout, source)
    _report_keypoints(layout, source.findings)
    note_convention([] if layout.num_long else dataset.pictures, source.findings)
    if not source.findings.problems:
        _check_both([*layout.images, *unlisted], pairs, layout, source)
    if not layout.listed:
        splits_by_folder(dataset, layout.root, lambda picture: _folder(picture, layout.root))
    return dataset


def _check_both(images: list[Path], pairs: dict[Path, Path], layout: Layout, source: Source) -> None:
    """Images and labels, not one of the two alone; nor in a split, whose labels are then elsewhere or nobody's."""
    if not images and any(what == LONE_LABELS for what, _ in source.findings.notes):
        hint = "exports may leave them out: put them into images/, under the names of their label files in labels/"
        source.findings.problem("SRC", "images beside the labels", NOTHING, hint)
    elif images and not pairs and source.unlabelled is None:
        hint = "name the folder that holds both; --unlabelled normal takes images without labels as normal"
        source.findings.problem("SRC", "label files, labels/x.txt for images/x.*", NOTHING, hint)
    elif source.unlabelled is None:
        for split in SPLITS:
            own = [path for path, splits in layout.images.items() if split in splits]
            if len(own) >= _MIN_SPLIT and not any(path in pairs for path in own):
                hint = "--unlabelled normal takes images without labels as normal, skip leaves them out"
                got = Phrase(f"none for {len(own)} of them")
                source.findings.problem(f"{layout.where}: {split}", "label files for its images", got, hint)


def _unlisted(layout: Layout) -> list[Path]:
    """Images below the root that no list of a split names."""
    below = (layout.root / name for name in images_below(layout.root)) if layout.listed else ()
    listed = {os.path.abspath(path) for path in layout.images}  # noqa: PTH100 (links stay)
    return [path for path in below if os.path.abspath(path) not in listed]  # noqa: PTH100


def _take_unlisted(path: Path, labels: Path | None, layout: Layout, dataset: Dataset, source: Source) -> None:
    """With labels it is kept, in no split; without, nothing says that it belongs to the dataset."""
    picture = Picture(name_below(path, layout.root), source.name(path), path)
    if labels is None:
        take_unlabelled(picture, "image without a label file that no list names", dataset, source)
        return
    if not is_converted(layout.root):
        source.findings.note("labelled image that no list names", "kept, in no split", picture.where)
    _read_labels(picture, labels, dataset, layout, source)


def _folder(picture: Picture, root: Path) -> str:
    path = picture.path
    return path.parent.relative_to(root).as_posix() if path is not None and path.is_relative_to(root) else ""


def _set_names(names: dict[int, str], dataset: Dataset) -> None:
    """Boxes are labelled by name, so that a file of classes can give other numbers, unless two share a name."""
    dataset.names = names
    if len(set(names.values())) == len(names):
        dataset.names, dataset.numbers = {}, {name: number for number, name in names.items()}


def _report_keypoints(layout: Layout, findings: Findings) -> None:
    """Every long line looks like a box and its keypoints: a polygon would give another box, so the user must say."""
    if layout.keypoints is None and layout.like_keypoints and len(layout.like_keypoints) == layout.num_long:
        got = Phrase(f"{counted(layout.num_long, 'such line')}, and no kpt_shape in data.yaml")
        hint = "for keypoints write kpt_shape: [number, 2 or 3] into data.yaml, for polygons kpt_shape: null"
        findings.problem(layout.like_keypoints[0], "a box or a polygon, not a box and keypoints", got, hint)


def _read_labels(picture: Picture, path: Path, dataset: Dataset, layout: Layout, source: Source) -> None:
    dataset.pictures.append(picture)
    if not measure(picture, source.findings):
        return
    names = {number: name for name, number in dataset.numbers.items()}
    for place, line in read_lines(path, source.name(path), source.findings):
        parsed = _parse(line, place, layout, source.findings)
        if parsed is None:
            continue
        number, (x, y, width, height) = parsed
        if names and number not in names:
            expected = f"a class of the names ({min(names)} to {max(names)})"
            source.findings.problem(place, expected, Phrase(number), "add it to the names")
            continue
        size = picture.width, picture.height
        box = Box(names.get(number, number), x * size[0], y * size[1], width * size[0], height * size[1], place)
        add_box(picture, box, source.findings)


def _parse(
    line: str, place: str, layout: Layout, findings: Findings
) -> tuple[int, tuple[float, float, float, float]] | None:
    """Class and x, y, width, height, as fractions."""
    fields, keypoints = line.split(), bool(layout.keypoints)
    number, numbers = _class_number(fields[0]), [to_number(field) for field in fields[1:]]
    if number is None or None in numbers or not _is_count(len(numbers), keypoints):
        findings.problem(place, _EXPECTED, line, _hint(fields, numbers))
        return None
    values = [number or 0.0 for number in numbers]
    if len(values) == 6 and not keypoints and fields[-1].isdecimal() and 0 <= values[4] <= 1:
        hint = "the last two numbers seem to be a prediction's score and track; delete them if these are labels"
        hint += f", or write {fields[-1]}.0 for the last point of a triangle"
        findings.problem(place, _EXPECTED, line, hint)
        return None
    if max(map(abs, values[:4] if keypoints else values)) > _MAX_FRACTION:
        hint = "these look like pixels; divide them by the image's size"
        findings.problem(place, "fractions of the image's size, 0 to 1", line, hint)
        return None
    where = place.rpartition(":")[0]
    if len(values) == 4 or keypoints:
        findings.note("keypoints", "only their box kept", where, int(len(values) > 4))
        return number, (values[0] - values[2] / 2, values[1] - values[3] / 2, values[2], values[3])
    layout.num_long += 1
    layout.like_keypoints += [place] if like_keypoints(values) else []
    findings.note("polygon or rotated box", "the upright box around it kept", where)
    return number, enclosing(zip(values[::2], values[1::2], strict=True))


def _class_number(text: str) -> int | None:
    """A class as a whole number from 0, also where a table of numbers was saved (``2.000000e+00``); else None."""
    plain = text.removeprefix("+")
    if plain.isascii() and plain.isdecimal() and len(plain) < 18:
        return int(plain)
    value = to_number(text)
    return int(value) if value is not None and value.is_integer() and 0 <= value < 2**53 else None


def _hint(fields: list[str], numbers: list[float | None]) -> str:
    """What to do about a line that is none of the format."""
    if None in numbers and all(to_number(field.replace(",", ".")) is not None for field in fields):
        return "write decimals with a point"
    if any("," in field or ";" in field for field in fields):
        return "separate the numbers with spaces"
    values = [number for number in numbers if number is not None]
    if len(values) > 5 and len(values) == len(numbers) and len(values) % 3 == 1 and like_keypoints(values):
        return "for a box and keypoints write kpt_shape: [number, 3] into data.yaml"
    is_scored = len(numbers) == 5 and all(number is not None and 0 <= number <= 1 for number in numbers)
    return "the last number seems to be the score of a prediction; delete it if these are labels" if is_scored else ""


def _is_count(count: int, keypoints: bool) -> bool:
    return count == 4 or (keypoints and count > 4) or (count >= 6 and count % 2 == 0)


def write(dataset: Dataset, out: Path) -> None:
    """labels/, data.yaml, and a list of images for each split; classes are counted from 0 as YOLO must have it."""
    index = {number: i for i, number in enumerate(dataset.names)}
    for parent in {label_path(out / "images" / picture.file_name).parent for picture in dataset.pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    for picture in dataset.pictures:
        text = "".join(_line(box, index[int(box.label)], picture) for box in picture.boxes)
        label_path(out / "images" / picture.file_name).write_text(text, encoding="utf-8")
    splits = {}
    for split in SPLITS:
        names = [picture.file_name for picture in dataset.pictures if picture.split == split]
        if names:
            splits[split] = f"{split}.txt"
            text = "".join(f"./images/{name}\n" for name in names)
            (out / f"{split}.txt").write_text(text, encoding="utf-8")
    lines = [f"{key}: {value}\n" for key, value in (splits or {"train": "images", "val": "images"}).items()]
    if not splits:
        lines.insert(0, _NO_SPLITS)
    lines += ["names:\n", *(f"  {i}: {json.dumps(dataset.names[n], ensure_ascii=False)}\n" for n, i in index.items())]
    (out / "data.yaml").write_text("".join(lines), encoding="utf-8")


def _line(box: Box, index: int, picture: Picture) -> str:
    center = (box.x + box.width / 2) / picture.width, (box.y + box.height / 2) / picture.height
    size = box.width / picture.width, box.height / picture.height
    return f"{index} {' '.join(f'{value:.12g}' for value in (*center, *size))}\n"
