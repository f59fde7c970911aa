"""What ``anomdet init`` would choose for these boxes: the advice on image size and tiles follows the same rule."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from anomdet.quality.health.numbers import SMALL_PX, tenth
from anomdet.quality.health.plan import Plan
from anomdet.quality.health.table import DEFECTIVE, Table, pieces_hw, scale_wh
from anomdet.quality.propose.facts import DataFacts
from anomdet.quality.propose.rules import choose_view
from anomdet.quality.propose.tiles import tiling_of


def proposed(table: Table, plan: Plan) -> dict[str, Any] | None:
    """The image size and the tiles of a new run on this machine; None: there is no box to choose them by.

    Returns:
        ``image_size`` and ``tiles`` as in the settings; ``size_hw``, what the network sees; ``tile_hw`` or None;
        ``tenth_px``, what 90 % of the boxes reach there with their shorter side; ``reason``.
    """
    if not len(table.image_at):
        return None
    (size, tiles), size_hw = choose_view(_facts(table), plan.preset)
    tile_hw = None if tiles.value is None else tiling_of(tiles.value).size_hw
    scales = scale_wh(pieces_hw(table.size_hw, tile_hw), size_hw)[table.image_at]
    return {
        "image_size": size.value,
        "tiles": tiles.value,
        "size_hw": list(size_hw),
        "tile_hw": None if tile_hw is None else list(tile_hw),
        "tenth_px": tenth((table.bboxes_xywh[:, 2:] * scales).min(axis=1)),
        "reason": size.reason if tiles.value is None else tiles.reason,
    }


def _facts(table: Table) -> DataFacts:
    known = np.isfinite(table.size_hw).all(axis=1)
    pairs = np.unique(np.stack([table.class_nums, table.image_at], axis=1), axis=0)
    return DataFacts(
        num_images=len(table.files),
        num_normal=len(table.files) - int((table.states == DEFECTIVE).sum()),
        objects=dict(Counter(table.class_nums.tolist())),
        images=dict(Counter(pairs[:, 0].tolist())),
        sizes_hw=table.size_hw[known].astype(np.int64),
        bboxes_wh=np.maximum(table.bboxes_xywh[:, 2:], SMALL_PX * 1e-3),  # a box of next to nothing divides by it
        image_at=(np.cumsum(known) - 1)[table.image_at],
    )
