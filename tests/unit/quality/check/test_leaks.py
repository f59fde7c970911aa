"""What a check says about the splits."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from anomdet.data.near_duplicates import audit as audit_module
from anomdet.data.splits.make import SplitRule
from anomdet.data.synth.generate import generate
from anomdet.quality.check.check import Rules
from anomdet.quality.check.findings import ERROR, WARNING
from anomdet.quality.check.leaks import check_splits

pytestmark = pytest.mark.slow  # seconds: not a part of `make test-fast`


@pytest.fixture
def twin_dir(tmp_path, monkeypatch):
    """Each of twelve images twice, byte for byte."""
    monkeypatch.setenv("ANOMDET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(audit_module, "_last", [])
    data_dir = generate(tmp_path / "data", num_images=12, size_hw=(160, 160)).data_dir
    for folder in ("images", "labels"):
        for path in list((data_dir / folder).iterdir()):
            shutil.copy(path, path.with_stem(f"{path.stem}_b"))
    return data_dir


def look(data_dir, *, group_by=None, read_all=False, **rule):
    return check_splits(data_dir, Rules(), SplitRule(**rule), group_by=group_by, read_all=read_all)


def codes(findings):
    return [found.code for found in findings]


def test_both_names_splits_and_the_distance(twin_dir):
    findings = look(twin_dir)
    leaks = [found for found in findings if found.code == "leak-near-duplicate"]
    assert 3 <= len(leaks) <= 12 and {found.severity for found in leaks} == {WARNING}
    for found in leaks:
        other = found.file.replace("_b", "") if "_b" in found.file else found.file.replace(".jpg", "_b.jpg")
        assert found.expected.startswith(f"the split of {other}, ")
        split = found.expected.split(", ")[1]
        assert found.got.endswith("(0 of 256 bits differ, detail 1.00 alike)") and not found.got.startswith(split)
    (within,) = [found for found in findings if found.code == "leak-within"] or [None]
    assert (12 - len(leaks)) == (int(within.got.split()[0]) if within else 0)


def test_what_settings_make_of_leaks(twin_dir):
    assert {found.severity for found in look(twin_dir, on_leak="error") if found.code == "leak-near-duplicate"} == {
        ERROR
    }
    assert look(twin_dir, on_leak="ignore") == []
    assert "leak-near-duplicate" in codes(look(twin_dir, on_leak="ignore", read_all=True))
    assert codes(look(twin_dir, on_leak="group")) == ["leak-within"]
    grouped = look(twin_dir, by="group", group_regex=r"^(part_\d+)", group_by=r"^(part_\d+)")
    assert codes(grouped) == ["leak-within"]


def test_parts_in_several_splits(twin_dir):
    torn = [found for found in look(twin_dir, group_by=r"^(part_\d+)") if found.code == "leak-group"]
    assert len(torn) == codes(look(twin_dir)).count("leak-near-duplicate")
    assert all("1 in " in found.got and "data.split.by=group" in found.hint for found in torn)
    of_alternatives = look(twin_dir, group_by=r"^(tray_\d+)|^(part_\d+)")
    assert codes(of_alternatives).count("leak-group") == len(torn)


def test_what_is_not_looked_at(twin_dir, monkeypatch):
    monkeypatch.setattr("anomdet.quality.check.leaks.AFFORDABLE_BYTES", 1)
    (found,) = look(twin_dir)
    assert found.code == "leak-not-looked" and "24 images" in found.got and "--leaks" in found.hint
    assert "leak-near-duplicate" in codes(look(twin_dir, read_all=True))
    assert "leak-near-duplicate" in codes(look(twin_dir))  # now they are in the cache
    label = next((twin_dir / "labels").iterdir())
    label.write_text("1 2\n")
    assert codes(look(twin_dir)) == ["leak-not-looked"]


def test_settings_that_do_not_split(twin_dir):
    (found,) = look(twin_dir, by="group", group_regex=r"^(part_\d+)_b")
    assert (found.code, found.severity) == ("split-refused", ERROR)
    assert "12 of 24 names" in found.got and "data.split.group_regex" in found.hint


def test_images_in_no_list(twin_dir, tmp_path):
    names = sorted(path.name for path in (twin_dir / "images").iterdir())
    lists = {"train": names[:20], "val": names[20:21], "test": names[21:22]}
    for split, listed in lists.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(listed))
    files = {split: str(tmp_path / f"{split}.txt") for split in lists}
    (found,) = [found for found in look(twin_dir, by="files", split_files=files) if found.code == "split-left-out"]
    assert found.got.startswith("2 images stand in no list")


@pytest.mark.parametrize(("complete", "told"), [(True, "24 that look like many others"), (False, "not all pairs")])
def test_look_alikes_are_told(twin_dir, monkeypatch, complete, told):
    def alike(data_dir, names, max_bytes=None):
        return replace(audit_module.audit_images(data_dir, names), num_alike=24, complete=complete)

    monkeypatch.setattr("anomdet.quality.check.leaks.audit_images", alike)
    (found,) = [found for found in look(twin_dir) if found.code == "leak-look-alikes"]
    assert told in found.got and "data.split.group_regex" in found.hint


def test_tiles_of_one_image_in_several_splits(twin_dir):
    for folder in ("images", "labels"):
        for at, path in enumerate(sorted((twin_dir / folder).iterdir())):
            path.rename(path.with_stem(f"part_x{at}_y0"))
    assert "leak-group" not in codes(look(twin_dir, on_leak="ignore"))
    (twin_dir / "tile_map.json").write_text("{}")
    (found,) = look(twin_dir, on_leak="ignore")
    assert found.code == "leak-group" and found.expected == "all images of 'part' in one split"
    assert "data.split.group_regex=" in found.hint
