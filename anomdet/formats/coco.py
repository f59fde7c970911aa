"""COCO's detection JSON: images, annotations with bbox [x, y, width, height] in pixels, categories.

Source: https://cocodataset.org/#format-data.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from anomdet.data.index.files import list_files
from anomdet.formats.accounting import take_empty, take_unused, tell_apart
from anomdet.formats.coco_segments import box_around, is_elsewhere
from anomdet.formats.dataset import (
    NOTHING,
    Box,
    Dataset,
    Findings,
    Phrase,
    Picture,
    Source,
    add_box,
    rotated,
)
from anomdet.formats.image_files import ImageFiles
from anomdet.formats.json_files import entries, integer_of, numbers_of, read_json, size_of, text_of, write_json
from anomdet.formats.split_files import folder_of, splits_of_files

_TOP = frozenset({"images", "annotations", "categories", "info", "licenses"})
_IMAGE = frozenset({"id", "file_name", "width", "height"})
_ANNOTATION = frozenset({"id", "image_id", "category_id", "bbox", "area", "iscrowd", "segmentation", "keypoints"})
_ANNOTATION |= {"num_keypoints"}


def read(source: Source) -> Dataset:
    """A JSON file, or a folder with one or several below it, each a split if its whole name or folder says so."""
    paths = [source.path] if source.path.is_file() else _json_files(source)
    splits = splits_of_files(paths, source)
    files = _image_files(paths, source)
    dataset, num_read, groups = Dataset(), 0, set()
    for path in paths:
        where = source.name(path)
        content = read_json(path, where, source.findings)
        if isinstance(content, dict) and (len(paths) == 1 or _holds_boxes(content)):
            num_read += 1
            _read_file(content, path, splits[path], files, source, dataset)
            groups |= _groups(content)
        elif content is not None and source.path.is_file():
            expected = "an object with images, annotations and categories"
            source.findings.problem(where, expected, Phrase(type(content).__name__))
        elif content is not None:
            source.findings.note("JSON file that holds no boxes of COCO's", "left out", where)
    if not num_read and not source.findings.problems:
        hint = "name the JSON file itself"
        source.findings.problem(str(source.path), "a COCO file as annotations/instances.json", NOTHING, hint)
    _leave_out(groups, dataset, source)
    tell_apart(dataset, source, lambda picture: folder_of(picture, source))
    take_empty(dataset, source)
    take_unused(files, "image that no JSON file names", dataset, source)
    return dataset


def _json_files(source: Source) -> list[Path]:
    """All below the folder; of those beside an instances_*.json only files that are called so, as its authors do it."""
    paths = [source.path / file.name for file in list_files(source.path) if file.suffix == ".json"]
    official = {path.parent for path in paths if path.name.startswith("instances_")}
    chosen = [path for path in paths if path.parent not in official or path.name.startswith("instances_")]
    for path in sorted(set(paths) - set(chosen)):
        source.findings.note("JSON file beside instances_*.json", "left out", source.name(path))
    return chosen


def _holds_boxes(content: dict) -> bool:
    annotations = content.get("annotations")
    first = annotations[0] if isinstance(annotations, list) and annotations else {}
    return "images" in content and "annotations" in content and not (isinstance(first, dict) and "caption" in first)


def _image_files(paths: list[Path], source: Source) -> ImageFiles:
    """The folders where COCO, Roboflow, CVAT and Label Studio lay the images."""
    if source.images is not None:
        return ImageFiles([source.images], source.findings)
    if source.path.is_dir():
        return ImageFiles([source.path], source.findings)
    beside = [root for path in paths for root in _roots(path)]
    parents = {path.parent for path in paths} | {path.parent.parent for path in paths}
    return ImageFiles([root for root in beside if root not in parents], source.findings, flat=[source.path.parent])


def _roots(path: Path) -> list[Path]:
    folder, stem = path.parent, path.stem.removeprefix("instances_")
    parents = (folder, folder.parent) if folder.name == "annotations" else (folder,)
    return [root / name for root in parents for name in ("", "images", stem, f"images/{stem}")]


def _read_file(content: dict, path: Path, split: str, files: ImageFiles, source: Source, dataset: Dataset) -> None:
    findings, where = source.findings, source.name(path)
    findings.unknown(content, _TOP, "top-level key", where)
    names = _categories(content, where, findings)
    for number, name in names.items():
        if dataset.names.setdefault(number, name) != name:
            expected = f"{dataset.names[number]!r} as name of class {number}, as in the other files"
            findings.problem(f"{where}: categories", expected, name)
    pictures = _images(content, where, split, files, [source.images] if source.images else _roots(path), findings)
    dataset.pictures += pictures.values()
    for annotation, place in entries(content, "annotations", where, findings):
        _annotation(annotation, place, pictures, names, findings)


def _categories(content: dict, where: str, findings: Findings) -> dict[int, str]:
    names: dict[int, str] = {}
    for category, place in entries(content, "categories", where, findings):
        category["id"] = _class_number(category.get("id"))
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


def _groups(content: dict) -> set[int]:
    """The numbers of categories that are no classes: Roboflow puts the group of all classes in front of them."""
    categories = content.get("categories")
    listed = [one for one in categories if isinstance(one, dict)] if isinstance(categories, list) else []
    above = {str(one.get("supercategory")) for one in listed if one.get("supercategory") != "none"}
    heads = [one for one in listed if one.get("supercategory") == "none" and str(one.get("name")) in above]
    return {_key(one, "id") for one in heads}


def _leave_out(groups: set[int], dataset: Dataset, source: Source) -> None:
    """Groups of classes that no annotation uses, in place."""
    used = {box.label for picture in dataset.pictures for box in picture.boxes}
    for number in sorted(groups & dataset.names.keys() - used):
        what = f"category {dataset.names.pop(number)!r}, the group of the others without an annotation"
        source.findings.note(what, "left out", f"category {number}")


def _images(
    content: dict, where: str, split: str, files: ImageFiles, roots: list[Path], findings: Findings
) -> dict[str, Picture]:
    pictures: dict[str, Picture] = {}
    for image, place in entries(content, "images", where, findings):
        number = _image_id(image, place, findings)
        name = text_of(image, "file_name", place, findings)
        if number is None or name is None:
            continue
        if number in pictures:
            findings.problem(f"{place}.id", "an id that no other has", image["id"])
        size = size_of(image, ("width", "height"), place, findings)
        picture = Picture(name, place, None, *size, split=split)
        files.use(picture, files.find([name], place, roots=roots), name)
        pictures[number] = picture
        findings.unknown(image, _IMAGE, "image's", where)
    return pictures


def _image_id(image: dict, place: str, findings: Findings) -> str | None:
    """A number or a text, as some tools write it; they are the same if they look the same."""
    value = _whole(image.get("id"))
    if isinstance(value, (int, str)) and not isinstance(value, bool) and value != "":
        return str(value)
    findings.problem(f"{place}.id", "a number or a text", NOTHING if value is None else value)
    return None


def _annotation(
    annotation: dict, place: str, pictures: dict[str, Picture], names: dict[int, str], findings: Findings
) -> None:
    where = place.split(": ")[0]
    picture, number = pictures.get(str(_whole(annotation.get("image_id")))), _key(annotation, "category_id")
    bbox = _bbox(annotation)
    if picture is None:
        findings.problem(f"{place}.image_id", "the id of an image", annotation.get("image_id", NOTHING))
    if number not in names:
        findings.problem(f"{place}.category_id", "the id of a category", annotation.get("category_id", NOTHING))
    if bbox is None:
        expected = "[x, y, width, height], finite numbers"
        findings.problem(f"{place}.bbox", expected, annotation.get("bbox", NOTHING))
    if picture is None or number not in names or bbox is None:
        return
    owner = f"{where}: {picture.file_name}"
    bbox = _turned(annotation, bbox, owner, findings)
    if is_elsewhere(annotation, bbox):
        findings.note("box that lies elsewhere than its segment", "kept; look which of the two is right", owner)
    add_box(picture, Box(number, bbox[0], bbox[1], bbox[2], bbox[3], place), findings)
    _losses(annotation, owner, findings)


def _bbox(annotation: dict) -> list[float] | None:
    """The box; where there is none, or one without an area, that around what is marked."""
    bbox = numbers_of(annotation.get("bbox"), 4)
    if (bbox is None and annotation.get("bbox")) or (bbox is not None and min(bbox[2:]) > 0):
        return bbox
    box = box_around(annotation)
    return list(box) if box else bbox


def _turned(annotation: dict, bbox: list[float], where: str, findings: Findings) -> list[float]:
    """The upright box around a rectangle that CVAT turned: its bbox is as before, the turn is an attribute."""
    attributes = annotation.get("attributes")
    turn = numbers_of([attributes.get("rotation")], 1) if isinstance(attributes, dict) else None
    if not turn or turn[0] % 360 == 0 or annotation.get("segmentation"):
        return bbox
    findings.note("rotated box", "the upright box around it kept", where)
    return list(rotated(bbox[0], bbox[1], bbox[2], bbox[3], turn[0], about_center=True))


def _losses(annotation: dict, where: str, findings: Findings) -> None:
    findings.note("crowd (iscrowd: 1)", "kept as an ordinary box", where, int(bool(annotation.get("iscrowd"))))
    findings.note("segment", "only its box kept", where, int(bool(annotation.get("segmentation"))))
    findings.note("keypoints", "only their box kept", where, int(bool(annotation.get("keypoints"))))
    for key, value in annotation.items():
        if key not in _ANNOTATION and value not in (None, {}, []):
            findings.note(f"annotation's {key!r}", "left out", where)


def _whole(value: Any) -> Any:
    """An id as an integer where a table of numbers has made it 7.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _class_number(value: Any) -> Any:
    """A class number as an integer where a tool has made it 7.0 or a text."""
    is_text = isinstance(value, str) and len(value) < 19 and re.fullmatch(r"-?(0|[1-9][0-9]*)", value) is not None
    return int(value) if is_text else _whole(value)


def _key(annotation: dict, key: str) -> int:
    """A class number to look up; one that is never there if it is no integer."""
    value = _class_number(annotation.get(key))
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
