"""``anomdet train``: a config to a trained detector."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource
from anomdet.engine.contracts import Closes
from anomdet.engine.distributed.agreement import raise_for_all
from anomdet.engine.resume import agree_on_resume, must_exist
from anomdet.errors import UserError, interruption
from anomdet.layout import BEST, LAST, TRAINING_LOG
from anomdet.outputs import make_folder
from anomdet.ranks import is_main_process, may_restart, num_processes
from anomdet.run_lock import one_run_in
from anomdet.workflows.data_folder.beside_data import refuse_raw_data, unused_files
from anomdet.workflows.data_folder.other_convention import refuse_other_convention
from anomdet.workflows.runs.describe import let_stand_alone
from anomdet.workflows.runs.folders import CHECKPOINT_DIR, LOG_DIR, make_rooms, output_folders, write_inputs
from anomdet.workflows.runs.run_config import Run, has_no_network, load_run
from anomdet.workflows.runs.split_record import check_objects, log_splits, look_at_splits, write_splits
from anomdet.workflows.runs.starting_weights import check_init_files, check_start, learned_before, read_start
from anomdet.workflows.runs.tile_losses import look_at_tiles
from anomdet.workflows.runs.training_log import checkpoint_hook, log_best, log_data
from anomdet.workflows.scores.alone import learn_alone, or_score_alone
from anomdet.workflows.scores.learn import add_score, check_score
from anomdet.workflows.timing.time_budget import with_plan

if TYPE_CHECKING:  # its type costs torch
    from anomdet.engine.checkpoint import CheckpointFile


@dataclass(frozen=True)
class TrainResult:
    """What a run left.

    Args:
        best_checkpoint, last_checkpoint: files; ``best_model.pth`` is missing where no validation gave a number. Of a
            run that learned the normal-only score alone both are ``best_model.pth``.
        log_dir: folder of the log, the settings and the splits.
        best_epoch: counted from 1; None: no epoch was measured.
        best_score: of ``monitor`` at that epoch.
        monitor: the metric that chooses the best epoch.
        nothing_to_do: why a resumed run had come to its end already; empty otherwise.
    """

    best_checkpoint: Path
    last_checkpoint: Path
    log_dir: Path
    best_epoch: int | None = None
    best_score: float | None = None
    monitor: str = ""
    nothing_to_do: str = ""

    @property
    def written(self) -> list[Path]:
        """The files worth opening."""
        if self.nothing_to_do:
            return []
        files = [self.best_checkpoint, self.last_checkpoint, self.log_dir / TRAINING_LOG]
        return files if self.best_epoch else files[1:]

    @property
    def to_evaluate(self) -> list[str]:
        """The option that names the checkpoint, where there is no best one."""
        is_best = self.best_epoch or self.nothing_to_do or self.last_checkpoint == self.best_checkpoint
        return [] if is_best else ["--checkpoint", str(self.last_checkpoint)]


def train(
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    resume: bool = False,
    resume_hint: str = "",
    began: float | None = None,
) -> TrainResult:
    """Train a detector.

    Args:
        settings: a YAML file, a Python config, a dict or :class:`anomdet.Settings`.
        overrides: ``key=value`` each.
        resume: continue from ``last.pth``.
        resume_hint: how to resume, for the message of an interrupted run; empty: in Python.
        began: when the command did, by the monotonic clock, which ``training.minutes`` count from; None: now.

    Raises:
        UserError: anything wrong with what the user gave.

    >>> anomdet.train("configs/default.yaml", overrides=["training.epochs=3"])  # doctest: +SKIP
    """
    started = time.monotonic() if began is None else began
    run = or_score_alone(_looked_beside(load_run(settings, overrides)))
    from anomdet.engine.hooks.foreign import check_hooks
    from anomdet.workflows.runs.build import complete
    from anomdet.workflows.runs.fit_machine import for_machine
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    folders = output_folders(run.config, resume=resume)
    run, notes = (run, []) if has_no_network(run.config) else with_plan(run, resume=resume, started=started)
    with run.blamed():
        config = complete(run.config)
        check_hooks(config, "custom_hooks" if run.settings is None else "training.hooks")
        fitted, more_notes = for_machine(config)
    last = folders[CHECKPOINT_DIR] / LAST
    with run.blamed():
        check_init_files(config)
        start = read_start(config, fitted, last if resume and last.is_file() else None, notes)
    prepared = _Prepared(run, config, fitted, [*notes, *more_notes], started, start)
    for option, folder in folders.items():
        make_folder(folder, option)
    with contextlib.ExitStack() as stack:
        _lock(stack, folders)
        return _train(prepared, folders, resume=resume, again=resume_hint or "anomdet.train(..., resume=True)")


def _lock(stack: contextlib.ExitStack, folders: dict[str, Path]) -> None:
    """The first process takes the lock; if it may not, all say so."""
    failure = None
    try:
        stack.enter_context(one_run_in(folders))
    except UserError as error:
        failure = error
    raise_for_all(failure)


@dataclass(frozen=True)
class _Prepared:
    """A run before its Runner: ``config`` is complete, ``fitted`` is it for this machine."""

    run: Run
    config: Any
    fitted: Any
    notes: list[str]
    started: float
    weights: CheckpointFile | None


def _train(prepared: _Prepared, folders: dict[str, Path], *, resume: bool, again: str) -> TrainResult:
    """Everything after the folders are this run's alone."""
    from anomdet.workflows.runs.build import build_runner

    run, fitted, notes = prepared.run, prepared.fitted, prepared.notes
    log_dir, checkpoint_dir = folders[LOG_DIR], folders[CHECKPOINT_DIR]
    best, last = checkpoint_dir / BEST, checkpoint_dir / LAST
    if has_no_network(fitted):
        finished = learn_alone(run, prepared.config, fitted, notes, (log_dir, best), resume=resume)
        return TrainResult(best, best, log_dir, nothing_to_do=finished)
    result = TrainResult(best, last, log_dir)
    if continues := resume and not _is_first_start(last, notes):
        fitted.resume, fitted.load_from = True, str(last)
    backends = _take_backends(fitted)
    with run.blamed():
        # Nothing of an earlier run is touched before everything is known to be sound.
        runner = build_runner(fitted, log_name=None)
        _ = runner.train_loop, runner.val_loop
        check_start(runner, prepared.weights)
    if resume and (finished := agree_on_resume(runner, last, continues)):
        add_score(runner, prepared.config, result.best_checkpoint, if_missing=True)
        return replace(result, nothing_to_do=finished)
    check_score(runner, prepared.config)
    _check_data(runner, continues=continues)
    looked, warnings = look_at_splits(runner), [*look_at_tiles(runner), *learned_before(runner, prepared.weights)]
    with run.blamed():
        runner.begin_tracking(backends)
    if is_main_process():
        notes += make_rooms(log_dir, checkpoint_dir, continues=continues)
        warnings += write_inputs(run, prepared.config, log_dir, continues=continues)
        warnings += write_splits(runner, looked, log_dir)
    runner.open_log(TRAINING_LOG)
    with run.blamed():
        log_data(runner, [*notes, *let_stand_alone(runner, prepared.config, run.settings)], warnings)
        log_splits(runner, looked)
        runner.logger.debug(f"ready after {time.monotonic() - prepared.started:.1f} s")
        _run(runner, again)
    add_score(runner, prepared.config, result.best_checkpoint)
    return _with_best(result, runner)


def _check_data(runner: Any, *, continues: bool) -> None:
    """What would be learned wrongly from all of the data; a run that has begun ends as it began."""
    check_objects(runner)
    if not continues:
        refuse_other_convention(runner.train_dataloader.dataset)


def _take_backends(config: Any) -> list[Any]:
    """Those of the visualizer, which begin to write only once everything is known to be sound."""
    if not config.get("visualizer"):
        return []
    backends, config.visualizer.vis_backends = list(config.visualizer.get("vis_backends") or ()), []
    return backends


def _looked_beside(run: Run) -> Run:
    """Refuse another tool's labels; name the lists and class names beside the data that the settings do not use."""
    if run.settings is not None:
        refuse_raw_data(run.settings.data.data_dir)
        for line in unused_files(run.settings.data) if is_main_process() else ():
            logging.getLogger("anomdet").warning(line)
    return run


def _with_best(result: TrainResult, runner: Any) -> TrainResult:
    log_best(runner)
    best = checkpoint_hook(runner)
    score = float(best.best_score) if math.isfinite(best.best_score) else None
    return replace(result, best_epoch=best.best_epoch or None, best_score=score, monitor=best.monitor)


def _run(runner: Any, again: str) -> None:
    """Train; an interruption says how to continue.

    Args:
        runner: of the training.
        again: the command that resumes it.
    """
    try:
        runner.train()
    except BaseException as error:
        interrupted = interruption(error)
        if interrupted is None:
            raise
        raise type(interrupted)(_interrupted(runner, again)) from None
    finally:
        for hook in runner.hooks:
            if isinstance(hook, Closes):
                hook.close()


def _interrupted(runner: Any, again: str) -> str:
    hook = checkpoint_hook(runner)
    if hook.last is None:
        return "interrupted before the first step: no checkpoint was written"
    path = hook.out_dir / LAST
    return f"interrupted; {path} holds {hook.last} of {runner.max_epochs} epochs; continue with:\n  {again}"


def _is_first_start(last: Path, notes: list[str]) -> bool:
    """Of processes that torchrun starts again with the same command line, ``--resume`` included; noted.

    Raises:
        UserError: alone, and nothing to continue from.
    """
    if not may_restart() or last.is_file():
        if num_processes() == 1:  # many tell each other what they see first
            must_exist(last)
        return False
    notes.append(f"--resume: no {LAST} yet, so this training starts from its beginning")
    return True
