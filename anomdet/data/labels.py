"""Label text to boxes and back: one object a line, ``class_num x_corner y_corner width height``.

Pixels of the upright image, the corner is the top left one; an empty file is a normal image.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomdet.boxes import xyxy_to_xywh
from anomdet.errors import Problem
from anomdet.outputs import write_text
from anomdet.strict_files import MAX_LABEL_BYTES, read_regular

LINE_FORMAT = "class_num x_corner y_corner width height"
INTEGER = r"[+-]?[0-9]{1,18}"
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"  # one way to match only: long lines stay quick
LINE = re.compile(rf"\s*({INTEGER})" + rf"\s+({NUMBER})" * 4 + r"\s*", re.ASCII)
_EXACT = 2.0**53  # below it each whole number is one of its own
LIMIT_PX = 1e7  # float32 holds smaller numbers to the pixel


@dataclass(frozen=True)
class Labels:
    """The objects of one image.

    Args:
        bboxes_xyxy: float32 ``(N, 4)``, pixels.
        class_nums: int64 ``(N,)``, the user's numbers.
    """

    bboxes_xyxy: NDArray[np.float32]
    class_nums: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.class_nums)


NO_OBJECTS = Labels(np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


@dataclass(frozen=True)
class LineFault:
    """Why a line is no object.

    Args:
        code: a name for this kind of fault that never changes, as ``label-field-count``.
        expected, got, hint: as in :class:`Problem`.
    """

    code: str
    expected: str
    got: str
    hint: str = ""


@dataclass(frozen=True)
class LabelFile:
    """What a label file holds, with the line number (from 1) of each object for messages."""

    labels: Labels
    line_nums: tuple[int, ...]
    problems: tuple[Problem, ...]


def label_path(labels_dir: str | Path, image_name: str) -> Path:
    """The label file of an image, whose suffix may be .TXT too; where there is none, the place for it.

    Args:
        labels_dir: the folder labels/.
        image_name: relative to images/.
    """
    stem = image_name.rpartition(".")[0]
    paths = (Path(labels_dir) / f"{stem}.{''.join(suffix)}" for suffix in product("tT", "xX", "tT"))
    return next((path for path in paths if path.is_file()), Path(labels_dir) / f"{stem}.txt")


def parse_labels(path: str | Path) -> tuple[Labels, list[Problem]]:
    """Read one label file; lines with a problem are left out of the labels."""
    label_file = parse_label_file(path, where=str(path))
    return label_file.labels, list(label_file.problems)


def parse_label_file(path: str | Path, *, where: str) -> LabelFile:
    """Read one label file; ``where`` names it in the problems, followed by ``:line``."""
    try:
        text = read_regular(path, MAX_LABEL_BYTES).decode("utf-8-sig")
    except OSError as error:
        return LabelFile(NO_OBJECTS, (), (Problem(where, "a readable label file", error.strerror or str(error)),))
    except UnicodeDecodeError as error:
        got = f"byte 0x{error.object[error.start]:02x} at {error.start}"
        return LabelFile(NO_OBJECTS, (), (Problem(where, "UTF-8 text", got, "save it as plain text"),))
    rows: list[list[float]] = []
    class_nums: list[int] = []
    line_nums: list[int] = []
    problems: list[Problem] = []
    for line_num, line in enumerate(text.split("\n"), start=1):
        match = LINE.fullmatch(line)
        if match:
            row = [float(field) for field in match.groups()[1:]]
            if is_box(row):
                rows.append(row)
                class_nums.append(int(match[1]))
                line_nums.append(line_num)
                continue
        if line.strip():
            fault = line_fault(line)
            problems.append(Problem(f"{where}:{line_num}", fault.expected, fault.got, fault.hint))
    if not rows:
        return LabelFile(NO_OBJECTS, (), tuple(problems))
    boxes = np.array(rows)
    boxes[:, 2:] += boxes[:, :2]
    labels = Labels(boxes.astype(np.float32), np.array(class_nums, dtype=np.int64))
    return LabelFile(labels, tuple(line_nums), tuple(problems))


def is_box(row: Sequence[float]) -> bool:
    """Whether corner and size are pixels within the limits."""
    x, y, width, height = row
    return 0 < width < LIMIT_PX and 0 < height < LIMIT_PX and abs(x) < LIMIT_PX and abs(y) < LIMIT_PX


def line_fault(line: str) -> LineFault:
    """What is wrong with a line that is no object; the line is neither good nor blank."""
    fields = line.split()
    if len(fields) != 5:
        hint = "separate the numbers with spaces" if re.search("[,;]", line) else ""
        hint = "zero bytes, as a crash leaves them: write the file anew" if "\0" in line else hint
        got = f"{len(fields)}: {shorten(' '.join(fields))!r}"
        return LineFault("label-field-count", f"5 numbers '{LINE_FORMAT}'", got, hint)
    if not re.fullmatch(INTEGER, fields[0]):
        hint = f"write {whole}; anomdet check --fix does it in a copy" if (whole := whole_number(fields[0])) else ""
        return LineFault("label-class-not-integer", "an integer as class_num", repr(shorten(fields[0])), hint)
    for name, field in zip(LINE_FORMAT.split()[1:], fields[1:], strict=True):
        code = _number_fault(field)
        if code:
            return LineFault(code, f"a finite number of pixels as {name}", repr(shorten(field)))
        if name in ("width", "height") and float(field) <= 0:
            all_zero = all(re.fullmatch(NUMBER, one) and not float(one) for one in fields[1:])
            hint = _NORMAL if all_zero else "the box is a corner and a size, not two corners"
            return LineFault("label-size-not-positive", f"a {name} > 0", shorten(field), hint)
    odd = next(character for character in line if character.isspace() and character not in " \t\n\r\f\v")
    return LineFault("label-odd-space", "numbers separated by spaces or tabs", f"the character U+{ord(odd):04X}")


_NORMAL = "if it stands for a normal part, delete the line: an empty file is one"


def whole_number(field: str) -> str:
    """A class number that was saved as a fraction, as numpy.savetxt does; empty if it is none.

    >>> whole_number("2.0"), whole_number("1.200000e+01"), whole_number("2.5")
    ('2', '12', '')
    """
    value = float(field) if re.fullmatch(NUMBER, field) else math.inf
    return str(int(value)) if abs(value) < _EXACT and value.is_integer() else ""


def _number_fault(field: str) -> str:
    """The code of a field that is no number of pixels; empty if it is one."""
    if re.fullmatch(NUMBER, field):
        return "" if abs(float(field)) < LIMIT_PX else "label-too-large"
    return "label-not-finite" if _NOT_FINITE.fullmatch(field) else "label-not-a-number"


_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)


def shorten(text: str, limit: int = 60) -> str:
    """At most ``limit`` characters."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def write_labels(path: str | Path, labels: Labels) -> None:
    """Write one label file, atomically; :func:`parse_labels` reads back the same float32 boxes."""
    boxes = xyxy_to_xywh(labels.bboxes_xyxy.astype(np.float64))
    rows = zip(labels.class_nums.tolist(), boxes.tolist(), strict=True)
    text = "".join(f"{class_num} {' '.join(f'{value:.10g}' for value in box)}\n" for class_num, box in rows)
    write_text(Path(path), text)
