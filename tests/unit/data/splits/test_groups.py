"""Groups are never torn apart, and classes and ratios hold as far as whole groups allow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anomdet.data.near_duplicates.audit import Audit
from anomdet.data.splits.groups import Grouping, group_images, group_names, join, number_groups
from anomdet.data.splits.lists import SPLITS
from anomdet.data.splits.make import SplitRule, make_splits, split_records
from anomdet.data.splits.stratify_groups import stratify_groups
from anomdet.errors import UserError

RATIOS = (0.7, 0.15, 0.15)


def grouped_index(make_index, rng: np.random.Generator, num_groups: int, largest: int):
    """Groups of 1 to ``largest`` images; each group has a few classes of its own, rare ones too."""
    group_of = np.repeat(np.arange(num_groups), rng.integers(1, largest + 1, num_groups))
    shares = np.geomspace(1, 0.05, 5)
    own = [rng.choice(5, rng.integers(1, 4), p=shares / shares.sum()).tolist() for _ in range(num_groups)]
    classes = [sorted(set(own[group]) if rng.random() < 0.7 else set()) for group in group_of]
    index = make_index(classes)
    order = rng.permutation(len(classes))  # names do not lie in the order of groups
    for at, record in enumerate(index.records):
        object.__setattr__(record, "file_name", f"lot{group_of[at]:04}_{order[at]:05}.png")
    return index, group_of, classes


@pytest.mark.parametrize("stratified", [True, False])
@pytest.mark.parametrize("seed", range(12))
def test_no_group_is_torn_and_ratios_are_near(make_index, seed, stratified):
    rng = np.random.default_rng(seed)
    index, group_of, classes = grouped_index(make_index, rng, int(rng.integers(12, 150)), 8)
    rule = SplitRule(by="group", group_regex=r"^(lot\d+)_", seed=seed, stratify=stratified)
    splits = make_splits(index, rule)
    assert tuple(splits.positions) == SPLITS
    assert sorted(sum(splits.positions.values(), ())) == list(range(len(classes)))
    groups = [set(group_of[list(positions)].tolist()) for positions in splits.positions.values()]
    assert sum(map(len, groups)) == len(set(group_of.tolist()))
    for ratio, positions in zip(RATIOS, splits.positions.values(), strict=True):
        assert abs(len(positions) - ratio * len(classes)) <= 8  # the largest group
    if stratified:
        for num in {num for many in classes for num in many}:
            holders = {int(group_of[at]) for at, many in enumerate(classes) if num in many}
            places = [split for split, here in zip(SPLITS, groups, strict=True) if holders & here]
            assert len(places) == min(len(holders), 3), (num, len(holders))


def test_classes_follow_the_ratios(make_index):
    index, _, classes = grouped_index(make_index, np.random.default_rng(3), 600, 6)
    splits = make_splits(index, SplitRule(by="group", group_regex=r"^(lot\d+)_")).positions
    for ratio, positions in zip(RATIOS, splits.values(), strict=True):
        for num in range(5):
            total = sum(num in many for many in classes)
            assert sum(num in classes[at] for at in positions) / total == pytest.approx(ratio, abs=0.02)


def test_groups_of_one_image_are_split_as_images(make_index):
    index, _, _ = grouped_index(make_index, np.random.default_rng(4), 80, 4)
    each = make_splits(index, SplitRule(by="group", group_regex="^(.+)$"))
    assert each.positions == split_records(index, SplitRule())
    assert each.notes


def test_another_seed_other_groups(make_index):
    index, _, _ = grouped_index(make_index, np.random.default_rng(5), 80, 4)
    first, second = (SplitRule(by="group", group_regex=r"^(lot\d+)_", seed=seed) for seed in (1, 2))
    assert make_splits(index, first) == make_splits(index, first)
    assert make_splits(index, first).positions != make_splits(index, second).positions


def test_the_same_under_any_hash_seed_and_known_to_this_file():
    code = (
        "import numpy as np\n"
        "from anomdet.data.splits.stratify_groups import stratify_groups\n"
        "counts = np.array([[1 + i % 5, i % 3, (i * 7) % 2, 1] for i in range(40)])\n"
        "print(''.join(map(str, stratify_groups(counts, (0.6, 0.2, 0.2), 7))))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[4],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("0", "4242")
    }
    assert outputs == {"0010000002100001202020101200100121210200"}


def test_few_groups(make_index):
    index, _, _ = grouped_index(make_index, np.random.default_rng(6), 2, 5)
    with pytest.raises(UserError, match="at least 3 groups of images, one a split, got 2"):
        make_splits(index, SplitRule(by="group", group_regex=r"^(lot\d+)_"))
    split_of = stratify_groups(np.array([[9, 9, 0], [1, 0, 1], [1, 0, 0]]), RATIOS, 0)
    assert sorted(split_of.tolist()) == [0, 1, 2]
    assert set(stratify_groups(np.array([[3, 3]] * 4), (0.5, 0, 0.5), 0).tolist()) == {0, 2}


@pytest.mark.parametrize(
    ("pattern", "names", "groups"),
    [
        (r"^(lot\d+)_", ["lot1_a.png", "lot22_b.png"], ["lot1", "lot22"]),
        (r"cam\d", ["x_cam1.png", "cam2/y.png"], ["cam1", "cam2"]),
        (r"^(lot\d+)_|^(.+)$", ["lot1_a.png", "other.png"], ["lot1", "other.png"]),
    ],
)
def test_the_group_of_a_name(pattern, names, groups):
    assert group_names(names, pattern) == groups


def test_names_that_do_not_match_are_told_at_once():
    with pytest.raises(UserError, match=r"2 of 3 names that '\^\(lot\\\\d\+\)_' does not match: lot_1.png, x.png;"):
        group_names(["lot1_a.png", "lot_1.png", "x.png"], r"^(lot\d+)_")


@pytest.mark.parametrize("seed", range(5))
def test_joining_gives_connected_components(seed):
    rng = np.random.default_rng(seed)
    group_of = number_groups(rng.integers(0, 30, 60).tolist())
    pairs = rng.integers(0, 60, (12, 2))
    joined = join(group_of, pairs)
    labels = group_of.copy()  # the oracle: spread the lowest number until nothing changes
    while True:
        before = labels.copy()
        for first, second in pairs:
            one, other = labels[first], labels[second]
            labels[(labels == one) | (labels == other)] = min(one, other)
        if np.array_equal(before, labels):
            break
    assert np.array_equal(joined, number_groups(labels.tolist()))


@pytest.fixture
def twins(monkeypatch):
    """An audit that finds these pairs."""

    def find(pairs, complete=True):
        def audit(data_dir, names, max_bytes=None):
            rows = np.array(pairs, np.int64).reshape(-1, 2)
            return Audit(tuple(names), rows, np.zeros(len(rows), np.int64), np.ones(len(rows)), 0, 0, complete)

        monkeypatch.setattr("anomdet.data.splits.groups.audit_images", audit)

    return find


def test_near_duplicates_are_joined_with_each_other_and_with_groups(make_index, twins):
    index = make_index([[1]] * 12)
    twins([(0, 5), (5, 9), (2, 3)])
    found = group_images(index, group_regex=None, join_near_duplicates=True)
    assert (found.num_groups, found.num_pairs) == (9, 3)
    assert len({int(found.group_of[at]) for at in (0, 5, 9)}) == 1
    for name, positions in make_splits(index, SplitRule(on_leak="group")).positions.items():
        assert len({0, 5, 9} & set(positions)) in (0, 3) and len({2, 3} & set(positions)) in (0, 2), name
    both = group_images(index, group_regex=r"(\d)\.png", join_near_duplicates=True)
    assert both.group_of[0] == both.group_of[10] == both.group_of[5] == both.group_of[9]


def test_joining_everything_says_nothing(make_index, twins):
    index = make_index([[1]] * 12)
    twins([(at, at + 1) for at in range(7)])
    with pytest.raises(UserError, match="8 of 12 images that are all joined"):
        make_splits(index, SplitRule(on_leak="group"))
    twins([(0, 1)], complete=False)
    with pytest.raises(UserError, match="too many that are alike"):
        make_splits(index, SplitRule(on_leak="group", seed=1))


def test_lists_may_not_tear_groups(make_index, tmp_path):
    index = make_index([[1]] * 6)
    files = {}
    for split, names in (("train", "000000 000001"), ("val", "000002 000003"), ("test", "000004")):
        (tmp_path / split).write_text("".join(f"{name}.png\n" for name in names.split()))
        files[split] = str(tmp_path / split)
    assert make_splits(index, SplitRule(by="files", split_files=files, group_regex=r"(0[01]|0[23]|0\d)\.png"))
    with pytest.raises(UserError, match=r"all images of the group '0000' in train, got 000003.png in val"):
        make_splits(index, SplitRule(by="files", split_files=files, group_regex=r"^(0000)0[13]\.png|^(.+)$"))


def test_grouping_of_no_image():
    assert Grouping(np.zeros(0, np.int64), None, ()).num_groups == 0
    assert join(np.zeros(0, np.int64), np.zeros((0, 2), np.int64)).shape == (0,)


@pytest.mark.parametrize(("num_images", "sizes"), [(3, [1, 1, 1]), (20, [14, 3, 3]), (1000, [700, 150, 150])])
def test_plain_chance(make_index, num_images, sizes):
    index = make_index([[1]] * num_images)
    first = split_records(index, SplitRule(stratify=False))
    assert [len(positions) for positions in first.values()] == sizes
    assert sorted(sum(first.values(), ())) == list(range(num_images))
    if num_images > 3:
        assert first != split_records(index, SplitRule(stratify=False, seed=1))
