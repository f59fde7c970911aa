"""Which images train, which validate, which test: by ratio and class, by groups, or by list files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomdet.data.index.scan import DataIndex
from anomdet.data.splits.groups import Grouping, group_images, group_names
from anomdet.data.splits.lists import read_split_files
from anomdet.data.splits.positions import Positions
from anomdet.data.splits.stratify import stratify_images
from anomdet.data.splits.stratify_groups import stratify_groups
from anomdet.errors import Problem, UserError
from anomdet.layout import SPLITS, TEST, VAL
from anomdet.words import counted

_NORMAL = "normal"


@dataclass(frozen=True)
class SplitRule:
    """How images are shared out: the settings of ``data.split`` and what stands beside them.

    Args:
        by: ratio, files or group.
        ratios: of train, val and test; they sum to 1.
        split_files: split name to a text file with one image name a line; images in no list are left out. Without one
            of test, the images of val are shared out between both.
        group_regex: on the file name: images with the same first group are in one split; lists must keep to it.
        stratify: each class by the ratios, or plain chance.
        seed: another seed, other splits.
        on_leak: ``group`` puts near-duplicates in one split; what else it may be does not change the splits, but where
            the list of val is shared out: that must not make a leak which ``error`` would then refuse.
        part_regex: on the file name: images of one part, which stay together where the list of val is shared out.
    """

    by: str = "ratio"
    ratios: tuple[float, ...] = (0.7, 0.15, 0.15)
    split_files: Mapping[str, str | None] | None = None
    group_regex: str | None = None
    stratify: bool = True
    seed: int = 0
    on_leak: str = "warn"
    part_regex: str | None = None


def as_split_rule(
    ratios: Sequence[float], split_files: Mapping[str, str | None] | None, split_rule: Mapping[str, Any] | None
) -> SplitRule:
    """From the arguments of a data set; ``split_rule`` holds the other fields."""
    rule = {"by": "files" if split_files else "ratio", **(split_rule or {})}
    return SplitRule(ratios=tuple(map(float, ratios)), split_files=split_files, **rule)


@dataclass(frozen=True)
class Splits:
    """The splits of a data set.

    Args:
        positions: of each split, into ``index.records``, ascending.
        grouping: what must stay together; None: every image is on its own.
        is_val_halved: there was no list of test.
        num_left_out: images that no list names.
    """

    positions: dict[str, Sequence[int]]
    grouping: Grouping | None = None
    is_val_halved: bool = False
    num_left_out: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """How lists and groups were shared out, a sentence each."""
        return (*((self.left_out,) if self.left_out else ()), *self._shared_out)

    @property
    def left_out(self) -> str:
        """What the lists do not name; empty: nothing."""
        if not self.num_left_out:
            return ""
        images = counted(self.num_left_out, "image stands", "images stand")
        return f"{images} in no list of data.split_files: neither trained on nor measured"

    @property
    def _shared_out(self) -> tuple[str, ...]:
        if self.is_val_halved:
            val, test = (len(self.positions[name]) for name in (VAL, TEST))
            return (
                f"data.split_files has no list of test: the list of val is shared out by class, {val} images choose "
                f"(val) and {test} are measured (test)",
            )
        if self.grouping is None:
            return ()
        sizes = " / ".join(f"{len(positions)} {name}" for name, positions in self.positions.items())
        return (*self.grouping.notes, f"groups kept together: {sizes} images")


_last: list[tuple[DataIndex, SplitRule, Splits]] = []


def make_splits(index: DataIndex, rule: SplitRule) -> Splits:
    """The splits of a data set; the data sets of the three splits ask alike, and pay once.

    Raises:
        UserError: see :func:`split_records`, and :func:`group_images`.
    """
    if rule.by == "files":
        positions = read_split_files(index, rule.split_files or {})
        if rule.group_regex is not None:
            _refuse_torn(index, positions, rule.group_regex)
        left_out = len(index.records) - sum(map(len, positions.values()))
        if TEST in positions:
            return Splits(positions, num_left_out=left_out)
        halves = _halves(index, positions[VAL], rule)
        return Splits({**positions, **halves}, is_val_halved=True, num_left_out=left_out)
    if _last and _last[0][0] is index and _last[0][1] == rule:
        return _last[0][2]
    grouping = None
    if rule.group_regex is not None or rule.on_leak == "group":
        grouping = group_images(index, group_regex=rule.group_regex, join_near_duplicates=rule.on_leak == "group")
    splits = Splits(split_records(index, rule, grouping), grouping)
    _last[:] = [(index, rule, splits)]
    return splits


def _refuse_torn(index: DataIndex, positions: Mapping[str, Sequence[int]], group_regex: str) -> None:
    """Lists are taken as they are, and may not tear apart what the pattern says is together."""
    split_of: dict[str, str] = {}
    problems = {}
    for split, ats in positions.items():
        names = [index.records[at].file_name for at in ats]
        for name, group in zip(names, group_names(names, group_regex), strict=True):
            if split_of.setdefault(group, split) != split:
                expected = f"all images of the group {group!r} in {split_of[group]}"
                problems[group, split] = Problem("data.split_files", expected, f"{name} in {split}")
    if problems:
        raise UserError(problems.values(), title="The split files tear groups apart (data.split.group_regex):")


def _halves(index: DataIndex, positions: Sequence[int], rule: SplitRule) -> dict[str, Sequence[int]]:
    """Val and test from the images of one list, each class in both where it can be; what belongs together stays so.

    Raises:
        UserError: they are one image or one group.
    """
    of_list: NDArray[np.int64] = np.asarray(positions)
    grouping = group_images(
        index,
        group_regex=rule.group_regex or rule.part_regex,
        join_near_duplicates=rule.on_leak in ("group", "error"),
        names=[index.records[at].file_name for at in positions],
    )
    if grouping.num_groups < 2:
        expected = "a list, or two images or groups in that of val, which is shared out then"
        raise UserError(Problem("split_files.test", expected, f"nothing, and {grouping.num_groups}"))
    counts = _counts(index, of_list, grouping.group_of, grouping.num_groups, rule.stratify)
    split_of = stratify_groups(counts, (0.5, 0.5), rule.seed)[grouping.group_of]
    return {name: Positions(of_list[split_of == at]) for at, name in enumerate((VAL, TEST))}


def split_records(index: DataIndex, rule: SplitRule, grouping: Grouping | None = None) -> dict[str, Sequence[int]]:
    """Positions into ``index.records`` of each split, ascending, by the ratios.

    Stratified by class (normal images are a class of their own), the same on every machine for the same file names,
    labels, ratios and seed. A class in three or more images is in every split; one in two images is in train and test;
    one in a single image is in train. No split with a ratio above 0 is empty. With groups, read groups for images
    there; the ratios are still of images.

    Args:
        index: the data set.
        rule: its ratios, seed and stratify count.
        grouping: what must stay together.

    Raises:
        UserError: fewer images, or groups, than splits.
    """
    grouped = grouping is not None and grouping.num_groups < len(index.records)
    num_units = grouping.num_groups if grouped and grouping else len(index.records)
    num_splits = sum(ratio > 0 for ratio in rule.ratios)
    if num_units < num_splits:
        hint = "add images or name those of each split in data.split_files"
        unit = "groups of images" if grouped else "images"
        problem = Problem(str(index.data_dir), f"at least {num_splits} {unit}, one a split", f"{num_units}", hint)
        raise UserError(problem)
    split_of: NDArray[np.integer]
    if grouped and grouping:
        split_of = split_groups(index, grouping, rule)
    elif rule.stratify:
        split_of = stratify_images(index.columns, tuple(rule.ratios), rule.seed)
    else:
        split_of = _by_chance(len(index.records), rule)
    return {name: Positions(np.flatnonzero(split_of == at)) for at, name in enumerate(SPLITS)}


def split_groups(index: DataIndex, grouping: Grouping, rule: SplitRule) -> NDArray[np.integer]:
    """The split of each image, whole groups by the ratios."""
    everything = np.arange(len(index.records))
    counts = _counts(index, everything, grouping.group_of, grouping.num_groups, rule.stratify)
    return stratify_groups(counts, rule.ratios, rule.seed)[grouping.group_of]


def _counts(
    index: DataIndex, positions: NDArray[np.int64], group_of: NDArray[np.int64], num_groups: int, stratify: bool
) -> NDArray[np.int64]:
    """``(G, 1 + C)`` images, and where classes count, images with each class and normal ones, of each group.

    Args:
        index: the data set.
        positions: ``(N,)`` of some of its images.
        group_of: ``(N,)`` group of each of these.
        num_groups: G.
        stratify: classes count.
    """
    counts: NDArray[np.int64] = np.zeros((num_groups, 1), np.int64)
    np.add.at(counts[:, 0], group_of, 1)
    if stratify:
        present = index.columns.class_counts(positions, index.class_nums) > 0
        present = np.column_stack([present, ~present.any(axis=1)])
        present = present[:, _by_text(index.class_nums)]
        present = present[:, present.any(axis=0)]
        of_group = np.zeros((num_groups, present.shape[1]), np.int64)
        np.add.at(of_group, group_of, present)
        counts = np.column_stack([counts, of_group])
    return counts


def _by_text(class_nums: Sequence[int]) -> list[int]:
    """The columns of the classes and of normal images in the order of their names as text, which breaks ties."""
    strata = [*map(str, class_nums), _NORMAL]
    return sorted(range(len(strata)), key=lambda at: strata[at])


def _by_chance(num_images: int, rule: SplitRule) -> NDArray[np.integer]:
    """A random order, cut where the ratios say; no split with a ratio above 0 is empty."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(rule.seed)))
    sizes = np.floor(np.array(rule.ratios) * num_images + 1e-9).astype(np.int64)
    sizes = np.maximum(sizes, np.array(rule.ratios) > 0)
    largest = int(np.argmax(rule.ratios))
    sizes[largest] += num_images - sizes.sum()
    split_of = np.empty(num_images, np.int64)
    split_of[generator.permutation(num_images)] = np.repeat(np.arange(len(sizes)), sizes)
    return split_of
