"""Labels that are known and not read: what a file of them is, and what to do instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from anomdet.formats.dataset import to_number
from anomdet.formats.pictures import is_image
from anomdet.strict_files import decode_text, read_regular

_MAX_FILES = 20  # that are looked into
_MAX_BYTES = 1 << 24
_AS_COCO = "export it as COCO"
_OF_LISTS = (  # keys of the first entry
    ({"image_id", "bbox"}, "predictions in COCO's form", "`anomdet evaluate --predictions` measures them"),
    ({"shapes", "tracks"}, "CVAT's backup", "export the task as 'CVAT for images 1.1'"),
    ({"data"}, "tasks of Label Studio without annotations", "submit them, and export the project as 'JSON'"),
    ({"image", "annotations"}, "CreateML's labels", _AS_COCO),
)
_OF_OBJECTS = (
    ({"items", "categories"}, "Datumaro's JSON", _AS_COCO),
    ({"_via_img_metadata"}, "a project of the VGG Image Annotator", _AS_COCO),
    ({"regions", "filename"}, "JSON of the VGG Image Annotator", _AS_COCO),
    ({"data", "annotations"}, "one task of Label Studio", "export the project as 'JSON'"),
    ({"result", "task"}, "one annotation of Label Studio", "export the project as 'JSON'"),
    ({"objects"}, "JSON with 'objects', as Supervisely and ISAT write it", _AS_COCO),
)
_SUFFIXES = {
    (".jsonl", ".ndjson"): ("lines of JSON", _AS_COCO),
    (".tfrecord", ".tfrecords", ".record"): ("TensorFlow's records", "export it as COCO or CSV"),
    (".parquet",): ("a Parquet table", "export it as COCO or CSV"),
}


def foreign_labels(paths: Iterable[Path]) -> str:
    """What the first file of a known kind that is not read is, and what to do; empty if there is none.

    >>> foreign_labels([Path("/nowhere/train.tfrecord")])
    "train.tfrecord holds TensorFlow's records: export it as COCO or CSV"
    """
    likely = (path for path in paths if path.suffix.lower() in (".json", ".txt", *sum(_SUFFIXES, ())))
    for path in islice(likely, _MAX_FILES):
        suffix = path.suffix.lower()
        found = next((kind for suffixes, kind in _SUFFIXES.items() if suffix in suffixes), None)
        found = found or (_json_kind(path) if suffix == ".json" else text_kind(path))
        if found:
            return f"{path.name} holds {found[0]}: {found[1]}"
    return ""


def _json_kind(path: Path) -> tuple[str, str] | None:
    try:
        content: Any = json.loads(decode_text(read_regular(path, _MAX_BYTES)))
    except json.JSONDecodeError as error:
        return f"no JSON that can be read ({error.msg}, line {error.lineno})", "export the file again"
    except UnicodeDecodeError:
        return "no UTF-8 text", "export the file again"
    except (OSError, ValueError, RecursionError):
        return None
    is_list = isinstance(content, list)
    first = next(iter(content), None) if is_list else content
    keys = set(first) if isinstance(first, dict) else set()
    inner = next(iter(first.values()), None) if isinstance(first, dict) and not is_list else None
    keys |= set(inner) & {"regions", "filename"} if isinstance(inner, dict) else set()
    known = _OF_LISTS if is_list else _OF_OBJECTS
    return next(((what, remedy) for needed, what, remedy in known if needed <= keys), None)


def text_kind(path: Path) -> tuple[str, str] | None:
    """What a text file of labels is and what to do; None if it is no such file."""
    try:
        lines = decode_text(read_regular(path, _MAX_BYTES)).splitlines()[:3]  # DOTA has two before its labels
    except (OSError, UnicodeDecodeError):
        return None
    return next((found for line in lines if (found := _line_kind(line.split()))), None)


def _line_kind(fields: list[str]) -> tuple[str, str] | None:
    numbers = [to_number(field) for field in fields]
    if len(fields) > 1 and is_image(fields[0]) and re.fullmatch(r"-?\d+(,-?\d+){4}", fields[1]):
        return (
            "images with their boxes, as YOLOv4 PyTorch has them",
            "export it as YOLO with a text file for each image",
        )
    if len(fields) in (15, 16) and numbers[0] is None and None not in numbers[1:]:
        return "KITTI's labels", _AS_COCO
    if len(fields) in (9, 10) and None not in numbers[:8] and numbers[8] is None:
        return "DOTA's labels", _AS_COCO
    if len(fields) == 5 and numbers[0] is None and None not in numbers[1:]:
        return "names of classes in place of their numbers", "write the number, and the names into classes.txt"
    return None
