"""Where images come from: files, folders, globs, lists, names on a stream, videos, cameras, arrays.

Items are made one by one and in a fixed order: a million images take no more memory than ten.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from anomdet.errors import Problem, UserError
from anomdet.images.read_header import IMAGE_SUFFIXES
from anomdet.inference.folders import LeftOut, folder_items, is_image, output_key
from anomdet.inference.item import Item, file_item, special_kind
from anomdet.inference.lists import LIST_SUFFIXES, check_list, list_items, named_item
from anomdet.inference.pixels import TO_ARRAY, check_channels, is_one_image, is_pil, is_tensor, loaded
from anomdet.inference.video import (
    VIDEO_SUFFIXES,
    camera_hint,
    camera_items,
    check_every,
    check_video,
    is_address,
    video_items,
)
from anomdet.inference.video import without_password as without_password

STDIN = "-"
_EXPECTED = "a path, an address, a numpy array or a PIL image"
Source: TypeAlias = Any
"""A path, glob, address or ``-`` as text or Path; a numpy array or PIL image; or an iterable of these."""


@dataclass(frozen=True)
class Sources:
    """What was given, checked.

    Args:
        makers: of the items, in order; each can be run again, unless it is ``live``.
        live: items come when they come: names on a stream, a camera.
        places: files and folders that are read, which no output may touch.
        countable: whether the number of items can be found out beforehand.
        left_out: counts files that are no images, as the items are made.
        has_list: whether a source is a list, which may name a file twice.
    """

    makers: tuple[Callable[[], Iterator[Item]], ...]
    live: bool
    places: tuple[Path, ...]
    countable: bool
    left_out: LeftOut = field(default_factory=LeftOut)
    has_list: bool = False

    def __iter__(self) -> Iterator[Item]:
        self.left_out.clear()
        seen: set[str] | None = set() if len(self.makers) > 1 or self.has_list else None
        for make in self.makers:
            for item in make():
                if seen is not None:
                    if item.key in seen:  # the same file by two sources, or twice in a list, is judged once
                        continue
                    seen.add(item.key)
                yield item

    def count(self) -> int | None:
        """How many items there are, found by looking through all of them; None if nobody knows."""
        return sum(1 for _ in self) if self.countable and not self.live else None


def open_sources(
    sources: Source | Sequence[Source],
    *,
    every: int = 1,
    stdin: Iterable[str] | None = None,
    channels: str = "rgb",
) -> Sources:
    """Look at what was given; nothing is decoded yet.

    Args:
        sources: one or several.
        every: take each so many-th frame of videos and cameras.
        stdin: lines with a name each, for the source ``-``.
        channels: ``rgb`` or ``bgr``, of arrays.

    Raises:
        UserError: all problems at once.
    """
    check_channels(channels)
    is_one = is_one_image(sources)  # an array of several is none
    if isinstance(sources, (bytes, bytearray)) or is_tensor(sources) or not (is_one or isinstance(sources, Iterable)):
        hint = TO_ARRAY if is_tensor(sources) else ""
        raise UserError(Problem("SOURCE", f"{_EXPECTED}, or several of them", type(sources).__name__, hint))
    given = [sources] if is_one else sources
    if isinstance(given, Iterator):  # arrays or paths that come from a generator
        return Sources((lambda: _generated(given, channels),), live=False, places=(), countable=False)
    opened = [_open(source, stdin, channels, number) for number, source in enumerate(given)]
    problems = [source for source in opened if isinstance(source, Problem)]
    found = [source for source in opened if isinstance(source, _Opened)]
    if not opened:
        problems.append(Problem("SOURCE", "at least one image, folder, list, video or camera", "nothing"))
    every_problem = check_every(every, has_video=any(source.kind in ("video", "camera") for source in found))
    if every_problem and not (problems and isinstance(every, Integral) and every > 1):
        problems.append(every_problem)
    if problems:
        raise UserError(problems)
    left_out, base = LeftOut(), _base([source.folder for source in found if source.folder])
    stems = _video_stems([output_key(source.value, base) for source in found if source.kind == "video"])
    makers = [partial(_items, source, base, every, left_out, stems) for source in found]
    places = tuple(Path(place) for source in found for place in source.places)
    live = any(source.kind in ("stdin", "camera") for source in found)
    kinds = {source.kind for source in found}
    return Sources(tuple(makers), live, places, "video" not in kinds, left_out, "list" in kinds)


@dataclass(frozen=True)
class _Opened:
    """A source that was looked at; ``folder`` is what keys of its files are relative to."""

    kind: str
    value: Any
    folder: str = ""
    places: tuple[str, ...] = ()


def _generated(given: Iterator[Source], channels: str) -> Iterator[Item]:
    for number, source in enumerate(given):
        if isinstance(source, (str, os.PathLike)):
            path = os.fspath(source)
            yield file_item(path, output_key(path, os.getcwd()))  # noqa: PTH109
        else:
            yield _array_item(_kept(source), number, channels)


def _kept(pixels: Any) -> Any:
    """Pixels that stay as they are while the generator goes for the next image: cameras write it into the same memory,
    and ``with Image.open(path) as image: yield image`` closes a file that was not read."""
    if isinstance(pixels, np.ndarray):
        return pixels.copy()
    return loaded(pixels) if is_pil(pixels) else pixels


def _array_item(pixels: Any, number: int, channels: str) -> Item:
    return Item(None, f"array_{number:06d}", lambda _reading: pixels, channels=channels)


def _open(source: Source, stdin: Iterable[str] | None, channels: str, number: int) -> _Opened | Problem:
    if not isinstance(source, (str, os.PathLike)):
        if isinstance(source, np.ndarray) or is_pil(source):
            return _Opened("array", _array_item(source, number, channels))
        return Problem("SOURCE", _EXPECTED, type(source).__name__, TO_ARRAY if is_tensor(source) else "")
    path = os.fspath(source)
    if path == STDIN:
        if stdin is None:
            return Problem(
                "SOURCE", "names of images on a stream for the source '-'", "none", "give a list of the names"
            )
        return _Opened("stdin", stdin)
    if is_address(path):
        return check_video(path, without_password(path)) or _Opened("camera", path)
    if os.path.isdir(path):  # noqa: PTH112
        return _open_folder(path)
    if os.path.lexists(path):
        return _open_file(path)
    return _open_glob(path) if glob.has_magic(path) else _not_there(path)


def _open_folder(path: str) -> _Opened | Problem:
    found = next(folder_items(path, os.path.abspath(path), LeftOut()), None)  # noqa: PTH100
    if found is None:
        return Problem("SOURCE", "a folder with images", f"{path!r}, where no name ends in {', '.join(IMAGE_SUFFIXES)}")
    return _Opened("folder", path, os.path.abspath(path), (path,))  # noqa: PTH100


def _open_file(path: str) -> _Opened | Problem:
    if not os.path.exists(path):  # noqa: PTH110
        return Problem("SOURCE", "a file that is there", f"{path!r}, a link to nothing")
    if not os.path.isfile(path):  # noqa: PTH113
        got = f"{path!r}, {special_kind(os.stat(path).st_mode)}"  # noqa: PTH116
        return Problem("SOURCE", "a regular file or a folder", got, camera_hint(path))
    suffix, folder = os.path.splitext(path)[1].lower(), os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120, PTH122
    if suffix in IMAGE_SUFFIXES:
        return _Opened("file", path, folder, (path,))
    if suffix in VIDEO_SUFFIXES:
        return check_video(path, path) or _Opened("video", path, folder, (path,))
    if suffix in LIST_SUFFIXES:
        return check_list(path) or _Opened("list", path, places=(path,))
    known = ", ".join((*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LIST_SUFFIXES))
    return Problem("SOURCE", f"an image, a video or a list ({known})", repr(path))


def _open_glob(pattern: str) -> _Opened | Problem:
    names = sorted(name for name in glob.iglob(pattern, recursive=True) if is_image(name))  # noqa: PTH207 (text)
    if not names:
        return Problem("SOURCE", "a pattern that matches images", f"{pattern!r}, which matches none")
    folder = os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in names])  # noqa: PTH100, PTH120
    return _Opened("glob", names, folder, (folder,))


def _not_there(path: str) -> Problem:
    import difflib

    folder, name = os.path.split(path)
    near: list[str] = []
    if os.path.isdir(folder or "."):  # noqa: PTH112
        near = difflib.get_close_matches(name, sorted(os.listdir(folder or "."))[:5000], n=1)  # noqa: PTH208
    hint = f"did you mean {os.path.join(folder, near[0])!r}?" if near else camera_hint(path)  # noqa: PTH118
    return Problem("SOURCE", "an image, folder, list, video, camera or pattern", f"{path!r}, which is not there", hint)


def _base(folders: list[str]) -> str:
    """What all folders have in common; on several drives, nothing: then keys are whole paths."""
    try:
        return os.path.commonpath(folders) if folders else os.getcwd()  # noqa: PTH109
    except ValueError:
        return os.getcwd()  # noqa: PTH109


def _video_stems(keys: list[str]) -> dict[str, str]:
    """What the frames of each video are called after: its name without the suffix; with it where another has that."""
    owner: dict[str, str] = {}
    stems = {key: os.path.splitext(key)[0] for key in keys}  # noqa: PTH122
    return {key: stem if owner.setdefault(stem, key) == key else key for key, stem in stems.items()}


def _items(source: _Opened, base: str, every: int, left_out: LeftOut, stems: dict[str, str]) -> Iterator[Item]:
    value = source.value
    if source.kind == "folder":
        yield from folder_items(value, base, left_out)
    elif source.kind == "file":
        yield file_item(value, output_key(value, base))
    elif source.kind == "glob":
        yield from (file_item(name, output_key(name, base)) for name in value)
    elif source.kind == "list":
        yield from list_items(value, base)
    elif source.kind == "stdin":
        yield from (named_item(line.rstrip("\r\n"), "", base) for line in value if line.strip())
    elif source.kind == "video":
        yield from video_items(value, stems[output_key(value, base)], every)
    elif source.kind == "camera":
        yield from camera_items(value, every)
    else:
        yield value
