"""Images that a label file holds itself, as labelme's ``imageData``: written out, with their bytes as they are."""

from __future__ import annotations

import base64
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anomdet.formats.dataset import Phrase, Picture, Source
from anomdet.formats.json_files import below
from anomdet.formats.pictures import base_name, is_text
from anomdet.images.headers import BadImageError, read_header
from anomdet.images.limits import MAX_IMAGE_MEGAPIXELS, check_size

_MAX_BYTES = 1 << 30
_SUFFIXES = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "bmp": ".bmp", "tiff": ".tif"}
_SAME = {".jpeg": ".jpg", ".tiff": ".tif"}
_REMEDY = "save it as a file beside the labels"
_HINT = "save the image as a file beside it, or leave the images out with --no-images"


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """A folder, not made yet, for images that label files hold; removed at the end.

    Args:
        beside: the folder of the output, so that what is written can be linked into it.
    """
    parent = next(folder for folder in (beside, *beside.absolute().parents) if folder.is_dir())
    folder = parent / f".{beside.name}.{secrets.token_hex(4)}.images"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def take_embedded(content: dict, stem: str, picture: Picture, source: Source) -> None:
    """Give an image without a file the image that its label file holds, if it holds one, in place.

    Args:
        content: of the label file; ``imageData`` is the image in base64, ``imagePath`` the name that it had.
        stem: name of the label file below the source, without its suffix.
        picture: gets the path, and the name that it had with the suffix of what it is.
        source: says where to write it; takes the note or the problem.
    """
    text, where = content.get("imageData"), below(picture.where, "imageData")
    if not text or source.scratch is None:
        return
    data = _decoded(text)
    if data is None:
        source.findings.problem(where, "an image in base64", text, _HINT)
        return
    try:
        header = read_header(lambda offset, size: data[offset : offset + size], len(data))
        check_size(header, MAX_IMAGE_MEGAPIXELS, remedy=_REMEDY)
    except BadImageError as error:
        source.findings.problem(where, "a readable image", Phrase(error), _HINT)
        return
    suffix = _SUFFIXES[header.kind]
    path = source.scratch / f"{stem}{suffix}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
    except OSError as error:
        got = Phrase(f"{source.scratch.parent} ({error.strerror or error})")
        source.findings.problem(where, "a folder with room for the image", got)
        return
    folder, slash, own = stem.rpartition("/")
    picture.path, picture.file_name = path, f"{folder}{slash}{_name(content.get('imagePath'), own, suffix)}"
    source.findings.note("image that is in its label file alone", "written out", picture.where)


def _decoded(text: Any) -> bytes | None:
    if not isinstance(text, str) or len(text) > _MAX_BYTES:
        return None
    text = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        return None


def _name(given: Any, own: str, suffix: str) -> str:
    """The last part of a path with the suffix of the content; the label file's own name where that is no file name."""
    base = base_name(given).strip() if isinstance(given, str) else ""
    stem, _, end = base.rpartition(".")
    if not stem or stem.startswith(".") or not is_text(base) or len(base.encode()) > 200:
        return f"{own}{suffix}"
    same = _SAME.get(f".{end}".lower(), f".{end}".lower()) == suffix
    return base if same else f"{stem}{suffix}"
