"""The anomaly of a result: what is no possible value is refused, before it is divided by."""

from __future__ import annotations

import math

import pytest

from anomdet.anomalies import Anomaly, Region


def test_a_document_gives_the_same_anomaly():
    anomaly = Anomaly(3.0, 2.0, 0.01, (Region((1.0, 2.0, 3.0, 4.0), 1.5),))
    assert Anomaly.from_dict(anomaly.to_dict()) == anomaly
    assert anomaly.is_unknown and anomaly.ratio == 1.5 and anomaly.part_score == 0.6


@pytest.mark.parametrize("key", ["score", "threshold", "p_value"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_number_from_0_on_is_refused(key, value):
    document = {**Anomaly(3.0, 2.0, 0.01).to_dict(), key: value}
    with pytest.raises(ValueError, match="no number >= 0"):
        Anomaly.from_dict(document)


def test_a_threshold_of_0_is_refused():
    """Every part would be rejected, and the ratio to it be none."""
    with pytest.raises(ValueError, match="threshold of 0"):
        Anomaly(0.0, 0.0, 0.5)
