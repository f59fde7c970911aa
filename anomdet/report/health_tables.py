"""The tables of the data's health: findings by kind, classes, splits, image sizes, unusual images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from anomdet.layout import SPLITS
from anomdet.report.cells import DASH, Cell, Column, Row, Table, count, percent, words

Health = Mapping[str, Any]
NO_BOXES = "there are no objects"
ODD = {"blank": "blank", "dark": "dark", "bright": "bright"}


def class_table(health: Health) -> Table | None:
    """One line a class, the commonest first; None without classes."""
    classes = health["classes"]
    if not classes:
        return None
    splits = [name for name in SPLITS if name in (health["splits"] or {})]
    most = max(entry["objects"] for entry in classes)
    rows = [Row(entry["name"], _class_cells(entry, splits, most)) for entry in classes]
    size = _size(health["image_size_hw"])
    columns = [
        Column("Class", numeric=False),
        Column("No.", "the number of the class in the label files"),
        Column("Objects", "the bar is the share of the commonest class"),
        Column("Share", "of all objects"),
        Column("Images", "with an object of the class"),
        *(Column(name, f"objects in the {name} split") for name in splits),
        Column("Side, px", f"median of the shorter side at data.image_size {size}"),
        Column("Under 8 px", f"share of its boxes with a shorter side under 8 px at data.image_size {size}"),
    ]
    total = health["num_classes"]
    caption = "Objects of each class"
    if total > len(classes):
        caption += f" (the {len(classes) // 2} commonest and rarest of {total:,})"
    return Table(caption, columns, rows, sortable=True)


def _class_cells(entry: Mapping[str, Any], splits: Sequence[str], most: int) -> list[Cell]:
    bar = entry["objects"] / most if most else 0.0
    return [
        count(entry["class_num"]),
        Cell(f"{entry['objects']:,}", sort=entry["objects"], bar=(0.0, bar, bar)),
        _percent(entry["share"], NO_BOXES),
        _count(entry["images"]),
        *(_count(entry["splits"][name]["objects"]) for name in splits),
        _median(entry["short_side_px"]),
        _percent(entry["under_8_px"], NO_BOXES),
    ]


def split_table(health: Health) -> Table | None:
    """One line a split, and one for all; None where the splits are not known."""
    splits = health["splits"]
    if not splits:
        return None
    grey = health["pixels"]["splits"]
    rows = [
        Row(name if name != "none" else "in no split", _split_cells(values, grey.get(name)))
        for name, values in splits.items()
    ]
    columns = [
        Column("Split", numeric=False),
        Column("Images"),
        Column("Normal", "images without an object"),
        Column("Objects"),
        Column("Per defective image", "objects on an average image that has any"),
        Column("Side, px", "median of the shorter side of the boxes as the network sees it"),
        Column("Under 8 px", "share of the boxes with a shorter side under 8 px as the network sees it"),
        Column("Mean grey", "median of the images that were read, of 255"),
    ]
    counts, boxes = health["counts"], health["boxes"]
    whole = {**counts, "short_side_px": boxes["short_side_px"], "under_8_px": boxes["under_8_px"]}
    whole["objects_per_defective"] = health["per_image"]["mean_of_defective"]
    foot = Row("all", _split_cells(whole, health["pixels"]["mean"]))
    return Table("The splits in numbers", columns, rows, [foot])


def _split_cells(values: Mapping[str, Any], grey: Mapping[str, float] | None) -> list[Cell]:
    share = values["normal"] / values["images"] if values["images"] else None
    per_image = values["objects_per_defective"]
    return [
        _count(values["images"]),
        Cell(f"{values['normal']:,} ({percent(share)})", sort=share),
        _count(values["objects"]),
        Cell(DASH, NO_BOXES) if per_image is None else Cell(f"{per_image:.2f}", sort=per_image),
        _median(values["short_side_px"]),
        _percent(values["under_8_px"], NO_BOXES),
        _median(grey, "no image was read"),
    ]


def size_table(health: Health) -> Table | None:
    """The sizes of the images and how the network sees them; None without images."""
    sizes = health["image_sizes"]
    if not sizes["listed"]:
        return None
    rows = [
        Row(
            f"{entry['size_hw'][1]} × {entry['size_hw'][0]} px",
            [_count(entry["images"]), Cell(f"{entry['factor']:.3g}"), _percent(entry["padding"], "")],
        )
        for entry in sizes["listed"]
    ]
    foot = [Row(f"{sizes['num_sizes'] - len(rows):,} other sizes", [_count(sizes["others"]), words(""), words("")])]
    columns = [
        Column("Width × height", numeric=False),
        Column("Images"),
        Column("Scaled by", f"to fit into data.image_size {_size(health['image_size_hw'])} with the shape kept"),
        Column("Padding", "share of what the network sees that shows no image"),
    ]
    return Table("Sizes of the images", columns, rows, foot if sizes["others"] else ())


def outlier_table(health: Health) -> Table | None:
    """Images that are blank, or much darker or brighter than the others; None if there are none."""
    outliers = health["pixels"]["outliers"]
    if not outliers:
        return None
    rows = [
        Row(
            entry["file_name"],
            [words(ODD[entry["kind"]]), *(Cell(f"{entry[key]:.1f}", sort=entry[key]) for key in ("mean", "contrast"))],
        )
        for entry in outliers
    ]
    columns = [Column("Image", numeric=False), Column("Looks", numeric=False), Column("Mean grey"), Column("Contrast")]
    return Table("Images unlike the others", columns, rows)


def code_table(health: Health) -> Table | None:
    """Kinds of findings, the worst first, with their number; None without findings."""
    codes = health["findings"]["codes"]
    rows = [Row(entry["code"], [words(entry["severity"]), _count(entry["count"])], entry["what"]) for entry in codes]
    columns = [Column("Kind", numeric=False), Column("Severity", numeric=False), Column("Places")]
    return Table("Findings by kind, the worst first", columns, rows) if rows else None


def _count(value: int) -> Cell:
    return Cell(f"{value:,}", sort=value)


def _percent(value: float | None, why_none: str) -> Cell:
    return Cell(DASH, why_none) if value is None else Cell(percent(value), sort=value)


def _median(values: Mapping[str, float] | None, why_none: str = NO_BOXES) -> Cell:
    return Cell(DASH, why_none) if values is None else Cell(f"{values['p50']:.1f}", sort=values["p50"])


def _size(size_hw: Sequence[int]) -> str:
    height, width = size_hw
    return f"{height}" if height == width else f"[{height}, {width}]"
