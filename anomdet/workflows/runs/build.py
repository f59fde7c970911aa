"""Fill in what only the data and the machine can say, between the config and the Runner."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

from anomdet.config.schema import NO_BOXES
from anomdet.data.index.build import LABELS_HINT
from anomdet.data.index.scan import DataIndex, has_objects
from anomdet.errors import Problem, UserError
from anomdet.output_rule import data_folders
from anomdet.workflows.runs.bit_depth import resolve_bit_depth
from anomdet.workflows.runs.own_metric import own_metric
from anomdet.workflows.runs.plugins import import_plugins
from anomdet.workflows.runs.tiles import resolve_tiles
from anomdet.workflows.runs.views import put_views

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def complete(config: Any, class_names: dict[int, str] | None = None) -> Any:
    """A config with its classes and channels filled in: what is written beside the outputs.

    Args:
        config: from YAML or Python.
        class_names: class number to name, from a checkpoint that is to be tested; None: from the config or the data.

    Raises:
        UserError: anything wrong with the data or the user's files.
    """
    config = copy.deepcopy(config)
    config.setdefault("runner_type", "anomdet.InspectionRunner")
    config.setdefault("default_scope", "mmdet")
    with _scope():
        import_plugins(config.get("custom_imports", {}).get("imports", ()))
        dataset = config["train_dataloader" if class_names is None else "test_dataloader"].dataset
        index = _fill_classes(config, dataset, class_names) if _is_ours(dataset) else None
        resolve_bit_depth(config, index)
        resolve_tiles(config, index)
        put_views(config)
        if str(config.model.get("backbone", {}).get("type", "")).startswith("anomdet."):
            _fit_backbone(config)
    return config


def complete_without_data(config: Any, class_names: dict[int, str]) -> Any:
    """As :func:`complete`, with the classes of a checkpoint alone: the data need not be there.

    Raises:
        UserError: the classes, or the user's files.
    """
    config = copy.deepcopy(config)
    with _scope():
        import_plugins(config.get("custom_imports", {}).get("imports", ()))
        for name in LOADERS:
            config[name].dataset.classes = [[number, name_] for number, name_ in class_names.items()]
        _set_num_classes(config.model, len(class_names))
        if str(config.model.get("backbone", {}).get("type", "")).startswith("anomdet."):
            _fit_backbone(config)
    return config


def data_sources(config: Any) -> list[Path]:
    """The folders of images and labels that a config reads; no output may be among them."""
    roots = dict.fromkeys(str(config[name].dataset.get("data_root") or "") for name in LOADERS)
    return [folder for root in roots if root for folder in data_folders(root)]


def _is_ours(dataset: Any) -> bool:
    """Whether a data set's config is for TextLabelDataset or one derived from it."""
    from mmdet.registry import DATASETS

    from anomdet.data.dataset import TextLabelDataset

    kind = DATASETS.get(str(dataset.get("type")))
    if kind is None:  # said by MMEngine only after the model, which needs the classes
        raise KeyError(f"{dataset.get('type')} is not in the mmdet::dataset registry")
    return isinstance(kind, type) and issubclass(kind, TextLabelDataset)


@contextlib.contextmanager
def _scope() -> Any:
    """Look names up in MMDetection's registries first, as the Runner will."""
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def _fill_classes(config: Any, wanted: Any, class_names: dict[int, str] | None) -> DataIndex:
    """Of all loaders and of the model; returns the index of the data."""
    from mmdet.registry import DATASETS

    if class_names is not None:
        for name in LOADERS:
            config[name].dataset.classes = [[number, name_] for number, name_ in class_names.items()]
    # Lazily: the Runner builds it again, in full.
    dataset = DATASETS.build({**wanted, "pipeline": [], "lazy_init": True})
    if class_names is None and config.model.type != NO_BOXES and not has_objects(dataset.index):
        hint = f"{LABELS_HINT}; of normal images alone only the normal-only score is learned: model.name=null"
        raise UserError(Problem("labels/", "at least one object", "only empty files", hint))
    _check_groups(config, dataset.index)
    metainfo = dataset.metainfo
    pairs = [[int(number), str(name)] for number, name in zip(metainfo["class_nums"], metainfo["classes"], strict=True)]
    _check_thresholds(config, [int(number) for number in metainfo["class_nums"]])
    for name in LOADERS:
        config[name].dataset.classes = pairs
    _set_num_classes(config.model, len(pairs))
    index: DataIndex = dataset.index
    return index


def _check_groups(config: Any, index: Any) -> None:
    """Before an epoch is spent: the pattern of the parts must match some image."""
    from anomdet.evaluation.results import part_names

    if group_by := own_metric(config).get("group_by"):
        part_names(index.columns.file_names(), group_by)


def _check_thresholds(config: Any, class_nums: list[int]) -> None:
    """Before an epoch is spent, too: each class has one, where the settings give them."""
    from anomdet.evaluation.operating_point import given

    score_threshold = own_metric(config).get("score_threshold")
    if class_nums and score_threshold is not None:
        given(score_threshold, class_nums)


def _set_num_classes(model: Any, found: int) -> None:
    from anomdet.config.presets import walk

    for node in walk(model):
        if "num_classes" not in node:
            continue
        if node["num_classes"] not in (None, found):
            problem = Problem(
                "model.num_classes", f"{found}, the classes of the data", str(node["num_classes"]), "leave it null"
            )
            raise UserError(problem)
        node["num_classes"] = found


def _fit_backbone(config: Any) -> None:
    from mmdet.registry import MODELS

    from anomdet.models.fit import fit_to_backbone
    from anomdet.models.probe import probe

    # Only the shapes are looked at: the weights can wait for the Runner.
    without = {
        key: value for key, value in (("pretrained", False), ("checkpoint", None)) if key in config.model.backbone
    }
    backbone = MODELS.build({**config.model.backbone, **without})
    config.model = fit_to_backbone(config.model, probe(backbone))


def build_loader(config: Any, name: str = LOADERS[0]) -> Any:
    """A data loader alone, the training's by default, with its data set and sampler, without workers."""
    from mmengine.runner import Runner

    with _scope():
        return Runner.build_dataloader({**config[name], "num_workers": 0, "persistent_workers": False})


def build_runner(config: Any, *, log_name: str | None) -> Any:
    """The Runner of a config that :func:`for_machine` fitted."""
    from mmengine.registry import RUNNERS

    config = copy.deepcopy(config)
    config.log_name = log_name
    return RUNNERS.build(config)
