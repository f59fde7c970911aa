"""Eight-bit weights and activations by NNCF, for OpenVINO."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from anomdet.inference.backends.rows import threshold_input
from anomdet.inference.exported import Network
from anomdet.inference.preprocess import Prepared, stack

# From the boldest to the most careful: which convolutions stay in float.
LADDER = ("all layers", "all but the last layer of each branch", "all but the first and the last layers")


def quantise(
    source: Path, target: Path, network: Network, prepared: Sequence[Prepared], multiple: int, rung: int
) -> None:
    """Write a quantised copy of an OpenVINO model.

    Args:
        source, target: ``.xml`` files.
        network: of the source.
        prepared: calibration images.
        multiple: that sides are padded to.
        rung: of :data:`LADDER`.
    """
    os.environ.setdefault("NNCF_CI", "1")  # no telemetry: nothing is sent
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.Core().read_model(str(source))
    batches = [stack([image], multiple) for image in prepared]
    threshold = threshold_input(network, 0.05)
    inputs = [{"images": one.images, "sizes": one.sizes_hw, "threshold": threshold} for one in batches]
    kept = _kept_in_float(model, rung)
    with _quiet():
        quantised = nncf.quantize(
            model,
            nncf.Dataset(inputs),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False) if kept else None,
        )
    openvino.save_model(quantised, str(target), compress_to_fp16=False)


def _kept_in_float(model: Any, rung: int) -> list[str]:
    """Names of the convolutions that are not quantised."""
    convolutions = [op for op in model.get_ordered_ops() if op.get_type_name() in ("Convolution", "GroupConvolution")]
    if rung == 0 or not convolutions:
        return []
    last = [op.get_friendly_name() for op in convolutions if not _leads_to_convolution(op)]
    return last if rung == 1 else [convolutions[0].get_friendly_name(), *last]


def _leads_to_convolution(op: Any) -> bool:
    waiting, seen = [op], set()
    while waiting:
        for output in waiting.pop().outputs():
            for target in output.get_target_inputs():
                node = target.get_node()
                if node.get_type_name() in ("Convolution", "GroupConvolution"):
                    return True
                if node.get_friendly_name() not in seen:
                    seen.add(node.get_friendly_name())
                    waiting.append(node)
    return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """NNCF draws progress bars on both streams."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
