"""What one process of a distributed test does; started with and without torchrun by test_ranks.py.

python -m tests.integration.rank_worker gradients OUT PRESET...   the first step's gradients of two images
python -m tests.integration.rank_worker steps OUT PRESET...       two steps; the last process has normal images only
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from mmengine.registry import DefaultScope
from torch.nn.parallel import DistributedDataParallel

from anomdet.config.schema import FIXED_BACKBONES
from anomdet.engine.distributed.shared_averages import share_averages
from anomdet.ranks import num_processes

# Many more in the first image; enough for every head to count more than one positive, below which they round up.
BOXES = [
    [[float(x), float(y), x + 24.0 + y / 4, y + 20.0 + x / 4] for x in range(2, 96, 16) for y in range(2, 96, 24)],
    [[10.0, 12.0, 40.0, 44.0], [50.0, 20.0, 90.0, 80.0], [64.0, 64.0, 120.0, 124.0]],
]
SIZE_PX = 128


def build_still(preset: str) -> Any:
    """A preset whose step draws nothing: frozen norms, no dropout, every proposal taken."""
    from tests.integration import test_presets

    torch.manual_seed(0)
    own_backbone = preset in FIXED_BACKBONES or preset.startswith(("rtmdet", "yolox", "dino"))
    overrides = () if own_backbone else ("model.backbone=resnet18",)
    model = test_presets.build(f"model.name={preset}", *overrides)
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
            module.train = lambda mode=True, module=module: module
    _take_every_proposal(model)
    for name, weight in model.named_parameters():
        if "rtm_reg" in name and name.endswith("bias"):
            torch.nn.init.ones_(weight)  # RTMDet's first boxes are empty: no overlap to divide by
    return model.train()


def _take_every_proposal(model: Any) -> None:
    for part in model.modules():
        samplers = getattr(part, "sampler", None) or getattr(part, "bbox_sampler", None)
        for sampler in samplers if isinstance(samplers, list) else [samplers]:
            if hasattr(sampler, "pos_fraction"):
                sampler.num, sampler.pos_fraction = 10**6, 0.5


def loss_of(model: Any, data: dict[str, Any]) -> torch.Tensor:
    losses = model(**data, mode="loss")
    inner = model.module if isinstance(model, DistributedDataParallel) else model
    return inner.parse_losses(losses)[0]


def prepared(model: Any, boxes: list[list[list[float]]], own: slice) -> dict[str, Any]:
    """This process's images of a batch."""
    from tests.integration import test_presets

    whole = test_presets.batch(SIZE_PX, *boxes)
    return model.data_preprocessor({name: values[own] for name, values in whole.items()}, True)


def gradients(preset: str, rank: int, world: int) -> dict[str, torch.Tensor]:
    model = build_still(preset)
    data = prepared(model, BOXES, slice(None) if world == 1 else slice(rank, rank + 1))
    step_model = wrapped(model, world)  # named, since its gradients are shared for as long as it lives
    loss_of(step_model, data).backward()
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def wrapped(model: Any, world: int) -> Any:
    if world == 1:
        return model
    share_averages(model)
    return DistributedDataParallel(model, broadcast_buffers=False)


def steps(preset: str, rank: int, world: int) -> dict[str, torch.Tensor]:
    model = build_still(preset)
    step_model = wrapped(model, world)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    for _ in range(2):
        boxes: list[Any] = [[], []] if rank == world - 1 else [BOXES[0], []]
        loss = loss_of(step_model, prepared(model, boxes, slice(None)))
        assert torch.isfinite(loss), f"{preset}: {loss}"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"sum": torch.stack([weight.detach().double().sum() for weight in model.parameters()])}


def main() -> None:
    """Do the work for each preset; the first process saves what came out."""
    work, out, *names = sys.argv[1:]
    from anomdet.workflows.runs.libraries import load_libraries

    load_libraries()
    torch.set_num_threads(1)
    world = num_processes()
    if world > 1:
        dist.init_process_group("gloo")
    rank = dist.get_rank() if world > 1 else 0
    found = {}
    with DefaultScope.overwrite_default_scope("mmdet"):
        for preset in names:
            found[preset] = {"gradients": gradients, "steps": steps}[work](preset, rank, world)
    if world > 1:
        everywhere: list[Any] = [None] * world
        dist.all_gather_object(everywhere, {name: values.get("sum") for name, values in found.items()})
        for other in everywhere:  # all processes hold the same weights
            assert all(value is None or torch.equal(value, everywhere[0][name]) for name, value in other.items())
        dist.destroy_process_group()
    if rank == 0:
        torch.save(found, Path(out))


if __name__ == "__main__":
    main()
