"""Advice from the sizes and shapes of the boxes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anomdet.quality.health.advice import LIKELY, MAYBE, Advice, Health, percent
from anomdet.quality.health.plan import Plan
from anomdet.quality.propose.tiles import SMALL_SHARE, STEP

LONG_SHARE = 0.1
PADDING = 0.25
MOST_PREDICTIONS = 100  # the presets' limit
MIN_OBJECTS = 50
LEAST_PX, MORE = 2.0, 1.05  # below, a box is a speck; times as many px are worth a change


def box_advice(health: Health, plan: Plan) -> Iterator[Advice]:
    """Image size, tiles, padding, anchors, and boxes that are too large or too many."""
    yield from _small(health, plan)
    yield from _roomy(health, plan)
    yield from _padding(health, plan)
    yield from _long(health, plan)
    yield from _large(health)
    yield from _crowded(health, plan)


def _small(health: Health, plan: Plan) -> Iterator[Advice]:
    """What ``anomdet init`` would choose, where it shows the boxes with more."""
    boxes, found = health["boxes"], health["proposed"]
    share = boxes["under_8_px"]
    if not share or share <= SMALL_SHARE:
        return
    tiled = "" if plan.tiles is None else " of a tile"
    why = f"{percent(share)} of the boxes are under 8 px on their shorter side at data.image_size "
    why += f"{_size(plan.size_hw)}{tiled}, finer than the finest grid of most detectors. "
    if found["tenth_px"] < LEAST_PX:
        yield _specks(why, found["tenth_px"])
    elif found["tenth_px"] < boxes["tenth_px"] * MORE:
        why += f"A tenth of them have {boxes['tenth_px']:.2g} px or less, and what anomdet init would choose on this "
        why += "machine shows them with no more. More pixels of the camera for each part would."
        yield Advice("few-pixels", LIKELY, "Take the images from nearer, or with more pixels.", why)
    elif found["tiles"] is not None:
        height, width = found["tile_hw"]
        text = f"Look at the images in overlapping tiles of {width} x {height} px, as anomdet init chooses them."
        why += f"{found['reason'][:1].upper()}{found['reason'][1:]}."
        yield Advice("tiles", LIKELY, text, why, f"{_setting(found['size_hw'])} {_tile_setting(found['tiles'])}")
    else:
        size_hw, settings = found["size_hw"], _setting(found["size_hw"])
        times = math.prod(size_hw) / math.prod(plan.size_hw)
        why += f"At {_size(size_hw)}, as anomdet init chooses it, 90 % have {found['tenth_px']:.2g} px or more; a step "
        why += f"then costs {times:.1f} times the pixels." + _enlarged(health, size_hw)
        settings += "" if plan.tiles is None else " data.tiles=null"
        yield Advice("image-size", LIKELY, f"Set data.image_size to {_size(size_hw)}.", why, settings)


def _enlarged(health: Health, size_hw: Sequence[int]) -> str:
    height, width = health["image_sizes"]["listed"][0]["size_hw"]
    factor = min(size_hw[0] / height, size_hw[1] / width)
    return f" Images are then enlarged {factor:.1f} times, which adds no detail." if factor > 1.05 else ""


def _tile_setting(tiles: Mapping[str, Any]) -> str:
    values = ", ".join(f"{key}: {json.dumps(value)}" for key, value in tiles.items())
    return f'"data.tiles={{{values}}}"'


def _specks(why: str, seen_px: float) -> Advice:
    """No image size and no tile helps."""
    reached = f"{seen_px:.2g} px or less" if seen_px >= 0.05 else "next to nothing"
    why += f"A tenth of them are so small that what anomdet init would choose shows them with {reached}: no image "
    why += "size helps, and such boxes are rarely drawn on purpose."
    return Advice("specks", LIKELY, "Look at the smallest boxes, and correct or remove those that mark nothing.", why)


def _roomy(health: Health, plan: Plan) -> Iterator[Advice]:
    """Half the size leaves 16 px to all but one in a hundred."""
    boxes = health["boxes"]
    if boxes["num"] < MIN_OBJECTS or boxes["under_32_px"] > 0.01:
        return
    height, width = (math.ceil(side / 2 / STEP) * STEP for side in plan.size_hw)
    why = f"At data.image_size {_size(plan.size_hw)}, {percent(1 - boxes['under_32_px'])} of the boxes have 32 px or "
    why += (
        "more on their shorter side; at half of it they keep 16 px, for a quarter of the pixels. Compare both by mAP."
    )
    yield Advice("smaller-image-size", MAYBE, "Try half the image size.", why, _setting((height, width)))


def _padding(health: Health, plan: Plan) -> Iterator[Advice]:
    padding, largest = health["image_sizes"]["padding"], health["image_sizes"]["largest_seen_hw"]
    if not padding or padding < PADDING:
        return
    height, width = (math.ceil(side / STEP) * STEP for side in largest)
    saved = 1 - height * width / math.prod(plan.size_hw)
    if saved < PADDING / 2:
        return
    why = (
        f"Images keep their shape within {_size(plan.size_hw)}: {percent(padding)} of what the network computes on is "
    )
    why += f"padding. [{height}, {width}] shows them at the same scale with {percent(saved)} fewer pixels."
    text = f"Set data.image_size to [{height}, {width}], the images' own shape."
    yield Advice("padding", LIKELY, text, why, f'"data.image_size=[{height}, {width}]"')


def _long(health: Health, plan: Plan) -> Iterator[Advice]:
    boxes = health["boxes"]
    if not plan.anchored or not boxes["elongated"] or boxes["elongated"] < LONG_SHARE:
        return
    longest = boxes["elongation"]["p95"]
    side = max(4, round(longest))
    head = "bbox_head" if plan.model == "retinanet" else "rpn_head"
    why = f"{percent(boxes['elongated'])} of the boxes are at least 4 times as long as wide, 5 % at least "
    why += f"{longest:.1f} times. The anchors of {plan.model} are 1:2, 1:1 and 2:1; with a box of {longest:.1f}:1 they "
    why += f"overlap by at most {anchor_iou(longest):.2f} (IoU)."
    ratios = f"[{1 / side:.2g}, 0.5, 1.0, 2.0, {side:.1f}]"
    settings = f'"model.overrides={{{head}: {{anchor_generator: {{ratios: {ratios}}}}}}}"'
    text = f"Add anchors of 1:{side} and {side}:1, or take a model without anchors."
    yield Advice("anchors", LIKELY, text, why, settings)


def anchor_iou(elongation: float) -> float:
    """The best IoU of a box ``elongation : 1``, at least 2, with an anchor ``2 : 1`` of any size on the same centre.

    An anchor s high and 2 s long, 1 <= s <= elongation / 2, overlaps by 2 s of elongation + 2 s^2 - 2 s, which is most
    at s = sqrt(elongation / 2).
    """
    side = math.sqrt(elongation / 2)
    return side / (elongation - side)


def _large(health: Health) -> Iterator[Advice]:
    number = health["boxes"]["over_80_percent_of_image"]
    if not number:
        return
    named = "1 box covers" if number == 1 else f"{number:,} boxes cover"
    why = f"{named} more than 80 % of the image. Such a box says that a part is defective, not where; the detector "
    why += "learns the border of the image."
    yield Advice("large-boxes", LIKELY, "Draw the boxes that fill their image around the defect.", why)


def _crowded(health: Health, plan: Plan) -> Iterator[Advice]:
    most = health["per_image"]["max"]
    if most <= MOST_PREDICTIONS:
        return
    limits = f"{{max_per_img: {-(-most // 100) * 100}}}"
    limits = f"{{rcnn: {limits}}}" if "rcnn" in plan.model else limits
    why = f"{health['per_image']['fullest'][0]['file_name']} has {most:,} objects; the presets report at most "
    why += f"{MOST_PREDICTIONS} boxes an image, so {most - MOST_PREDICTIONS:,} of them cannot be found."
    yield Advice(
        "crowded", LIKELY, "Let the model report more boxes.", why, f'"model.overrides={{test_cfg: {limits}}}"'
    )


def _size(size_hw: Sequence[int]) -> str:
    height, width = size_hw
    return f"{height}" if height == width else f"[{height}, {width}]"


def _setting(size_hw: Sequence[int]) -> str:
    height, width = size_hw
    return f"data.image_size={height}" if height == width else f'"data.image_size={_size(size_hw)}"'
