"""Which large images a run keeps as its network sees them; to read them first makes all its steps alike."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.pipeline.steps import FITTED, LEAST_MEGAPIXELS, LoadInspectionImage


def unread(dataset: Any) -> list[dict[str, Any]]:
    """The records of the images that a data set will decode once and keep, and has not yet; of another one, none.

    Args:
        dataset: whose pipeline may keep images, see :func:`anomdet.data.pipeline.steps.keep_fitted`.
    """
    step, large = _reader(dataset), _large(dataset)
    if step is None or sum(map(step.kept_bytes, large)) > step.cache_gb * 1e9:
        return []  # some would be decoded in each epoch all the same
    return [record for record in large if not (file := step.kept_file(record)) or not file.exists()]


def read_ahead(dataset: Any, records: Sequence[dict[str, Any]], num_threads: int) -> None:
    """Decode, fit and keep images; OpenCV does it without Python's lock.

    Args:
        dataset: of the records.
        records: as of :func:`unread`.
        num_threads: that read.

    Raises:
        UserError: one cannot be read.
    """
    step = _reader(dataset)
    assert step is not None
    with ThreadPoolExecutor(max(num_threads, 1)) as pool:
        for _ in pool.map(lambda record: step.transform(dict(record))["img"].shape, records):
            pass


def note_on_fitted(dataset: Any) -> str:
    """What a user should know of the disk that a run on a data set takes; empty: nothing."""
    step, large = _reader(dataset), _large(dataset)
    if step is None or not large:
        return ""
    otherwise = "(data.cache_gb) are kept, what does not fit is decoded in each epoch"
    return FITTED.note(len(large), sum(map(step.kept_bytes, large)), step.cache_gb, "kept as seen", otherwise)


def _large(dataset: Any) -> list[dict[str, Any]]:
    """The records of the images that are kept."""
    step = _reader(dataset)
    if step is None or dataset.tile_index is not None or FITTED.folder is None:
        return []
    sizes_hw = dataset.index.columns.sizes_hw[dataset.positions].astype(np.int64)
    if sizes_hw.prod(axis=1).max(initial=0) < LEAST_MEGAPIXELS * 1e6:  # no record is made of small images
        return []
    return [record for at in range(len(dataset)) if step.is_kept(record := dataset.image_info(at))]


def _reader(dataset: Any) -> LoadInspectionImage | None:
    if not isinstance(dataset, TextLabelDataset):
        return None
    step = next(iter(dataset.pipeline.transforms), None)
    return step if isinstance(step, LoadInspectionImage) and step.fit is not None and step.cache_gb else None
