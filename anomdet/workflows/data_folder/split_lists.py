"""What of the splits lies beside the data: lists of images, or the map of ``anomdet tile``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from anomdet.errors import UserError
from anomdet.layout import SPLITS_DIR, TILE_MAP, TRAIN, VAL
from anomdet.tiles import GROUPS
from anomdet.words import counted
from anomdet.workflows.data_folder.beside_data import split_folders, split_lists

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.config.schema_data import DataSettings
    from anomdet.data.index.scan import DataIndex
    from anomdet.quality.propose.choices import Choice

SHARES = {"data.train_split", "data.val_split", "data.test_split"}


def is_given(key: str, given: set[str]) -> bool:
    """Itself, or its whole section."""
    return any(f"{key}.".startswith(f"{one}.") for one in given)


def without(choices: dict[str, Choice], given: set[str]) -> dict[str, Choice]:
    """What the user has chosen, a whole section or one of its keys, is not chosen again; splits only together."""
    has_splits = given & SHARES or any(f"{key}.".startswith("data.split_files.") for key in given)
    taken = given | (SHARES if has_splits else set())
    return {key: choice for key, choice in choices.items() if not is_given(key, taken)}


def tile_groups(data_dir: Path, data: DataSettings, index: DataIndex) -> dict[str, Choice]:
    """How the tiles of an image stay in one split, where the folder is one of ``anomdet tile``: they overlap."""
    from anomdet.quality.propose.choices import Choice

    if data.split.by not in (None, "files") or not (data_dir / TILE_MAP).is_file():
        return {}
    others = [name for name in index.columns.file_names() if re.match(GROUPS, name) is None]
    if others:
        reason = (
            f"{TILE_MAP} lies there, but {counted(len(others), 'name')} as {others[0]} are none of tiles: keep the "
            f"tiles of an image in one split; '{GROUPS}' does where all images are tiles"
        )
        return {"data.split.group_regex": Choice(None, reason, warning=True)}
    reason = (
        f"the images are tiles ({TILE_MAP}): those of one image stay in one split; where several images show one "
        "part, write a pattern of the part"
    )
    return {"data.split.group_regex": Choice(GROUPS, reason)}


def with_groups(data: DataSettings, together: dict[str, Choice]) -> DataSettings:
    """The settings with the pattern that was chosen, so that lists are checked by it."""
    regex = [choice.value for choice in together.values()]
    split = data.split.model_copy(update={"group_regex": regex[0]}) if regex else data.split
    return data.model_copy(update={"split": split})


def with_lists(settings: Settings, lists: dict[str, str]) -> Settings:
    """The settings with the lists that were found, so that the schedule is of as many images as they name."""
    if not lists:
        return settings
    from anomdet.config.schema_data import SplitFiles

    data = settings.data.model_copy(update={"split_files": SplitFiles.model_validate(lists)})
    return settings.model_copy(update={"data": data})


def find_lists(data: DataSettings, index: DataIndex, given: set[str]) -> tuple[dict[str, str], list[str]]:
    """The lists of the splits beside the data, if there are those of train and val; and a line about them.

    Raises:
        UserError: they are faulty. Other splits in their place would train on what is to be measured.
    """
    found = split_lists(index.data_dir)
    if any(is_given(key, given) for key in (*SHARES, "data.split_files", "data.split")):
        return {}, []
    if not found:
        line = split_folders(index.data_dir)
        return {}, [f"! splits        {line}"] if line else []
    from anomdet.config.schema_data import SplitFiles
    from anomdet.config.translate_data import split_arguments
    from anomdet.data.splits.make import as_split_rule, make_splits

    if not {TRAIN, VAL} <= found.keys():
        there = ", ".join(f"{one}.txt" for one in found)
        return {}, [f"! splits        {SPLITS_DIR}/ is not used: expected {TRAIN}.txt and {VAL}.txt, got {there}"]
    listed = data.model_copy(update={"split_files": SplitFiles.model_validate(found)})
    try:
        splits = make_splits(index, as_split_rule(**split_arguments(listed)))
    except UserError as error:
        advice = f"nothing was written; correct the lists, or move {SPLITS_DIR}/ away, and init makes the splits"
        raise UserError([*error.problems, advice], title=f"The lists in {SPLITS_DIR}/ cannot be used:") from None
    sizes = {split: len(positions) for split, positions in splits.positions.items()}
    shown = ", ".join(f"{split} {size:,}" for split, size in sizes.items())
    halves = "; none of test: that of val is shared out" if splits.is_val_halved else ""
    return found, [f"  splits        lists found in {SPLITS_DIR}/: {shown}{halves}"]
