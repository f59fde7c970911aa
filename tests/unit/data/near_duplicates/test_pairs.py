"""The search finds what comparing all pairs finds."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.data.near_duplicates import pairs as pairs_module
from anomdet.data.near_duplicates.pairs import MAX_LOW_DISTANCE, near_pairs


def all_pairs(bits: np.ndarray, max_distance: int) -> dict[tuple[int, int], int]:
    """The oracle: each with each."""
    rows = np.unpackbits(bits, axis=1).astype(np.int32)
    differ = (rows[:, None] != rows[None]).cumsum(axis=2)
    low, full = differ[..., 63], differ[..., -1]
    found = np.argwhere(np.triu((low <= MAX_LOW_DISTANCE) & (full <= max_distance), 1))
    return {(int(a), int(b)): int(full[a, b]) for a, b in found}


def near_copies(rng: np.random.Generator, num: int, most: int) -> np.ndarray:
    """A few random hashes and copies of them with some bits turned over."""
    seeds = rng.random((num // 6 + 1, 256)) < 0.5
    rows = seeds[rng.integers(0, len(seeds), num)]
    turned = rng.random(rows.shape) < rng.uniform(0, most / 256, (num, 1))
    return np.packbits(rows ^ turned, axis=1)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("chunk", [7, 1 << 21])
def test_as_all_pairs_by_all_pairs(monkeypatch, seed, chunk):
    monkeypatch.setattr(pairs_module, "_CHUNK", chunk)
    bits = near_copies(np.random.default_rng(seed), 150, 50)
    expected = all_pairs(bits, 56)
    found = near_pairs(bits, 56)
    assert len(expected) > 20 and found.complete
    assert dict(zip(map(tuple, found.pairs.tolist()), found.distances.tolist(), strict=True)) == expected
    assert found.pairs.tolist() == sorted(map(list, expected))


def test_as_all_pairs_without_numpys_own_bit_count(monkeypatch):
    bits = near_copies(np.random.default_rng(9), 100, 50)
    expected = near_pairs(bits, 56)
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    found = near_pairs(bits, 56)
    assert len(found.pairs) and np.array_equal(found.pairs, expected.pairs)
    assert np.array_equal(found.distances, expected.distances)


@pytest.mark.parametrize("num", [0, 1])
def test_nothing_to_compare(num):
    found = near_pairs(np.zeros((num, 32), np.uint8), 56)
    assert found.pairs.shape == (0, 2) and found.distances.shape == (0,) and found.complete


def test_gives_up_where_all_are_alike():
    bits = np.zeros((600, 32), np.uint8)
    found = near_pairs(bits, 56, max_pairs=1000)
    assert not found.complete and len(found.pairs) == 1000
    assert not near_pairs(bits, 56, max_looks=10_000).complete
