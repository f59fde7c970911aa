"""The data folder of settings, read and checked as a run reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anomdet.config.schema_data import DataSettings
    from anomdet.data.index.scan import DataIndex


def index_of(data: DataSettings, data_dir: str | Path | None = None, *, only_headers: bool = False) -> DataIndex:
    """What :func:`anomdet.data.index.scan.scan` finds.

    Args:
        data: of the settings.
        data_dir: another folder than theirs.
        only_headers: of the images, also where the settings want all of their pixels checked.

    Raises:
        UserError: everything that is wrong with the folder.
    """
    from anomdet.data.index.scan import scan

    return scan(
        data.data_dir if data_dir is None else data_dir,
        missing_labels=data.missing_labels,
        verify_images="header" if only_headers else data.verify_images,
        classes=data.classes,
        max_image_megapixels=data.max_image_megapixels,
    )
