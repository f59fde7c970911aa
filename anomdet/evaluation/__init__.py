"""One matching, and every number from it; pure numpy but for metric.py, which adapts it to MMEngine."""

__all__ = [
    "alone",
    "class_left_out",
    "coco_json",
    "comparison",
    "counts",
    "file_doubts",
    "files",
    "heat_maps",
    "intervals",
    "operating_point",
    "pairs",
    "results",
    "summary",
    "tables",
    "two_splits",
    "unseen",
]
