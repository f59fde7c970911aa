"""The network in PyTorch, as the evaluation runs it: MMDetection's model, built from the artifact's own config."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS as ROOT_MODELS
from mmengine.registry import TASK_UTILS as ROOT_TASK_UTILS
from mmengine.registry import DefaultScope, Registry
from torch import nn

import anomdet.registry  # noqa: F401 - supplies mmcv's operators and our models
from anomdet.addresses import forget_weights
from anomdet.errors import Problem, UserError
from anomdet.inference.artifact import ModelInfo
from anomdet.inference.postprocess import Detections
from anomdet.inference.preprocess import Batch
from anomdet.ops.callers import full_precision, plain_defaults
from anomdet.ops.forks import one_thread_if_forked
from anomdet.ops.postprocessing import Postprocessing, take_over

# Names that MMDetection and mmcv look up by themselves; whatever else stood there would be run as Python (NMS) or
# taken out of a module.
_OPERATORS = {"nms", "soft_nms", "RoIAlign", "RoIPool"}
_FILE_TYPES = {"anomdet.FileBackbone", "anomdet.FileModel"}
_OPEN_SCOPES = ("mmengine", "mmdet")  # found without their scope in front
_NO_WEIGHTS = {"init_cfg": None, "pretrained": False, "checkpoint": None}  # the checkpoint brings them all
_FETCHES = "BertModel"  # gets its words and weights from the network, whatever it is given
_IMPORT_FIRST = "a plug-in's class: import the plug-in first"


def build_model(info: ModelInfo, where: str, custom_file: str | Path | None = None) -> nn.Module:
    """The network of an artifact, with random weights.

    Args:
        info: may come from a stranger: only what a registry holds is built.
        where: for messages, ``best_model.pth``.
        custom_file: the user's Python file, checked against the artifact's hash; None: it needs none.

    Raises:
        UserError: a name that no registry holds, or arguments that the model refuses.
    """
    from mmdet.registry import MODELS

    config = _buildable(info.config, custom_file)
    forget_weights(config)
    known = (_OPERATORS | _registered_names()) - {_FETCHES, f"mmdet.{_FETCHES}"}
    problems = [
        Problem(f"{where}: model.config{place}", "the name of a registered class", repr(name), _IMPORT_FIRST)
        for place, name in _types(config)
        if not isinstance(name, str) or name not in known
    ]
    if problems:
        raise UserError(problems)
    _use_up_warning()
    try:
        with DefaultScope.overwrite_default_scope("mmdet"), plain_defaults():
            return MODELS.build(ConfigDict(config))  # whose values are attributes, as MMDetection reads them
    except UserError:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UserError(Problem(f"{where}: model.config", f"a model that {_mmdet()} builds", got)) from error


def _use_up_warning() -> None:
    """torch warns once a process of an argument that MMDetection leaves out; a user can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.meshgrid(torch.zeros(1))


def _mmdet() -> str:
    import mmdet

    return f"MMDetection {mmdet.__version__}"


def _buildable(node: Any, custom_file: str | Path | None) -> Any:
    """A copy of a config that fetches and reads no weights, with the user's file in it for the classes that run one."""
    if isinstance(node, Mapping):
        copied = {key: _NO_WEIGHTS.get(key, _buildable(value, custom_file)) for key, value in node.items()}
        if str(copied.get("type")) in _FILE_TYPES:
            assert custom_file is not None, "asked for before"
            copied["file"] = str(custom_file)
        return copied
    return [_buildable(item, custom_file) for item in node] if isinstance(node, (list, tuple)) else node


def runs_a_file(info: ModelInfo) -> bool:
    """Whether the network needs the user's Python file, whatever the artifact says of it."""
    return any(str(name) in _FILE_TYPES for _, name in _types(info.config))


def _types(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every ``type`` inside a config, and ``_scope_``, with its place."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in ("type", "_scope_"):
                yield f"{place}.{key}", value
            yield from _types(value, f"{place}.{key}")
    elif isinstance(node, (list, tuple)):
        for at, item in enumerate(node):
            yield from _types(item, f"{place}[{at}]")


def _registered_names() -> set[str]:
    """All names of models and their parts, as a config spells them."""
    names: set[str] = set()
    waiting: list[Registry] = [ROOT_MODELS, ROOT_TASK_UTILS]
    while waiting:
        registry = waiting.pop()
        registry.import_from_location()
        if registry.scope in _OPEN_SCOPES:
            names.update(registry.module_dict)
        names.update(f"{registry.scope}.{name}" for name in registry.module_dict)
        waiting += registry.children.values()
    return names


class TorchBackend:
    """MMDetection's model on a CPU or a GPU.

    Args:
        model: with its weights.
        device: ``cpu``, ``cuda``, ``cuda:1``.
        channels_last: as in the training; the last bits of a score depend on it.
    """

    name = "torch"

    def __init__(self, model: nn.Module, device: str = "cpu", *, channels_last: bool = False) -> None:
        self.device = device
        self._model = model.to(device).eval()
        if channels_last:
            self._model.to(memory_format=torch.channels_last)
        self._channels_last = channels_last and hasattr(model, "backbone")  # a user's model takes a list of images
        self._postprocessing: Postprocessing | None = take_over(model)
        self._lock = threading.Lock()  # the floor of the scores is kept in the head

    @torch.no_grad()
    def run(self, batch: Batch, min_score: float) -> list[Detections]:
        """See :class:`anomdet.inference.backends.Backend`."""
        one_thread_if_forked()
        with self._lock, full_precision(self.device):
            if self._postprocessing is not None:
                self._postprocessing.set_floor(min_score)
            inputs, samples = self._inputs(batch)
            return [_detections(sample.pred_instances) for sample in self._model(inputs, samples, mode="predict")]

    def inputs(self, batch: Batch) -> torch.Tensor:
        """What the network itself takes of a batch; for the comparison with an exported one."""
        return self._inputs(batch)[0]

    def _inputs(self, batch: Batch) -> tuple[torch.Tensor, list[Any]]:
        """Images ``(N, 3, H, W)`` float32, normalised and padded, and what they are like."""
        from mmdet.models.data_preprocessors import DetDataPreprocessor

        preprocessor, samples = self._model.data_preprocessor, _samples(batch)
        if type(preprocessor) is DetDataPreprocessor:
            inputs = _normalised(batch, preprocessor)
        else:
            planes = torch.from_numpy(batch.images).permute(0, 3, 1, 2)
            sizes = batch.sizes_hw.tolist()
            valid = [image[:, :height, :width] for image, (height, width) in zip(planes, sizes, strict=True)]
            data = preprocessor({"inputs": valid, "data_samples": samples}, False)
            inputs, samples = data["inputs"], data["data_samples"]
        layout = torch.channels_last if self._channels_last else torch.contiguous_format
        return inputs.contiguous(memory_format=layout), samples


def _normalised(batch: Batch, preprocessor: Any) -> torch.Tensor:
    """What DetDataPreprocessor gives, bit for bit, in a third of its time: all images at once, where they lie."""
    pixels = batch.images[..., ::-1] if preprocessor._channel_conversion else batch.images
    on_device = torch.from_numpy(np.ascontiguousarray(pixels)).to(preprocessor.device)
    inputs = on_device.permute(0, 3, 1, 2).float()
    if preprocessor._enable_normalize:
        inputs.sub_(preprocessor.mean).div_(preprocessor.std)
    for image, (height, width) in zip(inputs, batch.sizes_hw.tolist(), strict=True):
        image[:, height:] = preprocessor.pad_value
        image[:, :, width:] = preprocessor.pad_value
    return inputs


def _samples(batch: Batch) -> list[Any]:
    from mmdet.structures import DetDataSample

    padded = tuple(batch.images.shape[1:3])
    columns = (batch.sizes_hw.tolist(), batch.original_hw.tolist(), batch.scales_wh.tolist())
    return [
        DetDataSample(
            metainfo={
                "img_shape": tuple(size),
                "ori_shape": tuple(original),
                "scale_factor": tuple(scale),
                "batch_input_shape": padded,
                "pad_shape": padded,
            }
        )
        for size, original, scale in zip(*columns, strict=True)
    ]


def _detections(instances: Any) -> Detections:
    boxes = getattr(instances.bboxes, "tensor", instances.bboxes)
    return Detections(
        boxes.float().cpu().numpy().reshape(-1, 4),
        instances.scores.float().cpu().numpy(),
        instances.labels.cpu().numpy().astype(np.int64, copy=False),
    )
