"""What the settings say about the data, for the commands that look at it before a run. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import UserError

if TYPE_CHECKING:
    from anomdet.config.schema_data import DataSettings
    from anomdet.quality.check.check import Rules


def rules_of(data: DataSettings, *, decode: bool = False) -> Rules:
    """What a check goes by; ``decode`` reads all pixels, whatever the settings say."""
    from anomdet.quality.check.check import Rules

    decode = decode or data.verify_images == "decode"
    return Rules(data.classes, data.missing_labels, decode, data.max_image_megapixels, data.bit_depth)


def planned_splits(data: DataSettings, data_dir: Path) -> tuple[dict[str, list[str]] | None, str]:
    """Split name to file names; None, and why, where there could be no training.

    Args:
        data: how the images are shared out.
        data_dir: holds images/ and labels/; may be another one than the settings'.
    """
    from anomdet.config.translate_data import split_arguments
    from anomdet.data.splits.make import as_split_rule, make_splits
    from anomdet.workflows.data_folder.index import index_of

    if data.dataset:
        return None, "Splits are not shown: data.dataset changes what the run reads."
    try:
        index = index_of(data, data_dir, only_headers=True)
        positions = make_splits(index, as_split_rule(**split_arguments(data))).positions
    except UserError as error:
        more = f" (and {len(error.problems) - 1:,} more)" if len(error.problems) > 1 else ""
        return None, f"No splits yet; the training would refuse the data: {error.problems[0]}{more}"
    return {name: [index.records[at].file_name for at in places] for name, places in positions.items()}, ""
