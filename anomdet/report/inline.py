"""Pages that hold their own styles and scripts, and let no others run. Imports no plotly."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
from collections.abc import Iterable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render(template: str, styles: Iterable[str], scripts: Iterable[str], **values: Any) -> str:
    """A page of the assets; whatever a page gives it is escaped.

    Args:
        template: an asset with a Content-Security-Policy of ``style_hashes`` and ``script_hashes``: only these run,
            whatever a file name or a class name smuggles in does not.
        styles, scripts: assets, joined to one each: ``style`` and ``script``; ``theme`` is the script of the scheme.
        values: of the template, beside these.
    """
    environment = Environment(
        loader=PackageLoader("anomdet.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    style, theme, script = "\n".join(map(_asset, styles)), _asset("theme.js"), "\n".join(map(_asset, scripts))
    return environment.get_template(template).render(
        **values,
        style=Markup(style),  # noqa: S704 - assets of ours, these three
        theme=Markup(theme),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hashes=csp_hash(style),
        script_hashes=f"{csp_hash(theme)} {csp_hash(script)}",
    )


def _asset(name: str) -> str:
    return (importlib.resources.files("anomdet.report") / "assets" / name).read_text(encoding="utf-8")


def csp_hash(text: str) -> str:
    """As a Content-Security-Policy names an inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
