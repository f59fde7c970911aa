"""Label Studio's export "JSON", a list of tasks, boxes in percent; "JSON-MIN" is brought into its form.

Source: https://labelstud.io/guide/task_format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from anomdet.formats.accounting import take_unlabelled, take_unused
from anomdet.formats.dataset import (
    NOTHING,
    Box,
    Dataset,
    Findings,
    Phrase,
    Picture,
    Source,
    add_box,
    around_ellipse,
    enclosing,
    rotated,
)
from anomdet.formats.image_files import ImageFiles
from anomdet.formats.json_files import entries, numbers_of, points_of, read_json, size_of, write_json
from anomdet.formats.labelstudio_images import drafts, drawn_on, image_paths, names_below
from anomdet.formats.labelstudio_min import full_tasks, is_min
from anomdet.formats.pictures import base_name, files_in, measure
from anomdet.formats.xml_files import escape
from anomdet.layout import SPLITS

_WITH_BOX = ("rectanglelabels", "ellipselabels", "polygonlabels", "labels")
_PLACES = frozenset({"x", "y", "points", "vertices", "rle", "imageDataURL"})
_HINT = "export it as 'JSON' or 'JSON-MIN'"
_SEVERAL = "the export does not say which one a box is on; make a task of each image, and export them again"
_OF_IMAGES = ("choices", "taxonomy")  # they may name a defect of the whole image
_Xywh = tuple[float, float, float, float]


def read(source: Source) -> Dataset:
    """A JSON export, or a folder with one and the images."""
    dataset = Dataset()
    path = source.path
    if path.is_dir():
        found = files_in(path, "*.json")
        if len(found) != 1:
            got = Phrase(f"{len(found)} of them")
            source.findings.problem(str(path), "one JSON file", got, "name the JSON file itself")
            return dataset
        path = found[0]
    where = source.name(path)
    content = read_json(path, where, source.findings)
    if content is None:
        return dataset
    if not isinstance(content, list):
        source.findings.problem(where, "a list of tasks", Phrase(type(content).__name__), _HINT)
        return dataset
    content = full_tasks(content) if is_min(content) else content
    beside = [path.parent / "images", *([path.parent] if source.path.is_dir() else [])]
    flat = [] if source.images or source.path.is_dir() else [path.parent]
    files = ImageFiles([source.images] if source.images else beside, source.findings, flat=flat)
    tasks = list(entries({"": content}, "", where, source.findings))
    field = drawn_on([task for task, _ in tasks])
    image_names = names_below([image_paths(task.get("data"), field) for task, _ in tasks])
    for (task, place), name in zip(tasks, image_names, strict=True):
        fields = image_paths(task.get("data"), field)
        if len(set(fields.values())) > 1:
            got = Phrase(f"{len(fields)}: {', '.join(fields)}")
            source.findings.problem(f"{place}.data", "the address of one image", got, _SEVERAL)
        elif "annotations" in task or "completions" in task:
            _task(task, place, name, dataset, source, files)
        else:
            source.findings.problem(place, "a task with annotations", Phrase("none"), _HINT)
    take_unused(files, "image without a task", dataset, source)
    return dataset


def _task(task: dict, place: str, name: str, dataset: Dataset, source: Source, files: ImageFiles) -> None:
    findings, where = source.findings, place.split(": ")[0]
    data = task.get("data")
    if not name:
        findings.problem(f"{place}.data", "the address of an image", NOTHING if data is None else data)
        return
    owner = f"{where}: {name}"
    predictions = task.get("predictions")
    findings.note("prediction", "left out", owner, len(predictions) if isinstance(predictions, list) else 0)
    split = str(data.get("split", "")) if isinstance(data, dict) else ""
    picture = Picture(name, place, split=split if split in SPLITS else "")
    path = files.find(dict.fromkeys((name, base_name(name))), place)
    files.use(picture, path, name)
    picture.file_name = name
    results = _results(task, place, picture, owner, findings)
    if results is None:
        take_unlabelled(picture, "task without a submitted annotation", dataset, source)
        return
    dataset.pictures.append(picture)
    labelled = {result.get("id") for result, _ in results if str(result.get("type")).endswith("labels")}
    for result, result_place in sorted(results, key=lambda one: one[0].get("type") in _OF_IMAGES):
        what = f"result of type {result.get('type')!r}"
        if result.get("id") in labelled and not str(result.get("type")).endswith("labels"):
            findings.note(what, "left out: its object has a box", owner)
        elif result.get("type") in _OF_IMAGES and not picture.boxes:
            findings.leave_out(picture, what, owner)
        else:
            _result(result, result_place, picture, owner, findings)


def _results(task: dict, place: str, picture: Picture, owner: str, findings: Findings) -> list[tuple[dict, str]] | None:
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
    truth = next((one for one in submitted if one[0].get("ground_truth")), None)
    annotation, annotation_place = truth or submitted[0]
    results = list(entries(annotation, "result", annotation_place, findings))
    if not results and truth is None and any(one.get("result") for one, _ in submitted):
        findings.leave_out(picture, "annotation of a second opinion, where the first marks nothing", owner)
    num_drafts = len(drafts(task))
    if num_drafts and not results:
        findings.leave_out(picture, "draft that marks something, where the annotation marks nothing", owner)
    else:
        findings.note("draft", "left out", owner, num_drafts)
    return results


def _result(result: dict, place: str, picture: Picture, owner: str, findings: Findings) -> None:
    value, kind = result.get("value"), str(result.get("type"))
    if kind == "relation":
        findings.note("relation", "left out", owner)
        return
    if not isinstance(value, dict):
        findings.problem(f"{place}.value", "an object", NOTHING if value is None else value)
        return
    if not kind.endswith("labels") and not _PLACES & value.keys():
        findings.note(f"result of type {kind!r}", "left out: it marks no place", owner)
        return
    labels = value.get(kind)
    if not labels or (_percent(kind, value) is None and kind not in _WITH_BOX):
        findings.leave_out(picture, f"result of type {kind!r}" if labels else "mark without a label", owner)
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
        x, y, width, height = _turned(kind, (x, y, width, height), turn[0])
        findings.note("rotated box", "the upright box around it kept", owner)
    for label in labels:
        add_box(picture, Box(label, x, y, width, height, place), findings)
    findings.note("object with several labels", "a box for each", owner, int(len(labels) > 1))
    findings.note(f"shape {kind!r}", "only its box kept", owner, int(kind not in ("rectanglelabels", "labels")))
    findings.note("rotated image", "boxes taken as they are", owner, int(bool(result.get("image_rotation"))))


def _percent(kind: str, value: dict) -> _Xywh | None:
    """x, y, width, height in percent of the image's size; None where there are none."""
    if kind not in _WITH_BOX or kind == "polygonlabels":
        points = points_of(value.get("points") or _vertices(value))
        return enclosing(points) if points and len(set(points)) > 1 else None
    keys = ("x", "y", "radiusX", "radiusY") if kind == "ellipselabels" else ("x", "y", "width", "height")
    numbers = numbers_of([value.get(key) for key in keys], 4)
    if numbers is None:
        return None
    x, y, width, height = numbers
    return (x - width, y - height, 2 * width, 2 * height) if kind == "ellipselabels" else (x, y, width, height)


def _turned(kind: str, xywh: _Xywh, degrees: float) -> _Xywh:
    """The upright box around a shape: an ellipse is turned about its centre, a rectangle about its top-left corner."""
    x, y, width, height = xywh
    if kind == "ellipselabels":
        return around_ellipse((x + width / 2, y + height / 2), (width / 2, height / 2), degrees)
    return rotated(x, y, width, height, degrees, about_center=False)


def _vertices(value: dict) -> list | None:
    """Points as the vector tool writes them."""
    found = value.get("vertices")
    return [[one.get("x"), one.get("y")] for one in found if isinstance(one, dict)] if isinstance(found, list) else None


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


def prediction_task(
    number: int, picture: Picture, names: dict[int, str], scores: Sequence[float], model: str
) -> dict[str, Any]:
    """A task to import, with a detector's boxes as a prediction: shown to whoever labels the image.

    Args:
        number: of the task.
        picture: with the predicted boxes.
        names: of the classes.
        scores: of the boxes.
        model: name of the detector.
    """
    task = _task_json(number, picture, names)
    (annotation,) = task.pop("annotations")
    results = [result | {"score": score} for result, score in zip(annotation["result"], scores, strict=True)]
    task["predictions"] = [{"model_version": model, "score": max(scores, default=0.0), "result": results}]
    return task


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
