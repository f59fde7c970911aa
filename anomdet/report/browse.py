"""The browse page: a folder with one page, the data as scripts beside it, and room for thumbnails. Needs no server."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.outputs import write_text
from anomdet.report.browse_folder import DATA, PAGE, PARTIAL, claim, remove_data, remove_other_data
from anomdet.report.inline import render

_STYLES = ("report.css", "browse.css")
_SCRIPTS = (
    *("browse_data.js", "browse_filter.js", "browse_address.js", "browse_draw.js", "browse_grid.js"),
    *("browse_view.js", "browse_panel.js", "browse_start.js"),
)


@dataclass(frozen=True)
class BrowsePage:
    """A written page.

    Args:
        path: of index.html.
        data_dir: the folder of this data; another one for other data, so that a page that is still open never mixes
            the two.
        num_bytes: of the page and its data, without images.
    """

    path: Path
    data_dir: Path
    num_bytes: int


def write_page(folder: Path, index: Mapping[str, Any], parts: Iterable[Mapping[str, Any]]) -> BrowsePage:
    """Write the page and its data; the page comes last, so that it is never there without them.

    Args:
        folder: for the page; it is there, see :func:`anomdet.report.browse_folder.check_folder`.
        index: JSON of all images, see :func:`anomdet.quality.browse.compact.to_index`, and ``title``, ``images_url``,
            ``notes`` and ``train_hw``; each class has its ``color`` and ``ink`` as #rrggbb.
        parts: JSON of a few hundred images each.

    Raises:
        UserError: the folder holds something else than a page.
        OSError: it cannot be written.
    """
    claim(folder)
    partial = folder / DATA / PARTIAL
    remove_data(partial)
    partial.mkdir(parents=True, exist_ok=True)
    digest, num_bytes = hashlib.sha256(), 0
    named = [("index", index), *((f"{number:05d}", part) for number, part in enumerate(parts))]
    for name, content in named:
        call = f'browse.take("{name}",{_json(content)});\n'.encode()
        (partial / f"{name}.js").write_bytes(call)
        digest.update(call)
        num_bytes += len(call)
    write_text(partial / "thumbs.js", _thumbs_call(np.zeros(0, np.bool_), {}, done=False))
    data_dir = folder / DATA / digest.hexdigest()[:16]
    data_dir.mkdir(exist_ok=True)  # there with the same scripts, if the data has not changed
    for name in (*(name for name, _ in named), "thumbs"):
        (partial / f"{name}.js").replace(data_dir / f"{name}.js")
    page = _render(index["title"], f"{DATA}/{data_dir.name}")
    write_text(folder / PAGE, page)
    remove_other_data(folder, data_dir)
    return BrowsePage(folder / PAGE, data_dir, num_bytes + len(page.encode()))


def write_thumbs_state(page: BrowsePage, made: NDArray[np.bool_], failed: Mapping[int, str], *, done: bool) -> None:
    """Let the page, open or not, know which images have their thumbnails by now.

    Args:
        page: a written one.
        made: ``(N,)``.
        failed: position of an image to why it has none.
        done: nothing more will come.
    """
    write_text(page.data_dir / "thumbs.js", _thumbs_call(made, failed, done=done))


def _thumbs_call(made: NDArray[np.bool_], failed: Mapping[int, str], *, done: bool) -> str:
    bits = base64.b64encode(np.packbits(made, bitorder="little").tobytes()).decode("ascii")
    return f"browse.take_thumbs({_json({'done': done, 'made': bits, 'failed': failed})});\n"


def _json(content: Any) -> str:
    # ASCII: a name that is no text in UTF-8 stays what it is, as a lone surrogate.
    return json.dumps(content, allow_nan=False, separators=(",", ":"))


def _render(title: str, data_url: str) -> str:
    shown = title.encode("utf-8", "backslashreplace").decode("utf-8")
    return render("browse.html", _STYLES, _SCRIPTS, title=shown, data_url=data_url)
