"""``anomdet tile``: a data folder as one of tiles, for other trainers, with a map by which their results find back."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR, LABELS_DIR, TILE_MAP
from anomdet.tiles import Tiling, plan

if TYPE_CHECKING:
    from anomdet.data.index.columns import ImageRecord
    from anomdet.data.index.scan import DataIndex

MAP_VERSION = 1
_log = logging.getLogger("anomdet")
GROUPS = r"^(.*)_x\d+_y\d+"
"""``data.split.group_regex`` by which the tiles of an image stay in one split."""


@dataclass(frozen=True)
class Tiled:
    """What was written.

    Args:
        written: the folder, and the map in it.
        num_images, num_tiles: how many.
        num_hidden: parts of objects that are too small a share of theirs: blanked out, and without a label.
    """

    written: list[Path]
    num_images: int
    num_tiles: int
    num_hidden: int


def tile(
    data_dir: str | Path,
    out: str | Path,
    *,
    size: int = 640,
    overlap: float = 0.2,
    min_visible: float = 0.3,
) -> Tiled:
    """Cut a data folder into tiles: images/, labels/ in the same format, and tile_map.json; the source stays as it is.

    Args:
        data_dir: holds images/ and labels/.
        out: a new or empty folder.
        size: side of a tile in pixels.
        overlap: a share of it, or pixels from 1 on.
        min_visible: as ``data.tiles.min_visible``.

    Raises:
        UserError: the data, the folder, or a number out of range; nothing was written.

    >>> anomdet.tile("data", "tiles", size=640).num_tiles  # doctest: +SKIP
    """
    from anomdet.data.index.scan import scan
    from anomdet.output_rule import check_apart, data_folders

    tiling = _tiling({"size": size, "overlap": overlap, "min_visible": min_visible})
    target = Path(out)
    check_apart(target, data_folders(data_dir), "--out")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(Problem(f"--out {out}", "a new or empty folder", "one that holds something"))
    index = scan(str(data_dir))
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        for name in (IMAGES_DIR, LABELS_DIR):
            (partial / name).mkdir(parents=True)
        entries = [_write_image(index, record, partial, tiling, min_visible) for record in index.records]
        _write_map(partial / TILE_MAP, index, tiling, [entry for entry, _ in entries])
        if target.exists():
            target.rmdir()
        partial.replace(target)
    except OSError as error:
        raise UserError(Problem(f"--out {out}", "a folder that can be written", str(error))) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    num_tiles, num_hidden = sum(len(entry["tiles"]) for entry, _ in entries), sum(hidden for _, hidden in entries)
    _log.info(
        f"{len(entries)} images in {num_tiles} tiles; {num_hidden} parts of objects, too small a share, blanked out"
    )
    _log.info(f"keep the tiles of an image in one split: data.split.group_regex='{GROUPS}'")
    return Tiled([target, target / TILE_MAP], len(entries), num_tiles, num_hidden)


def _tiling(given: dict[str, float]) -> Tiling:
    """In pixels, from what the settings take."""
    from anomdet.config.load import load_settings
    from anomdet.config.translate_data import tile_arguments

    tiles = tile_arguments(load_settings({"data": {"tiles": given}}).data)
    assert isinstance(tiles, dict)
    return Tiling(tuple(tiles["size_hw"]), tuple(tiles["overlap_hw"]))


def _write_image(
    index: DataIndex, record: ImageRecord, out: Path, tiling: Tiling, min_visible: float
) -> tuple[dict[str, Any], int]:
    """All tiles of an image, lossless; its entry of the map, and how many parts were hidden."""
    import cv2

    from anomdet.data.pipeline.blanking import blanked
    from anomdet.data.tiles.cut import cut_boxes
    from anomdet.images.decode import read_image

    pixels = read_image(Path(index.data_dir) / IMAGES_DIR / record.file_name)
    labels, entries, num_hidden = record.labels, [], 0
    for window in plan((record.height, record.width), tiling):
        left, top, right, bottom = window.tolist()
        name = f"{Path(record.file_name).with_suffix('').as_posix()}_x{left}_y{top}"
        cut = cut_boxes(labels.bboxes_xyxy, window, min_visible)
        kept, hidden = cut.bboxes_xyxy[cut.is_kept], cut.bboxes_xyxy[~cut.is_kept]
        own = np.ascontiguousarray(pixels[top:bottom, left:right])
        own = blanked(own, hidden.tolist(), kept.tolist()) if len(hidden) else own
        num_hidden += len(hidden)
        lines = [
            f"{num} {x1:.9g} {y1:.9g} {x2 - x1:.9g} {y2 - y1:.9g}\n"
            for num, (x1, y1, x2, y2) in zip(labels.class_nums[cut.rows[cut.is_kept]], kept.tolist(), strict=True)
        ]
        image, label = out / IMAGES_DIR / f"{name}.png", out / LABELS_DIR / f"{name}.txt"
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        _save(image, cv2.imencode(".png", own)[1].tobytes())
        label.write_text("".join(lines), encoding="utf-8")
        entries.append({"file_name": f"{name}.png", "window": [left, top, right, bottom]})
    objects = [[num, *box] for num, box in zip(labels.class_nums.tolist(), labels.bboxes_xyxy.tolist(), strict=True)]
    entry = {"file_name": record.file_name, "height": record.height, "width": record.width}
    return {**entry, "objects": objects, "tiles": entries}, num_hidden


def _save(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _write_map(path: Path, index: DataIndex, tiling: Tiling, entries: list[dict[str, Any]]) -> None:
    import json

    from anomdet.outputs import write_text

    head = {"version": MAP_VERSION, "size_hw": tiling.size_hw, "overlap_hw": tiling.overlap_hw}
    write_text(path, json.dumps({**head, "class_nums": index.class_nums, "images": entries}) + "\n")
