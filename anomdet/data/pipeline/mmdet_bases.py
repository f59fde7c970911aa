"""MMDetection's classes that this room extends, without the lines that importing them prints."""

from __future__ import annotations

import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):
    from mmdet.datasets.base_det_dataset import BaseDetDataset
    from mmdet.datasets.transforms.formatting import PackDetInputs
    from mmdet.datasets.transforms.loading import LoadAnnotations
    from mmdet.datasets.transforms.transforms import Mosaic, Resize

__all__ = ["BaseDetDataset", "LoadAnnotations", "Mosaic", "PackDetInputs", "Resize"]
