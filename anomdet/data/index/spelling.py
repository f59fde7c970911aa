"""File names that mean the same and are spelled differently: in letter case, Unicode or the escapes of an address."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import unquote

from anomdet.images.read_header import OTHER_SUFFIXES
from anomdet.layout import IMAGES_DIR, LABELS_DIR

NO_LABELS = ("classes", "labels", "train", "val", "test")  # stems of text files that tools lay beside labels


def plain_spelling(name: str) -> str:
    """What two spellings of one name have in common.

    >>> plain_spelling("Pr%C3%BCfling_1") == plain_spelling("pru\u0308fling_1")
    True
    """
    if name.isascii() and "%" not in name:
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", unquote(name)).casefold())


def difference(one: str, other: str) -> str:
    """How two spellings of one name differ, to end a sentence with; empty if they are two names.

    >>> difference("a.png", "A.png")
    'differs only in upper and lower case'
    """
    if one == other or plain_spelling(one) != plain_spelling(other):
        return ""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "differs only in how its letters are encoded (Unicode NFC or NFD)"
    if one.casefold() == other.casefold():
        return "differs only in upper and lower case"
    if unquote(one) == unquote(other):
        return "differs only in its url-encoding (%20 for a blank, and so on)"
    return "differs only in letter case, Unicode form or url-encoding"


def by_spelling(names: Iterable[str]) -> dict[str, list[str]]:
    """Plain spelling to the names that share it."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        found[plain_spelling(name)].append(name)
    return dict(found)


def hint_of_folder(parent: str | Path, name: str) -> str:
    """A hint for images/ or labels/ that is not there: one is spelled nearly so, or both lie above or below.

    Empty if there is none.
    """
    try:
        with os.scandir(parent) as entries:
            folders = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return ""
    return hint_of_spelling(name, by_spelling(folders)) or _hint_of_level(Path(parent), sorted(folders))


def _hint_of_level(parent: Path, folders: list[str]) -> str:
    """Where images/ and labels/ both are, if not in the folder that was named but one above it or below."""
    above = parent.resolve().parent
    if parent.resolve().name in (IMAGES_DIR, LABELS_DIR) and _holds_both(above):
        return f"name the folder above, {above}"
    below = [folder for folder in folders if _holds_both(parent / folder)]
    if len(below) < 2:
        return f"{parent / below[0]} has both: name that folder" if below else ""
    moved = f"{below[0]}/{IMAGES_DIR} to {IMAGES_DIR}/{below[0]}, {below[0]}/{LABELS_DIR} to {LABELS_DIR}/{below[0]}"
    return f"{', '.join(below[:3])} have both: name one of them, or move {moved} and so on"


def _holds_both(folder: Path) -> bool:
    return all((folder / name).is_dir() for name in (IMAGES_DIR, LABELS_DIR))


def hint_of_spelling(name: str, others: dict[str, list[str]], shown: str = "{}") -> str:
    """A hint for a name without a partner: one of the others is spelled nearly as it.

    Args:
        name: without its suffix.
        others: as :func:`by_spelling` gives them.
        shown: the other as messages name it, with ``{}`` for the name.

    >>> hint_of_spelling("a", by_spelling(["A", "b"]), "labels/{}.txt")
    'labels/A.txt differs only in upper and lower case'
    """
    for other in others.get(plain_spelling(name), ()):
        if how := difference(name, other):
            return f"{shown.format(other)} {how}"
    return ""


def other_kinds(names: Iterable[str]) -> dict[str, str]:
    """Of the files in images/ the images of kinds that are not read: the name without its suffix to the name."""
    return {name.rpartition(".")[0]: name for name in names if name.lower().endswith(OTHER_SUFFIXES)}


def hint_of_missing_image(stem: str, images: dict[str, list[str]], others: Mapping[str, str]) -> str:
    """A hint for a label file without an image: one is spelled nearly so, or is of a kind that is not read.

    Args:
        stem: of the label file.
        images: stems of the images, as :func:`by_spelling` gives them.
        others: as :func:`other_kinds` gives them.

    >>> hint_of_missing_image("a", by_spelling(["b"]), other_kinds(["a.heic", "b.png"]))
    'images/a.heic is of a kind that is not read: save it as a.png'
    """
    if near := hint_of_spelling(stem, images, "images/{}.*"):
        return near
    return f"images/{others[stem]} is of a kind that is not read: save it as {stem}.png" if stem in others else ""


def hint_of_missing_label(image: str, lone_labels: dict[str, list[str]], otherwise: str) -> str:
    """A hint for an image without a label file: a label file without an image may be meant for it.

    Args:
        image: its name, with the suffix.
        lone_labels: names, without the suffix, of label files that have no image, as :func:`by_spelling` gives them.
        otherwise: what to do if none is meant.

    >>> hint_of_missing_label("a.jpg", by_spelling(["a.jpg"]), "write an empty file")
    "labels/a.jpg.txt has the image's whole name; rename it to labels/a.txt"
    """
    stem = image[: image.rindex(".")]
    if near := hint_of_spelling(stem, lone_labels, "labels/{}.txt"):
        return near
    for name in lone_labels.get(plain_spelling(image), ()):
        return f"labels/{name}.txt has the image's whole name; rename it to labels/{stem}.txt"
    first = next((names[0] for names in lone_labels.values() if names[0] not in NO_LABELS), "")
    return f"rename labels/{first}.txt, which has no image, if it is meant; else {otherwise}" if first else otherwise
