"""A training step with channels_last, bfloat16 and fast gradients against plain float32, in turn in one process.

    OMP_NUM_THREADS=1 python benchmarks/precision.py

Random images and boxes: only the network is timed, in processor time. Prints one table; the medians of the steps.
"fast": with the gradients of anomdet/ops/convolution.py; the run of a config with channels_last has them.

With less of a CPU (AMX off; AVX2 alone): ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16; =AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from anomdet.config.shipped import configs_dir
from anomdet.data.synth.generate import generate
from anomdet.ops import convolution
from anomdet.ops.convolution import use_fast_convolutions
from anomdet.workflows.runs.build import complete
from anomdet.workflows.runs.libraries import load_libraries
from anomdet.workflows.runs.run_config import load_run

PLAIN = "float32"
# Each with its number format, the memory layout channels_last, and fast gradients.
VARIANTS = {
    PLAIN: (torch.float32, False, False),
    "channels_last": (torch.float32, True, False),
    "fast": (torch.float32, True, True),
    "bfloat16": (torch.bfloat16, True, False),
    "bfloat16, fast": (torch.bfloat16, True, True),
}
# The weights of cpu_small's backbone are in a pip package. Random ones under norms that stay would vanish into numbers
# that a CPU is slow with.
NETWORKS = {"rtmdet_tiny": ("model.name=rtmdet_tiny", "model.pretrained=false"), "cpu_small": ()}


def build(network: str, data: Path, size_px: int, *, channels_last: bool, fast: bool) -> torch.nn.Module:
    """A network from random weights, as the Runner would lay it out."""
    from mmdet.registry import MODELS
    from mmengine.registry import DefaultScope

    common = (f"data.data_dir={data}", f"data.image_size={size_px}")
    path = configs_dir() / f"{network}.yaml"
    config = complete(load_run(str(path) if path.exists() else None, [*common, *NETWORKS[network]]).config)
    with DefaultScope.overwrite_default_scope("mmdet"):
        model = MODELS.build(config.model).train()
    if channels_last:
        model.to(memory_format=torch.channels_last)
    if fast:
        use_fast_convolutions(model)
    return model


def make_batch(batch_size: int, size_px: int) -> dict[str, Any]:
    """Noise with four boxes an image."""
    from mmdet.structures import DetDataSample
    from mmdet.structures.bbox import HorizontalBoxes
    from mmengine.structures import InstanceData

    generator = torch.Generator().manual_seed(0)
    shapes = dict(
        img_shape=(size_px, size_px),
        ori_shape=(size_px, size_px),
        pad_shape=(size_px, size_px),
        scale_factor=(1.0, 1.0),
    )
    samples = []
    for _ in range(batch_size):
        corners = torch.rand(4, 2, generator=generator) * 0.6 * size_px
        boxes = torch.cat([corners, corners + (0.06 + torch.rand(4, 2, generator=generator) * 0.25) * size_px], dim=1)
        instances = InstanceData(bboxes=HorizontalBoxes(boxes), labels=torch.tensor([0, 1, 0, 1]))
        samples.append(DetDataSample(metainfo=shapes, gt_instances=instances))
    images = torch.randint(0, 256, (batch_size, 3, size_px, size_px), generator=generator).byte()
    return dict(inputs=list(images), data_samples=samples)


def step_s(model: Any, batch: dict[str, Any], dtype: torch.dtype, *, channels_last: bool, fast: bool) -> float:
    """Processor seconds of one forward and backward pass."""
    started = time.process_time()
    data = model.data_preprocessor(batch, True)
    if channels_last:
        data["inputs"] = data["inputs"].contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32), fast_gradients(fast):
        total, _ = model.parse_losses(model(**data, mode="loss"))
    total.backward()
    model.zero_grad()
    return time.process_time() - started


@contextmanager
def fast_gradients(enabled: bool) -> Iterator[None]:
    """EfficientNet-Lite asks for them by itself: without, PyTorch's."""
    with patch.object(convolution, "_learns_channels_last", convolution._learns_channels_last if enabled else never):
        yield


def never(*_: torch.Tensor) -> bool:
    return False


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--size", type=int, default=320, help="of the images, in pixels")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--networks", nargs="*", default=[*NETWORKS], choices=[*NETWORKS])
    arguments = parser.parse_args()
    load_libraries()
    from anomdet.engine.mixed_precision import computes_bfloat16

    print(
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"bfloat16 {'native' if computes_bfloat16() else 'emulated'}, {arguments.size} px, batch {arguments.batch_size}"
    )
    batch = make_batch(arguments.batch_size, arguments.size)
    print(f"{'ms an image':12s}" + "".join(f"{name:>22s}" for name in VARIANTS))
    for network in arguments.networks:
        times: dict[str, list[float]] = {name: [] for name in VARIANTS}
        with tempfile.TemporaryDirectory() as folder:  # of which only the classes are used
            generate(Path(folder) / "data", num_images=20)
            models = {
                name: build(network, Path(folder) / "data", arguments.size, channels_last=last, fast=fast)
                for name, (_, last, fast) in VARIANTS.items()
            }
        for number in range(arguments.steps + 2):
            for name, (dtype, last, fast) in VARIANTS.items():
                seconds = step_s(models[name], batch, dtype, channels_last=last, fast=fast)
                if number > 1:  # the first steps of each warm up
                    times[name].append(seconds)
        medians = {name: 1e3 * statistics.median(values) / arguments.batch_size for name, values in times.items()}
        cells = (f"{f'{ms:.1f} ({ms / medians[PLAIN]:.2f})':>22s}" for ms in medians.values())
        print(f"{network:12s}" + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
