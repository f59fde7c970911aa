"""Confirmed hard normals, on which a detector fired and a person found nothing: their list, and their marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.contracts import HasHardNormals
from anomdet.data.index.scan import DataIndex
from anomdet.data.splits.lists import listed_images
from anomdet.errors import Problem, UserError
from anomdet.layout import HARD_NORMALS, IMAGES_DIR

_HINT = f"`anomdet review --apply` writes {HARD_NORMALS}; or leave class_imbalance_handling.hard_normals out"


def read_hard_normals(index: DataIndex, path: str | Path) -> NDArray[np.int64]:
    """Positions of the listed images into ``index.records``, ascending.

    Args:
        index: the data set.
        path: a text file with one image name a line.

    Raises:
        UserError: everything that is wrong with the list; a listed image with labels is no normal image.
    """
    if not Path(path).is_file():
        raise UserError(Problem(str(path), "a list of hard normals, one image name a line", "no such file", _HINT))
    problems: list[Problem] = []
    where_of: dict[int, str] = {}
    position_of = {name: at for at, name in enumerate(index.columns.file_names())}
    listed = listed_images(str(path), position_of, where_of, problems, index.data_dir / IMAGES_DIR)
    positions = np.array(sorted(listed or ()), dtype=np.int64)
    counts = np.diff(index.columns.box_starts)[positions]
    for at, count in zip(positions[counts > 0].tolist(), counts[counts > 0].tolist(), strict=True):
        name, hint = index.records[at].file_name, "remove the line: it is no normal image any more"
        problems.append(Problem(where_of[at], "an image without labels", f"{name!r} with {count}", hint))
    if problems:
        raise UserError(problems, title="The list of hard normals does not fit the data:")
    return positions


def marked_hard(dataset: Any, is_normal: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(N,)`` normal items that the data set marks as hard: a tile of such an image is normal as it is."""
    if not isinstance(dataset, HasHardNormals):
        raise UserError(Problem("hard_normals", "a data set with is_hard_normal", type(dataset).__name__, "write null"))
    return np.asarray(dataset.is_hard_normal & is_normal)
