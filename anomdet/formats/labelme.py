"""labelme's JSON, one file an image, beside it. Source: https://github.com/wkentaro/labelme."""

from __future__ import annotations

import math
import os
import posixpath
from pathlib import Path
from typing import Any

from anomdet.data.index.files import list_files
from anomdet.data.index.spelling import plain_spelling
from anomdet.formats.accounting import splits_by_folder, take_unused, tell_apart
from anomdet.formats.dataset import (
    NOTHING,
    Box,
    Dataset,
    Findings,
    Phrase,
    Picture,
    Source,
    add_box,
    around,
    enclosing,
)
from anomdet.formats.embedded import take_embedded
from anomdet.formats.image_files import ImageFiles
from anomdet.formats.json_files import entries, points_of, read_json, size_of, text_of, write_json
from anomdet.formats.pictures import base_name, is_file, is_image

_TOP = frozenset({"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"})
_OWN = frozenset({"imagePath", "imageData", "imageHeight", "imageWidth"})  # of these at least one shows a file of it
_SHAPE = frozenset({"label", "points", "group_id", "description", "shape_type", "flags", "mask", "difficult"})


def read(source: Source) -> Dataset:
    """A folder of JSON files; the images beside them, where ``imagePath`` says, in ``--images`` or in the JSON."""
    dataset = Dataset()
    if not source.path.is_dir():
        source.findings.problem(str(source.path), "a folder of JSON files", Phrase("a file"))
        return dataset
    files = ImageFiles([source.images or source.path], source.findings)
    for file in list_files(source.path):
        if file.suffix != ".json":
            continue
        content = read_json(source.path / file.name, file.name, source.findings)
        if isinstance(content, dict) and "shapes" in content:
            dataset.pictures.append(_picture(content, file.stem, file.name, files, source))
        elif content is not None and _is_another(content, file.stem, files, source):
            source.findings.note("JSON file that is not labelme's", "left out", file.name)
        elif content is not None:
            source.findings.problem(file.name, "labelme's object with shapes", Phrase(type(content).__name__))
    take_unused(files, "image without a JSON file", dataset, source)
    splits_by_folder(dataset, source.path, lambda picture: picture.where.rpartition("/")[0])
    tell_apart(dataset, source, lambda picture: picture.where.rpartition("/")[0])
    return dataset


def _is_another(content: Any, stem: str, files: ImageFiles, source: Source) -> bool:
    """Whether a JSON file without shapes is of another kind, as settings are, and not the damaged one of an image."""
    has_image = any(is_file(source.path / f"{stem}{suffix}") for suffix in files.suffixes)
    return not has_image and not (isinstance(content, dict) and _OWN & content.keys())


def _picture(content: dict, stem: str, where: str, files: ImageFiles, source: Source) -> Picture:
    findings = source.findings
    size = size_of(content, ("imageWidth", "imageHeight"), where, findings)
    picture = Picture("", where, None, *size)
    _find_image(text_of(content, "imagePath", where, findings) or "", stem, picture, files, source)
    if picture.path is None:
        take_embedded(content, stem, picture, source)
    groups: dict[tuple[int, str], int] = {}
    for shape, place in entries(content, "shapes", where, findings):
        num_before = len(picture.boxes)
        _shape(shape, place, picture, where, findings)
        if len(picture.boxes) > num_before:
            _join_group(shape.get("group_id"), groups, picture, where, findings)
    flags = content.get("flags")
    true_flags = sum(bool(value) for value in flags.values()) if isinstance(flags, dict) else 0
    if true_flags and not picture.boxes and not picture.left_out:
        findings.leave_out(picture, "flag of an image without a shape", where)  # it may name a defect
    else:
        findings.note("flag of an image", "left out", where, true_flags)
    findings.unknown(content, _TOP, "top-level key", where)
    return picture


def _find_image(given: str, stem: str, picture: Picture, files: ImageFiles, source: Source) -> None:
    """The image of the JSON file's own name; where there is none, the one that ``imagePath`` names.

    An image that it names and that is there too belongs to another file, or one of the two was renamed: reported.
    """
    folder, _, own_stem = stem.rpartition("/")
    prefix = f"{folder}/" if folder else ""
    base = base_name(given)
    named = [f"{prefix}{base}", posixpath.normpath(prefix + given.replace("\\", "/"))] if base else []
    own = [f"{prefix}{own_stem}{suffix}" for suffix in files.suffixes]
    if plain_spelling(base.rpartition(".")[0]) == plain_spelling(own_stem):
        path = files.find([*named, *own], picture.where)
    else:
        path, other = (files.find(names, picture.where, quiet=True) for names in (own, named))
        if path is not None and other not in (None, path):
            fate = "paired by the file's own name"
            source.findings.note("imagePath of another image that is there too", fate, f"{picture.where}: {base}")
        path = path or other or files.find([*named, *own], picture.where)
    if path is None and source.images is None:
        path = _beside_source(source.path / folder / given.replace("\\", "/"), source)
    files.use(picture, path, f"{prefix}{path.name if path is not None else base}")


def _beside_source(path: Path, source: Source) -> Path | None:
    """An image in a folder beside the source, as ``../images/a.png``; nothing further away is opened."""
    target = Path(os.path.abspath(path))  # noqa: PTH100 (links stay)
    inside = target.is_relative_to(Path(os.path.abspath(source.path)).parent)  # noqa: PTH100
    return target if inside and is_image(target.name) and is_file(target) else None


def _shape(shape: dict, place: str, picture: Picture, where: str, findings: Findings) -> None:
    kind = shape.get("shape_type") or "polygon"
    if not isinstance(kind, str):
        findings.problem(f"{place}.shape_type", "text, as 'polygon'", kind)
        return
    label = text_of(shape, "label", place, findings)
    points = points_of(shape.get("points"))
    fixed = {"rectangle": (2, 4), "circle": (2,), "mask": (2,)}.get(kind)
    if points is None or (fixed is not None and len(points) not in fixed):
        expected = "points [[x1, y1], [x2, y2]]" if fixed else "points [[x, y], ...]"
        findings.problem(f"{place}.points", expected, shape.get("points", NOTHING))
        return
    xywh = _xywh(kind, points)
    if xywh is None:
        findings.leave_out(picture, f"shape {kind!r}", where)
        return
    if label is not None:
        add_box(picture, Box(label.strip(), *xywh, place), findings)
    if kind != "rectangle":
        findings.note(f"shape {kind!r}", "only its box kept", where)
    for key in ("group_id", "description", "flags", "difficult"):
        findings.note(f"shape's {key!r}", "left out", where, int(shape.get(key) not in (None, "", {}, False)))
    findings.unknown(shape, _SHAPE, "shape's", where)


def _join_group(
    group: Any, groups: dict[tuple[int, str], int], picture: Picture, where: str, findings: Findings
) -> None:
    """Shapes of one label and group are parts of one object: the last box goes into the first of its group."""
    if not isinstance(group, int) or isinstance(group, bool):
        return
    box = picture.boxes[-1]
    first = groups.setdefault((group, str(box.label)), len(picture.boxes) - 1)
    if picture.boxes[first] is not box:
        picture.boxes.pop()
        one = picture.boxes[first]
        corners = [(each.x, each.y) for each in (one, box)]
        corners += [(each.x + each.width, each.y + each.height) for each in (one, box)]
        picture.boxes[first] = Box(one.label, *enclosing(corners), one.where)
        findings.note("shape of a group with the same label", "one box around the group", where)


def _xywh(kind: str, points: list[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    """The box around a shape; None around a single point."""
    if kind in ("rectangle", "mask", "polygon"):
        return enclosing(points)
    if kind != "circle":
        return around(points)
    (center_x, center_y), (edge_x, edge_y) = points
    radius = math.hypot(edge_x - center_x, edge_y - center_y)
    return center_x - radius, center_y - radius, 2 * radius, 2 * radius


def write(dataset: Dataset, out: Path) -> None:
    """A JSON beside each image; the images are not embedded."""
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
