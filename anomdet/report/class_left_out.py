"""Parts of a class that the model was not trained on, on one page: how many are rejected, and by what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anomdet.report.cells import Cell, Column, Row, Table, count, share
from anomdet.report.page import shared_view, template, write_page

_WAYS = {
    "detector": ("Detector", "by its boxes alone, at its own operating point"),
    "normal_only": ("Normal-only score", "unlike the normal images, by the score alone"),
    "fused": ("Both", "the one verdict: either of them rejects"),
    "detector_at_equal_overkill": (
        "Detector, lowered",
        "by its boxes alone, with thresholds so low that they reject as many good {unit}s as both do, at most",
    ),
}


def write_class_left_out(table: Mapping[str, Any], out_path: Path) -> Path:
    """Write the page, whole or not at all.

    Args:
        table: content of leave_class_out.json.
        out_path: where; the folder must be there.

    Raises:
        OSError: the file cannot be written.
    """
    unit = table["unit"]
    view = {
        "title": "Leave one class out",
        "data_dir": table["data_dir"],
        "model": table["model"],
        "overkill": f"{100 * table['overkill']:g} %",
        "unit": unit,
        "rejected": _table(table, "rejected", f"Rejected {unit}s of a class that the model was not trained on"),
        "good": _table(table, "overkill", f"Rejected good {unit}s"),
        **shared_view([]),
    }
    return write_page(template("class_left_out.html").render(view), out_path)


def _table(table: Mapping[str, Any], key: str, caption: str) -> Table:
    unit, ways = table["unit"], list(table["classes"][0][key])
    number = "num_parts" if key == "rejected" else "num_good"
    rows = [_row(row["class"], row, key, number) for row in table["classes"]]
    foot = [] if table["total"] is None else [_row("all", table["total"], key, number)]
    columns = [
        Column("Class" if key == "rejected" else "Trained without", numeric=False),
        Column(f"{unit.capitalize()}s"),
        *(Column(_WAYS[way][0], _WAYS[way][1].format(unit=unit)) for way in ways),
    ]
    return Table(caption, columns, rows, foot)


def _row(name: str, row: Mapping[str, Any], key: str, number: str) -> Row:
    hint = (
        f"{row['num_with_others']} more show other classes too" if key == "rejected" and row["num_with_others"] else ""
    )
    return Row(name, [count(row[number]), *_cells(list(row[key].values()))], hint)


def _cells(shares: Sequence[Mapping[str, Any]]) -> list[Cell]:
    return [share(_whole(one["count"]), one["of"], "no parts", one["interval"]) for one in shares]


def _whole(number: float) -> float:
    """A mean of several models may be no whole number."""
    return int(number) if float(number).is_integer() else round(number, 1)
