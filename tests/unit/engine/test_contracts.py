"""What the engine uses of other rooms: their classes keep the agreement; a user's own need not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mmdet.datasets import BaseDetDataset
from mmengine.evaluator import DumpResults
from mmengine.hooks import Hook
from torch.utils.data import Sampler

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.pipeline.steps import LoadInspectionImage
from anomdet.data.sampling.sampler import BalancedSampler, DrawSampler, RepeatFactorSampler
from anomdet.engine.contracts import (
    ChoosesPoint,
    Closes,
    HasBitDepth,
    HasFileStamps,
    KeepsBoxes,
    KnowsDraws,
    SkipsDraws,
    StopsEarly,
    split_hashes,
)
from anomdet.engine.hooks.changed_files import ChangedFilesHook
from anomdet.engine.hooks.checkpoints import BestAndLastHook
from anomdet.engine.hooks.early_stopping import EarlyStopping
from anomdet.engine.hooks.progress import ProgressHook
from anomdet.engine.hooks.trackers import TrackerHook
from anomdet.evaluation.metric import InspectionMetric


@pytest.mark.parametrize("sampler", (DrawSampler, BalancedSampler, RepeatFactorSampler))
def test_our_samplers_enter_an_epoch_in_its_middle(sampler: type) -> None:
    assert isinstance(sampler([0, 1, 2], 0) if sampler is DrawSampler else _empty(sampler, num_draws=3), SkipsDraws)
    assert not isinstance([0, 1, 2], SkipsDraws)
    assert issubclass(sampler, KnowsDraws) and not issubclass(Sampler, KnowsDraws)


def test_our_steps_metrics_and_hooks_keep_theirs() -> None:
    assert isinstance(LoadInspectionImage(bit_depth=12), HasBitDepth)
    assert isinstance(_empty(InspectionMetric), ChoosesPoint) and isinstance(_empty(EarlyStopping), StopsEarly)
    assert not isinstance(Hook(), StopsEarly)
    assert isinstance(_empty(InspectionMetric, last=None), KeepsBoxes)
    assert not isinstance(DumpResults("results.pkl"), KeepsBoxes)


def test_hooks_that_hold_something_give_it_back() -> None:
    assert all(issubclass(hook, Closes) for hook in (BestAndLastHook, ProgressHook, TrackerHook))
    assert not issubclass(Hook, Closes)


def test_a_data_set_without_hashes_has_no_splits() -> None:
    assert split_hashes(object()) == {}
    assert "split_hashes" in vars(TextLabelDataset)


def test_our_data_set_says_which_files_have_changed() -> None:
    assert issubclass(TextLabelDataset, HasFileStamps) and not issubclass(BaseDetDataset, HasFileStamps)


def test_files_of_another_data_set_are_not_looked_at() -> None:
    class Loop:
        dataloader = SimpleNamespace(dataset=[0, 1, 2])

    hook = ChangedFilesHook()
    hook.before_train(SimpleNamespace(rank=0, train_loop=Loop(), val_loop=None))
    hook.before_val_epoch(SimpleNamespace())  # a look would ask the runner for its logger


def _empty(kind: type, **values: object) -> object:
    """An instance without its data."""
    made = kind.__new__(kind)
    vars(made).update(values)
    return made
