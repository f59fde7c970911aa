"""Fits a detector's neck and head to the levels of another backbone. Pure: model config in, model config out.

Level i of the head keeps the sizes of the objects that the preset gave it (anchors, regression ranges, RoI scale);
only the grid on which it looks for them, the stride, follows the backbone.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from anomdet.errors import Problem, UserError
from anomdet.models.probe import LevelInfo

# Necks that merge all levels from `start_level` on and add coarser ones until there are `num_outs`.
PYRAMIDS = {"FPN", "PAFPN", "FPN_CARAFE"}
# Necks that project each level, and add coarser ones until there are `num_outs`.
MAPPERS = {"ChannelMapper"}
MAPPER_FINEST_STRIDE = 8


def fit_to_backbone(model_cfg: Any, levels: Sequence[LevelInfo]) -> Any:
    """A copy of ``model_cfg`` whose neck and head match ``levels``.

    Args:
        model_cfg: an MMDetection model config (mmengine's ConfigDict or a dict) with ``backbone`` and ``neck``.
        levels: what the backbone returns, from the finest to the coarsest, see :func:`anomdet.models.probe.probe`.

    Raises:
        UserError: the levels are not ordered, too few for the neck, or the neck is of a kind that we cannot fit.
    """
    fitted = copy.deepcopy(model_cfg)
    _check_order(fitted, levels)
    neck = fitted.get("neck")
    neck = neck[0] if isinstance(neck, (list, tuple)) and neck else neck
    kind = str(neck.get("type", "")).rsplit(".", 1)[-1] if neck else ""
    if kind in PYRAMIDS:
        strides = _fit_pyramid(neck, levels, _head_strides(fitted))
    elif kind in MAPPERS:
        strides = _fit_mapper(fitted, neck, levels)
    elif neck and isinstance(neck.get("in_channels"), (list, tuple)):
        strides = _fit_path_aggregation(fitted, neck, levels)
    else:
        expected = "a detector whose neck takes a list of in_channels (FPN, ChannelMapper, CSPNeXtPAFPN, YOLOXPAFPN)"
        raise UserError(Problem(f"model {fitted.get('type')}", expected, f"neck {kind or None}"))
    _set_strides(fitted, strides)
    return fitted


def _check_order(model_cfg: Any, levels: Sequence[LevelInfo]) -> None:
    strides = [level.stride for level in levels]
    if not strides or strides != sorted(set(strides)):
        where = f"backbone {model_cfg.get('backbone', {}).get('type')}"
        raise UserError(Problem(where, "feature maps with ascending strides, like 8, 16, 32", f"strides {strides}"))


def _fit_pyramid(neck: Any, levels: Sequence[LevelInfo], wanted: Sequence[int]) -> list[int]:
    """Starts at the first level as coarse as the preset's finest; keeps the preset's number of outputs."""
    count, num_outs = len(levels), neck["num_outs"]
    finest = wanted[0] if wanted else levels[0].stride
    start = next((i for i, level in enumerate(levels) if level.stride >= finest), count - 1)
    start = max(start, count - num_outs)
    neck["in_channels"] = [level.channels for level in levels]
    neck["start_level"] = start
    neck["end_level"] = -1
    return _extended([level.stride for level in levels[start:]], num_outs)


def _fit_mapper(model_cfg: Any, neck: Any, levels: Sequence[LevelInfo]) -> list[int]:
    num_outs = neck.get("num_outs") or len(neck["in_channels"])
    kept = [i for i, level in enumerate(levels) if level.stride >= MAPPER_FINEST_STRIDE] or [len(levels) - 1]
    kept = kept[-num_outs:]
    _keep_levels(model_cfg["backbone"], kept, len(levels))
    neck["in_channels"] = [levels[i].channels for i in kept]
    return _extended([levels[i].stride for i in kept], num_outs)


def _fit_path_aggregation(model_cfg: Any, neck: Any, levels: Sequence[LevelInfo]) -> list[int]:
    """CSPNeXtPAFPN, YOLOXPAFPN and the like: a fixed number of levels, each half as fine as the one before."""
    count = len(neck["in_channels"])
    strides = [level.stride for level in levels][-count:]
    if len(strides) < count or any(b != 2 * a for a, b in itertools.pairwise(strides)):
        expected = f"{count} feature maps, each of half the size of the one before, for the neck {neck['type']}"
        got = f"{len(levels)} with strides {[level.stride for level in levels]}"
        hint = "a detector with FPN (faster_rcnn, retinanet, fcos, atss) takes any number"
        raise UserError(Problem(f"backbone {model_cfg['backbone'].get('type')}", expected, got, hint))
    _keep_levels(model_cfg["backbone"], range(len(levels) - count, len(levels)), len(levels))
    neck["in_channels"] = [level.channels for level in levels[-count:]]
    # Its maps are enlarged by exactly two and joined, so no map may have an odd side.
    preprocessor = model_cfg.get("data_preprocessor")
    if preprocessor is not None:
        preprocessor["pad_size_divisor"] = max(preprocessor.get("pad_size_divisor", 1), strides[-1])
    return strides


def _keep_levels(backbone: Any, kept: Sequence[int], count: int) -> None:
    """Makes the backbone return only the ``kept`` ones of its ``count`` maps."""
    if len(kept) == count:
        return
    kind = str(backbone.get("type", ""))
    key = "out_blocks" if kind.endswith("EfficientNetLite0") else "out_indices"
    # Ours return all they have by default; of another's default we know nothing.
    default = (4, 10, 15) if key == "out_blocks" else range(count) if kind.startswith("anomdet.") else ()
    current = backbone.get(key) or default
    if len(current) != count:
        raise UserError(
            Problem(f"backbone {kind}: {key}", f"{count} numbers, one for each feature map", str(list(current)))
        )
    backbone[key] = [current[i] for i in kept]


def _extended(strides: list[int], count: int) -> list[int]:
    while len(strides) < count:
        strides = [*strides, strides[-1] * 2]
    return strides


def _heads(model_cfg: Any) -> Iterator[Any]:
    """The dense heads: those that lay a grid over each level."""
    for key in ("rpn_head", "bbox_head"):
        if model_cfg.get(key):
            yield model_cfg[key]


def _head_strides(model_cfg: Any) -> list[int]:
    """The strides that the preset's dense head expects, empty if it states none."""
    for head in _heads(model_cfg):
        strides = (head.get("anchor_generator") or {}).get("strides") or head.get("strides")
        if strides:
            return list(strides)
    return []


def _set_strides(model_cfg: Any, strides: list[int]) -> None:
    for head in _heads(model_cfg):
        generator = head.get("anchor_generator")
        if generator and generator.get("strides"):
            old = list(generator["strides"])
            if generator["type"].rsplit(".", 1)[-1] == "AnchorGenerator" and old != strides:
                # Anchors keep their pixels; by default they would be multiples of the stride.
                generator.setdefault("base_sizes", old)
            generator["strides"] = list(strides)
        if head.get("strides"):
            head["strides"] = list(strides)
    roi_head = model_cfg.get("roi_head") or {}
    for key in ("bbox_roi_extractor", "mask_roi_extractor"):
        extractors = roi_head.get(key) or []
        for extractor in extractors if isinstance(extractors, (list, tuple)) else [extractors]:
            extractor["featmap_strides"] = list(strides[: len(extractor["featmap_strides"])])
