"""The score without torch: maps of a graph, and arrays of a file that may come from a stranger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anomdet.anomaly.graph_features import GraphFeatures, read_arrays, write_arrays
from anomdet.anomaly.patches import even_light


def test_maps_are_laid_out_as_the_score_takes_them() -> None:
    images = np.random.default_rng(0).integers(0, 255, (2, 8, 8, 3), dtype=np.uint8)
    maps = GraphFeatures(lambda planes: [planes, planes[:, :1, ::2, ::2]])(images)
    assert [[layer.shape for layer in one] for one in maps] == [[(8, 8, 3), (4, 4, 1)]] * 2
    assert np.array_equal(maps[1][0], even_light(images)[1].transpose(1, 2, 0))


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {"whole.mean": np.arange(3, dtype=np.float32), "part.memory": np.ones((2, 2), np.float16)}
    write_arrays(tmp_path / "a.npz", arrays)
    found = read_arrays(tmp_path / "a.npz")
    assert found.keys() == arrays.keys()
    assert all(
        found[name].dtype == value.dtype and np.array_equal(found[name], value) for name, value in arrays.items()
    )


def compressed(path: Path) -> None:
    np.savez_compressed(path, a=np.zeros(10**6))


def pickled(path: Path) -> None:
    np.savez(path, a=np.array([{}], dtype=object))


def cut(path: Path) -> None:
    np.savez(path, a=np.arange(1000))
    path.write_bytes(path.read_bytes()[:2000])


@pytest.mark.parametrize("spoil", [compressed, pickled, cut])
def test_another_file_is_refused(tmp_path: Path, spoil) -> None:
    spoil(tmp_path / "a.npz")
    with pytest.raises(ValueError):
        read_arrays(tmp_path / "a.npz")
