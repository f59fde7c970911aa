"""What a run warns of before its first step."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.config import ConfigDict
from torch.utils.data import DataLoader, SequentialSampler

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.synth.generate import generate
from anomdet.engine.hooks import BestAndLastHook
from anomdet.workflows.runs.training_log import log_best, log_data


def warnings(folder: Path, pipeline: list[dict], caplog: pytest.LogCaptureFixture, **more: object) -> list[str]:
    dataset = TextLabelDataset(str(folder), "train", pipeline=pipeline, **more)
    loader = SimpleNamespace(dataset=dataset, sampler=range(len(dataset)))
    cfg, logger = ConfigDict(test_dataloader=dict(dataset=dict())), logging.getLogger("run")
    runner = SimpleNamespace(train_dataloader=loader, val_dataloader=None, max_iters=9, cfg=cfg, logger=logger)
    log_data(runner, [])
    return [one.message for one in caplog.records if one.levelno == logging.WARNING]


@pytest.mark.parametrize(("side_px", "said"), [(160, "2.0 times as large as validation"), (280, "")])
def test_pieces_at_another_scale_than_what_is_looked_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, side_px: int, said: str
) -> None:
    """On DeepPCB pieces of 320 px of images of 640 px cost a third of the mAP (docs/recipes.md)."""
    generate(tmp_path, num_images=12, size_hw=(320, 320))
    step = dict(type="anomdet.CropAroundDefect", size_hw=(side_px, side_px), prob=0.5)
    found = [one for one in warnings(tmp_path, [step], caplog) if "augmentations.crop" in one]
    assert len(found) == bool(said)
    assert all(said in one and "50% of the images" in one for one in found)


def test_tiles_are_seen_at_the_stored_resolution_everywhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    generate(tmp_path, num_images=12, size_hw=(320, 320))
    step = dict(type="anomdet.CropAroundDefect", size_hw=(160, 160), prob=0.5)
    size = {"size_hw": (160, 160), "seen_hw": (160, 160), "overlap_hw": (32, 32)}
    tiles = {**size, "include_whole": False, "min_visible": 0.3}
    assert not [one for one in warnings(tmp_path, [step], caplog, tiles=tiles) if "augmentations.crop" in one]


@pytest.mark.parametrize(("group_by", "said"), [("^(part)", True), (r"^(part_\d+)", False), (None, False)])
def test_a_pattern_that_makes_one_part_of_all_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, group_by: str | None, said: bool
) -> None:
    """The verdict was on all images together, without a word."""
    generate(tmp_path, num_images=12)
    dataset = TextLabelDataset(str(tmp_path), "train")
    loader, logger = SimpleNamespace(dataset=dataset, sampler=range(len(dataset))), logging.getLogger("run")
    cfg = ConfigDict(test_dataloader=dict(dataset=dict()), test_evaluator=dict(group_by=group_by))
    log_data(SimpleNamespace(train_dataloader=loader, val_dataloader=None, max_iters=9, cfg=cfg, logger=logger), [])
    found = [one for one in caplog.messages if "makes one part of all 12 images, 'part'" in one]
    assert len(found) == said


def test_steps_of_more_batches_than_an_epoch_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    generate(tmp_path, num_images=12, seed=1)
    dataset, logger = TextLabelDataset(str(tmp_path), "train", pipeline=[]), logging.getLogger("run")
    sampler = SequentialSampler(dataset)

    def said(accumulated: int, **more: object) -> list[str]:
        caplog.clear()
        wrapper = dict(type="OptimWrapper", accumulative_counts=accumulated)
        cfg = ConfigDict(test_dataloader=dict(dataset=dict()), optim_wrapper=wrapper, **more)
        loader = DataLoader(dataset, batch_size=5, sampler=sampler)  # 8 images
        runner = dict(train_dataloader=loader, val_dataloader=None, max_iters=6, max_epochs=3, cfg=cfg, logger=logger)
        log_data(SimpleNamespace(**runner), [])
        return [one.message for one in caplog.records if "accumulation_steps" in one.message]

    assert said(2) == []
    (note,) = said(8)
    assert "an epoch has 2 batches" in note and "makes 3 steps; set it to 2 or less" in note
    assert "has set the learning rate for 8" in said(8, scale_lr=dict(base_batch_size=16))[0]


@pytest.mark.parametrize(
    ("monitor", "score", "said"),
    [("mAP", 0.0, True), ("mAP_50", 0.0, True), ("mAP", 0.01, False), ("val_loss", 0.0, False)],
)
def test_a_run_that_never_found_anything_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monitor: str, score: float, said: bool
) -> None:
    hook = BestAndLastHook(str(tmp_path), monitor=monitor)
    hook.best_epoch, hook.best_score = 1, score
    log_best(SimpleNamespace(hooks=[hook], logger=logging.getLogger("run")))
    found = [one.message for one in caplog.records if one.levelno == logging.WARNING]
    assert len(found) == said
    assert all(one.startswith(f"{monitor} was 0 in every validation: no box was on an object") for one in found)
