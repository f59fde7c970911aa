"""Which large images a run decodes once and keeps; to read them first makes all its steps alike.

Where it learns from tiles, their images are kept as stored; else as its network sees them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.pipeline.steps import FITTED, LoadInspectionImage
from anomdet.data.pixel_store import LEAST_MEGAPIXELS
from anomdet.data.tiles.decoded import DECODED


def unread(dataset: Any) -> list[dict[str, Any]]:
    """The records of the images that a data set will decode once and keep, and has not yet; of another one, none.

    Args:
        dataset: whose pipeline may keep images, see :func:`anomdet.data.pipeline.steps.keep_fitted` and
            :mod:`anomdet.data.tiles.decoded`.
    """
    step, large = _reader(dataset), _large(dataset)
    if step is None or sum(map(step.kept_bytes, large)) > step.cache_gb * 1e9:
        return []  # some would be decoded in each epoch all the same
    return [record for record in large if not (file := step.kept_file(record)) or not file.exists()]


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
    step, large = _reader(dataset), _large(dataset)
    if step is None or not large:
        return ""
    num_bytes = sum(map(step.kept_bytes, large))
    if dataset.tile_index is None:
        otherwise = "(data.cache_gb) are kept, what does not fit is decoded in each epoch"
        return FITTED.note(len(large), num_bytes, step.cache_gb, "kept as seen", otherwise)
    otherwise = "(data.tiles.cache_gb) are kept, what does not fit is decoded for each tile"
    return DECODED.note(len(large), num_bytes, step.cache_gb, "kept", otherwise)


def _large(dataset: Any) -> list[dict[str, Any]]:
    """The records of the images that are kept, where the items are tiles with the whole image as their window."""
    step = _reader(dataset)
    if step is None or (FITTED if dataset.tile_index is None else DECODED).folder is None:
        return []
    sizes_hw = dataset.index.columns.sizes_hw[dataset.positions].astype(np.int64)
    if sizes_hw.prod(axis=1).max(initial=0) < LEAST_MEGAPIXELS * 1e6:  # no record is made of small images
        return []
    records = [dataset.image_info(at) for at in range(dataset.num_images)]
    if dataset.tile_index is not None:
        records = [{**record, "window": np.array([0, 0, record["width"], record["height"]])} for record in records]
    return [record for record in records if step.is_kept(record)]


def _reader(dataset: Any) -> LoadInspectionImage | None:
    if not isinstance(dataset, TextLabelDataset):
        return None
    dataset.full_init()
    step = next(iter(dataset.pipeline.transforms), None)
    if not isinstance(step, LoadInspectionImage) or not step.cache_gb:
        return None
    return step if step.fit is not None or dataset.tile_index is not None else None
