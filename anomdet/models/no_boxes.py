"""The detector of a run that has no class to detect: it finds nothing, and the normal-only score judges alone."""

from __future__ import annotations

from typing import Any

import torch
from mmdet.models.detectors import BaseDetector
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from anomdet.registry import MODELS


@MODELS.register_module()
class NoBoxes(BaseDetector):
    """No weights, no boxes: for data of normal images alone.

    Args:
        data_preprocessor: config of MMDetection's.
        init_cfg: accepted for MMDetection's sake.
    """

    def __init__(self, data_preprocessor: dict[str, Any] | None = None, init_cfg: None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """Nothing is learned by gradients."""
        raise NotImplementedError

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Each sample with ``pred_instances`` of no box."""
        none = InstanceData(
            bboxes=batch_inputs.new_zeros((0, 4)),
            scores=batch_inputs.new_zeros(0),
            labels=torch.zeros(0, dtype=torch.int64, device=batch_inputs.device),
        )
        for sample in batch_data_samples:
            sample.pred_instances = none.clone()
        return batch_data_samples

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList | None = None) -> tuple[Tensor, ...]:
        return ()

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """None."""
        return ()
