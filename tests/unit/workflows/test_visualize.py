"""Which images ``anomdet visualize --only errors`` draws, and what stands above them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from anomdet.config.load import load_settings
from anomdet.config.translate import to_mmengine
from anomdet.errors import UserError
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import measure
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.visualize import _jpg_names, _thin_out, _verdicts, errors_first, visualize
from tests.unit.evaluation.cases import gt_dict, pred

BOX, FAR = [0, 0, 10, 10], [50, 50, 10, 10]


def test_escapes_come_first_then_overkill_then_wrong_boxes() -> None:
    truth = gt_dict((1, 1, BOX), (3, 1, BOX), (4, 1, BOX), (5, 1, BOX))
    truth["images"] = [{**truth["images"][0], "id": i, "file_name": f"{i}.png"} for i in range(6)]
    predictions = [
        pred(1, 1, BOX, 0.9),  # right
        pred(2, 1, FAR, 0.9),  # overkill
        pred(3, 1, BOX, 0.9),  # right, with a false alarm beside it
        pred(3, 1, FAR, 0.9),
        pred(4, 1, BOX, 0.1),  # an escape: under the threshold
        pred(5, 1, FAR, 0.9),  # missed, and rejected for a false alarm
    ]
    measured = measure(results_from_coco(truth, predictions), fixed(0.5))
    assert errors_first(measured) == [4, 2, 3, 5]
    assert [verdict for _, verdict in _verdicts(measured)] == [
        "accept",
        "reject",
        "reject",
        "reject",
        "accept",
        "reject",
    ]
    assert [text for text, _ in _verdicts(measured)][:3] == [
        "ACCEPT: the image is good",
        "REJECT: the image is defective",
        "REJECT, overkill: the image is good",
    ]
    assert _verdicts(measured)[4][0] == "ACCEPT, an escape: the image is defective"


def test_only_knows_one_word() -> None:
    with pytest.raises(UserError, match="--only: expected errors, got 'mistakes'"):
        visualize("run.yaml", only="mistakes")


def test_the_names_of_drawings_fit_on_a_disk() -> None:
    """Folders become a part of the name, which may be longer than any name then."""
    names = _jpg_names([f"{'line' * 50}/{'part' * 20}{at}.png" for at in range(3)])
    assert len(set(names)) == 3 and all(len(name) <= 255 and name.endswith(".jpg") for name in names)


def test_each_image_has_a_drawing_of_its_own() -> None:
    found = _jpg_names(["a/b.png", "a__b.png", "a__b~2.png", "c.png"])
    assert found == ["a__b.jpg", "a__b~2.jpg", "a__b~2~2.jpg", "c.jpg"]


@pytest.mark.slow
def test_all_images_of_a_part_decide_on_those_that_are_drawn(tmp_path: Path) -> None:
    """Of a part of several images one may be drawn that does not show the defect."""
    names = [f"part{at // 3}_{at % 3}" for at in range(12)]
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in names:
        cv2.imwrite(str(tmp_path / f"images/{name}.png"), np.zeros((32, 32, 3), np.uint8))
        (tmp_path / f"labels/{name}.txt").write_text("1 2 2 9 9\n")
    (tmp_path / "test.txt").write_text("\n".join(f"{name}.png" for name in names[:10]))
    for split, name in (("train", names[10]), ("val", names[11])):
        (tmp_path / f"{split}.txt").write_text(f"{name}.png")
    lists = {split: str(tmp_path / f"{split}.txt") for split in ("train", "val", "test")}
    load_libraries()
    dataset = to_mmengine(
        load_settings({"data": {"data_dir": str(tmp_path), "split_files": lists}})
    ).test_dataloader.dataset
    drawn = _thin_out(dataset, 2, r"^(part\d)_")
    assert dataset.indices == [0, 1, 2, 9]  # of part0, and of part3, of which one image is in the split
    assert drawn == [0, 3]
    assert _thin_out(dataset, 2, None) == [0, 1] and dataset.indices == [0, 9]
