"""Which large images a run decodes once and keeps; to read them first makes all its steps alike.

Where it learns from tiles, their images are kept as stored; else as its network sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.pipeline.steps import FITTED, LoadInspectionImage
from anomdet.data.tiles.decoded import DECODED, is_read_in_parts


def unread(dataset: Any) -> list[dict[str, Any]]:
    """The records of the images that a data set will decode once and keep, and has not yet; of another one, none.

    Args:
        dataset: whose pipeline may keep images, see :func:`anomdet.data.pipeline.steps.keep_fitted` and
            :mod:`anomdet.data.tiles.decoded`.
    """
    step = _reader(dataset)
    if step is None:
        return []
    large, num_bytes = _large(dataset, step)
    if num_bytes > step.cache_gb * 1e9:
        return []  # some would be decoded in each epoch all the same
    records = (_record(dataset, at) for at in large.tolist())
    return [record for record in records if not (file := step.kept_file(record)) or not file.exists()]


def read_ahead(dataset: Any, records: Sequence[dict[str, Any]], num_threads: int) -> None:
    """Decode and keep images; OpenCV does it without Python's lock.

    Args:
        dataset: of the records.
        records: as of :func:`unread`.
        num_threads: that read.

    Raises:
        UserError: one cannot be read.
    """
    step = _reader(dataset)
    if step is None:
        return
    with ThreadPoolExecutor(max(num_threads, 1)) as pool:
        for _ in pool.map(lambda record: step.transform(dict(record))["img"].shape, records):
            pass


def note_on_kept(dataset: Any) -> str:
    """What a user should know of the disk that a run on a data set takes; empty: nothing."""
    step = _reader(dataset)
    if step is None:
        return ""
    large, num_bytes = _large(dataset, step)
    if not len(large):
        return ""
    if dataset.tile_index is None:
        otherwise = "(data.cache_gb) are kept, what does not fit is decoded in each epoch"
        return FITTED.note(len(large), num_bytes, step.cache_gb, "kept as seen", otherwise)
    otherwise = "(data.tiles.cache_gb) are kept, what does not fit is decoded for each tile"
    return DECODED.note(len(large), num_bytes, step.cache_gb, "kept", otherwise)


def _large(dataset: TextLabelDataset, step: LoadInspectionImage) -> tuple[NDArray[np.int64], int]:
    """Which images are kept, 0 to ``num_images``, and the bytes that they take at most.

    A record is made of one image of each size: a million of them would take gigabytes.
    """
    if (FITTED if dataset.tile_index is None else DECODED).folder is None:
        return np.zeros(0, np.int64), 0
    sizes_hw = _sizes_hw(dataset)
    _, firsts, size_of = np.unique(sizes_hw[:, 0] << 32 | sizes_hw[:, 1], return_index=True, return_inverse=True)
    samples = [_record(dataset, at) for at in firsts.tolist()]
    # The kind of file is a part of the rule; names are looked at only where it decides.
    kept_bytes = np.array([step.kept_bytes(one) if step.is_kept({**one, "img_path": ""}) else 0 for one in samples])
    in_parts = np.array([not step.is_kept({**one, "img_path": ".tif"}) for one in samples])
    large = np.flatnonzero(kept_bytes[size_of])
    if dataset.tile_index is not None and in_parts[size_of[large]].any():
        names = (dataset.index.columns.file_name(int(row)) for row in dataset.tile_index.rows[large])
        is_tiff = np.fromiter(map(is_read_in_parts, names), bool, len(large))
        large = large[~(is_tiff & in_parts[size_of[large]])]
    return large, int(kept_bytes[size_of[large]].sum())


def _sizes_hw(dataset: TextLabelDataset) -> NDArray[np.int64]:
    """``(num_images, 2)``, of the images in their order."""
    sizes_hw = dataset.index.columns.sizes_hw
    if dataset.tile_index is not None:
        return sizes_hw[dataset.tile_index.rows].astype(np.int64)
    if dataset._rows is not None:
        return sizes_hw[dataset._rows].astype(np.int64)
    records = map(dataset.image_info, range(dataset.num_images))  # a derived class makes them
    return np.array([(one["height"], one["width"]) for one in records], dtype=np.int64).reshape(-1, 2)


def _record(dataset: TextLabelDataset, at: int) -> dict[str, Any]:
    """Of a whole image; where the items are tiles, with the window of its last one.

    That one has all rows of the image, if any has: an image in a row of tiles, or one that is looked at as a whole.
    """
    record = dataset.image_info(at)
    if dataset.tile_index is None:
        return record
    last_tile = int(dataset.tile_index.starts[at + 1]) - 1
    return {**record, "window": dataset.tile_index.window(last_tile)}


def _reader(dataset: Any) -> LoadInspectionImage | None:
    if not isinstance(dataset, TextLabelDataset):
        return None
    dataset.full_init()
    step = next(iter(dataset.pipeline.transforms), None)
    if not isinstance(step, LoadInspectionImage) or not step.cache_gb:
        return None
    return step if step.fit is not None or dataset.tile_index is not None else None
