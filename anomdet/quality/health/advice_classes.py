"""Advice from how often each class is there, in all of the data and in each split."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from anomdet.layout import SPLITS
from anomdet.quality.health.advice import LIKELY, MAYBE, Advice, Health, listed, percent
from anomdet.quality.health.plan import Plan
from anomdet.words import counted

RARE_IMAGES = 50  # fewer images of a class teach it badly: a rule of thumb
FEW_OBJECTS = 30  # fewer in a test split say little about the class
UNEVEN = 10.0  # times as many objects of the commonest class as of the rarest
FEW_NORMAL, MANY_NORMAL = 0.1, 0.9
MOST_TESTED, LEAST_TRAINED = 0.3, 0.5  # shares of the data
Z_95 = 1.959963984540054


def class_advice(health: Health, plan: Plan) -> Iterator[Advice]:
    """Imbalance, rare classes, splits that can hardly be measured on, normal images."""
    yield from _imbalance(health, plan)
    yield from _rare(health)
    yield from _splits(health, plan)
    yield from _normal(health, plan)
    yield from _unlabelled(health)


def wilson(share: float, number: int) -> tuple[float, float]:
    """The 95 % interval of a share of ``number`` trials (Wilson 1927)."""
    spread = Z_95**2 / number
    centre = (share + spread / 2) / (1 + spread)
    reach = Z_95 * math.sqrt(share * (1 - share) / number + spread / (4 * number)) / (1 + spread)
    return centre - reach, centre + reach


def _imbalance(health: Health, plan: Plan) -> Iterator[Advice]:
    seen = [entry for entry in health["classes"] if entry["objects"]]
    if len(seen) < 2 or plan.imbalance != "none":
        return
    most, least = seen[0], seen[-1]
    times = most["objects"] / least["objects"]
    if times < UNEVEN:
        return
    why = f"{most['name']} has {most['objects']:,} objects, {times:.0f} times as many as {least['name']} with "
    why += f"{least['objects']:,}. Without it a detector that ignores the rare class loses next to nothing in training."
    setting = "training.class_imbalance_handling.method=balanced_sampler"
    yield Advice("imbalance", LIKELY, "Draw images of rare classes more often.", why, setting)


def _rare(health: Health) -> Iterator[Advice]:
    rare = [entry for entry in reversed(health["classes"]) if 0 < entry["images"] < RARE_IMAGES]
    if rare:
        named = listed([f"{entry['name']} ({entry['images']})" for entry in rare])
        why = f"In fewer than {RARE_IMAGES} images: {named}. Sampling only repeats these images."
        yield Advice(
            "rare-classes", LIKELY, "Collect more images of the rare classes, or join classes that may be one.", why
        )
    unsplit = [entry["name"] for entry in rare if entry["images"] < 3]
    if unsplit:
        why = f"{listed(unsplit)}: fewer than 3 images, so that a split by ratio leaves them out of validation or test."
        yield Advice(
            "unmeasured-classes", LIKELY, "Collect more of these classes before you judge a detector by them.", why
        )


def _splits(health: Health, plan: Plan) -> Iterator[Advice]:
    if not health["splits"]:
        return
    few = {split: _few(health, split) for split in ("val", "test") if health["splits"][split]["images"]}
    shares = _shares({split: entries[0]["objects"] for split, entries in few.items() if entries}, plan)
    for split, entries in few.items():
        if entries:
            yield _few_in(split, entries, shares, plan)
        normal = health["counts"]["normal"]
        if normal and not health["splits"][split]["normal"]:
            why = f"The {split} split has none of the {normal:,} normal images: overkill cannot be measured."
            yield Advice(f"no-normal-in-{split}", LIKELY, f"Put normal images into the {split} split.", why)


def _few(health: Health, split: str) -> list[Mapping[str, Any]]:
    """The classes with too few objects in a split, the rarest first."""
    entries = (entry for entry in reversed(health["classes"]) if entry["objects"])
    return [entry for entry in entries if entry["splits"][split]["objects"] < FEW_OBJECTS]


def _few_in(
    split: str, entries: list[Mapping[str, Any]], shares: tuple[float, float, float] | None, plan: Plan
) -> Advice:
    least = max(1, entries[0]["splits"][split]["objects"])
    low, high = wilson(0.8, least)
    named = listed([f"{entry['name']} ({entry['splits'][split]['objects']})" for entry in entries])
    why = f"Fewer than {FEW_OBJECTS} objects: {named}. A recall of 0.80 on {counted(least, 'object')} is, with 95 % "
    why += f"confidence, one of {low:.2f} to {high:.2f}."
    code, ratio = f"few-in-{split}", (plan.ratios or (0, 0, 0))[SPLITS.index(split)]
    if plan.ratios is None:
        text = f"Move images of these classes into the list of the {split} split, or collect more."
        return Advice(code, LIKELY, text, why)
    if shares is None or not ratio:
        needed = math.ceil(FEW_OBJECTS / ratio) if ratio else FEW_OBJECTS
        why += f" At data.{split}_split {ratio:g} that takes about {needed:,} objects of a class in all."
        text = f"Collect more of these classes before you compare detectors on the {split} split."
        return Advice(code, LIKELY, text, why)
    why += f" With a share of {shares[SPLITS.index(split)]:g} the rarest class has about {FEW_OBJECTS} there."
    settings = " ".join(f"data.{name}_split={share:g}" for name, share in zip(SPLITS, shares, strict=True))
    return Advice(code, LIKELY, f"Give the {split} split more images.", why, settings)


def _shares(rarest: Mapping[str, int], plan: Plan) -> tuple[float, float, float] | None:
    """Shares, in steps of 0.05, that give each split 30 objects of its rarest class; None if that takes too many.

    Args:
        rarest: split to the objects, in all of the data, of its rarest class; splits with enough are left out.
        plan: with the shares as they are.
    """
    if plan.ratios is None:
        return None
    wanted = {split: math.ceil(20 * FEW_OBJECTS / objects) / 20 for split, objects in rarest.items()}
    val, test = (max(wanted.get(split, 0), plan.ratios[SPLITS.index(split)]) for split in ("val", "test"))
    train = round(1 - val - test, 6)
    return (train, val, test) if max(wanted.values(), default=0) <= MOST_TESTED and train >= LEAST_TRAINED else None


def _normal(health: Health, plan: Plan) -> Iterator[Advice]:
    counts = health["counts"]
    if not counts["defective"]:
        return
    labelled = counts["normal"] + counts["defective"]
    share = counts["normal"] / labelled
    if not counts["normal"]:
        why = (
            "All labelled images have a defect. False alarms on good parts are neither learned nor measured, and on a "
        )
        why += "line most parts are good."
        yield Advice("no-normal", LIKELY, "Add images of good parts, each with an empty label file.", why)
    elif share < FEW_NORMAL:
        why = (
            f"{counts['normal']:,} of {labelled:,} labelled images are normal ({percent(share)}): an overkill of a few "
        )
        why += "percent cannot be distinguished from none."
        yield Advice("few-normal", MAYBE, "Add images of good parts, each with an empty label file.", why)
    elif share > MANY_NORMAL and plan.normal_ratio is None:
        why = f"{percent(share)} of the labelled images are normal, and are drawn as often: most steps see no defect."
        settings = "training.class_imbalance_handling.method=balanced_sampler "
        settings += "training.class_imbalance_handling.normal_ratio=0.5"
        yield Advice("many-normal", LIKELY, "Draw fewer normal images in training.", why, settings)


def _unlabelled(health: Health) -> Iterator[Advice]:
    number = health["counts"]["unlabelled"]
    if number:
        why = f"{counted(number, 'image')} without labels that can be read: neither learned from nor measured on."
        yield Advice("unlabelled", MAYBE, "Label these images; an empty file says that the part is good.", why)
