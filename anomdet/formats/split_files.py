"""Several label files of one dataset: which split each holds, and the folder that distinguishes images of one name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from anomdet.formats.dataset import Picture, Source, split_of_folder
from anomdet.formats.image_files import without_images_folder
from anomdet.layout import SPLIT_OF

_OFFICIAL = re.compile(r"(?:instances_)?([a-z]+)(?:20\d\d)?")  # instances_train2017, as COCO's authors name the files


def splits_of_files(paths: Sequence[Path], source: Source) -> dict[Path, str]:
    """Of each file: by its whole name, its folder, or by a name that differs from another's only in the split."""
    splits = {}
    for path in paths:
        match = _OFFICIAL.fullmatch(path.stem.lower())
        own = SPLIT_OF.get(match[1], "") if match else ""
        inside = path.parent.relative_to(source.path).as_posix() if source.path.is_dir() else ""
        splits[path] = own or split_of_folder(inside)
    patterns: dict[tuple[Path, str], dict[Path, str]] = defaultdict(dict)
    for path in paths:
        words = re.split(r"([a-z]+)", path.stem.lower())
        found = [i for i, word in enumerate(words) if word in SPLIT_OF]
        if len(found) == 1 and not splits[path]:
            pattern = "".join("*" if i == found[0] else word for i, word in enumerate(words))
            patterns[path.parent, pattern][path] = SPLIT_OF[words[found[0]]]
    for family in patterns.values():
        if len(set(family.values())) > 1:
            splits.update(family)
    return splits


def folder_of(picture: Picture, source: Source) -> str:
    """Of the image where it was found; else of its label file, or the split that it holds."""
    if picture.path is not None:
        root = source.images or (source.path if source.path.is_dir() else source.path.parent)
        inside = picture.path.relative_to(root).as_posix() if picture.path.is_relative_to(root) else ""
        return without_images_folder(inside).removesuffix(picture.file_name).rstrip("/")
    path = Path(picture.where.split(": ")[0])
    return "" if path.is_absolute() else path.parent.as_posix().lstrip(".") or picture.split
