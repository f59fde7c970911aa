"""CVAT's XML "CVAT for images 1.1". Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat."""

from __future__ import annotations

from pathlib import Path

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
    rotated,
    to_number,
)
from anomdet.formats.pictures import find_image
from anomdet.formats.xml_files import Element, escape, number_in, read_xml, size_in
from anomdet.layout import SPLITS

_BOXES = ("box", "polygon", "ellipse", "mask")
_SPLIT_OF = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_Xywh = tuple[float, float, float, float]


def read(source: Source) -> Dataset:
    """An XML file, or a folder with annotations.xml and images/."""
    path = source.path / "annotations.xml" if source.path.is_dir() else source.path
    where = source.name(path)
    root = read_xml(path, where, "annotations", source.findings)
    dataset = Dataset()
    if root is None:
        return dataset
    roots = [path.parent / "images", path.parent] if source.images is None else [source.images]
    dataset.numbers = {name: number for number, name in enumerate(_declared(root), start=1)}
    for element in root.children:
        if element.tag == "image":
            dataset.pictures.append(_picture(element, where, roots, source.findings))
        elif element.tag == "track":
            hint = "export it as 'CVAT for images 1.1'"
            source.findings.problem(f"{where}:{element.line}", "images", Phrase("a track of a video"), hint)
        elif element.tag not in ("version", "meta"):
            source.findings.note(f"element <{element.tag}>", "left out", where)
    return dataset


def _declared(root: Element) -> list[str]:
    """Label names in the order of the task, project or job."""
    for owner in ("task", "project", "job"):
        labels = root.find("meta", owner, "labels")
        if labels is not None:
            return list(dict.fromkeys(label.child_text("name") for label in labels.children if label.child("name")))
    return []


def _picture(element: Element, where: str, roots: list[Path], findings: Findings) -> Picture:
    place = f"{where}:{element.line}"
    attributes = element.attributes
    name = attributes.get("name", "").replace("\\", "/")
    if not name:
        findings.problem(place, "an image with a name", NOTHING)
    subset = attributes.get("subset", "")
    path = find_image([name, f"{subset}/{name}"] if subset else [name], roots)
    size = size_in((attributes.get("width", ""), attributes.get("height", "")), place, findings)
    picture = Picture(name, place, path, *size, split=_SPLIT_OF.get(subset.lower(), ""))
    if subset.lower() not in (*_SPLIT_OF, "", "default"):
        findings.note(f"subset {subset!r}", "left out", f"{where}: {name}")
    for shape in element.children:
        _shape(shape, picture, where, findings)
    return picture


def _shape(shape: Element, picture: Picture, where: str, findings: Findings) -> None:
    place, owner = f"{where}:{shape.line}", f"{where}: {picture.file_name}"
    if shape.tag not in _BOXES:
        findings.note(f"<{shape.tag}>", "left out: it has no box", owner)
        return
    label = shape.attributes.get("label", "").strip()
    if not label:
        findings.problem(place, "a shape with a label", NOTHING)
    xywh = {"box": _box, "polygon": _polygon, "ellipse": _ellipse, "mask": _mask}[shape.tag](shape, place, findings)
    if label and xywh is not None:
        turned = to_number(shape.attributes.get("rotation", "0")) or 0.0
        if turned % 360:
            xywh = rotated(*xywh, turned, about_center=True)
            findings.note("rotated box", "the upright box around it kept", owner)
        add_box(picture, Box(label, *xywh, place), findings)
    if shape.tag != "box":
        findings.note(f"<{shape.tag}>", "only its box kept", owner)
    findings.note("occluded: 1", "left out", owner, int(shape.attributes.get("occluded", "0") == "1"))
    findings.note("attribute", "left out", owner, sum(child.tag == "attribute" for child in shape.children))
    findings.note("group", "left out", owner, int(shape.attributes.get("group_id", "0") != "0"))


def _numbers(shape: Element, keys: tuple[str, ...], place: str, findings: Findings) -> list[float] | None:
    values = [number_in(shape.attributes.get(key), place, key, findings) for key in keys]
    return None if None in values else [value for value in values if value is not None]


def _box(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    corners = _numbers(shape, ("xtl", "ytl", "xbr", "ybr"), place, findings)
    return None if corners is None else (corners[0], corners[1], corners[2] - corners[0], corners[3] - corners[1])


def _ellipse(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    numbers = _numbers(shape, ("cx", "cy", "rx", "ry"), place, findings)
    if numbers is None:
        return None
    center_x, center_y, radius_x, radius_y = numbers
    return center_x - radius_x, center_y - radius_y, 2 * radius_x, 2 * radius_y


def _mask(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    numbers = _numbers(shape, ("left", "top", "width", "height"), place, findings)
    return None if numbers is None else (numbers[0], numbers[1], numbers[2], numbers[3])


def _polygon(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    text = shape.attributes.get("points", "")
    pairs = [[to_number(number) for number in pair.split(",")] for pair in text.split(";")]
    if any(len(pair) != 2 or None in pair for pair in pairs):
        findings.problem(place, "points as x1,y1;x2,y2", text or NOTHING)
        return None
    return enclosing((pair[0] or 0.0, pair[1] or 0.0) for pair in pairs)


def write(dataset: Dataset, out: Path) -> None:
    """annotations.xml; a picture's split is its subset."""
    labels = "".join(
        f"        <label><name>{escape(name)}</name><attributes></attributes></label>\n"
        for name in dataset.names.values()
    )
    images = "".join(_image_xml(number, picture, dataset.names) for number, picture in enumerate(dataset.pictures))
    meta = f"    <task>\n      <labels>\n{labels}      </labels>\n    </task>"
    text = f"<version>1.1</version>\n  <meta>\n{meta}\n  </meta>\n{images}"
    text = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  {text}</annotations>\n'
    (out / "annotations.xml").write_text(text, encoding="utf-8")


def _image_xml(number: int, picture: Picture, names: dict[int, str]) -> str:
    subset = f' subset="{picture.split}"' if picture.split in SPLITS else ""
    size = f'width="{picture.width}" height="{picture.height}"'
    boxes = "".join(_box_xml(box, names) for box in picture.boxes)
    return f'  <image id="{number}" name="{escape(picture.file_name)}"{subset} {size}>\n{boxes}  </image>\n'


def _box_xml(box: Box, names: dict[int, str]) -> str:
    corners = zip(("xtl", "ytl", "xbr", "ybr"), (box.x, box.y, box.x + box.width, box.y + box.height), strict=True)
    numbers = " ".join(f'{key}="{value:.10g}"' for key, value in corners)
    label = escape(names[int(box.label)])
    return f'    <box label="{label}" source="manual" occluded="0" {numbers} z_order="0">\n    </box>\n'
