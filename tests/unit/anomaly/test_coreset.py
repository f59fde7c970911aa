"""The few patches that stand for all."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from anomdet.anomaly.coreset import Reservoir, k_center


def radius(rows: np.ndarray, chosen: list[int]) -> float:
    return float(np.linalg.norm(rows[:, None] - rows[chosen][None], axis=2).min(axis=1).max())


def test_no_row_is_more_than_twice_as_far_as_the_best_choice_leaves_it() -> None:
    rows = np.random.default_rng(0).normal(size=(14, 3)).astype(np.float32)
    best = min(radius(rows, list(some)) for some in itertools.combinations(range(14), 4))
    for seed in range(5):
        assert radius(rows, k_center(rows, 4, seed=seed).tolist()) <= 2 * best + 1e-5


def test_it_covers_rare_rows_that_a_random_choice_misses() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(0, 0.1, (5000, 100)).astype(np.float32)
    rows[17] += 5.0
    assert 17 in k_center(rows, 20, seed=0)


def test_all_rows_where_there_are_not_more() -> None:
    assert k_center(np.zeros((3, 2), dtype=np.float32), 10, seed=0).tolist() == [0, 1, 2]


def test_a_reservoir_keeps_each_row_equally_often() -> None:
    kept = np.zeros(40)
    for seed in range(2000):
        reservoir = Reservoir(10, seed)
        for block in range(4):
            reservoir.add(np.arange(block * 10, block * 10 + 10, dtype=np.float32)[:, None], block)
        kept[reservoir.rows[:, 0].astype(int)] += 1
        assert (reservoir.numbers == reservoir.rows[:, 0] // 10).all()
    assert kept / 2000 == pytest.approx(0.25, abs=0.05)
