"""The detector at work: images in, one verdict each out."""

__all__ = [
    "arrivals",
    "artifact",
    "backends",
    "detector",
    "exported",
    "folders",
    "item",
    "lists",
    "outcome",
    "parts",
    "pixels",
    "postprocess",
    "preprocess",
    "reopen",
    "result",
    "sources",
    "stream",
    "tiling",
]
