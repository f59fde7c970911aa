"""``anomdet tile``: a data folder as one of tiles, for other trainers, with a map by which their results find back."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR, LABELS_DIR, SPLITS_DIR, TILE_MAP
from anomdet.outputs import fitting_stem
from anomdet.tiles import GROUPS, Tiling
from anomdet.words import counted

if TYPE_CHECKING:
    from anomdet.data.index.scan import DataIndex
    from anomdet.data.tiles.index import TileIndex
    from anomdet.workflows.runs.tile_losses import LostObjects

MAP_VERSION = 1
_TILE_ROOM = len("_x123456_y123456.png")
_log = logging.getLogger("anomdet")
_LARGER = (
    "choose a larger --size or more --overlap; in its own training AnomDet sees such objects with "
    "data.tiles.include_whole=true"
)


@dataclass(frozen=True)
class Tiled:
    """What was written.

    Args:
        written: the folder; in it the map, and the names of classes and the lists that come along.
        num_images, num_tiles: how many.
        num_hidden: parts of objects that are too small a share of theirs: blanked out, and without a label.
        num_lost: objects that no tile keeps, since each shows too small a share of them.
        num_left_out: tiles that show a part of such an object and no other object: not written, since without a label
            they would count as good parts; the map lists them.
    """

    written: list[Path]
    num_images: int
    num_tiles: int
    num_hidden: int
    num_lost: int = 0
    num_left_out: int = 0


def tile(
    data_dir: str | Path,
    out: str | Path,
    *,
    size: int = 640,
    overlap: float = 0.2,
    min_visible: float = 0.3,
) -> Tiled:
    """Cut a data folder into tiles: images/, labels/ in the same format, and tile_map.json; the source stays as it is.

    Class names, lists in splits/ and hard_normals.txt come along, for the tiles.

    Tiles are PNG files of 8 bits a channel. Images of 16 bit are scaled by the bits that the data uses, as in training
    with ``data.bit_depth: auto``.

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
    from anomdet.workflows.data_folder.tile_sides import SideFiles

    tiling = _tiling({"size": size, "overlap": overlap, "min_visible": min_visible})
    target = Path(out)
    check_apart(target, data_folders(data_dir), "--out")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(Problem(f"--out {out}", "a new or empty folder", "one that holds something"))
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    index = scan(str(data_dir))
    sides = SideFiles.of(index)
    work = _Work.of(index, partial, tiling, min_visible)
    try:
        for name in (IMAGES_DIR, LABELS_DIR):
            (partial / name).mkdir(parents=True)
        for at in range(len(work.index.records)):
            work.write_image(at)
        work.write_map(sides.class_names)
        names = [TILE_MAP, *sides.write(partial, work.tiles_of())]
        written = [target, *(target / name for name in names)]
        if target.exists():
            target.rmdir()
        partial.replace(target)
    except OSError as error:
        raise UserError(Problem(f"--out {out}", "a folder that can be written", str(error))) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    done = work.done(written)
    _report(work, done)
    return done


def _tiling(given: dict[str, float]) -> Tiling:
    """In pixels, from what the settings take."""
    from anomdet.config.load import load_settings
    from anomdet.config.translate_data import tile_arguments

    tiles = tile_arguments(load_settings({"data": {"tiles": given}}).data)
    assert isinstance(tiles, dict)
    return Tiling(tuple(tiles["size_hw"]), tuple(tiles["overlap_hw"]))


@dataclass
class _Work:
    """The tiles of a data folder, written one image after the other.

    Args:
        index: of the data.
        out: the folder.
        tiles: of all images.
        lost: objects that no tile keeps.
        is_lost: ``(M,)`` the same, of each of the columns' boxes.
        bits: that images of 16 bit use.
        entries: of the map, of the images that have a tile.
        num_hidden: parts that were blanked out.
        left_out, images_left_out: names of the tiles that are not written, and of the images that have no other.
    """

    index: DataIndex
    out: Path
    tiles: TileIndex
    lost: LostObjects
    is_lost: NDArray[np.bool_]
    bits: int
    entries: list[dict[str, Any]] = field(default_factory=list)
    num_hidden: int = 0
    left_out: list[str] = field(default_factory=list)
    images_left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, index: DataIndex, out: Path, tiling: Tiling, min_visible: float) -> _Work:
        from anomdet.data.tiles.index import TileIndex, TileRule
        from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS
        from anomdet.workflows.runs.bit_depth import bits_of
        from anomdet.workflows.runs.tile_losses import LostObjects, check_num_tiles

        check_num_tiles(index.columns, tiling)
        rows = np.arange(len(index.records), dtype=np.int32)
        tiles = TileIndex(index.columns, rows, TileRule(tiling, min_visible, tiling.size_hw))
        lost = LostObjects.of(tiles)
        is_lost = np.zeros(len(index.columns.class_nums), dtype=bool)
        is_lost[lost.rows] = True
        used = bits_of(index, MAX_IMAGE_MEGAPIXELS)
        if sentence := used.sentence():
            _log.info(f"data: {sentence}; tiles have 8 bits")
        return cls(index, out, tiles, lost, is_lost, used.bits)

    def write_image(self, at: int) -> None:
        """All tiles of an image, lossless, but not those that only show parts of objects that no tile keeps."""
        from anomdet.images.decode import read_image

        record, columns = self.index.records[at], self.index.columns
        pixels = read_image(Path(self.index.data_dir) / IMAGES_DIR / record.file_name, bit_depth=self.bits)
        is_lost = self.is_lost[columns.box_starts[at] : columns.box_starts[at + 1]]
        stem, entries = fitting_stem(Path(record.file_name).with_suffix("").as_posix(), _TILE_ROOM), []
        for number in range(self.tiles.starts[at], self.tiles.starts[at + 1]):
            window = self.tiles.window(number)
            cut = self.tiles.cut(number, window)
            left, top, right, bottom = window.tolist()
            name = f"{stem}_x{left}_y{top}"
            if is_lost[cut.rows].any() and not cut.is_kept.any():
                self.left_out.append(f"{name}.png")
                continue
            kept, hidden = cut.bboxes_xyxy[cut.is_kept].tolist(), cut.bboxes_xyxy[~cut.is_kept].tolist()
            self.num_hidden += len(hidden)
            _write_tile(self.out, name, _hide(pixels[top:bottom, left:right], hidden, kept))
            _write_label(self.out, name, record.labels.class_nums[cut.rows[cut.is_kept]].tolist(), kept)
            entries.append({"file_name": f"{name}.png", "window": [left, top, right, bottom]})
        boxes = record.labels.bboxes_xyxy.tolist()
        objects = [[num, *box] for num, box in zip(record.labels.class_nums.tolist(), boxes, strict=True)]
        entry = {"file_name": record.file_name, "height": record.height, "width": record.width, "objects": objects}
        if entries:
            self.entries.append({**entry, "tiles": entries})
        else:
            self.images_left_out.append(record.file_name)

    def write_map(self, class_names: Mapping[int, str]) -> None:
        """``tile_map.json``.

        Args:
            class_names: of the classes that have one.

        Raises:
            UserError: no tile is left.
        """
        import json

        from anomdet.outputs import write_text

        tiling = self.tiles.rule.tiling
        if not self.entries:
            got = "tiles that only show parts of objects larger than a tile"
            raise UserError(Problem("data.tiles.size", "at least one tile that can be labelled", got, _LARGER))
        head = {"version": MAP_VERSION, "size_hw": tiling.size_hw, "overlap_hw": tiling.overlap_hw}
        left_out = {"tiles": self.left_out, "images": self.images_left_out}
        classes = {"class_nums": self.index.class_nums, "class_names": class_names}
        content = {**head, **classes, "images": self.entries, "left_out": left_out}
        write_text(self.out / TILE_MAP, json.dumps(content) + "\n")

    def tiles_of(self) -> dict[str, list[str]]:
        """Image to the names of its tiles."""
        return {entry["file_name"]: [tile["file_name"] for tile in entry["tiles"]] for entry in self.entries}

    def done(self, written: list[Path]) -> Tiled:
        num_tiles = sum(len(entry["tiles"]) for entry in self.entries)
        lost, left_out = len(self.lost.rows), len(self.left_out)
        return Tiled(written, len(self.entries), num_tiles, self.num_hidden, lost, left_out)


def _hide(pixels: NDArray[np.uint8], hidden: list[list[float]], kept: list[list[float]]) -> NDArray[np.uint8]:
    from anomdet.data.pipeline.blanking import blanked

    own = np.ascontiguousarray(pixels)
    return blanked(own, hidden, kept) if hidden else own


def _write_tile(out: Path, name: str, pixels: NDArray[np.uint8]) -> None:
    import cv2

    path = out / IMAGES_DIR / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _write_label(out: Path, name: str, nums: list[int], bboxes_xyxy: list[list[float]]) -> None:
    path = out / LABELS_DIR / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{num} {x1:.9g} {y1:.9g} {x2 - x1:.9g} {y2 - y1:.9g}\n"
        for num, (x1, y1, x2, y2) in zip(nums, bboxes_xyxy, strict=True)
    ]
    path.write_text("".join(lines), encoding="utf-8")


def _report(work: _Work, done: Tiled) -> None:
    """The summary, and a warning if objects are lost."""
    _log.info(
        f"{counted(done.num_images, 'image')} in {counted(done.num_tiles, 'tile')} of {work.tiles.rule.tiling.text}; "
        f"{counted(done.num_hidden, 'part')} of objects, too small a share, blanked out; "
        f"{counted(done.num_lost, 'object')} in no tile, {counted(done.num_left_out, 'tile')} left out for them"
    )
    if not any(path.parent.name == SPLITS_DIR for path in done.written):
        _log.info(f"keep the tiles of an image in one split: data.split.group_regex='{GROUPS}'")
    if sentence := work.lost.sentence(work.tiles.rule.min_visible):
        gone = work.images_left_out
        names = ", ".join(gone[:3]) + (" ..." if len(gone) > 3 else "")
        whole = f"; {counted(len(gone), 'image')} ({names}) with no tile left" if gone else ""
        _log.warning(
            f"{sentence}. Their parts are blanked out, and {counted(done.num_left_out, 'tile')} with nothing but such "
            f"parts, which would count as good parts, were not written{whole}; {TILE_MAP} lists them under left_out. "
            f"To keep these objects, {_LARGER}"
        )
