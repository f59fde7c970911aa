"""The image files of a source: found, measured by their headers, checked against their boxes."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import numpy as np

from anomdet.boxes import looks_like_two_corners
from anomdet.data.index.files import IMAGE_SUFFIXES, check_image, list_files
from anomdet.errors import Problem, UserError
from anomdet.formats.dataset import NOTHING, Dataset, Findings, Phrase, Picture, Source
from anomdet.images.headers import BadImageError
from anomdet.images.read_header import OTHER_SUFFIXES

_TINY_PX = 2
_DRIVE = re.compile(r"[A-Za-z]:")


def is_image(name: str) -> bool:
    """Whether a file's name ends as an image's."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def images_below(folder: Path) -> list[str]:
    """Names of all images below a folder, relative to it; none if there is no such folder."""
    return [file.name for file in list_files(folder) if is_image(file.name)] if folder.is_dir() else []


def files_in(folder: Path, *patterns: str) -> list[Path]:
    """The files directly in a folder that match a pattern, in any letter case, sorted; hidden ones are left out."""
    found = [path for path in folder.glob("*") if any(fnmatchcase(path.name.lower(), one) for one in patterns)]
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def in_any_case(path: Path) -> Path:
    """A file, or the one beside it that is spelled in other letter case; the path as it is where there is neither.

    >>> in_any_case(Path("/nowhere/classes.txt")).name
    'classes.txt'
    """
    if is_file(path) or not path.parent.is_dir():
        return path
    alike = [name for name in os.listdir(path.parent) if name.lower() == path.name.lower()]  # noqa: PTH208 (names)
    return path.parent / min(alike) if alike else path


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; a name that no file can have is none."""
    return os.path.isfile(path)  # noqa: PTH113 (Path.is_file raises for a name that is too long)


def find_image(names: Iterable[str], roots: Sequence[Path]) -> Path | None:
    """The first file that is there: every name in the first folder, then in the next."""
    names = list(names)
    return next((path for root in roots for name in names if name and is_file(path := root / name)), None)


def child_of(folder: Path, name: str) -> Path | None:
    """A folder in a folder, in any letter case; None if there is none."""
    if (folder / name).is_dir():
        return folder / name
    found = [child for child in folder.iterdir() if child.name.lower() == name.lower() and child.is_dir()]
    return found[0] if found else None


def base_name(path: str) -> str:
    """The last part of a path of any system."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def measure(picture: Picture, findings: Findings) -> bool:
    """Fill in the size from the header, once; False and a problem if there is none or the source says another."""
    if picture.path is None:
        return bool(picture.width)
    if picture.measured is None:
        picture.measured = _measure(picture, picture.path, findings)
    return picture.measured


def _measure(picture: Picture, path: Path, findings: Findings) -> bool:
    try:
        header = check_image(path, max_megapixels=None)  # no pixel is decoded
    except BadImageError as error:
        findings.problem(str(path), "a readable image", Phrase(error))
        return False
    height, width = header.upright_hw
    if picture.width and (picture.width, picture.height) != (width, height):
        got = Phrase(f"{picture.width} x {picture.height}")
        hint = "the boxes belong to another version of the image"
        if header.orientation >= 5 and (picture.height, picture.width) == (width, height):
            hint = "the boxes were drawn without the EXIF orientation; turn the image upright, then the boxes; or only "
            hint += "the size was read so, as in Label Studio's COCO: where the boxes fit, correct the two numbers"
        elif (picture.height, picture.width) == (width, height):
            hint = "width and height may be exchanged; if the boxes fit the image, correct the two numbers"
        findings.problem(picture.where, f"the image's size {width} x {height} (width x height)", got, hint)
        return False
    if header.orientation > 1:
        fate = "boxes taken as those of the upright image"
        findings.note("image turned by its EXIF orientation", fate, picture.where)
    picture.width, picture.height = width, height
    return True


def check_inside(dataset: Dataset, source: Source, *, follow_links: bool) -> None:
    """Image files that lie elsewhere, by a path of the labels or by a link: refused, or noted and then copied.

    Args:
        dataset: what a reader returned.
        source: where its images may lie: SRC, or the folder that holds it if it is a file, and --images.
        follow_links: images may lie anywhere.
    """
    own = source.path if source.path.is_dir() else source.path.parent
    roots = tuple(os.path.realpath(root) + os.sep for root in (own, source.images, source.scratch) if root)
    for picture in dataset.pictures:
        if picture.path is None or (real := os.path.realpath(picture.path)).startswith(roots):
            continue
        picture.is_outside = True
        if follow_links:
            source.findings.note("image file outside of SRC", "copied", picture.where)
        else:
            hint = "if you trust the labels: --follow-links copies such images"
            source.findings.problem(picture.where, "an image inside SRC or --images", Phrase(real), hint)


def check_pictures(dataset: Dataset, findings: Findings, *, with_images: bool, images_hint: str) -> None:
    """Sizes, names and boxes of all images.

    Args:
        dataset: what a reader returned; the sizes are filled in.
        findings: takes what is wrong.
        with_images: whether every image file must be there.
        images_hint: what to do if one is not.
    """
    seen: dict[str, Picture] = {}
    if not dataset.pictures and not findings.problems:
        findings.problem("SRC", "at least one image with its labels", Phrase("none"), images_hint)
    for picture in dataset.pictures:
        twin = seen.setdefault(picture.file_name, picture)
        if twin is not picture:
            findings.problem(picture.where, "each image once", Phrase(f"{picture.file_name} again, as {twin.where}"))
        elif not _is_plain(picture.file_name):
            expected = "an image name inside the folder of the images, in UTF-8, without control characters"
            findings.problem(picture.where, expected, picture.file_name)
        elif picture.path is None and with_images:
            findings.problem(picture.where, f"the image {picture.file_name}", NOTHING, images_hint)
        elif measure(picture, findings):
            _check_boxes(picture, findings)
        elif picture.path is None:
            findings.problem(picture.where, "the image's size", NOTHING, images_hint)
    _check_unit(dataset, findings)
    _note_corners(dataset, findings)


def _is_plain(name: str) -> bool:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or _DRIVE.match(name):
        return False
    return name == name.strip() and is_text(name)


def note_other_images(folder: Path, findings: Findings) -> None:
    """Note the image files below a folder that are of no kind that is read."""
    for file in list_files(folder):
        if file.suffix in OTHER_SUFFIXES:
            findings.note(f"image of a kind that is not read ({file.suffix})", "left out", file.name)


def is_text(text: str) -> bool:
    """Whether a text can stand on a line of a file in UTF-8."""
    if text.isprintable():
        return True
    return all(unicodedata.category(sign) not in ("Cc", "Cs") and sign not in "\ufffe\uffff" for sign in text)


def _check_unit(dataset: Dataset, findings: Findings) -> None:
    """Boxes that all lie within the first pixel are fractions of the image's size, where pixels belong.

    Images of a pixel or two show nothing, nor do whole numbers: a mask may mark one pixel.
    """
    pictures = [one for one in dataset.pictures if one.boxes and min(one.width, one.height) > _TINY_PX]
    corners = [(box.x, box.y, box.x + box.width, box.y + box.height) for one in pictures for box in one.boxes]
    is_whole = all(float(value).is_integer() for corner in corners for value in corner)
    if corners and not is_whole and max(map(max, corners)) <= 1:
        got = f"{len(corners)} that all lie within 1 pixel" if len(corners) > 1 else "one that lies within 1 pixel"
        hint = "these look like fractions of the image's size; multiply them by it"
        findings.problem(pictures[0].where, "boxes in pixels", Phrase(got), hint)


def _note_corners(dataset: Dataset, findings: Findings) -> None:
    """Boxes that leave their images as a corner and a size, and fit as two corners."""
    boxes = [(picture, box) for picture in dataset.pictures if picture.width for box in picture.boxes]
    if not boxes:
        return
    sizes_wh = np.array([(picture.width, picture.height) for picture, _ in boxes], dtype=float)
    leaves = looks_like_two_corners(np.array([box[1:5] for _, box in boxes], dtype=float), sizes_wh)
    if leaves is None:
        return
    fate = "kept as a corner and a size; if they are two corners, `anomdet check --fix` writes a converted copy"
    for (picture, _), leaves_image in zip(boxes, leaves.tolist(), strict=True):
        findings.note("box that looks like two corners", fate, picture.where, int(leaves_image))


def _check_boxes(picture: Picture, findings: Findings) -> None:
    tolerance = 1e-3
    copies = len(picture.boxes) - len({box[:5] for box in picture.boxes})
    findings.note("object that is there twice", "kept; `anomdet check --fix` removes the copy", picture.where, copies)
    for box in picture.boxes:
        right, bottom = box.x + box.width, box.y + box.height
        if right <= 0 or bottom <= 0 or box.x >= picture.width or box.y >= picture.height:
            got = Phrase(f"x {box.x:g} to {right:g}, y {box.y:g} to {bottom:g}")
            expected = f"a box within the image of {picture.width} x {picture.height} pixels (width x height)"
            findings.problem(box.where, expected, got, "correct or delete it")
        elif min(box.x, box.y) < -tolerance or right - picture.width > tolerance or bottom - picture.height > tolerance:
            findings.note("box that leaves its image in part", "kept as it is", picture.where)


def place_images(dataset: Dataset, folder: Path) -> tuple[int, int]:
    """Put every image into a folder: a hard link, or a copy where the disk cannot link or the image is not SRC's.

    Returns:
        How many were linked, and how many copied.
    """
    num_linked = num_copied = 0
    for parent in {(folder / picture.file_name).parent for picture in dataset.pictures}:
        parent.mkdir(parents=True, exist_ok=True)
    for picture in dataset.pictures:
        assert picture.path is not None
        target = folder / picture.file_name
        if picture.is_outside:
            shutil.copyfile(picture.path, target)
            num_copied += 1
            continue
        try:
            os.link(os.path.realpath(picture.path), target)
            num_linked += 1
        except FileExistsError:
            expected = "image names that differ in more than letter case or Unicode form on this disk"
            raise UserError(Problem("--out", expected, f"{picture.file_name} twice", "rename one")) from None
        except OSError:  # another disk, or one without links
            shutil.copy2(picture.path, target)
            num_copied += 1
    return num_linked, num_copied
