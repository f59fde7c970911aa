"""One verdict a part: several images show one part, whose name is in theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from anomdet.errors import Problem, UserError
from anomdet.inference.outcome import FailedImage, Outcome
from anomdet.inference.result import ACCEPT, REJECT

UNDECIDED = "undecided"  # an image of the part could not be read, and none of the others is a reject


@dataclass
class Part:
    """What is known of a part.

    Args:
        name: of the part.
        num_images, num_rejected, num_failed: counts; a failed image could not be read.
        part_score: the highest of its images.
    """

    name: str
    num_images: int = 0
    num_rejected: int = 0
    num_failed: int = 0
    part_score: float = 0.0

    @property
    def verdict(self) -> str:
        """``reject`` if an image is; ``undecided`` if one could not be read; else ``accept``."""
        if self.num_rejected:
            return REJECT
        return UNDECIDED if self.num_failed else ACCEPT

    def add(self, verdict: str, part_score: float | None) -> None:
        """Count an image; a failed one has no score."""
        self.num_images += 1
        self.num_rejected += verdict == REJECT
        self.num_failed += part_score is None
        self.part_score = max(self.part_score, part_score or 0.0)


def compile_group(group_regex: str, *, where: str = "group_by") -> re.Pattern[str]:
    """The pattern.

    Raises:
        UserError: it is none.
    """
    try:
        return re.compile(group_regex)
    except re.error as error:
        raise UserError(Problem(where, "a regular expression", f"{group_regex!r} ({error})")) from None


def part_of(pattern: re.Pattern[str], image: str | None) -> str | None:
    """The first group of the match in an image's name, or the whole match where the pattern has none; else None."""
    found = pattern.search(image or "")
    if found is None:
        return None
    return next((text for text in found.groups() if text), None) if pattern.groups else found.group(0) or None


def group_by(outcomes: Iterable[Outcome], group_regex: str) -> dict[str, Part]:
    """Verdicts on parts, in the order of their first images.

    >>> from anomdet.inference.outcome import FailedImage
    >>> failed = FailedImage("part_7_top.png", "a truncated png file")
    >>> group_by([failed], r"part_(\\d+)")["7"].verdict
    'undecided'

    Args:
        outcomes: of images.
        group_regex: finds the part in the name, as ``data.split.group_regex`` does.

    Raises:
        UserError: no regular expression, or names that it does not match, all at once.
    """
    pattern = compile_group(group_regex)
    parts: dict[str, Part] = {}
    unmatched: list[Problem | str] = []
    for outcome in outcomes:
        name = part_of(pattern, outcome.image)
        if name is None:
            unmatched.append(Problem("group_by", f"a name that {group_regex!r} matches", repr(outcome.image)))
            continue
        score = None if isinstance(outcome, FailedImage) else outcome.part_score
        parts.setdefault(name, Part(name)).add(outcome.verdict, score)
    if unmatched:
        raise UserError(unmatched)
    return parts
