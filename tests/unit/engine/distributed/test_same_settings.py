"""Processes with different settings do not train together."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from mmengine.config import Config

from anomdet.engine.distributed import same_settings
from anomdet.errors import UserError

CONFIG = {
    "optim_wrapper": {"optimizer": {"type": "Adam", "lr": 0.001}, "type": "OptimWrapper"},
    "train_dataloader": {"num_workers": 4, "dataset": {"data_root": "/data", "classes": [[1, "open"], [2, "short"]]}},
    "train_cfg": {"max_epochs": 10},
    "randomness": {"seed": 42},
    "work_dir": "logs",
    "experiment_name": "anomdet_1",
}


def changed(path: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(CONFIG)
    node: Any = config
    *parents, last = path.split(".")
    for key in parents:
        node = node[key]
    node[last] = value
    return config


def as_rank_0(monkeypatch: pytest.MonkeyPatch, *others: dict[str, Any]) -> None:
    """What the other processes would send: their digest, then their values."""
    configs = [CONFIG, *others]

    def gather(own: Any) -> list[Any]:
        values = [
            {key: value for key, value in same_settings._flat(one, "") if not key.startswith(same_settings._PRECISION)}
            for one in configs
        ]
        if isinstance(own, tuple):
            assert own[1] == values[0]
            return [(f"host{rank}", one) for rank, one in enumerate(values)]
        return [own, *(own if one == values[0] else f"another than {own}" for one in values[1:])]

    monkeypatch.setattr(same_settings, "all_gather_object", gather)
    same_settings.agree_on_settings(Config(CONFIG))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train_dataloader.num_workers", 1),
        ("train_dataloader.dataset.data_root", "/mnt/data"),
        ("work_dir", "/tmp/logs"),
        ("experiment_name", "anomdet_2"),
        ("optim_wrapper.type", "anomdet.MixedPrecision"),
    ],
)
def test_what_each_machine_may_have_in_its_own_way(monkeypatch: pytest.MonkeyPatch, key: str, value: Any) -> None:
    as_rank_0(monkeypatch, changed(key, value))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("optim_wrapper.optimizer.lr", 0.01, "optim_wrapper.optimizer.lr"),
        ("randomness.seed", 1, "randomness.seed"),
        ("train_cfg.max_epochs", 3, "train_cfg.max_epochs"),
        ("train_dataloader.dataset.classes", [[1, "open"]], "train_dataloader.dataset.classes[1][0]"),
    ],
)
def test_others_are_refused_by_key_and_rank(monkeypatch: pytest.MonkeyPatch, key: str, value: Any, told: str) -> None:
    with pytest.raises(UserError) as raised:
        as_rank_0(monkeypatch, CONFIG, changed(key, value))
    lines = str(raised.value).splitlines()
    assert lines[0] == "The processes of this run have different settings; start each with the same:"
    assert lines[1].startswith(f"  {told}: expected the same value in all processes, got ")
    assert "(rank 0 on host0 and 1 more)" in lines[1] and "(rank 2 on host2)" in lines[1]


def test_many_differences_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="and 3 more"):
        as_rank_0(monkeypatch, {**CONFIG, **{f"key{number}": 1 for number in range(9)}})
