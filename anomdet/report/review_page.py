"""The page of a review: one file that works from the disk; the images stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.outputs import write_text
from anomdet.report.inline import render

_STYLES = ("report.css", "review.css")
_SCRIPTS = ("review_state.js", "review_view.js", "review_start.js")

MEANINGS = {
    "missing": "An object without a label. Accept: the label is added.",
    "class": "The label has another class than its object. Accept: the class is changed.",
    "box": "The label is not where its object is. Accept: the box is replaced.",
    "unsupported": "A label where no object is found. Accept: the label is removed.",
    "double": "Two labels on one object. Accept: one of them is removed.",
    "merged": "One label over two objects. Accept: two labels take its place.",
}
"""Kind to what it means and what is done."""


def write_page(document: Mapping[str, Any], images: Mapping[str, str], path: Path) -> Path:
    """Write the page.

    Args:
        document: the content of review.json; each class has ``num``, ``name``, ``color`` and ``ink``.
        images: name to address from the page; empty: it cannot be shown.
        path: of the HTML file.

    Raises:
        OSError: it cannot be written.
    """
    used = {kind: text for kind, text in MEANINGS.items() if document["kinds"][kind]["num_suspects"]}
    page = render("review.html", _STYLES, _SCRIPTS, data={**document, "images": images, "meanings": used})
    return write_text(path, page.encode("utf-8", "backslashreplace").decode("utf-8"))
