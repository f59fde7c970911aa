"""Defaults that the settings and the rooms share, once: the schema takes them from here."""

from __future__ import annotations

from typing import Final

MATCHING_IOU_THR = 0.5
"""Least overlap (IoU) of a right box."""
FALLBACK_SCORE = 0.3
"""The score threshold where nothing can be chosen on."""
MIDDLE_SCORE = 0.5
"""The part score at the threshold of a model that learned no class."""
MISSING_LABELS: Final = "error"
"""What an image without a label file is."""
BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Bits of 16 that cameras use; the last: all of them."""
MAX_IMAGE_MEGAPIXELS = 100.0
"""Images of more are refused by their header."""
TILE_CACHE_GB = 10.0
FITTED_CACHE_GB = 5.0
"""Decoded images that are kept on disk, so that a run decodes each one once for all its tiles."""
NOTHING_PASSES = 1.01
"""A score threshold over every score."""
