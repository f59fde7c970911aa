"""``anomdet evaluate --leave-class-out``: train without a class, and count how many parts with it are rejected."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource, load_settings
from anomdet.documents import VERSION
from anomdet.errors import Problem, UserError
from anomdet.layout import (
    LAST,
    LEFT_OUT,
    LEFT_OUT_CLASS,
    LEFT_OUT_DIR,
    LEFT_OUT_PAGE,
    LEFT_OUT_ROW,
    RUN_DIR,
    TEST,
)
from anomdet.ranks import num_processes
from anomdet.words import counted
from anomdet.workflows.evaluate import Evaluation, evaluate

if TYPE_CHECKING:
    from anomdet.config.schema import Settings
    from anomdet.data.index.scan import DataIndex
    from anomdet.workflows.evaluations.left_out_jobs import Job

_log = logging.getLogger("anomdet")


def leave_class_out(
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    classes: str = "all",
    minutes: float | None = None,
    out: str | Path | None = None,
) -> Evaluation:
    """Train without a class, for each class in turn, and count the parts with it that are rejected.

    A class that is done is not repeated when the command is given again, and an interrupted run is resumed.

    Args:
        settings: a YAML file, a dict or :class:`anomdet.Settings`; ``training`` is that of each run.
        overrides: ``key=value`` each.
        classes: the name or number of one, or ``all``.
        minutes: for all runs together; None: each is as the settings say.
        out: the folder of the results; default: ``<log_dir>/leave_class_out``.

    Raises:
        UserError: anything wrong with what the user gave.

    >>> anomdet.leave_class_out("run.yaml", classes="scratch", minutes=10).metrics["total"]  # doctest: +SKIP
    """
    loaded = _checked(settings, overrides, minutes)
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.output_rule import check_apart, check_names, claim, data_folders
    from anomdet.outputs import make_folder
    from anomdet.run_lock import one_run_in
    from anomdet.workflows.evaluations.left_out_jobs import chosen_classes, job_of, named_classes, row_of_before

    index = _data_of(loaded)
    chosen = chosen_classes(classes, named_classes(index, loaded))
    folder = Path(out or Path(loaded.logging.log_dir) / LEFT_OUT_DIR)
    check_apart(folder, data_folders(index.data_dir, index.columns.file_names()), "--out")
    names = [LEFT_OUT, LEFT_OUT_PAGE, *(LEFT_OUT_CLASS.format(num=num) for num in chosen)]
    check_names(folder, names, "--out")
    share = None if minutes is None else minutes / len(chosen)
    jobs = [job_of(num, name, (loaded, index, share), folder) for num, name in chosen.items()]
    make_folder(folder, "--out")
    with one_run_in({"--out": folder}):
        rows = {job.num: row for job in jobs if (row := row_of_before(job)) is not None}
        claim(folder, names, "--out")
        left = [job for job in jobs if job.num not in rows]
        _prepare(left, index, len(rows), share)
        for job in left:
            rows[job.num] = _done(job)
        return _written([rows[job.num] for job in jobs], loaded, folder)


def _checked(settings: SettingsSource, overrides: Sequence[str], minutes: float | None) -> Settings:
    """The settings, if such runs can be made from them."""
    option = "--leave-class-out"
    if isinstance(settings, (str, Path)) and Path(settings).suffix == ".py":
        raise UserError(Problem("--config", f"YAML settings, for {option}", str(settings)))
    if num_processes() > 1:
        raise UserError(Problem("torchrun", f"one process, for {option}", f"{num_processes()}"))
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UserError(Problem("--minutes", "a number > 0", f"{minutes:g}"))
    loaded = load_settings(settings, overrides)
    if loaded.model.name is None:
        hint = "anomdet evaluate itself counts what a model without classes rejects, by class"
        raise UserError(Problem("model.name", f"a detector, for {option}", "null", hint))
    return loaded


def _data_of(settings: Settings) -> DataIndex:
    """The data set of the settings.

    Raises:
        UserError: everything that is wrong with it; or a data set of a plug-in's.
    """
    from anomdet.workflows.data_folder.beside_data import refuse_raw_data
    from anomdet.workflows.data_folder.index import index_of

    if settings.data.dataset:
        raise UserError(Problem("data.dataset", "none, for --leave-class-out", repr(settings.data.dataset)))
    refuse_raw_data(settings.data.data_dir)
    return index_of(settings.data)


def _prepare(left: Sequence[Job], index: DataIndex, num_done: int, minutes: float | None) -> None:
    """Write the lists of the runs that are to come, and say how long they will take."""
    from anomdet.data.splits.lists import freeze

    for job in left:
        job.folder.mkdir(exist_ok=True)
        made_by = {"by": "anomdet evaluate --leave-class-out", "class": job.name, "key": job.key}
        freeze(job.folder, index, job.positions, made_by)
    done = f"; {num_done} done already" if num_done else ""
    if not left:
        _log.info(f"leave one class out: no run is left{done}")
        return
    minutes = _expected_minutes(left[0]) if minutes is None else minutes
    _log.info(
        f"leave one class out: {counted(len(left), 'run')} ({', '.join(job.name for job in left)}){done}; planned: "
        f"about {minutes:.1f} minutes each, {minutes * len(left):.1f} in all"
    )


def _expected_minutes(job: Job) -> float:
    """As some steps of a run were timed here, or as its settings say."""
    from anomdet.workflows.evaluations.left_out_jobs import TRAINING_SHARE

    settings = job.settings
    if settings.training.minutes is not None:
        return settings.training.minutes / TRAINING_SHARE
    from anomdet.config.translate import to_mmengine
    from anomdet.workflows.timing.time_budget import SHORTEST_TIMING_S, expected_minutes, time_here

    costs, sizes = time_here(to_mmengine(settings), SHORTEST_TIMING_S, job.folder)
    return expected_minutes(settings, costs, sizes) / TRAINING_SHARE


def _done(job: Job) -> dict[str, Any]:
    """Train and evaluate without the class; the row is written last, so that a class is done or not."""
    from anomdet.evaluation.class_left_out import row_of
    from anomdet.evaluation.files import write_json
    from anomdet.workflows.train import train

    started = time.monotonic()
    last = job.folder / RUN_DIR / LAST
    sizes = ", ".join(f"{len(ats):,} {split}" for split, ats in job.positions.items())
    _log.info(f"without {job.name}: {sizes} images{'; resumed' if last.is_file() else ''}")
    settings = job.settings
    trained = train(settings, resume=last.is_file(), resume_hint="the same command again")
    best = trained.best_checkpoint if trained.best_checkpoint.is_file() else trained.last_checkpoint
    metrics = evaluate(settings, split=TEST, checkpoint=best).metrics
    row = {
        **row_of(metrics, job.name, settings.evaluation.confidence),
        "unit": metrics["part_level"]["unit"],
        "minutes": round((time.monotonic() - started) / 60, 2),
        "checkpoint": str(best.relative_to(job.folder.parent)),
    }
    write_json(job.folder / LEFT_OUT_ROW, {"version": VERSION, "key": job.key, "row": row}, indent=1)
    return row


def _written(rows: Sequence[Mapping[str, Any]], settings: Settings, folder: Path) -> Evaluation:
    """The table of all of them."""
    from anomdet.evaluation.class_left_out import left_out_text, total_of
    from anomdet.evaluation.files import write_json
    from anomdet.report.class_left_out import write_class_left_out

    confidence = settings.evaluation.confidence
    table = {
        "version": VERSION,
        "data_dir": settings.data.data_dir,
        "model": settings.model.name,
        "overkill": settings.anomaly.overkill,
        "unit": rows[0]["unit"],
        "confidence": confidence,
        "classes": list(rows),
        "total": total_of(rows, confidence) if len(rows) > 1 else None,
    }
    write_json(folder / LEFT_OUT, table, indent=1)
    page = write_class_left_out(table, folder / LEFT_OUT_PAGE)
    return Evaluation(left_out_text(table), table, [], [folder / LEFT_OUT, page])
