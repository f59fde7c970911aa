"""The page of an export: the formats of one checkpoint side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomdet.report.page import shared_view, template, write_page


@dataclass(frozen=True)
class Row:
    """One format.

    Args:
        name: of its folder.
        runtime: ``torch``, ``onnx``, ``openvino`` or ``torchscript``.
        precision: ``fp32`` or ``int8``.
        num_bytes: of its files.
        ms: processor time an image, from the prepared image to its result; None: not measured.
        mean_ap: from score 0.05 on, on the validation images; None: no labels.
        num_unmatched: detections without a partner; None: it is what the others are compared with, or 8 bit.
    """

    name: str
    runtime: str
    precision: str
    num_bytes: int
    ms: float | None
    mean_ap: float | None
    num_unmatched: int | None


def write_export_page(model: str, num_images: int, rows: Sequence[Row], out_path: Path) -> Path:
    """Write the page.

    Args:
        model: its name.
        num_images: that were compared.
        rows: the checkpoint first.
        out_path: HTML file.
    """
    first, cells = rows[0], []
    for row in rows:
        speed = "" if row.ms is None or not first.ms else f"{first.ms / row.ms:.2f} x"
        loss = None if row.mean_ap is None or first.mean_ap is None else row.mean_ap - first.mean_ap
        cells.append(
            {
                "name": row.name,
                "kind": f"{row.runtime} {row.precision}",
                "size": f"{row.num_bytes / 1e6:.1f}",
                "ms": "" if row.ms is None else f"{row.ms:.1f}",
                "speed": speed,
                "mean_ap": "" if row.mean_ap is None else f"{row.mean_ap:.4f}",
                "loss": "" if loss is None or row is first else f"{loss:+.4f}",
                "unmatched": "" if row.num_unmatched is None else f"{row.num_unmatched:,}",
            }
        )
    page = template("export.html").render(
        title=f"Export of {model}", sections=[], rows=cells, num_images=num_images, **shared_view([])
    )
    return write_page(page, out_path)
