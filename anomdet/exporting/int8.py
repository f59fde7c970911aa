"""Eight-bit weights and activations by NNCF, for OpenVINO."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomdet.inference.backends.rows import threshold_input
from anomdet.inference.exported import Network
from anomdet.inference.preprocess import Prepared, stack


@dataclass(frozen=True)
class Rung:
    """Which convolutions stay in float.

    Args:
        num_last: of the layers that end a branch, counted from its end.
        with_first: the first one of the network, too.
    """

    num_last: int
    with_first: bool

    def __str__(self) -> str:
        if not self.num_last:
            return "all layers"
        last = "the last layer" if self.num_last == 1 else f"the last {self.num_last} layers"
        return f"all but {'the first and ' if self.with_first else ''}{last} of each branch"


# From the boldest to the most careful.
LADDER = (Rung(0, False), Rung(1, False), Rung(1, True), Rung(2, True), Rung(3, True), Rung(4, True))


def quantise(
    source: Path, target: Path, network: Network, prepared: Sequence[Prepared], multiple: int, kept: list[str]
) -> None:
    """Write a quantised copy of an OpenVINO model.

    Args:
        source, target: ``.xml`` files.
        network: of the source.
        prepared: calibration images.
        multiple: that sides are padded to.
        kept: names of layers that stay in float, of :func:`ladder`.
    """
    os.environ.setdefault("NNCF_CI", "1")  # no telemetry: nothing is sent
    import nncf
    import openvino

    logging.getLogger("nncf").setLevel(logging.ERROR)
    model = openvino.Core().read_model(str(source))
    batches = [stack([image], multiple) for image in prepared]
    threshold = threshold_input(network, 0.05)
    inputs = [{"images": one.images, "sizes": one.sizes_hw, "threshold": threshold} for one in batches]
    with _quiet():
        quantised = nncf.quantize(
            model,
            nncf.Dataset(inputs),
            subset_size=len(inputs),
            preset=nncf.QuantizationPreset.MIXED,
            ignored_scope=nncf.IgnoredScope(names=kept, validate=False) if kept else None,
        )
    openvino.save_model(quantised, str(target), compress_to_fp16=False)


def ladder(source: Path) -> dict[str, list[str]]:
    """What each rung is called, and the names of the layers of an ``.xml`` file that it keeps; no two keep the same."""
    import openvino

    left = layers_left(openvino.Core().read_model(str(source)))
    rungs: dict[str, list[str]] = {}
    for rung in LADDER:
        kept = [name for name, count in left.items() if count < rung.num_last]
        first = next(iter(left), None)
        if rung.with_first and first is not None and first not in kept:
            kept.insert(0, first)
        if kept not in rungs.values():
            rungs[str(rung)] = kept
    return rungs


def layers_left(model: Any) -> dict[str, int]:
    """Of each convolution, in the order of the computation: how many follow it on the longest way to an output."""
    left: dict[str, int] = {}
    behind: dict[str, int] = {}
    for op in reversed(model.get_ordered_ops()):
        users = [target.get_node() for output in op.outputs() for target in output.get_target_inputs()]
        count = max((behind[user.get_friendly_name()] for user in users), default=0)
        name = op.get_friendly_name()
        if op.get_type_name() in ("Convolution", "GroupConvolution"):
            left[name] = count
            count += 1
        behind[name] = count
    return dict(reversed(left.items()))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """NNCF draws progress bars on both streams."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
