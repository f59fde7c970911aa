"""labelme's JSON, one file an image, beside it. Source: https://github.com/wkentaro/labelme."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from anomdet.data.index.files import list_files
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Picture, Source, add_box, enclosing
from anomdet.formats.json_files import entries, points_of, read_json, size_of, text_of, write_json
from anomdet.formats.pictures import base_name, find_image, is_image

_TOP = frozenset({"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"})
_SHAPE = frozenset({"label", "points", "group_id", "description", "shape_type", "flags", "mask", "difficult"})
_SHAPES = ("rectangle", "polygon", "circle", "mask")


def read(source: Source) -> Dataset:
    """A folder of JSON files; the images beside them, where ``imagePath`` says, or in ``--images``."""
    dataset = Dataset()
    if not source.path.is_dir():
        source.findings.problem(str(source.path), "a folder of JSON files", Phrase("a file"))
        return dataset
    files = list_files(source.path)
    for file in files:
        if file.suffix != ".json":
            continue
        content = read_json(source.path / file.name, file.name, source.findings)
        if isinstance(content, dict) and "shapes" in content:
            dataset.pictures.append(_picture(content, file.name, file.stem, source))
        elif content is not None:
            source.findings.problem(file.name, "labelme's object with shapes", Phrase(type(content).__name__))
    known = {picture.path for picture in dataset.pictures}
    for file in files:
        if is_image(file.name) and source.path / file.name not in known:
            source.findings.note("image without a JSON file", "left out as not labelled", file.name)
    return dataset


def _picture(content: dict, where: str, stem: str, source: Source) -> Picture:
    findings = source.findings
    given = text_of(content, "imagePath", where, findings) or ""
    prefix = where[: where.rfind("/") + 1]
    name = base_name(given)
    if source.images is not None:
        path = find_image([prefix + name, name], [source.images])
    else:
        path = find_image([name, given.replace("\\", "/")], [(source.path / where).parent])
    size = size_of(content, ("imageWidth", "imageHeight"), where, findings)
    picture = Picture(prefix + name, where, path, *size)
    for shape, place in entries(content, "shapes", where, findings):
        _shape(shape, place, picture, where, findings)
    flags = content.get("flags")
    true_flags = sum(bool(value) for value in flags.values()) if isinstance(flags, dict) else 0
    findings.note("flag of an image", "left out", where, true_flags)
    findings.unknown(content, _TOP, "top-level key", where)
    return picture


def _shape(shape: dict, place: str, picture: Picture, where: str, findings: Findings) -> None:
    kind = shape.get("shape_type", "polygon")
    if kind not in _SHAPES:
        findings.note(f"shape {kind!r}", "left out: it has no box", where)
        return
    label = text_of(shape, "label", place, findings)
    points = points_of(shape.get("points"))
    fixed = {"rectangle": 2, "circle": 2, "mask": 2}.get(kind)
    if points is None or (fixed is not None and len(points) not in (fixed, 4 if kind == "rectangle" else fixed)):
        expected = "points [[x1, y1], [x2, y2]]" if fixed else "points [[x, y], ...]"
        findings.problem(f"{place}.points", expected, shape.get("points", NOTHING))
        return
    if label is not None:
        add_box(picture, Box(label.strip(), *_xywh(kind, points), place), findings)
    if kind != "rectangle":
        findings.note(f"shape {kind!r}", "only its box kept", where)
    for key in ("group_id", "description", "flags", "difficult"):
        findings.note(f"shape's {key!r}", "left out", where, int(shape.get(key) not in (None, "", {}, False)))
    findings.unknown(shape, _SHAPE, "shape's", where)


def _xywh(kind: str, points: list[tuple[float, float]]) -> tuple[float, float, float, float]:
    if kind != "circle":
        return enclosing(points)
    (center_x, center_y), (edge_x, edge_y) = points
    radius = math.hypot(edge_x - center_x, edge_y - center_y)
    return center_x - radius, center_y - radius, 2 * radius, 2 * radius


def write(dataset: Dataset, out: Path) -> None:
    """A JSON beside each image; the pictures are not embedded."""
    for picture in dataset.pictures:
        shapes: list[dict[str, Any]] = [
            {
                "label": dataset.names[int(box.label)],
                "points": [[box.x, box.y], [box.x + box.width, box.y + box.height]],
                "group_id": None,
                "description": "",
                "shape_type": "rectangle",
                "flags": {},
            }
            for box in picture.boxes
        ]
        content: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": base_name(picture.file_name),
            "imageData": None,
            "imageHeight": picture.height,
            "imageWidth": picture.width,
        }
        write_json(out / f"{picture.stem}.json", content)
