"""``anomdet train``: a config to a trained detector."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from anomdet.engine.resume import agree_on_resume, must_exist
from anomdet.errors import interruption
from anomdet.layout import BEST, CHECKPOINTS, CONFIG, LAST, RUN_FILES, SETTINGS, TRAINING_LOG
from anomdet.ranks import is_main_process, may_restart, num_processes
from anomdet.workflows.run_config import Run, load_run
from anomdet.workflows.split_record import log_splits, look_at_splits, write_splits
from anomdet.workflows.training_log import hook_with, log_best, log_data


def train(config_path: str | Path, overrides: Sequence[str] = (), *, resume: bool = False) -> list[Path]:
    """Train, and return the files written: none if a resumed training had come to its end already.

    Args:
        config_path: YAML or Python config.
        overrides: ``key=value`` each.
        resume: go on from ``last.pth``.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    started = time.monotonic()
    run = load_run(config_path, overrides)
    from anomdet.workflows.build import build_runner, complete
    from anomdet.workflows.fit_machine import for_machine
    from anomdet.workflows.libraries import load_libraries

    load_libraries()
    from anomdet.outputs import make_folder

    run, plan_notes = _with_plan(run, resume, started)
    with run.blamed():
        config = complete(run.config)
        fitted, notes = for_machine(config)
    notes += plan_notes
    log_dir = make_folder(config.work_dir, "logging.log_dir")
    checkpoint_dir = make_folder(config.default_hooks.checkpoint.out_dir, "logging.checkpoint_dir")
    asked, last = resume, checkpoint_dir / LAST
    if resume := resume and not _is_first_start(last, notes):
        fitted.resume, fitted.load_from = True, str(last)
    trackers, fitted.visualizer = fitted.get("visualizer"), None
    with run.blamed():
        # Nothing of an earlier run is touched before everything is known to be sound.
        runner = build_runner(fitted, log_name=None)
        _ = runner.train_loop, runner.val_loop
    if asked and (finished := agree_on_resume(runner, last, resume)):
        if is_main_process():
            typer.echo(finished)
        return []
    looked = look_at_splits(runner)
    with run.blamed():
        runner.begin_tracking(trackers)
    if is_main_process():
        notes += [] if resume else _make_room(log_dir, checkpoint_dir)
        _write_inputs(run, config, log_dir)
        write_splits(runner, looked, log_dir)
    runner.open_log(TRAINING_LOG)
    with run.blamed():
        log_data(runner, notes)
        log_splits(runner, looked)
        runner.logger.debug(f"ready after {time.monotonic() - started:.1f} s")
        _run(runner, _resume_command(config_path, overrides))
    log_best(runner)
    return [checkpoint_dir / BEST, checkpoint_dir / LAST, log_dir / TRAINING_LOG]


def _with_plan(run: Run, resume: bool, started: float) -> tuple[Run, list[str]]:
    """The run with fixed epochs in place of ``training.minutes``, and notes for the log.

    Args:
        run: of the command.
        resume: go on with the plan that an earlier start wrote.
        started: of the command, by the monotonic clock.
    """
    minutes = run.settings.training.minutes if run.settings is not None else None
    if run.settings is None or minutes is None:
        return run, []
    from anomdet.config.translate import to_mmengine
    from anomdet.outputs import make_folder
    from anomdet.workflows import time_budget

    logging_ = run.settings.logging
    if resume:
        settings = time_budget.as_planned(run.settings, Path(logging_.log_dir))
        notes = [f"plan: as the run began, {settings.training.epochs} epochs; it is not timed again"]
        return replace(run, settings=settings, config=to_mmengine(settings)), notes
    scratch = make_folder(logging_.checkpoint_dir, "logging.checkpoint_dir")
    with run.blamed():
        costs, sizes = time_budget.time_here(run.config, time_budget.timing_seconds(minutes), scratch)
    elapsed_s, warmup = time.monotonic() - started, run.settings.training.scheduler.warmup_iterations
    plan = time_budget.plan(minutes * 60, costs, sizes, elapsed_s=elapsed_s, warmup=warmup)
    settings = time_budget.planned(run.settings, plan)
    return replace(run, settings=settings, config=to_mmengine(settings)), time_budget.notes_of(run.settings, plan)


def _resume_command(config_path: str | Path, overrides: Sequence[str]) -> str:
    """What resumes this training, by the script that it was started with; torchrun does not tell its own arguments."""
    script = Path(sys.argv[0])
    if num_processes() > 1:
        return "the same command, with --resume"
    if script.name != "train.py":
        return shlex.join(["anomdet", "train", "--config", str(config_path), *overrides, "--resume"])
    if script.parent.name != "tools":
        return shlex.join(["python", str(script), "--config", str(config_path), *overrides, "--resume"])
    options = ["--cfg-options", *overrides] if overrides else []
    return shlex.join(["python", str(script), str(config_path), "--resume", *options])


def _run(runner: Any, again: str) -> None:
    """Train; an interruption says how to go on.

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
            if hasattr(hook, "close"):
                hook.close()


def _interrupted(runner: Any, again: str) -> str:
    hook = hook_with(runner, "last")
    if hook.last is None:
        return "interrupted before the first step: no checkpoint was written"
    path = hook.out_dir / LAST
    return f"interrupted; {path} holds {hook.last} of {runner.max_epochs} epochs; go on with:\n  {again}"


def _is_first_start(last: Path, notes: list[str]) -> bool:
    """Of processes that torchrun starts again with the same command line, ``--resume`` included; noted.

    Raises:
        UserError: alone, and nothing to go on from.
    """
    if not may_restart() or last.is_file():
        if num_processes() == 1:  # many tell each other what they see first
            must_exist(last)
        return False
    notes.append(f"--resume: no {LAST} yet, so this training starts from its beginning")
    return True


def _make_room(log_dir: Path, checkpoint_dir: Path) -> list[str]:
    from anomdet.outputs import move_aside

    moved = (move_aside(log_dir, RUN_FILES), move_aside(checkpoint_dir, CHECKPOINTS))
    return [f"results of an earlier run were moved to {place}" for place in moved if place]


def _write_inputs(run: Run, config: Any, log_dir: Path) -> None:
    """Leave the settings and the complete config beside the outputs: either repeats the run."""
    from anomdet.outputs import write_text

    write_text(log_dir / CONFIG, config.pretty_text)
    if run.settings is not None:
        from anomdet.config.dump import dump_yaml

        write_text(log_dir / SETTINGS, dump_yaml(run.settings))
