from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.data.labels import parse_labels
from anomdet.data.synth import defects as synth_defects
from anomdet.data.synth import generate as synth
from anomdet.data.synth.generate import CLASSES, Summary, draw_image, generate, plan_classes
from anomdet.errors import UserError

SIZE_HW = (144, 176)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return generate(tmp_path_factory.mktemp("synth") / "demo", num_images=24, size_hw=SIZE_HW, seed=3)


def _digest(data_dir: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(data_dir.rglob("*.*")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def test_labels_are_valid_and_agree_with_the_summary(made: Summary) -> None:
    images = sorted((made.data_dir / "images").iterdir())
    assert len(images) == made.num_images == 24
    objects, normal = dict.fromkeys(CLASSES, 0), 0
    for image in images:
        assert cv2.imread(str(image)).shape == (*SIZE_HW, 3)
        labels, problems = parse_labels(made.data_dir / "labels" / f"{image.stem}.txt")
        assert not problems
        normal += len(labels) == 0
        for box, num in zip(labels.bboxes_xyxy, labels.class_nums, strict=True):
            assert 0 <= box[0] < box[2] <= SIZE_HW[1] and 0 <= box[1] < box[3] <= SIZE_HW[0]
            objects[int(num)] += 1
    assert objects == made.objects and min(objects.values()) > 0
    assert normal == made.num_normal == 8


def test_the_seed_decides_every_byte(made: Summary, tmp_path: Path) -> None:
    again = generate(tmp_path / "again", num_images=24, size_hw=SIZE_HW, seed=3)
    other = generate(tmp_path / "other", num_images=24, size_hw=SIZE_HW, seed=4)
    assert _digest(again.data_dir) == _digest(made.data_dir) != _digest(other.data_dir)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "other"]  # nothing half done is left


def test_plan_has_a_rare_class_and_the_normal_share() -> None:
    plan = plan_classes(num_images=400, normal_share=0.25, seed=0)
    holding = {num: sum(num in nums for nums in plan) for num in CLASSES}
    assert len(plan) == 400 and sum(not nums for nums in plan) == 100
    assert holding[synth.RARE_CLASS] == 24
    assert all(holding[num] > 80 for num in CLASSES if num != synth.RARE_CLASS)


@pytest.mark.parametrize("num", CLASSES)
def test_a_mask_covers_the_change_that_the_defect_makes(num: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn with and without its effect, the pictures differ inside the box, and up to each of its sides."""
    seed = np.random.SeedSequence((7, num))
    image, [(got, mask)] = draw_image([num], (320, 320), np.random.Generator(np.random.PCG64(seed)))
    draw = synth_defects.DRAW[num]

    def without_effect(rng: np.random.Generator, unit: float) -> synth_defects.Defect:
        defect = draw(rng, unit)
        return synth_defects.Defect(np.ones_like(defect.gain), np.zeros_like(defect.height), defect.visible)

    monkeypatch.setitem(synth_defects.DRAW, num, without_effect)
    clean, _ = draw_image([num], (320, 320), np.random.Generator(np.random.PCG64(seed)))
    difference = np.abs(image.astype(int) - clean.astype(int)).max(2)
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    changed = cv2.boundingRect((difference > 10).astype(np.uint8))
    assert got == num
    assert np.allclose(
        (x, y, x + width, y + height), (*changed[:2], changed[0] + changed[2], changed[1] + changed[3]), atol=6
    )
    assert np.median(difference[mask]) > 12  # clearly visible
    assert difference[~cv2.dilate(mask.astype(np.uint8), np.ones((17, 17))).astype(bool)].max() == 0


def test_an_existing_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="nothing was overwritten"):
        generate(tmp_path, num_images=12)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_interrupted_drawing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(synth, "draw_image", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "demo", num_images=12)
    assert list(tmp_path.iterdir()) == []


def test_all_bad_arguments_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        generate(tmp_path / "demo", num_images=3, normal_share=1.5, size_hw=(10, 320))
    assert [problem.where for problem in error.value.problems] == ["num_images", "normal_share", "size_hw"]
