"""Boxes that a run would take as corner and size, and that are something else: refused before it, as by ``init``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from anomdet.errors import Problem, UserError
from anomdet.layout import LABELS_DIR

if TYPE_CHECKING:
    from anomdet.data.index.scan import DataIndex
    from anomdet.quality.check.findings import Finding

_MIN_AT_BORDER = 0.05  # of the boxes: fewer than that of another convention were never cut to their image
_MAX_IMAGES = 2000  # whose label files are read again


def refuse_other_convention(dataset: Any) -> None:
    """Refuse a data set whose boxes are two corners, a centre and a size, or those of images as stored.

    Args:
        dataset: of a run; one without an ``index`` is left to itself.

    Raises:
        UserError: as said.
    """
    from anomdet.data.contracts import HasSplits
    from anomdet.quality.check.findings import ERROR

    found = _finding(dataset.index) if isinstance(dataset, HasSplits) else None
    if found is not None and found.severity == ERROR:
        where = str(dataset.index.data_dir / LABELS_DIR)
        raise UserError(Problem(where, found.expected, found.got, found.hint))


def _finding(index: DataIndex) -> Finding | None:
    """What the boxes of some images show, as they are written, where many end at the border of their image."""
    from anomdet.data.index.image_batches import ImageCheck
    from anomdet.data.labels import label_path
    from anomdet.images.headers import BadImageError
    from anomdet.quality.check.convention import find_convention
    from anomdet.quality.check.read import read_share
    from anomdet.quality.check.table import make_boxes
    from anomdet.quality.check.unturned import find_unturned

    columns = index.columns
    counts = np.diff(columns.box_starts)
    size_wh = np.repeat(columns.sizes_hw[:, ::-1], counts, axis=0)
    num_at_border = np.count_nonzero((columns.bboxes_xyxy[:, 2:] >= size_wh).any(axis=1))
    if not len(size_wh) or num_at_border < _MIN_AT_BORDER * len(size_wh):
        return None
    labelled = np.flatnonzero(counts)
    chosen = labelled[np.linspace(0, len(labelled) - 1, min(len(labelled), _MAX_IMAGES)).astype(np.int64)]
    names = [index.records[at].file_name for at in chosen.tolist()]
    folder = index.data_dir / LABELS_DIR
    labels = [label_path(folder, name).relative_to(folder).as_posix() for name in names]
    read = read_share(str(index.data_dir), names, labels, ImageCheck(decode=False, max_megapixels=math.inf), {})
    boxes = make_boxes(labels, read.rows, columns.sizes_hw[chosen][:, ::-1].astype(np.float64))
    turns = [1 if isinstance(header, BadImageError) else header.orientation for header in read.headers]
    orientations = np.array(turns, dtype=np.int64)[boxes.file_at]
    return (find_unturned(boxes, orientations) or find_convention(boxes)).finding()
