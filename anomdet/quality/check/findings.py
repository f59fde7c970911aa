"""What a check finds: a place, a code that never changes, how bad it is, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from anomdet.terminal import one_line

ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)

# code: (severity, what it is, in a few words). An error is what training refuses, or would learn wrongly from the
# whole data set; a warning is what training takes, and is mostly a mistake; a note is good to know.
CODES: dict[str, tuple[str, str]] = {
    "no-images": (ERROR, "no images"),
    "no-objects": (WARNING, "no objects in any label file"),
    "boxes-normalised": (ERROR, "boxes in shares of the image, where pixels are expected"),
    "boxes-two-corners": (ERROR, "boxes as two corners, where corner and size are expected"),
    "boxes-centre": (ERROR, "boxes as centre and size, where corner and size are expected"),
    "boxes-swapped": (ERROR, "boxes as y x, where x y is expected"),
    "boxes-unturned": (ERROR, "boxes of images without their EXIF orientation, where upright ones are expected"),
    "boxes-from-one": (WARNING, "boxes that count pixels from 1, where 0 is expected"),
    "label-unreadable": (ERROR, "label files that cannot be read"),
    "label-binary": (ERROR, "label files that are no text"),
    "label-encoding": (ERROR, "label files in another encoding than UTF-8"),
    "label-line-ends": (ERROR, "label files with line ends of old Macs"),
    "label-separator": (ERROR, "lines with commas or semicolons"),
    "label-odd-space": (ERROR, "lines with odd space characters"),
    "label-field-count": (ERROR, "lines with a wrong count of fields"),
    "label-class-not-integer": (ERROR, "class numbers that are no integers"),
    "label-not-a-number": (ERROR, "fields that are no numbers"),
    "label-not-finite": (ERROR, "fields that are nan or inf"),
    "label-too-large": (ERROR, "numbers too large for pixels"),
    "label-size-not-positive": (ERROR, "boxes of negative or zero size"),
    "box-outside": (ERROR, "boxes outside their image"),
    "class-unknown": (ERROR, "class numbers that data.classes does not have"),
    "image-without-label": (ERROR, "images without a label file"),
    "label-without-image": (ERROR, "label files without an image"),
    "image-name": (ERROR, "image names with a line break"),
    "image-twins": (ERROR, "images that share one label file"),
    "image-empty": (ERROR, "image files of zero bytes"),
    "image-truncated": (ERROR, "image files that end too early"),
    "image-unreadable": (ERROR, "files that are no readable images"),
    "image-too-large": (ERROR, "images of more pixels than data.max_image_megapixels allows"),
    "split-refused": (ERROR, "settings that do not split the images"),
    "box-reaches-out": (WARNING, "boxes that reach beyond their image"),
    "box-exact-duplicate": (WARNING, "boxes written twice"),
    "box-near-duplicate": (WARNING, "nearly the same box twice"),
    "box-two-classes": (WARNING, "nearly the same box with two classes"),
    "box-whole-image": (WARNING, "boxes that cover the whole image"),
    "box-tiny": (WARNING, "boxes under 2 pixels"),
    "class-normal": (WARNING, "classes called as good parts are"),
    "class-named": (WARNING, "classes that classes.yaml names otherwise than the settings"),
    "class-once": (WARNING, "classes seen only once"),
    "label-twins": (ERROR, "label files that differ only in their suffix"),
    "leak-near-duplicate": (WARNING, "nearly the same image in two splits"),
    "leak-group": (WARNING, "parts with images in several splits"),
    "images-mixed-depth": (WARNING, "images of different bit depths"),
    "images-over-bits": (WARNING, "images of 16 bit with larger values than data.bit_depth allows"),
    "split-left-out": (NOTE, "images in no list of a split"),
    "leak-within": (NOTE, "nearly the same image within a split"),
    "leak-look-alikes": (NOTE, "many images that look alike"),
    "leak-blank": (NOTE, "images that show nothing to compare"),
    "leak-unread": (NOTE, "images that could not be compared"),
    "leak-not-looked": (NOTE, "near-duplicates were not looked for"),
    "images-few-bits": (NOTE, "images of 16 bit that use fewer bits"),
    "images-mixed-channels": (NOTE, "images of different numbers of channels"),
    "images-mixed-size": (NOTE, "images of different sizes"),
    "image-turned": (NOTE, "images with an EXIF orientation"),
    "image-suffix": (NOTE, "image files whose suffix names another format"),
    "file-ignored": (NOTE, "files that are neither images nor labels"),
    "label-bom": (NOTE, "label files with a byte order mark"),
    "label-crlf": (NOTE, "label files with line ends of Windows"),
    "label-blank": (NOTE, "label files with nothing but blank lines"),
    "class-unused": (NOTE, "classes of data.classes without objects"),
}
_RANK = {code: rank for rank, code in enumerate(CODES)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that is wrong or worth a look.

    Args:
        code: a key of :data:`CODES`.
        file: relative to the data folder, with forward slashes; empty: the data set as a whole.
        line: from 1; 0: the file as a whole.
        expected: what would have been right.
        got: what was found.
        hint: what to do; may be empty.
        severity: error, warning or note.
    """

    code: str
    file: str
    line: int
    expected: str
    got: str
    hint: str = ""
    severity: str = ""

    def __post_init__(self) -> None:
        assert self.code in CODES, self.code
        if not self.severity:
            object.__setattr__(self, "severity", CODES[self.code][0])

    @property
    def where(self) -> str:
        """``labels/a.txt:3``, ``labels/a.txt``, or ``data set``."""
        place = one_line(self.file) or "data set"
        return f"{place}:{self.line}" if self.line else place

    @property
    def message(self) -> str:
        """What was expected, what was found, what to do; without the place."""
        text = f"expected {self.expected}, got {self.got}"
        return one_line(f"{text}; {self.hint}" if self.hint else text)

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, then by code, file and line."""
    rank = {severity: at for at, severity in enumerate(SEVERITIES)}
    return sorted(findings, key=lambda found: (rank[found.severity], _RANK[found.code], found.file, found.line))


def make_strict(findings: Iterable[Finding]) -> list[Finding]:
    """The same, with warnings as errors."""
    return sort_findings(replace(found, severity=ERROR) if found.severity == WARNING else found for found in findings)


def count_severities(findings: Iterable[Finding]) -> dict[str, int]:
    """Severity to number of findings; all three are there."""
    counts = Counter(found.severity for found in findings)
    return {severity: counts[severity] for severity in SEVERITIES}
