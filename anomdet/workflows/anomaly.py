"""The normal-only score of a run: learned from its normal images, kept in its checkpoint, and read from there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import Artifact
from anomdet.layout import IMAGES_DIR, LAST
from anomdet.ranks import is_main_process
from anomdet.workflows.bit_depth import bit_depth_of

if TYPE_CHECKING:  # they cost torch
    from anomdet.anomaly.calibration import Threshold
    from anomdet.anomaly.scorer import Scorer
    from anomdet.engine.checkpoint import CheckpointFile

MIN_NORMALS_AUTO, MIN_NORMALS = 30, 10
MIN_NORMALS_PADIM = 100  # on drawn parts: 30 images 0.85 against patchcore's 0.93, 93 images 0.97 against 0.97
ARRAYS, BACKBONE, KEY = "arrays", "backbone", "anomaly"
_log = logging.getLogger("anomdet")


@dataclass(frozen=True)
class NormalImage:
    """An image without a label.

    Args:
        path: of the file.
        group: images with the same number show one part.
    """

    path: Path
    group: int


def normal_images(dataset: Any, group_by: str | None) -> list[NormalImage]:
    """The images of a data set's split that have no box, in its order; of a data set that is not ours none."""
    from anomdet.data.dataset import TextLabelDataset

    if not isinstance(dataset, TextLabelDataset):
        return []
    from anomdet.evaluation.results import part_name

    folder, columns = Path(dataset.data_root) / IMAGES_DIR, dataset.index.columns
    counts = columns.class_counts(dataset.positions, dataset.index.class_nums).sum(axis=1)
    names = [columns.file_name(int(at)) for at, count in zip(dataset.positions, counts, strict=True) if not count]
    groups: dict[str, int] = {}
    parts = [part_name(name, group_by) if group_by else name for name in names]
    return [
        NormalImage(folder / name, groups.setdefault(part, len(groups)))
        for name, part in zip(names, parts, strict=True)
    ]


def normal_images_of(runner: Any, config: Any) -> list[NormalImage]:
    """The normal images of a run."""
    return normal_images(runner.train_dataloader.dataset, _group_by(config))


def wants_score(config: Any, images: list[NormalImage]) -> bool:
    """Whether a run learns it.

    Raises:
        UserError: it should by all means, and there are too few normal images.
    """
    wanted = (config.get(KEY) or {}).get("enabled", False)
    if wanted is not True:
        return wanted == "auto" and len(images) >= MIN_NORMALS_AUTO
    if len(images) < MIN_NORMALS:
        hint = "add images with an empty label file, or set anomaly.enabled=auto"
        got = f"{len(images)} in the training split"
        raise UserError(Problem("anomaly.enabled", f"at least {MIN_NORMALS} normal images", got, hint))
    return True


def check_score(runner: Any, config: Any) -> None:
    """Before a run: what the score needs is there.

    Raises:
        UserError: too few normal images, or no backbone.
    """
    if wants_score(config, normal_images_of(runner, config)):
        from anomdet.anomaly.features import TorchFeatures

        TorchFeatures(config[KEY]["features"], config[KEY]["layers"])


def add_score(runner: Any, config: Any, best: Path, *, if_missing: bool = False) -> None:
    """After a run: learn the score from the normal training images, and put it into the best checkpoint.

    Args:
        runner: of the training.
        config: of the run, complete.
        best: the checkpoint; it is written again, with the score in it. Where there is none, the last one.
        if_missing: leave a score that is there; of a run that was killed after its last epoch.

    Raises:
        UserError: too few normal images, one that cannot be read, or no backbone.
    """
    if not is_main_process():
        return
    images = normal_images_of(runner, config)
    if not wants_score(config, images):
        return
    from anomdet.engine.checkpoint import read_checkpoint, save_atomically

    path = best if best.is_file() else best.with_name(LAST)
    content = read_checkpoint(path).content
    document = (content.get("meta") or {}).get("inference")
    if document is None:
        runner.logger.warning(f"no normal-only score: {path} does not stand alone")
        return
    if if_missing and document.get("anomaly") is not None:
        return
    save_atomically(with_score(runner, config, images, content), path)


def with_score(runner: Any, config: Any, images: list[NormalImage], content: dict[str, Any]) -> dict[str, Any]:
    """The content of a checkpoint with the score in it, learned from images.

    Args:
        runner: of the run, for its log.
        config: of the run, complete.
        images: see :func:`normal_images_of`.
        content: of a checkpoint that stands alone.

    Raises:
        UserError: as :func:`learn_score`.
    """
    import torch

    started = time.monotonic()
    runner.logger.info(f"learning the normal-only score from {len(images)} normal images")
    scorer, threshold = learn_score(config, images)
    arrays = {name: torch.from_numpy(values) for name, values in scorer.arrays().items()}
    meta = {**content["meta"], "inference": {**content["meta"]["inference"], "anomaly": asdict(scorer.info)}}
    stored = {ARRAYS: arrays, BACKBONE: scorer.features.weights()}  # type: ignore[attr-defined]
    seconds = time.monotonic() - started
    runner.logger.info(f"normal-only score from {len(images)} normal images in {seconds:.0f} s: {threshold.sentence()}")
    return {**content, "meta": meta, KEY: stored}


def learn_score(config: Any, images: list[NormalImage]) -> tuple[Scorer, Threshold]:
    """The score and its threshold, from normal images.

    Args:
        config: of the run, complete; ``anomaly`` of it is used.
        images: in an order that does not change.

    Raises:
        UserError: one cannot be read, all show one part, or the backbone's package is missing.
    """
    from anomdet.anomalies import AnomalyInfo
    from anomdet.anomaly.calibration import choose_threshold
    from anomdet.anomaly.features import TorchFeatures
    from anomdet.anomaly.fit import Collected, highest
    from anomdet.anomaly.scorer import Scorer

    given = config[KEY]
    if len({image.group for image in images}) < 2:
        raise UserError(Problem("data.group_by", "normal images of at least two parts", "one part"))
    method = given["method"]
    if method == "auto":
        method = "padim" if len(images) >= MIN_NORMALS_PADIM else "patchcore"
    seed = int((config.get("randomness") or {}).get("seed") or 0)
    features = TorchFeatures(given["features"], given["layers"])
    collected = Collected(memory=given["memory"], method=method, seed=seed)
    for square, image in zip(
        _squares([image.path for image in images], bit_depth_of(config), given["image_size"]), images, strict=True
    ):
        collected.add(features(square[None])[0], image.group)
    model, calibration = collected.fit()
    threshold = choose_threshold(calibration.part_scores, given["overkill"])
    info = AnomalyInfo(
        features=given["features"],
        layers=tuple(given["layers"]),
        image_size=given["image_size"],
        method=method,
        centres=calibration.mixture.centres,
        weights=calibration.mixture.weights,
        threshold=threshold.value,
        cell_threshold=choose_threshold(highest(calibration.cell, calibration.groups), given["overkill"]).value,
        overkill=given["overkill"],
        num_normals=threshold.num_normals,
        num_above=threshold.num_above,
        regions=given["regions"],
    )
    return Scorer(info, model, calibration.part_scores, features), threshold


def _squares(paths: Sequence[Path], bit_depth: int, size: int) -> Iterator[Any]:
    """Images as the score sees them, one after another."""
    from anomdet.anomaly.patches import shrink
    from anomdet.images.decode import read_noted

    for at, path in enumerate(paths, start=1):
        yield shrink(read_noted(path, max_megapixels=None, bit_depth=bit_depth)[0], size)
        if at % 200 == 0:
            _log.info(f"normal-only score: {at} of {len(paths)} images")


def _group_by(config: Any) -> str | None:
    evaluator = config.test_evaluator
    own = evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator
    group_by: str | None = own.get("group_by")
    return group_by


def open_score(artifact: Artifact, content: Mapping[str, Any], where: str, device: str = "cpu") -> Scorer | None:
    """The score in a checkpoint; None: it has none.

    Args:
        artifact: what the checkpoint says of itself.
        content: of the checkpoint, loaded; it may come from a stranger.
        where: for messages.
        device: of the backbone.

    Raises:
        UserError: what the document promises is not there, or something else.
    """
    info = artifact.anomaly
    if info is None:
        return None
    import torch

    from anomdet.anomaly.features import TorchFeatures
    from anomdet.anomaly.scorer import scorer_of

    stored = content.get(KEY)
    arrays = stored.get(ARRAYS) if isinstance(stored, Mapping) else None
    backbone = stored.get(BACKBONE) if isinstance(stored, Mapping) else None
    wanted = Problem(f"{where}: {KEY}", "the arrays of the normal-only score", "none, or damaged ones", "train again")
    if not isinstance(arrays, Mapping) or not isinstance(backbone, Mapping):
        raise UserError(wanted)
    features = TorchFeatures(info.features, info.layers, weights=backbone, device=device)
    try:
        numbers = {name: value.numpy() for name, value in arrays.items() if isinstance(value, torch.Tensor)}
        return scorer_of(info, numbers, features)
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise UserError(wanted) from error


def with_unseen(
    measured: Any,
    file: CheckpointFile,
    images_dir: Path,
    bit_depth: int,
    images: Callable[[Any], Sequence[int]] | None = None,
) -> Any:
    """An evaluation with what the checkpoint's normal-only score adds to it, on the same images; as it is without one.

    Args:
        measured: an ``anomdet.evaluation.summary.Measured``.
        file: the checkpoint.
        images_dir, bit_depth: of the images.
        images: from the evaluation those whose map is wanted; None: those that the report shows.

    Raises:
        UserError: an image cannot be read, or the score is damaged.
    """
    if file.meta.inference is None:
        return measured
    artifact = Artifact.from_dict(file.meta.inference, f"{file.path}: inference")
    scorer = open_score(artifact, file.content, str(file.path))
    if scorer is None:
        return measured
    import numpy as np

    from anomdet.anomaly.calibration import CONFIDENCE
    from anomdet.evaluation.heat_maps import worth_a_look
    from anomdet.evaluation.unseen import fused

    names = measured.results.file_names
    squares = _squares([images_dir / name for name in names], bit_depth, scorer.info.image_size)
    scores = np.array([scorer.judge(square[None], [(1, 1)])[0].score for square in squares])
    spread = float(np.log(scorer.normal_scores).std())
    if not artifact.class_nums:
        from anomdet.evaluation.alone import score_alone

        measured = score_alone(measured, scores, scorer.info.threshold, spread, CONFIDENCE)
    else:
        measured = fused(measured, scores, scorer.info.threshold, spread)
    chosen = worth_a_look(measured) if images is None else list(images(measured))
    paths = [images_dir / names[at] for at in chosen]
    again = (scorer.cell_ratios(square[None])[0] for square in _squares(paths, bit_depth, scorer.info.image_size))
    cells = dict(zip(chosen, again, strict=True))
    return replace(measured, verdicts=replace(measured.verdicts, cell_ratios=cells))
