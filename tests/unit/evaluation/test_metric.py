from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, InstanceData

from anomdet.evaluation import metric as metric_module
from anomdet.evaluation.coco_json import to_coco
from anomdet.evaluation.files import write_measured, write_results
from anomdet.evaluation.metric import InspectionMetric
from anomdet.evaluation.operating_point import Criterion
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


def write(metric: InspectionMetric, folder: Path) -> tuple[Path, Path]:
    write_results(folder, metric.last.results)
    write_measured(folder, metric.last)
    return folder / "ground_truth.json", folder / "predictions.json"


def test_the_metrics_are_pycocotools_of_the_written_files(tmp_path):
    metric = make_metric(iou_thresholds=[0.33, 0.95])
    logged = run(metric, random_samples(12))
    files = write(metric, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == metric.last.metrics
    expected = oracle.twelve_numbers(*files)
    assert 0.1 < metrics["mAP"] < 0.9
    for key, value in expected.items():
        assert metrics[key] == pytest.approx(value, abs=1e-9)
        assert logged[key] == metrics[key]
    single = oracle.single_threshold_aps(*files, (0.33, 0.95))
    assert [logged["mAP_33"], logged["mAP_95"]] == pytest.approx(single, abs=1e-9)
    assert logged["auroc"] == metrics["part_level"]["auroc"]


def test_results_in_the_users_terms():
    metric = make_metric()
    predictions = [(10, 20, 30, 60.5, 0.25, 2), (1, 2, 4, 8, 0.9, 0)]
    run(metric, [sample(4, [(10.5, 20, 30, 60, 1)], predictions)])
    truth, written = to_coco(metric.last.results)
    assert truth["images"] == [{"id": 4, "file_name": "sub/4.png", "width": 640, "height": 480}]
    names = {-1: "open", 7: "short", 1000: "rare"}
    categories = [{"id": num, "name": name, "supercategory": "defect"} for num, name in names.items()]
    assert truth["categories"] == categories  # MMDetection's analysis asks for the third
    assert truth["annotations"] == [
        {"id": 1, "image_id": 4, "category_id": 7, "bbox": [10.5, 20, 19.5, 40], "area": 780.0, "iscrowd": 0}
    ]
    assert [(p["category_id"], p["bbox"], p["image_id"], p["file_name"]) for p in written] == [
        (-1, [1, 2, 3, 6], 4, "sub/4.png"),
        (1000, [10, 20, 20, 40.5], 4, "sub/4.png"),
    ], "by falling score"
    assert written[0]["score"] == float(np.float32(0.9)), "all digits of the network's float"


def test_padding_repeats_and_order_do_not_matter(tmp_path):
    samples = random_samples(9)
    whole, padded = make_metric(complete=True), make_metric(complete=True)
    run(whole, samples)
    run(padded, [*samples[::-1], samples[0], samples[5]])
    write(whole, tmp_path / "a")
    write(padded, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 6
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_results_travel_between_processes():
    metric = make_metric()
    metric.process(None, random_samples(3))
    results = pickle.loads(pickle.dumps(metric.results, protocol=2))
    assert metric.compute_metrics(results) == metric.compute_metrics(metric.results)


def test_map_is_always_logged_as_a_plain_float():
    normal = run(make_metric(score_threshold=0.3), [sample(0, [], [(1, 1, 5, 5, 0.9, 0)]), sample(1, [], [])])
    assert "mAP" not in normal and "mAP_50" not in normal and "recall" not in normal and normal["precision"] == 0.0
    silent = run(make_metric(), [sample(0, [(1, 1, 5, 5, 0)], [])])
    assert silent["mAP"] == 0.0 and silent["mAP_50"] == 0.0 and "precision" not in silent
    assert {type(value) for value in [*normal.values(), *silent.values()]} == {float}


def test_no_image_at_all():
    metric = make_metric()
    assert run(metric, []) == {}
    assert metric.last.metrics["num_images"] == 0 and metric.last.metrics["mAP"] is None


def test_thresholds_and_counts_are_not_logged():
    metric = make_metric(prefix="val", include_metrics=["recall"], iou_thresholds=[0.95], complete=True)
    logged = run(metric, random_samples(12))
    keys = ["mAP", "mAP_50", "mAP_75", "mAP_small", "mAP_medium", "mAP_large", "mAP_95", "recall", "auroc"]
    keys += ["AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"]
    assert sorted(logged) == sorted(f"val/{key}" for key in keys)


def test_broken_predictions_are_left_out_with_a_warning(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(metric_module, "print_log", lambda message, **_: said.append(message))
    nan, inf = float("nan"), float("inf")
    predictions = [(1, 1, 5, 5, nan, 0), (1, inf, 5, 5, 0.5, 0), (1, 1, 5, 5, 0.5, 0), (5, 5, 1, 7, 0.4, 0)]
    metric = make_metric()
    run(metric, [sample(0, [(1, 1, 5, 5, 0)], predictions)])
    found = metric.last.results.pred.bboxes_xywh.tolist()
    assert found == [[1, 1, 4, 4], [5, 5, 0, 2]], "and a box turned inside out has no size"
    assert len(said) == 1 and said[0].startswith("2 predictions left out")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_float(dtype):
    metric = make_metric()
    assert run(metric, [sample(0, [(8, 8, 16, 16, 2)], [(8, 8, 16, 16, 0.3, 2)], dtype)])["mAP"] == pytest.approx(1)
    assert metric.last.results.pred.score.tolist() == [torch.tensor(0.3, dtype=dtype).double().item()]


def test_the_score_threshold_of_the_settings_goes_first():
    given = {"by": "max_f1", "chosen_on": "val", "score_threshold": 0.7, "per_class": None, "note": ""}
    metric = make_metric(score_threshold=0.2, point=given)
    run(metric, random_samples(6))
    assert metric.last.metrics["operating_point"]["by"] == "fixed"
    assert metric.last.metrics["score_threshold"] == 0.2
    assert metric.chosen_point() is None


def test_a_point_chosen_earlier_is_used():
    earlier = make_metric(operating_point={"by": "min_recall", "min_recall": 0.5, "per_class": True})
    run(earlier, random_samples(8))
    point = earlier.share_point()
    assert json.loads(json.dumps({str(k): v for k, v in point["per_class"].items()}))
    later = make_metric(operating_point={"by": "max_f1"}, point=point)
    run(later, random_samples(8, seed=1))
    assert later.last.point == earlier.last.point
    assert later.chosen_point() is None


def test_the_validation_chooses_by_the_settings():
    metric = make_metric(operating_point={"by": "costs", "escape_cost": 3.0}, matching_iou_threshold=0.6)
    assert metric.chosen_point() is None, "nothing was measured yet"
    run(metric, random_samples(8))
    chosen = metric.chosen_point()
    assert chosen["criterion"] == Criterion("costs", escape_cost=3.0, iou_thr=0.6).as_dict()
    assert chosen["point"] == metric.share_point() and chosen["point"]["by"] == "costs"
    assert pickle.loads(pickle.dumps(chosen)) == chosen


def test_images_of_one_part():
    grouped, single = make_metric(group_by=r"(\d)\.png$"), make_metric()
    for metric in (grouped, single):
        run(metric, random_samples(20))
    assert single.last.metrics["part_level"]["unit"] == "image"
    assert (grouped.last.metrics["part_level"]["unit"], grouped.last.num_parts) == ("part", 10)
    assert list(grouped.last.results.parts)[:2] == ["0", "1"]


def test_the_tables_are_for_a_complete_evaluation():
    for complete in (True, False):
        metric = make_metric(complete=complete)
        run(metric, random_samples(3))
        assert ("confusion_matrix" in metric.last.metrics) == complete


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
    assert metric.last.metrics["num_images"] == 4


def test_building_it_is_silent(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("mmengine.evaluator.metric.print_log", lambda message, **_: said.append(message))
    make_metric()
    assert not said
