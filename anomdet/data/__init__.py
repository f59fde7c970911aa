"""What a run reads: labels, images, index, splits, sampling, augmentation."""

__all__ = [
    "bit_depth",
    "class_names",
    "contracts",
    "dataset",
    "index",
    "kept",
    "labels",
    "near_duplicates",
    "pipeline",
    "sampling",
    "splits",
    "synth",
    "tiles",
]
