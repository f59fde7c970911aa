"""What the engine uses of other rooms: their classes keep the agreement; a user's own need not."""

from __future__ import annotations

import pytest
from mmengine.hooks import Hook

from anomdet.data.dataset import TextLabelDataset
from anomdet.data.pipeline.steps import LoadInspectionImage
from anomdet.data.sampling.sampler import BalancedSampler, DrawSampler, RepeatFactorSampler
from anomdet.engine.contracts import ChoosesPoint, HasBitDepth, SkipsDraws, StopsEarly, split_hashes
from anomdet.engine.hooks.early_stopping import EarlyStopping
from anomdet.evaluation.metric import InspectionMetric


@pytest.mark.parametrize("sampler", (DrawSampler, BalancedSampler, RepeatFactorSampler))
def test_our_samplers_enter_an_epoch_in_its_middle(sampler: type) -> None:
    assert isinstance(sampler([0, 1, 2], 0) if sampler is DrawSampler else _empty(sampler, num_draws=3), SkipsDraws)
    assert not isinstance([0, 1, 2], SkipsDraws)


def test_our_steps_metrics_and_hooks_keep_theirs() -> None:
    assert isinstance(LoadInspectionImage(bit_depth=12), HasBitDepth)
    assert isinstance(_empty(InspectionMetric), ChoosesPoint) and isinstance(_empty(EarlyStopping), StopsEarly)
    assert not isinstance(Hook(), StopsEarly)


def test_a_data_set_without_hashes_has_no_splits() -> None:
    assert split_hashes(object()) == {}
    assert "split_hashes" in vars(TextLabelDataset)


def _empty(kind: type, **values: object) -> object:
    """An instance without its data."""
    made = kind.__new__(kind)
    vars(made).update(values)
    return made
