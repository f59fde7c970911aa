"""What the detectors that a review trains learn from, and which of them predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from anomdet.config.load import load_settings
from anomdet.data.index.scan import scan
from anomdet.views import Views
from anomdet.workflows import train
from anomdet.workflows.reviews import fold_time, out_of_fold, views
from anomdet.workflows.reviews.out_of_fold import Collected, _fold_settings, predict_by_folds


def test_a_fold_learns_no_normal_only_score(tmp_path: Path) -> None:
    """It says nothing of labels, takes time beside --minutes, and a fold may have too few normal images for it."""
    for split in ("train", "val", "test"):
        (tmp_path / f"{split}.txt").touch()
    settings = load_settings({"anomaly": {"enabled": True}})
    assert _fold_settings(settings, tmp_path, tmp_path / "run", None).anomaly.enabled is False


class Blank:
    """A detector that finds nothing, however it looks."""

    classes: ClassVar = {1: "scratch"}

    def __init__(self, looks: Views | None) -> None:
        self.artifact = SimpleNamespace(tta=looks)

    def predict(self, paths: Sequence[Path], min_score: float) -> list[Any]:
        nothing = SimpleNamespace(bboxes_xyxy=np.zeros((0, 4)), class_nums=np.zeros(0, np.int64), scores=np.zeros(0))
        return [nothing for _ in paths]


@pytest.mark.parametrize(("minutes", "opened", "num_val"), [(None, "best_model.pth", 40), (5.0, "last.pth", 31)])
def test_in_minutes_the_last_epoch_predicts_and_fewer_images_are_kept_from_it(
    minutes: float | None, opened: str, num_val: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("images", "labels"):
        (tmp_path / "data" / folder).mkdir(parents=True)
    for at in range(800):
        cv2.imwrite(str(tmp_path / f"data/images/{at}.png"), np.full((9, 9, 3), at % 256, np.uint8))
        (tmp_path / f"data/labels/{at}.txt").write_text("1 2 2 4 4\n")
    (tmp_path / "best_model.pth").touch()
    done = SimpleNamespace(best_checkpoint=tmp_path / "best_model.pth", last_checkpoint=tmp_path / "last.pth")
    seen: list[str] = []
    looks = iter([Views(("horizontal",)), None])
    monkeypatch.setattr(train, "train", lambda settings: done)
    monkeypatch.setattr(out_of_fold, "_open", lambda path, settings: seen.append(path.name) or Blank(None))
    monkeypatch.setattr(views, "with_views", lambda *_: Blank(next(looks)))
    monkeypatch.setattr(fold_time, "training_minutes", lambda *_: 1.0)
    monkeypatch.setattr(fold_time, "warn_of_few_passes", lambda *_: None)
    settings = load_settings({"data": {"data_dir": str(tmp_path / "data"), "split": {"on_leak": "ignore"}}})
    out = tmp_path / "review"
    collected = predict_by_folds(settings, scan(tmp_path / "data"), out, num_folds=2, minutes=minutes)
    assert seen == [opened, opened] and collected.looks == [2, 1]
    assert sorted(collected.positions) == sorted(collected.second) == list(range(800))
    results, second = collected.table()
    assert results.num_images == 800 and second.asked.all() and not len(second.pred)
    lists = [(out / f"folds/{number}/splits/val.txt").read_text().split() for number in (1, 2)]
    assert [len(names) for names in lists] == [num_val, num_val]


class Seen(Blank):
    """Finds one object on each image, as far right as the image's number says; a second passes with each."""

    now = 0.0

    def predict(self, paths: Sequence[Path], min_score: float) -> Iterator[Any]:
        for path in paths:
            Seen.now += 1
            left = float(path.stem)
            yield SimpleNamespace(
                bboxes_xyxy=np.array([[left, 0, left + 2, 2]]), class_nums=np.array([1]), scores=np.array([0.5])
            )


def test_a_second_opinion_is_asked_for_as_long_as_there_is_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for at in range(6):
        cv2.imwrite(str(tmp_path / f"images/{at}.png"), np.zeros((9, 9, 3), np.uint8))
        (tmp_path / f"labels/{at}.txt").write_text("1 2 2 4 4\n")
    monkeypatch.setattr(out_of_fold.time, "monotonic", lambda: Seen.now)
    collected, detector = Collected(scan(tmp_path)), Seen(None)
    collected.add(detector, [4, 5, 0, 1, 2, 3])
    collected.ask(detector, [3, 5, 1], Seen.now + 1.5)
    collected.ask(detector, [0, 2], Seen.now - 1)
    results, second = collected.table()
    assert second.asked.tolist() == [False, False, False, True, False, True]
    assert second.pred.image.tolist() == [3, 5] and second.pred.bboxes_xywh[:, 0].tolist() == [3, 5]
    assert results.pred.bboxes_xywh[:, 0].tolist() == list(range(6))
