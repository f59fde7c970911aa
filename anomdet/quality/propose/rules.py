"""Settings from the facts of a data set and of a machine: each choice with its reason.

One rule a function, in network.py, image_size.py, tiles.py and learning.py; every number that a rule turns on stands
at the top of its file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anomdet.quality.propose.choices import Choice, Given, Machine, Preset
from anomdet.quality.propose.facts import DataFacts
from anomdet.quality.propose.image_size import (
    choose_clear_size,
    choose_short_size,
    choose_size,
    largest_hw,
    shows_most,
    shows_own_pixels,
    size_of_tile,
    tile_limits_px,
)
from anomdet.quality.propose.learning import (
    choose_augmentations,
    choose_mosaic,
    choose_sampling,
    choose_schedule,
    choose_splits,
)
from anomdet.quality.propose.network import (
    choose_batch,
    choose_model,
    choose_reported,
    choose_workers,
    preset_of,
    worker_gb,
)
from anomdet.quality.propose.tiles import (
    SMALL_PX,
    TOO_LARGE,
    UNCLEAR_PX,
    choose_tiles,
    input_for_tiles,
    tiles_an_image,
    tiling_of,
)

ENOUGH_TILES = 2_500  # a run that sees fewer takes none, if most boxes are seen without


def choose(
    facts: DataFacts, machine: Machine, given: Given | None = None, megapixels: float | None = None
) -> dict[str, Choice]:
    """Key of the settings, as ``data.image_size``, to what was chosen; what is not there stays as the preset has it.

    The classes are not among them: their names do not come from numbers.

    Args:
        facts: of the data.
        machine: to train on.
        given: what the user has chosen; the rest is chosen around it. Choices of the same keys are of no use then.
        megapixels: of the network's input, all images together, that the run has time for; None: unknown.
    """
    given, preset = given or Given(), preset_of(machine)
    (size, tiles), size_hw = choose_view(facts, preset, given, megapixels)
    are_tiled = tiles.value is not None
    num_tiles = tiles_an_image(facts.sizes_hw, tiling_of(tiles.value)) if are_tiled else 1
    few_in_tiles = are_tiled and len(facts.bboxes_wh) <= num_tiles * facts.num_images  # most show none
    splits = choose_splits(facts)
    num_train = given.num_train or max(int(facts.num_images * splits["data.train_split"].value), 1)
    workers = choose_workers(facts, machine)
    loading_gb = (workers.value if given.num_workers is None else given.num_workers) * worker_gb(facts)
    batch = choose_batch(num_train, given.size_hw or size_hw, machine, loading_gb, given)
    effective = (given.batch_size or batch["training.batch_size"].value) * (
        given.accumulation_steps or batch["training.accumulation_steps"].value
    )
    schedule = choose_schedule(num_train, effective, preset, given, num_tiles)
    num_draws = schedule["training.epochs"].value * (schedule["training.epoch_images"].value or num_train)
    if megapixels is not None:
        num_draws = megapixels * 1e6 / math.prod(given.size_hw or size_hw)
    return {
        "model.name": choose_model(machine),
        **choose_reported(facts, machine),
        **batch,
        **schedule,
        **choose_sampling(facts, given.imbalance, few_in_tiles=few_in_tiles),
        "data.image_size": size,
        **({"data.tiles": tiles} if are_tiled else {}),
        "data.num_workers": workers,
        **choose_augmentations(facts),
        **({} if are_tiled else choose_mosaic(num_draws, num_train)),
        **splits,
        **suggest_groups(facts),
    }


def choose_view(
    facts: DataFacts, preset: Preset, given: Given | None = None, megapixels: float | None = None
) -> tuple[tuple[Choice, Choice], tuple[int, int]]:
    """``data.image_size`` and ``data.tiles``, a mapping or None, and ``(height, width)`` that the network sees.

    The health report advises the same, so that it and ``anomdet init`` never disagree.

    Args:
        facts: of the data.
        preset: whose limits hold.
        given, megapixels: as of :func:`choose`.
    """
    given = given or Given()
    size, size_hw = choose_size(facts, preset)
    whole, whole_hw = size, size_hw
    if megapixels is not None:
        by_time = facts, preset, size_hw, megapixels
        whole, whole_hw = choose_clear_size(*by_time) or choose_short_size(*by_time) or (size, size_hw)
    tiles, input_hw = _tiles(facts, size_hw, preset, given, megapixels)
    if given.size_hw is None and not _have_time(facts, input_hw, whole_hw, megapixels):
        tiles = replace(tiles, value=None)
    if tiles.value is not None and given.size_hw is None:
        return (size_of_tile(size, input_hw), tiles), input_hw
    return (whole, tiles), whole_hw


def choose_alone(facts: DataFacts, machine: Machine) -> dict[str, Choice]:
    """As :func:`choose`, of a run that learns the normal-only score alone, from normal images."""
    why = "no object in any label file" if not facts.objects else "as model.name: null asks for"
    num = facts.num_normal
    reason = f"{num:,} normal images; what is unlike them is rejected, and no box is reported (docs/unseen.md)"
    return {
        "model.name": Choice(None, f"{why}: only the normal-only score is learned", warning=not facts.objects),
        "anomaly.enabled": Choice(True, reason),
        "data.num_workers": choose_workers(facts, machine),
        **choose_splits(facts),
        **suggest_groups(facts),
    }


def _tiles(
    facts: DataFacts, size_hw: tuple[int, int], preset: Preset, given: Given, megapixels: float | None
) -> tuple[Choice, tuple[int, int]]:
    """Tiles where the device trains no size that shows the boxes well, or where that would be dearer, and what the
    network sees of one.

    Args:
        facts: of the data.
        size_hw: of a whole image, by the rules; a size that is given holds for tiles too.
        preset: whose limits hold.
        given: by the user.
        megapixels: that the run has time for; None: unknown.
    """
    size_hw, largest = given.size_hw or size_hw, largest_hw(facts, preset)
    seen_hw, input_hw, too_large, least_px = size_hw, size_hw, TOO_LARGE, SMALL_PX
    if given.size_hw is None and not shows_own_pixels(facts, max(size_hw, largest, key=math.prod)):
        seen_hw, too_large, least_px = max(size_hw, largest, key=math.prod), 1.0, UNCLEAR_PX
        input_hw = input_for_tiles(facts.sizes_hw, facts.bboxes_wh, *tile_limits_px(preset, megapixels))
    elif math.prod(size_hw) >= math.prod(largest) and not shows_own_pixels(facts, size_hw):
        too_large = 1.0
    chosen = choose_tiles(facts.sizes_hw, facts.bboxes_wh, facts.image_at, seen_hw, too_large, input_hw, least_px)
    return chosen if chosen.value is None else replace(chosen, value=_short_tiles(**chosen.value)), input_hw


def _have_time(
    facts: DataFacts, input_hw: tuple[int, int], whole_hw: tuple[int, int], megapixels: float | None
) -> bool:
    """Whether a run has time for enough tiles, or for any where whole images of that time show most boxes too small."""
    if megapixels is None or megapixels * 1e6 >= ENOUGH_TILES * math.prod(input_hw):
        return True
    return megapixels > 0 and not shows_most(facts, whole_hw)


def _short_tiles(size: list[int], overlap: int, include_whole: bool) -> dict[str, Any]:
    """As one would write it: one number for a square, and no default."""
    height, width = size
    sides = {"size": height if height == width else size, "overlap": overlap}
    return {**sides, "include_whole": True} if include_whole else sides


def suggest_groups(facts: DataFacts) -> dict[str, Choice]:
    """Only a hint: whether names distinguish parts is the user's to know."""
    if facts.group_pattern is None:
        return {}
    reason = (
        f"the names fall into {facts.num_groups:,} groups by '{facts.group_pattern}'; if a group shows one part, "
        "write that here, and data.split.by: group keeps each part in one split"
    )
    return {"data.group_by": Choice(None, reason, warning=True)}


def nested(choices: Mapping[str, Choice]) -> dict[str, Any]:
    """The values by section, as the YAML has them."""
    values: dict[str, Any] = {}
    for key, choice in choices.items():
        *sections, name = key.split(".")
        section = values
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = choice.value
    return values
