"""Fill in what only the data and the machine can tell, between the config and the Runner."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import os
import sys
import uuid
import warnings
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from anomdet.cli.lean_imports import put_off
from anomdet.cli.ranks import num_processes
from anomdet.config.schema import DistributedSettings
from anomdet.errors import Problem, UserError

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def load_libraries() -> None:
    """Import MMDetection quietly, with mmcv's operators supplied where its compiled extension is missing."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    warnings.filterwarnings("ignore")
    import anomdet.registry  # noqa: F401 - supplies mmcv's operators, so it comes first
    from anomdet.engine.memory import keep_freed_memory

    keep_freed_memory()

    with contextlib.redirect_stdout(io.StringIO()), put_off():
        import mmdet.datasets
        import mmdet.models  # noqa: F401


def complete(config: Any, class_names: dict[int, str] | None = None) -> Any:
    """A config with its classes and channels filled in: what is written beside the outputs.

    Args:
        config: from YAML or Python.
        class_names: class number to name, from a checkpoint; None: from the config or the data.

    Raises:
        UserError: anything wrong with the data or the user's files.
    """
    config = copy.deepcopy(config)
    config.setdefault("runner_type", "anomdet.InspectionRunner")
    config.setdefault("default_scope", "mmdet")
    with _scope():
        _import_plugins(config.get("custom_imports", {}).get("imports", ()))
        if _is_ours(config.train_dataloader.dataset):
            _fill_classes(config, class_names)
        if str(config.model.get("backbone", {}).get("type", "")).startswith("anomdet."):
            _fit_backbone(config)
    return config


def _import_plugins(names: Iterable[str]) -> None:
    """Import the modules that the settings name; what they register can be built from then on."""
    problems = []
    for name in names:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - the user's code: anything may come out of it
            lost = isinstance(error, ModuleNotFoundError) and name.startswith(str(error.name))
            got = "no such module" if lost else f"{type(error).__name__}: {error}"
            hint = f"it is looked for among the installed packages and in the folder of the command, {Path.cwd()}"
            problems.append(
                Problem(f"plugins: {name}", "a Python module that can be imported", got, hint if lost else "")
            )
    if problems:
        raise UserError(problems)


def _is_ours(dataset: Any) -> bool:
    """Whether a data set's config is for TextLabelDataset or one derived from it."""
    from mmdet.registry import DATASETS

    from anomdet.data.dataset import TextLabelDataset

    kind = DATASETS.get(str(dataset.get("type")))
    return isinstance(kind, type) and issubclass(kind, TextLabelDataset)


@contextlib.contextmanager
def _scope() -> Any:
    """Look names up in MMDetection's registries first, as the Runner will."""
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope("mmdet"):
        yield


def _fill_classes(config: Any, class_names: dict[int, str] | None) -> None:
    from mmdet.registry import DATASETS

    if class_names is not None:
        for name in LOADERS:
            config[name].dataset.classes = [[number, name_] for number, name_ in class_names.items()]
    # Lazily: the Runner builds it again, in full.
    dataset = DATASETS.build({**config.train_dataloader.dataset, "pipeline": [], "lazy_init": True})
    _check_groups(config, dataset.index)
    metainfo = dataset.metainfo
    pairs = [[int(number), str(name)] for number, name in zip(metainfo["class_nums"], metainfo["classes"], strict=True)]
    for name in LOADERS:
        config[name].dataset.classes = pairs
    _set_num_classes(config.model, len(pairs))


def _check_groups(config: Any, index: Any) -> None:
    """Before an epoch is spent: the pattern of the parts must match some image."""
    from anomdet.evaluation.results import part_names

    evaluator = config.test_evaluator
    own = evaluator[0] if isinstance(evaluator, (list, tuple)) else evaluator
    if own.get("group_by"):
        part_names(index.columns.file_names(), own["group_by"])


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


def for_machine(config: Any) -> tuple[Any, list[str]]:
    """Fit a complete config to this machine: workers, precision, weights on disk, processes.

    Returns:
        The config to build the Runner from, and notes for the log.
    """
    import torch

    from anomdet.engine.hooks.trackers import check_packages
    from anomdet.engine.mixed_precision import for_device
    from anomdet.engine.weights import resolve_weights

    check_packages(config.get("visualizer"))
    config = copy.deepcopy(config)
    notes = []
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in LOADERS:
        loader = config[name]
        if loader.num_workers > cores:
            notes.append(f"{name}: {loader.num_workers} workers asked for, {cores} cores here: {cores} used")
            loader.num_workers = cores
    config.optim_wrapper, note = for_device(config.optim_wrapper, _side_px(config))
    notes += [note] if note else []
    notes += _scale_learning_rate(config)
    if sys.platform == "darwin":  # forking after Metal has started crashes
        config.env_cfg.mp_cfg.mp_start_method = "spawn"
    _set_processes(config, torch.cuda.is_available())
    resolve_weights(config)
    config.experiment_name = f"anomdet_{uuid.uuid4().hex[:8]}"
    return config, notes


def _side_px(config: Any) -> int | None:
    """The shorter side of the images that the network sees, where our own step of the pipeline says it."""
    steps = [step for step in config.train_dataloader.dataset.get("pipeline", ()) if "size_hw" in step]
    return min(steps[-1]["size_hw"]) if steps else None


def _scale_learning_rate(config: Any) -> list[str]:
    """The linear rule, if it is asked for; says the batch and the rate that come of it."""
    accumulated = config.optim_wrapper.get("accumulative_counts", 1)
    batch = config.train_dataloader.batch_size * num_processes() * accumulated
    if not config.get("scale_lr"):
        return []
    base = config.scale_lr["base_batch_size"]
    config.optim_wrapper.optimizer.lr *= batch / base
    rate = config.optim_wrapper.optimizer.lr
    return [f"scale_lr: a batch of {batch} images over all processes, {base} meant: learning rate {rate:g}"]


def _set_processes(config: Any, on_gpu: bool) -> None:
    """Under torchrun: one process a rank; on a CPU with gloo, which needs no device.

    Raises:
        UserError: a backend or a number of processes that this machine cannot have.
    """
    if num_processes() <= 1:
        config.launcher = "none"
        return
    config.launcher = "pytorch"
    evaluators = (config[name] for name in ("val_evaluator", "test_evaluator"))
    for metric in (part for one in evaluators for part in (one if isinstance(one, (list, tuple)) else (one,))):
        metric.collect_device = "gpu"  # over the network, gloo's too; "cpu" wants a disk that all share
    for loader in (config[name] for name in LOADERS[1:]):
        if loader.get("sampler", {}).get("type") == "anomdet.DrawSampler" and not loader.sampler.get("shuffle"):
            seed = loader.sampler.get("seed", 0)
            loader.sampler = dict(type="anomdet.WholeBatchSampler", batch_size=loader.batch_size, seed=seed)
    options = {**DistributedSettings().model_dump(), **config.get("distributed", {})}
    timeout = timedelta(minutes=options["timeout_minutes"])
    backend = options["backend"] if options["backend"] != "auto" else "nccl" if on_gpu else "gloo"
    _check_device(backend, on_gpu)
    config.env_cfg.dist_cfg = dict(backend=backend, timeout=timeout.total_seconds())
    config.model_wrapper_cfg = dict(
        type="MMDistributedDataParallel",
        broadcast_buffers=False,
        find_unused_parameters=options["find_unused_parameters"],
        static_graph=options["static_graph"],
    )
    config.sync_bn = "torch" if on_gpu and options["sync_bn"] else None
    if not config.sync_bn:
        config.custom_hooks = [*config.get("custom_hooks", []), dict(type="anomdet.SameBuffersHook")]
    if on_gpu:  # the Runner takes the process's GPU, then makes the process group
        return
    import torch.distributed as dist

    if not dist.is_initialized():
        dist.init_process_group(backend, timeout=timeout)
    config.model_wrapper_cfg["device_ids"] = None


def _check_device(backend: str, on_gpu: bool) -> None:
    """Before nccl or CUDA say it in their words; LOCAL_RANK is filled in where a launcher sets none (PyTorchJob)."""
    import torch

    if backend == "nccl" and not on_gpu:
        raise UserError(Problem("distributed.backend", "auto or gloo, as there is no GPU here", "'nccl'"))
    if not on_gpu:
        os.environ.setdefault("LOCAL_RANK", "0")  # MMEngine asks for it, and picks no device by it here
        return
    gpus = torch.cuda.device_count()
    local_rank = int(os.environ.setdefault("LOCAL_RANK", str(int(os.environ.get("RANK", "0")) % gpus)))
    if local_rank >= gpus:
        got = f"process {local_rank} of this machine, counted from 0"
        raise UserError(Problem("torchrun --nproc_per_node", f"at most {gpus}, one process a GPU", got))


def build_loader(config: Any) -> Any:
    """The training's data loader alone, with its data set and sampler, without workers."""
    from mmengine.runner import Runner

    with _scope():
        return Runner.build_dataloader({**config.train_dataloader, "num_workers": 0, "persistent_workers": False})


def build_runner(config: Any, *, log_name: str | None) -> Any:
    """The Runner of a config that :func:`for_machine` fitted."""
    from mmengine.registry import RUNNERS

    config = copy.deepcopy(config)
    config.log_name = log_name
    return RUNNERS.build(config)
