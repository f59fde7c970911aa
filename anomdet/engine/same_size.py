"""Only images of one padded size are predicted together.

A network's scores depend on how far an image is padded: by up to 0.016 of a score between the next multiple of 32 and a
full square. In a mixed batch they would depend on the images beside it, and the detector on the line would give others
than were measured. ``anomdet.inference.preprocess.group_by_padded_size`` does the same there.
"""

from __future__ import annotations

from typing import Any


def parts_of_one_size(data_batch: Any, multiple: int) -> list[tuple[list[int], Any]]:
    """A batch in parts, each with the positions of its images.

    Args:
        data_batch: of MMEngine's ``pseudo_collate``: ``inputs``, a list of ``(3, h, w)``, and ``data_samples``. A batch
            of another kind is one part, without positions.
        multiple: of which each side is padded to the next.

    >>> import torch
    >>> batch = {"inputs": [torch.zeros(3, h, 60) for h in (64, 20, 50)], "data_samples": ["a", "b", "c"]}
    >>> [(positions, part["data_samples"]) for positions, part in parts_of_one_size(batch, 32)]
    [([0, 2], ['a', 'c']), ([1], ['b'])]
    """
    if not isinstance(data_batch, dict) or not isinstance(data_batch.get("inputs"), (list, tuple)):
        return [([], data_batch)]
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, image in enumerate(data_batch["inputs"]):
        groups.setdefault(tuple(-(-side // multiple) for side in image.shape[-2:]), []).append(at)
    if len(groups) == 1:
        return [([], data_batch)]
    return [
        (positions, {key: [values[at] for at in positions] for key, values in data_batch.items()})
        for positions in groups.values()
    ]


def in_order(parts: list[tuple[list[int], list[Any]]]) -> list[Any]:
    """The results of all parts, in the order of the batch."""
    if len(parts) == 1:
        return parts[0][1]
    ordered = {at: result for positions, results in parts for at, result in zip(positions, results, strict=True)}
    return [ordered[at] for at in range(len(ordered))]


def padding_multiple(model: Any) -> int:
    """Of what each side of an image is padded to a multiple; 1 where the model does not say."""
    preprocessor = getattr(getattr(model, "module", model), "data_preprocessor", None)
    return int(getattr(preprocessor, "pad_size_divisor", 1))
