"""The sample objects of each class and the normal images, as cases of the gallery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from anomdet.report.gallery import Case, Gallery, overlays
from anomdet.report.pictures import Pictures, crop_window

KINDS = {
    "smallest": ("Smallest", "Smallest", "of its class, by area as the network sees it"),
    "median": ("Median", "Median", "of its class, by area as the network sees it"),
    "largest": ("Largest", "Largest", "of its class, by area as the network sees it"),
    "longest": ("Most elongated", "Most elongated", "of its class: longest against its width"),
    "normal": ("Normal", "Normal", "an image without an object"),
}
LEGEND = "Of each class, the rarest first: its smallest, median, largest and most elongated object; then normal images."


def sample_gallery(health: Mapping[str, Any], pictures: Pictures) -> Gallery | None:
    """The samples of ``health.json`` in its order; None if there are none."""
    samples = health["samples"]
    if not samples:
        return None
    names = list(dict.fromkeys(sample["class"] for sample in samples if sample["class"] is not None))
    order = list(KINDS)
    numbers = sorted(Counter(sample["kind"] for sample in samples).items(), key=lambda item: order.index(item[0]))
    kinds = [(kind, *KINDS[kind][1:], number) for kind, number in numbers]
    cases = [_case(sample, place, names, pictures) for place, sample in enumerate(samples)]
    return Gallery(cases, kinds, names, pictures.note, LEGEND, "samples", predictions=False)


def _case(sample: Mapping[str, Any], place: int, names: Sequence[str], pictures: Pictures) -> Case:
    normal = sample["class"] is None
    window = crop_window(sample["bbox_xywh"], pictures.sizes_hw.get(place, sample["size_hw"]))
    width, height = sample["bbox_xywh"][2:]
    title = KINDS[sample["kind"]][0] if normal else f"{sample['class']}: {KINDS[sample['kind']][0].lower()}"
    facts = [("size", f"{width:g} × {height:g} px")]
    if sample["seen_wh"]:
        facts.append(("seen as", "{:.0f} × {:.0f} px".format(*sample["seen_wh"])))
    return Case(
        kind=sample["kind"],
        title=title,
        file_name=sample["file_name"],
        short_name=sample["file_name"].rpartition("/")[2],
        facts=facts,
        alt=f"{title} in {sample['file_name']}, {width:g} by {height:g} px",
        classes=[] if normal else [names.index(sample["class"])],
        window=window,
        overlays=[] if normal else overlays(sample, window, about_truth=True),
        source=pictures.sources.get(place, ""),
        reason=pictures.reasons.get(place, ""),
    )
