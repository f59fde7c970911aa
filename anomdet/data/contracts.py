"""What samplers and workflows use of a data set where it has it; MMDetection's and a user's own need not have it.

``isinstance`` asks for the names only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anomdet.data.draw import Draw
    from anomdet.data.index.scan import DataIndex
    from anomdet.data.splits.make import SplitRule, Splits
    from anomdet.data.tiles.index import TileIndex


@runtime_checkable
class HasSplits(Protocol):
    """A data set that shares its images out itself, and knows those of the other splits too."""

    index: DataIndex
    split_rule: SplitRule
    splits: Splits
    hard_normals: NDArray[np.int64] | None

    def split_class_counts(self) -> dict[str, NDArray[np.int32]]:
        """Split name to the objects of each class in each of its images, ``(images, classes)``."""


@runtime_checkable
class HasClassCounts(Protocol):
    """A data set that knows its labels before an image is read."""

    def __len__(self) -> int:
        """Items."""

    @property
    def image_class_counts(self) -> NDArray[np.integer]:
        """Objects of each class in each item, ``(items, classes)``."""


@runtime_checkable
class HasHardNormals(Protocol):
    """A data set that marks normal images on which a detector fired."""

    @property
    def is_hard_normal(self) -> NDArray[np.bool_]:
        """``(items,)``."""


@runtime_checkable
class CountsImages(Protocol):
    """A data set whose items may be tiles."""

    @property
    def num_images(self) -> int:
        """Whole images."""


@runtime_checkable
class HasTiles(Protocol):
    """A data set whose items may be tiles, and which knows where they lie; None: they are whole images."""

    tile_index: TileIndex | None


class LendsImages(HasClassCounts, CountsImages, HasTiles, Protocol):
    """A data set whose pipeline mixes images: its steps ask it for others than their own."""

    @property
    def pipeline(self) -> Any:
        """MMEngine's ``Compose``."""

    def get_data_info(self, idx: int | Draw, /) -> dict[str, Any]:
        """The record of an item."""

    def image_info(self, at: int, /) -> dict[str, Any]:
        """The record of a whole image, 0 to ``num_images``."""
