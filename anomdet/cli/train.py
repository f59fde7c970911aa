"""``anomdet train``: a config to a trained detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from anomdet.cli.run_config import Run, load_run
from anomdet.errors import Problem, UserError

LOG_NAME = "training.log"
_LOG_FILES = (LOG_NAME, "settings.yaml", "config.py", "evaluation", "visualization", "evaluation.log")


def train(config_path: str | Path, overrides: Sequence[str] = (), *, resume: bool = False) -> list[Path]:
    """Train, and return the files written.

    Args:
        config_path: YAML or Python config.
        overrides: ``key=value`` each.
        resume: go on from ``last.pth``.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    run = load_run(config_path, overrides)
    from anomdet.cli.prepare import build_runner, complete, for_machine, is_main_process, load_libraries

    load_libraries()
    config = complete(run.config)
    fitted, notes = for_machine(config)
    log_dir, checkpoint_dir = Path(config.work_dir), Path(config.default_hooks.checkpoint.out_dir)
    if is_main_process():
        notes += _make_room(log_dir, checkpoint_dir, resume=resume)
        _write_inputs(run, config, log_dir)
    if resume:
        fitted.resume, fitted.load_from = True, str(_last_checkpoint(checkpoint_dir))
    runner = build_runner(fitted, log_name=LOG_NAME)
    for note in notes:
        runner.logger.info(note)
    _log_data(runner)
    try:
        runner.train()
    finally:
        for hook in runner.hooks:
            if hasattr(hook, "close"):
                hook.close()
    best = next(hook for hook in runner.hooks if hasattr(hook, "best_epoch"))
    runner.logger.info(f"best: epoch {best.best_epoch}, {best.monitor} {best.best_score:.4f}")
    return [checkpoint_dir / "best_model.pth", checkpoint_dir / "last.pth", log_dir / LOG_NAME]


def _last_checkpoint(checkpoint_dir: Path) -> Path:
    path = checkpoint_dir / "last.pth"
    if not path.is_file():
        raise UserError(Problem("--resume", str(path), "nothing there", "train without --resume first"))
    return path


def _make_room(log_dir: Path, checkpoint_dir: Path, *, resume: bool) -> list[str]:
    from anomdet.engine.outputs import make_folder, move_aside

    make_folder(log_dir, "logging.log_dir")
    make_folder(checkpoint_dir, "logging.checkpoint_dir")
    if resume:
        return []
    moved = (move_aside(log_dir, _LOG_FILES), move_aside(checkpoint_dir, ("best_model.pth", "last.pth")))
    return [f"results of an earlier run were moved to {place}" for place in moved if place]


def _write_inputs(run: Run, config: Any, log_dir: Path) -> None:
    """Leave the settings and the complete config beside the outputs: either repeats the run."""
    from anomdet.atomic import write_text

    write_text(log_dir / "config.py", config.pretty_text)
    if run.settings is not None:
        from anomdet.config.dump import dump_yaml

        write_text(log_dir / "settings.yaml", dump_yaml(run.settings))


def _log_data(runner: Any) -> None:
    dataset = runner.train_dataloader.dataset
    names = ", ".join(f"{number}: {name}" for number, name in zip(*_classes(dataset.metainfo), strict=True))
    runner.logger.info(f"data: {len(dataset)} training images; classes {names}")


def _classes(metainfo: dict[str, Any]) -> tuple[Sequence[int], Sequence[str]]:
    return metainfo.get("class_nums", range(len(metainfo["classes"]))), metainfo["classes"]
