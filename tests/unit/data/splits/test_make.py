from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.config.schema_data import DataSettings
from anomdet.config.translate_data import split_arguments
from anomdet.data.index import columns
from anomdet.data.index.scan import DataIndex, scan
from anomdet.data.splits.lists import SPLITS, freeze, read_split_files, split_hash
from anomdet.data.splits.make import SplitRule, as_split_rule, make_splits
from anomdet.data.splits.positions import Positions
from anomdet.data.splits.stratify import stratify, stratify_images
from anomdet.errors import UserError

RATIOS = (0.7, 0.15, 0.15)


def splits_of(index, **rule):
    return make_splits(index, SplitRule(**rule)).positions


def random_classes(rng: np.random.Generator, num_images: int, num_classes: int) -> list[list[int]]:
    """Classes a hundred times rarer than others, up to four in an image, a third of the images normal."""
    shares = np.geomspace(1, 0.01, num_classes)
    shares /= shares.sum()
    sizes = np.where(rng.random(num_images) < 0.33, 0, rng.integers(1, 5, num_images))
    return [sorted(set(rng.choice(num_classes, size, p=shares).tolist())) for size in sizes]


def classes_of(classes: list[list[int]], positions: tuple[int, ...]) -> list[set[int]]:
    return [set(classes[at]) for at in positions]


@pytest.mark.parametrize("seed", range(40))
def test_every_class_of_three_images_is_in_every_split(make_index, seed):
    rng = np.random.default_rng(seed)
    classes = random_classes(rng, int(rng.integers(20, 400)), int(rng.integers(1, 12)))
    splits = splits_of(make_index(classes), ratios=RATIOS, seed=seed)
    assert tuple(splits) == SPLITS
    assert sorted(sum(splits.values(), ())) == list(range(len(classes)))
    for num in {num for many in classes for num in many}:
        num_images = sum(num in many for many in classes)
        places = {name for name in SPLITS if any(num in many for many in classes_of(classes, splits[name]))}
        assert len(places) == min(num_images, 3), (num, num_images)
        assert num_images != 1 or places == {"train"}
        assert num_images != 2 or places == {"train", "test"}


def test_shares_follow_the_ratios(make_index):
    classes = random_classes(np.random.default_rng(1), 3000, 6)
    splits = splits_of(make_index(classes), ratios=RATIOS, seed=0)
    for ratio, positions in zip(RATIOS, splits.values(), strict=True):
        assert len(positions) / 3000 == pytest.approx(ratio, abs=0.01)
        for stratum in (*range(6), None):
            has = [(stratum in many) if stratum is not None else not many for many in classes]
            share = sum(has[at] for at in positions) / sum(has)
            assert share == pytest.approx(ratio, abs=0.5 / sum(has) + 0.02), stratum


def test_positions_ascend_and_depend_on_the_seed_alone(make_index):
    index = make_index(random_classes(np.random.default_rng(2), 200, 4))
    first = splits_of(index, ratios=RATIOS, seed=5)
    assert first == splits_of(index, ratios=RATIOS, seed=5)
    assert first != splits_of(index, ratios=RATIOS, seed=6)
    assert all(list(positions) == sorted(positions) for positions in first.values())


def test_the_same_under_any_hash_seed_and_known_to_this_file():
    """Text classes too, since the normal images are a stratum named by text."""
    code = (
        "from anomdet.data.splits.stratify import stratify\n"
        "strata = tuple((i % 5,) if i % 3 else ('normal',) for i in range(60))\n"
        "print(''.join(map(str, stratify(strata, (0.6, 0.2, 0.2), 7))))"
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
        for seed in ("0", "1", "4242")
    }
    assert outputs == {"000000022200000101200002020102010100001102201000211010012000"}


KNOWN = (
    (3000, 6, (0.7, 0.15, 0.15), "a6daa48b00591eca"),
    (2000, 70, (0.7, 0.15, 0.15), "44cf8f9298822c00"),
    (1500, 12, (0.6, 0.0, 0.4), "d5c9b1e93d6adca0"),
    (777, 3, (0.34, 0.33, 0.33), "f8d6bdd4ea16c8b2"),
)


@pytest.mark.parametrize(("seed", "known"), list(enumerate(KNOWN)))
def test_splits_stay_what_they_were(make_index, seed, known):
    """Hashes from before the index became columns: a training may be resumed with a later version."""
    num_images, num_classes, ratios, expected = known
    classes = random_classes(np.random.default_rng(seed), num_images, num_classes)
    strata = tuple(tuple(many) or ("normal",) for many in classes)
    assert hashlib.sha256(bytes(stratify(strata, ratios, seed))).hexdigest()[:16] == expected
    found = stratify_images(make_index(classes).columns, ratios, seed)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == expected


def test_positions_are_a_tuple_in_less_room():
    positions = Positions([3, 1, 2])
    assert positions == (3, 1, 2) and positions != (3, 1) and positions != (3, 1, 4) and positions != [3, 1, 2]
    assert tuple(positions) == (3, 1, 2) and positions[1:] == (1, 2) and positions[-1] == 2 and 4 not in positions
    assert sum((positions, Positions([])), ()) == (3, 1, 2) and hash(positions) == hash((3, 1, 2))
    assert np.asarray(positions).dtype == np.int32 and not np.asarray(positions).flags.writeable
    assert np.array(positions).flags.writeable


@pytest.mark.parametrize(("num_images", "sizes"), [(3, [1, 1, 1]), (4, [2, 1, 1]), (5, [3, 1, 1]), (10, [6, 2, 2])])
def test_tiny_data_sets_fill_every_split(make_index, num_images, sizes):
    splits = splits_of(make_index([[1]] * num_images), ratios=RATIOS, seed=0)
    found = [len(positions) for positions in splits.values()]
    assert sum(found) == num_images and found[0] >= found[1] and min(found) >= 1
    assert found == sizes or num_images == 10


def test_a_single_defect_goes_to_train(make_index):
    for num_normal in (2, 3, 9):
        splits = splits_of(make_index([[]] * num_normal + [[1]]), ratios=RATIOS, seed=0)
        assert num_normal in splits["train"] and all(splits.values())


@pytest.mark.parametrize("num_images", [1, 2])
def test_fewer_images_than_splits(make_index, num_images):
    with pytest.raises(UserError, match="at least 3 images, one a split"):
        splits_of(make_index([[1]] * num_images), ratios=RATIOS, seed=0)
    if num_images == 2:
        splits = splits_of(make_index([[1]] * 2), ratios=(0.5, 0, 0.5), seed=0)
        assert [len(positions) for positions in splits.values()] == [1, 0, 1]


def test_an_impossible_wish_ends_and_loses_no_image():
    """All triples of five images as classes: no three-colouring shows each class everywhere."""
    triples = [(a, b, c) for a in range(5) for b in range(a) for c in range(b)]
    strata = tuple(tuple(at for at, triple in enumerate(triples) if image in triple) for image in range(5))
    split_of = stratify(strata, RATIOS, 0)
    assert set(split_of) == {0, 1, 2}


def test_many_images_in_little_time():
    rng = np.random.default_rng(0)
    strata = tuple(tuple(many) or ("normal",) for many in random_classes(rng, 10_000, 10))
    split_of = stratify(strata, RATIOS, 0)
    np.testing.assert_allclose(np.bincount(split_of) / 10_000, RATIOS, atol=0.01)


def test_hash_names_the_images(make_index, monkeypatch):
    index = make_index([[1], [1], []])
    assert split_hash(index, (0, 1)) == split_hash(index, [0, 1]) != split_hash(index, (0, 2))
    assert len(split_hash(index, ())) == 64
    monkeypatch.setattr(columns, "_PIECE", 7)
    for positions in (range(20), (0, 3, 19), range(1, 15), (6,), range(7)):
        text = "\n".join(f"{at:06}.png" for at in positions)
        assert split_hash(make_index([[1]] * 20), positions) == hashlib.sha256(text.encode()).hexdigest()


def write_lists(tmp_path: Path, **lists: str) -> dict[str, str]:
    for name, text in lists.items():
        (tmp_path / f"{name}.txt").write_text(text)
    return {name: str(tmp_path / f"{name}.txt") for name in lists}


def test_split_files(make_index, tmp_path):
    files = write_lists(
        tmp_path, train="\ufeff000003.png\n\nimages/000000.png\r\n", val="000001.png", test="./000002.png"
    )
    splits = splits_of(make_index([[1]] * 6), by="files", split_files=files)
    assert splits == {"train": (0, 3), "val": (1,), "test": (2,)}


def test_images_in_no_list_are_counted(make_index, tmp_path):
    files = write_lists(tmp_path, train="000000.png\n000001.png", val="000002.png\n000003.png", test="000004.png")
    told = "images stand in no list of data.split_files: neither trained on nor measured"
    made = make_splits(make_index([[1]] * 7), SplitRule(by="files", split_files=files))
    assert made.notes == (f"2 {told}",)
    del files["test"]
    made = make_splits(make_index([[1]] * 7), SplitRule(by="files", split_files=files))
    assert made.notes[0] == f"3 {told}" and len(made.notes) == 2
    files["val"] = str(tmp_path / "rest.txt")
    (tmp_path / "rest.txt").write_text("".join(f"00000{i}.png\n" for i in range(2, 7)))
    assert not make_splits(make_index([[1]] * 7), SplitRule(by="files", split_files=files)).left_out


def test_all_problems_of_split_files_at_once(make_index, tmp_path):
    files = write_lists(tmp_path, train="000000.png\n000000.png\n000009.png\n", val="\n000000.png\n000001.jpg\n")
    files["test"] = str(tmp_path / "none.txt")
    with pytest.raises(UserError) as caught:
        splits_of(make_index([[1]] * 3), by="files", split_files=files)
    found = [(problem.where, problem.got, problem.hint) for problem in caught.value.problems]
    assert found == [
        (f"{files['train']}:2", "'000000.png' again", f"first {files['train']}:1"),
        (f"{files['train']}:3", "'000009.png'", "did you mean '000002.png'?"),
        (f"{files['val']}:2", "'000000.png' again", f"first {files['train']}:1"),
        (f"{files['val']}:3", "'000001.jpg'", "did you mean '000001.png'?"),
        (files["test"], "No such file or directory", ""),
    ]


def test_a_name_in_a_list_that_is_spelled_otherwise(make_data, tmp_path):
    """Both print as e with an accent; the message proposed another image."""
    index = scan(make_data({"e\u0301.png": "", "b.png": "", "a b.png": ""}))
    files = write_lists(tmp_path, train="\u00e9.png\nB.png\n", val="a%20b.png\n")
    with pytest.raises(UserError) as caught:
        splits_of(index, by="files", split_files=files)
    assert [problem.hint.partition("' ")[2] for problem in caught.value.problems] == [
        "differs only in how its letters are encoded (Unicode NFC or NFD)",
        "differs only in upper and lower case",
        "differs only in its url-encoding (%20 for a blank, and so on)",
    ]


def test_a_listed_image_that_the_settings_leave_out_is_not_called_unknown(make_data, tmp_path):
    data_dir = make_data({"a.png": "1 2 3 4 5\n", "b.png": None, "c.png": "", "sub/d.png": None})
    index = scan(data_dir, missing_labels="skip")
    files = write_lists(tmp_path, train="a.png\nb.png\nimages/sub/d.png\n", val="c.png\ne.png\n../b.png\n")
    with pytest.raises(UserError) as caught:
        splits_of(index, by="files", split_files=files)
    skipped = "which has no label file (data.missing_labels: skip)"
    assert [problem.got for problem in caught.value.problems] == [
        f"'b.png', {skipped}",
        f"'images/sub/d.png', {skipped}",
        "'e.png'",
        "'../b.png'",
    ]


def test_empty_and_left_out_lists(make_index, tmp_path):
    files = write_lists(tmp_path, train="000000.png\n", val="")
    with pytest.raises(UserError) as caught:
        splits_of(make_index([[1]] * 3), by="files", split_files=files)
    assert [problem.where for problem in caught.value.problems] == [files["val"]]
    with pytest.raises(UserError, match=r"split_files\.val: expected a text file with .*, got nothing"):
        splits_of(make_index([[1]] * 3), by="files", split_files={"train": files["train"]})


def test_without_a_list_of_test_that_of_val_is_shared_out(make_index, tmp_path):
    """By class, and whole groups; train is as it was listed."""
    index = make_index([[1], [2]] + [[1], [2], []] * 8)
    names = [record.file_name for record in index.records]
    files = write_lists(tmp_path, train="".join(f"{name}\n" for name in names[:2]), val="\n".join(names[2:]))
    rule = as_split_rule((0.7, 0.15, 0.15), {"train": files["train"], "val": files["val"]}, None)
    splits = make_splits(index, rule)
    train, val, test = (list(splits.positions[name]) for name in SPLITS)
    assert train == [0, 1] and sorted(val + test) == list(range(2, len(names))) and len(val) == len(test) == 12
    assert all(sum(at % 3 == kind for at in val) == 4 for kind in range(3))
    assert make_splits(index, rule) == splits
    assert splits.notes[0].endswith("12 images choose (val) and 12 are measured (test)")
    grouped = replace(rule, group_regex=r"^\d{4}(\d)")
    with pytest.raises(UserError, match="tear groups apart"):
        make_splits(index, grouped)
    rest = replace(rule, split_files={**rule.split_files, "train": str(tmp_path / "few.txt")}, group_regex=r"^0000(\d)")
    (tmp_path / "few.txt").write_text(names[0])
    (tmp_path / "val.txt").write_text("\n".join(names[10:]))
    found = make_splits(index, rest)
    tens = [{names[at][4] for at in found.positions[name]} for name in ("val", "test")]
    assert tens[0] and tens[1] and not tens[0] & tens[1]


def test_images_of_one_part_stay_together_where_val_is_shared_out(make_index, tmp_path):
    """By ``data.group_by``, by which the evaluation counts parts: two views of one part in val and test are a leak."""
    index = make_index([[1]] * 4 + [[1], [1], [], []] * 6)
    names = [record.file_name for record in index.records]
    files = write_lists(tmp_path, train="\n".join(names[:4]), val="\n".join(names[4:]))
    data = DataSettings(split_files={"train": files["train"], "val": files["val"]}, group_by=r"^(\d{5})")
    splits = make_splits(index, as_split_rule(**split_arguments(data)))
    tens = [{names[at][:5] for at in splits.positions[name]} for name in ("val", "test")]
    assert tens[0] and tens[1] and not tens[0] & tens[1]
    whole = DataSettings(split_files=files | {"test": files["val"]}, group_by=r"^(\d{5})")
    assert "part_regex" not in split_arguments(whole)["split_rule"]


def test_near_duplicates_are_not_torn_where_a_leak_would_be_refused(tmp_path):
    """A pair of val in both halves would be our leak, of which the user could not be rid by another list."""
    for kind in ("images", "labels"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for number in range(12):
        image = np.random.default_rng(number // 2).integers(0, 256, (64, 64), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"data/images/{number:02d}.png"), image)
        (tmp_path / f"data/labels/{number:02d}.txt").write_text("1 1 1 5 5\n")
    index = scan(tmp_path / "data")
    names = [record.file_name for record in index.records]
    files = write_lists(tmp_path, train="\n".join(names[:2]), val="\n".join(names[2:]))
    lists = {name: files[name] for name in ("train", "val")}
    for on_leak in ("error", "group"):
        splits = make_splits(index, as_split_rule((0.7, 0.15, 0.15), lists, {"on_leak": on_leak}))
        pairs = [{at // 2 for at in splits.positions[name]} for name in ("val", "test")]
        assert pairs[0] and pairs[1] and not pairs[0] & pairs[1]


def test_a_single_image_is_not_shared_out(make_index, tmp_path):
    files = write_lists(tmp_path, train="000000.png\n", val="000001.png")
    with pytest.raises(UserError, match=r"split_files\.test: expected a list, or two images or groups in that of val"):
        splits_of(make_index([[1]] * 3), by="files", split_files={name: files[name] for name in ("train", "val")})


ODD_NAMES = (b" blank.png", b"back\\slash.png", b"carriage\rreturn.png", b"latin-\xe9.png", b"plain.png")


def _named(folder: Path, names: tuple[bytes, ...]) -> DataIndex:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    png = cv2.imencode(".png", np.zeros((8, 8), np.uint8))[1].tobytes()
    for name in names:
        (folder / "images" / os.fsdecode(name)).write_bytes(png)
        (folder / "labels" / os.fsdecode(name)).with_suffix(".txt").write_text("1 1 1 5 5\n")
    return scan(folder)


def test_frozen_lists_hold_names_of_every_kind(tmp_path):
    index = _named(tmp_path / "data", ODD_NAMES)
    positions = {"train": [0, 3], "val": [1, 4], "test": [2]}
    folder = freeze(tmp_path, index, positions, {})
    read = read_split_files(index, {split: str(folder / f"{split}.txt") for split in SPLITS})
    assert {split: list(at) for split, at in read.items()} == positions


@pytest.mark.parametrize("twice", ["val", "test"])
@pytest.mark.parametrize("is_copy", [False, True])
def test_one_list_of_two_splits_is_said_once(tmp_path, twice, is_copy):
    """It was a line for each of its images, which said that it is in the list that it is in."""
    index = _named(tmp_path / "data", tuple(b"%02d.png" % at for at in range(12)))
    lists = {name: tmp_path / f"{name}.txt" for name in SPLITS}
    for at, path in enumerate(lists.values()):
        path.write_text("".join(f"{name:02d}.png\n" for name in range(4 * at, 4 * at + 4)))
    if is_copy:
        lists[twice].write_text(lists["train"].read_text())
    else:
        lists[twice] = lists["train"]
    with pytest.raises(UserError) as caught:
        read_split_files(index, {name: str(path) for name, path in lists.items()})
    said = f"split_files.{twice}: expected another list than that of train, got {lists[twice]}, with the same lines; "
    assert said in str(caught.value) and len(caught.value.problems) == 1
    assert ("or leave test out" in str(caught.value)) == (twice == "test")


def test_a_name_with_a_line_break_is_refused(tmp_path):
    index = _named(tmp_path / "data", (b"a\nb.png", b"c.png"))
    with pytest.raises(UserError, match="a name without a line break"):
        freeze(tmp_path, index, {"train": [0], "val": [1], "test": []}, {})
    assert not (tmp_path / "splits").exists()
