"""The image size: by the boxes, the images' own size, what the device trains, and the time."""

from __future__ import annotations

import math

import numpy as np

from anomdet.quality.propose.choices import Choice, Preset
from anomdet.quality.propose.facts import SMALL_PX, DataFacts

STRIDE = 32  # of the coarsest map of most networks: sizes are multiples of it
MAX_SMALL_SHARE = 0.1  # of boxes below SMALL_PX, before a larger size is taken
# A larger size still, up to that shorter side, where the time is enough for so many images.
CLEAR_PX, ENOUGH_IMAGES = 20.0, 12_000
# Images smaller than the preset's smallest size are enlarged until nine boxes of ten have two cells of stride 8.
ENLARGED_PX, MOST_ENLARGED = 16.0, 3
FEW_IMAGES = 1_000  # a run that sees fewer has not begun to learn: then a smaller size
MOST_TIMES = 2.0  # the largest size's pixels, where they are enough to show the boxes
LONG_SHAPE = 0.8  # images whose shorter side is below this share of the longer one are not fitted into a square


def choose_size(facts: DataFacts, preset: Preset) -> tuple[Choice, tuple[int, int]]:
    """The smallest size at which nine boxes of ten have a shorter side of 8 px, and ``(height, width)`` of it.

    Not above the images' own size, where nothing is gained, nor above what the device trains in sensible time; twice
    the pixels of that where they show the boxes: the next way would be tiles, of which an image has two at least.
    """
    sizes, num_usual = _sizes_hw(facts, preset)
    counts = [int((facts.short_sides_px(size_hw) < SMALL_PX).sum()) for size_hw in sizes]
    most = MAX_SMALL_SHARE * len(facts.bboxes_wh)
    largest = len(sizes) - 1 if max(sizes[-1]) == _own_px(facts) else num_usual - 1  # their own pixels, if within reach
    at = next((i for i, count in enumerate(counts) if count <= most), largest)
    size_hw, enough = sizes[at], counts[at] <= most
    if (larger_hw := _enlarged(facts, preset)) != sizes[0]:
        return _enlarged_choice(facts, larger_hw), larger_hw
    small = f"{counts[at]:,} of {len(facts.bboxes_wh):,} boxes have a side below {SMALL_PX:g} px"
    is_own = at == len(sizes) - 1 and max(size_hw) == _own_px(facts)
    if enough and at == 0:
        why = "their own size" if is_own else "the preset's smallest size is enough"
        reason = f"{_sizes(facts)}; {why}: {small} there"
    elif enough:
        reason = f"{_sizes(facts)}; {small} there, {counts[at - 1]:,} at {_text(sizes[at - 1])}"
    elif is_own:
        reason = f"{_sizes(facts)}, and no more is to be gained; yet {small}, and are hard to find"
    else:
        reason = (
            f"{_sizes(facts)}; {small} there, and are hard to find, but a larger size would be slow on this machine: "
            f"cut the images into tiles, or raise it"
        )
    height, width = size_hw
    return Choice(height if height == width else [height, width], reason, warning=not enough), size_hw


def _enlarged(facts: DataFacts, preset: Preset) -> tuple[int, int]:
    """Of small images with small boxes a size above their own, at most three times; of others the smallest size."""
    (size_hw, *_), _ = _sizes_hw(facts, preset)
    most_px = int(MOST_ENLARGED * _nine_of_ten_px(facts))
    for long_px in range(_own_px(facts) + STRIDE, most_px + 1, STRIDE):
        larger_hw = _scaled(_shape_hw(facts), long_px)
        if _tenth_px(facts, size_hw) >= ENLARGED_PX or math.prod(larger_hw) > preset.smallest_px**2:
            break
        size_hw = larger_hw
    return size_hw


def _enlarged_choice(facts: DataFacts, size_hw: tuple[int, int]) -> Choice:
    height, width = size_hw
    reason = (
        f"{_sizes(facts)}, enlarged: nine boxes of ten have a side of {_tenth_px(facts, size_hw):.0f} px there, and "
        "small objects are found better over more cells of the network"
    )
    return Choice(height if height == width else [height, width], reason)


def _tenth_px(facts: DataFacts, size_hw: tuple[int, int]) -> float:
    """What nine boxes of ten have on their shorter side."""
    return float(np.percentile(facts.short_sides_px(size_hw), 100 * MAX_SMALL_SHARE))


def choose_clear_size(
    facts: DataFacts, preset: Preset, size_hw: tuple[int, int], megapixels: float
) -> tuple[Choice, tuple[int, int]] | None:
    """A larger size than needed, where the run has the time for it, and ``(height, width)`` of it; None: none.

    In a short run many images teach more, in a long one clear images do: docs/recipes.md.

    Args:
        facts: of the data.
        preset: whose largest size is the limit.
        size_hw: that is needed.
        megapixels: of the network's input, all images together, that the run has time for; 0: unknown, but few.
    """
    sizes, num_usual = _sizes_hw(facts, preset)
    clear_hw = size_hw
    for larger_hw in (one for one in sizes[:num_usual] if max(one) > max(size_hw)):
        is_clear = _tenth_px(facts, clear_hw) >= CLEAR_PX
        if is_clear or megapixels * 1e6 < ENOUGH_IMAGES * larger_hw[0] * larger_hw[1]:
            break
        clear_hw = larger_hw
    if clear_hw == size_hw:
        return None
    images = megapixels * 1e6 / (clear_hw[0] * clear_hw[1])
    reason = (
        f"{_sizes(facts)}; {_text(size_hw)} is enough, but there is time for about {images:,.0f} images of this size, "
        "in which the boxes are clearer"
    )
    height, width = clear_hw
    return Choice(height if height == width else [height, width], reason), clear_hw


def choose_short_size(
    facts: DataFacts, preset: Preset, size_hw: tuple[int, int], megapixels: float
) -> tuple[Choice, tuple[int, int]] | None:
    """A smaller size than needed, where the run has no time for it, and ``(height, width)`` of it; None: none.

    Args:
        facts, preset, size_hw, megapixels: as of :func:`choose_clear_size`.
    """

    def images(one_hw: tuple[int, int]) -> float:
        return megapixels * 1e6 / math.prod(one_hw)

    smaller = [one for one in _sizes_hw(facts, preset)[0] if math.prod(one) < math.prod(size_hw)]
    if images(size_hw) >= FEW_IMAGES or not smaller:
        return None
    short_hw = next((one for one in reversed(smaller) if images(one) >= FEW_IMAGES), smaller[0])
    count = int((facts.short_sides_px(short_hw) < SMALL_PX).sum())
    why = f"in so short a run {images(short_hw):,.0f} images teach more than {images(size_hw):,.0f}"
    why = why if images(short_hw) >= 1 else "there is no time for it"
    reason = (
        f"{_sizes(facts)}; {_text(size_hw)} would show the boxes better, but {why}; "
        f"{count:,} of {len(facts.bboxes_wh):,} boxes have a side below {SMALL_PX:g} px: give it more minutes"
    )
    height, width = short_hw
    return Choice(height if height == width else [height, width], reason, warning=True), short_hw


def shows_own_pixels(facts: DataFacts, size_hw: tuple[int, int]) -> bool:
    """Whether no more is to be seen of a usual image than at this size."""
    return bool((np.median(facts.sizes_hw, axis=0) <= size_hw).all())


def shows_most(facts: DataFacts, size_hw: tuple[int, int]) -> bool:
    """Whether half of the boxes and more are seen at this size."""
    return float(np.median(facts.short_sides_px(size_hw))) >= SMALL_PX


def tile_limits_px(preset: Preset, megapixels: float | None) -> tuple[int, int, int | None]:
    """The smallest and the largest side of what the network sees of a tile, and that of which the time allows many."""
    limit_px = None if megapixels is None else int(math.sqrt(megapixels * 1e6 / FEW_IMAGES) / STRIDE) * STRIDE
    return preset.smallest_px, preset.largest_px, limit_px


def size_of_tile(size: Choice, input_hw: tuple[int, int]) -> Choice:
    """The choice of a size for whole images as one for tiles."""
    height, width = input_hw
    reason = f"{size.reason.partition(';')[0]}; of a tile, see data.tiles"
    return Choice(height if height == width else [height, width], reason)


def largest_hw(facts: DataFacts, preset: Preset) -> tuple[int, int]:
    """The largest size that the device trains in sensible time; of small images their own."""
    sizes, num_usual = _sizes_hw(facts, preset)
    return sizes[num_usual - 1]


def _sizes_hw(facts: DataFacts, preset: Preset) -> tuple[list[tuple[int, int]], int]:
    """Sizes to choose from, growing, and how many of them are no larger than usual.

    The preset's limits are those of a square; other shapes have as many pixels.
    """
    shape_hw = _shape_hw(facts)
    every = [_scaled(shape_hw, long_px) for long_px in range(STRIDE, _own_px(facts) + 1, STRIDE)]
    pixels = np.prod(every, axis=1, dtype=np.int64)
    first = min(int((pixels < preset.smallest_px**2).sum()), len(every) - 1)
    num_usual, num_all = ((pixels[first:] <= times * preset.largest_px**2).sum() for times in (1, MOST_TIMES))
    return every[first : first + max(int(num_all), 1)], max(int(num_usual), 1)


def _own_px(facts: DataFacts) -> int:
    """The longer side of nine images of ten, as a size for the network."""
    return _round_up(_nine_of_ten_px(facts))


def _nine_of_ten_px(facts: DataFacts) -> float:
    return float(np.percentile(facts.sizes_hw.max(axis=1), 90))


def _shape_hw(facts: DataFacts) -> tuple[float, float]:
    """Sides as shares of the longer one: a square, unless nine images of ten are long and lie the same way."""
    ratios = facts.sizes_hw[:, 0] / facts.sizes_hw[:, 1]
    high, wide = float(np.percentile(1 / ratios, 90)), float(np.percentile(ratios, 90))
    if wide <= LONG_SHAPE:
        return wide, 1.0
    return (1.0, high) if high <= LONG_SHAPE else (1.0, 1.0)


def _scaled(shape_hw: tuple[float, float], long_px: int) -> tuple[int, int]:
    height, width = (min(_round_up(long_px * share), long_px) for share in shape_hw)
    return height, width


def _round_up(pixels: float) -> int:
    return max(math.ceil(pixels / STRIDE - 1e-6), 1) * STRIDE


def _text(size_hw: tuple[int, int]) -> str:
    return str(size_hw[0]) if size_hw[0] == size_hw[1] else f"{size_hw[1]} x {size_hw[0]}"


def _sizes(facts: DataFacts) -> str:
    kinds, counts = np.unique(facts.sizes_hw, axis=0, return_counts=True)
    height, width = kinds[counts.argmax()].tolist()
    if len(kinds) == 1:
        return f"all images have {width} x {height} px"
    low, high = facts.sizes_hw.min(axis=0).tolist(), facts.sizes_hw.max(axis=0).tolist()
    return f"images from {low[1]} x {low[0]} to {high[1]} x {high[0]} px, mostly {width} x {height}"
