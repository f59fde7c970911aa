"""The report: the files of one evaluation as one page that needs no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomdet.report.class_table import class_table
from anomdet.report.figures import charts, class_styles, score_chart
from anomdet.report.gallery import Case, gallery, worst_first
from anomdet.report.headline import headline, more_coco, unit, without_suspected
from anomdet.report.heat_maps import heat_views
from anomdet.report.page import date, room_for_pictures, shared_view, template, write_page
from anomdet.report.pictures import ReadImage, choose_pictures, encode_pictures, encode_strip
from anomdet.report.tables import confusion, error_tables, operating_point, size_table, split_table
from anomdet.report.training import speed, training_charts
from anomdet.report.verdict import FLATTERS, advice, strips, tiles

FRAME_BYTES = 160  # of the markup around an image, without its text
ABOUT = ("title", "split", "checkpoint", "checkpoint_sha256", "tta", "versions", "settings", "splits", "notes")


def write_report(
    metrics: Mapping[str, Any], details: Mapping[str, Any], out_path: Path, *, read_image: ReadImage | None
) -> Path:
    """Write the page, whole or not at all.

    Args:
        metrics: content of ``metrics.json``; what is absent there has no section in the page.
        details: content of ``details.json``.
        out_path: where; the folder must be there.
        read_image: file name to RGB ``(H, W, 3)`` uint8; OSError, ValueError or UserError leave that image out.
            None: no images at all.

    Returns:
        ``out_path``.

    Raises:
        OSError: the file cannot be written.
    """
    return write_page(render(metrics, details, read_image), out_path)


def render(metrics: Mapping[str, Any], details: Mapping[str, Any], read_image: ReadImage | None) -> str:
    """The page as text."""
    page = template("evaluation.html")
    view = {**_view(metrics, details), "heat_maps": heat_views(details, read_image)}
    cases = details.get("cases") or []
    encoded = encode_pictures([(case["file_name"], case["bbox_xywh"]) for case in cases], read_image)
    # Once without pictures, to know how much room there is for them and the boxes over them.
    noun = unit(metrics)
    bare = gallery(details, encoded.none(), noun)
    room = room_for_pictures(page.render(view, gallery=bare))
    pictures = choose_pictures(encoded, worst_first(cases), room, _frame_sizes(bare.cases if bare else ()))
    return page.render(view, gallery=gallery(details, pictures, noun))


def _frame_sizes(cases: Sequence[Case]) -> dict[int, int]:
    """Place of each case to the bytes of its image's frame and the boxes over it."""
    overlays: Any = getattr(template("cases.html").module, "overlays")  # noqa: B009 (a macro)
    return {
        place: FRAME_BYTES + sum(len(text.encode("utf-8", "backslashreplace")) for text in (overlays(case), case.alt))
        for place, case in enumerate(cases)
    }


def _view(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    about = metrics.get("about") or {}
    curves, scores = charts(metrics, details), score_chart(metrics, details)
    trained = training_charts(details.get("training"))
    every = [*curves, *([scores] if scores else []), *trained]
    point = metrics.get("operating_point") or {}
    return {
        "about": {key: about.get(key) for key in ABOUT},
        "title": about.get("title") or "Evaluation",
        "created": date(about.get("created")),
        "metrics": metrics,
        "intervals": metrics.get("intervals"),
        "tiles": tiles(metrics),
        "advice": advice(metrics, details),
        "warnings": [*([point["note"]] if point.get("note") else []), *(metrics.get("notes") or [])],
        "strips": strips(metrics, details),
        "columns": details.get("rethreshold"),
        "flatters": FLATTERS,
        "speed": speed(about.get("speed")),
        "training_charts": trained,
        "headline": headline(metrics),
        "more_coco": more_coco(metrics),
        "without_suspected": without_suspected(metrics),
        "operating_point": operating_point(metrics),
        "class_table": class_table(metrics),
        "curves": curves,
        "score_chart": scores,
        "class_styles": class_styles(metrics, details.get("curves") or {}),
        "confusion": confusion(metrics),
        "errors": error_tables(metrics),
        "sizes": size_table(metrics),
        "splits": split_table(about),
        "strip": encode_strip(about.get("strip")),
        "unit": unit(metrics),
        **shared_view(every),
    }
