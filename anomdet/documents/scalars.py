"""The numbers of a run by epoch, from the records of scalars.json."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from anomdet.strict_files import read_regular

_FACTS = ("epoch", "iter", "step", "memory", "time", "data_time")


def by_epoch(lines: Iterable[str]) -> dict[str, Any]:
    """Losses as the mean of an epoch's recorded steps, the learning rate as it ended, and the validation's numbers.

    Args:
        lines: of scalars.json, a JSON object each; what is none is passed over.

    Returns:
        ``epoch``, and ``columns``: name to a number or None for each epoch; NaN and infinity are None.

    >>> by_epoch(['{"epoch": 1, "loss": 2.0, "lr": 0.1, "step": 9}', '{"val/mAP": 0.5, "step": 1}'])
    {'epoch': [1], 'columns': {'loss': [2.0], 'lr': [0.1], 'mAP': [0.5]}}
    """
    steps: dict[int, dict[str, list[float]]] = {}
    validations: dict[int, dict[str, float]] = {}
    for record in map(_record, lines):
        numbers = {key: float(value) for key, value in record.items() if key not in _FACTS and _is_finite(value)}
        if type(record.get("epoch")) is int:
            own = steps.setdefault(record["epoch"], {})
            for key, value in numbers.items():
                own.setdefault(key, []).append(value)
        elif type(record.get("step")) is int:
            validations[record["step"]] = {key.removeprefix("val/"): value for key, value in numbers.items()}
    epochs = sorted({*steps, *validations})
    rows = []
    for epoch in epochs:
        row = {
            key: values[-1] if key == "lr" else statistics.fmean(values) for key, values in steps.get(epoch, {}).items()
        }
        rows.append({**row, **validations.get(epoch, {})})
    names = dict.fromkeys(name for row in rows for name in row)
    return {"epoch": epochs, "columns": {name: [row.get(name) for row in rows] for name in names}}


def read_epochs(path: Path) -> dict[str, Any] | None:
    """As :func:`by_epoch`, of a file; None: it is not there, cannot be read, or has no numbers."""
    try:
        found = by_epoch(read_regular(path).decode("utf-8").splitlines())
    except (OSError, ValueError):
        return None
    return found if found["epoch"] else None


def as_csv(epochs: dict[str, Any]) -> str:
    """A line an epoch; empty where there is no number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["epoch", *epochs["columns"]])
    for i, epoch in enumerate(epochs["epoch"]):
        values = [values[i] for values in epochs["columns"].values()]
        writer.writerow([epoch, *("" if value is None else repr(value) for value in values)])
    return out.getvalue()


def _record(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
