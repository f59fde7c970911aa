"""A detector and a normal-only score on the same parts."""

from __future__ import annotations

import numpy as np
import pytest

from anomdet.evaluation.unseen import _level, detector_margins, fuse


def test_a_margin_is_0_at_the_threshold_and_says_what_the_verdict_says() -> None:
    scores = np.array([[0.3, 0.0], [0.29, 0.0], [0.0, 0.0], [0.0, 1.0], [0.1, 0.9]])
    margins = detector_margins(scores, np.array([0.3, 0.9]))
    assert margins[0] == pytest.approx(0) and margins[4] == pytest.approx(0)
    assert ((margins >= 0) == (scores >= [0.3, 0.9]).any(axis=1)).all()


@pytest.mark.parametrize("threshold", [0.0, 1e-9, 1.0, 1.5])
def test_extreme_thresholds_keep_the_verdict(threshold: float) -> None:
    scores = np.array([[0.0], [1e-9], [0.5], [1.0]])
    margins = detector_margins(scores, np.array([threshold]))
    assert ((margins >= 0) == (scores[:, 0] >= threshold)).all()


def test_the_rule_is_monotone_in_both_and_rejects_where_either_does() -> None:
    rng = np.random.default_rng(0)
    one, other, more = rng.normal(size=(3, 500))
    fused = fuse(one, other)
    assert (fuse(one + abs(more), other) >= fused).all() and (fuse(one, other + abs(more)) >= fused).all()
    assert ((fused >= 0) == ((one >= 0) | (other >= 0))).all()


def test_a_defect_that_only_one_sees_does_not_escape() -> None:
    defective = np.array([True, True, False, False])
    detector, normal_only = np.array([2.0, -3.0, -3.0, -2.0]), np.array([-1.0, 1.0, -1.0, -2.0])
    assert _level(detector, defective)["escapes"] == 1
    fused = _level(fuse(detector, normal_only), defective)
    assert (fused["escapes"], fused["overkill"], fused["auroc"]) == (0, 0, 1.0)
