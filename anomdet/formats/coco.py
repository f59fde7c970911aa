"""COCO's detection JSON: images, annotations with bbox [x, y, width, height] in pixels, categories.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Picture, Source, add_box
from anomdet.formats.json_files import entries, integer_of, numbers_of, read_json, size_of, text_of, write_json
from anomdet.formats.pictures import find_image

_TOP = frozenset({"images", "annotations", "categories", "info", "licenses"})
_IMAGE = frozenset({"id", "file_name", "width", "height"})
_ANNOTATION = frozenset({"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "keypoints"})
_ANNOTATION |= {"num_keypoints"}
_SPLIT = re.compile(r"(?:^|[^a-z])(train|valid|val|test)(?:[^a-z]|$)")


def read(source: Source) -> Dataset:
    """A JSON file, or a folder with one or several, each a split if its name says so."""
    paths = [source.path] if source.path.is_file() else _json_files(source.path)
    if not paths:
        hint = "name the JSON file itself"
        source.findings.problem(str(source.path), "a COCO file as annotations/instances.json", NOTHING, hint)
    dataset = Dataset()
    for path in paths:
        where = source.name(path)
        content = read_json(path, where, source.findings)
        if isinstance(content, dict):
            _read_file(content, path, where, source, dataset)
        elif content is not None:
            expected = "an object with images, annotations and categories"
            source.findings.problem(where, expected, Phrase(type(content).__name__))
    return dataset


def _json_files(folder: Path) -> list[Path]:
    """In the folder, in annotations/, or in the folders of the splits, as Roboflow exports."""
    for pattern in ("annotations/*.json", "*.json", "*/_annotations.coco.json"):
        if found := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return found
    return []


def _read_file(content: dict, path: Path, where: str, source: Source, dataset: Dataset) -> None:
    findings = source.findings
    findings.unknown(content, _TOP, "top-level key", where)
    names = _categories(content, where, findings)
    for number, name in names.items():
        if dataset.names.setdefault(number, name) != name:
            expected = f"{dataset.names[number]!r} as name of class {number}, as in the other files"
            findings.problem(f"{where}: categories", expected, name)
    pictures = _images(content, path, where, source)
    dataset.pictures += pictures.values()
    for annotation, place in entries(content, "annotations", where, findings):
        _annotation(annotation, place, pictures, names, findings)


def _categories(content: dict, where: str, findings: Findings) -> dict[int, str]:
    names: dict[int, str] = {}
    for category, place in entries(content, "categories", where, findings):
        number, name = integer_of(category, "id", place, findings), text_of(category, "name", place, findings)
        if number is None or name is None:
            continue
        if number in names:
            findings.problem(f"{place}.id", "an id that no other has", number)
        names[number] = name
        if category.get("supercategory") not in (None, "", "none", name):
            findings.note("category's supercategory", "left out", where)
        findings.unknown(category, frozenset({"id", "name", "supercategory"}), "category's", where)
    return names


def _images(content: dict, path: Path, where: str, source: Source) -> dict[int, Picture]:
    split = _SPLIT.search(path.stem.lower()) or _SPLIT.search(path.parent.name.lower())
    roots = _image_roots(path, source)
    pictures: dict[int, Picture] = {}
    for image, place in entries(content, "images", where, source.findings):
        number = integer_of(image, "id", place, source.findings)
        name = text_of(image, "file_name", place, source.findings)
        if number is None or name is None:
            continue
        if number in pictures:
            source.findings.problem(f"{place}.id", "an id that no other has", number)
        name = name.replace("\\", "/").removeprefix("./")
        size = size_of(image, ("width", "height"), place, source.findings)
        picture = Picture(name, place, find_image([name], roots), *size)
        picture.split = split[1].replace("valid", "val") if split else ""
        pictures[number] = picture
        source.findings.unknown(image, _IMAGE, "image's", where)
    return pictures


def _image_roots(path: Path, source: Source) -> list[Path]:
    """As COCO, Roboflow, CVAT and Label Studio lay them beside the JSON."""
    if source.images is not None:
        return [source.images]
    folder, stem = path.parent, path.stem.removeprefix("instances_")
    parents = (folder, folder.parent) if folder.name == "annotations" else (folder,)
    return [root / name for root in parents for name in ("", "images", stem, f"images/{stem}")]


def _annotation(
    annotation: dict, place: str, pictures: dict[int, Picture], names: dict[int, str], findings: Findings
) -> None:
    where = place.split(": ")[0]
    picture, number = pictures.get(_key(annotation, "image_id")), _key(annotation, "category_id")
    bbox = numbers_of(annotation.get("bbox"), 4)
    if picture is None:
        findings.problem(f"{place}.image_id", "the id of an image", annotation.get("image_id", NOTHING))
    if number not in names:
        findings.problem(f"{place}.category_id", "the id of a category", annotation.get("category_id", NOTHING))
    if bbox is None:
        expected = "[x, y, width, height], finite numbers"
        findings.problem(f"{place}.bbox", expected, annotation.get("bbox", NOTHING))
    if picture is None or number not in names or bbox is None:
        return
    add_box(picture, Box(number, bbox[0], bbox[1], bbox[2], bbox[3], place), findings)
    _losses(annotation, f"{where}: {picture.file_name}", findings)


def _losses(annotation: dict, where: str, findings: Findings) -> None:
    findings.note("crowd (iscrowd: 1)", "kept as an ordinary box", where, int(bool(annotation.get("iscrowd"))))
    findings.note("segment", "only its box kept", where, int(bool(annotation.get("segmentation"))))
    findings.note("keypoints", "only their box kept", where, int(bool(annotation.get("keypoints"))))
    for key, value in annotation.items():
        if key not in _ANNOTATION and value not in (None, {}, []):
            findings.note(f"annotation's {key!r}", "left out", where)


def _key(annotation: dict, key: str) -> int:
    """An id to look up; one that is never there if it is no integer."""
    value = annotation.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else -(10**30)


def write(dataset: Dataset, out: Path) -> None:
    """annotations/instances.json, or instances_train.json and so on where there are splits."""
    splits = sorted({picture.split for picture in dataset.pictures})
    for split in splits:
        name = f"instances_{split}.json" if split else "instances.json" if len(splits) == 1 else "instances_rest.json"
        pictures = [picture for picture in dataset.pictures if picture.split == split]
        write_json(out / "annotations" / name, _content(pictures, dataset.names))


def _content(pictures: list[Picture], names: dict[int, str]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, picture in enumerate(pictures, start=1):
        size = {"width": picture.width, "height": picture.height}
        images.append({"id": number, "file_name": picture.file_name, **size})
        for box in picture.boxes:
            entry = {"id": len(annotations) + 1, "image_id": number, "category_id": box.label}
            bbox = [box.x, box.y, box.width, box.height]
            annotations.append({**entry, "bbox": bbox, "area": box.width * box.height, "iscrowd": 0})
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in names.items()]
    return {"info": {}, "licenses": [], "images": images, "annotations": annotations, "categories": categories}
