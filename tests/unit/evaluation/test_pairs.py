from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask

from anomdet.evaluation import pairs as pairs_module
from anomdet.evaluation.coco_json import results_from_coco
from anomdet.evaluation.pairs import overlapping_pairs
from tests.unit.evaluation.cases import RANDOM_CASES, gt_dict, pred, results_of


@pytest.mark.parametrize("chunk", [1, 7, 2_000_000])
@pytest.mark.parametrize("case", RANDOM_CASES, ids=str)
def test_all_pairs_with_the_iou_of_pycocotools(case, chunk, monkeypatch):
    monkeypatch.setattr(pairs_module, "_CHUNK", chunk)
    results = results_of(case)
    for min_iou in (0.001, 0.5, 1.0):
        expected = {}
        for image in range(results.num_images):
            rows, objects = np.flatnonzero(results.pred.image == image), np.flatnonzero(results.gt.image == image)
            if not len(rows) or not len(objects):
                continue
            crowd = results.gt.crowd[objects].astype(int).tolist()
            iou = mask.iou(results.pred.bboxes_xywh[rows], results.gt.bboxes_xywh[objects], crowd)
            for i, j in zip(*np.nonzero(iou >= min_iou), strict=True):
                expected[int(rows[i]), int(objects[j])] = float(iou[i, j])
        found = overlapping_pairs(results, min_iou)
        keys = zip(found.pred.tolist(), found.gt.tolist(), strict=True)
        assert dict(zip(keys, found.iou.tolist(), strict=True)) == expected, "to the last digit"
        order = list(zip(found.pred.tolist(), (-found.iou).tolist(), (-found.gt).tolist(), strict=True))
        assert order == sorted(order)
        assert found.same_class.tolist() == (results.pred.label[found.pred] == results.gt.label[found.gt]).tolist()


def test_no_pair_without_area_or_beside_each_other():
    truth = gt_dict((0, 1, [0, 0, 10, 10]), (0, 1, [5, 5, 0, 0]), (1, 1, [0, 0, 10, 10]))
    boxes = [[10, 0, 10, 10], [0, 10, 10, 10], [3, 3, 0, 4], [5, 5, 0, 0]]
    results = results_from_coco(truth, [pred(0, 1, box, 0.5) for box in boxes])
    assert len(overlapping_pairs(results, 1e-9).pred) == 0


def test_where():
    results = results_of(RANDOM_CASES[0])
    found = overlapping_pairs(results, 0.1)
    some = found.where(found.iou > 0.5)
    assert 0 < len(some.pred) < len(found.pred) and (some.iou > 0.5).all()
