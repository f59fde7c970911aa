"""Which images must be in one split: those of one part, by their names, and near-duplicates, by their pixels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.scan import DataIndex
from anomdet.data.near_duplicates.audit import Audit, audit_images
from anomdet.errors import Problem, UserError

_SHOWN_NAMES = 20
_MAX_SHARE = 0.5


@dataclass(frozen=True)
class Grouping:
    """The groups of a data set's images.

    Args:
        group_of: ``(N,)`` number of each image's group, from 0 on, in the order of first images.
        num_pairs: of near-duplicates that were joined; None: not looked for.
        notes: a sentence each.
    """

    group_of: NDArray[np.int64]
    num_pairs: int | None
    notes: tuple[str, ...]

    @property
    def num_groups(self) -> int:
        return int(self.group_of.max()) + 1 if len(self.group_of) else 0


def group_images(
    index: DataIndex, *, group_regex: str | None, join_near_duplicates: bool, names: Sequence[str] | None = None
) -> Grouping:
    """Groups by names, by near-duplicates, or by both: what is joined by either is together.

    Args:
        index: the data set.
        group_regex: as in :func:`group_names`; None: names say nothing.
        join_near_duplicates: these too.
        names: of the images to group; None: all of the data set.

    Raises:
        UserError: a name that the pattern does not match; or so many images are alike that joining them says nothing.
    """
    names = index.columns.file_names() if names is None else names
    group_of: NDArray[np.int64] = np.arange(len(names), dtype=np.int64)
    notes: list[str] = []
    num_pairs = None
    if group_regex is not None:
        group_of = number_groups(group_names(names, group_regex))
        notes.append(f"{len(names)} images in {_count(group_of)} groups by their names")
    if join_near_duplicates:
        audit = audit_images(index.data_dir, names)
        assert isinstance(audit, Audit)  # without a limit all images are read
        group_of = join(group_of, audit.pairs)
        num_pairs = len(audit.pairs)
        notes.append(f"{num_pairs} pairs of near-duplicates joined: {_count(group_of)} groups of images")
        _refuse_one_lump(index, group_of, audit)
    return Grouping(group_of, num_pairs, tuple(notes))


def group_names(file_names: Sequence[str], group_regex: str) -> list[str]:
    """The group of each image: the first group of the match in its name, or the whole match where it has none.

    Raises:
        UserError: names that do not match, all at once.
    """
    pattern = re.compile(group_regex)
    groups, unmatched = [], []
    for name in file_names:
        found = pattern.search(name)
        group = found and (next((text for text in found.groups() if text), "") if pattern.groups else found.group(0))
        if group:
            groups.append(group)
        else:
            unmatched.append(name)
    if unmatched:
        raise UserError(_unmatched(unmatched, len(file_names), group_regex))
    return groups


def _unmatched(names: list[str], num_images: int, group_regex: str) -> Problem:
    """An image that is silently a group of its own may be the leak that grouping was asked to close."""
    shown = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
    got = f"{len(names)} of {num_images} names that {group_regex!r} does not match: {shown}"
    hint = "correct the pattern; if each of these is a part of its own, add |^(.+)$ to it"
    return Problem("data.split.group_regex", "a group in the name of each image", got, hint)


def number_groups(names: Sequence[object]) -> NDArray[np.int64]:
    """``(N,)`` number of each name, in the order of their first appearance."""
    number_of: dict[object, int] = {}
    return np.fromiter((number_of.setdefault(name, len(number_of)) for name in names), np.int64, len(names))


def join(group_of: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Groups with those of each pair joined: connected components, numbered in the order of first images.

    Args:
        group_of: ``(N,)``.
        pairs: ``(P, 2)`` images.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    num_groups = int(group_of.max()) + 1 if len(group_of) else 0
    if not num_groups:
        return group_of
    first, second = group_of[pairs].reshape(-1, 2).T
    links = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(num_groups, num_groups))
    joined = connected_components(links, directed=False)[1][group_of]
    return number_groups(joined.tolist())


def _count(group_of: NDArray[np.int64]) -> int:
    return int(group_of.max()) + 1 if len(group_of) else 0


def _refuse_one_lump(index: DataIndex, group_of: NDArray[np.int64], audit: Audit) -> None:
    largest = int(np.bincount(group_of).max()) if len(group_of) else 0
    if audit.complete and largest <= _MAX_SHARE * len(group_of):
        return
    got = f"{largest} of {len(group_of)} images that are all joined" if audit.complete else "too many that are alike"
    hint = "name the parts by data.split.group_regex instead, or list the images in data.split_files"
    expected = "near-duplicates that are few among the images (data.split.on_leak: group)"
    raise UserError(Problem(str(index.data_dir), expected, got, hint))
