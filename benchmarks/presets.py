"""The facts of `anomdet config --presets`, computed and measured here.

    OMP_NUM_THREADS=1 python benchmarks/presets.py

Prints the rows of anomdet/config/preset_facts.py. The processor time is of the network alone on one image, without
decoding and suppression, in turn with rtmdet_tiny's in the same process: medians of several passes with random weights.
"""

from __future__ import annotations

import contextlib
import io
import logging
import statistics
import sys
import time
from typing import Any

import torch
from mmengine.registry import DefaultScope

from anomdet.config.load import load_settings
from anomdet.config.preset_facts import REFERENCE
from anomdet.config.preset_names import PRESETS
from anomdet.config.presets import coco_weights, walk
from anomdet.config.translate import to_mmengine
from anomdet.workflows.runs.build import complete_without_data
from anomdet.workflows.runs.libraries import load_libraries

SIZE_PX = 320
_PASSES = 5


def facts(name: str) -> dict[str, Any]:
    """What can be computed of a preset: ``parameters``, ``coco_weights`` and ``priors``."""
    model = build(name)
    return {
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "coco_weights": coco_weights(name) is not None,
        "priors": priors(name),
    }


def build(name: str) -> torch.nn.Module:
    """The network of a preset for one class, with random weights."""
    from mmdet.registry import MODELS

    with DefaultScope.overwrite_default_scope("mmdet"), contextlib.redirect_stdout(io.StringIO()):
        model: torch.nn.Module = MODELS.build(_config(name).model).eval()
    return model


def _config(name: str) -> Any:
    overrides = [f"model.name={name}", "model.pretrained=false", f"data.image_size={SIZE_PX}"]
    return complete_without_data(to_mmengine(load_settings(None, overrides)), {1: "defect"})


def priors(name: str) -> str:
    """What a head starts from: ``anchors`` (boxes of several shapes), ``points`` or ``queries``."""
    kinds = {str(node.get("type")) for node in walk(_config(name).model)}
    if any("num_queries" in node for node in walk(_config(name).model)):
        return "queries"
    return "anchors" if any(kind.endswith("AnchorGenerator") for kind in kinds) else "points"


def times(model: torch.nn.Module, reference: torch.nn.Module) -> float:
    """Processor time of one image through a network, as a multiple of another's, in turn; the first passes apart."""
    spent = [[_pass(network) for network in (model, reference)] for _ in range(_PASSES + 1)][1:]
    own, others = (statistics.median(column) for column in zip(*spent, strict=True))
    return own / others


@torch.no_grad()
def _pass(model: torch.nn.Module) -> float:
    from mmdet.structures import DetDataSample

    shape = (SIZE_PX, SIZE_PX)
    meta = dict(img_shape=shape, ori_shape=shape, batch_input_shape=shape, pad_shape=shape, scale_factor=(1.0, 1.0))
    image, started = torch.rand(1, 3, *shape), time.process_time()
    model(image, [DetDataSample(metainfo=meta)], mode="tensor")
    return time.process_time() - started


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    load_libraries()
    logging.disable(logging.WARNING)
    reference = build(REFERENCE)
    for name in sys.argv[1:] or PRESETS:
        found = facts(name)
        ratio = 1.0 if name == REFERENCE else float(f"{times(build(name), reference):.2g}")
        row = f'{found["parameters"]:_}, {ratio}, {found["coco_weights"]}, "{found["priors"]}"'
        print(f'    "{name}": Facts({row}),', flush=True)


if __name__ == "__main__":
    main()
