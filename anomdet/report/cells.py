"""Numbers as the page shows them: a cell with its text, its 95 % interval, and why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DASH = "–"


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what is shown.
        hint: of a dash, why; of a number, what it is made of.
        sort: what the column is sorted by; None comes last.
        interval: the interval as text, empty without one.
        bar: low, value, high within 0 to 1, for a small drawing; low and high are the value without an interval.
        numeric: right-aligned, in digits of one width.
    """

    text: str
    hint: str = ""
    sort: float | None = None
    interval: str = ""
    bar: tuple[float, float, float] | None = None
    numeric: bool = True


@dataclass(frozen=True)
class Column:
    """Head of a column: its label, and a sentence that explains it."""

    label: str
    hint: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Row:
    """One line of a table: its head, a sentence below the head, and a cell for each further column."""

    head: str
    cells: Sequence[Cell]
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table with row heads; ``columns`` includes that of the heads.

    Attributes:
        foot: lines that stay below when the table is sorted.
    """

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    foot: Sequence[Row] = ()
    sortable: bool = False


def ratio(value: float | None, why_none: str, interval: Sequence[float] | None = None) -> Cell:
    """A number from 0 to 1 with three digits, its interval, and a bar."""
    if value is None:
        return Cell(DASH, why_none)
    low, high = interval if interval else (value, value)
    text = f"{low:.3f}{DASH}{high:.3f}" if interval else ""
    return Cell(f"{value:.3f}", sort=value, interval=text, bar=(_unit(low), _unit(value), _unit(high)))


def percent(value: float | None, digits: int = 1) -> str:
    """A share as ``5.0 %``."""
    return DASH if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def share(part: float | None, whole: int | None, why_none: str, interval: Sequence[float] | None = None) -> Cell:
    """``2 of 40 (5.0 %)`` with the interval of the share."""
    if part is None or not whole:
        return Cell(DASH, why_none)
    value = part / whole
    low, high = interval if interval else (value, value)
    text = f"{100 * low:.1f}{DASH}{100 * high:.1f} %" if interval else ""
    bar = (_unit(low), _unit(value), _unit(high))
    return Cell(
        f"{part}\N{NO-BREAK SPACE}of\N{NO-BREAK SPACE}{whole} ({percent(value)})", sort=value, interval=text, bar=bar
    )


def decimal(value: float | None, why_none: str, interval: Sequence[float] | None = None, digits: int = 2) -> Cell:
    """A number without an upper end, with its interval and without a bar."""
    if value is None:
        return Cell(DASH, why_none)
    text = f"{interval[0]:.{digits}f}{DASH}{interval[1]:.{digits}f}" if interval else ""
    return Cell(f"{value:.{digits}f}", sort=value, interval=text)


def count(value: int | None, why_none: str = "not counted") -> Cell:
    """A whole number."""
    return Cell(DASH, why_none) if value is None else Cell(f"{value}", sort=value)


def words(text: str) -> Cell:
    """Plain text."""
    return Cell(text, numeric=False)


def interval_of(intervals: Mapping[str, Any] | None, *keys: str) -> Sequence[float] | None:
    """The pair under the first of the keys that has one; None if there is none."""
    for key in keys:
        pair = (intervals or {}).get(key)
        if pair is not None and None not in pair:
            return list(pair)
    return None


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
