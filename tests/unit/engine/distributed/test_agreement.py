"""Processes that see different files to go on from do not train together."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch

from anomdet.engine.distributed import agreement
from anomdet.engine.distributed.agreement import agree, checksum
from anomdet.errors import UserError


def others_see(monkeypatch: pytest.MonkeyPatch, *others: tuple[str, str]) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "a")
    monkeypatch.setattr(agreement, "all_gather_object", lambda own: [own, *others])


def test_the_same_is_fine_at_any_place(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, str]] = []

    def gather(own: tuple[str, str]) -> list[tuple[str, str]]:
        told.append(own)
        return [own, ("host b, /mnt/last.pth", "epoch 3")]

    monkeypatch.setattr(socket, "gethostname", lambda: "a")
    monkeypatch.setattr(agreement, "all_gather_object", gather)
    agree("--resume", "epoch 3", "/shared/last.pth")
    assert told == [("host a, /shared/last.pth", "epoch 3")]  # and no error, though the places differ


def test_who_sees_what(monkeypatch: pytest.MonkeyPatch) -> None:
    others_see(monkeypatch, ("host a, /x/last.pth", "epoch 3"), *[("host b, /x/last.pth", "nothing there")] * 3)
    with pytest.raises(UserError) as caught:
        agree("--resume", "epoch 3", "/x/last.pth")
    assert str(caught.value).endswith(
        "got rank 0 (host a, /x/last.pth) and 1 more: epoch 3; "
        "rank 2 (host b, /x/last.pth) and 2 more: nothing there; " + agreement._HINT
    )
    assert "logging.checkpoint_dir" in agreement._HINT


def test_many_different_ones_are_not_all_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    others_see(monkeypatch, *[("host b", str(number)) for number in range(100)])
    with pytest.raises(UserError, match="and 97 more"):
        agree("--resume", "other", "/x/last.pth")


def test_every_bit_counts() -> None:
    def of(*changed: float) -> str:
        weights: list[Any] = [torch.zeros(3, 2), torch.tensor(1.0), torch.zeros(2, dtype=torch.bfloat16)]
        for weight, value in zip(weights, changed, strict=False):
            weight.view(-1)[-1] = value
        return checksum([weights[0].to(memory_format=torch.contiguous_format), *weights[1:]])

    assert of() == of(0, 1, 0) and len(of()) == 8
    assert len({of(), of(1e-40), of(0, 1 + 1e-6), of(0, 1, 1e-30)}) == 4
