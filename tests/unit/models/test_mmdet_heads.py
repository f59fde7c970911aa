"""SSD and CenterNet of MMDetection predict in our pipeline; they ended the first validation of a training."""

from __future__ import annotations

import torch
from mmengine.config import ConfigDict

from anomdet.workflows.runs.libraries import load_libraries

load_libraries()

from mmdet.models.dense_heads import CenterNetHead, SSDHead  # noqa: E402

from anomdet.models.mmdet_heads import complete_heads  # noqa: E402


def test_the_head_of_ssd_knows_that_it_has_no_loss_of_classes() -> None:
    assert SSDHead.loss_cls is None


def test_the_head_of_centernet_predicts_without_a_border() -> None:
    before = CenterNetHead._predict_by_feat_single
    complete_heads()
    assert CenterNetHead._predict_by_feat_single is before, "done once"
    head = CenterNetHead(
        in_channels=1, feat_channels=1, num_classes=2, test_cfg=ConfigDict(topk=5, local_maximum_kernel=3)
    )
    heat = torch.zeros(1, 2, 8, 8)
    heat[0, 1, 3, 5] = 0.9
    size, offset = torch.full((1, 2, 8, 8), 2.0), torch.zeros(1, 2, 8, 8)
    meta = dict(img_shape=(32, 32), batch_input_shape=(32, 32), scale_factor=(1.0, 1.0))
    found = head.predict_by_feat([heat], [size], [offset], [meta], rescale=False)[0]
    assert found.labels[0] == 1 and found.bboxes[0].tolist() == [16.0, 8.0, 24.0, 16.0]
    padded = head.predict_by_feat([heat], [size], [offset], [{**meta, "border": (2, 30, 3, 29)}], rescale=False)[0]
    assert padded.bboxes[0].tolist() == [13.0, 6.0, 21.0, 14.0], "as MMDetection's own pipeline has it"
