"""``export.html``: the checkpoint and each format made of it side by side: size, speed, accuracy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import UserError
from anomdet.layout import EXPORT_MANIFEST, EXPORT_PAGE, PARITY
from anomdet.strict_files import parse_json, read_regular

if TYPE_CHECKING:
    from anomdet.exporting.parity import Parity
    from anomdet.inference.detector import Detector
    from anomdet.inference.exported import Manifest

_TIMED = 8  # images; one at a time, after one that warms up
_MAX_BESIDE = 20


def timed(detector: Detector, prepared: Sequence[Any]) -> float:
    """Milliseconds of processor time an image, from the prepared image to its result."""
    some = prepared[:_TIMED]
    detector.run(some[:1])
    start = time.process_time()
    for image in some:
        detector.run([image])
    return 1e3 * (time.process_time() - start) / len(some)


def write_page(folder: Path, manifest: Manifest, parity: Parity, checkpoint_bytes: int) -> Path:
    """Write ``export.html`` into an exported folder; exports of the same checkpoint beside it are on it, too."""
    from anomdet.report.export_page import Row, write_export_page

    own = manifest.checkpoint_sha256
    mean_ap = parity.mean_ap or (None, None)
    rows = [Row("checkpoint", "torch", "fp32", checkpoint_bytes, parity.ms[0] if parity.ms else None, mean_ap[0], None)]
    for beside in [folder, *_beside(folder)]:
        found = _row(beside, own)
        if found is not None:
            rows.append(Row(beside.name, *found))
    return write_export_page(manifest.artifact.model.name, parity.num_images, rows, folder / EXPORT_PAGE)


def _beside(folder: Path) -> list[Path]:
    try:
        others = sorted(path.parent for path in folder.resolve().parent.glob(f"*/{EXPORT_MANIFEST}"))
    except OSError:
        return []
    return [path for path in others if path != folder.resolve()][:_MAX_BESIDE]


def _row(folder: Path, checkpoint_sha256: str) -> tuple[Any, ...] | None:
    """Format, precision, bytes, ms, mAP and what was found unequal; None: of another checkpoint, or not to be read."""
    from anomdet.inference.exported import Manifest

    try:
        content = parse_json(read_regular(folder / EXPORT_MANIFEST))
        manifest = Manifest.from_dict(content, str(folder))
        size = sum((folder / name).stat().st_size for name in manifest.sha256)
        found = parse_json(read_regular(folder / PARITY))
        ms, mean_ap, num_unmatched = found.get("ms"), found.get("mean_ap"), int(found["num_unmatched"])
        seconds = float(ms[1]) if ms else None
        value = float(mean_ap[1]) if mean_ap else None
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None
    if manifest.checkpoint_sha256 != checkpoint_sha256:
        return None
    network = manifest.network
    unmatched = num_unmatched if network.precision == "fp32" else None  # of 8 bit no row is the checkpoint's
    return network.format, network.precision, size, seconds, value, unmatched
