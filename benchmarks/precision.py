"""Images a second of a training step: channels_last and bfloat16 against plain float32, in turn in one process.

    OMP_NUM_THREADS=1 python benchmarks/precision.py

Random images and boxes at 320 px: only the network is timed. Prints one table; the medians of the steps.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from typing import Any

import torch

from anomdet.workflows.libraries import load_libraries

VARIANTS = {
    "float32": (torch.float32, False),
    "channels_last": (torch.float32, True),
    "bfloat16": (torch.bfloat16, False),
    "bfloat16, channels_last": (torch.bfloat16, True),
}
NETWORKS = {
    "rtmdet_tiny": ("model.name=rtmdet_tiny",),
    "faster_rcnn r18": ("model.name=faster_rcnn", "model.backbone=resnet18"),
}


def build(overrides: tuple[str, ...], *, channels_last: bool) -> torch.nn.Module:
    """A preset from random weights, as the Runner would lay it out."""
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    from anomdet.config.load import load_settings
    from anomdet.config.translate import to_mmengine

    common = ("data.classes={1: a, 2: b}", "model.pretrained=false", "data.image_size=320")
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(to_mmengine(load_settings(None, (*common, *overrides))).model).train()
    return model.to(memory_format=torch.channels_last) if channels_last else model


def make_batch(batch_size: int) -> dict[str, Any]:
    """Noise with four boxes an image."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(0)
    shapes = dict(img_shape=(320, 320), ori_shape=(320, 320), pad_shape=(320, 320), scale_factor=(1.0, 1.0))
    samples = []
    for _ in range(batch_size):
        corners = torch.rand(4, 2, generator=generator) * 200
        boxes = torch.cat([corners, corners + 20 + torch.rand(4, 2, generator=generator) * 80], dim=1)
        instances = InstanceData(bboxes=HorizontalBoxes(boxes), labels=torch.tensor([0, 1, 0, 1]))
        samples.append(DetDataSample(metainfo=shapes, gt_instances=instances))
    images = torch.randint(0, 256, (batch_size, 3, 320, 320), generator=generator).byte()
    return dict(inputs=list(images), data_samples=samples)


def step_s(model: Any, batch: dict[str, Any], dtype: torch.dtype, *, channels_last: bool) -> float:
    """Seconds of one forward and backward pass."""
    started = time.perf_counter()
    data = model.data_preprocessor(batch, True)
    if channels_last:
        data["inputs"] = data["inputs"].contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        total, _ = model.parse_losses(model(**data, mode="loss"))
    total.backward()
    model.zero_grad()
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    arguments = parser.parse_args()
    load_libraries()
    from anomdet.engine.mixed_precision import computes_bfloat16

    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"bfloat16 {'native' if computes_bfloat16() else 'emulated'}, batch {arguments.batch_size}"
    )
    batch = make_batch(arguments.batch_size)
    print(f"{'network':17s}" + "".join(f"{name:>25s}" for name in VARIANTS))
    for network, overrides in NETWORKS.items():
        models = {name: build(overrides, channels_last=last) for name, (_, last) in VARIANTS.items()}
        times: dict[str, list[float]] = {name: [] for name in VARIANTS}
        for number in range(arguments.steps + 1):
            for name, (dtype, last) in VARIANTS.items():
                seconds = step_s(models[name], batch, dtype, channels_last=last)
                if number:  # the first step of each warms up
                    times[name].append(seconds)
        rates = {name: arguments.batch_size / statistics.median(values) for name, values in times.items()}
        plain = rates["float32"]
        cells = (f"{f'{rate:.2f} images/s ({rate / plain:.2f}x)':>25s}" for rate in rates.values())
        print(f"{network:17s}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
