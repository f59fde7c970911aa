"""What of a source is not carried over: images without labels, and those with a mark that has no box."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from anomdet.formats.dataset import NOTHING, Dataset, Findings, Picture, Source, split_of_folder
from anomdet.formats.image_files import ImageFiles
from anomdet.layout import CLASSES_FILE, SPLITS_DIR

UNLABELLED = ("normal", "skip", "error")
_LABEL_HINT = "label it, or choose --unlabelled normal or skip"


def take_unlabelled(picture: Picture, what: str, dataset: Dataset, source: Source, *, default: str = "skip") -> None:
    """An image that nobody has labelled: a normal one, left out or a problem, as the user or the format has it.

    Args:
        picture: without boxes.
        what: as ``image without an XML file``.
        dataset: gets the image if it counts as normal, else its name if it is left out.
        source: takes the note, and says what the user has chosen.
        default: what the format means by it: normal, skip or error.
    """
    fate = source.unlabelled or default
    if fate == "error":
        source.findings.problem(picture.where, "labels for each image", NOTHING, _LABEL_HINT)
    elif fate == "skip":
        dataset.skipped.add(picture.file_name)
        source.findings.note(what, "left out as not labelled", picture.where)
    else:
        source.findings.note(what, "taken as normal", picture.where)
        dataset.pictures.append(picture)


def take_unused(
    files: ImageFiles, what: str, dataset: Dataset, source: Source, split_of: Callable[[Path], str] = lambda _: ""
) -> None:
    """Every image that no annotation means."""
    for path in files.unused():
        name = files.name(path)
        take_unlabelled(Picture(name, source.name(path), path, split=split_of(path)), what, dataset, source)


def take_empty(dataset: Dataset, source: Source) -> None:
    """Images that are listed without objects, where the format cannot distinguish normal from not labelled; in place.

    They are normal unless the user says otherwise.
    """
    if source.unlabelled in (None, "normal"):
        return
    empty = [picture for picture in dataset.pictures if not picture.boxes and not picture.left_out]
    dataset.pictures = [picture for picture in dataset.pictures if picture.boxes or picture.left_out]
    for picture in empty:
        take_unlabelled(picture, "image without objects", dataset, source)


def drop_left_out(dataset: Dataset, findings: Findings) -> None:
    """Take out the images with a mark that has no box, in place, and report their other boxes."""
    for picture in dataset.pictures:
        if picture.left_out:
            findings.note("image with a mark that has no box", "left out", picture.where)
            findings.note("box on an image that is left out", "left out", picture.where, len(picture.boxes))
    dataset.pictures = [picture for picture in dataset.pictures if not picture.left_out]


def tell_apart(dataset: Dataset, source: Source, folder_of: Callable[[Picture], str]) -> None:
    """Give images of one name that are different files their folder in front, in place.

    Where a name repeats, all names get it, so that they do not depend on which came first.

    Args:
        dataset: as read.
        source: of which the folders are named.
        folder_of: the folder of an image, relative to the source; it may be empty.
    """
    places: dict[str, set[str]] = defaultdict(set)
    for picture in dataset.pictures:
        places[picture.file_name].add(folder_of(picture))
    if all(len(folders) == 1 for folders in places.values()):
        return
    for picture in dataset.pictures:
        folder = folder_of(picture)
        if folder and not picture.file_name.startswith(f"{folder}/"):
            picture.file_name = f"{folder}/{picture.file_name}"
            source.findings.note("image name that repeats", "its folder put in front", picture.where)


def splits_by_folder(dataset: Dataset, root: Path, folder_of: Callable[[Picture], str]) -> None:
    """Splits from folders that are called train, val and so on, in place, where there are at least two of them.

    A folder that an earlier conversion wrote has its splits in lists, and folders of any name.

    Args:
        dataset: as read; images that have a split stay as they are.
        root: the folder of the source.
        folder_of: the folder of an image's labels or image, relative to the root.
    """
    if any(picture.split for picture in dataset.pictures) or is_converted(root):
        return
    splits = [split_of_folder(folder_of(picture)) for picture in dataset.pictures]
    if len(set(splits) - {""}) > 1:
        for picture, split in zip(dataset.pictures, splits, strict=True):
            picture.split = split


def is_converted(folder: Path) -> bool:
    """Whether an earlier conversion wrote a folder: it holds its side files."""
    return (folder / CLASSES_FILE).is_file() or (folder / SPLITS_DIR).is_dir()
