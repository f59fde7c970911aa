"""Which YOLO label file belongs to which image, by the rule or another spelling, and which belong to none."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from anomdet.data.index.files import list_files
from anomdet.data.index.spelling import plain_spelling
from anomdet.formats.dataset import NOTHING, Phrase, Source, to_number
from anomdet.formats.foreign import text_kind
from anomdet.formats.pictures import is_file
from anomdet.formats.upload_names import uploaded_spelling, without_upload_prefix
from anomdet.formats.yolo_layout import Layout, is_list, without_folder
from anomdet.layout import HARD_NORMALS, SPLITS_DIR
from anomdet.strict_files import decode_text, read_regular

LONE_LABELS = "label file without an image"
_MAX_SHOWN = 3
_SKIP = "rename one of the two, or leave the images without labels out with --unlabelled skip"


def label_path(path: Path) -> Path:
    """Where labels lie: the last ``/images/`` replaced by ``/labels/``; else beside the image, as darknet has it."""
    before, found, after = os.fspath(path).rpartition("/images/")
    text = os.fspath(path.with_suffix(".txt"))
    if not found:
        return Path(text)
    mirrored = Path(f"{before}/labels/{after}").with_suffix(".txt")
    return mirrored if is_file(mirrored) or not is_file(text) else Path(text)


def pair_labels(images: Iterable[Path], layout: Layout, source: Source) -> dict[Path, Path]:
    """Image to label file, for the images that have one; what is not clear is reported.

    A file that is spelled otherwise (in letter case, Unicode form or url-encoding) belongs to the one image that it can
    mean, and so does one of Label Studio's whose name without the prefix of uploads is the image's.
    """
    images = list(images)
    pairs = {image: path for image in images if is_file(path := label_path(image))}
    owner: dict[str, Path] = {}
    for image, path in pairs.items():
        if (other := owner.setdefault(_identity(path), image)) is not image:
            got = Phrase(f"{source.name(other)} too, which has the same label file")
            source.findings.problem(source.name(image), "a name of its own", got, "rename one")
    spare = [path for path in _text_files(layout) if _identity(path) not in owner]
    for keys, what in (
        (_keys, "label file spelled otherwise than its image"),
        (_own_keys, "label file with Label Studio's prefix before its image's name"),
    ):
        taken = set(pairs.values())
        left = [path for path in spare if path not in taken]
        for image, path in _clear_pairs([image for image in images if image not in pairs], left, keys, layout.root):
            pairs[image] = path
            source.findings.note(what, "taken as the image's", source.name(path))
    return pairs


def _clear_pairs(
    images: list[Path], labels: list[Path], keys: Callable[[Path, Path, str], set[str]], root: Path
) -> list[tuple[Path, Path]]:
    """Image and label file, where each has a key in common with no other."""
    by_key: dict[str, set[Path]] = defaultdict(set)
    for path in labels:
        for key in keys(path, root, "labels"):
            by_key[key].add(path)
    claims: dict[Path, list[Path]] = defaultdict(list)
    for image in images if labels else ():
        found = set().union(*(by_key.get(key, set()) for key in keys(image, root, "images")))
        if len(found) == 1:
            claims[found.pop()].append(image)
    return [(claiming[0], path) for path, claiming in claims.items() if len(claiming) == 1]


def report_unpaired(pairs: dict[Path, Path], unlabelled: list[str], layout: Layout, source: Source) -> None:
    """Label files that belong to no image: a problem where they may belong to one that would count as normal.

    Args:
        pairs: as from :func:`pair_labels`.
        unlabelled: names of the images that have no label file and count as normal.
        layout: of the dataset.
        source: takes the problems and notes.
    """
    used = {_identity(path) for path in pairs.values()}
    with_labels = {key: path for image, path in pairs.items() for key in _keys(image, layout.root, "images")}
    spelled = sorted((plain_spelling(name.rpartition("/")[2]), name) for name in unlabelled)
    for path in _text_files(layout):
        where = source.name(path)
        if _identity(path) in used:
            continue
        num_objects = _num_objects(path)
        twin = next((with_labels[key] for key in _keys(path, layout.root, "labels") if key in with_labels), None)
        if num_objects is None and (kind := text_kind(path)):
            source.findings.problem(where, "YOLO's labels, a text file for each image", Phrase(kind[0]), kind[1])
        elif num_objects is None:
            what = "list of images that nothing names" if is_list(path) else "text file that is not of labels"
            source.findings.note(what, "left out", where)
        elif twin is not None and not _are_equal(twin, path):
            got = Phrase(f"{source.name(twin)} too")
            source.findings.problem(where, "one label file for an image", got, "put all objects into one of them")
        elif twin is not None:
            source.findings.note("copy of a label file", "left out", where)
        elif unlabelled:
            shown = ", ".join(_alike(path.stem, spelled))
            hint = f"it may be that of an image without a label file ({shown}); {_SKIP}"
            source.findings.problem(where, "an image of the same name", NOTHING, hint)
        else:
            source.findings.note(LONE_LABELS, "left out", where)
            source.findings.note("object in a label file without an image", "left out", where, num_objects)


def _are_equal(one: Path, other: Path) -> bool:
    try:
        return read_regular(one) == read_regular(other)
    except OSError:
        return False


def _text_files(layout: Layout) -> list[Path]:
    """All that could be labels: not the lists, class names and readme files."""
    others = {_identity(path) for path in layout.texts}
    found = []
    for file in list_files(layout.root):
        path = layout.root / file.name
        is_list_of_ours = file.name.startswith(f"{SPLITS_DIR}/") or file.name == HARD_NORMALS
        is_side_file = is_list_of_ours or path.name.lower().startswith("readme")
        if file.suffix == ".txt" and not is_side_file and _identity(path) not in others:
            found.append(path)
    return found


def _keys(path: Path, root: Path, folder: str) -> set[str]:
    """What an image and its label file have in common, however they are spelled."""
    inside = path.relative_to(root) if path.is_relative_to(root) else path
    names = [inside.with_suffix("").as_posix()]
    names += [inside.as_posix()] if folder == "images" else []  # some tools write a.jpg.txt for a.jpg
    return {plain_spelling(key) for name in names for key in (name, without_folder(name, folder))}


def _own_keys(path: Path, root: Path, folder: str) -> set[str]:
    """The same of a label file by its name without Label Studio's prefix; none if it has no prefix."""
    own = path.name if folder == "images" else without_upload_prefix(path.name)
    return {uploaded_spelling(key) for key in _keys(path.with_name(own), root, folder)} if own else set()


def _num_objects(path: Path) -> int | None:
    """How many lines of numbers a label file has; None if it holds something else."""
    try:
        lines = [line.split() for line in decode_text(read_regular(path)).splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError):
        return None
    are_labels = all(len(fields) >= 5 and None not in map(to_number, fields) for fields in lines)
    return len(lines) if are_labels else None


def _alike(stem: str, spelled: list[tuple[str, str]]) -> list[str]:
    """Of plain spellings and names in order, a few names: those first that begin with the same letters."""
    key = plain_spelling(stem)
    at = bisect_left(spelled, (key, ""))
    near = [name for plain, name in spelled[at : at + _MAX_SHOWN] if plain.startswith(key)]
    return [*near, *(name for _, name in spelled[: 2 * _MAX_SHOWN] if name not in near)][:_MAX_SHOWN]


def _identity(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (links stay)
