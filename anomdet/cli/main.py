"""The command line. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from anomdet.cli import data_commands, mmdet_tools, predict_commands, ship_commands  # noqa: F401 - they add their commands to the application
from anomdet.cli.app import (
    Checkpoint,
    Config,
    Debug,
    Limit,
    NewFile,
    Out,
    Overrides,
    Split,
    app,
    end_evaluation,
    name_files,
    name_run,
    resume_command,
    show_log,
)
from anomdet.cli.failures import run_command
from anomdet.ranks import without_local_rank
from anomdet.terminal import give, say_it_starts


@app.command(epilog="Example: anomdet train -c configs/default.yaml training.epochs=3 data.data_dir=/data/x")
def train(
    config: Config,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from checkpoint_dir/last.pth.")] = False,
    debug: Debug = False,
) -> None:
    """Train a detector."""
    now = say_it_starts("loading libraries, settings and data")
    from anomdet.workflows.train import train as run

    result = run(config, overrides or (), resume=resume, resume_hint=resume_command(config, overrides or ()), began=now)
    name_run(result, config, overrides or ())


@app.command(epilog="Example: anomdet evaluate -c configs/default.yaml --split val")
def evaluate(  # noqa: PLR0913 (its arguments are the command's options)
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML settings, or a Python config.")] = None,
    overrides: Overrides = None,
    split: Split = "test",
    checkpoint: Checkpoint = None,
    out: Out = None,
    predictions: Annotated[Optional[Path], typer.Option(help="Any detector's COCO results file.")] = None,  # noqa: UP045
    ground_truth: Annotated[Optional[Path], typer.Option(help="Its COCO data set file.")] = None,  # noqa: UP045
    val_predictions: Annotated[Optional[Path], typer.Option(help="Of the validation split.")] = None,  # noqa: UP045
    val_ground_truth: Annotated[Optional[Path], typer.Option(help="Of the validation split.")] = None,  # noqa: UP045
    images: Annotated[Optional[Path], typer.Option(help="Folder of the images, for the report.")] = None,  # noqa: UP045
    tile_map: Annotated[Optional[Path], typer.Option(help="Of `anomdet tile`, if these are of tiles.")] = None,  # noqa: UP045
    tiles: Annotated[str, typer.Option(help="as-trained; off: whole images; compare: both.")] = "as-trained",
    leave_class_out: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="CLASS", help="Train without this class, or each in turn (all): are its parts rejected?"),
    ] = None,
    minutes: Annotated[Optional[float], typer.Option(help="Of --leave-class-out, for all its runs.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Measure a trained detector.

    Or any detector's results, from COCO files: --predictions and --ground-truth, with --val-predictions and
    --val-ground-truth to choose the score threshold on. Or what becomes of a defect that nobody labelled:
    --leave-class-out.
    """
    say_it_starts("loading libraries, settings and results")
    from anomdet.workflows import evaluate_command as workflow

    files = dict(val_predictions=val_predictions, val_ground_truth=val_ground_truth, images=images)
    files |= dict(predictions=predictions, ground_truth=ground_truth, tile_map=tile_map)
    options = workflow.EvaluateOptions(split, checkpoint, out, tiles, leave_class_out, minutes)
    end_evaluation(workflow.evaluate_command(config, overrides or (), options, files))


@app.command(epilog="Example: anomdet upgrade best_model.pth --config run.yaml --out new.pth")
def upgrade(checkpoint: Path, config: Config, out: NewFile, overrides: Overrides = None, debug: Debug = False) -> None:
    """Write an older checkpoint again, so that it stands alone.

    Or any one with another evaluation.tta, or thresholds by another evaluation.operating_point. The settings are those
    of its training.
    """
    from anomdet.workflows.upgrade import upgrade as run

    name_files([run(checkpoint, config, overrides or (), out=out)])


@app.command(epilog="Example: anomdet compare logs_a/evaluation logs_b/evaluation")
def compare(
    first: Annotated[Path, typer.Argument(help="A folder that `anomdet evaluate` wrote.")],
    second: Annotated[Path, typer.Argument(help="Another, of the same test set.")],
    out: Annotated[Optional[Path], typer.Option(help="Folder for comparison.json; default: none.")] = None,  # noqa: UP045
    resamples: Annotated[int, typer.Option(help="Of the bootstrap.")] = 1000,
    confidence: Annotated[float, typer.Option(help="Of the intervals.")] = 0.95,
    debug: Debug = False,
) -> None:
    """Compare two detectors, or say that the test set cannot decide.

    Both are measured on the same resampled parts.
    """
    from anomdet.workflows.compare import compare as run

    result = run(first, second, num_resamples=resamples, confidence=confidence, out=out)
    give(result.text)
    name_files(result.written)


@app.command(epilog="Example: anomdet report logs/evaluation")
def report(
    folder: Annotated[Path, typer.Argument(help="A folder that `anomdet evaluate` wrote.", metavar="FOLDER")],
    images: Annotated[Optional[Path], typer.Option(help="Folder of the images; default: as metrics.json says.")] = None,  # noqa: UP045
    out: Annotated[Optional[Path], typer.Option(help="HTML file; default: FOLDER/report.html.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Write an evaluation's report again, from its files alone."""
    from anomdet.workflows.report import report as run

    name_files([run(folder, images=images, out=out).path])


@app.command(epilog="Example: anomdet visualize -c configs/default.yaml --limit 20")
def visualize(  # noqa: PLR0913 (its arguments are the command's options)
    config: Config,
    overrides: Overrides = None,
    split: Split = "test",
    checkpoint: Checkpoint = None,
    out: Out = None,
    limit: Limit = 32,
    only: Annotated[Optional[str], typer.Option(help="errors: only images with a wrong verdict or box.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Draw truth and predictions side by side."""
    from anomdet.workflows.visualize import visualize as run

    name_files(run(config, overrides or (), split=split, checkpoint=checkpoint, out=out, limit=limit, only=only))


@app.command(name="config", epilog="Example: anomdet config -c configs/default.yaml --to py > run.py")
def show_config(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="YAML settings; default: all defaults.")] = None,
    overrides: Overrides = None,
    to: Annotated[str, typer.Option("--to", help="yaml, py or schema.")] = "yaml",
    presets: Annotated[bool, typer.Option("--presets", help="A table of the models instead.")] = False,
    debug: Debug = False,
) -> None:
    """Print the resolved settings.

    As YAML with all keys, as an MMEngine config (py), or the JSON schema that editors complete from.
    """
    if presets:
        from anomdet.config.preset_facts import table

        give(table())
        return
    from anomdet.workflows.show_config import show

    give(show(config, overrides or (), to).rstrip("\n"))


@app.command(epilog="Example: anomdet demo --out demo")
def demo(
    out: Annotated[Optional[Path], typer.Option(help="An empty or new folder; default: demo.")] = None,  # noqa: UP045
    debug: Debug = False,
) -> None:
    """Show everything on data drawn here.

    Draws parts with defects, trains on them, evaluates, draws the results: on a CPU, in minutes.
    """
    from anomdet.workflows.demo import demo as run

    name_files(run(out))


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit.

    0 done, 2 bad input, 130 interrupted, 143 terminated, 1 findings of `check` or `predict`, or of the other commands
    anything unforeseen.
    """
    given = without_local_rank(sys.argv[1:] if arguments is None else arguments)
    if given[:1] in (["val"], ["test"]):  # other tools' words for it
        given = ["evaluate", "--split", *given]
    if "_ANOMDET_COMPLETE" in os.environ:  # a shell asks how the line may continue
        typer.main.get_command(app)(prog_name="anomdet")
    show_log()
    debug = "--debug" in given or os.environ.get("ANOMDET_DEBUG") == "1"
    sys.exit(run_command(lambda: _invoke(given or ["--help"]), given, debug=debug))


def _invoke(arguments: list[str]) -> int:
    """Not by the application's own ``main``, which would keep an interruption to itself."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("anomdet", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    return 0


if __name__ == "__main__":
    main()
