"""Pascal VOC's XML, one file an image, as the VOC devkit, LabelImg, CVAT and Roboflow write it.

Source: the VOC2012 development kit, section 4. Corners are 1-based and inclusive in VOC's own files and supervision's;
other tools write plain pixel coordinates from 0 under the same names. ``<source><database>`` tells which it is.
"""

from __future__ import annotations

from pathlib import Path

from anomdet.data.index.files import IMAGE_SUFFIXES, list_files
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Picture, Source, add_box, rotated
from anomdet.formats.pictures import base_name, find_image, is_image
from anomdet.formats.side_files import read_lines
from anomdet.formats.xml_files import Element, escape, number_in, read_xml, size_in
from anomdet.layout import SPLITS

_TOP = frozenset({"folder", "filename", "path", "source", "size", "segmented", "object", "owner"})
_OBJECT = frozenset({"name", "pose", "truncated", "difficult", "occluded", "bndbox", "robndbox", "type"})
_ONE_BASED = ("The VOC", "roboflow.ai")  # the database of VOC's own files, and of those that supervision writes
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(source: Source) -> Dataset:
    """Annotations/ with JPEGImages/ and ImageSets/Main/ beside it, or XML files beside their images."""
    folder = next((path for path in (source.path / "Annotations", source.path) if path.is_dir()), None)
    if folder is None:
        source.findings.problem(str(source.path), "a folder of XML files", Phrase("a file"))
        return Dataset()
    roots = [source.path / "JPEGImages", source.path / "images", folder]
    roots = [source.images] if source.images is not None else roots
    dataset = Dataset()
    for file in list_files(folder):
        if file.suffix == ".xml":
            path = folder / file.name
            where = source.name(path)
            root = read_xml(path, where, "annotation", source.findings)
            if root is not None:
                dataset.pictures.append(_picture(root, file.stem, where, roots, source.findings))
    _report_unlabelled(dataset, roots, source)
    _read_splits(dataset, source)
    return dataset


def _picture(root: Element, stem: str, where: str, roots: list[Path], findings: Findings) -> Picture:
    prefix, slash, own_stem = stem.rpartition("/")
    named = base_name(root.child_text("filename"))
    guesses = [prefix + slash + named] if is_image(named) else []
    guesses += [stem + suffix for suffix in (*IMAGE_SUFFIXES, *(suffix.upper() for suffix in IMAGE_SUFFIXES))]
    path = find_image(guesses, roots)
    name = path.name if path is not None else named or own_stem
    size = root.child("size")
    texts = (size.child_text("width"), size.child_text("height")) if size is not None else ("", "")
    place = f"{where}:{size.line}" if size is not None else where
    picture = Picture(prefix + slash + name, where, path, *size_in(texts, place, findings))
    one_based = root.child_text("source", "database").startswith(_ONE_BASED)
    num_objects = sum(child.tag == "object" for child in root.children)
    findings.note("box with VOC's 1-based corners", "moved to 0-based", where, num_objects if one_based else 0)
    for child in root.children:
        if child.tag == "object":
            _object(child, picture, where, one_based, findings)
    findings.note("segmented: 1", "left out", where, int(root.child_text("segmented") not in ("", "0")))
    findings.unknown((child.tag for child in root.children), _TOP, "element", where)
    return picture


def _object(element: Element, picture: Picture, where: str, one_based: bool, findings: Findings) -> None:
    place = f"{where}:{element.line}"
    name = element.child_text("name")
    if not name:
        findings.problem(place, "a <name>", NOTHING)
    xywh = _rectangle(element, place, one_based, findings)
    if name and xywh is not None:
        add_box(picture, Box(name, *xywh, place), findings)
    for flag in ("truncated", "difficult", "occluded"):
        findings.note(f"flag {flag}", "left out", where, int(element.child_text(flag) not in ("", "0")))
    if element.child_text("pose") not in ("", "Unspecified"):
        findings.note("pose", "left out", where)
    findings.unknown((child.tag for child in element.children), _OBJECT, "object's", where)


def _rectangle(
    element: Element, place: str, one_based: bool, findings: Findings
) -> tuple[float, float, float, float] | None:
    box, turned = element.child("bndbox"), element.child("robndbox")
    if box is None and turned is not None:
        return _turned(turned, place.rpartition(":")[0], findings)
    if box is None:
        findings.problem(place, "a <bndbox>", NOTHING)
        return None
    place = f"{place.rpartition(':')[0]}:{box.line}"
    corners = [number_in(box.child_text(key), place, key, findings) for key in _CORNERS]
    x1, y1, x2, y2 = (corner if corner is not None else 0.0 for corner in corners)
    if None in corners:
        return None
    x1, y1 = (x1 - 1, y1 - 1) if one_based else (x1, y1)
    return x1, y1, x2 - x1, y2 - y1


def _turned(turned: Element, where: str, findings: Findings) -> tuple[float, float, float, float] | None:
    """roLabelImg's rotated box: centre, size, angle in radians."""
    place = f"{where}:{turned.line}"
    values = [number_in(turned.child_text(key), place, key, findings) for key in ("cx", "cy", "w", "h", "angle")]
    if None in values:
        return None
    center_x, center_y, width, height, angle = (value or 0.0 for value in values)
    findings.note("rotated box", "the upright box around it kept", where)
    degrees = angle * 57.29577951308232
    return rotated(center_x - width / 2, center_y - height / 2, width, height, degrees, about_center=True)


def _report_unlabelled(dataset: Dataset, roots: list[Path], source: Source) -> None:
    """Images without an XML file: not labelled, which is not the same as normal."""
    known = {picture.path for picture in dataset.pictures}
    for root in roots:
        for file in list_files(root) if root.is_dir() else ():
            if is_image(file.name) and root / file.name not in known:
                known.add(root / file.name)
                source.findings.note("image without an XML file", "left out as not labelled", file.name)


def _read_splits(dataset: Dataset, source: Source) -> None:
    by_stem = {picture.stem: picture for picture in dataset.pictures}
    for split in SPLITS:
        path = source.path / "ImageSets" / "Main" / f"{split}.txt"
        for place, line in read_lines(path, source.name(path), source.findings) if path.is_file() else ():
            if line in by_stem:
                by_stem[line].split = split
            else:
                source.findings.note("name in ImageSets/Main without an XML file", "left out", place)


def write(dataset: Dataset, out: Path) -> None:
    """Annotations/ and, where there are splits, ImageSets/Main/; corners from 0, with fractions."""
    folder = out / "Annotations"
    for parent in {(folder / picture.file_name).parent for picture in dataset.pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    for picture in dataset.pictures:
        (folder / f"{picture.stem}.xml").write_text(_xml(picture, dataset.names), encoding="utf-8")
    for split in SPLITS:
        stems = [picture.stem for picture in dataset.pictures if picture.split == split]
        if stems:
            (out / "ImageSets" / "Main").mkdir(parents=True, exist_ok=True)
            text = "".join(f"{stem}\n" for stem in stems)
            (out / "ImageSets" / "Main" / f"{split}.txt").write_text(text, encoding="utf-8")
    lines = (f"{name.replace(':', ' ')}:::\n" for name in dataset.names.values())  # CVAT and Datumaro ask for it
    (out / "labelmap.txt").write_text("# label:color_rgb:parts:actions\n" + "".join(lines), encoding="utf-8")


def _xml(picture: Picture, names: dict[int, str]) -> str:
    prefix, _, name = picture.file_name.rpartition("/")
    objects = "".join(_object_xml(box, names) for box in picture.boxes)
    return f"""<annotation>
  <folder>{escape(prefix)}</folder>
  <filename>{escape(name)}</filename>
  <source><database>AnomDet</database></source>
  <size><width>{picture.width}</width><height>{picture.height}</height></size>
  <segmented>0</segmented>
{objects}</annotation>
"""


def _object_xml(box: Box, names: dict[int, str]) -> str:
    corners = zip(_CORNERS, (box.x, box.y, box.x + box.width, box.y + box.height), strict=True)
    bndbox = "".join(f"<{key}>{value:.10g}</{key}>" for key, value in corners)
    return f"""  <object>
    <name>{escape(names[int(box.label)])}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>0</difficult>
    <bndbox>{bndbox}</bndbox>
  </object>
"""
