"""How to learn: splits, schedule, sampling, augmentations."""

from __future__ import annotations

import math

from anomdet.quality.propose.choices import Choice, Given, Preset
from anomdet.quality.propose.facts import DataFacts
from anomdet.words import counted

SMALL_DATA, LARGE_DATA = 300, 20_000  # images
MILD_IMBALANCE = 2.0  # images of the commonest class to those of the rarest
MAX_DRAWS = 10.0  # of one image in an epoch
MAX_NORMAL_SHARE = 0.25
EMPTY_TILES = 0.33  # less than half: docs/recipes.md, "Small images, and large ones"
THIN, MANY_THIN = 3.0, 0.25  # longer to shorter side of a box; share of such boxes
MAX_EPOCHS, VALIDATIONS = 100, 10
MANY_PASSES, MOSAIC = 40, 0.5  # over the images, from which on so many are shown as mosaics: docs/recipes.md
FEW_TO_MEASURE = 5  # images with objects in a split, below which its metrics are chance
SHORT_EPOCH = 25  # steps: below, saving and validating would take as long as learning


def choose_splits(facts: DataFacts) -> dict[str, Choice]:
    """Few images: more of them to validate and test, or the metrics are chance. Many: more to learn from."""
    total = facts.num_images
    if total < SMALL_DATA:
        ratios, why = (0.6, 0.2, 0.2), f"fewer than {SMALL_DATA:,} images: more of them to validate and test"
    elif total < LARGE_DATA:
        ratios, why = (0.7, 0.15, 0.15), f"{total:,} images in all, enough for the usual shares"
    else:
        ratios, why = (0.8, 0.1, 0.1), f"{total:,} images: a tenth is enough to validate, and to test"
    rare = [str(num) for num, count in facts.images.items() if count < 3]
    if rare:
        why += f"; class {', '.join(rare)} is in fewer than three images, and so not in every split"
    shown, each = facts.num_images - facts.num_normal, min(ratios[1:])
    few = bool(shown) and shown * each < FEW_TO_MEASURE
    if few:
        why += (
            f"; only {counted(shown, 'image')} with objects: about {round(shown * each)} of them to validate, so that "
            "metrics and the choice of the best checkpoint are nearly chance: label more, or read their intervals"
        )
    keys = ("data.train_split", "data.val_split", "data.test_split")
    about = [f"about {round(total * ratio):,} images" for ratio in ratios]
    reasons = [f"{about[0]}; {why}", *about[1:]]
    return {
        key: Choice(ratio, reason, warning=(bool(rare) or few) and key == keys[0])
        for key, ratio, reason in zip(keys, ratios, reasons, strict=True)
    }


def choose_schedule(
    num_train: int, effective_batch: int, preset: Preset, given: Given | None = None, tiles_an_image: int = 1
) -> dict[str, Choice]:
    """So many epochs that the steps are the preset's; ten validations; patience for half of them.

    Of few images an epoch is many passes, and of many tiles a part of one, unless the user has chosen the epochs.
    """
    given = given or Given()
    steps, longest = math.ceil(num_train * tiles_an_image / effective_batch), preset.steps // VALIDATIONS
    epoch = Choice(None, "every image once, or as the sampler repeats it")
    if steps < SHORT_EPOCH and given.epochs is None:
        epoch = Choice(
            SHORT_EPOCH * effective_batch, f"{num_train:,} images would be {steps} steps, too short an epoch"
        )
        steps = SHORT_EPOCH
    elif tiles_an_image > 1 and steps > longest and given.epochs is None:
        why = f"about {num_train * tiles_an_image:,} tiles would be {steps:,} steps, too long an epoch"
        epoch, steps = Choice(longest * effective_batch, why), longest
    epochs = given.epochs or min(max(round(preset.steps / steps), preset.min_epochs), MAX_EPOCHS)
    interval = given.val_interval or max(round(epochs / VALIDATIONS), 1)
    validations = math.ceil(epochs / interval)
    patience = min(max(5, math.ceil(validations / 3)), validations)
    warmup = min(50, epochs * steps // 20)
    return {
        "training.epochs": Choice(epochs, f"{steps:,} steps each, {epochs * steps:,} in all"),
        "training.epoch_images": epoch,
        "training.scheduler.name": Choice("cosine_annealing", "one fall over all epochs, however many they are"),
        "training.scheduler.warmup_iterations": Choice(warmup, f"at most a twentieth of {epochs * steps:,} steps"),
        "training.val_interval": Choice(interval, f"{validations} validations in all"),
        "training.early_stopping.enabled": Choice(True, "ends before the last epoch if nothing is gained any more"),
        "training.early_stopping.patience": Choice(
            patience, f"of {validations} validations: the rate falls late, and much is gained at its end"
        ),
    }


def choose_sampling(facts: DataFacts, given: str | None = None, *, few_in_tiles: bool = False) -> dict[str, Choice]:
    """Balanced classes, unless they are balanced, or a rare class would be the same few images over and over.

    Of tiles with few objects a share is drawn without any, as most of them are.

    Args:
        facts: of the data.
        given: the method, where the user has chosen it; the share of normal images follows it.
        few_in_tiles: images are cut into tiles, and have no more objects than them.
    """
    common = max(facts.images, key=lambda num: facts.images[num])
    rare = min(facts.images, key=lambda num: facts.images[num])
    imbalance = facts.images[common] / facts.images[rare]
    draws = (facts.num_images - facts.num_normal) / len(facts.images) / facts.images[rare]
    told = f"each class is in {facts.images[rare]:,} images"
    if imbalance > 1:
        told = f"class {rare} is in {facts.images[rare]:,} images, class {common} in {facts.images[common]:,}"
    if len(facts.images) > 1 and imbalance >= MILD_IMBALANCE and draws > MAX_DRAWS:
        method = Choice("repeat_factor", f"{told}: balanced, the same images would come {draws:.0f} times an epoch")
    elif len(facts.images) > 1 and imbalance >= MILD_IMBALANCE:
        method = Choice("balanced_sampler", f"{told}: drawn evenly, each class has its share")
    elif facts.normal_share > MAX_NORMAL_SHARE:
        method = Choice("balanced_sampler", f"for its normal_ratio: {facts.normal_share:.0%} of the images are normal")
    elif few_in_tiles:
        method = Choice("balanced_sampler", "for its share of tiles without objects, which most tiles are")
    else:
        alike = told if len(facts.images) > 1 else "there is one class"
        method = Choice("none", f"{alike}: nothing to balance")
    return {
        "training.class_imbalance_handling.method": method,
        "training.class_imbalance_handling.normal_ratio": _normal_ratio(
            facts, given or method.value, few_in_tiles=few_in_tiles
        ),
    }


def _normal_ratio(facts: DataFacts, method: str, *, few_in_tiles: bool) -> Choice:
    share = f"{facts.num_normal:,} of {facts.num_images:,} images are normal ({facts.normal_share:.0%})"
    if few_in_tiles and method == "balanced_sampler":
        return Choice(EMPTY_TILES, "a third of the draws for tiles without objects, the rest for defects")
    if method != "balanced_sampler":
        return Choice(None, f"not used by {method}; {share}")
    if facts.normal_share <= MAX_NORMAL_SHARE:
        return Choice(None, f"as in the data: {share}")
    return Choice(MAX_NORMAL_SHARE, f"{share}: a quarter of the draws for them, the rest for defects")


def choose_augmentations(facts: DataFacts) -> dict[str, Choice]:
    """All of the default, less what does nothing to these images or spoils these boxes."""
    chosen = {
        "data.augmentations.horizontal_flip": Choice(
            True, "parts may lie either way; set both flips to false if a mirrored defect is another class"
        ),
    }
    if facts.grey:
        reason = "all images are grey: nothing to vary"
        chosen |= {f"data.augmentations.{key}": Choice(0.0, reason) for key in ("saturation", "hue")}
    thin = facts.thin_share(THIN)
    if thin > MANY_THIN:
        reason = f"{thin:.0%} of the boxes are {THIN:g} times as long as wide: turned further, they would be mostly air"
        chosen["data.augmentations.rotation_degrees"] = Choice(5.0, reason)
    return chosen


def choose_mosaic(num_draws: float, num_train: int) -> dict[str, Choice]:
    """Mosaics where few images are seen so often that they would be memorised.

    Args:
        num_draws: images that the run draws in all.
        num_train: images to learn from.
    """
    passes = num_draws / num_train
    if passes < MANY_PASSES:
        return {}
    reason = f"each of {num_train:,} images is seen about {passes:,.0f} times: half of the time as one of four"
    return {"data.augmentations.mosaic": Choice(MOSAIC, reason)}
