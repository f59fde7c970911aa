"""Masks of pixels: one connected component (8 neighbours), one box.

Two layouts. ``images/`` with ``masks/``: a mask mirrors its image's name (or adds ``_mask``), and the class is the grey
value, 0 being the background; or it lies in ``masks/<class>/`` and any value but 0 is that class. And MVTec AD's: the
images in ``train/good``, ``test/good``, ``test/<class>``, the masks in ``ground_truth/<class>/X_mask.png``.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.files import check_image
from anomdet.formats.dataset import NOTHING, Box, Dataset, Findings, Phrase, Picture, Source, add_box
from anomdet.formats.pictures import images_below
from anomdet.images.headers import BadImageError
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, check_size

_MAX_VALUES = 32  # classes in one mask; a mask with soft edges has far more
_MAX_COMPONENTS = 1000
_TILES = "cut the mask and its image into tiles"


def read(source: Source) -> Dataset:
    """Boxes cover whole pixels; images without a mask are normal."""
    root, findings = source.path, source.findings
    if (root / "ground_truth").is_dir():
        folders = [root / "train", root / "test"], root / "ground_truth"
    else:
        folders = [root / "images"], root / "masks"
    for folder in (folders[0][-1], folders[1]):
        if not folder.is_dir():
            hint = "SRC holds images/ and masks/, or test/ and ground_truth/"
            findings.problem(source.name(folder), "a folder", NOTHING, hint)
            return Dataset()
    mvtec = folders[1].name == "ground_truth"
    dataset, by_stem = Dataset(), {}
    for folder in folders[0]:
        for name in images_below(folder):
            full_name = f"{folder.name}/{name}" if mvtec else name
            picture = Picture(full_name, source.name(folder / name), folder / name, split=folder.name if mvtec else "")
            dataset.pictures.append(picture)
            by_stem[f"test/{picture.stem}" if mvtec and folder.name == "train" else picture.stem] = picture
    masked = _read_masks(folders[1], by_stem, mvtec, source)
    for picture in dataset.pictures:
        if picture.where not in masked:
            findings.note("image without a mask", "taken as normal", picture.where)
    return dataset


def _read_masks(folder: Path, by_stem: dict[str, Picture], mvtec: bool, source: Source) -> set[str]:
    """Give the pictures their boxes; returns the pictures, by where, that have a mask."""
    masked = set()
    for name in images_below(folder):
        stem = name.rpartition(".")[0]
        class_name, _, inner = stem.partition("/")
        guesses = [("", stem), ("", stem.removesuffix("_mask"))]
        guesses += [(class_name, inner), (class_name, inner.removesuffix("_mask"))] if inner else []
        if mvtec:
            guesses = [(class_name, f"test/{stem.removesuffix('_mask')}")]
        label, key = next(((label, key) for label, key in guesses if key in by_stem), ("", ""))
        where = source.name(folder / name)
        if not key:
            source.findings.problem(where, "a mask of an image of the same name", Phrase("no such image"))
            continue
        masked.add(by_stem[key].where)
        _read_mask(folder / name, where, label, by_stem[key], source.findings)
    return masked


def _read_mask(path: Path, where: str, label: str, picture: Picture, findings: Findings) -> None:
    mask = _grey(path, where, findings)
    if mask is None:
        return
    size = picture.width or mask.shape[1], picture.height or mask.shape[0]
    if size != (mask.shape[1], mask.shape[0]):
        findings.problem(where, f"a mask of {size[0]} x {size[1]} pixels", Phrase(f"{mask.shape[1]} x {mask.shape[0]}"))
        return
    picture.width, picture.height = size
    values = [int(value) for value in np.unique(mask) if value]
    if label:
        _components(mask != 0, label, where, picture, findings)
        return
    if len(values) > _MAX_VALUES:
        hint = "it has soft edges or was saved as JPEG; save it with one value for each class"
        findings.problem(where, f"at most {_MAX_VALUES} grey values", Phrase(len(values)), hint)
        return
    for value in values:
        _components(mask == value, value, where, picture, findings)


def _grey(path: Path, where: str, findings: Findings) -> NDArray | None:
    try:
        check_size(
            check_image(path, max_megapixels=None), MAX_IMAGE_MEGAPIXELS, remedy=_TILES
        )  # tells what is wrong; the decoder would only complain on stderr
        mask = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except (BadImageError, cv2.error) as error:
        findings.problem(where, "a readable mask", Phrase(str(error).strip()))
        return None
    if mask is None or mask.dtype not in (np.uint8, np.uint16):
        findings.problem(where, "a readable mask of 8 or 16 bit", Phrase("something else"))
        return None
    if mask.ndim == 2:
        grey: NDArray = mask
        return grey
    if (mask[..., :1] != mask[..., :3]).any():
        hint = "save the class of each pixel as a grey value"
        findings.problem(where, "a grey mask", Phrase("one with colours"), hint)
        return None
    first: NDArray = mask[..., 0]
    return first


def _components(pixels: NDArray, label: int | str, where: str, picture: Picture, findings: Findings) -> None:
    num, _, stats, _ = cv2.connectedComponentsWithStats(pixels.astype(np.uint8), connectivity=8)
    if num - 1 > _MAX_COMPONENTS:
        hint = "it is noise; clean the mask first"
        findings.problem(where, f"at most {_MAX_COMPONENTS} components of class {label}", Phrase(num - 1), hint)
        return
    for x, y, width, height, _area in stats[1:].tolist():
        add_box(picture, Box(label, x, y, width, height, where), findings)
