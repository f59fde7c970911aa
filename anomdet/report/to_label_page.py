"""The page of the images to label next: one file without a script; the images stay where they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomdet.outputs import write_text
from anomdet.report.inline import render


def write_to_label_page(title: str, rows: Sequence[Mapping[str, Any]], left_out: str, path: Path) -> Path:
    """Write the page.

    Args:
        title: of the page.
        rows: the images, the best first: ``rank, image, address`` (empty: it cannot be shown), ``size_wh``, ``score``,
            ``reason`` and ``boxes``, each with ``name, score, bbox_xywh``.
        left_out: a sentence on what is not there.
        path: of the HTML file.

    Raises:
        OSError: it cannot be written.
    """
    page = render("to_label.html", ("report.css", "to_label.css"), (), title=title, rows=rows, left_out=left_out)
    return write_text(path, page.encode("utf-8", "backslashreplace").decode("utf-8"))
