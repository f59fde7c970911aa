"""What many processes need, by reading: no GPU, no process group."""

from __future__ import annotations

import os
from typing import Any

import pytest
import torch.distributed as dist
from mmengine.config import Config

from anomdet.errors import UserError
from anomdet.workflows.runs import fit_machine


def config(**distributed: Any) -> Config:
    metric = dict(type="anomdet.InspectionMetric")
    own = dict(batch_size=3, sampler=dict(type="anomdet.DrawSampler", shuffle=False, seed=5))
    foreign = dict(batch_size=1, sampler=dict(type="DefaultSampler", shuffle=False))
    loaders = dict(train_dataloader=own, val_dataloader=own, test_dataloader=foreign)
    return Config(dict(val_evaluator=metric, test_evaluator=[metric], env_cfg={}, distributed=distributed, **loaders))


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "")
    monkeypatch.delenv("LOCAL_RANK")  # undone at the end, whatever the code sets
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr(dist, "init_process_group", lambda *_, **__: None)
    return monkeypatch


def hooks(found: Config) -> list[str]:
    return [hook["type"] for hook in found.get("custom_hooks", [])]


def test_one_process_needs_nothing() -> None:
    alone = config()
    fit_machine._set_processes(alone, on_gpu=True)
    assert alone.launcher == "none" and "model_wrapper_cfg" not in alone


def test_gpus_take_nccl_and_synchronised_batch_norm(two: pytest.MonkeyPatch) -> None:
    found = config(timeout_minutes=2, static_graph=True)
    fit_machine._set_processes(found, on_gpu=True)
    assert found.env_cfg.dist_cfg == dict(backend="nccl", timeout=120.0)
    assert (found.launcher, found.sync_bn, hooks(found)) == ("pytorch", "torch", [])
    assert found.model_wrapper_cfg.static_graph and "device_ids" not in found.model_wrapper_cfg
    assert os.environ["LOCAL_RANK"] == "0"  # one GPU a pod, and a launcher that does not say so


def test_without_it_all_validate_with_the_same_statistics(two: pytest.MonkeyPatch) -> None:
    found = config(sync_bn=False)
    fit_machine._set_processes(found, on_gpu=True)
    assert (found.sync_bn, hooks(found)) == (None, ["anomdet.SameBuffersHook"])


def test_cpus_take_gloo(two: pytest.MonkeyPatch) -> None:
    found = config()
    fit_machine._set_processes(found, on_gpu=False)
    assert found.env_cfg.dist_cfg == dict(backend="gloo", timeout=600.0)
    assert found.model_wrapper_cfg.device_ids is None
    assert (found.sync_bn, hooks(found)) == (None, ["anomdet.SameBuffersHook"])


def test_whole_batches_are_shared_for_a_validation(two: pytest.MonkeyPatch) -> None:
    found, before = config(), config()
    fit_machine._set_processes(found, on_gpu=False)
    assert found.val_dataloader.sampler == dict(type="anomdet.WholeBatchSampler", batch_size=3, seed=5)
    assert found.train_dataloader == before.train_dataloader and found.test_dataloader == before.test_dataloader


def test_what_the_machine_cannot_have(two: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="auto or gloo, as there is no GPU here, got 'nccl'"):
        fit_machine._set_processes(config(backend="nccl"), on_gpu=False)
    two.setenv("LOCAL_RANK", "1")
    with pytest.raises(UserError, match="at most 1, one process a GPU, got process 1 of this machine"):
        fit_machine._set_processes(config(), on_gpu=True)
