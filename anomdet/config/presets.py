"""Presets: a name of ours to an MMDetection model config, fitted to the settings. No torch is imported here.

The networks are read from the configs that MMDetection installs; what a preset needs changed for small inspection
data (no SyncBN, no random batch resizing, nothing frozen that was never trained) is changed here and nowhere else.
"""

from __future__ import annotations

import copy
import difflib
import importlib.util
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config, ConfigDict

from anomdet.config.preset_names import MMDET_PREFIX, PRESETS, unknown_name
from anomdet.errors import Problem, UserError

RESNET_CHANNELS = {
    18: (64, 128, 256, 512),
    34: (64, 128, 256, 512),
    50: (256, 512, 1024, 2048),
    101: (256, 512, 1024, 2048),
}


@lru_cache(maxsize=1)
def mmdet_configs_dir() -> Path:
    """The folder of model configs inside the installed MMDetection."""
    spec = importlib.util.find_spec("mmdet")
    if spec is None or spec.origin is None:
        raise UserError("MMDetection is not installed; run: pip install -r requirements.txt")
    return Path(spec.origin).parent / ".mim" / "configs"


def config_path(name: str) -> str:
    """Where a preset or an ``mmdet::`` name has its config, relative to MMDetection's configs folder.

    Raises:
        UserError: no such preset or file, with the nearest name.
    """
    if not name.startswith(MMDET_PREFIX):
        wrong = unknown_name(name)
        if wrong is not None:
            raise UserError(Problem("model.name", *wrong))
        return PRESETS[name]
    relative = name[len(MMDET_PREFIX) :]
    folder = mmdet_configs_dir()
    # The file is run as Python: an absolute path, or one that leads out of the folder, would be anybody's.
    is_inside = not Path(relative).is_absolute() and ".." not in Path(relative).parts
    if relative.endswith(".py") and is_inside and (folder / relative).is_file():
        return relative
    known = [path.relative_to(folder).as_posix() for path in folder.rglob("*.py")]
    near = difflib.get_close_matches(relative, known, n=1, cutoff=0.5)
    hint = f"did you mean {MMDET_PREFIX}{near[0]}?" if near else ""
    raise UserError(Problem("model.name", "a config that MMDetection installs, mmdet::<folder>/<file>.py", name, hint))


def load_model(name: str) -> ConfigDict:
    """MMDetection's model dict of a preset, fitted to inspection data; classes and normalisation are still COCO's.

    Raises:
        UserError: the name is unknown, or the config trains no box detector.
    """
    model = copy.deepcopy(_read(config_path(name)))
    if (
        model is None
        or not {"backbone", "data_preprocessor"} <= set(model)
        or not {"bbox_head", "roi_head"} & set(model)
    ):
        raise UserError(Problem("model.name", "the config of a box detector", repr(name), "choose another config"))
    if not any("num_classes" in node for node in walk(model)):
        raise UserError(Problem("model.name", "a detector of classes", repr(name), "choose another config"))
    if "mask_head" in model.get("roi_head", {}) or "mask_head" in model or "panoptic_head" in model:
        raise UserError(Problem("model.name", "a detector of boxes", f"{name!r}, which needs masks", "choose another"))
    for node in walk(model):
        if str(node.get("type")) in ("SyncBN", "MMSyncBN"):
            node["type"] = "BN"
    if str(model.get("type")) == "RTMDet":
        model["use_syncbn"] = False
    _without_caffe(model.backbone)
    _limit_predictions(model.get("test_cfg") or {})
    return model


@lru_cache
def _read(path: str) -> ConfigDict | None:
    try:
        return Config.fromfile(mmdet_configs_dir() / path, import_custom_modules=False).get("model")
    except (ImportError, OSError) as error:  # some need MMPretrain, or a file that MMDetection does not install
        problem = Problem("model.name", "a config that can be read here", f"{MMDET_PREFIX}{path} ({error})")
        raise UserError(problem) from error


def _without_caffe(backbone: dict[str, Any]) -> None:
    """A ResNet of Caffe's kind becomes torchvision's: its frozen statistics hold for Caffe's pixel values only."""
    if backbone.get("type") == "ResNet" and backbone.get("style") == "caffe":
        backbone["style"] = "pytorch"
        backbone["norm_cfg"] = dict(type="BN", requires_grad=True)
        backbone["init_cfg"] = dict(type="Pretrained", checkpoint=f"torchvision://resnet{backbone['depth']}")


def fit_queries(model: dict[str, Any], size_hw: tuple[int, int]) -> None:
    """A two-stage DETR picks its queries among the cells of its feature maps; small images have fewer, in place.

    A quarter of the cells of a full image, so that oblong images have enough too.
    """
    if not model.get("as_two_stage") or "num_queries" not in model:
        return
    strides = [8 * 2**level for level in range(model.get("num_feature_levels", 4))]
    cells = sum(math.ceil(size_hw[0] / stride) * math.ceil(size_hw[1] / stride) for stride in strides)
    model["num_queries"] = min(model["num_queries"], max(cells // 4, 1))
    model["test_cfg"]["max_per_img"] = min(model["test_cfg"]["max_per_img"], model["num_queries"])


def _limit_predictions(test_cfg: dict[str, Any]) -> None:
    """COCO counts the best 100 boxes of an image; more only cost time and disk."""
    stage = test_cfg.get("rcnn", test_cfg)
    stage["max_per_img"] = min(stage.get("max_per_img", 100), 100)


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every dict inside a nested config, parents first."""
    if isinstance(node, dict):
        yield node
        for child in list(node.values()):
            yield from walk(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from walk(child)


def coco_weights(name: str) -> str | None:
    """The address of a preset's COCO weights, from the metafile that MMDetection installs; None where it has none.

    None also for weights that want Caffe's pixel values (as FCOS's): ours follow the settings.
    """
    path = config_path(name)
    model = _read(path) or {}
    if all(value == 1 for value in model.get("data_preprocessor", {}).get("std") or [0]):
        return None
    return _metafile_weights(Path(path).parent).get(f"configs/{path}")


@lru_cache
def _metafile_weights(folder: Path) -> dict[str, str | None]:
    metafile = mmdet_configs_dir() / folder / "metafile.yml"
    if not metafile.is_file():
        return {}
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML has it
    content = yaml.load(metafile.read_text(encoding="utf-8"), loader)  # noqa: S506 - a safe one
    models = content if isinstance(content, list) else content.get("Models", [])
    return {entry["Config"]: entry.get("Weights") for entry in models if "Config" in entry}


def default_backbone(model: dict[str, Any]) -> str | None:
    """The name of a preset's own backbone where it is a ResNet, as the settings spell it."""
    backbone = model.get("backbone", {})
    return f"resnet{backbone['depth']}" if backbone.get("type") == "ResNet" else None


def set_resnet(model: dict[str, Any], depth: int) -> None:
    """Put a torchvision-style ResNet under a detector; its neck takes as many levels as before."""
    neck = model.get("neck")
    neck = neck[0] if isinstance(neck, (list, tuple)) else neck
    levels = len(neck["in_channels"]) if neck else 1
    stages = tuple(range(4 - levels, 4))
    model["backbone"] = ConfigDict(
        type="ResNet",
        depth=depth,
        num_stages=4,
        out_indices=stages,
        frozen_stages=1,
        norm_cfg=dict(type="BN", requires_grad=True),
        norm_eval=True,
        style="pytorch",
        init_cfg=dict(type="Pretrained", checkpoint=f"torchvision://resnet{depth}"),
    )
    if neck:
        neck["in_channels"] = [RESNET_CHANNELS[depth][stage] for stage in stages]


def thaw(backbone: dict[str, Any]) -> None:
    """Train everything, in place: frozen random weights and statistics never learn."""
    if backbone.get("type") == "anomdet.EfficientNetLite0":
        backbone["norm_eval"] = False  # its default holds the statistics of ImageNet
    changes: dict[str, Callable[[Any], Any]] = {
        "frozen_stages": lambda _: -1,
        "frozen_blocks": lambda _: 0,
        "norm_eval": lambda _: False,
        "norm_cfg": lambda norm: {**norm, "requires_grad": True},
    }
    for key, change in changes.items():
        if key in backbone:
            backbone[key] = change(backbone[key])
