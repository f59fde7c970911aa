"""Every list of metrics derives from the catalogue, and the catalogue holds what an evaluation writes."""

from __future__ import annotations

from typing import get_args

import pytest

from anomdet.config.key_types import MetricName, MonitorName
from anomdet.config.schema import MetricsSettings, TrainingSettings
from anomdet.evaluation.intervals import intervals
from anomdet.evaluation.operating_point import fixed
from anomdet.evaluation.summary import measure
from anomdet.metric_catalogue import COMPARED, METRIC, METRICS, lower_is_better, of_key, threshold_key
from tests.unit.evaluation.cases import Case, results_of


@pytest.fixture(scope="module")
def written() -> dict:
    """metrics.json with everything in it."""
    measured = measure(results_of(Case(3, num_images=12)), fixed(0.3), iou_thresholds=[0.33])
    return {**measured.metrics, "intervals": intervals(measured, num_resamples=20)}


def test_no_key_twice():
    assert len(METRIC) == len(METRICS) > 25


def test_every_number_that_is_written_is_in_the_catalogue(written):
    counts = {"version", "num_images", "num_predictions", "matching_iou_threshold", "num_good"}
    numbers = {key for key, value in written.items() if value is None or isinstance(value, (int, float))}
    numbers |= set(written["part_level"]) - {"unit"}
    assert {key for key in numbers if of_key(key) is None} == counts
    own = {metric.of_class.key for metric in METRICS if metric.of_class}
    assert set(next(iter(written["per_class"].values()))) == own


def test_the_catalogue_promises_nothing_that_is_not_written(written):
    level = {**written, **written["part_level"]}
    per_class_only = {"class_num"}
    assert {metric.key for metric in METRICS} - set(level) == per_class_only
    assert {metric.interval for metric in METRICS if metric.interval} <= set(written["intervals"])
    assert {metric.share_of for metric in METRICS if metric.share_of} <= set(level)
    assert set(COMPARED) <= set(written["intervals"])


def test_the_settings_allow_what_the_catalogue_names():
    assert get_args(MetricName) == ("precision", "recall", "f1_score", "iou")
    assert get_args(MonitorName) == ("mAP", "mAP_50", "mAP_75", "val_loss")
    assert set(MetricsSettings().include_metrics) == set(get_args(MetricName))
    assert TrainingSettings().monitor in get_args(MonitorName)


def test_further_overlaps_are_metrics_too():
    metric = of_key(threshold_key(0.333))
    assert (metric.key, metric.meaning) == ("mAP_33.3", "The same with an overlap of 0.33.")
    assert metric.headline and not metric.compared
    assert of_key("count_error") is None and of_key("mAP_few") is None


@pytest.mark.parametrize("key", ["val_loss", "loss_bbox", "escapes", "overkill", "escape_rate"])
def test_what_is_better_when_lower(key):
    assert lower_is_better(key)


def test_everything_else_is_better_when_higher():
    assert not any(map(lower_is_better, ("mAP", "mAP_33", "auroc", "f1_score", "count_right")))


def test_texts_name_the_unit():
    worded = [metric.worded("part") for metric in METRICS]
    assert not [m.key for m in worded if "{" in m.label + m.meaning + m.null_reason]
    assert METRIC["escapes"].worded("image").meaning == "Defective images that pass as good."
