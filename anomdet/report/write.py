"""The report: the files of one evaluation as one page that needs no network."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anomdet.atomic import write_text
from anomdet.report.class_table import class_table
from anomdet.report.figures import charts, class_styles, score_chart
from anomdet.report.gallery import gallery, worst_first
from anomdet.report.headline import headline, more_coco, unit, verdict
from anomdet.report.pictures import ReadImage, choose_pictures, encode_pictures
from anomdet.report.tables import confusion, error_table, operating_point, size_table, split_table

ABOUT = ("title", "split", "checkpoint", "checkpoint_sha256", "versions", "settings", "splits")
MAX_BYTES = 9_900_000  # the page stays below 10 MB


def write_report(
    metrics: Mapping[str, Any], details: Mapping[str, Any], out_path: Path, *, read_image: ReadImage | None
) -> Path:
    """Write the page, whole or not at all.

    Args:
        metrics: content of ``metrics.json``; what is absent there has no section in the page.
        details: content of ``details.json``.
        out_path: where; the folder must be there.
        read_image: file name to RGB ``(H, W, 3)`` uint8; OSError, ValueError or UserError leave that picture out.
            None: no pictures at all.

    Returns:
        ``out_path``.

    Raises:
        OSError: the file cannot be written.
    """
    page = render(metrics, details, read_image)
    # A file name that is no text in UTF-8 comes as lone surrogates: they are shown as their codes.
    return write_text(out_path, page.encode("utf-8", "backslashreplace").decode("utf-8"))


def render(metrics: Mapping[str, Any], details: Mapping[str, Any], read_image: ReadImage | None) -> str:
    """The page as text."""
    template = _environment().get_template("page.html")
    view = _view(metrics, details)
    cases = details.get("cases") or []
    encoded = encode_pictures([(case["file_name"], case["bbox_xywh"]) for case in cases], read_image)
    # Once with empty pictures, to know how much room there is for them.
    bare = template.render(view, gallery=gallery(details, encoded.without_data()))
    budget = MAX_BYTES - len(bare.encode("utf-8", "backslashreplace"))
    return template.render(view, gallery=gallery(details, choose_pictures(encoded, worst_first(cases), budget)))


def _view(metrics: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    about = metrics.get("about") or {}
    curves, scores = charts(metrics, details), score_chart(metrics, details)
    every = [*curves, scores] if scores else curves
    return {
        "about": {key: about.get(key) for key in ABOUT},
        "title": about.get("title") or "Evaluation",
        "created": _date(about.get("created")),
        "metrics": metrics,
        "intervals": metrics.get("intervals"),
        "verdict": verdict(metrics),
        "headline": headline(metrics),
        "more_coco": more_coco(metrics),
        "operating_point": operating_point(metrics),
        "operating_point_note": (metrics.get("operating_point") or {}).get("note"),
        "class_table": class_table(metrics),
        "curves": curves,
        "score_chart": scores,
        "class_styles": class_styles(metrics, details.get("curves") or {}),
        "confusion": confusion(metrics),
        "errors": error_table(metrics),
        "sizes": size_table(metrics),
        "splits": split_table(about),
        "unit": unit(metrics),
        "figures": [chart.spec() for chart in every],
        "asset": _asset,
        "plotlyjs": Markup(get_plotlyjs().replace("</script", "<\\/script") if every else ""),
    }


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("anomdet.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup((importlib.resources.files("anomdet.report") / "assets" / name).read_text(encoding="utf-8"))


def _date(created: str | None) -> str:
    """An ISO time as ``2026-01-05 13:20 UTC``; anything else as it is."""
    try:
        time = datetime.fromisoformat((created or "").replace("Z", "+00:00"))
    except ValueError:
        return created or ""
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()
