"""CVAT's XML "CVAT for images 1.1". Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat."""

from __future__ import annotations

from pathlib import Path

from anomdet.formats.accounting import take_empty, take_unused, tell_apart
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
    around_ellipse,
    enclosing,
    own_numbers,
    rotated,
    to_number,
)
from anomdet.formats.image_files import ImageFiles
from anomdet.formats.pictures import files_in
from anomdet.formats.xml_files import Element, escape, number_in, read_xml, size_in
from anomdet.layout import SPLIT_OF, SPLITS

_Xywh = tuple[float, float, float, float]


def read(source: Source) -> Dataset:
    """An XML file, or a folder with annotations.xml (or others of the kind) and images/."""
    dataset = Dataset()
    for path in _xml_files(source):
        where = source.name(path)
        root = read_xml(path, where, "annotations", source.findings)
        if root is not None:
            _read_file(root, path, where, dataset, source)
    dataset.numbers = own_numbers(dataset.numbers) or dataset.numbers
    take_empty(dataset, source)
    return dataset


def _xml_files(source: Source) -> list[Path]:
    if source.path.is_file():
        return [source.path]
    whole = source.path / "annotations.xml"
    others = [path for path in files_in(source.path, "*.xml") if path != whole]
    if not whole.is_file() and others:
        return others
    for path in others:
        source.findings.note("XML file beside annotations.xml", "left out", source.name(path))
    return [whole]


def _read_file(root: Element, path: Path, where: str, dataset: Dataset, source: Source) -> None:
    beside = [path.parent / "images", *([path.parent] if source.path.is_dir() else [])]
    flat = [] if source.images or source.path.is_dir() else [path.parent]
    files = ImageFiles([source.images] if source.images else beside, source.findings, flat=flat)
    for name in _declared(root):
        dataset.numbers.setdefault(name, len(dataset.numbers) + 1)
    images = [element for element in root.children if element.tag == "image"]
    own = Dataset([_picture(element, where, files, source.findings) for element in images])
    subsets = {
        id(picture): image.attributes.get("subset", "") for picture, image in zip(own.pictures, images, strict=True)
    }
    for element in root.children:
        if element.tag == "track":
            hint = "export it as 'CVAT for images 1.1'"
            source.findings.problem(f"{where}:{element.line}", "images", Phrase("a track of a video"), hint)
        elif element.tag not in ("version", "meta", "image"):
            source.findings.note(f"element <{element.tag}>", "left out", where)
    tell_apart(own, source, lambda picture: subsets[id(picture)])
    take_unused(files, "image that the XML does not name", own, source)
    dataset.pictures += own.pictures


def _declared(root: Element) -> list[str]:
    """Label names in the order of the task, project or job."""
    for owner in ("task", "project", "job"):
        labels = root.find("meta", owner, "labels")
        if labels is not None:
            return list(dict.fromkeys(label.child_text("name") for label in labels.children if label.child("name")))
    return []


def _picture(element: Element, where: str, files: ImageFiles, findings: Findings) -> Picture:
    place = f"{where}:{element.line}"
    attributes = element.attributes
    name = attributes.get("name", "").replace("\\", "/")
    if not name:
        findings.problem(place, "an image with a name", NOTHING)
    subset = attributes.get("subset", "")
    size = size_in((attributes.get("width", ""), attributes.get("height", "")), place, findings)
    picture = Picture(name, place, None, *size, split=SPLIT_OF.get(subset.lower(), ""))
    files.use(picture, files.find([f"{subset}/{name}", name] if subset else [name], place), name)
    if subset.lower() not in (*SPLIT_OF, "", "default"):
        findings.note(f"subset {subset!r}", "left out", f"{where}: {name}")
    for shape in element.children:
        _shape(shape, picture, where, findings)
    labels = {box.label for box in picture.boxes}
    for shape in element.children:
        if shape.tag == "tag" and shape.attributes.get("label", "").strip() in labels:
            findings.note("<tag>", "left out: a box has its label", f"{where}: {name}")
        elif shape.tag == "tag":
            findings.leave_out(picture, "<tag>", f"{where}: {name}")
    return picture


def _shape(shape: Element, picture: Picture, where: str, findings: Findings) -> None:
    if shape.tag == "tag":
        return
    place, owner = f"{where}:{shape.line}", f"{where}: {picture.file_name}"
    label = shape.attributes.get("label", "").strip()
    if not label:
        findings.problem(place, "a shape with a label", NOTHING)
    num_problems = len(findings.problems)
    xywh = _READERS.get(shape.tag, _other)(shape, place, findings)
    if xywh is None and len(findings.problems) == num_problems:
        findings.leave_out(picture, f"<{shape.tag}>", owner)
        return
    if label and xywh is not None:
        turned = to_number(shape.attributes.get("rotation", "0")) or 0.0
        if turned % 360:
            xywh = _turned(shape, xywh, turned)
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


def _turned(shape: Element, xywh: _Xywh, degrees: float) -> _Xywh:
    """The upright box around a shape that is turned about its centre."""
    x, y, width, height = xywh
    if shape.tag == "ellipse":
        return around_ellipse((x + width / 2, y + height / 2), (width / 2, height / 2), degrees)
    return rotated(x, y, width, height, degrees, about_center=True)


def _mask(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    numbers = _numbers(shape, ("left", "top", "width", "height"), place, findings)
    return None if numbers is None else (numbers[0], numbers[1], numbers[2], numbers[3])


def _polygon(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    points = _points(shape, place, findings)
    return enclosing(points) if points else None


def _line(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    return around(_points(shape, place, findings) or [])


def _points(shape: Element, place: str, findings: Findings) -> list[tuple[float, float]] | None:
    text = shape.attributes.get("points", "")
    pairs = [[to_number(number) for number in pair.split(",")] for pair in text.split(";")]
    if any(len(pair) != 2 or None in pair for pair in pairs):
        findings.problem(place, "points as x1,y1;x2,y2", text or NOTHING)
        return None
    return [(pair[0] or 0.0, pair[1] or 0.0) for pair in pairs]


def _cuboid(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    corners = [f"{side}{i}" for i in (1, 2) for side in ("tl", "bl", "tr", "br")]
    xs = _numbers(shape, tuple(f"x{corner}" for corner in corners), place, findings)
    ys = _numbers(shape, tuple(f"y{corner}" for corner in corners), place, findings)
    return around(zip(xs, ys, strict=True)) if xs is not None and ys is not None else None


def _skeleton(shape: Element, place: str, findings: Findings) -> _Xywh | None:
    """Around the points that its elements have; those outside the image have none that count."""
    points = [_points(child, place, findings) for child in shape.children if child.attributes.get("outside") != "1"]
    return around(point for found in points for point in found or ())


def _other(_shape: Element, _place: str, _findings: Findings) -> _Xywh | None:
    return None


_READERS = {
    "box": _box,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "mask": _mask,
    "polyline": _line,
    "points": _line,
    "cuboid": _cuboid,
    "skeleton": _skeleton,
}


def write(dataset: Dataset, out: Path) -> None:
    """annotations.xml; an image's split is its subset."""
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
