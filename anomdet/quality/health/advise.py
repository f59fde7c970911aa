"""All the advice on a data set, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anomdet.quality.health.advice import FIRST, LIKELY, MAYBE, RULES, Advice, Health, listed
from anomdet.quality.health.advice_boxes import box_advice
from anomdet.quality.health.advice_classes import class_advice
from anomdet.quality.health.plan import Plan
from anomdet.words import counted

_RANK = {FIRST: 0, LIKELY: 1, MAYBE: 2}


def advise(health: Health, plan: Plan) -> list[dict[str, Any]]:
    """All that applies, the most urgent first.

    Args:
        health: the dict of :func:`anomdet.quality.health.report.measure_health`, all but its advice.
        plan: the settings.
    """
    found = [*_findings(health), *class_advice(health, plan), *box_advice(health, plan), *_images(health)]
    assert {one.code for one in found} <= set(RULES)
    return [one._asdict() for one in sorted(found, key=lambda one: _RANK[one.level])]


def _findings(health: Health) -> Iterator[Advice]:
    """What the check has found already, and what it does to a run."""
    codes = {entry["code"]: entry for entry in health["findings"]["codes"]}
    errors = [entry for entry in codes.values() if entry["severity"] == "error"]
    if errors:
        total = sum(entry["count"] for entry in errors)
        why = f"{counted(total, 'error')} ({listed([entry['code'] for entry in errors])}): training refuses the data, "
        why += "or would learn what is wrong. The numbers below leave out the boxes that cannot be used."
        yield Advice("errors", FIRST, "Fix the errors first: anomdet check --fix OUT_DIR writes a corrected copy.", why)
    leaks = [entry for code, entry in codes.items() if code.startswith("leak-") and entry["severity"] != "note"]
    if leaks:
        why = f"{', '.join(entry['what'] for entry in leaks)}: {sum(entry['count'] for entry in leaks):,} found. "
        why += "The detector has memorised what the test asks for, and the metrics are too good."
        setting = "data.split.by=group" if "leak-group" in codes else "data.split.on_leak=group"
        yield Advice("leak", FIRST, "Keep images of one part in one split.", why, setting)
    if "images-mixed-depth" in codes:
        why = "Cameras and programs rarely scale 8 and 16 bit alike; the detector learns that difference too."
        yield Advice("mixed-depth", LIKELY, "Bring all images to one bit depth, scaled alike.", why)
    if "box-near-duplicate" in codes or "box-two-classes" in codes or "box-exact-duplicate" in codes:
        names = ("box-near-duplicate", "box-two-classes", "box-exact-duplicate")
        total = sum(codes[name]["count"] for name in names if name in codes)
        why = f"{counted(total, 'pair')} of nearly equal boxes: a detector reports one, the other counts as missed."
        yield Advice("double-boxes", LIKELY, "Label each defect once.", why)


def _images(health: Health) -> Iterator[Advice]:
    pixels = health["pixels"]
    blank = [entry["file_name"] for entry in pixels["outliers"] if entry["kind"] == "blank"]
    if blank:
        why = f"Nothing is to be seen on {listed(blank, 3)} (contrast below 2 grey levels)."
        yield Advice("blank-images", LIKELY, "Look at the blank images, and take out those that show no part.", why)
    odd = [entry for entry in pixels["outliers"] if entry["kind"] != "blank"]
    if odd:
        named = listed([f"{entry['file_name']} ({entry['mean']:.0f})" for entry in odd], 3)
        why = f"Their mean grey is far from the median of {pixels['mean']['p50']:.0f}: {named}. A failed exposure "
        yield Advice(
            "odd-brightness",
            MAYBE,
            "Look at the images that are much darker or brighter than the others.",
            why + "does not belong in the data; a real variation should be in every split.",
        )
    if pixels["mean"] and pixels["mean"]["p95"] < 32:
        why = f"95 % of the images that were read have a mean grey below {pixels['mean']['p95']:.0f} of 255. Light and "
        yield Advice("dark", MAYBE, "Expose longer, or add light.", why + "noise decide there what can be found.")
    sizes = health["image_sizes"]
    factor = sizes["factor"]
    if factor and factor["min"] > 0 and factor["max"] / factor["min"] > 1.5 and sizes["num_sizes"] > 1:
        times = factor["max"] / factor["min"]
        why = f"Images of {sizes['num_sizes']} sizes are scaled by {factor['min']:.2f} to {factor['max']:.2f} to fit. "
        why += f"The same defect is then seen up to {times:.1f} times as large in one image as in another."
        yield Advice("mixed-sizes", MAYBE, "Cut the images to one scale before the training.", why)
