"""What every format is read into and written from: images, their boxes in pixels, classes; and the findings."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from anomdet.errors import Problem, UserError
from anomdet.layout import SPLIT_OF

_DARKNET = re.compile(r"^obj_([a-z]+)_data$")  # CVAT's folder of a subset
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,16}")
_MAX_PROBLEMS = 20  # shown; a file with one kind of mistake has it on every line
_LIMIT = 1e7  # pixels


class Box(NamedTuple):
    """One object.

    Args:
        label: the class number; the name, as long as the format has only names.
        x, y: top-left corner, pixels of the upright image.
        width, height: pixels, > 0.
        where: the place in the source, for messages.
    """

    label: int | str
    x: float
    y: float
    width: float
    height: float
    where: str = ""


@dataclass
class Picture:
    """One image and its objects; without objects it is a normal one.

    Args:
        file_name: relative to the folder of the images, with forward slashes.
        where: what describes it in the source, for messages.
        path: the file; None if it was not found.
        width, height: of the upright image, pixels; 0 as long as they are not known.
        boxes: its objects.
        split: ``train``, ``val``, ``test``, or empty.
        measured: whether the file's header was read and fits; None: not yet.
        is_outside: the file lies outside of what was named as the source.
        left_out: why the image is not carried over: something marked on it has no box; empty: it is carried over.
        hard_normal: a detector fired on it, and a person found nothing.
    """

    file_name: str
    where: str
    path: Path | None = None
    width: int = 0
    height: int = 0
    boxes: list[Box] = field(default_factory=list)
    split: str = ""
    measured: bool | None = None
    left_out: str = ""
    is_outside: bool = False
    hard_normal: bool = False

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return os.path.splitext(self.file_name)[0]  # noqa: PTH122 (a Path is twenty times slower)


@dataclass
class Dataset:
    """What a reader returns and a writer takes.

    Args:
        pictures: in any order.
        names: number to name, as far as the source says; a writer gets one for every class.
        numbers: name to number, for labels that are names, unless a file of classes says otherwise.
        skipped: names of images that are left out as not labelled: lists may name them.
    """

    pictures: list[Picture] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    skipped: set[str] = field(default_factory=set)


@dataclass
class Findings:
    """Collects what is wrong with a source, and what of it the target cannot hold.

    Args:
        problems: what must be corrected first.
        notes: (what, fate) to the files it was found in, with the count in each.
        renamed: the beginning of paths that means nothing to the user (of an unpacked archive), and what to show.
    """

    problems: list[Problem] = field(default_factory=list)
    notes: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    renamed: tuple[str, str] = ("", "")

    def problem(self, where: str, expected: str, got: Any, hint: str = "") -> None:
        """Something that is wrong; ``got`` is shown shortened, a text as it is written."""
        where = where.replace(*self.renamed) if self.renamed[0] else where
        self.problems.append(Problem(where, expected, shown(got), hint))

    def note(self, what: str, fate: str, where: str, count: int = 1) -> None:
        """Something that is not carried over as it is: what, what becomes of it, and the file."""
        if count:
            self.notes.setdefault((what, fate), Counter())[where] += count

    def leave_out(self, picture: Picture, mark: str, where: str) -> None:
        """A mark on an image that has no box: without it the image would be taught as free of it."""
        self.note(mark, "left out with its image: it has no box", where)
        picture.left_out = picture.left_out or mark

    def unknown(self, entry: Iterable[str], known: frozenset[str], kind: str, where: str) -> None:
        """Note the keys of an entry that no box can hold."""
        for key in entry:
            if key not in known:
                self.note(f"{kind} {key!r}", "left out", where)

    def raise_problems(self) -> None:
        """End the conversion if anything is wrong.

        Raises:
            UserError: the first twenty problems and how many more there are.
        """
        if not self.problems:
            return
        more = len(self.problems) - _MAX_PROBLEMS
        shown_problems: list[Problem | str] = list(self.problems[:_MAX_PROBLEMS])
        if more > 0:
            shown_problems.append(f"... and {more} more")
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        source = f"{self.renamed[1]} (unpacked)" if self.renamed[1] else "the source"
        raise UserError(shown_problems, title=f"Nothing was written; {source} has {count}:")


def shown(value: Any, limit: int = 60) -> str:
    """A value for a message: as Python writes it, shortened; a ready phrase passes through as it is."""
    text = str(value) if isinstance(value, Phrase) else repr(value)
    return text if len(text) <= limit or isinstance(value, Phrase) else text[: limit - 3] + "..."


class Phrase(str):
    """Words of ours, shown without quotes."""


NOTHING = Phrase("nothing")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; booleans are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e300 < value < 1e300


def to_number(text: str | None) -> float | None:
    """A finite number from a text; None if it is something else."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def own_numbers(names: Collection[str]) -> dict[str, int]:
    """Names that are all whole numbers are the numbers of their classes; empty if one is none.

    >>> own_numbers(["10", "2"]), own_numbers(["10", "dent"])
    ({'10': 10, '2': 2}, {})
    """
    numbers = {name: int(name) for name in names if _WHOLE.fullmatch(name)}
    return numbers if len(numbers) == len(set(names)) else {}


def add_box(picture: Picture, box: Box, findings: Findings) -> None:
    """Give an image a box, or report why it is none."""
    x, y, width, height = box[1:5]
    if not (0 < width < _LIMIT and 0 < height < _LIMIT and abs(x) < _LIMIT and abs(y) < _LIMIT):
        got = Phrase(f"x {x:g}, y {y:g}, width {width:g}, height {height:g}")
        findings.problem(box.where, "a box with a width and a height > 0, in pixels", got, "correct or delete it")
        return
    picture.boxes.append(box)


def enclosing(points: Iterable[tuple[float, float]]) -> tuple[float, float, float, float]:
    """x, y, width, height of the smallest upright box around points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def around(points: Iterable[tuple[float, float]]) -> tuple[float, float, float, float] | None:
    """The upright box around a line or a shape, at least a pixel wide and high; None around a single point."""
    points = list(points)
    if len(set(points)) < 2:
        return None
    x, y, width, height = enclosing(points)
    x, width = (x, width) if width >= 1 else (x + width / 2 - 0.5, 1.0)
    y, height = (y, height) if height >= 1 else (y + height / 2 - 0.5, 1.0)
    return x, y, width, height


def rotated(
    x: float, y: float, width: float, height: float, degrees: float, *, about_center: bool
) -> tuple[float, float, float, float]:
    """The upright box around a rotated one; it turns clockwise, about its centre or its top-left corner."""
    angle = math.radians(degrees)
    pivot = (x + width / 2, y + height / 2) if about_center else (x, y)

    def turn(corner_x: float, corner_y: float) -> tuple[float, float]:
        from_x, from_y = corner_x - pivot[0], corner_y - pivot[1]
        return (
            pivot[0] + from_x * math.cos(angle) - from_y * math.sin(angle),
            pivot[1] + from_x * math.sin(angle) + from_y * math.cos(angle),
        )

    return enclosing(turn(*corner) for corner in ((x, y), (x + width, y), (x, y + height), (x + width, y + height)))


def around_ellipse(
    center: tuple[float, float], radii: tuple[float, float], degrees: float = 0.0
) -> tuple[float, float, float, float]:
    """The upright box around an ellipse that is turned clockwise about its centre.

    >>> [round(number, 6) for number in around_ellipse((50, 20), (10, 5), 90)]
    [45.0, 10.0, 10.0, 20.0]
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width, half_height = math.hypot(radii[0] * cos, radii[1] * sin), math.hypot(radii[0] * sin, radii[1] * cos)
    return center[0] - half_width, center[1] - half_height, 2 * half_width, 2 * half_height


@dataclass(frozen=True)
class Source:
    """What is to be read.

    Args:
        path: a file or a folder.
        images: the folder of the images; None: where the format has them.
        findings: collects problems and notes.
        unlabelled: what becomes of an image without labels: normal, skip or error; None: what the format means by it.
        scratch: where images that a label file holds are written for a while; it need not be there. None: nowhere.
    """

    path: Path
    images: Path | None
    findings: Findings
    unlabelled: str | None = None
    scratch: Path | None = None

    def name(self, path: Path) -> str:
        """A file of the source as messages name it: relative to the source where it lies inside."""
        root = self.path if self.path.is_dir() else self.path.parent
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def split_of_folder(name: str) -> str:
    """The split that a folder below the source belongs to, by the whole name of one of its parts; empty: to none.

    >>> split_of_folder("line 1/valid/images"), split_of_folder("my-test")
    ('val', '')
    """
    parts = (_DARKNET.sub(r"\1", part) for part in name.lower().split("/"))
    found = {SPLIT_OF[part] for part in parts if part in SPLIT_OF}
    return found.pop() if len(found) == 1 else ""


Reader = Callable[[Source], Dataset]
Writer = Callable[[Dataset, Path], None]
