"""The normal-only score in a checkpoint: opened, and what it adds to an evaluation."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import Artifact

if TYPE_CHECKING:  # they cost torch
    from anomdet.anomaly.scorer import Scorer
    from anomdet.engine.checkpoint import CheckpointFile

ARRAYS, BACKBONE, KEY = "arrays", "backbone", "anomaly"
_log = logging.getLogger("anomdet")


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


def _squares(paths: Sequence[Path], bit_depth: int, size: int) -> Iterator[Any]:
    """Images as the score sees them, one after another."""
    from anomdet.anomaly.patches import shrink
    from anomdet.images.decode import read_noted

    for at, path in enumerate(paths, start=1):
        yield shrink(read_noted(path, max_megapixels=None, bit_depth=bit_depth)[0], size)
        if at % 200 == 0:
            _log.info(f"normal-only score: {at} of {len(paths)} images")
