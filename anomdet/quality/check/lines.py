"""Lines of a label file to rows of numbers: tolerant, so that one odd line hides nothing that can still be found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from anomdet.data.labels import LINE, LINE_FORMAT, LineFault, is_box, line_fault, shorten, whole_number
from anomdet.quality.check.findings import Finding
from anomdet.quality.check.text import read_text


class Row(NamedTuple):
    """One object as it was written: the class number and four numbers, of whatever meaning."""

    line: int
    class_num: int
    values: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A line that another way of writing corrects: its number, its text, and the code of what was wrong."""

    line: int
    before: str
    code: str


@dataclass(slots=True)
class ReadLabels:
    """What a label file says.

    Args:
        rows: the objects that can be read, corrected lines among them.
        findings: what is wrong.
        rewrites: the corrected lines; a line 0 is the whole file.
        complete: False where a line could not be read: the image shows an object that ``rows`` does not hold.
        blank: bytes, but not a single object or fault.
    """

    rows: list[Row] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    rewrites: list[Rewrite] = field(default_factory=list)
    complete: bool = True
    blank: bool = False

    def facts(self) -> LabelFacts:
        """What is worth keeping once the rows are in the table of all boxes."""
        return LabelFacts(len(self.rows), tuple(self.rewrites), self.complete)


class LabelFacts(NamedTuple):
    """A label file without its rows; see :class:`ReadLabels`."""

    num_rows: int
    rewrites: tuple[Rewrite, ...]
    complete: bool


def read_labels(data: bytes, file: str, names: Mapping[str, int]) -> ReadLabels:
    """Judge every line of a label file.

    Args:
        data: its bytes.
        file: its name for the findings.
        names: class name to number, for lines that hold a name.
    """
    text = read_text(data)
    read = ReadLabels(complete=text.readable)
    for odd in text.oddities:
        read.findings.append(Finding(odd.code, file, odd.line, odd.expected, odd.got, odd.hint))
        if text.readable:
            read.rewrites.append(Rewrite(0, odd.got, odd.code))
    matches, append = LINE.fullmatch, read.rows.append
    for line_num, line in enumerate(text.lines, start=1):
        match = matches(line)
        if match:
            class_num, *numbers = match.groups()
            x, y, width, height = values = tuple(map(float, numbers))
            if is_box(values):
                append(Row(line_num, int(class_num), (x, y, width, height)))
                continue
        if line.strip():
            _judge(read, file, line_num, line, names)
    read.blank = bool(data) and text.readable and not read.rows and not any(found.line for found in read.findings)
    return read


def _judge(read: ReadLabels, file: str, line_num: int, line: str, names: Mapping[str, int]) -> None:
    """A line that is no object: say why, and keep what can be read of it."""
    fault, corrected = _correct(line, line_fault(line), names)
    read.findings.append(Finding(fault.code, file, line_num, fault.expected, fault.got, fault.hint))
    if corrected is None:
        read.complete = False
        return
    class_num, *values = corrected.split()
    x, y, width, height = map(float, values)
    read.rows.append(Row(line_num, int(class_num), (x, y, width, height)))
    read.rewrites.append(Rewrite(line_num, line.strip(), fault.code))


def _correct(line: str, fault: LineFault, names: Mapping[str, int]) -> tuple[LineFault, str | None]:
    """The fault, more exactly where commas are behind it, and the line as it should have been (None: unknown)."""
    if re.search("[,;]", line):
        expected = f"numbers separated by spaces or tabs, '{LINE_FORMAT}'"
        for kind, pattern in _SEPARATED.items():
            if pattern.fullmatch(line):
                got = f"{kind}: {shorten(line.strip())!r}"
                plain = line.replace(",", ".") if "decimal" in kind else line.replace(",", " ")
                fixed = _good(plain.replace(";", " "))
                fault = LineFault("label-separator", expected, got, "write spaces, and points in fractions")
                return fault, fixed
        return fault, None
    if fault.code == "label-odd-space":
        return fault, _good(" ".join(line.split()))
    if fault.code == "label-class-not-integer":
        first, *rest = line.split()
        if first in names:
            return fault, _good(" ".join([str(names[first]), *rest]))
        whole = whole_number(first)
        return fault, _good(" ".join([whole, *rest])) if whole else None
    return fault, None


_FIELD = r"[^\s,;]+"
_DECIMAL = r"[+-]?[0-9]+(?:[,.][0-9]+)?"
_SEPARATED = {
    "commas": re.compile(rf"\s*{_FIELD}(?:\s*,\s*{_FIELD}){{4}}\s*,?\s*"),
    "semicolons": re.compile(rf"\s*{_FIELD}(?:\s*;\s*{_FIELD}){{4}}\s*;?\s*"),
    "decimal commas": re.compile(rf"\s*{_DECIMAL}(?:[ \t]+{_DECIMAL}){{4}}\s*"),
    "semicolons and decimal commas": re.compile(rf"\s*{_DECIMAL}(?:\s*;\s*{_DECIMAL}){{4}}\s*;?\s*"),
}


def _good(line: str) -> str | None:
    """The line if it is an object."""
    match = LINE.fullmatch(line)
    return line if match and is_box([float(number) for number in match.groups()[1:]]) else None
