"""The files that an evaluation leaves, from the numbers: JSON, CSV, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from glob import escape
from pathlib import Path, PurePath
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.layout import EVALUATION_DIR, METRICS, REPORT, RESULT_FILES

ALL_FILES = (*RESULT_FILES, REPORT)


def check_evaluation(folder: Path, option: str) -> Path:
    """The folder, if an evaluation may be in it.

    Raises:
        UserError: it is none, or the folder of a run, which holds one; names that.
    """
    if not folder.is_dir():
        got = f"{folder}, which is {'a file' if folder.exists() else 'not there'}"
        raise UserError(Problem(option, "a folder that anomdet evaluate wrote", got))
    if not (folder / METRICS).exists():
        patterns = (f"{EVALUATION_DIR}/{METRICS}", f"*/{EVALUATION_DIR}/{METRICS}")  # of log_dir, of what holds it
        inside = next((path.parent for pattern in patterns for path in sorted(folder.glob(pattern))), None)
        if inside is not None:
            got = f"{folder}, which holds one"
            raise UserError(Problem(option, "a folder that anomdet evaluate wrote", got, f"did you mean {inside}?"))
    return folder


def with_context(measured: Any, about: Mapping[str, Any], options: Any) -> Any:
    """An evaluation with what the settings ask for: intervals, if it has none, and a review; and where it comes from.

    Raises:
        UserError: the review is none, or one of other images.
    """
    from anomdet.evaluation.intervals import intervals
    from anomdet.workflows.evaluations.suspected import with_suspected_labels

    if options.review:
        measured = with_suspected_labels(measured, Path(options.review))
    facts: dict[str, Any] = {"about": about}
    if options.resamples and "intervals" not in measured.metrics:
        facts["intervals"] = intervals(measured, num_resamples=options.resamples, confidence=options.confidence)
    return measured.with_metrics(**facts)


def write_all(
    measured: Any,
    folder: Path,
    options: Any,
    read_picture: Callable[[str], Any] | None,
    say: Callable[[str], None],
    training: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write every file of an evaluation; what was there is moved aside.

    Args:
        measured: an ``anomdet.evaluation.summary.Measured``.
        folder: exists.
        options: the settings' ``evaluation``.
        read_picture: file name to RGB pixels, for the report; None: a report without images.
        say: takes a line for the user.
        training: the numbers of the run by epoch; None: not known.

    Returns:
        The files.
    """
    from anomdet.evaluation.files import write_measured, write_results
    from anomdet.output_rule import make_room

    names = [*RESULT_FILES, *([REPORT] if options.report else [])]
    moved = make_room(folder, ALL_FILES, "--out")
    if moved:
        say(f"results of an earlier evaluation were moved to {moved}")
    write_results(folder, measured.results)
    shown = write_measured(folder, measured, {"training": training} if training else {})
    if options.report:
        _write_report(measured.metrics, shown, folder / REPORT, read_picture)
    return [folder / name for name in names]


def _write_report(
    metrics: Mapping[str, Any], details: Mapping[str, Any], path: Path, read_picture: Callable[[str], Any] | None
) -> None:
    from anomdet.report.write import write_report

    write_report(metrics, details, path, read_image=read_picture)


def missing_pictures(images_dir: Path, names: Iterable[str]) -> str:
    """A sentence where images of a report are not in the folder; empty if all are, or it shows none.

    Args:
        images_dir: that the names start from.
        names: of the images.
    """
    known = list(dict.fromkeys(names))
    lost = [name for name in known if not _is_file(images_dir / name)]
    if not lost:
        return ""
    name = PurePath(lost[0]).name
    beside = next((path for path in images_dir.rglob(escape(name)) if path.is_file()), None) if name else None
    hint = f"; {beside} is there: give the folder that the names start from" if beside else ""
    count = f"{len(lost)} of {len(known)} images are not in {images_dir}"
    return f"{count}, {lost[0]} first: the report shows none of them{hint}"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def picture_reader(images_dir: Path, max_megapixels: float | None, bit_depth: int = 16) -> Callable[[str], Any]:
    """File name below a folder to RGB pixels ``(H, W, 3)``; a name that leads out of the folder is refused."""
    from anomdet.images.decode import read_image

    def read(file_name: str) -> Any:
        path = PurePath(file_name)
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise UserError(Problem(file_name, f"the name of an image below {images_dir}", "one that leads out of it"))
        return read_image(images_dir / path, max_megapixels=max_megapixels, bit_depth=bit_depth)[..., ::-1]

    return read
