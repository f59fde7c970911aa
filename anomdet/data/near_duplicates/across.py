"""Near-duplicates in two splits: what makes metrics look better than they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from anomdet.data.index.scan import DataIndex
from anomdet.data.near_duplicates.audit import AFFORDABLE_BYTES, Audit, Postponed, audit_images
from anomdet.data.near_duplicates.hashes import HASH_BYTES
from anomdet.errors import Problem, UserError

_SHOWN = 20
_LOOK_ALIKES = (
    "so many images look alike that not all pairs were compared: name the parts by data.split.group_regex, so that "
    "each stays in one split"
)


@dataclass(frozen=True)
class Leak:
    """Two images that are nearly the same, in two splits.

    Args:
        names: of the two.
        splits: of the two.
        distance: bits in which their hashes differ.
        likeness: of their fine detail, from 0.8 to 1.
    """

    names: tuple[str, str]
    splits: tuple[str, str]
    distance: int
    likeness: float

    @property
    def evidence(self) -> str:
        return f"{self.distance} of {8 * HASH_BYTES} bits differ, detail {self.likeness:.2f} alike"

    def __str__(self) -> str:
        (first, second), (one, other) = self.names, self.splits
        return f"{first} ({one}) and {second} ({other}): {self.evidence}"


def find_leaks(audit: Audit, positions: Mapping[str, Sequence[int]]) -> tuple[list[Leak], int]:
    """The leaks, the nearest first, and how many pairs are within one split.

    Args:
        audit: of the images of the index, in its order.
        positions: of each split, into the index.
    """
    names = list(positions)
    split_of = np.full(len(audit.names), -1, np.int64)
    for at, name in enumerate(names):
        split_of[np.asarray(positions[name], np.int64)] = at
    rows = audit.across(split_of)
    leaks = []
    for row in rows[np.argsort(audit.distances[rows], kind="stable")]:
        first, second = sorted(audit.pairs[row].tolist(), key=lambda image: (split_of[image], image))
        leaks.append(
            Leak(
                (audit.names[first], audit.names[second]),
                (names[split_of[first]], names[split_of[second]]),
                int(audit.distances[row]),
                float(audit.likeness[row]),
            )
        )
    in_both = (split_of[audit.pairs].reshape(-1, 2) >= 0).all(axis=1)
    return leaks, int(in_both.sum()) - len(leaks)


@dataclass(frozen=True)
class Looked:
    """What a look at the start of a run found.

    Args:
        warning: for the log; empty: nothing.
        note: for the log; empty: nothing.
        facts: for splits.json.
    """

    warning: str = ""
    note: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def look_at_start(index: DataIndex, positions: Mapping[str, Sequence[int]], on_leak: str, by: str) -> Looked:
    """Do what ``data.split.on_leak`` says.

    Args:
        index: the data set.
        positions: of each split.
        on_leak: as in the settings.
        by: ratio, files or group: lists are corrected by hand, other splits by a setting.

    Raises:
        UserError: with ``error`` the leaks; with ``group`` too, which are then those that list files ask for.
    """
    if on_leak == "ignore":
        return Looked(facts={"near_duplicates_across": None, "near_duplicates_within": None})
    names = index.columns.file_names()
    audit = audit_images(index.data_dir, names, max_bytes=AFFORDABLE_BYTES if on_leak == "warn" else None)
    if isinstance(audit, Postponed):
        note = f"near-duplicates were not looked for: {audit}; anomdet check --config ... --leaks does, once"
        return Looked(note=note, facts={"near_duplicates_across": None, "near_duplicates_within": None})
    leaks, num_within = find_leaks(audit, positions)
    facts = {"near_duplicates_across": len(leaks), "near_duplicates_within": num_within, "complete": audit.complete}
    if not leaks:
        return Looked(warning="" if audit.complete else _LOOK_ALIKES, facts=facts)
    if on_leak in ("error", "group"):
        raise UserError([_problem(leak) for leak in leaks[:_SHOWN]], title=_title(leaks, on_leak, by))
    first = "; ".join(map(str, leaks[:3]))
    text = (
        f"{_count(len(leaks))} in two splits: the metrics may be better than new parts will give; {remedy(by)}; {first}"
    )
    return Looked(warning=text if audit.complete else f"{text}; {_LOOK_ALIKES}", facts=facts)


def remedy(by: str) -> str:
    """What keeps near-duplicates in one split."""
    return "fix the lists of data.split_files" if by == "files" else "data.split.on_leak=group keeps them in one split"


def _title(leaks: list[Leak], on_leak: str, by: str) -> str:
    more = f"; the first {_SHOWN}" if len(leaks) > _SHOWN else ""
    return f"{_count(len(leaks))} in two splits (data.split.on_leak: {on_leak}; {remedy(by)}, warn continues){more}:"


def _problem(leak: Leak) -> Problem:
    (first, second), (one, other) = leak.names, leak.splits
    return Problem(second, f"{one}, the split of {first}, which is nearly the same", f"{other} ({leak.evidence})")


def _count(number: int) -> str:
    return f"{number:,} pair{'' if number == 1 else 's'} of near-duplicates"
