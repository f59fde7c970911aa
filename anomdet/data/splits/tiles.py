"""Tiles of ``anomdet tile`` in several splits: neighbours share pixels, so that metrics get too good."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from anomdet.data.index.scan import DataIndex
from anomdet.layout import TILE_MAP
from anomdet.tiles import GROUPS
from anomdet.words import counted


def holds_tiles(data_dir: str | Path) -> bool:
    """Whether ``anomdet tile`` wrote the folder."""
    return (Path(data_dir) / TILE_MAP).is_file()


def torn_tiles(index: DataIndex, positions: Mapping[str, Sequence[int]], by: str) -> str:
    """A sentence on images whose tiles are in several splits; empty where there are none, or the images are no tiles.

    Args:
        index: of the data.
        positions: of each split, into the index.
        by: how the splits are made, as ``data.split.by`` says.
    """
    if not holds_tiles(index.data_dir):
        return ""
    pattern, names = re.compile(GROUPS), index.columns.file_names()
    splits_of: dict[str, dict[str, None]] = {}
    for split, ats in positions.items():
        for at in ats:
            if found := pattern.match(names[at]):
                splits_of.setdefault(found[1], {})[split] = None
    torn = {image: list(splits) for image, splits in splits_of.items() if len(splits) > 1}
    if not torn:
        return ""
    image, splits = next(iter(torn.items()))
    remedy = "correct the lists of data.split_files" if by == "files" else f"set data.split.group_regex='{GROUPS}'"
    return (
        f"the tiles of {counted(len(torn), 'image')} are in several splits ({image} in {' and '.join(splits)}): they "
        f"overlap, which makes metrics too good; {remedy}"
    )
