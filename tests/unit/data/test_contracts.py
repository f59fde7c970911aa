"""What a data set of ours has beside MMDetection's; one without it is used all the same, or refused by name."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from mmengine.config import ConfigDict

from anomdet.data.contracts import CountsImages, HasClassCounts, HasHardNormals, HasSplits
from anomdet.data.dataset import TextLabelDataset
from anomdet.data.sampling.hard_normals import marked_hard
from anomdet.data.sampling.sampler import BalancedSampler
from anomdet.data.synth.generate import generate
from anomdet.errors import UserError
from anomdet.workflows.runs.provenance import _splits
from anomdet.workflows.runs.split_record import log_splits, look_at_splits, write_splits
from anomdet.workflows.runs.training_log import log_data


class Foreign(list):
    """As MMDetection's data sets are: items and ``metainfo``."""

    metainfo: ClassVar = {"classes": ("a", "b")}


@pytest.mark.parametrize("contract", (HasSplits, HasClassCounts, HasHardNormals, CountsImages))
def test_our_data_set_keeps_them_all(contract: type, tmp_path: Path) -> None:
    generate(tmp_path, num_images=12)
    assert isinstance(TextLabelDataset(str(tmp_path), "train"), contract)
    assert not isinstance(Foreign([0]), contract)


def test_a_foreign_data_set_has_no_splits_to_look_at(tmp_path: Path) -> None:
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=Foreign([0, 1])), logger=logging.getLogger("x"))
    looked = look_at_splits(runner)
    log_splits(runner, looked)
    write_splits(runner, looked, tmp_path)
    assert not looked.note and not looked.warning and not list(tmp_path.iterdir())
    assert _splits(Foreign(), ("a", "b")) == {}


def test_the_log_of_a_foreign_data_set_says_what_is_known(caplog: pytest.LogCaptureFixture) -> None:
    cfg = ConfigDict(test_dataloader=dict(dataset=dict()))
    loader = SimpleNamespace(dataset=Foreign([0, 1, 2]), sampler=range(3))
    runner = SimpleNamespace(
        train_dataloader=loader, val_dataloader=loader, max_iters=3, cfg=cfg, logger=logging.getLogger("foreign")
    )
    with caplog.at_level(logging.INFO, "foreign"):
        log_data(runner, ["a note"])
    assert caplog.messages == ["a note", "data: 3 training images; classes 0: a, 1: b"]


def test_classes_that_are_called_by_each_others_numbers_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """As one who takes data.classes for a table of old and new numbers writes them."""
    dataset = Foreign([0])
    dataset.metainfo = {"classes": ("0", "1", "3"), "class_nums": (1, 2, 3)}  # type: ignore[misc]
    loader = SimpleNamespace(dataset=dataset, sampler=range(1))
    cfg, logger = ConfigDict(test_dataloader=dict(dataset=dict())), logging.getLogger("foreign")
    log_data(SimpleNamespace(train_dataloader=loader, val_dataloader=loader, max_iters=3, cfg=cfg, logger=logger), [])
    (warning,) = [one.message for one in caplog.records if one.levelno == logging.WARNING]
    assert warning.startswith("class 2 is called '1', which is the number of another class: data.classes are names")


def test_a_class_of_good_parts_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    dataset = Foreign([0])
    dataset.metainfo = {"classes": ("scratch", "OK"), "class_nums": (1, 5)}  # type: ignore[misc]
    loader = SimpleNamespace(dataset=dataset, sampler=range(1))
    cfg, logger = ConfigDict(test_dataloader=dict(dataset=dict())), logging.getLogger("foreign")
    log_data(SimpleNamespace(train_dataloader=loader, val_dataloader=loader, max_iters=3, cfg=cfg, logger=logger), [])
    (warning,) = [one.message for one in caplog.records if one.levelno == logging.WARNING]
    assert warning.startswith("class 5 is called 'OK': each object of it makes its part defective")


def test_samplers_that_need_more_refuse_it_by_name() -> None:
    with pytest.raises(UserError, match="a data set with image_class_counts, got Foreign"):
        BalancedSampler(Foreign([0]), 0)
    with pytest.raises(UserError, match="a data set with is_hard_normal, got Foreign"):
        marked_hard(Foreign([0]), np.array([True]))
