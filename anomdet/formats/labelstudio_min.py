"""Label Studio's export "JSON-MIN" as tasks of its export "JSON": one entry an annotation, its results by field.

Source: https://labelstud.io/guide/export (JSON_MIN). Which text is a choice of the annotator and which the task's own
data it does not say: an image without boxes that has such a text may be a defective one.
"""

from __future__ import annotations

from typing import Any

from anomdet.formats.pictures import is_image

_OWN = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement", "history"})
_SIZES = ("original_width", "original_height", "image_rotation")
_PLACES = frozenset({"x", "points", "vertices", "rle", "format"})


def is_min(content: Any) -> bool:
    """Whether the first entry is one of JSON-MIN.

    >>> is_min([{"id": 1, "image": "/data/upload/1/a.png", "annotator": 1, "annotation_id": 2}])
    True
    """
    first = next(iter(content), None) if isinstance(content, list) else None
    return isinstance(first, dict) and bool({"annotator", "annotation_id"} & first.keys()) and "data" not in first


def full_tasks(content: list) -> list:
    """Tasks with ``data`` and ``annotations``; entries of one task become its annotations."""
    tasks: dict[tuple[str, str], dict] = {}
    found: list = []
    for entry in content:
        if not isinstance(entry, dict):
            found.append(entry)  # reported by who reads the tasks
            continue
        marks = {field: value for field, value in entry.items() if _is_marks(value)}
        rest = {field: value for field, value in entry.items() if field not in marks and field not in _OWN}
        data = {field: value for field, value in rest.items() if isinstance(value, str) and _is_address(value)}
        key = str(entry.get("id", len(found))), str(data)
        if key not in tasks:
            tasks[key] = {"data": data, "annotations": []}
            found.append(tasks[key])
        if entry.get("annotation_id") is not None:
            results = [_result(one, field) for field, value in marks.items() for one in value]
            results += [_text(field, value) for field, value in rest.items() if value and field not in data]
            tasks[key]["annotations"].append({"result": results})
    return found


def _is_marks(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(one, dict) and _PLACES & one.keys() for one in value)


def _is_address(value: str) -> bool:
    return is_image(value.partition("?")[0]) or "?d=" in value or "fileuri=" in value


def _result(mark: Any, field: str) -> Any:
    if not isinstance(mark, dict):
        return mark  # reported by who reads the results
    kind = next((key for key in mark if key.endswith("labels")), field)
    sizes = {key: mark[key] for key in _SIZES if key in mark}
    return {**sizes, "type": kind, "value": {key: value for key, value in mark.items() if key not in _SIZES}}


def _text(field: str, value: Any) -> dict:
    """A text that may be a choice for the whole image."""
    return {"type": "choices", "value": {"choices": value, "field": field}}
