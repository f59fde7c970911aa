"""Which image file an annotation means, and which images of the source no annotation means."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from anomdet.addresses import is_address
from anomdet.data.index.spelling import plain_spelling
from anomdet.formats.dataset import Findings, Phrase, Picture
from anomdet.formats.pictures import base_name, images_below, is_file, is_image
from anomdet.formats.upload_names import uploaded_spelling, without_upload_prefix

_REPEATED = "the names repeat, and the annotation gives no folder to distinguish them; rename them"
_BY_END = "image found by the end of its name"
_BY_OWN_NAME = "image found by its name without Label Studio's prefix"
_IMAGE_FOLDERS = ("images", "jpegimages", "image", "img", "imgs")


class ImageFiles:
    """The images below some folders.

    A name is looked up as it stands below each folder, else by the longest part of its end that one file alone has,
    else in another letter case, Unicode form or url-encoding, else without the prefix of Label Studio's uploads.

    Args:
        roots: folders, the likeliest first; those that are not there are passed over.
        findings: takes names that several files could be.
        flat: of these folders only the images directly in them are known.
    """

    def __init__(self, roots: Sequence[Path], findings: Findings, *, flat: Sequence[Path] = ()) -> None:
        self.roots = list(dict.fromkeys(root for root in (*roots, *flat) if root.is_dir()))
        self._flat = {root for root in flat if root not in roots}
        self._findings = findings
        self._used: dict[str, Picture] = {}
        self._copies: set[str] = set()
        self._by_name: dict[Callable[[str], str], dict[str, list[Path]]] = {}
        self._grouped_at: dict[tuple[int, int, Callable], dict[str, list[Path]]] = {}

    def find(self, names: Iterable[str], where: str, *, roots: Sequence[Path] = (), quiet: bool = False) -> Path | None:
        """The file that is meant; None if there is none, or if several could be, which is reported.

        Args:
            names: as the annotation gives them, the likeliest first.
            where: the annotation, for messages.
            roots: folders below which a name may stand as it is; empty: all.
            quiet: do not report that several could be meant.
        """
        names = [full for name in names if name for full in self._with_suffixes(_local(name))]
        for name in names:
            if (path := _exact(name, roots or self.roots)) is not None:
                return path
        own_names = [own for name in names if (own := without_upload_prefix(name))]
        several: list[Path] = []
        for spellings, key, what in (
            (names, str, _BY_END),
            (names, plain_spelling, _BY_END),
            (own_names, plain_spelling, _BY_OWN_NAME),
            (own_names, uploaded_spelling, _BY_OWN_NAME),
        ):
            for name in spellings:
                nearest = self._nearest(name, self._named(key).get(key(base_name(name)), []))
                if len(nearest) == 1:
                    self._findings.note(what, "taken as the one meant", where)
                    return nearest[0]
                several = several or nearest
            if several and not quiet:
                got = Phrase(f"{len(several)}: {', '.join(self.name(path) for path in several[:3])}")
                self._findings.problem(where, f"one image that {names[0]} can mean", got, _REPEATED)
            if several:
                break
        return None

    def _with_suffixes(self, name: str) -> list[str]:
        """A name; one without a suffix, as CVAT names the frames of a video, also with those that there are."""
        return [name] if is_image(name) else [name, *(f"{name}{suffix}" for suffix in self.suffixes)]

    def use(self, picture: Picture, path: Path | None, given: str) -> None:
        """Give an image its file and its name; a second image with that file is a problem.

        Args:
            picture: gets ``path``, and as ``file_name`` the given name where it fits the file, else the file's own.
            path: as :meth:`find` found it.
            given: the name in the annotation.
        """
        given = _local(given).removeprefix("./")
        picture.path, picture.file_name = path, given
        if path is None:
            return
        if not f"/{path.as_posix()}".endswith(f"/{given}"):
            picture.file_name = self.name(path)
        other = self._used.setdefault(_identity(path), picture)
        if other is not picture:
            got = Phrase(f"{self.name(path)}, as {other.where}")
            hint = "if both are of one image, put all objects into one of them; else an image file is missing"
            self._findings.problem(picture.where, "an image file of its own", got, hint)

    def name(self, path: Path) -> str:
        """The name below its root, without a folder as ``images`` in front of the rest."""
        root = next((root for root in self.roots if path.is_relative_to(root)), path.parent)
        return without_images_folder(path.relative_to(root).as_posix())

    def unused(self) -> Iterator[Path]:
        """Every image that no image has got, once."""
        seen = {os.path.realpath(path) for path in (*self._used, *self._copies)}
        for path in self._files:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield path

    @cached_property
    def _files(self) -> list[Path]:
        """All images, each once."""
        found: dict[str, Path] = {}
        for root in self.roots:
            names = _images_in(root) if root in self._flat else images_below(root)
            for name in names:
                found.setdefault(_identity(root / name), root / name)
        return list(found.values())

    @cached_property
    def suffixes(self) -> list[str]:
        """Of all images, as they are written, the most frequent first."""
        return [suffix for suffix, _ in Counter(path.suffix for path in self._files).most_common()]

    def _named(self, key: Callable[[str], str]) -> dict[str, list[Path]]:
        """The files by their names, spelled in one way."""
        if key not in self._by_name:
            self._by_name[key] = _grouped((key(path.name), path) for path in self._files)
        return self._by_name[key]

    def _nearest(self, name: str, candidates: list[Path]) -> list[Path]:
        """Those that share the longest end with a name; one of several that are copies."""
        if len(candidates) < 2:
            return candidates
        nearest = candidates
        for ends in (_lean_end, _end):
            nearest = self._sharing(ends(name.split("/")), nearest, ends)
        if len(nearest) > 1 and _are_copies(nearest):
            self._copies.update(_identity(path) for path in nearest[1:])
            return nearest[:1]
        return nearest

    def _sharing(
        self, parts: Sequence[str], candidates: list[Path], ends: Callable[[Sequence[str]], list[str]]
    ) -> list[Path]:
        """Those that share the longest end with some parts.

        A thousand folders with a file of one name each are grouped once by each part, not compared a thousand times.

        Args:
            parts: from the last one on.
            candidates: a list of an index or of earlier groups, which stay where they are.
            ends: makes such parts of those of a path.
        """
        for at, part in enumerate(parts):
            if len(candidates) < 2:
                break
            key = id(candidates), at, ends
            if key not in self._grouped_at:
                own = ((ends(path.parts), path) for path in candidates)
                self._grouped_at[key] = _grouped((one[at] if at < len(one) else "/", path) for one, path in own)
            found = self._grouped_at[key].get(part)
            if not found:
                break
            candidates = found
        return candidates


def _local(name: str) -> str:
    """A name with forward slashes; of an address its path, without a signature behind ``?``."""
    with suppress(ValueError):  # as http://[x/a.png
        name = unquote(urlsplit(name).path).lstrip("/") if is_address(name) else name
    return name.replace("\\", "/")


def _end(parts: Sequence[str]) -> list[str]:
    """The parts of a path, plainly spelled, from the last one on."""
    return [plain_spelling(part) for part in reversed(parts)]


def _lean_end(parts: Sequence[str]) -> list[str]:
    """The same without folders called as ``images``."""
    return [part for part in _end(parts) if part not in _IMAGE_FOLDERS]


def _exact(name: str, roots: Sequence[Path]) -> Path | None:
    if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        return None
    return next((path for root in roots if is_file(path := root / name)), None)


def without_images_folder(name: str) -> str:
    """A name without its last folder that is called as ``images``.

    >>> without_images_folder("train/images/line a/x.png")
    'train/line a/x.png'
    """
    parts = name.split("/")
    at = next((i for i in range(len(parts) - 2, -1, -1) if parts[i].lower() in _IMAGE_FOLDERS), None)
    return name if at is None else "/".join(parts[:at] + parts[at + 1 :])


def _images_in(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if is_image(name) and not name.startswith("."))  # noqa: PTH208


def _identity(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (links stay: two names of one file are two images)


def _grouped(pairs: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for key, path in pairs:
        groups[key].append(path)
    return dict(groups)


def _are_copies(paths: list[Path]) -> bool:
    """Whether the files are the same byte for byte, as where one image lies in the folder of each of its classes."""
    if len(paths) > 20 or len({path.stat().st_size for path in paths}) > 1:
        return False
    first = paths[0].read_bytes()
    return all(path.read_bytes() == first for path in paths[1:])
