"""``anomdet train``: a config to a trained detector."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from anomdet.cli.failures import interruption
from anomdet.cli.ranks import is_main_process, may_restart, num_processes
from anomdet.cli.run_config import Run, load_run
from anomdet.cli.split_record import log_splits, look_at_splits, write_splits
from anomdet.errors import Problem, UserError

LOG_NAME, LAST_NAME = "training.log", "last.pth"
_LOG_FILES = (LOG_NAME, "settings.yaml", "config.py", "splits", "evaluation", "visualization", "evaluation.log")


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
    from anomdet.cli.prepare import build_runner, complete, for_machine, load_libraries

    load_libraries()
    from anomdet.engine.outputs import make_folder

    with run.blamed():
        config = complete(run.config)
        fitted, notes = for_machine(config)
    log_dir = make_folder(config.work_dir, "logging.log_dir")
    checkpoint_dir = make_folder(config.default_hooks.checkpoint.out_dir, "logging.checkpoint_dir")
    asked, last = resume, checkpoint_dir / LAST_NAME
    if resume := resume and not _is_first_start(last, notes):
        fitted.resume, fitted.load_from = True, str(last)
    trackers, fitted.visualizer = fitted.get("visualizer"), None
    with run.blamed():
        # Nothing of an earlier run is touched before everything is known to be sound.
        runner = build_runner(fitted, log_name=None)
        _ = runner.train_loop, runner.val_loop
    if asked and (finished := _agree_on_resume(runner, last, resume)):
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
    runner.open_log(LOG_NAME)
    with run.blamed():
        _log_data(runner, notes)
        log_splits(runner, looked)
        runner.logger.debug(f"ready after {time.monotonic() - started:.1f} s")
        _run(runner, _resume_command(config_path, overrides))
    _log_best(runner)
    return [checkpoint_dir / "best_model.pth", checkpoint_dir / "last.pth", log_dir / LOG_NAME]


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
    hook = _hook(runner, "last")
    if hook.last is None:
        return "interrupted before the first step: no checkpoint was written"
    path = hook.out_dir / "last.pth"
    return f"interrupted; {path} holds {hook.last} of {runner.max_epochs} epochs; go on with:\n  {again}"


def _hook(runner: Any, attribute: str) -> Any:
    return next(hook for hook in runner.hooks if hasattr(hook, attribute))


def _is_first_start(last: Path, notes: list[str]) -> bool:
    """Of processes that torchrun starts again with the same command line, ``--resume`` included; noted.

    Raises:
        UserError: alone, and nothing to go on from.
    """
    if not may_restart() or last.is_file():
        if num_processes() == 1:  # many tell each other what they see first
            _must_exist(last)
        return False
    notes.append(f"--resume: no {LAST_NAME} yet, so this training starts from its beginning")
    return True


def _must_exist(last: Path) -> None:
    if not last.is_file():
        raise UserError(Problem("--resume", str(last), "nothing there", "train without --resume first"))


def _agree_on_resume(runner: Any, last: Path, resume: bool) -> str:
    """All processes go on from the same checkpoint, or all begin anew; before a file of an earlier run is touched.

    Returns:
        What to say if the checkpoint leaves nothing to do; else empty.

    Raises:
        UserError: the processes see different files; or, in all of them, nothing can be gone on from.
    """
    from anomdet.engine.agreement import agree

    seen, finished, failure = "nothing there", "", None
    try:
        if resume:
            seen, finished = _check_resume(runner, str(last))
    except UserError as error:
        failure, seen = error, str(error) if last.is_file() else seen
    if num_processes() > 1:
        agree(f"--resume: {LAST_NAME}", seen, last)
    if failure is not None:
        raise failure
    return finished


def _check_resume(runner: Any, path: str) -> tuple[str, str]:
    """Refuse to go on from the checkpoint of another model, of other classes or of other splits.

    Returns:
        What the checkpoint holds; and what to say if that leaves nothing to do, else empty.

    Raises:
        UserError: no such file; or all differences.
    """
    from mmengine.model import is_model_wrapper

    from anomdet.engine.agreement import checksum
    from anomdet.engine.checkpoint import Progress, changed_splits, load_checkpoint, load_weights

    _must_exist(Path(path))
    checkpoint = load_checkpoint(path)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    load_weights(model, checkpoint, path, strict=True)
    meta, dataset = checkpoint.get("meta", {}), runner.train_dataloader.dataset
    problems = []
    known = list(meta.get("dataset_meta", {}).get("class_nums", []))
    found = list(dataset.metainfo.get("class_nums", known))
    if known and known != found:
        problems.append(Problem(path, f"the classes {found} of the data", str(known), "train without --resume"))
    changed = changed_splits(meta, dataset)
    if changed:
        got = f"other images in {', '.join(changed)}"
        lists = ", ".join(f"{name}: {Path(runner.work_dir) / 'splits' / name}.txt" for name in ("train", "val", "test"))
        hint = f"to go on with them add data.split.by=files 'data.split_files={{{lists}}}'; or train without --resume"
        problems.append(Problem(path, "the splits that the training began with", got, hint))
    if problems:
        raise UserError(problems)
    holds = f"{Progress.of(meta)}, iteration {meta.get('iter', 0)}, weights {checksum(model.parameters())}"
    return holds, _finished(runner, checkpoint, path)


def _finished(runner: Any, checkpoint: dict[str, Any], path: str) -> str:
    from anomdet.engine.checkpoint import Progress

    progress = Progress.of(checkpoint.get("meta", {}))
    if progress.epoch >= runner.max_epochs:
        found = f"{path} holds {progress} of {runner.max_epochs}"
        return f"nothing is left to do: {found}; to go on, raise the number of epochs"
    for hook in (hook for hook in runner.hooks if hasattr(hook, "reason")):
        hook.after_load_checkpoint(runner, checkpoint)
        if why := hook.reason():
            hint = "to go on, raise training.early_stopping.patience"
            return f"nothing is left to do: {path} holds a training that stopped early, {progress}: {why}; {hint}"
    return ""


def _make_room(log_dir: Path, checkpoint_dir: Path) -> list[str]:
    from anomdet.engine.outputs import move_aside

    moved = (move_aside(log_dir, _LOG_FILES), move_aside(checkpoint_dir, ("best_model.pth", "last.pth")))
    return [f"results of an earlier run were moved to {place}" for place in moved if place]


def _write_inputs(run: Run, config: Any, log_dir: Path) -> None:
    """Leave the settings and the complete config beside the outputs: either repeats the run."""
    from anomdet.atomic import write_text

    write_text(log_dir / "config.py", config.pretty_text)
    if run.settings is not None:
        from anomdet.config.dump import dump_yaml

        write_text(log_dir / "settings.yaml", dump_yaml(run.settings))


def _log_data(runner: Any, notes: Sequence[str]) -> None:
    for note in notes:
        runner.logger.info(note)
    dataset = runner.train_dataloader.dataset
    names = ", ".join(f"{number}: {name}" for number, name in zip(*_classes(dataset.metainfo), strict=True))
    runner.logger.info(f"data: {len(dataset)} training images; classes {names}")
    _log_exposure(runner)
    warmup = max((one.get("warmup_iterations", 0) for one in runner.cfg.get("param_scheduler") or []), default=0)
    if warmup >= runner.max_iters:
        runner.logger.warning(
            f"the training ends within the warm-up of the learning rate: {runner.max_iters} steps, "
            f"training.scheduler.warmup_iterations={warmup}: it will hardly learn"
        )
    for note in dataset.index.notes if hasattr(dataset, "index") else ():
        runner.logger.info(f"data: {note}")


def _log_best(runner: Any) -> None:
    best = _hook(runner, "best_epoch")
    runner.logger.info(f"best: epoch {best.best_epoch}, {best.monitor} {best.best_score:.4f}")


def _log_exposure(runner: Any) -> None:
    """What the sampler makes of the classes' shares."""
    from anomdet.data.sampler import class_exposure

    dataset, sampler = runner.train_dataloader.dataset, runner.train_dataloader.sampler
    if not hasattr(sampler, "expected_draws") or not hasattr(dataset, "image_class_counts"):
        return
    exposure = class_exposure(dataset.image_class_counts, sampler.expected_draws())
    names = [*dataset.metainfo["classes"], "no defect"]
    parts = [f"{name} {images} -> {draws:.0f}" for name, (images, draws) in zip(names, exposure, strict=True)]
    runner.logger.info(f"images with each class, in the data -> drawn in an epoch: {', '.join(parts)}")


def _classes(metainfo: dict[str, Any]) -> tuple[Sequence[int], Sequence[str]]:
    return metainfo.get("class_nums", range(len(metainfo["classes"]))), metainfo["classes"]
