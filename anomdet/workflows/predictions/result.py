"""How far a job is, and what it came to: counts, a table for a person, an exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from anomdet.inference.outcome import FAILED
from anomdet.inference.result import ACCEPT, REJECT
from anomdet.terminal import one_line
from anomdet.words import counted


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Args:
        num_images: judged by this process so far.
        total: that it will judge; None: nobody knows.
        num_rejected, num_failed: of them.
        seconds: since the first image was asked for.
    """

    num_images: int
    total: int | None
    num_rejected: int
    num_failed: int
    seconds: float

    def __str__(self) -> str:
        of_all = "" if self.total is None else f" of {self.total}"
        rate = f", {self.num_images / self.seconds:.1f} a second" if self.seconds else ""
        failed = f", {self.num_failed} not readable" if self.num_failed else ""
        noun = "image" if (self.total or self.num_images) == 1 else "images"
        return f"{self.num_images}{of_all} {noun}{rate}; {self.num_rejected} rejected{failed}"


@dataclass(frozen=True)
class Predicted:
    """What a job came to.

    Args:
        verdicts: ``accept``, ``reject`` and ``failed`` to images; with those of the job that was continued.
        classes: class name to detections from the threshold on.
        rejected_by: class name to images with such a detection.
        part_verdicts: ``accept``, ``reject`` and ``undecided`` to parts; empty: images were not grouped.
        failures: (image, why) of the first images that could not be read.
        num_images: judged now.
        seconds: that took.
        written: files and folders worth opening.
        is_whole: whether this is the whole job's; False: a part of it, of one process of several.
        exit_code: see :func:`exit_code`.
    """

    verdicts: Mapping[str, int]
    classes: Mapping[str, int]
    rejected_by: Mapping[str, int]
    part_verdicts: Mapping[str, int]
    failures: Sequence[tuple[str, str]]
    num_images: int
    seconds: float
    written: Sequence[Path] = ()
    is_whole: bool = True
    exit_code: int = 0

    @property
    def table(self) -> str:
        """Verdicts, classes, parts and failures, for a person."""
        if not self.is_whole:
            return f"{counted(self.num_images, 'image')} judged by this process"
        rows = [("images", self.verdicts), ("parts", self.part_verdicts)]
        lines = [f"{what}: {_counts(counts)}" for what, counts in rows if counts]
        if self.classes:
            shown = {name: one_line(name) for name in self.classes}
            width = max(map(len, (*shown.values(), "class")))
            lines.append(f"{'class':<{width}}  detections  images")
            found = sorted(self.classes.items(), key=lambda row: -row[1])
            lines += [f"{shown[name]:<{width}}  {count:>10}  {self.rejected_by[name]:>6}" for name, count in found]
        num_failed = self.verdicts.get(FAILED, 0)
        if num_failed:
            lines.append("not readable, so without a verdict:")
            lines += [one_line(f"  {image}: {error}") for image, error in self.failures]
            lines += [f"  and {num_failed - len(self.failures)} more"] if num_failed > len(self.failures) else []
        if self.num_images and self.seconds:
            lines.append(
                f"{counted(self.num_images, 'image')} in {self.seconds:.1f} s, "
                f"{self.num_images / self.seconds:.1f} a second"
            )
        return "\n".join(lines)


def exit_code(fail_on: str, verdicts: Mapping[str, int], *, is_whole: bool) -> int:
    """3: images could not be read, so that not every part has a verdict; 1: a reject, if that was asked for; else 0."""
    if not is_whole:
        return 0  # torchrun would end the other processes
    if verdicts.get(FAILED):
        return 3
    return int(fail_on == REJECT and bool(verdicts.get(REJECT)))


def _counts(counts: Mapping[str, int]) -> str:
    names = {**dict.fromkeys((ACCEPT, REJECT), 0), **counts}
    return ", ".join(f"{count} {name}" for name, count in names.items())
