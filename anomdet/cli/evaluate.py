"""``anomdet evaluate``: a trained detector to numbers, and the predictions behind them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from anomdet.cli.run_config import load_run
from anomdet.errors import Problem, UserError

SPLITS = ("train", "val", "test")
OUTPUTS = ("metrics.json", "predictions.json", "ground_truth.json")


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation found.

    Args:
        table: for the console.
        metrics: the content of metrics.json.
        written: the files.
    """

    table: str
    metrics: dict[str, Any]
    written: list[Path]


def evaluate(
    config_path: str | Path,
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    checkpoint: str | Path | None = None,
    out: str | Path | None = None,
) -> Evaluated:
    """Evaluate a checkpoint on a split.

    Args:
        config_path: YAML or Python config.
        overrides: ``key=value`` each.
        split: train, val or test.
        checkpoint: default: ``<checkpoint_dir>/best_model.pth``.
        out: the folder of the results; default: ``<log_dir>/evaluation``.

    Raises:
        UserError: anything wrong with what the user gave.
    """
    run = load_run(config_path, overrides)
    from anomdet.cli.prepare import load_libraries

    load_libraries()
    from anomdet.engine.hooks.progress import foreign_keys
    from anomdet.engine.outputs import make_folder, move_aside
    from anomdet.evaluation.summary import format_table

    with run.blamed():
        config, path = with_checkpoint(run.config, split, checkpoint)
        make_folder(config.work_dir, "logging.log_dir")
        folder = make_folder(out or Path(config.work_dir) / "evaluation", "--out")
        own_metric(config).out_dir = str(folder)
        runner = build_tester(config)
    moved = move_aside(folder, OUTPUTS)
    if moved:
        runner.logger.info(f"results of an earlier evaluation were moved to {moved}")
    runner.logger.info(f"evaluating {path} on the {split} split: {len(runner.test_dataloader.dataset)} images")
    _warn_of_other_splits(runner, path)
    with run.blamed():
        measured = runner.test()
    for key in foreign_keys(measured):
        runner.logger.info(f"{key} {measured[key]:.4f}")
    metrics = runner.test_evaluator.metrics[0].last_result
    return Evaluated(format_table(metrics), metrics, [folder / name for name in OUTPUTS])


def _warn_of_other_splits(runner: Any, checkpoint: Path) -> None:
    """Images that the network has learned from give better figures than new ones."""
    from anomdet.engine.checkpoint import changed_splits, load_checkpoint

    changed = changed_splits(load_checkpoint(checkpoint)["meta"], runner.test_dataloader.dataset)
    if changed:
        runner.logger.warning(
            f"{', '.join(changed)}: other images than when {checkpoint} was trained; if data.split_seed, the ratios or "
            "the images changed, it may have learned from some that it is measured on now"
        )


def with_checkpoint(config: Any, split: str, checkpoint: str | Path | None) -> tuple[Any, Path]:
    """A complete config that tests a checkpoint on a split, and the checkpoint's path.

    The classes are the checkpoint's, in its order; data with other class numbers is refused.
    """
    from anomdet.cli.prepare import complete
    from anomdet.config.presets import forget_weights
    from anomdet.engine.checkpoint import load_checkpoint

    if split not in SPLITS:
        raise UserError(Problem("--split", f"one of {', '.join(SPLITS)}", repr(split)))
    path = Path(checkpoint or Path(config.default_hooks.checkpoint.out_dir) / "best_model.pth")
    meta = load_checkpoint(path).get("meta", {}).get("dataset_meta", {})
    if "class_nums" not in meta:
        raise UserError(Problem(str(path), "a checkpoint of AnomDet, which knows its classes", "none in it"))
    names = dict(zip(meta["class_nums"], meta["classes"], strict=True))
    # The checkpoint brings all weights: nothing pretrained need be fetched or read.
    config = copy.deepcopy(config)
    config.load_from = None
    forget_weights(config.model)
    try:
        config = complete(config, names)
    except UserError as error:
        raise UserError([_in_checkpoint(problem, path) for problem in error.problems], title=error.title) from error
    config.test_dataloader.dataset.split = split
    config.load_from = str(path)
    return config, path


def own_metric(config: Any) -> Any:
    """The config of our metric, which is the first where there are several."""
    evaluator = config.test_evaluator
    return evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator


def _in_checkpoint(problem: Problem | str, path: Path) -> Problem | str:
    """The classes that are allowed came from the checkpoint, not from the settings: the message says so."""
    if isinstance(problem, str) or "data.classes" not in problem.expected:
        return problem
    expected = problem.expected.replace("data.classes", f"the checkpoint {path}")
    return replace(problem, expected=expected, hint="give the checkpoint that was trained on this data")


def build_tester(config: Any) -> Any:
    """A Runner that only tests, with the checkpoint's weights in it.

    Raises:
        UserError: the weights are another model's, or the split is empty; nothing was written.
    """
    from anomdet.cli.prepare import build_runner, for_machine

    fitted, _ = for_machine(config)
    for name in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        fitted[name] = None
    for name in ("val_dataloader", "val_cfg", "val_evaluator"):
        fitted[name] = None
    fitted.custom_hooks, fitted.visualizer = [], None
    fitted.default_hooks = dict(logger=None, checkpoint=None, param_scheduler=None, sampler_seed=None)
    runner = build_runner(fitted, log_name=None)
    runner.load_or_resume()
    _ = runner.test_loop  # builds the data loader: what can be wrong is found before anything is written
    runner.open_log("evaluation.log")
    return runner
