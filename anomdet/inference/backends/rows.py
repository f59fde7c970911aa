"""From the outputs of an exported graph to the detections of each image: the same for every runtime."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from anomdet.errors import Problem, UserError, machine_limit
from anomdet.inference.exported import Network
from anomdet.inference.postprocess import Detections, suppress, to_original
from anomdet.inference.preprocess import Batch

INPUTS = ("images", "sizes", "threshold")
_ALL = 2**31 - 1
_AGAIN = "the files do not belong together; export again"


def threshold_input(network: Network, min_score: float) -> NDArray[np.float32]:
    """The graph's third input: it reports scores above it, so that one at ``min_score`` itself must lie higher."""
    below = float(np.nextafter(np.float32(min_score), np.float32(-1)))
    return np.array(max(network.floor, below, 0.0), dtype=np.float32)


def check_size(network: Network, batch: Batch, where: str) -> None:
    """Raises UserError for images of another size than the only one that the network takes."""
    if network.fixed_hw is None:
        return
    sizes = {tuple(size) for size in batch.sizes_hw.tolist()} | {batch.images.shape[1:3]}
    if sizes != {tuple(network.fixed_hw)}:
        height, width = network.fixed_hw
        got = ", ".join(f"{size[1]} x {size[0]}" for size in sorted(sizes))
        hint = "this network was exported for one size; use the checkpoint for images of another shape"
        raise UserError(Problem(where, f"images that fill {width} x {height} px after resizing", got, hint))


def check_names(network: Network, inputs: Collection[str], num_outputs: int, where: str) -> None:
    """Raises UserError for a graph that has other inputs or outputs than its manifest says."""
    expected = INPUTS if network.with_nms else INPUTS[:2]
    wanted = 4 if network.with_nms else 2
    if set(inputs) == set(expected) and num_outputs == wanted:
        return
    got = f"{', '.join(sorted(inputs))} and {num_outputs} outputs"
    problem = Problem(
        where, f"a network of {', '.join(expected)} with {wanted} outputs, as its manifest says", got, _AGAIN
    )
    raise UserError(problem)


def failed(where: str, error: Exception) -> Exception:
    """What to raise where a runtime cannot run a network: in one sentence, but for a lack of memory."""
    if machine_limit(error):
        return error
    got = " ".join(str(error).split())[:200]
    if "alloc" in str(error):  # by errors of their own kinds, which nobody else knows
        return MemoryError(got)
    return UserError(Problem(where, "a network that runs on images as its manifest says", got, _AGAIN))


def runs(network: Network, batch: Batch) -> list[Batch]:
    """What the network takes of a batch at a time: all of it, or one image after the other."""
    if not network.one_image or len(batch.images) == 1:
        return [batch]
    rows = [slice(at, at + 1) for at in range(len(batch.images))]
    return [Batch(batch.images[row], batch.sizes_hw[row], batch.original_hw[row]) for row in rows]


def detections(network: Network, batch: Batch, outputs: Sequence[NDArray], min_score: float) -> list[Detections]:
    """Of each image of a batch, in its own pixels, best first.

    Args:
        network: what was exported.
        batch: that went in.
        outputs: of the graph, in their order.
        min_score: rows below it are left out where the graph has no suppression.
    """
    if not network.with_nms:
        return [_suppressed(network, batch, at, outputs, min_score) for at in range(len(batch.images))]
    boxes, scores, labels, image = outputs
    found = []
    for at in range(len(batch.images)):
        rows = np.flatnonzero(image == at)
        rows = rows[np.argsort(-scores[rows], kind="stable")][: network.max_kept]
        found.append(Detections(to_original(boxes[rows], batch.scales_wh[at]), scores[rows], labels[rows]))
    return found


def _suppressed(network: Network, batch: Batch, at: int, outputs: Sequence[NDArray], min_score: float) -> Detections:
    boxes, scores = outputs[0][at], outputs[1][at]
    labels, rows = np.nonzero(scores > float(threshold_input(network, min_score)))
    found = Detections(boxes[rows], scores[labels, rows], labels.astype(np.int64))
    if network.iou_threshold is None:
        found = found.rows(np.argsort(-found.scores, kind="stable")[: network.max_kept])
    else:
        found = suppress(found, iou_threshold=network.iou_threshold, max_kept=min(network.max_kept, _ALL))
    return Detections(to_original(found.bboxes_xyxy, batch.scales_wh[at]), found.scores, found.labels)
