"""Pascal VOC's XML, one file an image, as the VOC devkit, LabelImg, CVAT and Roboflow write it.

Source: the VOC2012 development kit, section 4. Corners are 1-based and inclusive in VOC's own files and supervision's;
other tools write plain pixel coordinates from 0 under the same names. ``<source><database>`` says which it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.data.index.spelling import plain_spelling
from anomdet.formats.accounting import splits_by_folder, take_unlabelled, tell_apart
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
    rotated,
    to_number,
)
from anomdet.formats.image_files import ImageFiles
from anomdet.formats.pictures import base_name, child_of, is_image
from anomdet.formats.side_files import read_lines
from anomdet.formats.xml_files import Element, escape, number_in, read_xml, size_in
from anomdet.layout import SPLIT_OF, SPLITS, TRAIN, VAL

_TOP = frozenset({"folder", "filename", "path", "source", "size", "segmented", "object", "owner"})
_OBJECT = frozenset({"name", "pose", "truncated", "difficult", "occluded", "bndbox", "robndbox", "polygon", "type"})
_OBJECT |= {"segm", "deleted"}
_ONE_BASED = ("The VOC", "roboflow.ai")  # the database of VOC's own files, and of those that supervision writes
_XML_FOLDERS = ("annotations", "annotation", "xml", "xmls", "lable")  # the last is GC10-DET's
_IMAGE_FOLDERS = ("JPEGImages", "images")
_FLAG = re.compile(r"\s+(?:-1|0|1)$")
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read(source: Source) -> Dataset:
    """All XML files below a folder; the images in JPEGImages/, images/, beside them or anywhere below the folder."""
    dataset = Dataset()
    if not source.path.is_dir():
        source.findings.problem(str(source.path), "a folder of XML files", Phrase("a file"))
        return dataset
    roots = [path for name in _IMAGE_FOLDERS if (path := child_of(source.path, name)) is not None]
    files = ImageFiles([source.images] if source.images else [*roots, source.path], source.findings)
    for file in list_files(source.path):
        if file.suffix == ".xml":
            root = read_xml(source.path / file.name, file.name, "annotation", source.findings)
            if root is not None:
                dataset.pictures.append(_picture(root, file.stem, file.name, files, source.findings))
    _take_unused(files, dataset, source)
    _read_splits(dataset, source)
    splits_by_folder(dataset, source.path, lambda picture: picture.where.rpartition("/")[0])
    tell_apart(dataset, source, lambda picture: _inner(picture.where.rpartition("/")[0]))
    return dataset


def _picture(root: Element, stem: str, where: str, files: ImageFiles, findings: Findings) -> Picture:
    size = root.child("size")
    texts = (size.child_text("width"), size.child_text("height")) if size is not None else ("", "")
    place = f"{where}:{size.line}" if size is not None else where
    picture = Picture("", where, None, *size_in(texts, place, findings))
    _find_image(root, stem, picture, files, findings)
    one_based = root.child_text("source", "database").startswith(_ONE_BASED)
    num_objects = sum(child.tag == "object" for child in root.children)
    findings.note("box with VOC's 1-based corners", "moved to 0-based", where, num_objects if one_based else 0)
    for child in root.children:
        if child.tag == "object":
            _object(child, picture, where, one_based, findings)
    findings.note("segmented: 1", "left out", where, int(root.child_text("segmented") not in ("", "0")))
    findings.unknown((child.tag for child in root.children), _TOP, "element", where)
    return picture


def _find_image(root: Element, stem: str, picture: Picture, files: ImageFiles, findings: Findings) -> None:
    """The image of the XML file's own name, as LabelImg pairs them; where there is none, the one that it names.

    An image that it names and that is there too belongs to another file, or one of the two was renamed: reported.
    """
    folder, _, own_stem = _inner(stem).rpartition("/")
    prefix = f"{folder}/" if folder else ""
    text = root.child_text("filename").replace("\\", "/")
    base = base_name(text)
    named = [f"{prefix}{base}", text, root.child_text("path"), f"{root.child_text('folder')}/{base}"]
    named = [name for name in named if is_image(name)]
    own = [f"{prefix}{own_stem}{suffix}" for suffix in files.suffixes]
    is_own = plain_spelling(base.rpartition(".")[0] if is_image(base) else base) == plain_spelling(own_stem)
    if is_own:
        path = files.find([*named, *own], picture.where)
    else:
        path, other = (files.find(names, picture.where, quiet=True) for names in (own, named))
        if path is not None and other not in (None, path):
            fate = "paired by the file's own name"
            findings.note("<filename> of another image that is there too", fate, f"{picture.where}: {base}")
        path = path or other or files.find([*named, *own], picture.where)
    given = f"{prefix}{path.name}" if path is not None else f"{prefix}{base or own_stem}"
    files.use(picture, path, given)


def _inner(name: str) -> str:
    """A name below the source without the folder of the XML files."""
    parts = name.split("/")
    at = next((i for i, part in enumerate(parts) if part.lower() in _XML_FOLDERS), len(parts))
    return "/".join(parts[:at] + parts[at + 1 :])


def _object(element: Element, picture: Picture, where: str, one_based: bool, findings: Findings) -> None:
    place = f"{where}:{element.line}"
    name = element.child_text("name")
    if element.child_text("deleted") == "1":  # LabelMe keeps what an annotator has deleted
        findings.note("deleted object", "left out", where)
        return
    if not name:
        findings.problem(place, "a <name>", NOTHING)
    xywh = _rectangle(element, place, one_based, findings)
    if name and xywh is not None:
        add_box(picture, Box(name, *xywh, place), findings)
    for flag in ("truncated", "difficult", "occluded"):
        findings.note(f"flag {flag}", "left out", where, int(element.child_text(flag) not in ("", "0", "no")))
    if element.child_text("pose") not in ("", "Unspecified"):
        findings.note("pose", "left out", where)
    findings.unknown((child.tag for child in element.children), _OBJECT, "object's", where)


def _rectangle(
    element: Element, place: str, one_based: bool, findings: Findings
) -> tuple[float, float, float, float] | None:
    box = element.child("bndbox") or element.find("segm", "box")  # the latter is LabelMe's, of a mask
    turned = element.child("robndbox")
    if box is None and turned is not None:
        return _turned(turned, place.rpartition(":")[0], findings)
    if box is None and (polygon := element.child("polygon")) is not None:
        return _polygon(polygon, place.rpartition(":")[0], findings)
    if box is None:
        findings.problem(place, "a <bndbox>", NOTHING)
        return None
    if (count := sum(child.tag == "bndbox" for child in element.children)) > 1:
        findings.problem(place, "one <bndbox> in an object", Phrase(f"{count}"), "write an <object> for each")
        return None
    place = f"{place.rpartition(':')[0]}:{box.line}"
    corners = [number_in(box.child_text(key), place, key, findings) for key in _CORNERS]
    x1, y1, x2, y2 = (corner if corner is not None else 0.0 for corner in corners)
    if None in corners:
        return None
    x1, y1 = (x1 - 1, y1 - 1) if one_based else (x1, y1)
    if degrees := _cvat_turn(element):
        findings.note("rotated box", "the upright box around it kept", place.rpartition(":")[0])
        return rotated(x1, y1, x2 - x1, y2 - y1, degrees, about_center=True)
    return x1, y1, x2 - x1, y2 - y1


def _cvat_turn(element: Element) -> float:
    """Degrees by which CVAT turned the rectangle: its <bndbox> is as before, the turn is an attribute."""
    listed = element.child("attributes")
    turns = (
        [one.child_text("value") for one in listed.children if one.child_text("name") == "rotation"] if listed else []
    )
    return (to_number(turns[0]) or 0.0) % 360 if turns else 0.0


def _polygon(polygon: Element, where: str, findings: Findings) -> tuple[float, float, float, float] | None:
    """A polygon in place of a box: <pt><x>..</x><y>..</y></pt>, or <x1>, <y1>, <x2> and so on."""
    place = f"{where}:{polygon.line}"
    pairs = [(pt.child_text("x"), pt.child_text("y")) for pt in polygon.children if pt.tag in ("pt", "point")]
    texts = [text for pair in pairs for text in pair] or [child.text for child in polygon.children]
    numbers = [number_in(text, place, "a coordinate", findings) for text in texts]
    known = [number for number in numbers if number is not None]
    box = around(zip(known[::2], known[1::2], strict=False)) if None not in numbers else None
    if box is None:
        findings.problem(place, "a polygon of at least two points", Phrase(f"{len(known)} numbers"))
    else:
        findings.note("polygon", "only its box kept", where)
    return box


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


def _take_unused(files: ImageFiles, dataset: Dataset, source: Source) -> None:
    """Images without an XML file: not labelled, which is not the same as normal; the devkit's masks are none."""
    for path in files.unused():
        name = source.name(path)
        if any(part.lower().startswith("segmentation") for part in path.parent.parts):
            source.findings.note("mask of a segmentation", "left out", name)
        else:
            picture = Picture(files.name(path), name, path)
            take_unlabelled(picture, "image without an XML file", dataset, source)


def _read_splits(dataset: Dataset, source: Source) -> None:
    """ImageSets/Main/train.txt and so on; trainval.txt is the training split where there is no finer one."""
    texts = [file.name for file in list_files(source.path) if file.suffix == ".txt"]
    for inside in sorted({name.rpartition("/")[0] for name in texts if f"/{name}".count("/ImageSets/Main/")}):
        _read_lists(source.path / inside, dataset, source)


def _read_lists(folder: Path, dataset: Dataset, source: Source) -> None:
    """The lists of one devkit; it may lie below the source, as VOCdevkit/VOC2012."""
    lists = {path.stem.lower(): path for path in sorted(folder.glob("*.txt"))}
    chosen = {lists[name]: split for name, split in SPLIT_OF.items() if name in lists}
    if "trainval" in lists and not {TRAIN, VAL} & set(chosen.values()):
        chosen[lists["trainval"]] = TRAIN
    devkit = source.name(folder.parent.parent)
    prefix = "" if devkit == "." else f"{devkit}/"
    pictures = [picture for picture in dataset.pictures if picture.where.startswith(prefix)]
    by_stem = {picture.stem.removeprefix(prefix): picture for picture in pictures}
    for path, split in chosen.items():
        for place, line in read_lines(path, source.name(path), source.findings):
            plain = _FLAG.sub("", line)  # lists of a class say for each image whether it shows one
            picture = by_stem.get(line) or by_stem.get(plain.rpartition(".")[0] if is_image(plain) else plain)
            if picture is None:
                source.findings.note("name in ImageSets/Main without an XML file", "left out", place)
            elif picture.split not in ("", split):
                source.findings.problem(
                    place, "each image in one split", Phrase(f"{line} again, after {picture.split}")
                )
            else:
                picture.split = split


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
