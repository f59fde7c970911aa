"""Read the files of :mod:`anomdet.documents.kinds` and those of a review; they may come from a stranger."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from anomdet.errors import Problem, UserError
from anomdet.layout import DETAILS, METRICS, SPLIT_RECORD, SPLITS_DIR
from anomdet.metric_catalogue import METRIC, of_key
from anomdet.strict_files import not_finite, parse_json, read_regular

if TYPE_CHECKING:
    from anomdet.documents.kinds import Details, Metrics, SplitRecord
    from anomdet.documents.review_kinds import Decisions, ReviewDocument

VERSION = 1
"""Of all these files; a file without one was written before there were versions, and is read as 1."""
_MOST_PROBLEMS = 20


def read_metrics(folder: Path) -> Metrics:
    """metrics.json of an evaluation's folder.

    Raises:
        UserError: it is missing, or it is not what :class:`Metrics` says; all that is wrong at once.
    """
    path = folder / METRICS
    document = _read(path, "Metrics", "anomdet evaluate writes it")
    _refuse(path, _wrong_metrics(document))
    return cast("Metrics", document)


def read_details(folder: Path) -> Details:
    """details.json of an evaluation's folder.

    Raises:
        UserError: as :func:`read_metrics`.
    """
    path = folder / DETAILS
    document = _read(path, "Details", "anomdet evaluate writes it")
    _refuse(path, _wrong_details(document))
    return cast("Details", document)


def read_split_record(log_dir: Path) -> SplitRecord:
    """splits/splits.json of a run.

    Raises:
        UserError: as :func:`read_metrics`.
    """
    return cast("SplitRecord", _read(log_dir / SPLITS_DIR / SPLIT_RECORD, "SplitRecord", "anomdet train writes it"))


def read_decisions(path: Path) -> Decisions:
    """decisions.json, which a person's browser wrote.

    Raises:
        UserError: as :func:`read_metrics`.
    """
    return cast("Decisions", _read(path, "Decisions", "the page of anomdet review exports it", "review_kinds"))


def read_review(path: Path) -> ReviewDocument:
    """review.json of ``anomdet review``.

    Raises:
        UserError: as :func:`read_metrics`.
    """
    return cast("ReviewDocument", _read(path, "ReviewDocument", "anomdet review writes it", "review_kinds"))


def read_json(path: Path, hint: str = "") -> Any:
    """Strict JSON in UTF-8, with or without a byte order mark.

    Raises:
        UserError: no such file, or something else.
    """
    try:
        return parse_json(read_regular(path), not_finite)
    except FileNotFoundError:
        problem = Problem(str(path), "a JSON file", "no such file", hint)
    except OSError as error:
        problem = Problem(str(path), "a JSON file", error.strerror or str(error))
    except (ValueError, RecursionError) as error:
        problem = Problem(str(path), "a JSON file", f"text that is not JSON ({error})")
    raise UserError(problem)


def _read(path: Path, kind: str, hint: str, module: str = "kinds") -> dict[str, Any]:
    from pydantic import TypeAdapter, ValidationError

    content = read_json(path, hint)
    version = content.get("version", VERSION) if isinstance(content, dict) else VERSION
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        newer = isinstance(version, int) and version > VERSION
        hint = "update AnomDet, or evaluate again" if newer else ""
        raise UserError(Problem(f"{path}: version", f"an integer from 1 to {VERSION}", repr(version), hint))
    try:
        TypeAdapter(getattr(import_module(f"anomdet.documents.{module}"), kind)).validate_python(content, strict=True)
    except ValidationError as error:
        found = [
            Problem(f"{path}: {_place(one['loc'])}" if one["loc"] else str(path), *_words(dict(one)))
            for one in error.errors(include_url=False)[:_MOST_PROBLEMS]
        ]
        raise UserError(found) from None
    return dict(content)


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
    for name, row in document["per_class"].items():
        if type(row.get("class_num")) is not int:
            yield f"per_class.{name}.class_num", "an integer", repr(row.get("class_num"))
    yield from _wrong_point(document["operating_point"], document["per_class"])
    yield from _wrong_tables(document)


def _wrong_point(point: Mapping[str, Any], classes: Mapping[str, Any]) -> Wrong:
    """A class without a threshold would count by a guess."""
    own = point["per_class"]
    if own is None:
        if point["score_threshold"] is None and classes:
            yield "operating_point.score_threshold", "a number, or a threshold for each class in per_class", "none"
        return
    for name in sorted(own.keys() - classes.keys()):
        yield f"operating_point.per_class.{name}", "a class of per_class", "another"
    for name in sorted(classes.keys() - own.keys()):
        yield f"operating_point.per_class.{name}", "a score threshold, as the other classes have one", "none"


def _wrong_tables(document: Mapping[str, Any]) -> Wrong:
    table = document.get("confusion_matrix")
    sizes = {len(row) for row in table["counts"]} | {len(table["counts"])} if table else set()
    if table and sizes != {len(table["classes"])}:
        yield "confusion_matrix.counts", f"{len(table['classes'])} rows of as many counts", f"{sorted(sizes)}"
    for key, value in (document.get("intervals") or {}).items():
        ends = value if isinstance(value, list) and len(value) == 2 else [""]
        if key in METRIC and value is not None and not all(type(end) in (int, float) for end in ends):
            yield f"intervals.{key}", "two numbers or null", repr(value)[:60]


def _wrong_details(document: Mapping[str, Any]) -> Wrong:
    curves = document["curves"]
    named = {"froc": document["froc"], "roc": document["roc"], "curves.all": curves["all"]}
    named |= {f"curves.per_class.{name}": curve for name, curve in curves["per_class"].items()}
    for name, curve in named.items():
        lengths = {len(values) for values in curve.values()}
        if len(lengths) > 1:
            yield name, "lists of one length", f"lengths {sorted(lengths)}"
    if "rethreshold" in document:
        yield from _wrong_columns(document["rethreshold"])
    for i, heat_map in enumerate(document.get("heat_maps") or ()):
        if len(lengths := {len(row) for row in heat_map["cells"]}) > 1:
            yield f"heat_maps[{i}].cells", "rows of one length", f"lengths {sorted(lengths)}"
    for i, case in enumerate(document["cases"]):
        for box in (case, *case["truth"], *case["predictions"], *case.get("below", ())):
            if min(box["bbox_xywh"][2:]) < 0:
                yield f"cases[{i}]", "boxes as [x, y, width, height], no size negative", repr(box["bbox_xywh"])[:60]


def _wrong_columns(columns: Mapping[str, Any]) -> Wrong:
    """Places that lead nowhere; the page counts by them."""
    num_classes, num_rows, num_gt = (len(columns[name]) for name in ("classes", "score", "gt_label"))
    for name in ("class_nums", "thresholds"):
        if len(columns[name]) != num_classes:
            yield f"rethreshold.{name}", f"{num_classes} values, one a class", f"{len(columns[name])}"
    for name, end in (("label", num_classes), ("part", len(columns["defective"])), ("found", num_gt)):
        if len(columns[name]) != num_rows or max(columns[name], default=-1) >= end:
            yield f"rethreshold.{name}", f"{num_rows} numbers below {end}", "others"
    if max(columns["gt_label"], default=-1) >= num_classes:
        yield "rethreshold.gt_label", f"numbers below {num_classes}", "others"
    if any(pred >= num_rows or gt >= num_gt for pred, gt in columns["confusable"]):
        yield "rethreshold.confusable", "pairs of a prediction and an object", "others"
