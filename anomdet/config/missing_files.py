"""What to do about a file that the settings name and that is not there: the data may have been moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anomdet.config.problems import KeyPath
from anomdet.layout import SPLITS_DIR


def missing_hint(path: KeyPath, name: str, data_dir: Any) -> str:
    """The key with a file of this name in the data folder, if there is one; else where paths start from.

    Args:
        path: of the key.
        name: of the file that is not there.
        data_dir: as the settings have it, which may be wrong too.
    """
    key = ".".join(map(str, path))
    if isinstance(data_dir, str) and key.startswith("data.split_files."):
        there = Path(data_dir, SPLITS_DIR, Path(name).name)
        if there.is_file():
            return f"data.data_dir has it; add {key}={there}"
    if Path(name).is_absolute():
        return f"if it was moved with the data, add {key}=PATH of its new place"
    return f"a path starts from the folder of the command, {Path.cwd()}"
