"""What the options of ``anomdet evaluate`` ask for: a checkpoint, the files of any detector, or a class left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomdet.errors import Problem, UserError
from anomdet.layout import TEST
from anomdet.workflows.evaluate import Evaluation, evaluate
from anomdet.workflows.evaluate_files import evaluate_files
from anomdet.workflows.runs.tiles import AS_TRAINED, COMPARE


@dataclass(frozen=True)
class EvaluateOptions:
    """The options beside the files of any detector.

    Args:
        split, checkpoint, out, tiles: as :func:`anomdet.evaluate` has them.
        leave_class_out: a class to train without, or all in turn; None: the checkpoint is evaluated.
        minutes: of these runs.
    """

    split: str = TEST
    checkpoint: Path | None = None
    out: Path | None = None
    tiles: str = AS_TRAINED
    leave_class_out: str | None = None
    minutes: float | None = None


def evaluate_command(
    config: Path | None, overrides: Sequence[str], options: EvaluateOptions, files: Mapping[str, Path | None]
) -> Evaluation:
    """One of the ways to evaluate.

    Args:
        config: settings; needed unless files are given.
        overrides: ``key=value`` each.
        options: the others.
        files: arguments of :func:`anomdet.evaluate_files`.

    Raises:
        UserError: neither files nor settings, options that do not go together; or as these.
    """
    _check_together(options, files)
    out, tiles = options.out, options.tiles
    if any(files.values()):
        if tiles != AS_TRAINED:
            raise UserError(Problem("--tiles", "no value beside --predictions, which are of whole images", repr(tiles)))
        given_files = {name: path for name, path in files.items() if name not in ("predictions", "ground_truth")}
        predictions, ground_truth = files.get("predictions"), files.get("ground_truth")
        return evaluate_files(predictions, ground_truth, settings=config, overrides=overrides, out=out, **given_files)
    if config is None:
        hint = "or --predictions and --ground-truth; see: anomdet evaluate --help"
        raise UserError(Problem("--config", "a YAML or Python file", "nothing", hint))
    if options.leave_class_out is not None:
        from anomdet.workflows.leave_class_out import leave_class_out

        return leave_class_out(config, overrides, classes=options.leave_class_out, minutes=options.minutes, out=out)
    split, checkpoint = options.split, options.checkpoint
    if tiles == COMPARE:
        from anomdet.workflows.compare_tiles import evaluate_with_and_without_tiles

        return evaluate_with_and_without_tiles(config, overrides, split=split, checkpoint=checkpoint, out=out)
    return evaluate(config, overrides, split=split, checkpoint=checkpoint, out=out, tiles=tiles)


def _check_together(options: EvaluateOptions, files: Mapping[str, Path | None]) -> None:
    """Options that would be ignored are refused."""
    if options.leave_class_out is None and any(files.values()):
        given_too = {"--checkpoint": options.checkpoint, "--split": options.split if options.split != TEST else None}
        expected = "no value beside --predictions, which are measured as they are"
        if problems := [Problem(name, expected, str(value)) for name, value in given_too.items() if value is not None]:
            raise UserError(problems)
    if options.leave_class_out is None:
        if options.minutes is not None:
            hint = "the budget of a run is training.minutes"
            raise UserError(Problem("--minutes", "--leave-class-out beside it", f"{options.minutes:g} alone", hint))
        return
    others = {"--checkpoint": options.checkpoint}
    others |= {f"--{name.replace('_', '-')}": path for name, path in files.items()}
    given = [option for option, value in others.items() if value is not None]
    given += [f"--split {options.split}"] * (options.split != TEST)
    given += [f"--tiles {options.tiles}"] * (options.tiles != AS_TRAINED)
    if given:
        expected = "no other option than --config, --out and --minutes: it trains its own models"
        raise UserError(Problem("--leave-class-out", expected, ", ".join(given)))
