"""Fit a complete config to this machine: workers, precision, weights on disk, processes."""

from __future__ import annotations

import copy
import os
import sys
import uuid
from datetime import timedelta
from typing import Any

from anomdet.config.schema import DistributedSettings
from anomdet.errors import Problem, UserError
from anomdet.ranks import num_processes
from anomdet.workflows.runs.build import LOADERS
from anomdet.workflows.runs.plugins import in_folder_only
from anomdet.workflows.runs.shared_memory import fit_shared_memory


def for_machine(config: Any) -> tuple[Any, list[str]]:
    """Fit a complete config to this machine: workers, precision, weights on disk, processes.

    Returns:
        The config to build the Runner from, and notes for the log.
    """
    import torch

    from anomdet.engine.hooks.trackers import check_packages
    from anomdet.engine.mixed_precision import fit_precision
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
    notes += fit_shared_memory(config)
    notes += [note] if (note := fit_precision(config)) else []
    notes += _scale_learning_rate(config)
    if sys.platform == "darwin":  # forking after Metal has started crashes
        config.env_cfg.mp_cfg.mp_start_method = "spawn"
        notes += _without_workers(config, in_folder_only(config.get("custom_imports", {}).get("imports", ())))
    _set_processes(config, torch.cuda.is_available())
    resolve_weights(config)
    config.experiment_name = f"anomdet_{uuid.uuid4().hex[:8]}"
    return config, notes


def _without_workers(config: Any, plugins: list[str]) -> list[str]:
    """A spawned worker imports what it is sent by name, and looks in no folder of the command."""
    if not plugins:
        return []
    for name in LOADERS:
        config[name].num_workers, config[name].persistent_workers = 0, False
    return [f"data.num_workers: 0 used: here workers cannot import {', '.join(plugins)}; install it as a package"]


def _scale_learning_rate(config: Any) -> list[str]:
    """The linear rule, if it is asked for; says the batch and the rate that come of it.

    Raises:
        UserError: the batch that the rate is meant for is no number of images.
    """
    accumulated = config.optim_wrapper.get("accumulative_counts", 1)
    batch = config.train_dataloader.batch_size * num_processes() * accumulated
    key, auto = "scale_lr", config.get("auto_scale_lr") or {}
    if auto.get("enable"):
        key, auto["enable"] = "auto_scale_lr", False  # else MMEngine's Runner would scale the rate again
        config.scale_lr = dict(base_batch_size=auto.get("base_batch_size"))
    if not config.get("scale_lr"):
        return []
    base = config.scale_lr.get("base_batch_size")
    if not isinstance(base, int) or base < 1:
        raise UserError(Problem(f"{key}.base_batch_size", "a number of images, 1 or more", repr(base)))
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

    from anomdet.engine.distributed.joining import joining

    if not dist.is_initialized():
        with joining():
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
