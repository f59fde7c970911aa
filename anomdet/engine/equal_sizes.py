"""Batches of images that are padded to one size, so that no image's result depends on its neighbours in a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor

from anomdet.registry import TASK_UTILS


def equal_sizes(batch: Any, multiple: int, most: int | None = None) -> Iterator[tuple[list[int], Any]]:
    """Cut a batch into those whose images have the same padded size, for each of which a network can run at once.

    A network's scores depend on how far an image is padded: next to a larger one they move by up to 0.02.

    Args:
        batch: ``inputs``, a list of ``(3, H, W)``, and ``data_samples``, a list, as MMEngine's pseudo_collate makes
            them; anything else stays whole.
        multiple: height and width are padded to a multiple of it.
        most: images of a part; None: as many as there are.

    Yields:
        Positions in the batch, and a batch of these images.
    """
    inputs = batch.get("inputs") if isinstance(batch, dict) else None
    if not isinstance(inputs, Sequence) or not all(isinstance(image, Tensor) for image in inputs):
        yield [], batch
        return
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, image in enumerate(inputs):
        groups.setdefault(tuple(-(-side // multiple) for side in image.shape[-2:]), []).append(at)
    for same_size in groups.values():
        for first in range(0, len(same_size), most or len(same_size)):
            positions = same_size[first : first + (most or len(same_size))]
            yield positions, {key: [values[at] for at in positions] for key, values in batch.items()}


def padding_multiple(model: Any) -> int:
    """What a detector pads images to a multiple of; a wrapped one's too."""
    preprocessor = getattr(getattr(model, "module", model), "data_preprocessor", None)
    return int(getattr(preprocessor, "pad_size_divisor", 1))


class Tiles:
    """What a loop needs where its batches hold the tiles of their images.

    Args:
        merge: config of a registered function from samples of tiles to samples of images.
        batch_size: tiles that the network sees at once.
    """

    def __init__(self, merge: dict, batch_size: int) -> None:
        self.merge: Callable[[Sequence[Any]], Sequence[Any]] = TASK_UTILS.build(merge)
        self.batch_size = batch_size


def predict_equal_sizes(
    model: Any,
    batch: Any,
    predict: Callable[[Any], Sequence[Any]],
    tiles: Tiles | None = None,
    merge_views: Callable[[Sequence[Sequence[Any]]], Sequence[Any]] | None = None,
) -> Sequence[Any]:
    """Predict the images of each padded size on their own; the outputs in the order of the batch, tiles merged.

    Args:
        model: says what images are padded to.
        batch: of images, tiles, or views of these.
        predict: of images of one size to samples.
        tiles: of a batch of tiles.
        merge_views: of a batch of views, from the samples of each view to those of the images or tiles; each view is
            predicted on its own.
    """
    most = None if tiles is None else tiles.batch_size
    views = [batch] if merge_views is None else list(_by_view(batch))
    found = [_in_order(view, predict, padding_multiple(model), most) for view in views]
    outputs = found[0] if merge_views is None else merge_views(found)
    return outputs if tiles is None else tiles.merge(outputs)


def _in_order(batch: Any, predict: Callable[[Any], Sequence[Any]], multiple: int, most: int | None) -> Sequence[Any]:
    parts = list(equal_sizes(batch, multiple, most))
    if len(parts) == 1:
        return predict(batch)
    found = [pair for positions, part in parts for pair in zip(positions, predict(part), strict=True)]
    return [output for _, output in sorted(found, key=lambda pair: pair[0])]


def _by_view(batch: Any) -> Iterator[Any]:
    """The images of a batch as each view shows them, in their order."""
    of = [sample.view for sample in batch["data_samples"]]
    for view in range(max(of) + 1):
        yield {
            key: [value for value, at in zip(values, of, strict=True) if at == view] for key, values in batch.items()
        }
