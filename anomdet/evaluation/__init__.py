"""One matching, and every number from it; pure numpy but for metric.py, which adapts it to MMEngine."""

__all__ = [
    "alone",
    "box_units",
    "coco_json",
    "comparison",
    "counts",
    "files",
    "intervals",
    "operating_point",
    "pairs",
    "results",
    "summary",
    "tables",
    "two_splits",
    "unseen",
]
