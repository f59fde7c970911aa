"""Two evaluations of one test set on one page: what differs, and whether it may be chance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anomdet.metric_catalogue import METRIC, lower_is_better
from anomdet.report.cells import DASH, Cell, Column, Row, Table
from anomdet.report.page import shared_view, template, write_page


def write_comparison(table: Mapping[str, Any], first: str, second: str, out_path: Path) -> Path:
    """Write the page, whole or not at all.

    Args:
        table: as ``anomdet.evaluation.comparison.compared`` returns it.
        first, second: what is compared, in words.
        out_path: where; the folder must be there.

    Raises:
        OSError: the file cannot be written.
    """
    view = {
        "title": "Comparison",
        "first": first,
        "second": second,
        "sentences": table["sentences"],
        "counts": _counts(table),
        "numbers": _numbers(table),
        "about": f"{table['num_images']} images, {table['num_resamples']} resamples by {table['unit']}",
        **shared_view([]),
    }
    return write_page(template("comparison.html").render(view), out_path)


def _counts(table: Mapping[str, Any]) -> Table:
    rows = [
        Row(METRIC[key].label, [Cell(f"{row['first']}"), Cell(f"{row['second']}"), Cell(f"{row['of']}")], meaning)
        for key, row in table["counts"].items()
        for meaning in (METRIC[key].worded(table["unit"]).meaning,)
    ]
    columns = [
        *(Column("Verdict", numeric=False), Column("A", f"rejected by {table['verdict_by']['first']}")),
        *(Column("B", f"rejected by {table['verdict_by']['second']}"), Column(f"of {table['unit']}s")),
    ]
    return Table("Escapes and overkill, each at its own operating point", columns, rows)


def _numbers(table: Mapping[str, Any]) -> Table:
    rows = []
    for key, row in table["numbers"].items():
        values = [
            Cell(DASH, "cannot be measured") if row[side] is None else Cell(f"{row[side]:.3f}") for side in _SIDES
        ]
        pair = row["interval"]
        interval = Cell(f"{pair[0]:+.3f} to {pair[1]:+.3f}") if pair else Cell(DASH, "too few parts")
        metric = METRIC[key].worded(table["unit"])
        rows.append(Row(metric.label, [*values, interval, Cell(_better(key, pair), numeric=False)], metric.meaning))
    columns = [
        *(Column("Measure", numeric=False), Column("A"), Column("B"), Column("B − A")),
        Column(f"{100 * table['confidence']:g} % interval of B − A"),
        Column("Better", "where the interval of the difference does not hold 0", numeric=False),
    ]
    return Table("All numbers", columns, rows)


_SIDES = ("first", "second", "difference")


def _better(key: str, pair: list[float] | None) -> str:
    if not pair or pair[0] <= 0 <= pair[1]:
        return "no difference shown"
    return "B" if (pair[0] > 0) != lower_is_better(key) else "A"
