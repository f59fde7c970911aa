"""Label Studio's ML backend: its tasks to bytes of images, results to its predictions.

Source: https://labelstud.io/guide/ml_create. A task names its image by an address, which is never opened: either it
holds the image itself (``data:image/png;base64,...``), or its end is the name of a file in the folder that the service
was started with.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote, urlsplit
from xml.parsers import expat

from pydantic import BaseModel, ConfigDict, Field

from anomdet.anomalies import UNKNOWN
from anomdet.inference.result import REJECT, Result
from anomdet.serving.json_body import read_json
from anomdet.serving.refusal import Refusal
from anomdet.strict_files import read_regular

_MAX_CONFIG, _MAX_ADDRESS = 2**20, 2**12  # characters
_LIST_AGAIN_S = 5.0
_MAX_LISTED = 1_000_000
_Mark: TypeAlias = tuple[list[float], list[str], float, dict[str, Any]]  # corners, labels, score, more


class _Task(BaseModel):
    model_config = ConfigDict(extra="ignore")
    data: dict[str, Any] = Field(default_factory=dict)


class Tasks(BaseModel):
    """What Label Studio posts."""

    model_config = ConfigDict(extra="ignore")
    tasks: list[_Task]
    label_config: str | None = None


class Names(BaseModel):
    """How a project's configuration names what results refer to: the box tag, the image tag, the task's field.

    ``has_unknown``: the box tag has a label for what is unlike all normal parts. ``labels``: all that it has, by value
    or alias; None: nobody said, or each task has its own.
    """

    from_name: str = "label"
    to_name: str = "image"
    field: str = "image"
    has_unknown: bool = False
    labels: frozenset[str] | None = None

    def lacks(self, classes: Iterable[str]) -> list[str]:
        """The classes without a label in the project: Label Studio shows their boxes without one, or not at all."""
        return [] if self.labels is None else sorted(set(classes) - self.labels)


def read_tasks(body: bytes) -> Tasks:
    """The tasks of a request.

    Raises:
        Refusal: 400.
    """
    try:
        return read_json(Tasks, body)
    except Refusal as refusal:
        hint = "an image is sent as it is, or as a file of a form: curl --data-binary @part.png"
        raise Refusal(400, f"expected tasks of Label Studio in JSON: {refusal.message}; {hint}") from None


def read_names(label_config: str | None) -> Names:
    """The names in a project's configuration; without one, those of Label Studio's template.

    Raises:
        Refusal: 400: no XML, or one that declares entities.
    """
    if not label_config:
        return Names()
    if len(label_config) > _MAX_CONFIG:
        raise Refusal(400, f"label_config: expected at most {_MAX_CONFIG:,} characters, got {len(label_config):,}")
    tags: list[tuple[str, dict[str, str]]] = []
    inside: list[str] = []

    def refuse(*_about: object) -> int:
        raise Refusal(400, "label_config: expected plain XML, got the declaration of an entity")

    def start(tag: str, attributes: dict[str, str]) -> None:
        inside.append(attributes.get("name", "") if tag == "RectangleLabels" else inside[-1] if inside else "")
        tags.append((tag, {**attributes, "": inside[-1]}))

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: inside.pop()
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(label_config.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise Refusal(400, f"label_config: {error}") from None
    boxes = next((each for tag, each in tags if tag == "RectangleLabels" and {"name", "toName"} <= set(each)), None)
    if boxes is None:
        raise Refusal(400, "label_config: expected <RectangleLabels name=... toName=...>, got none")
    image = next((each for tag, each in tags if tag == "Image" and each.get("name") == boxes["toName"]), {})
    field = image.get("value", "$image").removeprefix("$")
    own = [each for tag, each in tags if tag == "Label" and each[""] == boxes["name"]]
    labels = frozenset(each[key] for each in own for key in ("value", "alias") if key in each)
    has_unknown = any(each.get("value") == UNKNOWN for each in own)
    about = {"from_name": boxes["name"], "to_name": boxes["toName"], "field": field}
    return Names(**about, has_unknown=has_unknown, labels=None if "value" in boxes else labels)


class Images:
    """The files of one folder by the end of their addresses; listed when the service starts and when a name is missing.

    Args:
        folder: None: none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock, self._listed_at = threading.Lock(), float("-inf")
        self._files: dict[str, Path] = {}

    def read(self, address: Any, most_bytes: int) -> bytes:
        """The bytes of the image of a task; touches a disk, so it runs in a thread.

        Raises:
            Refusal: 400: neither an image in the address itself, nor a name in the folder; 413: too large.
        """
        if not isinstance(address, str) or not address:
            raise Refusal(400, "expected a task with the address of its image")
        if address.startswith("data:"):
            return _inline(address)
        path = self._find(address) if len(address) <= _MAX_ADDRESS else None
        if path is None:
            uploads = "; start with --images and Label Studio's folder media, where its uploads are"
            hint = uploads if "upload/" in address else ""
            raise Refusal(400, f"expected data:image/...;base64,... or a file of --images, got {address!r:.200}{hint}")
        try:
            return read_regular(path, most_bytes)
        except OSError as error:
            if error.errno == errno.EFBIG:
                said = f"{path.name}: expected at most {most_bytes:,} bytes; raise --request-mb"
                raise Refusal(413, said) from None
            raise Refusal(400, f"{path.name}: {error.strerror}") from None

    def _find(self, address: str) -> Path | None:
        name = _name(address)
        with self._lock:
            found = self._longest(name)
            if found is None and self._folder is not None and time.monotonic() - self._listed_at > _LIST_AGAIN_S:
                self._files = _listed(self._folder)
                self._listed_at = time.monotonic()
                found = self._longest(name)
        return found

    def _longest(self, name: str) -> Path | None:
        """The file that shares the longest end, of whole parts, with a name."""
        parts = name.split("/")
        return next(
            (self._files[end] for at in range(len(parts)) if (end := "/".join(parts[at:])) in self._files), None
        )


def prediction(result: Result, names: Names, version: str) -> dict[str, Any]:
    """A result as Label Studio's prediction; boxes in percent.

    A part that is rejected without a box of a class, as unknown, has the regions that are unlike normal ones, or all of
    the image. Where the project has no label for them they have none: Label Studio takes no others, and whoever accepts
    such a prediction as it is has no normal image of it.
    """
    height, width = result.size_hw
    about = {"from_name": names.from_name, "to_name": names.to_name, "type": "rectanglelabels"}
    size = {"original_width": width, "original_height": height, "image_rotation": 0}
    rows = zip(result.bboxes_xyxy.tolist(), result.class_names, result.scores.tolist(), strict=True)
    marks: list[_Mark] = [(place, [name], score, {}) for place, name, score in rows]
    is_unknown = result.anomaly is not None and result.anomaly.is_unknown
    if is_unknown or (result.verdict == REJECT and not result.counted.any()):
        marks += _unknown(result, [UNKNOWN] if names.has_unknown else [])
    regions = []
    for (x1, y1, x2, y2), labels, score, more in marks:
        box = {"x": x1 / width, "y": y1 / height, "width": (x2 - x1) / width, "height": (y2 - y1) / height}
        value: dict[str, Any] = {key: 100 * part for key, part in box.items()}
        value |= {"rotation": 0, "rectanglelabels": labels}
        regions.append({**about, **size, "value": value, "score": score, **more})
    score = max([result.part_score, *(one["score"] for one in regions if "meta" in one)])
    return {"result": regions, "score": score, "model_version": version}


def _unknown(result: Result, labels: list[str]) -> list[_Mark]:
    """What is unlike normal parts, with the reason as a note; all of the image where no place of it is known."""
    height, width = result.size_hw
    anomaly, reason = result.anomaly, "; ".join(result.reasons or result.warnings)
    score = 0.0 if anomaly is None else anomaly.part_score
    places = [list(region.bbox_xyxy) for region in (() if anomaly is None else anomaly.regions)]
    return [(place, labels, score, {"meta": {"text": [reason]}}) for place in places or [[0, 0, width, height]]]


def _inline(address: str) -> bytes:
    head, comma, text = address.partition(",")
    if not comma or not head.endswith(";base64"):
        raise Refusal(400, "expected data:image/...;base64,... as the address of an image")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(400, "expected Base64 in the address of an image") from None


def _name(address: str) -> str:
    """The path in an address, with forward slashes."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    local = parse_qs(parts.query).get("d", [""])[0]
    return (local or unquote(parts.path)).replace("\\", "/").strip("/")


def _listed(folder: Path) -> dict[str, Path]:
    """Regular files below a folder by their relative names; hidden ones and links to other places are left out."""
    found: dict[str, Path] = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(root, name)
            if len(found) < _MAX_LISTED and not name.startswith(".") and path.is_file() and not path.is_symlink():
                found[path.relative_to(folder).as_posix()] = path
    return found
