"""The files that an evaluation leaves, from the numbers: JSON, CSV, and the report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

REPORT = "report.html"


def write_all(
    measured: Any, folder: Path, options: Any, images_dir: Path | None, say: Callable[[str], None]
) -> list[Path]:
    """Add the intervals, then write every file of an evaluation; what was there is moved aside.

    Args:
        measured: an ``anomdet.evaluation.summary.Measured``.
        folder: exists.
        options: the settings' ``evaluation``.
        images_dir: for the report's pictures; None: without.
        say: takes a line for the user.

    Returns:
        The files.
    """
    from anomdet.engine.outputs import move_aside
    from anomdet.evaluation.files import NAMES, write_measured, write_results
    from anomdet.evaluation.intervals import intervals

    names = [*NAMES, *([REPORT] if options.report else [])]
    if options.resamples:
        measured.metrics["intervals"] = intervals(
            measured, num_resamples=options.resamples, confidence=options.confidence
        )
    moved = move_aside(folder, [*NAMES, REPORT])
    if moved:
        say(f"results of an earlier evaluation were moved to {moved}")
    write_results(folder, measured.results)
    write_measured(folder, measured)
    if options.report:
        _write_report(measured, folder / REPORT, images_dir)
    return [folder / name for name in names]


def _write_report(measured: Any, path: Path, images_dir: Path | None) -> None:
    from anomdet.data.decode import read_image
    from anomdet.evaluation.details import details
    from anomdet.report.write import write_report

    def read(file_name: str) -> Any:
        assert images_dir is not None
        return read_image(images_dir / file_name)[..., ::-1]

    write_report(measured.metrics, details(measured), path, read_image=read if images_dir else None)
