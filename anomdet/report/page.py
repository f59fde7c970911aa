"""What every page is made with: the templates, the assets, the charts' library, and the most that a page may weigh."""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from anomdet.outputs import write_text
from anomdet.palette import css_variables
from anomdet.report.inline import csp_hash
from anomdet.report.traces import Chart

MAX_BYTES = 9_900_000  # a page stays below 10 MB


def template(name: str) -> Template:
    """A template of the assets; whatever a page gives it is escaped."""
    environment = Environment(
        loader=PackageLoader("anomdet.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    return environment.get_template(name)


def shared_view(charts: Sequence[Chart]) -> dict[str, Any]:
    """What ``base.html`` needs beside the page's own: its charts, and how to put in an asset."""
    plotly = get_plotlyjs().replace("</script", "<\\/script") if charts else ""
    return {
        "script_hashes": " ".join([*_own_hashes(), *([csp_hash(plotly)] if plotly else [])]),
        "figures": [chart.spec() for chart in charts],
        "asset": _asset,
        "palette": Markup(css_variables()),  # noqa: S704 - made of our colours
        "plotlyjs": Markup(plotly),  # noqa: S704 - plotly's own
    }


def room_for_pictures(bare_page: str) -> int:
    """Characters that the images of a page may have, given the page without them."""
    return MAX_BYTES - len(bare_page.encode("utf-8", "backslashreplace"))


def write_page(page: str, out_path: Path) -> Path:
    """Write a page, whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    # A file name that is no text in UTF-8 comes as lone surrogates: they are shown as their codes.
    return write_text(out_path, page.encode("utf-8", "backslashreplace").decode("utf-8"))


def date(created: str | None) -> str:
    """An ISO time as ``2026-01-05 13:20 UTC``; anything else as it is."""
    try:
        time = datetime.fromisoformat((created or "").replace("Z", "+00:00"))
    except ValueError:
        return created or ""
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".strip()


@cache
def _own_hashes() -> tuple[str, ...]:
    """Of our scripts: a page runs these, whatever a file name or a class name smuggles in."""
    assets = importlib.resources.files("anomdet.report") / "assets"
    names = sorted(file.name for file in assets.iterdir() if file.name.endswith(".js"))
    return tuple(csp_hash(_asset(name)) for name in names)


def _asset(name: str) -> Markup:
    """A style sheet or script of ours, as it is."""
    return Markup((importlib.resources.files("anomdet.report") / "assets" / name).read_text(encoding="utf-8"))  # noqa: S704
