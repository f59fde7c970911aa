"""``anomdet report FOLDER``: report.html again, from the files of an evaluation alone, without torch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from anomdet.defaults import BIT_DEPTHS, MAX_IMAGE_MEGAPIXELS
from anomdet.errors import Problem, UserError
from anomdet.layout import REPORT

if TYPE_CHECKING:
    from anomdet.documents.kinds import Details

FULL = BIT_DEPTHS[-1]
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class Report:
    """What was written.

    Args:
        path: the page.
        images: the folder that its images came from; None: it has none.
    """

    path: Path
    images: Path | None


def report(folder: str | Path, *, images: str | Path | None = None, out: str | Path | None = None) -> Report:
    """Write the report of an evaluation from its ``metrics.json`` and ``details.json``.

    Args:
        folder: what ``anomdet evaluate`` wrote, maybe on another machine.
        images: the folder that the images' names start from; None: the one that metrics.json names, if it is here.
        out: the page; None: ``report.html`` in the folder. A page that is there is moved aside.

    Raises:
        UserError: a file is missing or is not what an evaluation writes; the page cannot be written.
    """
    from anomdet.documents import read_details, read_metrics
    from anomdet.output_rule import PAGE_MARK, check_apart, make_room
    from anomdet.outputs import make_folder
    from anomdet.report.write import write_report
    from anomdet.workflows.evaluations.files import check_evaluation, missing_pictures, picture_reader
    from anomdet.workflows.runs.bit_depth import bits_in

    folder = check_evaluation(Path(folder), "FOLDER")
    metrics, details = read_metrics(folder), read_details(folder)
    images_dir = _images_dir(images, metrics["about"].get("images") if "about" in metrics else None)
    path = folder / REPORT if out is None else Path(out)
    if path.is_dir():
        raise UserError(Problem("--out", "a file to write", f"{path}, a folder", f"as {path / REPORT}"))
    check_apart(path, [images_dir] if images_dir else [], "--out")
    make_folder(path.parent, "--out")
    if moved := make_room(path.parent, [path.name], "--out", marks={path.name: PAGE_MARK}):
        _log.info(f"the earlier page was moved to {moved}")
    bits = metrics["about"].get("bit_depth") if "about" in metrics else None
    if images_dir and bits is None:
        bits = bits_in(images_dir, _shown(details), MAX_IMAGE_MEGAPIXELS)
    if images_dir and (lost := missing_pictures(images_dir, _shown(details))):
        _log.warning(f"--images: {lost}")
    reader = picture_reader(images_dir, MAX_IMAGE_MEGAPIXELS, bits or FULL) if images_dir else None
    return Report(write_report(metrics, details, path, read_image=reader), images_dir)


def _shown(details: Details) -> Iterator[str]:
    """Names that stay below the folder; others are refused when they are read."""
    for case in [*details["cases"], *details.get("heat_maps", ())]:
        path = PurePath(case["file_name"])
        if not path.is_absolute() and not path.drive and ".." not in path.parts:
            yield case["file_name"]


def _images_dir(given: str | Path | None, named: str | None) -> Path | None:
    if given is not None:
        if not Path(given).is_dir():
            raise UserError(Problem("--images", "a folder of images", f"{given}, which is none"))
        return Path(given)
    if named and Path(named).is_dir():
        _log.info(f"images are read from {named}")
        return Path(named)
    where = f"{named} is not here" if named else "metrics.json names no folder"
    _log.warning(f"the report shows no images: {where}; give the folder with --images")
    return None
