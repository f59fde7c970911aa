"""YOLO's text labels: ``class x_center y_center width height``, each a fraction of the image's width or height.

Source: https://docs.ultralytics.com/datasets/detect. As there, a label file lies where the last ``/images/`` of an
image's path is replaced by ``/labels/``; beside the image, as darknet has it, is found too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from anomdet.formats.pictures import images_below, is_file, is_image, measure
from anomdet.formats.side_files import load_yaml, read_lines
from anomdet.layout import CLASSES_FILE, SPLITS

_SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_NAME_FILES = ("classes.txt", "labels/classes.txt", "obj.names", "classes.names")
_MAX_FRACTION = 2.0  # a box may leave its image in part; pixels are far above


def read(source: Source) -> Dataset:
    """A data.yaml, its folder, or a folder of images and labels with classes.txt or obj.names."""
    dataset = Dataset()
    yaml_path, content = _settings(source)
    if source.findings.problems:
        return dataset
    root = source.path if source.path.is_dir() else source.path.parent
    if yaml_path is not None:
        root = _root(content, yaml_path)
        _set_names(_names(content, source.name(yaml_path), source.findings), dataset)
        keypoints = bool(content.get("kpt_shape"))
        found = list(_listed(content, root, source))
    else:
        _set_names(_names_from_lines(root, source), dataset)
        keypoints, found = False, []
    found = found or [(root / name, "") for name in images_below(root)]
    splits: dict[Path, set[str]] = {}
    for path, split in found:
        splits.setdefault(path, set()).add(split)
    for path, own in splits.items():
        picture = Picture(_name(path, root), source.name(path), path, split=min(own) if len(own) == 1 else "")
        if len(own) > 1 and content.get("train") != content.get("val"):
            source.findings.note("image in several splits", "put in none", picture.where)
        dataset.pictures.append(picture)
        _read_labels(picture, path, dataset, keypoints, source)
    return dataset


def _settings(source: Source) -> tuple[Path | None, dict]:
    """The YAML file with ``names``, and its content."""
    if source.path.is_file():
        paths = [source.path]
    else:
        paths = sorted(path for path in source.path.glob("*.y*ml") if path.name != CLASSES_FILE)
    for path in paths:
        content = load_yaml(path, source.name(path), source.findings)
        if isinstance(content, dict) and "names" in content:
            return path, content
    if source.path.is_file() and not source.findings.problems:
        source.findings.problem(f"{source.name(source.path)}: names", "the names of the classes", NOTHING)
    return None, {}


def _root(content: dict, yaml_path: Path) -> Path:
    """``path`` where it leads somewhere; it is often that of another machine."""
    given = yaml_path.parent / str(content.get("path") or "")
    return given if os.path.isdir(given) else yaml_path.parent  # noqa: PTH112 (as is_file)


def _names(content: dict, where: str, findings: Findings) -> dict[int, str]:
    names: Any = content["names"]
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(number, int) for number in names):
        findings.problem(f"{where}: names", "a list of names, or {0: scratch, 1: dent}", names)
        return {}
    for number, name in names.items():
        if not isinstance(name, (str, int)) or isinstance(name, bool):
            findings.problem(f"{where}: names.{number}", "a text", name, "put it in quotes")
    return {number: str(name) for number, name in names.items()}


def _names_from_lines(root: Path, source: Source) -> dict[int, str]:
    path = next((root / name for name in _NAME_FILES if (root / name).is_file()), None)
    if path is None:
        return {}
    return {number: line for number, (_, line) in enumerate(read_lines(path, source.name(path), source.findings))}


def _set_names(names: dict[int, str], dataset: Dataset) -> None:
    """Boxes are labelled by name, so that a file of classes can give other numbers, unless two share a name."""
    dataset.names = names
    if len(set(names.values())) == len(names):
        dataset.names, dataset.numbers = {}, {name: number for number, name in names.items()}


def _listed(content: dict, root: Path, source: Source) -> Iterator[tuple[Path, str]]:
    """Images and their split by the lists and folders of train, val and test."""
    for key, split in _SPLITS.items():
        value = content.get(key)
        for text in value if isinstance(value, list) else [value] if value else []:
            # Roboflow writes ../train/images where train/images is meant
            guesses = [root / str(text), root / str(text).removeprefix("../")]
            path = next((guess for guess in guesses if os.path.exists(guess)), None)  # noqa: PTH110
            if path is None:
                source.findings.problem(f"data.yaml: {key}", "a folder or a list of images", str(text), "mend the path")
            elif path.is_dir():
                yield from ((path / name, split) for name in images_below(path))
            else:
                yield from ((image, split) for image in _from_list(path, root, source))


def _from_list(path: Path, root: Path, source: Source) -> Iterator[Path]:
    for place, line in read_lines(path, source.name(path), source.findings):
        if not is_image(line):
            source.findings.problem(place, "the path of an image", line)
            continue
        guesses = [path.parent / line, root / line]
        yield next((guess for guess in guesses if is_file(guess)), guesses[0])


def _name(path: Path, root: Path) -> str:
    """Below the root, without the folder ``images``."""
    path, root = (Path(os.path.abspath(part)) for part in (path, root))  # noqa: PTH100 (links stay)
    if not path.is_relative_to(root):
        return path.name
    parts = list(path.relative_to(root).parts)
    if "images" in parts[:-1]:
        parts.pop(len(parts) - 2 - parts[-2::-1].index("images"))
    return "/".join(parts)


def _label_path(path: Path) -> Path:
    before, found, after = os.fspath(path).rpartition("/images/")
    text = os.fspath(path.with_suffix(".txt"))
    if not found:
        return Path(text)
    mirrored = Path(f"{before}/labels/{after}").with_suffix(".txt")
    return mirrored if is_file(mirrored) or not is_file(text) else Path(text)


def _read_labels(picture: Picture, path: Path, dataset: Dataset, keypoints: bool, source: Source) -> None:
    if not measure(picture, source.findings):
        return
    label_path = _label_path(path)
    if not is_file(label_path):
        source.findings.note("image without a label file", "taken as normal, as YOLO does", picture.where)
        return
    names = {number: name for name, number in dataset.numbers.items()}
    for place, line in read_lines(label_path, source.name(label_path), source.findings):
        parsed = _parse(line, place, keypoints, source.findings)
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
    line: str, place: str, keypoints: bool, findings: Findings
) -> tuple[int, tuple[float, float, float, float]] | None:
    """Class and x, y, width, height, as fractions."""
    fields = line.split()
    numbers = [to_number(field) for field in fields[1:]]
    is_class = fields[0].lstrip("+").isascii() and fields[0].lstrip("+").isdecimal() and len(fields[0]) < 18
    if not is_class or None in numbers or not _is_count(len(numbers), keypoints):
        expected = "'class x_center y_center width height', or a class and the points of a polygon"
        findings.problem(place, expected, line, "separate the numbers with spaces" if "," in line else "")
        return None
    values = [number or 0.0 for number in numbers]
    if max(map(abs, values[:4] if keypoints else values)) > _MAX_FRACTION:
        hint = "these look like pixels; divide them by the image's size"
        findings.problem(place, "fractions of the image's size, 0 to 1", line, hint)
        return None
    where = place.rpartition(":")[0]
    if len(values) == 4 or keypoints:
        findings.note("keypoints", "only their box kept", where, int(len(values) > 4))
        return int(fields[0]), (values[0] - values[2] / 2, values[1] - values[3] / 2, values[2], values[3])
    findings.note("polygon or rotated box", "the upright box around it kept", where)
    return int(fields[0]), enclosing(zip(values[::2], values[1::2], strict=True))


def _is_count(count: int, keypoints: bool) -> bool:
    return count == 4 or (keypoints and count > 4) or (count >= 6 and count % 2 == 0)


def write(dataset: Dataset, out: Path) -> None:
    """labels/, data.yaml, and a list of images for each split; classes are counted from 0 as YOLO must have it."""
    index = {number: i for i, number in enumerate(dataset.names)}
    for parent in {_label_path(out / "images" / picture.file_name).parent for picture in dataset.pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    for picture in dataset.pictures:
        text = "".join(_line(box, index[int(box.label)], picture) for box in picture.boxes)
        _label_path(out / "images" / picture.file_name).write_text(text, encoding="utf-8")
    splits = {}
    for split in SPLITS:
        names = [picture.file_name for picture in dataset.pictures if picture.split == split]
        if names:
            splits[split] = f"{split}.txt"
            text = "".join(f"./images/{name}\n" for name in names)
            (out / f"{split}.txt").write_text(text, encoding="utf-8")
    lines = [f"{key}: {value}\n" for key, value in (splits or {"train": "images", "val": "images"}).items()]
    lines += ["names:\n", *(f"  {i}: {json.dumps(dataset.names[n], ensure_ascii=False)}\n" for n, i in index.items())]
    (out / "data.yaml").write_text("".join(lines), encoding="utf-8")


def _line(box: Box, index: int, picture: Picture) -> str:
    center = (box.x + box.width / 2) / picture.width, (box.y + box.height / 2) / picture.height
    size = box.width / picture.width, box.height / picture.height
    return f"{index} {' '.join(f'{value:.12g}' for value in (*center, *size))}\n"
