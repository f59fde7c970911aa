from __future__ import annotations

import math
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import ClassBalancedDataset

from anomdet.data.draw import Draw
from anomdet.data.sampling import sampler as sampler_module
from anomdet.data.sampling.probabilities import cap_at_one, image_probabilities
from anomdet.data.sampling.sampler import (
    BalancedSampler,
    DrawSampler,
    RepeatFactorSampler,
    class_exposure,
    repeat_factors,
)
from anomdet.errors import UserError


class Counts:
    """A data set that can be counted but not looked at."""

    def __init__(self, counts) -> None:
        self.image_class_counts = np.asarray(counts, dtype=np.int32)

    def __len__(self) -> int:
        return len(self.image_class_counts)

    def __getitem__(self, index: int):
        raise AssertionError("a sampler must not decode")


# 90 images of a common class, 6 of a rare one, 2 of both, 52 normal.
UNEVEN = Counts([[3, 0]] * 90 + [[0, 1]] * 6 + [[1, 1]] * 2 + [[0, 0]] * 52)


def on_ranks(monkeypatch, world_size: int, build, epoch: int = 0) -> list[list[Draw]]:
    shares = []
    for rank in range(world_size):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, world_size))
        sampler = build()
        sampler.set_epoch(epoch)
        shares.append(list(sampler))
        assert len(sampler) == len(shares[-1])
    return shares


BUILDERS = {
    "plain": lambda: DrawSampler(range(103), seed=3),
    "in order": lambda: DrawSampler(range(103), shuffle=False, seed=3),
    "part of a pass": lambda: DrawSampler(range(103), seed=3, num_samples=64),
    "many passes": lambda: DrawSampler(range(103), seed=3, num_samples=250),
    "ragged": lambda: DrawSampler(range(103), seed=3, round_up=False),
    "balanced": lambda: BalancedSampler(UNEVEN, seed=3),
    "balanced once": lambda: BalancedSampler(UNEVEN, seed=3, replacement=False),
    "weighted by repeat factors": lambda: RepeatFactorSampler(UNEVEN, threshold=0.5, seed=3),
}


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_one_order(monkeypatch, name, world_size):
    (alone,) = on_ranks(monkeypatch, 1, BUILDERS[name], epoch=2)
    shares = on_ranks(monkeypatch, world_size, BUILDERS[name], epoch=2)
    joined = sorted((draw for share in shares for draw in share), key=lambda draw: draw.position)
    assert [draw.position for draw in joined] == list(range(len(joined)))
    assert {(draw.seed, draw.epoch) for draw in joined} == {(3, 2)}
    assert name == "ragged" or len({len(share) for share in shares}) == 1
    assert len(alone) <= len(joined) < len(alone) + world_size
    if name.startswith(("balanced", "weighted")):
        assert len(joined) > len(alone) or joined == alone
    else:
        assert joined[: len(alone)] == alone


@pytest.mark.parametrize("name", BUILDERS)
def test_epochs_differ_and_repeat(name):
    sampler = BUILDERS[name]()
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append([int(draw) for draw in sampler])
    assert orders[0] == orders[2]
    assert (orders[0] == orders[1]) == (name == "in order")


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize("world_size", [1, 2])
def test_skipping_leaves_the_first_draws_out(monkeypatch, name, world_size):
    whole = on_ranks(monkeypatch, world_size, BUILDERS[name])
    for rank in range(world_size):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, world_size))
        sampler = BUILDERS[name]()
        sampler.set_epoch(0)
        sampler.skip(20 * world_size)
        rest = list(sampler)
        assert [vars(draw) for draw in rest] == [vars(draw) for draw in whole[rank][20:]]
        assert rest == whole[rank][20:] and len(sampler) == len(whole[rank])
        sampler.set_epoch(1)
        assert len(list(sampler)) == len(sampler)  # only in that epoch


@pytest.mark.parametrize("name", BUILDERS)
@pytest.mark.parametrize(("before", "now"), [(1, 2), (2, 1), (4, 3), (3, 4)])
def test_another_number_of_ranks_goes_on_with_the_same_order(monkeypatch, name, before, now):
    """Of an epoch begun by some ranks and ended by others, no draw is left out and only the last may come again."""
    order = on_ranks(monkeypatch, 1, BUILDERS[name])[0]
    done = 5 * before
    first = [draw for part in on_ranks(monkeypatch, before, BUILDERS[name]) for draw in part[:5]]
    rest = []
    for rank in range(now):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, now))
        sampler = BUILDERS[name]()
        sampler.set_epoch(0)
        sampler.skip(done)
        rest += list(sampler)
    found = sorted((draw.position, int(draw)) for draw in [*first, *rest])
    assert found[: len(order)] == [(draw.position, int(draw)) for draw in order]
    assert len(found) - len(order) < now  # so that all ranks have equally many


def test_repeat_factors_are_those_of_mmdetection():
    factors = repeat_factors(UNEVEN.image_class_counts, 0.4)

    class Peer(Counts):
        def get_cat_ids(self, index):
            return np.flatnonzero(self.image_class_counts[index]).tolist()

    peer = Peer(UNEVEN.image_class_counts)
    theirs = ClassBalancedDataset._get_repeat_factors(SimpleNamespace(dataset=peer), peer, 0.4)
    np.testing.assert_allclose(factors, theirs)
    assert (factors[98:] == 1).all()  # normal images
    assert factors[:90].max() == 1 < factors[90] == pytest.approx((0.4 / (8 / 150)) ** 0.5)


def test_repeat_factors_are_met_in_every_epoch_to_within_one():
    sampler = RepeatFactorSampler(UNEVEN, threshold=0.5, seed=1)
    assert len(sampler) == math.ceil(repeat_factors(UNEVEN.image_class_counts, 0.5).sum()) > 150
    for epoch in range(5):
        sampler.set_epoch(epoch)
        drawn = np.bincount(list(sampler), minlength=150)
        assert (np.abs(drawn - sampler.expected_draws()) < 1).all()
        assert drawn.min() >= 1


@pytest.mark.parametrize("threshold", [0.0, 1.1])
def test_impossible_thresholds(threshold):
    with pytest.raises(UserError, match="a share above 0"):
        RepeatFactorSampler(UNEVEN, threshold=threshold)


def test_exposure():
    counts = UNEVEN.image_class_counts
    plain = class_exposure(counts, DrawSampler(UNEVEN).expected_draws())
    assert plain == [(92, 92.0), (8, 8.0), (52, 52.0)]
    balanced = class_exposure(counts, BalancedSampler(UNEVEN, normal_ratio=0.2).expected_draws())
    assert [images for images, _ in balanced] == [92, 8, 52]
    assert balanced[2][1] == pytest.approx(30)
    assert balanced[1][1] >= 60 - 1e-6  # half of the draws with objects


def test_plain_draws_every_image_once():
    assert sorted(DrawSampler(range(50), seed=1)) == list(range(50))
    assert list(DrawSampler(range(50), shuffle=False)) == list(range(50))


def test_more_ranks_than_images(monkeypatch):
    shares = on_ranks(monkeypatch, 5, lambda: DrawSampler(range(2), shuffle=False))
    assert [list(map(int, share)) for share in shares] == [[0], [1], [0], [1], [0]]


def test_weights_are_the_rarest_class_of_an_image():
    probabilities = image_probabilities(UNEVEN.image_class_counts, None)
    assert probabilities.sum() == pytest.approx(1)
    common, rare, both, normal = probabilities[0], probabilities[90], probabilities[96], probabilities[98]
    assert rare / common == pytest.approx(92 / 8) and both == pytest.approx(rare)
    assert normal == pytest.approx(1 / 150)


@pytest.mark.parametrize("normal_ratio", [None, 0.0, 0.25, 0.8])
def test_normal_images_keep_their_share(normal_ratio):
    for epoch in range(5):
        sampler = BalancedSampler(UNEVEN, seed=1, normal_ratio=normal_ratio)
        sampler.set_epoch(epoch)
        num_normal = sum(draw >= 98 for draw in sampler)
        expected = 150 * (52 / 150 if normal_ratio is None else normal_ratio)
        assert abs(num_normal - expected) <= 1


def test_each_class_gets_its_share_and_each_image_its_number():
    sampler = BalancedSampler(UNEVEN, seed=1)
    drawn = np.bincount(list(sampler), minlength=150)
    assert (np.abs(drawn - sampler.expected) < 1).all()
    defects = drawn[:98].sum()
    assert drawn[90:98].sum() >= defects / 2 - 1
    assert drawn[:92].sum() >= defects / 2 - 10
    over_epochs = np.zeros(150)
    for epoch in range(300):
        sampler.set_epoch(epoch)
        over_epochs += np.bincount(list(sampler), minlength=150)
    np.testing.assert_allclose(over_epochs / 300, sampler.expected, atol=0.15)


@pytest.mark.parametrize("num_samples", [None, 1, 40, 150])
def test_without_replacement_no_image_comes_twice(num_samples):
    for epoch in range(20):
        sampler = BalancedSampler(UNEVEN, seed=1, replacement=False, num_samples=num_samples)
        sampler.set_epoch(epoch)
        drawn = list(map(int, sampler))
        assert len(drawn) == len(set(drawn)) == len(sampler)
        assert num_samples is None or len(drawn) == num_samples
    assert num_samples is not None or 8 < len(sampler) < 150


def test_cap_at_one_keeps_the_sum():
    expected = np.array([5.0, 1.5, 0.4, 0.1, 0.0])
    np.testing.assert_allclose(cap_at_one(expected * 4 / 7), [1, 1, 1, 1, 0])
    capped = cap_at_one(np.array([2.0, 0.5, 0.5]))
    np.testing.assert_allclose(capped, [1, 1, 1])
    np.testing.assert_allclose(cap_at_one(np.array([1.2, 0.4, 0.2, 0.2])), [1, 0.5, 0.25, 0.25])


@pytest.mark.parametrize("counts", [[[1]], [[1, 1]] * 4, [[0, 2]] * 3 + [[0, 0]]])
def test_small_and_even_data(counts):
    sampler = BalancedSampler(Counts(counts), seed=0)
    assert sorted(sampler) == list(range(len(counts)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"normal_ratio": 1.5}, "a share from 0 to 1"),
        ({"normal_ratio": 1.0}, "a share below 1"),
        ({"num_samples": 0}, "a number >= 1"),
        ({"num_samples": 151, "replacement": False}, "<= 150"),
    ],
)
def test_impossible_wishes(options, message):
    with pytest.raises(UserError, match=message):
        BalancedSampler(UNEVEN, **options)
    with pytest.raises(UserError, match="image_class_counts"):
        BalancedSampler(SimpleNamespace(), **options)


@pytest.mark.parametrize("build", [BalancedSampler, lambda data, seed: RepeatFactorSampler(data, 0.3, seed)])
def test_a_million_images(build):
    rng = np.random.default_rng(0)
    data = Counts(rng.random((1_000_000, 6)) < 0.1)
    tracemalloc.start()
    sampler = build(data, seed=0)
    iterator = iter(sampler)
    next(iterator)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sampler) >= 1_000_000
    assert peak < 100e6


@pytest.mark.parametrize("num_samples", [1, 40, 103, 250])
def test_shorter_and_longer_epochs_go_through_the_same_passes(num_samples):
    """However an epoch is cut, the draws one after the other are the permutations of whole epochs."""
    cut, whole = DrawSampler(range(103), seed=3, num_samples=num_samples), DrawSampler(range(103), seed=3)
    drawn, passes = [], []
    for epoch in range(math.ceil(309 / num_samples)):
        cut.set_epoch(epoch)
        assert len(cut) == num_samples
        drawn += [int(draw) for draw in cut]
    for number in range(3):
        whole.set_epoch(number)
        passes += [int(draw) for draw in whole]
    assert drawn[:309] == passes


@pytest.mark.parametrize("num_samples", [30, 1000])
def test_repeat_factors_keep_their_proportions_in_an_epoch_of_another_length(num_samples):
    sampler = RepeatFactorSampler(UNEVEN, threshold=0.5, seed=3, num_samples=num_samples)
    expected = repeat_factors(UNEVEN.image_class_counts, 0.5)
    drawn = np.bincount([int(draw) for draw in sampler], minlength=len(UNEVEN))
    assert drawn.sum() == num_samples
    assert np.abs(drawn - expected * num_samples / expected.sum()).max() < 1
    assert sampler.expected_draws() == pytest.approx(expected * num_samples / expected.sum())
