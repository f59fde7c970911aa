"""Masks of pixels: one connected component (8 neighbours), one box.

Two layouts. ``images/`` with ``masks/``: a mask mirrors its image's name (or adds ``_mask``), and the class is the grey
value, 0 being the background; or it lies in ``masks/<class>/`` and any value but 0 is that class. And MVTec AD's: the
images in ``train/good``, ``test/good``, ``test/<class>``, the masks in ``ground_truth/<class>/X_mask.png``, or as those
of MVTec LOCO one or more in ``ground_truth/<class>/X/``; likewise VisA's ``Data/Images/{Normal,Anomaly}`` with
``Data/Masks/Anomaly``. How a mask becomes levels: :mod:`.mask_levels`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.files import IMAGE_SUFFIXES, check_image, list_files
from anomdet.data.index.spelling import by_spelling, plain_spelling
from anomdet.formats.accounting import splits_by_folder, take_unlabelled
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Picture, Source, add_box
from anomdet.formats.mask_levels import (
    SOFT_HINT,
    Colour,
    compare_palettes,
    is_opaque,
    palette_indices,
    soft_rims,
    two_levels,
)
from anomdet.formats.pictures import child_of, images_below, is_image
from anomdet.images.decode import imdecode
from anomdet.images.headers import BadImageError
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, check_size
from anomdet.layout import SPLIT_OF

_MAX_VALUES = 32  # classes in one mask; a mask with soft edges has far more
_MAX_COMPONENTS = 1000
_ENDING = re.compile(r"[_-](?:mask|gt|seg|label|segmentation|ground_?truth)$", re.IGNORECASE)
_NORMAL = ("good", "normal", "ok")  # folders of images without a defect, as MVTec AD, VisA and others call them
_TILES = "cut the mask and its image into tiles"


@dataclass(frozen=True)
class _Layout:
    """Where the images and masks lie.

    Args:
        images: folders.
        masks: a folder.
        by_class: each image lies in the folder of its class.
        with_root: the names of the images keep the name of their folder, which is their split.
    """

    images: list[Path]
    masks: Path
    by_class: bool
    with_root: bool


def read(source: Source) -> Dataset:
    """Boxes cover whole pixels; images without a mask are normal, unless their folder is that of a defect."""
    layout = _layout(source)
    if layout is None:
        return Dataset()
    dataset, unmasked = Dataset(), Dataset()
    keys: dict[str, Picture] = {}
    for folder in layout.images:
        for name in images_below(folder):
            full_name = f"{folder.name}/{name}" if layout.with_root else name
            split = SPLIT_OF.get(folder.name.lower(), "") if layout.with_root else ""
            picture = Picture(full_name, source.name(folder / name), folder / name, split=split)
            key = name.rpartition(".")[0] if folder == layout.images[-1] else picture.stem
            if (twin := keys.setdefault(key, picture)) is not picture:
                got = Phrase(f"{twin.where} too, which has the same mask")
                source.findings.problem(picture.where, "a name of its own", got, "rename one")
            dataset.pictures.append(picture)
    masked = _read_masks(layout, keys, source)
    _note_void(dataset, source.findings)
    _note_elsewhere(layout, source)
    if dataset.pictures and not masked and not layout.by_class and source.unlabelled is None:
        hint = "--unlabelled normal takes images without a mask as normal"
        source.findings.problem(source.name(layout.masks), "at least one mask", NOTHING, hint)
    for picture in dataset.pictures:
        if picture.where not in masked:
            _without_mask(picture, layout, unmasked, source)
    dataset.pictures = [picture for picture in dataset.pictures if picture.where in masked] + unmasked.pictures
    dataset.skipped |= unmasked.skipped
    splits_by_folder(dataset, source.path, lambda picture: picture.where.rpartition("/")[0])
    return dataset


def _layout(source: Source) -> _Layout | None:
    root = source.path
    if not root.is_dir():
        source.findings.problem(str(root), "a folder of images and masks", Phrase("a file"))
        return None
    visa = child_of(root, "Data")
    if visa is not None and child_of(root, "masks") is None:
        root = visa
    truth = child_of(root, "ground_truth")
    images = [child_of(root, name) for name in (("train", "validation", "val", "test") if truth else ("images",))]
    masks = truth or child_of(root, "masks")
    if images[-1] is None or masks is None:
        name = ("test" if truth else "images") if images[-1] is None else "masks"
        hint = "SRC holds images/ and masks/, or test/ and ground_truth/"
        source.findings.problem(source.name(root / name), "a folder", NOTHING, hint)
        return None
    found = [folder for folder in images if folder is not None]
    folders = {name.partition("/")[0].lower() for name in images_below(found[-1]) if "/" in name}
    by_class = truth is not None or bool(folders & set(_NORMAL))
    return _Layout(found, masks, by_class, with_root=truth is not None)


def _without_mask(picture: Picture, layout: _Layout, dataset: Dataset, source: Source) -> None:
    defect = _defect_of(picture, layout)
    if not defect:
        take_unlabelled(picture, "image without a mask", dataset, source, default="normal")
    else:
        picture.left_out = "missing mask"
        source.findings.note(f"defective image ({defect}) without a mask", "left out", picture.where)


def _defect_of(picture: Picture, layout: _Layout) -> str:
    """The defect that the folder of an image names; empty: it names none."""
    parts = picture.file_name.split("/")[int(layout.with_root) : -1]
    is_defect = layout.by_class and parts and parts[0].lower() not in _NORMAL
    return parts[0] if is_defect else ""


def _read_masks(layout: _Layout, keys: dict[str, Picture], source: Source) -> set[str]:
    """Give the images their boxes; returns the images, by where, that have a mask."""
    masked: dict[str, str] = {}
    colours: dict[int, Colour] = {}
    spellings = by_spelling(keys)
    for file in list_files(layout.masks):
        if not is_image(file.name) and _image_of(file.name, layout, keys, spellings)[1] is not None:
            kinds = " ".join(suffix[1:] for suffix in IMAGE_SUFFIXES)
            source.findings.problem(source.name(layout.masks / file.name), f"a mask as {kinds}", file.suffix)
    for name in images_below(layout.masks):
        where = source.name(layout.masks / name)
        label, picture, is_part = _image_of(name, layout, keys, spellings)
        if picture is None:
            source.findings.problem(where, "a mask of an image of the same name", Phrase("no such image"))
            continue
        place = f"{picture.where} {name if is_part else label}"
        if masked.get(place) is not None:
            source.findings.problem(where, "one mask for an image and class", Phrase(f"{masked[place]} too"))
            continue
        masked[place] = where
        masked[picture.where] = where
        _read_mask(layout.masks / name, where, label, picture, colours, source.findings)
        if not picture.boxes and _defect_of(picture, layout):
            what = f"defective image ({_defect_of(picture, layout)}) with an all-black mask"
            source.findings.note(what, "left out", picture.where)
            picture.left_out = "all-black mask"
    return set(masked)


def _image_of(
    name: str, layout: _Layout, keys: dict[str, Picture], spellings: dict[str, list[str]]
) -> tuple[str, Picture | None, bool]:
    """The class of a mask, empty where the grey values say it; its image; whether it is one of several of it."""
    stem = name.rpartition(".")[0]
    class_name, _, inner = stem.partition("/")
    stems = list(dict.fromkeys((stem, _ENDING.sub("", stem))))
    if layout.by_class:
        guesses = [(class_name, one) for one in stems]
    else:
        guesses = [("", one) for one in stems]
        guesses += [(class_name, one.partition("/")[2]) for one in stems] if inner else []
    for label, key in guesses:
        if key in keys:
            return label, keys[key], False
    for label, key in guesses:
        if len(alike := spellings.get(plain_spelling(key), [])) == 1:
            return label, keys[alike[0]], False
    folder = stem.rpartition("/")[0]
    return (class_name, keys[folder], True) if layout.by_class and folder in keys else ("", None, False)


def _note_void(dataset: Dataset, findings: Findings) -> None:
    """255 beside other grey values: a class, or what Pascal VOC marks as unclear."""
    labels = {box.label for picture in dataset.pictures for box in picture.boxes}
    if len(labels) < 2 or max((label for label in labels if isinstance(label, int)), default=0) != 255:
        return
    for picture in dataset.pictures:
        num = sum(box.label == 255 for box in picture.boxes)
        fate = "kept as a class; where it means unclear pixels, as in Pascal VOC, set it to 0"
        findings.note("area of the grey value 255, beside other classes", fate, picture.where, num)


def _note_elsewhere(layout: _Layout, source: Source) -> None:
    """Images that lie in none of the folders."""
    for name in images_below(source.path):
        path = source.path / name
        if not any(path.is_relative_to(folder) for folder in (*layout.images, layout.masks)):
            source.findings.note("image outside of the folders of images and masks", "left out", name)


def _read_mask(
    path: Path, where: str, label: str, picture: Picture, colours: dict[int, Colour], findings: Findings
) -> None:
    """``colours`` are those of the numbers in the masks before, where the number is the class."""
    mask = _grey(path, where, {} if label else colours, findings)
    if mask is None:
        return
    size = picture.width or mask.shape[1], picture.height or mask.shape[0]
    if size != (mask.shape[1], mask.shape[0]):
        findings.problem(where, f"a mask of {size[0]} x {size[1]} pixels", Phrase(f"{mask.shape[1]} x {mask.shape[0]}"))
        return
    picture.width, picture.height = size
    if label:
        levels = two_levels(mask, where, findings)
        if levels is not None:
            _components(levels, label, where, picture, findings)
        return
    values = [int(value) for value in np.unique(mask) if value]
    if len(values) > _MAX_VALUES:
        findings.problem(where, f"at most {_MAX_VALUES} grey values", Phrase(len(values)), SOFT_HINT)
        return
    if rims := soft_rims(mask, values):
        got = Phrase(f"the values {', '.join(map(str, rims))} only as rims of others")
        findings.problem(where, "a grey value for each class, each with an area of its own", got, SOFT_HINT)
        return
    for value in values:
        _components(mask == value, value, where, picture, findings)


def _grey(path: Path, where: str, colours: dict[int, Colour], findings: Findings) -> NDArray | None:
    try:
        header = check_image(path, max_megapixels=None)  # says what is wrong; OpenCV would only complain on stderr
        check_size(header, MAX_IMAGE_MEGAPIXELS, remedy=_TILES)
        data = np.fromfile(path, np.uint8)
        mask = imdecode(data, header.kind, cv2.IMREAD_UNCHANGED)
    except (BadImageError, cv2.error) as error:
        findings.problem(where, "a readable mask", Phrase(str(error).strip()))
        return None
    if mask is None or mask.dtype not in (np.uint8, np.uint16):
        findings.problem(where, "a readable mask of 8 or 16 bit", Phrase("something else"))
        return None
    if mask.ndim == 2:
        grey: NDArray = mask
        return grey
    opaque = is_opaque(mask, where, findings) if mask.shape[2] == 4 else None
    if opaque is not None:
        mask = np.where(opaque[..., None], mask[..., :3], 0)
    elif header.kind == "png" and (numbered := palette_indices(data.tobytes())) is not None:
        compare_palettes(*numbered, colours, where, findings)
        return numbered[0]
    if (mask[..., :1] != mask[..., :3]).any():
        hint = "save the class of each pixel as a grey value"
        findings.problem(where, "a grey mask", Phrase("one with colours"), hint)
        return None
    if opaque is not None and opaque.any() and not opaque.all() and not mask.any():
        hint = "save it as a grey image without transparency, the defects white"
        findings.problem(
            where, "a mask whose shape is in its grey values", Phrase("one that is black where opaque"), hint
        )
        return None
    first: NDArray = mask[..., 0]
    return first


def _components(pixels: NDArray, label: int | str, where: str, picture: Picture, findings: Findings) -> None:
    if pixels[[0, 0, -1, -1], [0, -1, 0, -1]].all():
        fate = "kept as it is; it may be inverted (0 is the background)"
        findings.note("mask that marks all four corners of its image", fate, where)
    num, _, stats, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8), connectivity=8)
    if num - 1 > _MAX_COMPONENTS:
        hint = "it is noise; clean the mask first"
        findings.problem(where, f"at most {_MAX_COMPONENTS} components of class {label}", Phrase(num - 1), hint)
        return
    for x, y, width, height, _area in stats[1:].tolist():
        add_box(picture, Box(label, x, y, width, height, where), findings)
