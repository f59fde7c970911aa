"""The configs that come with AnomDet: in a checkout in ``configs/``, in an installed wheel inside the package."""

from __future__ import annotations

from pathlib import Path

import anomdet


def configs_dir() -> Path:
    """The folder of the shipped YAML files."""
    package = Path(anomdet.__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"
