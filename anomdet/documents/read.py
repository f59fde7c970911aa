"""Read the files of :mod:`anomdet.documents.kinds`; they may come from a stranger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, cast

from anomdet.documents.kinds import VERSION, Details, Metrics, SplitRecord
from anomdet.errors import Problem, UserError
from anomdet.layout import DETAILS, METRICS, SPLIT_RECORD, SPLITS_DIR
from anomdet.metric_catalogue import of_key

_MOST_PROBLEMS = 20


def read_metrics(folder: Path) -> Metrics:
    """metrics.json of an evaluation's folder.

    Raises:
        UserError: it is missing, or it is not what :class:`Metrics` says; all that is wrong at once.
    """
    path = folder / METRICS
    document = _read(path, Metrics, "anomdet evaluate writes it")
    _refuse(path, _wrong_metrics(document))
    return cast(Metrics, document)


def read_details(folder: Path) -> Details:
    """details.json of an evaluation's folder.

    Raises:
        UserError: as :func:`read_metrics`.
    """
    path = folder / DETAILS
    document = _read(path, Details, "anomdet evaluate writes it")
    _refuse(path, _wrong_details(document))
    return cast(Details, document)


def read_split_record(log_dir: Path) -> SplitRecord:
    """splits/splits.json of a run.

    Raises:
        UserError: as :func:`read_metrics`.
    """
    return cast(SplitRecord, _read(log_dir / SPLITS_DIR / SPLIT_RECORD, SplitRecord, "anomdet train writes it"))


def read_json(path: Path, hint: str = "") -> Any:
    """Strict JSON in UTF-8, with or without a byte order mark.

    Raises:
        UserError: no such file, or something else.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"), parse_constant=_not_finite)
    except FileNotFoundError:
        problem = Problem(str(path), "a JSON file", "no such file", hint)
    except OSError as error:
        problem = Problem(str(path), "a JSON file", error.strerror or str(error))
    except (ValueError, RecursionError) as error:
        problem = Problem(str(path), "a JSON file", f"text that is not JSON ({error})")
    raise UserError(problem)


def _not_finite(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _read(path: Path, kind: Any, hint: str) -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    content = read_json(path, hint)
    version = content.get("version", VERSION) if isinstance(content, dict) else VERSION
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        newer = isinstance(version, int) and version > VERSION
        hint = "update AnomDet, or evaluate again" if newer else ""
        raise UserError(Problem(f"{path}: version", f"an integer from 1 to {VERSION}", repr(version), hint))
    try:
        return dict(TypeAdapter(kind).validate_python(content, strict=True))
    except ValidationError as error:
        found = [
            Problem(f"{path}: {_place(one['loc'])}" if one["loc"] else str(path), *_words(dict(one)))
            for one in error.errors(include_url=False)[:_MOST_PROBLEMS]
        ]
    raise UserError(found)


def _place(keys: tuple[int | str, ...]) -> str:
    """``cases[3].truth``."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def _words(error: dict[str, Any]) -> tuple[str, str]:
    """What was expected, and what was got."""
    if error["type"] == "missing":
        return "a value", "none"
    text = repr(error["input"])
    got = text if len(text) <= 60 else f"{text[:57]}..."
    return error["msg"].removeprefix("Input should be "), got


def _refuse(path: Path, wrong: Iterator[tuple[str, str, str]]) -> None:
    problems = [Problem(f"{path}: {where}", expected, got) for where, expected, got in wrong]
    if problems:
        raise UserError(problems[:_MOST_PROBLEMS])


Wrong = Iterator[tuple[str, str, str]]  # where, expected, got


def _wrong_metrics(document: Mapping[str, Any]) -> Wrong:
    """What types alone do not say."""
    for scope, values in (("", document), ("part_level.", document["part_level"])):
        for key, value in values.items():
            if of_key(key) is not None and value is not None and type(value) not in (int, float):
                yield f"{scope}{key}", "a number or null", type(value).__name__
    table = document.get("confusion_matrix")
    sizes = {len(row) for row in table["counts"]} | {len(table["counts"])} if table else set()
    if table and sizes != {len(table["classes"])}:
        yield "confusion_matrix.counts", f"{len(table['classes'])} rows of as many counts", f"{sorted(sizes)}"
    for name, size in document.get("sizes", {}).items():
        if len(size["range_px"]) != 2:
            yield f"sizes.{name}.range_px", "two numbers", str(len(size["range_px"]))
    yield from _wrong_intervals(document.get("intervals") or {}, "intervals")


def _wrong_intervals(table: Mapping[str, Any], where: str) -> Wrong:
    for key, value in table.items():
        if key in ("unit", "num_resamples", "confidence", "null_reasons") and not isinstance(value, list):
            continue
        if isinstance(value, dict):
            yield from _wrong_intervals(value, f"{where}.{key}")
        elif value is not None and not (_is_list(value, 2) and all(type(end) in (int, float) for end in value)):
            yield f"{where}.{key}", "two numbers or null", repr(value)[:60]


def _is_list(value: Any, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _wrong_details(document: Mapping[str, Any]) -> Wrong:
    curves = document["curves"]
    named = {"froc": document["froc"], "roc": document["roc"], "curves.all": curves["all"]}
    named |= {f"curves.per_class.{name}": curve for name, curve in curves["per_class"].items()}
    for name, curve in named.items():
        lengths = {len(values) for values in curve.values()}
        if len(lengths) > 1:
            yield name, "lists of one length", f"lengths {sorted(lengths)}"
    for i, case in enumerate(document["cases"]):
        if len(case["size_hw"]) != 2 or min(case["size_hw"]) < 0:
            yield f"cases[{i}].size_hw", "height and width in pixels", repr(case["size_hw"])[:60]
        for box in (case, *case["truth"], *case["predictions"]):
            if len(box["bbox_xywh"]) != 4 or min(box["bbox_xywh"][2:]) < 0:
                yield f"cases[{i}]", "boxes as [x, y, width, height], no size negative", repr(box["bbox_xywh"])[:60]
