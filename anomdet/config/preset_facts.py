"""What `anomdet config --presets` says of each preset; benchmarks/presets.py computes and measures it."""

from __future__ import annotations

from typing import NamedTuple

REFERENCE = "rtmdet_tiny"
_LICENCE = (
    "Code and COCO weights are MMDetection's, Apache-2.0; weights that you bring, and the data they learned\n"
    "from, have licences of their own."
)


class Facts(NamedTuple):
    """One preset with its own backbone.

    Args:
        parameters: of the network for one class.
        times: processor time of the network alone on one image of 320 px, as a multiple of :data:`REFERENCE`'s.
        coco_weights: it can start from COCO weights; else from ImageNet's.
        priors: what its head starts from: ``anchors`` (boxes of given shapes), ``points`` or ``queries``.
    """

    parameters: int
    times: float
    coco_weights: bool
    priors: str


FACTS = {
    "fasterrcnn_resnet50_fpn": Facts(41_348_181, 11.0, True, "anchors"),
    "faster_rcnn": Facts(41_348_181, 11.0, True, "anchors"),
    "cascade_rcnn": Facts(69_151_841, 22.0, True, "anchors"),
    "retinanet": Facts(36_329_837, 5.1, True, "anchors"),
    "fcos": Facts(32_113_227, 5.3, False, "points"),
    "atss": Facts(32_113_227, 5.3, True, "anchors"),
    "rtmdet_tiny": Facts(4_873_179, 1.0, True, "points"),
    "rtmdet_s": Facts(8_856_351, 1.4, True, "points"),
    "rtmdet_m": Facts(24_663_447, 3.3, True, "points"),
    "rtmdet_l": Facts(52_254_895, 5.1, True, "points"),
    "yolox_tiny": Facts(5_032_866, 0.94, True, "points"),
    "yolox_s": Facts(8_937_682, 1.4, True, "points"),
    "dino": Facts(47_576_675, 16.0, True, "queries"),
}


def table() -> str:
    """The presets with what is known of them.

    >>> print(table().splitlines()[7])
    rtmdet_tiny                      4.9      1.0  COCO      points
    """
    heads = f"{'preset':<26}{'parameters':>10}{'time':>9}  {'weights':<10}starts from"
    rows = [
        f"{name:<26}{facts.parameters / 1e6:>10.1f}{_times(facts.times):>9}  "
        f"{'COCO' if facts.coco_weights else 'ImageNet':<10}{facts.priors}"
        for name, facts in FACTS.items()
    ]
    notes = (
        f"parameters: millions. time: of the network alone on one image of 320 px, on one core, as a multiple of\n"
        f"{REFERENCE}'s. Another backbone (model.backbone) changes both. starts from: anchors are boxes of given\n"
        "shapes. The times come from one run beside other work; rtmdet_tiny beside itself measured 1.1."
    )
    return "\n".join([heads, *rows, "", notes, _LICENCE])


def _times(times: float) -> str:
    return f"{times:.1f}" if times < 10 else f"{times:.0f}"
