"""Features in units of what normal parts vary by."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.anomaly.whitening import fit_whitening


def test_distances_after_it_are_mahalanobis_distances_before_it() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(5, 5))
    rows = (rng.normal(size=(20_000, 5)) @ mixing + 7).astype(np.float32)
    whitened = fit_whitening(rows)(rows[:50])
    centred = rows[:50].astype(np.float64) - rows.mean(axis=0)
    wanted = np.sqrt(np.einsum("nd,de,ne->n", centred, np.linalg.inv(np.cov(rows.T)), centred))
    assert np.linalg.norm(whitened, axis=1) == pytest.approx(wanted, rel=0.02)


@pytest.mark.slow
def test_the_shrinkage_is_that_of_ledoit_and_wolf() -> None:
    covariance = pytest.importorskip("sklearn.covariance")
    rows = np.random.default_rng(1).normal(size=(30, 12)).astype(np.float32)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    root = fit_whitening(rows).root.astype(np.float64) * rows.std(axis=0)[:, None]
    wanted = np.linalg.inv(covariance.ledoit_wolf(scaled)[0])
    assert root @ root.T == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def test_fewer_rows_than_columns_and_a_constant_column_give_finite_distances() -> None:
    rows = np.random.default_rng(2).normal(size=(6, 40)).astype(np.float32)
    rows[:, 3] = 1.0
    assert np.isfinite(fit_whitening(rows)(rows)).all()
