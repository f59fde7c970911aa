"""A run of normal images alone: no network learns, only the normal-only score, which then judges by itself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomdet.config.schema import NORMAL_ONLY, ModelSettings
from anomdet.defaults import MIDDLE_SCORE
from anomdet.errors import Problem, UserError
from anomdet.evaluation.operating_point import NO_CLASS
from anomdet.layout import TRAINING_LOG
from anomdet.ranks import num_processes
from anomdet.words import counted
from anomdet.workflows.data_folder.index import index_of
from anomdet.workflows.runs.describe import let_stand_alone
from anomdet.workflows.runs.folders import make_rooms, write_inputs
from anomdet.workflows.runs.run_config import Run, has_no_network
from anomdet.workflows.runs.split_record import log_splits, look_at_splits, write_splits
from anomdet.workflows.scores.learn import check_score, learn_score, normal_images_of, with_score


def or_score_alone(run: Run) -> Run:
    """The run itself; of data without any object, where the score is wanted, one that learns the score alone."""
    settings = run.settings
    if settings is None or has_no_network(run.config) or not settings.anomaly.enabled or settings.data.dataset:
        return run
    from anomdet.data.index.scan import has_objects

    data = settings.data
    if has_objects(index_of(data)):
        return run
    logging.getLogger("anomdet").warning(
        f"{data.data_dir}: no object in any label file; only the normal-only score is learned, as with model.name: null"
    )
    from anomdet.config.translate import to_mmengine

    anomaly = settings.anomaly.model_copy(update={"enabled": True})
    changes = {"model": ModelSettings(name=None), "anomaly": anomaly, "data": data.model_copy(update={"tiles": None})}
    alone = settings.model_copy(update=changes)
    return replace(run, settings=alone, config=to_mmengine(alone))


def learn_alone(
    run: Run, config: Any, fitted: Any, notes: list[str], places: tuple[Path, Path], *, resume: bool
) -> str:
    """Learn the score, and write the checkpoint that holds nothing else.

    Args:
        run: what the user gave.
        config: of it, complete.
        fitted: the same for this machine.
        notes: for the log.
        places: the folder of the log, and the checkpoint.
        resume: leave a checkpoint that is there.

    Returns:
        Why there was nothing to do; empty: the score was learned.

    Raises:
        UserError: more than one process, too few normal images, or one that cannot be read.
    """
    log_dir, best = places
    if num_processes() > 1:
        raise UserError(Problem("torchrun", "one process, which learns the normal-only score", f"{num_processes()}"))
    if resume and best.is_file():
        _check_is_alone(best)
        return f"nothing is left to do: {best} holds the normal-only score; to learn it again, leave out --resume"
    from anomdet.engine.checkpoint import save_atomically
    from anomdet.engine.run_state import Progress, collect_checkpoint
    from anomdet.workflows.runs.build import build_runner

    fitted.visualizer, fitted.custom_hooks = None, []
    with run.blamed():
        runner = build_runner(fitted, log_name=None)
        _ = runner.train_loop
    check_score(runner, config)
    looked = look_at_splits(runner)
    notes += make_rooms(log_dir, best.parent, continues=False)
    write_inputs(run, config, log_dir)
    write_splits(runner, looked, log_dir)
    runner.open_log(TRAINING_LOG)
    images = normal_images_of(runner, config)
    num_images = len(runner.train_dataloader.dataset)
    for note in [*notes, *let_stand_alone(runner, config, run.settings)]:
        runner.logger.info(note)
    runner.logger.info(f"data: {counted(num_images, 'training image')}, {len(images)} of them normal; {NO_CLASS}")
    log_splits(runner, looked)
    content = collect_checkpoint(runner, progress=Progress(0, 0, 0), best=None, for_resume=False, operating_point=None)
    learned = learn_score(config, images, runner.logger)
    assert learned is not None, "one process"
    save_atomically(with_score(learned, content), best)
    return ""


def _check_is_alone(best: Path) -> None:
    """That a checkpoint is of such a run, and no detector's."""
    from anomdet.engine.checkpoint import read_checkpoint

    document = read_checkpoint(best).meta.inference or {}
    if (document.get("model") or {}).get("name") != NORMAL_ONLY:
        hint = "name another logging.checkpoint_dir; or train without --resume, which moves it aside"
        raise UserError(Problem("--resume", "the checkpoint of a run without a network", f"{best}, a detector's", hint))


def point_alone() -> Mapping[str, Any]:
    """The operating point of a model without classes: no box is ever compared with it."""
    return {"by": "fixed", "chosen_on": "default", "score_threshold": MIDDLE_SCORE, "note": NO_CLASS}
