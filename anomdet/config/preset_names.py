"""The names of the presets, apart from their networks: checking a name costs no import."""

from __future__ import annotations

import difflib

MMDET_PREFIX = "mmdet::"
PRESETS = {
    "fasterrcnn_resnet50_fpn": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "faster_rcnn": "faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py",
    "cascade_rcnn": "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco.py",
    "retinanet": "retinanet/retinanet_r50_fpn_1x_coco.py",
    "fcos": "fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py",
    "atss": "atss/atss_r50_fpn_1x_coco.py",
    "rtmdet_tiny": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py",
    "rtmdet_s": "rtmdet/rtmdet_s_8xb32-300e_coco.py",
    "rtmdet_m": "rtmdet/rtmdet_m_8xb32-300e_coco.py",
    "rtmdet_l": "rtmdet/rtmdet_l_8xb32-300e_coco.py",
    "yolox_tiny": "yolox/yolox_tiny_8xb8-300e_coco.py",
    "yolox_s": "yolox/yolox_s_8xb8-300e_coco.py",
    "dino": "dino/dino-4scale_r50_8xb2-12e_coco.py",
}


def unknown_name(name: str) -> tuple[str, str, str] | None:
    """What is expected, what was got and a hint, for a name that is no preset; None for one that may be right."""
    if name in PRESETS or name.startswith(MMDET_PREFIX):
        return None
    near = difflib.get_close_matches(name, PRESETS, n=1, cutoff=0.5)
    expected = f"a preset ({', '.join(PRESETS)}) or {MMDET_PREFIX}<folder>/<file>.py"
    return expected, repr(name), f"did you mean {near[0]!r}?" if near else ""
