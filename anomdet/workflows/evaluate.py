"""``anomdet evaluate``: a trained detector to numbers, the predictions behind them, and a report."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.config.load import SettingsSource
from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import Artifact
from anomdet.layout import BEST, EVALUATION_DIR, EVALUATION_LOG, IMAGES_DIR, SCALARS, SPLITS, VAL
from anomdet.output_rule import check_apart, check_names, claim
from anomdet.outputs import make_folder
from anomdet.ranks import is_main_process
from anomdet.run_lock import one_run_in
from anomdet.words import counted
from anomdet.workflows.data_folder.other_names import warn_of_other_names
from anomdet.workflows.runs.as_trained import (
    in_checkpoint,
    normalize_as_trained,
    take_from_checkpoint,
    warn_of_another_network,
)
from anomdet.workflows.runs.bit_depth import bit_depth_of, known_bits, take_bit_depth
from anomdet.workflows.runs.mmdet_config import class_names
from anomdet.workflows.runs.other_splits import warn_of_other_splits
from anomdet.workflows.runs.own_metric import kept_point, own_metric, wanted_criterion
from anomdet.workflows.runs.run_config import Run, has_no_network, load_run
from anomdet.workflows.runs.tiles import AS_TRAINED, note_on_tiles, tile_as_trained
from anomdet.workflows.runs.views import take_views, views_fact
from anomdet.workflows.scores.in_checkpoint import with_unseen

if TYPE_CHECKING:  # its type costs torch
    from anomdet.engine.checkpoint import CheckpointFile


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found; empty on all processes but the first.

    Args:
        table: for the console.
        metrics: the content of metrics.json.
        predictions: the content of predictions.json: COCO results, a dict a box, in the images' own pixels.
        written: the files.
    """

    table: str = ""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)


def evaluate(
    settings: SettingsSource,
    overrides: Sequence[str] = (),
    *,
    split: str = "test",
    checkpoint: str | Path | None = None,
    out: str | Path | None = None,
    tiles: str = AS_TRAINED,
) -> Evaluation:
    """Evaluate a checkpoint on a split.

    Args:
        settings: a YAML file, a Python config, a dict or :class:`anomdet.Settings`.
        overrides: ``key=value`` each.
        split: train, val or test.
        checkpoint: default: ``<checkpoint_dir>/best_model.pth``.
        out: the folder of the results; default: ``<log_dir>/evaluation``.
        tiles: ``as-trained``, or ``off``: look at whole images, whatever the training did.

    Raises:
        UserError: anything wrong with what the user gave.

    >>> anomdet.evaluate("configs/default.yaml", split="val").metrics["mAP_50"]  # doctest: +SKIP
    """
    run = load_run(settings, overrides)
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    from anomdet.workflows.evaluations.files import ALL_FILES

    with run.blamed():
        loaded = with_checkpoint(run, split, checkpoint, tiles)
        folder = output_folder(loaded.config, out or Path(loaded.config.work_dir) / EVALUATION_DIR, ALL_FILES)
    with one_run_in({"--out": folder}):
        return _evaluate(run, loaded, folder)


def _evaluate(run: Run, loaded: Loaded, folder: Path) -> Evaluation:
    from anomdet.engine.hooks.foreign import test_hooks
    from anomdet.engine.hooks.progress import foreign_keys

    with run.blamed():
        set_operating_point(loaded)
        runner = build_tester(loaded.config, loaded.file, hooks=test_hooks(loaded.config.get("custom_hooks")))
    dataset = runner.test_dataloader.dataset
    runner.logger.info(f"evaluating {loaded.file.path} on the {loaded.split} split: {counted(len(dataset), 'image')}")
    if note := note_on_tiles(loaded.config):
        runner.logger.info(note)
    if views := views_fact(loaded.config):
        runner.logger.info(f"test-time augmentation: {views['tta']}")
    notes = [warn_of_other_splits(runner, loaded), warn_of_other_names(runner, loaded)]
    with run.blamed():
        found = runner.test()
    for key in foreign_keys(found):
        runner.logger.info(f"{key} {found[key]:.4f}")
    measured = runner.test_evaluator.metrics[0].last
    if measured is None:
        return Evaluation()
    if measured.point.note and not has_no_network(loaded.config):
        runner.logger.warning(f"operating point: {measured.point.note}")
    if notes := [note for note in notes if note]:
        measured = measured.with_metrics(notes=[*measured.metrics.get("notes", []), *notes])
    return _written(measured, run, loaded, runner, folder)


def output_folder(config: Any, out: str | Path, names: Sequence[str]) -> Path:
    """A folder for results, apart from the data, where these names are free; log_dir is made too, for the log.

    Raises:
        UserError: it is neither.
    """
    from anomdet.workflows.runs.build import data_sources

    folders = {"logging.log_dir": Path(config.work_dir), "--out": Path(out)}
    for option, folder in folders.items():
        check_apart(folder, data_sources(config), option)
    check_names(folders["logging.log_dir"], [EVALUATION_LOG], "logging.log_dir")
    check_names(folders["--out"], names, "--out")
    return {option: make_folder(folder, option) for option, folder in folders.items()}["--out"]


def _written(measured: Any, run: Run, loaded: Loaded, runner: Any, folder: Path) -> Evaluation:
    """The files of what was measured."""
    from anomdet.documents.scalars import read_epochs
    from anomdet.evaluation.coco_json import to_coco
    from anomdet.evaluation.tables import format_table
    from anomdet.workflows.evaluations.files import picture_reader, with_context, write_all
    from anomdet.workflows.runs.provenance import about, speed

    wanted, dataset = options(run.config), runner.test_dataloader.dataset
    bits = {"bit_depth": bit_depth_of(loaded.config)}
    facts = {**about(run, loaded.file, loaded.split, dataset), **speed(runner), **bits, **views_fact(loaded.config)}
    images_dir = Path(dataset.data_root) / IMAGES_DIR
    measured = with_context(with_unseen(measured, loaded.file, images_dir, facts["bit_depth"]), facts, wanted)
    read_picture = picture_reader(images_dir, None, facts["bit_depth"])  # the data set has checked their sizes
    training = read_epochs(Path(loaded.config.work_dir) / SCALARS)
    written = write_all(measured, folder, wanted, read_picture, runner.logger.info, training)
    predictions = to_coco(measured.results)[1]
    return Evaluation(format_table(measured.metrics), measured.metrics, predictions, written)


def options(config: Any) -> Any:
    """The settings of the intervals and the report; the defaults where a Python config has none."""
    from anomdet.config.schema import EvaluationSettings

    return EvaluationSettings(**config.get("evaluation", {}))


@dataclass(frozen=True)
class Loaded:
    """What is to be tested.

    Args:
        config: complete, with the checkpoint named in it.
        file: the checkpoint, read.
        split: train, val or test.
        as_trained: it sees what the training saw; else its operating point is of no use.
    """

    config: Any
    file: CheckpointFile
    split: str
    as_trained: bool = True


def with_checkpoint(run: Run, split: str, checkpoint: str | Path | None, tiles: str = AS_TRAINED) -> Loaded:
    """A complete config that tests a checkpoint on a split.

    Network, image size and classes are the checkpoint's; settings or data that say otherwise are refused.
    """
    from anomdet.addresses import forget_weights
    from anomdet.engine.checkpoint import read_checkpoint
    from anomdet.workflows.runs.build import complete

    if split not in SPLITS:
        raise UserError(Problem("--split", f"one of {', '.join(SPLITS)}", repr(split)))
    path = Path(checkpoint or Path(run.config.default_hooks.checkpoint.out_dir) / BEST)
    file = read_checkpoint(path)
    # The checkpoint brings all weights: nothing pretrained need be fetched or read.
    config = copy.deepcopy(run.config)
    config.load_from = None
    trained, as_trained = None, True
    if file.meta.inference is not None:
        trained = Artifact.from_dict(file.meta.inference, f"{file.path}: inference")
        as_trained = take_views(config, trained.tta, file.path)
        tile_as_trained(config, trained.tiles, file.path, tiles)
        as_trained = as_trained and (tiles == AS_TRAINED or trained.tiles is None)
        take_from_checkpoint(config, run.settings, trained, file.path)
    # A checkpoint without a network knows no classes: those of the data say what is defective.
    names = None if has_no_network(config) else class_names(file, run.config)
    forget_weights(config.model)
    take_bit_depth(config, known_bits(file.meta.inference), path)
    try:
        config = complete(config, names)
    except UserError as error:
        raise UserError([in_checkpoint(problem, path) for problem in error.problems], title=error.title) from error
    config.test_dataloader.dataset.split = split
    if trained is not None:
        normalize_as_trained(config, trained, file.path)
        warn_of_another_network(config.model, trained, file.path)
    config.load_from = str(file.path)
    return Loaded(config, file, split, as_trained)


def set_operating_point(loaded: Loaded) -> None:
    """Put the operating point into the config of our metric: the settings', the checkpoint's, or chosen now.

    One that was chosen in the training by the same criterion is taken as it is; else the validation split is predicted
    first. The split that is tested never chooses, unless it is the validation split.
    """
    from anomdet.defaults import FALLBACK_SCORE
    from anomdet.evaluation.operating_point import fixed, given

    metric = own_metric(loaded.config)
    if has_no_network(loaded.config):
        from anomdet.workflows.scores.alone import point_alone

        metric.point, metric.score_threshold = dict(point_alone()), None
        return
    if (score_threshold := metric.get("score_threshold")) is not None:
        given(score_threshold, loaded.file.meta.dataset_meta.class_nums)  # every class has one
        return
    criterion = wanted_criterion(metric).as_dict()
    if loaded.as_trained and (point := kept_point(loaded.file, criterion)) is not None:
        metric.point = point
        return
    if loaded.split == VAL:
        return
    config = copy.deepcopy(loaded.config)
    config.test_dataloader.dataset.split = VAL
    try:
        runner = build_tester(config, loaded.file)
    except UserError as error:
        note = f"no validation split to choose on ({error}): {FALLBACK_SCORE} taken"
        metric.point = asdict(fixed(FALLBACK_SCORE, "default", note))
        return
    runner.logger.info("choosing the operating point on the validation split: the checkpoint has none of this kind")
    runner.test()
    metric.point = runner.test_evaluator.metrics[0].share_point()


def build_tester(config: Any, file: CheckpointFile, hooks: Sequence[Any] = ()) -> Any:
    """A Runner that only tests, with the checkpoint's weights in it, and hooks such as DetVisualizationHook.

    Raises:
        UserError: the weights are another model's, or the split is empty; nothing was written.
    """
    from anomdet.workflows.runs.build import build_runner
    from anomdet.workflows.runs.fit_machine import for_machine

    fitted, _ = for_machine(config)
    for name in ("train_dataloader", "train_cfg", "optim_wrapper", "param_scheduler"):
        fitted[name] = None
    for name in ("val_dataloader", "val_cfg", "val_evaluator"):
        fitted[name] = None
    fitted.custom_hooks = list(hooks)
    backend = dict(type="anomdet.RunImages", save_dir=config.work_dir)
    fitted.visualizer = dict(type="DetLocalVisualizer", vis_backends=[backend]) if hooks else None
    fitted.default_hooks = dict(logger=None, checkpoint=None, param_scheduler=None, sampler_seed=None)
    runner = build_runner(fitted, log_name=None)
    runner.preloaded = file
    runner.load_or_resume()
    _ = runner.test_loop  # builds the data loader: what can be wrong is found before anything is written
    if is_main_process():
        claim(Path(config.work_dir), [EVALUATION_LOG], "logging.log_dir")
    runner.open_log(EVALUATION_LOG)
    return runner
