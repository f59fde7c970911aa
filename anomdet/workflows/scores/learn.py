"""A run learns its normal-only score: from which images, and into which checkpoint."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.layout import IMAGES_DIR, LAST
from anomdet.ranks import is_main_process
from anomdet.workflows.runs.bit_depth import bit_depth_of
from anomdet.workflows.runs.own_metric import own_metric
from anomdet.workflows.scores.in_checkpoint import ARRAYS, BACKBONE, KEY

if TYPE_CHECKING:  # they cost torch
    from anomdet.anomaly.features import TorchFeatures
    from anomdet.anomaly.fit import Collected
    from anomdet.anomaly.scorer import Scorer

MIN_NORMALS_AUTO, MIN_NORMALS = 30, 10
MIN_NORMALS_PADIM = 100  # on drawn parts: 30 images 0.85 against patchcore's 0.93, 93 images 0.97 against 0.97
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
    return normal_images(runner.train_dataloader.dataset, own_metric(config).get("group_by"))


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
    images = normal_images_of(runner, config)
    if not wants_score(config, images):
        return
    from anomdet.engine.checkpoint import read_checkpoint, save_atomically

    path = best if best.is_file() else best.with_name(LAST)
    content: dict[str, Any] | None = None
    if is_main_process():
        content = read_checkpoint(path).content
        document = (content.get("meta") or {}).get("inference")
        if document is None:
            runner.logger.warning(f"no normal-only score: {path} does not stand alone")
        if document is None or (if_missing and document.get("anomaly") is not None):
            content = None
    if not _is_wanted_by_main(content is not None):
        return
    learned = learn_score(config, images, runner.logger)
    if learned is not None:
        assert content is not None, "the main process alone has both"
        save_atomically(with_score(learned, content), path)


def _is_wanted_by_main(is_wanted: bool) -> bool:
    """What the main process says, in every process: it alone need see the checkpoint."""
    from mmengine.dist import all_gather_object

    return bool(all_gather_object(is_wanted)[0])


def with_score(learned: Scorer, content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a checkpoint that stands alone, with the score in it."""
    import torch

    arrays = {name: torch.from_numpy(values) for name, values in learned.arrays().items()}
    meta = {**content["meta"], "inference": {**content["meta"]["inference"], "anomaly": asdict(learned.info)}}
    stored = {ARRAYS: arrays, BACKBONE: learned.features.weights()}  # type: ignore[attr-defined]
    return {**content, "meta": meta, KEY: stored}


def learn_score(config: Any, images: list[NormalImage], log: logging.Logger) -> Scorer | None:
    """The score from normal images; all processes of a run compute features, the first one learns from them.

    Args:
        config: of the run, complete; ``anomaly`` of it is used.
        images: in an order that does not change, the same in all processes.
        log: of the run.

    Returns:
        None in all processes but the first.

    Raises:
        UserError: one cannot be read, all show one part, or the backbone's package is missing.
    """
    from anomdet.anomalies import AnomalyInfo
    from anomdet.anomaly.calibration import choose_threshold
    from anomdet.anomaly.features import TorchFeatures
    from anomdet.anomaly.fit import highest
    from anomdet.anomaly.scorer import Scorer

    given, started = config[KEY], time.monotonic()
    log.info(f"learning the normal-only score from {len(images)} normal images")
    if len({image.group for image in images}) < 2:
        raise UserError(Problem("data.group_by", "normal images of at least two parts", "one part"))
    method = given["method"]
    if method == "auto":
        method = "padim" if len(images) >= MIN_NORMALS_PADIM else "patchcore"
    features = TorchFeatures(given["features"], given["layers"])
    collected = _collected(config, images, features, method)
    if not is_main_process():
        return None
    model, calibration = collected.fit()
    threshold = choose_threshold(calibration.part_scores, given["overkill"], calibration.num_effective)
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
    seconds = time.monotonic() - started
    log.info(f"normal-only score from {len(images)} normal images in {seconds:.0f} s: {threshold.sentence()}")
    if calibration.series is not None:
        log.warning(calibration.series_sentence(threshold))
    return Scorer(info, model, calibration.part_scores, features)


def _collected(config: Any, images: list[NormalImage], features: TorchFeatures, method: str) -> Collected:
    """Of all images, in the first process; each computes features of its share."""
    from anomdet.anomaly.fit import Collected
    from anomdet.engine.distributed.shared_work import shared_work

    seed = int((config.get("randomness") or {}).get("seed") or 0)
    collected = Collected(memory=config[KEY]["memory"], method=method, seed=seed)
    work = partial(maps_of, features, bit_depth_of(config), config[KEY]["image_size"])
    for at, (maps, image) in enumerate(zip(shared_work(images, work), images, strict=True), start=1):
        if is_main_process():
            collected.add(maps, image.group, image.path.as_posix())
        if at % 200 == 0:
            _log.info(f"normal-only score: {at} of {len(images)} images")
    return collected


def maps_of(features: TorchFeatures, bit_depth: int, size: int, image: NormalImage) -> list[Any]:
    """What the score learns of an image: its features ``(h, w, C)`` of each layer."""
    from anomdet.anomaly.patches import shrink
    from anomdet.images.decode import read_noted

    square = shrink(read_noted(image.path, max_megapixels=None, bit_depth=bit_depth)[0], size)
    return list(features(square[None])[0])
