"""Where an evaluation's numbers come from: settings, versions, checkpoint, splits."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anomdet
from anomdet.addresses import without_secrets
from anomdet.data.contracts import HasSplits
from anomdet.engine.contracts import split_hashes
from anomdet.layout import IMAGES_DIR, STRIP, VISUALIZATION_DIR
from anomdet.workflows.runs.run_config import Run

if TYPE_CHECKING:  # its type costs torch
    from anomdet.engine.checkpoint import CheckpointFile

_PACKAGES = ("torch", "torchvision", "numpy", "onedl-mmengine", "onedl-mmdetection", "onedl-mmcv", "albumentations")


def about(run: Run, checkpoint: CheckpointFile, split: str, dataset: Any) -> dict[str, Any]:
    """The ``about`` of metrics.json."""
    return {
        "title": (run.config.get("report") or {}).get("title") or run.path.stem,
        "split": split,
        "checkpoint": str(checkpoint.path),
        "checkpoint_sha256": checkpoint.sha256,
        "created": now(),
        "versions": versions(_PACKAGES),
        "settings": _settings_text(run),
        "images": str(Path(dataset.data_root, IMAGES_DIR).absolute()) if dataset.data_root else None,
        "strip": _strip(run, checkpoint.path),
        "splits": _splits(dataset, dataset.metainfo["classes"]),
    }


def speed(runner: Any) -> dict[str, Any]:
    """How long an image took in a test, milliseconds: the median of the batches, and 95 % of them; empty: not timed."""
    import numpy as np

    times = getattr(runner.test_loop, "ms_per_image", [])
    if not times:
        return {}
    weights = next(runner.model.parameters(), None)
    if weights is None:  # no network: what was timed is the reading alone
        return {}
    device = weights.device.type
    middle, high = np.percentile(times, [50, 95]).tolist()
    batch_size = runner.test_dataloader.batch_size
    return {"speed": {"median_ms": middle, "p95_ms": high, "device": device, "batch_size": batch_size}}


def _strip(run: Run, checkpoint: Path) -> str | None:
    """The images that the checkpoint's own run drew over its epochs."""
    path = Path(run.config.work_dir, VISUALIZATION_DIR, STRIP).absolute()
    is_own = checkpoint.absolute().parent == Path(run.config.default_hooks.checkpoint.out_dir).absolute()
    return str(path) if is_own and path.is_file() else None


def now() -> str:
    """The time in UTC, as ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def versions(packages: tuple[str, ...]) -> dict[str, str]:
    """Ours, Python's, and those of the packages that are installed."""
    found = {"anomdet": anomdet.__version__, "python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _settings_text(run: Run) -> str:
    if run.settings is None:
        return without_secrets(str(run.config.pretty_text))
    from anomdet.config.dump import dump_yaml

    return dump_yaml(run.settings)


def _splits(dataset: object, names: Sequence[str]) -> dict[str, Any]:
    """Images, normal images and objects of each class, of each split; empty for a data set that is not ours."""
    if not isinstance(dataset, HasSplits):
        return {}
    hashes = split_hashes(dataset)
    return {
        name: {
            "num_images": len(counts),
            "num_normal": int((counts.sum(axis=1) == 0).sum()),
            "hash": hashes[name],
            "num_gt": dict(zip(names, counts.sum(axis=0).tolist(), strict=True)),
        }
        for name, counts in dataset.split_class_counts().items()
    }
