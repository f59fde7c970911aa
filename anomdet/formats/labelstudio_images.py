"""Which image a task of Label Studio's is about: the addresses in its data, and the names that they give."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from anomdet.formats.pictures import is_image

_DRIVE = re.compile(r"^[A-Za-z]:(?=/)")


def drawn_on(tasks: list[dict]) -> str:
    """The one field of the data that all results are drawn on, as far as their names say so; empty: unknown."""
    found = {str(result["to_name"]) for task in tasks for result in _all_results(task) if "to_name" in result}
    return found.pop() if len(found) == 1 else ""


def _all_results(task: dict) -> Iterator[dict]:
    for annotation in _dicts(task.get("annotations") or task.get("completions")):
        yield from _dicts(annotation.get("result"))


def drafts(task: dict) -> list[dict]:
    """What annotators of a task drew and did not submit; those that mark nothing are left out."""
    return [draft for draft in _dicts(task.get("drafts")) if draft.get("result")]


def _dicts(found: Any) -> list[dict]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def names_below(fields: list[dict[str, str]]) -> list[str]:
    """The image's name below the folder of the images, of each task; empty where it has none.

    The last part of an address; as much more of it as distinguishes it where two addresses end alike.
    """
    paths = [next(iter(paths.values()), "") for paths in fields]
    distinct = list(dict.fromkeys(path for path in paths if path))
    depth = dict.fromkeys(distinct, 1)
    while True:
        names = {path: "/".join(path.split("/")[-depth[path] :]) for path in distinct if not path.startswith("./")}
        uses = Counter(names.values())
        grow = [path for path, name in names.items() if uses[name] > 1 and depth[path] < path.count("/") + 1]
        if not grow:
            return [names.get(path, path.removeprefix("./")) for path in paths]
        for path in grow:
            depth[path] += 1


def image_paths(data: Any, field: str) -> dict[str, str]:
    """Fields that hold the address of an image, with its path; only the one that all results are drawn on, if known."""
    fields = data if isinstance(data, dict) else {}
    paths = {key: path for key, value in fields.items() if isinstance(value, str) and (path := _image_path(value))}
    return {field: paths[field]} if field in paths else paths


def _image_path(address: str) -> str:
    """The path in an address, empty if it is not of an image; ``./`` before one below the folder of the images."""
    parts = _split_address(address)
    query = parse_qs(parts.query)
    if local := _DRIVE.sub("", query.get("d", [""])[0].replace("\\", "/")).lstrip("/"):
        return f"./{local}" if is_image(local) else ""
    path = unquote(parts.path)
    if not is_image(path) and "fileuri" in query:  # Label Studio's own address of a file in a bucket
        path = unquote(_split_address(_decoded(query["fileuri"][0])).path)
    elif not parts.scheme and not address.startswith("/data/"):
        path = address
    return path.replace("\\", "/").strip("/") if is_image(path) else ""


def _split_address(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:  # as http://[x/a.png
        return SplitResult("", "", address, "", "")


def _decoded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8")
    except ValueError:
        return ""
