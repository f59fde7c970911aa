"""Label Studio's JSON export: a list of tasks; boxes in percent. Source: https://labelstud.io/guide/task_format."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from anomdet.formats.dataset import (
    NOTHING,
    Box,
    Dataset,
    Findings,
    Phrase,
    Picture,
    Source,
    add_box,
    enclosing,
    rotated,
)
from anomdet.formats.json_files import entries, numbers_of, points_of, read_json, size_of, write_json
from anomdet.formats.pictures import base_name, find_image, is_image, measure
from anomdet.formats.xml_files import escape
from anomdet.layout import SPLITS

_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
_Xywh = tuple[float, float, float, float]


def read(source: Source) -> Dataset:
    """A JSON export, or a folder with one and the images."""
    dataset = Dataset()
    path = source.path
    if path.is_dir():
        found = sorted(path.glob("*.json"))
        if len(found) != 1:
            got = Phrase(f"{len(found)} of them")
            source.findings.problem(str(path), "one JSON file", got, "name the JSON file itself")
            return dataset
        path = found[0]
    where = source.name(path)
    content = read_json(path, where, source.findings)
    if content is None:
        return dataset
    roots = [source.images] if source.images is not None else [path.parent / "images", path.parent]
    hint = "export it as 'JSON', not as JSON-MIN"
    if not isinstance(content, list):
        source.findings.problem(where, "a list of tasks", Phrase(type(content).__name__), hint)
        return dataset
    for task, place in entries({"": content}, "", where, source.findings):
        if "annotations" in task or "completions" in task:
            _task(task, place, where, roots, dataset, source.findings)
        else:
            source.findings.problem(place, "a task with annotations", Phrase("none"), hint)
    return dataset


def _task(task: dict, place: str, where: str, roots: list[Path], dataset: Dataset, findings: Findings) -> None:
    name, picture_split = _image_name(task.get("data"), place, findings)
    if name is None:
        return
    owner = f"{where}: {name}"
    predictions = task.get("predictions")
    findings.note("prediction", "left out", owner, len(predictions) if isinstance(predictions, list) else 0)
    results = _results(task, place, owner, findings)
    if results is None:
        findings.note("task without a submitted annotation", "left out as not labelled", owner)
        return
    guesses = [name, base_name(name), _UPLOAD.sub("", base_name(name))]
    path = find_image(guesses, roots)
    picture = Picture(name, place, path, split=picture_split)
    dataset.pictures.append(picture)
    for result, result_place in results:
        _result(result, result_place, picture, owner, findings)


def _image_name(data: Any, place: str, findings: Findings) -> tuple[str | None, str]:
    """The image's name below the folder of the images, from its address; and the split that we wrote."""
    values = list(data.values()) if isinstance(data, dict) else []
    address = next((value for value in values if isinstance(value, str) and is_image(unquote(value))), None)
    if address is None:
        findings.problem(f"{place}.data", "the address of an image", NOTHING if data is None else data)
        return None, ""
    split = str(data.get("split", ""))
    parts = urlsplit(address)
    local = parse_qs(parts.query).get("d", [""])[0]
    if local:
        return local.replace("\\", "/").lstrip("/"), split if split in SPLITS else ""
    plain = unquote(parts.path) if parts.scheme or address.startswith("/data/") else address
    return base_name(plain), split if split in SPLITS else ""


def _results(task: dict, place: str, owner: str, findings: Findings) -> list[tuple[dict, str]] | None:
    """The results of one submitted annotation: the ground truth if one is marked, else the first."""
    key = "annotations" if "annotations" in task else "completions"
    submitted = [
        (annotation, annotation_place)
        for annotation, annotation_place in entries(task, key, place, findings)
        if not annotation.get("was_cancelled") and not annotation.get("skipped")
    ]
    if not submitted:
        return None
    findings.note("further annotation of a task", "left out", owner, len(submitted) - 1)
    annotation, annotation_place = next((one for one in submitted if one[0].get("ground_truth")), submitted[0])
    return list(entries(annotation, "result", annotation_place, findings))


def _result(result: dict, place: str, picture: Picture, owner: str, findings: Findings) -> None:
    value, kind = result.get("value"), str(result.get("type"))
    if not isinstance(value, dict):
        findings.problem(f"{place}.value", "an object", NOTHING if value is None else value)
        return
    labels = value.get(kind)
    if not kind.endswith("labels") or kind in ("brushlabels", "keypointlabels") or not labels:
        findings.note(f"result of type {kind!r}", "left out: it has no labelled box", owner)
        return
    size = size_of(result, ("original_width", "original_height"), place, findings)
    if size[0] and picture.width and size != (picture.width, picture.height):
        got = Phrase(f"{size[0]} x {size[1]}")
        findings.problem(place, f"the image's size {picture.width} x {picture.height} (width x height)", got)
        return
    picture.width, picture.height = size if size[0] else (picture.width, picture.height)
    if not picture.width and not measure(picture, findings):
        findings.problem(f"{place}.original_width", "the image's size", NOTHING, "name its folder with --images")
        return
    percent = _percent(kind, value)
    if percent is None or not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        expected = "x, y, width, height in percent and a list of labels"
        findings.problem(f"{place}.value", expected, value)
        return
    x, y, width, height = _pixels(percent, picture)
    turn = numbers_of([value.get("rotation") or 0], 1)
    if turn and turn[0] % 360:
        x, y, width, height = rotated(x, y, width, height, turn[0], about_center=False)
        findings.note("rotated box", "the upright box around it kept", owner)
    for label in labels:
        add_box(picture, Box(label, x, y, width, height, place), findings)
    findings.note("object with several labels", "a box for each", owner, int(len(labels) > 1))
    findings.note(f"shape {kind!r}", "only its box kept", owner, int(kind not in ("rectanglelabels", "labels")))
    findings.note("rotated image", "boxes taken as they are", owner, int(bool(result.get("image_rotation"))))


def _percent(kind: str, value: dict) -> _Xywh | None:
    """x, y, width, height in percent of the image's size."""
    if kind == "polygonlabels":
        points = points_of(value.get("points"))
        return enclosing(points) if points else None
    keys = ("x", "y", "radiusX", "radiusY") if kind == "ellipselabels" else ("x", "y", "width", "height")
    numbers = numbers_of([value.get(key) for key in keys], 4)
    if numbers is None:
        return None
    x, y, width, height = numbers
    return (x - width, y - height, 2 * width, 2 * height) if kind == "ellipselabels" else (x, y, width, height)


def _pixels(percent: _Xywh, picture: Picture) -> _Xywh:
    x, y, width, height = percent
    scale_x, scale_y = picture.width / 100, picture.height / 100
    return x * scale_x, y * scale_y, width * scale_x, height * scale_y


def write(dataset: Dataset, out: Path) -> None:
    """tasks.json for local storage, and label_config.xml for the project's labelling interface."""
    tasks = [_task_json(number, picture, dataset.names) for number, picture in enumerate(dataset.pictures, start=1)]
    write_json(out / "tasks.json", tasks)
    labels = "".join(f'    <Label value="{escape(name)}"/>\n' for name in dataset.names.values())
    config = (
        f'<View>\n  <Image name="image" value="$image"/>\n  <RectangleLabels name="label" toName="image">\n{labels}'
    )
    (out / "label_config.xml").write_text(f"{config}  </RectangleLabels>\n</View>\n", encoding="utf-8")


def _task_json(number: int, picture: Picture, names: dict[int, str]) -> dict[str, Any]:
    data = {"image": f"/data/local-files/?d={quote(picture.file_name)}"}
    if picture.split:
        data["split"] = picture.split
    results = [_result_json(f"{number}_{i}", box, picture, names) for i, box in enumerate(picture.boxes, start=1)]
    return {"id": number, "data": data, "annotations": [{"result": results, "was_cancelled": False}]}


def _result_json(key: str, box: Box, picture: Picture, names: dict[int, str]) -> dict[str, Any]:
    scale_x, scale_y = 100 / picture.width, 100 / picture.height
    place = {"x": box.x * scale_x, "y": box.y * scale_y, "width": box.width * scale_x, "height": box.height * scale_y}
    return {
        "id": key,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": picture.width,
        "original_height": picture.height,
        "image_rotation": 0,
        "value": {**place, "rotation": 0, "rectanglelabels": [names[int(box.label)]]},
    }
