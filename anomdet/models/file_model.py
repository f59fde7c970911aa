"""A whole detector from the user's file: ``class CustomModel(config)`` with torchvision's detection interface."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor, nn

from anomdet.errors import Problem, UserError
from anomdet.models.user_file import load_name, problem_from
from anomdet.registry import MODELS

CLASS = "CustomModel"
# torchvision's detectors normalise by themselves: RGB from 0 to 1 is what they are given.
PREPROCESSOR = {
    "type": "mmdet.DetDataPreprocessor",
    "mean": [0.0, 0.0, 0.0],
    "std": [255.0, 255.0, 255.0],
    "bgr_to_rgb": True,
    "pad_size_divisor": 1,
}


@MODELS.register_module()
class FileModel(BaseModel):
    """The user's detector under MMDetection's interface.

    The user's model sees what torchvision's detectors see. ``images``: a list of float tensors ``(3, h, w)``, RGB, 0
    to 1, not normalised, without padding. ``targets``: a list of dicts with ``boxes`` float ``(n, 4)`` xyxy pixels and
    ``labels`` int64 ``(n,)`` from 1 (0 is the background); n is 0 for a normal image. In training
    ``model(images, targets)`` returns a dict of scalar losses, whose sum is minimised; in evaluation ``model(images)``
    returns for each image a dict with ``boxes`` (xyxy, pixels of the given image), ``labels`` from 1, and ``scores``.

    Args:
        file: Python file that defines ``class CustomModel(config)``, a torch.nn.Module.
        config: the settings as a plain dict, handed to the class with ``model.num_classes`` (without the background)
            filled in.
        num_classes: how many classes of defects there are.
        data_preprocessor: null for the images described above.
        init_cfg: as for every mmengine model; weights are the user's own affair.

    Raises:
        UserError: the file, the class, or what the model returns is not as described.
    """

    def __init__(
        self,
        file: str,
        config: Mapping[str, Any] | None = None,
        num_classes: int = 1,
        data_preprocessor: Any = None,
        init_cfg: Any = None,
    ):
        super().__init__(data_preprocessor=data_preprocessor or dict(PREPROCESSOR), init_cfg=init_cfg)
        self.file = file
        self.num_classes = num_classes
        self.has_warned = False
        make = load_name(file, CLASS, f"class {CLASS}(config)")
        try:
            model = make(_with_num_classes(config or {}, num_classes))
        except Exception as error:
            path = Path(file).expanduser().resolve()
            raise UserError(problem_from(error, path, f"{CLASS}(config) to make a torch.nn.Module")) from error
        if not isinstance(model, nn.Module):
            raise UserError(Problem(f"{file}: {CLASS}", "a torch.nn.Module", type(model).__name__))
        self.model = model

    def init_weights(self) -> None:
        """Nothing: the user's class did it."""

    def forward(self, inputs: Tensor, data_samples: Sequence[Any] | None = None, mode: str = "tensor") -> Any:
        """As MMDetection's detectors.

        Args:
            inputs: ``(N, 3, H, W)``, padded to one size.
            data_samples: N of MMDetection's DetDataSample; img_shape says where the padding begins.
            mode: ``loss`` returns a dict of losses, ``predict`` the data samples with ``pred_instances`` (bboxes xyxy
                in pixels of the original image, scores, labels from 0), ``tensor`` what the user's model returns.
        """
        images = _without_padding(inputs, data_samples)
        if mode == "loss":
            assert data_samples is not None
            return self._losses(self.model(images, [_target(sample, inputs.device) for sample in data_samples]))
        returned = self.model(images)
        if mode == "tensor":
            return returned
        assert mode == "predict" and data_samples is not None, mode
        self._check_predictions(returned, len(images))
        self._look_at_boxes(returned)
        for sample, prediction in zip(data_samples, returned, strict=True):
            sample.pred_instances = self._instances(prediction, sample)
        return list(data_samples)

    def _losses(self, returned: Any) -> dict[str, Tensor]:
        where = f"{self.file}: {CLASS} in training"
        if not isinstance(returned, Mapping) or not returned:
            raise UserError(Problem(where, "a dict of losses", type(returned).__name__))
        for name, value in returned.items():
            if not isinstance(value, Tensor) or value.numel() != 1:
                got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
                raise UserError(Problem(f"{where}, {name}", "a tensor with one number", got))
        if torch.is_grad_enabled() and not any(value.requires_grad for value in returned.values()):
            expected = "a loss that its weights have a part in, for images without objects, too"
            raise UserError(Problem(where, expected, "numbers alone", "is it detached, or computed under no_grad?"))
        # MMEngine adds up what has "loss" in its name; torchvision's FCOS names its losses without.
        return {name if "loss" in name else f"loss_{name}": value for name, value in returned.items()}

    def _check_predictions(self, returned: Any, count: int) -> None:
        where = f"{self.file}: {CLASS} in evaluation"
        expected = f"a list of {count} dicts with boxes (n, 4), labels (n,) from 1 to {self.num_classes}, scores (n,)"
        if not isinstance(returned, (list, tuple)) or len(returned) != count:
            got = f"{len(returned)} of them" if isinstance(returned, (list, tuple)) else type(returned).__name__
            raise UserError(Problem(where, expected, got))
        for i, one in enumerate(returned):
            parts: list[Any] = (
                [one.get(key) for key in ("boxes", "labels", "scores")] if isinstance(one, Mapping) else []
            )
            if not parts or not all(isinstance(part, Tensor) for part in parts):
                got = f"keys {sorted(one)}" if isinstance(one, Mapping) else type(one).__name__
                raise UserError(Problem(f"{where}, image {i}", expected, got))
            shapes = [tuple(part.shape) for part in parts]
            n = len(parts[1]) if parts[1].ndim else -1
            if shapes != [(n, 4), (n,), (n,)]:
                raise UserError(Problem(f"{where}, image {i}", expected, f"shapes {shapes}"))
            if n and not 1 <= int(parts[1].min()) <= int(parts[1].max()) <= self.num_classes:
                got = f"labels from {int(parts[1].min())} to {int(parts[1].max())}"
                raise UserError(Problem(f"{where}, image {i}", expected, got))

    def _look_at_boxes(self, returned: Sequence[Mapping[str, Tensor]]) -> None:
        """Warn once where boxes are not two corners in pixels: they are allowed, and find nothing."""
        boxes = torch.cat([one["boxes"].detach().reshape(-1, 4).float() for one in returned])
        if self.has_warned or not len(boxes):
            return
        turned = int((boxes[:, 2:] < boxes[:, :2]).any(dim=1).sum())
        if turned > len(boxes) / 2:
            got = f"{turned} of {len(boxes)} end before they begin: are they a corner or the centre, width and height?"
        elif float(boxes.max()) <= 1:
            got = f"all {len(boxes)} lie within the first pixel: are they shares of the image's size?"
        else:
            return
        self.has_warned = True
        text = f"{self.file}: {CLASS} in evaluation: expected boxes as x1, y1, x2, y2 in pixels; {got}"
        logging.getLogger("anomdet").warning(text)

    @staticmethod
    def _instances(prediction: Mapping[str, Tensor], sample: Any) -> InstanceData:
        bboxes_xyxy = prediction["boxes"].float()
        scale_wh = sample.metainfo.get("scale_factor", (1.0, 1.0))
        return InstanceData(
            bboxes=bboxes_xyxy / bboxes_xyxy.new_tensor([*scale_wh, *scale_wh]),
            scores=prediction["scores"].float(),
            labels=prediction["labels"].long() - 1,
        )


def _without_padding(inputs: Tensor, data_samples: Sequence[Any] | None) -> list[Tensor]:
    if data_samples is None:
        return list(inputs)
    shapes = [sample.metainfo.get("img_shape", inputs.shape[-2:]) for sample in data_samples]
    return [image[:, : shape[0], : shape[1]] for image, shape in zip(inputs, shapes, strict=True)]


def _target(sample: Any, device: torch.device) -> dict[str, Tensor]:
    """Boxes without area are left out: torchvision refuses them."""
    bboxes = sample.gt_instances.bboxes
    bboxes_xyxy = getattr(bboxes, "tensor", bboxes).to(device).float().reshape(-1, 4)
    solid = (bboxes_xyxy[:, 2:] > bboxes_xyxy[:, :2]).all(1)
    labels = sample.gt_instances.labels.to(device).long() + 1
    return {"boxes": bboxes_xyxy[solid], "labels": labels[solid]}


def _with_num_classes(config: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    plain = copy.deepcopy(dict(config))
    plain["model"] = dict(plain.get("model") or {}, num_classes=num_classes)
    return plain
