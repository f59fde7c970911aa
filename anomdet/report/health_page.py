"""The health of a data set as one page that needs no network: the look of the evaluation's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.report.health_figures import MAP_SELECT, box_charts, grey_chart, map_chart, per_image_chart, styles
from anomdet.report.health_gallery import sample_gallery
from anomdet.report.health_tables import class_table, code_table, outlier_table, size_table, split_table
from anomdet.report.page import date, room_for_pictures, shared_view, template, write_page
from anomdet.report.pictures import ReadImage, choose_pictures, encode_pictures

LEVELS = {"first": "First of all", "likely": "Likely better", "maybe": "Worth a thought"}


def write_health_page(health: Mapping[str, Any], out_path: Path, *, read_image: ReadImage | None) -> Path:
    """Write the page, whole or not at all.

    Args:
        health: content of ``health.json``; see ``measure_health`` in the data room.
        out_path: where; the folder must be there.
        read_image: file name to RGB ``(H, W, 3)`` uint8; OSError, ValueError or UserError leave that image out.
            None: no images at all.

    Raises:
        OSError: the file cannot be written.
    """
    page, view = template("health.html"), _view(health)
    samples = health["samples"]
    encoded = encode_pictures([(sample["file_name"], sample["bbox_xywh"]) for sample in samples], read_image)
    budget = room_for_pictures(page.render(view, gallery=sample_gallery(health, encoded.without_data())))
    pictures = choose_pictures(encoded, range(len(samples)), budget)
    return write_page(page.render(view, gallery=sample_gallery(health, pictures)), out_path)


def _view(health: Mapping[str, Any]) -> dict[str, Any]:
    about = health.get("about") or {}
    boxes, places = box_charts(health), map_chart(health)
    per_image, grey = per_image_chart(health), grey_chart(health)
    return {
        "health": health,
        "about": {key: about.get(key) for key in ("data_dir", "config", "versions", "settings")},
        "title": about.get("title") or "Data health",
        "created": date(about.get("created")),
        "levels": LEVELS,
        "code_table": code_table(health),
        "class_table": class_table(health),
        "split_table": split_table(health),
        "size_table": size_table(health),
        "outlier_table": outlier_table(health),
        "class_styles": styles(health),
        "box_charts": boxes,
        "map_chart": places,
        "map_select": MAP_SELECT,
        "per_image": per_image,
        "grey": grey,
        **shared_view([*boxes, *(chart for chart in (places, per_image, grey) if chart is not None)]),
    }
