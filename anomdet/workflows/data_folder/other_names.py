"""Class numbers that mean another class than before, as data converted anew have them after a class came or went."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.layout import CLASSES_FILE

_SHOWN = 5


def other_names(data_dir: str | Path, classes: Mapping[int, str] | None) -> tuple[str, str]:
    """What classes.yaml beside the data calls classes that these names call otherwise; and what these call them.

    Empty, if it calls all alike, or has not one name in common with them: all were given other names, or translated.
    """
    from anomdet.errors import UserError
    from anomdet.formats.side_files import classes_beside

    try:
        beside = classes_beside(Path(data_dir)) or {}
    except UserError:
        return "", ""
    classes = classes or {}
    other = {num: name for num, name in beside.items() if classes.get(num, name) != name}
    if not set(beside.values()) & set(classes.values()):
        return "", ""
    return _shown(other), _shown({num: classes[num] for num in other})


def _shown(classes: Mapping[int, str]) -> str:
    shown = [f"{num}: {name}" for num, name in sorted(classes.items())]
    return ", ".join([*shown[:_SHOWN], *(["..."] if len(shown) > _SHOWN else [])])


def warn_of_other_names(runner: Any, loaded: Any) -> str:
    """The warning that is logged: what the data call one class, the checkpoint learned as another one."""
    names = loaded.file.meta.dataset_meta.names
    beside, known = other_names(getattr(runner.test_dataloader.dataset, "data_root", ""), names) if names else ("", "")
    if not beside:
        return ""
    note = (
        f"{CLASSES_FILE} beside the data says {beside}; {loaded.file.path} has learned {known}: if the labels were "
        "converted anew with other numbers, convert them with --classes and the settings of the training"
    )
    runner.logger.warning(note)
    return note
