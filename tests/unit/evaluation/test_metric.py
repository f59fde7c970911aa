from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, InstanceData

from anomdet.evaluation import metric as metric_module
from anomdet.evaluation.files import read_evaluation
from anomdet.evaluation.metric import InspectionMetric
from anomdet.registry import METRICS
from tests.unit.evaluation import pycocotools_oracle as oracle

META = {"classes": ("open", "short", "rare"), "class_nums": (-1, 7, 1000)}


def make_metric(**settings) -> InspectionMetric:
    metric = METRICS.build({"type": "anomdet.InspectionMetric", **settings})
    metric.dataset_meta = META
    return metric


def sample(img_id: int, gt: list[tuple], predictions: list[tuple], dtype=torch.float32) -> dict:
    """gt: (x1, y1, x2, y2, label); predictions: (x1, y1, x2, y2, score, label)."""
    rows = torch.tensor(predictions, dtype=torch.float64).reshape(-1, 6)
    return {
        "img_id": img_id,
        "file_name": f"sub/{img_id}.png",
        "ori_shape": (480, 640),
        "img_shape": (240, 320),
        "instances": [{"bbox": list(row[:4]), "bbox_label": row[4], "ignore_flag": 0} for row in gt],
        "pred_instances": {
            "bboxes": rows[:, :4].to(dtype),
            "scores": rows[:, 4].to(dtype),
            "labels": rows[:, 5].long(),
        },
    }


def random_samples(number: int, seed: int = 0) -> list[dict]:
    rng = np.random.default_rng(seed)
    samples = []
    for img_id in range(number):
        boxes = rng.uniform(0, 300, (int(rng.integers(0, 8)), 4))
        boxes[:, 2:] = boxes[:, :2] + rng.uniform(2, 150, (len(boxes), 2))
        labels = rng.integers(0, 2, (len(boxes), 1))
        moved = boxes + rng.normal(0, 3, boxes.shape)
        predictions = np.concatenate([moved, rng.random((len(boxes), 1)), labels], axis=1)
        gt = [(*box, label) for box, (label,) in zip(boxes.tolist(), labels.tolist(), strict=True)]
        samples.append(sample(img_id, gt, predictions.tolist()))
    return samples


def run(metric: InspectionMetric, samples: list[dict]) -> dict:
    for start in range(0, len(samples), 3):
        metric.process(None, samples[start : start + 3])
    return metric.evaluate(len(samples))


def test_the_written_metrics_are_pycocotools_of_the_written_files(tmp_path):
    metric = make_metric(out_dir=str(tmp_path), iou_thresholds=[0.33, 0.95])
    logged = run(metric, random_samples(12))
    written = read_evaluation(tmp_path)
    assert written.metrics == metric.last_result
    expected = oracle.twelve_numbers(tmp_path / "ground_truth.json", tmp_path / "predictions.json")
    assert 0.1 < written.metrics["mAP"] < 0.9
    for key in ("mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_100"):
        assert written.metrics[key] == pytest.approx(expected[key], abs=1e-9)
        assert logged[key] == written.metrics[key]
    single = oracle.single_threshold_aps(tmp_path / "ground_truth.json", tmp_path / "predictions.json", (0.33, 0.95))
    assert [logged["mAP_33"], logged["mAP_95"]] == pytest.approx(single, abs=1e-9)


def test_files_in_the_users_terms(tmp_path):
    predictions = [(10, 20, 30, 60.5, 0.25, 2), (1, 2, 4, 8, 0.9, 0)]
    run(make_metric(out_dir=str(tmp_path)), [sample(4, [(10.5, 20, 30, 60, 1)], predictions)])
    truth, written, _ = read_evaluation(tmp_path)
    assert truth["images"] == [{"id": 4, "file_name": "sub/4.png", "width": 640, "height": 480}]
    assert truth["categories"] == [{"id": -1, "name": "open"}, {"id": 7, "name": "short"}, {"id": 1000, "name": "rare"}]
    assert truth["annotations"] == [
        {"id": 1, "image_id": 4, "category_id": 7, "bbox": [10.5, 20, 19.5, 40], "area": 780.0, "iscrowd": 0}
    ]
    assert [(p["category_id"], p["bbox"], p["image_id"], p["file_name"]) for p in written] == [
        (-1, [1, 2, 3, 6], 4, "sub/4.png"),
        (1000, [10, 20, 20, 40.5], 4, "sub/4.png"),
    ], "by falling score"
    assert written[0]["score"] == float(np.float32(0.9)), "all digits of the network's float"


def test_annotation_ids_are_unique_and_start_at_1(tmp_path):
    run(make_metric(out_dir=str(tmp_path)), random_samples(10))
    ids = [annotation["id"] for annotation in read_evaluation(tmp_path).ground_truth["annotations"]]
    assert ids == list(range(1, len(ids) + 1)) and len(ids) > 10


def test_padding_repeats_and_order_do_not_matter(tmp_path):
    samples = random_samples(9)
    whole = make_metric(out_dir=str(tmp_path / "a"))
    run(whole, samples)
    padded = make_metric(out_dir=str(tmp_path / "b"))
    run(padded, [*samples[::-1], samples[0], samples[5]])
    for name in ("predictions.json", "ground_truth.json", "metrics.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_results_travel_between_processes():
    metric = make_metric()
    metric.process(None, random_samples(3))
    results = pickle.loads(pickle.dumps(metric.results, protocol=2))
    assert metric.compute_metrics(results) == metric.compute_metrics(metric.results)


def test_map_is_always_logged_as_a_plain_float():
    normal = run(make_metric(), [sample(0, [], [(1, 1, 5, 5, 0.9, 0)]), sample(1, [], [])])
    assert normal["mAP"] == 0.0 and "mAP_50" not in normal and "recall" not in normal and normal["precision"] == 0.0
    silent = run(make_metric(), [sample(0, [(1, 1, 5, 5, 0)], [])])
    assert silent["mAP"] == 0.0 and silent["mAP_50"] == 0.0 and "precision" not in silent
    assert {type(value) for value in [*normal.values(), *silent.values()]} == {float}


def test_no_image_at_all():
    metric = make_metric()
    assert run(metric, []) == {"mAP": 0.0}
    assert metric.last_result["num_images"] == 0 and metric.last_result["mAP"] is None


def test_thresholds_and_counts_are_not_logged():
    logged = run(make_metric(prefix="val", include_metrics=["recall"]), random_samples(12))
    keys = ["mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "AR_100", "mAP_95", "recall"]
    assert sorted(logged) == sorted(f"val/{key}" for key in keys)


def test_broken_predictions_are_left_out_with_a_warning(tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(metric_module, "print_log", lambda message, **_: said.append(message))
    nan, inf = float("nan"), float("inf")
    predictions = [(1, 1, 5, 5, nan, 0), (1, inf, 5, 5, 0.5, 0), (1, 1, 5, 5, 0.5, 0), (5, 5, 1, 7, 0.4, 0)]
    run(make_metric(out_dir=str(tmp_path)), [sample(0, [(1, 1, 5, 5, 0)], predictions)])
    written = read_evaluation(tmp_path).predictions
    assert [p["bbox"] for p in written] == [[1, 1, 4, 4], [5, 5, 0, 2]], "and a box turned inside out has no size"
    assert len(said) == 1 and said[0].startswith("2 predictions left out")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_float(tmp_path, dtype):
    metric = make_metric(out_dir=str(tmp_path))
    assert run(metric, [sample(0, [(8, 8, 16, 16, 2)], [(8, 8, 16, 16, 0.3, 2)], dtype)])["mAP"] == pytest.approx(1)
    assert read_evaluation(tmp_path).predictions[0]["score"] == torch.tensor(0.3, dtype=dtype).double().item()


def test_samples_as_the_evaluator_passes_them():
    class Boxes:  # as MMDetection's HorizontalBoxes: the tensor inside
        def __init__(self, tensor: torch.Tensor) -> None:
            self.tensor = tensor

        def __len__(self) -> int:
            return len(self.tensor)

    plain = random_samples(4)
    elements = []
    for entry in plain:
        instances = InstanceData(
            **{k: v.clone().requires_grad_(v.is_floating_point()) for k, v in entry["pred_instances"].items()}
        )
        instances.bboxes = Boxes(instances.bboxes)
        meta = {key: value for key, value in entry.items() if key != "pred_instances"}
        elements.append(BaseDataElement(metainfo=meta, pred_instances=instances))
    evaluator = Evaluator([make_metric()])
    evaluator.dataset_meta = META
    evaluator.process(data_samples=elements, data_batch=None)
    assert evaluator.evaluate(4) == run(make_metric(), plain)


def test_the_next_evaluation_starts_empty():
    metric = make_metric()
    first = run(metric, random_samples(4))
    assert run(metric, random_samples(4)) == first
    run(metric, random_samples(4, seed=1))
    assert json.loads(json.dumps(metric.last_result))["num_images"] == 4


def test_building_it_is_silent(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("mmengine.evaluator.metric.print_log", lambda message, **_: said.append(message))
    make_metric()
    assert not said
