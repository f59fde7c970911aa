"""What is left out in closed form is what a model without it gives."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.anomaly.left_out import Regularised, left_out
from anomdet.anomaly.padim import distances_left_out, fit_padim
from anomdet.anomaly.whitening import fit_whitening, nearest_left_out

SINGLE = np.arange(30)
MIXED = np.r_[np.arange(20), np.repeat(20, 3), np.repeat(21, 2), np.arange(22, 27)]


def correlated(num: int, dims: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(num, dims)) @ rng.normal(size=(dims, dims)) + 3


@pytest.mark.parametrize("groups", [SINGLE, MIXED], ids=["single", "mixed"])
@pytest.mark.parametrize("how", [Regularised(1.0, 0.01, 1), Regularised(0.7, 0.4, 0)], ids=["ridge", "shrunk"])
def test_distances_are_those_of_a_covariance_of_the_others(groups: np.ndarray, how: Regularised) -> None:
    rows = correlated(30, 6)
    seen = set()
    for some in left_out(rows - rows.mean(axis=0), groups, how):
        from_mean = some.from_mean()
        for k, members in enumerate(some.members):
            seen.update(members.tolist())
            others = np.flatnonzero(groups != groups[members[0]])
            centred = rows[others] - rows[others].mean(axis=0)
            covariance = how.share * centred.T @ centred / (len(others) - how.lost) + how.level * np.eye(6)
            inverse = np.linalg.inv(covariance)
            for at, member in enumerate(members):
                step = rows[member] - rows[others].mean(axis=0)
                assert from_mean[k, at] == pytest.approx(np.sqrt(step @ inverse @ step))
                steps = rows[member] - rows[others]
                expected = np.sqrt(np.einsum("nd,de,ne->n", steps, inverse, steps))
                assert some.to_others(k, others)[at] == pytest.approx(expected)
    assert seen == set(range(30))


def test_of_padim_they_are_nearly_those_of_a_fit_without_the_image() -> None:
    """Up to the scale of the channels, which is that of all images."""
    images = np.random.default_rng(1).normal(size=(60, 9, 12)).astype(np.float16)
    found = distances_left_out(images, np.arange(60), seed=3)
    for at in range(0, 60, 7):
        refitted = fit_padim(np.delete(images, at, axis=0), seed=3).judge(images[at].astype(np.float32))[0]
        assert found[at] == pytest.approx(refitted, rel=0.02)
    inside = fit_padim(images, seed=3).judge(images[0].astype(np.float32))[0]
    assert inside.mean() < 0.95 * found[0].mean(), "an image that the model holds looks nearer than it is"


def test_of_descriptions_they_are_nearly_those_of_a_fit_without_the_image() -> None:
    rows = correlated(80, 10).astype(np.float32)
    found = nearest_left_out(rows, np.arange(80), np.arange(80), np.arange(0, 80, 9))
    for place, at in enumerate(range(0, 80, 9)):
        others = np.delete(rows, at, axis=0)
        whitening = fit_whitening(others)
        nearest = np.linalg.norm(whitening(others) - whitening(rows[at][None]), axis=1).min()
        assert found[place] == pytest.approx(nearest, rel=0.04)


def test_rows_of_one_part_are_no_neighbours() -> None:
    rows = np.repeat(correlated(20, 4), 2, axis=0).astype(np.float32)
    groups = np.repeat(np.arange(20), 2)
    assert nearest_left_out(rows, np.arange(40), groups, np.arange(40)).min() > 0.01
    assert nearest_left_out(rows, np.arange(40), np.arange(40), np.arange(40)).max() == pytest.approx(0.0, abs=1e-6)
